//! Metrics of controllers; the table is in the docs of [`super`].

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::time::Instant;

use crate::queue::Action;

pub(super) struct ControllerMetrics {
    success: Counter,
    requeue_after: Counter,
    requeue: Counter,
    error: Counter,
    errors: Counter,
    panics: Counter,
    time: Histogram,
    active: Gauge,
}

impl ControllerMetrics {
    pub(super) fn new(controller: &str, concurrency: usize) -> Self {
        let label = || ("controller", controller.to_owned());
        let result = |result| {
            counter!(
                "controller_runtime_reconcile_total",
                &[label(), ("result", result)]
            )
        };
        gauge!("controller_runtime_max_concurrent_reconciles", &[label()]).set(concurrency as f64);
        Self {
            success: result("success".to_owned()),
            requeue_after: result("requeue_after".to_owned()),
            requeue: result("requeue".to_owned()),
            error: result("error".to_owned()),
            errors: counter!("controller_runtime_reconcile_errors_total", &[label()]),
            panics: counter!("controller_runtime_reconcile_panics_total", &[label()]),
            time: histogram!("controller_runtime_reconcile_time_seconds", &[label()]),
            active: gauge!("controller_runtime_active_workers", &[label()]),
        }
    }

    /// A call begins.
    pub(super) fn begin(&self) -> Call<'_> {
        self.active.increment(1.0);
        Call {
            metrics: self,
            begun: Instant::now(),
        }
    }
}

/// A call under way. Dropping it ends the call.
pub(super) struct Call<'a> {
    metrics: &'a ControllerMetrics,
    begun: Instant,
}

impl Call<'_> {
    /// The call returned an action; none for an error.
    pub(super) fn returned(&self, action: Option<Action>) {
        match action {
            Some(Action::Done) => self.metrics.success.increment(1),
            Some(Action::After(_)) => self.metrics.requeue_after.increment(1),
            Some(Action::Retry) => self.metrics.requeue.increment(1),
            None => self.failed(),
        }
    }

    fn failed(&self) {
        self.metrics.error.increment(1);
        self.metrics.errors.increment(1);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failed();
            self.metrics.panics.increment(1);
        }
        self.metrics.time.record(self.begun.elapsed().as_secs_f64());
        self.metrics.active.decrement(1.0);
    }
}

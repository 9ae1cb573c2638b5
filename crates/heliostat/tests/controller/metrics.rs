//! The metrics of a controller, as a recorder sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use heliostat::Action;

use super::support::*;

/// The last value of every gauge, the sum of every counter, the count of every histogram.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<String, f64>>>);

struct Handle(Values, String);

impl Values {
    fn of(&self, metric: &str) -> f64 {
        let name = format!("controller_runtime_{metric}");
        self.0
            .lock()
            .unwrap()
            .get(&name)
            .copied()
            .unwrap_or_default()
    }

    fn handle(&self, key: &Key) -> Arc<Handle> {
        let of = |name| {
            key.labels()
                .find(|it| it.key() == name)
                .map(::metrics::Label::value)
        };
        let is_ours = key.name().starts_with("controller_runtime_");
        assert!(!is_ours || of("controller") == Some("greeter"));
        let result = of("result").map(|result| format!("/{result}"));
        let name = format!("{}{}", key.name(), result.unwrap_or_default());
        Arc::new(Handle(self.clone(), name))
    }
}

impl Handle {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
    }
}

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        self.change(|sum| *sum += value as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|sum| *sum = value as f64);
    }
}

impl GaugeFn for Handle {
    fn increment(&self, value: f64) {
        self.change(|now| *now += value);
    }

    fn decrement(&self, value: f64) {
        self.change(|now| *now -= value);
    }

    fn set(&self, value: f64) {
        self.change(|now| *now = value);
    }
}

impl HistogramFn for Handle {
    fn record(&self, _: f64) {
        self.change(|count| *count += 1.0);
    }
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_their_result() {
    let values = Values::default();
    let _recorder = ::metrics::set_default_local_recorder(&values);
    let source = source(&["after", "done", "error", "panic", "retry", "slow"]);
    let calls = Calls::new();
    let controller = controller(&source).name("greeter").concurrency(2);
    let running = start(controller, &calls, |map, number| async move {
        match map.metadata.name.as_deref().unwrap() {
            "after" if number == 1 => Ok(Action::After(seconds(100))),
            "retry" if number == 1 => Ok(Action::Retry),
            "error" if number == 1 => Err("failed".to_owned()),
            "panic" if number == 1 => panic!("panicked"),
            "slow" => std::future::pending().await,
            _ => Ok(Action::Done),
        }
    });
    tokio::time::sleep(seconds(10)).await;
    let metrics = [
        ("max_concurrent_reconciles", 2.0),
        ("active_workers", 1.0),
        ("reconcile_total/success", 4.0),
        ("reconcile_total/requeue_after", 1.0),
        ("reconcile_total/requeue", 1.0),
        ("reconcile_total/error", 2.0),
        ("reconcile_errors_total", 2.0),
        ("reconcile_panics_total", 1.0),
        ("reconcile_time_seconds", 8.0),
    ];
    for (metric, expected) in metrics {
        assert_eq!(values.of(metric), expected, "{metric}");
    }
    running.task.abort();
}

//! Metrics of work queues; the facade is that of [`crate::metrics`].
//!
//! Names and meanings are those of Kubernetes' work queues; every metric has the label `name`, the
//! queue's name. A queue without a name has no metrics.
//!
//! | metric | type | what |
//! |---|---|---|
//! | `workqueue_depth` | gauge | keys in line |
//! | `workqueue_adds_total` | counter | keys that came to be worked; adding what waits already does not count |
//! | `workqueue_queue_duration_seconds` | histogram | from being asked for to being taken |
//! | `workqueue_work_duration_seconds` | histogram | from being taken to being done |
//! | `workqueue_unfinished_work_seconds` | gauge | how long the keys in work have been there, added up |
//! | `workqueue_longest_running_processor_seconds` | gauge | the longest of these |
//! | `workqueue_retries_total` | counter | keys that were given a delay or a rate limit |

use std::time::Duration;

use heliostat_core::queue::WorkQueueState;
use heliostat_core::time::Time;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// How often the gauges that grow with time are updated while nothing happens, as in Kubernetes: more
/// often than any scrape.
pub(super) const REFRESH_PERIOD: Duration = Duration::from_millis(500);

pub(super) struct WorkQueueMetrics {
    depth: Gauge,
    adds: Counter,
    queue_duration: Histogram,
    work_duration: Histogram,
    unfinished_work: Gauge,
    longest_running: Gauge,
    retries: Counter,
}

impl WorkQueueMetrics {
    pub(super) fn new(name: &str) -> Self {
        let label = || ("name", name.to_owned());
        Self {
            depth: gauge!("workqueue_depth", &[label()]),
            adds: counter!("workqueue_adds_total", &[label()]),
            queue_duration: histogram!("workqueue_queue_duration_seconds", &[label()]),
            work_duration: histogram!("workqueue_work_duration_seconds", &[label()]),
            unfinished_work: gauge!("workqueue_unfinished_work_seconds", &[label()]),
            longest_running: gauge!("workqueue_longest_running_processor_seconds", &[label()]),
            retries: counter!("workqueue_retries_total", &[label()]),
        }
    }

    /// This many keys came to be worked.
    pub(super) fn added(&self, keys: usize) {
        if keys > 0 {
            self.adds.increment(keys as u64);
        }
    }

    pub(super) fn retried(&self) {
        self.retries.increment(1);
    }

    pub(super) fn taken(&self, waited: Duration) {
        self.queue_duration.record(waited.as_secs_f64());
    }

    pub(super) fn worked(&self, duration: Duration) {
        self.work_duration.record(duration.as_secs_f64());
    }

    /// Tells how the queue is now; under its lock, so that the last word is the newest.
    pub(super) fn state<K: Clone + Ord>(&self, queue: &WorkQueueState<K>, now: Time) {
        self.depth.set(queue.depth() as f64);
        self.unfinished_work
            .set(queue.unfinished_work(now).as_secs_f64());
        let longest = queue.longest_running(now).unwrap_or_default();
        self.longest_running.set(longest.as_secs_f64());
    }
}

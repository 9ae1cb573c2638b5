//! The metrics of a queue, as a recorder sees them.

use std::collections::BTreeMap;

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Label, Metadata,
    Recorder, SharedString, Unit,
};

use super::*;

/// The last value of every gauge, the sum of every counter and of every histogram.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<String, f64>>>);

struct Handle(Values, String);

impl Values {
    fn of(&self, metric: &str) -> Option<f64> {
        self.0.lock().unwrap().get(metric).copied()
    }

    fn handle(&self, key: &Key) -> Arc<Handle> {
        let label = key.labels().find(|label| label.key() == "name");
        assert_eq!(label.map(Label::value), Some("things"));
        Arc::new(Handle(self.clone(), key.name().to_owned()))
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
    fn record(&self, value: f64) {
        self.change(|sum| *sum += value);
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
async fn k_17_a_named_queue_feeds_the_metrics_that_operators_know() {
    let values = Values::default();
    let _guard = ::metrics::set_default_local_recorder(&values);
    let queue = WorkQueue::builder().name("things").build();
    for key in ["a", "b", "a"] {
        queue.add(key);
    }
    assert_eq!(values.of("workqueue_depth"), Some(2.0));
    assert_eq!(values.of("workqueue_adds_total"), Some(2.0));
    tokio::time::advance(seconds(3)).await;
    let work = at_once(&queue).unwrap();
    assert_eq!(values.of("workqueue_depth"), Some(1.0));
    assert_eq!(values.of("workqueue_queue_duration_seconds"), Some(3.0));
    queue.add("a");
    queue.add("a");
    assert_eq!(values.of("workqueue_adds_total"), Some(3.0));
    tokio::time::advance(seconds(2)).await;
    let other = at_once(&queue).unwrap();
    assert_eq!(values.of("workqueue_unfinished_work_seconds"), Some(2.0));
    assert_eq!(
        values.of("workqueue_longest_running_processor_seconds"),
        Some(2.0)
    );
    tokio::time::advance(seconds(1)).await;
    drop(work);
    assert_eq!(values.of("workqueue_work_duration_seconds"), Some(3.0));
    assert_eq!(values.of("workqueue_unfinished_work_seconds"), Some(1.0));
    assert_eq!(
        values.of("workqueue_longest_running_processor_seconds"),
        Some(1.0)
    );
    assert_eq!(
        values.of("workqueue_depth"),
        Some(1.0),
        "a is in line again"
    );
    other.retry();
    queue.add_after("c", seconds(1));
    queue.add_after("d", Duration::ZERO);
    assert_eq!(values.of("workqueue_retries_total"), Some(3.0));
    assert_eq!(
        values.of("workqueue_adds_total"),
        Some(4.0),
        "b and c wait for their time"
    );
    tokio::time::advance(seconds(1)).await;
    drop(at_once(&queue));
    assert_eq!(values.of("workqueue_adds_total"), Some(6.0));
    queue.close();
    queue.add("e");
    queue.add_after("f", seconds(1));
    assert_eq!(values.of("workqueue_adds_total"), Some(6.0));
    assert_eq!(values.of("workqueue_retries_total"), Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn k_17_work_that_hangs_is_seen_while_nothing_else_happens() {
    let values = Values::default();
    let _guard = ::metrics::set_default_local_recorder(&values);
    let queue = WorkQueue::builder().name("things").build();
    queue.add("a");
    let hang = |_| std::future::pending::<Result<Action, String>>();
    let hung = tokio::time::timeout(Duration::from_millis(10_200), queue.process(1, hang)).await;
    assert!(hung.is_err());
    let longest = values.of("workqueue_longest_running_processor_seconds");
    assert_eq!(longest, Some(10.0));
}

#[tokio::test(start_paused = true)]
async fn k_17_a_queue_without_a_name_has_no_metrics() {
    let values = Values::default();
    let _guard = ::metrics::set_default_local_recorder(&values);
    let queue = queue();
    queue.add("a");
    drop(at_once(&queue));
    assert!(values.0.lock().unwrap().is_empty());
}

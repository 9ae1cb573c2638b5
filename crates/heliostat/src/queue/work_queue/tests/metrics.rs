//! The metrics of a queue, as a recorder sees them.

use super::*;
use crate::recorder::Recorder;

fn value(recorder: &Recorder, metric: &str) -> Option<f64> {
    let recorded = recorder.of(metric, &[("name", "things")]);
    recorded.map(|recorded| recorded.value)
}

#[tokio::test(start_paused = true)]
async fn k_17_a_named_queue_feeds_the_metrics_that_operators_know() {
    let values = Recorder::default();
    let _guard = ::metrics::set_default_local_recorder(&values);
    let queue = WorkQueue::builder().name("things").build();
    for key in ["a", "b", "a"] {
        queue.add(key);
    }
    assert_eq!(value(&values, "workqueue_depth"), Some(2.0));
    assert_eq!(value(&values, "workqueue_adds_total"), Some(2.0));
    tokio::time::advance(seconds(3)).await;
    let work = at_once(&queue).unwrap();
    assert_eq!(value(&values, "workqueue_depth"), Some(1.0));
    assert_eq!(
        value(&values, "workqueue_queue_duration_seconds"),
        Some(3.0)
    );
    queue.add("a");
    queue.add("a");
    assert_eq!(value(&values, "workqueue_adds_total"), Some(3.0));
    tokio::time::advance(seconds(2)).await;
    let other = at_once(&queue).unwrap();
    assert_eq!(
        value(&values, "workqueue_unfinished_work_seconds"),
        Some(2.0)
    );
    assert_eq!(
        value(&values, "workqueue_longest_running_processor_seconds"),
        Some(2.0)
    );
    tokio::time::advance(seconds(1)).await;
    drop(work);
    assert_eq!(value(&values, "workqueue_work_duration_seconds"), Some(3.0));
    assert_eq!(
        value(&values, "workqueue_unfinished_work_seconds"),
        Some(1.0)
    );
    assert_eq!(
        value(&values, "workqueue_longest_running_processor_seconds"),
        Some(1.0)
    );
    assert_eq!(
        value(&values, "workqueue_depth"),
        Some(1.0),
        "a is in line again"
    );
    other.retry();
    queue.add_after("c", seconds(1));
    queue.add_after("d", Duration::ZERO);
    assert_eq!(value(&values, "workqueue_retries_total"), Some(3.0));
    assert_eq!(
        value(&values, "workqueue_adds_total"),
        Some(4.0),
        "b and c wait for their time"
    );
    tokio::time::advance(seconds(1)).await;
    drop(at_once(&queue));
    assert_eq!(value(&values, "workqueue_adds_total"), Some(6.0));
    queue.close();
    queue.add("e");
    queue.add_after("f", seconds(1));
    assert_eq!(value(&values, "workqueue_adds_total"), Some(6.0));
    assert_eq!(value(&values, "workqueue_retries_total"), Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn k_17_work_that_hangs_is_seen_while_nothing_else_happens() {
    let values = Recorder::default();
    let _guard = ::metrics::set_default_local_recorder(&values);
    let queue = WorkQueue::builder().name("things").build();
    queue.add("a");
    let hang = |_| std::future::pending::<Result<Action, String>>();
    let hung = tokio::time::timeout(Duration::from_millis(10_200), queue.process(1, hang)).await;
    assert!(hung.is_err());
    let longest = value(&values, "workqueue_longest_running_processor_seconds");
    assert_eq!(longest, Some(10.0));
}

#[tokio::test(start_paused = true)]
async fn k_17_a_queue_without_a_name_has_no_metrics() {
    let values = Recorder::default();
    let _guard = ::metrics::set_default_local_recorder(&values);
    let queue = queue();
    queue.add("a");
    drop(at_once(&queue));
    assert!(values.is_empty());
}

//! The metrics of a controller, as a recorder sees them.

use heliostat::Action;

use super::recorder::Recorder;
use super::support::*;

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_their_result() {
    let values = Recorder::default();
    let _recorder = ::metrics::set_default_local_recorder(&values);
    let source = source(&["after", "done", "error", "panic", "retry", "slow"]);
    let calls = Calls::new();
    let controller = controller(&source).name("greeter").concurrency(2);
    assert!(values.is_empty(), "nothing is recorded before the start");
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
        let (name, result) = metric.split_once('/').unwrap_or((metric, ""));
        let mut labels = vec![("controller", "greeter")];
        labels.extend((!result.is_empty()).then_some(("result", result)));
        let recorded = values.of(&format!("controller_runtime_{name}"), &labels);
        let recorded = recorded.unwrap_or_else(|| panic!("no {metric}"));
        let is_duration = name.ends_with("_seconds");
        let actual = if is_duration {
            recorded.times as f64
        } else {
            recorded.value
        };
        assert_eq!(actual, expected, "{metric}");
    }
    running.task.abort();
}

//! Errors, panics and the time of the next call.

use heliostat::Action;
use k8s_openapi::api::core::v1::ConfigMap;

use super::support::*;

#[tokio::test(start_paused = true)]
async fn an_object_that_fails_comes_later_and_later_and_others_go_on() {
    let source = source(&["a", "b"]);
    let calls = Calls::new();
    let running = start(controller(&source), &calls, |map, number| async move {
        match map.metadata.name.as_deref() {
            Some("a") if number <= 3 => Err("not yet".to_owned()),
            _ => Ok(Action::Done),
        }
    });
    settle().await;
    assert_eq!(calls.names(), ["a", "b"]);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(calls.seconds(), [1, 3, 7]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_call_or_its_future_is_an_error() {
    let source = source(&["a", "b", "c"]);
    let calls = Calls::new();
    let running = start(controller(&source), &calls, |map, number| {
        let name = map.metadata.name.clone().unwrap();
        assert!(name != "a" || number > 1, "in the call");
        async move {
            assert!(name != "b" || number > 1, "in the future");
            Ok(Action::Done)
        }
    });
    settle().await;
    assert_eq!(calls.names(), ["a", "b", "c"]);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(calls.seconds(), [1, 1]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_decides_by_the_object_the_error_and_the_attempt() {
    let source = source(&["a", "b"]);
    let calls = Calls::new();
    let controller = controller(&source).on_error(|map: &ConfigMap, error: &String, attempt| {
        assert_eq!(error, "failed");
        match (map.metadata.name.as_deref(), attempt) {
            (Some("b"), _) => Action::Done,
            (_, 1) => Action::After(seconds(10)),
            (_, 2) => Action::Retry,
            _ => Action::Done,
        }
    });
    let running = start(controller, &calls, |_, _| async {
        Err("failed".to_owned())
    });
    tokio::time::sleep(seconds(600)).await;
    // The second failure of `a` waits the second delay of the backoff.
    assert_eq!(calls.seconds(), [0, 0, 10, 12]);
    touch(&source, "a");
    tokio::time::sleep(seconds(15)).await;
    assert_eq!(
        calls.seconds(),
        [600, 610, 612],
        "giving up resets the attempts"
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_ends_the_wait_for_a_retry_and_the_next_outcome_that_of_an_earlier_one() {
    let source = source(&["a"]);
    let calls = Calls::new();
    let running = start(controller(&source), &calls, |_, number| async move {
        match number {
            1 => Err("not yet".to_owned()),
            2 => Ok(Action::After(seconds(4))),
            _ => Ok(Action::Done),
        }
    });
    settle().await;
    touch(&source, "a");
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(
        calls.seconds(),
        [0, 0],
        "at once, and not again after a second"
    );
    touch(&source, "a");
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(calls.seconds(), [2], "and not again after four seconds");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_can_ask_to_be_reconciled_again() {
    let source = source(&["a"]);
    let calls = Calls::new();
    let running = start(controller(&source), &calls, |_, number| async move {
        match number {
            1 => Ok(Action::After(seconds(30))),
            2 | 3 => Ok(Action::Retry),
            _ => Ok(Action::Done),
        }
    });
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(calls.seconds(), [0, 30, 31, 33]);
    running.end().await;
}

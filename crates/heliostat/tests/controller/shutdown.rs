//! How a run ends.

use heliostat::{Action, SharedInformer};

use super::support::*;

#[tokio::test(start_paused = true)]
async fn a_shutdown_lets_calls_under_way_end_and_starts_none() {
    let source = source(&["a", "b", "c"]);
    let calls = Calls::new();
    let ended = Calls::new();
    let of_calls = ended.clone();
    let mut running = start(controller(&source).concurrency(2), &calls, move |map, _| {
        let ended = of_calls.clone();
        async move {
            tokio::time::sleep(seconds(10)).await;
            ended.record(&map);
            Ok(Action::After(seconds(1)))
        }
    });
    settle().await;
    touch(&source, "a");
    running.signal();
    settle().await;
    assert!(!running.task.is_finished(), "it waits for the calls");
    running.task.await.unwrap().unwrap();
    assert_eq!(calls.names(), ["a", "b"]);
    assert_eq!(ended.seconds(), [10, 10]);
    assert_eq!(source.open_watches(), 0, "the mirror has ended");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_before_the_mirrors_are_synced_ends_at_once() {
    let source = source(&["a"]);
    source.set_watch_list_mode(heliostat::testing::WatchListMode::Refused);
    for _ in 0..3 {
        source.fail_next_list(heliostat::testing::connection_refused());
    }
    let calls = Calls::new();
    let running = start_done(controller(&source), &calls);
    settle().await;
    running.end().await;
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(calls.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_informer_that_stops_ends_the_run_with_an_error() {
    let source = source(&["a"]);
    let informer = SharedInformer::new(Source::new());
    let calls = Calls::new();
    let running = start_done(controller(&source).watches(&informer, |_| []), &calls);
    settle().await;
    informer.shutdown().await;
    let error = running.task.await.unwrap().unwrap_err();
    assert!(error.to_string().contains(informer.name()), "{error}");
    assert_eq!(source.open_watches(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_starts_nothing_more_and_ends_its_mirrors() {
    let source = source(&["a", "b"]);
    let calls = Calls::new();
    let running = start(controller(&source), &calls, |_, _| async {
        std::future::pending().await
    });
    settle().await;
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(calls.names(), ["a"]);
    assert_eq!(source.open_watches(), 0);
}

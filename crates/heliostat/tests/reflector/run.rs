//! Starting, stopping, and what is asked of the source in which order.

use std::num::NonZeroUsize;
use std::time::Duration;

use heliostat::reflector::{Activity, BudgetConfig};
use heliostat::testing::{ListFault, WatchFault};
use heliostat::{Reflector, RequestBudget};

use crate::support::{
    Recorder, caught_up, key, keys, list_config, source, stream_config, until, words,
};

#[tokio::test(start_paused = true)]
async fn r_13_a_round_lists_then_watches_from_the_lists_version() {
    let source = source(&["a", "b"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    assert_eq!(words(&source.requests()), ["list 0", "watch 3"]);
    source.delete(&key("a")).unwrap();
    caught_up(&source, &store).await;
    assert_eq!(keys(&store), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn wl_05_the_stream_of_a_watch_list_becomes_the_watch() {
    let source = source(&["a", "b"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(stream_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.create(key("c"), "c".to_owned()).unwrap();
    caught_up(&source, &store).await;
    assert_eq!(words(&source.requests()), ["watch-list "]);
    assert_eq!(keys(&store), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn wl_16_r_07_a_source_without_watch_lists_is_never_asked_for_one() {
    let source = source(&["a"]);
    let (reflector, _store) = Reflector::with_indexer(source.without_watch_list());
    let mirror = reflector.config(stream_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    assert_eq!(words(&source.requests()), ["list 0", "watch 2"]);
}

#[tokio::test(start_paused = true)]
async fn w_15_stopping_gives_up_the_open_watch() {
    let source = source(&["a"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(source.open_watches(), 1);
    mirror.shutdown().await;
    assert_eq!(source.open_watches(), 0);
    assert_eq!(keys(&store), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn r_08_r_23_a_request_that_is_never_answered_does_not_hold_up_a_stop() {
    let source = source(&["a"]);
    source.on_next_list(ListFault::Stall);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    source.wait_for_requests(1).await;
    mirror.shutdown().await;
    assert!(store.is_empty() && !store.is_synced());
}

#[tokio::test(start_paused = true)]
async fn r_23_a_stop_during_a_delay_ends_at_once() {
    let source = source(&["a"]);
    let error = heliostat::Status::failure(500, "", "broken");
    source.fail_next_list(error);
    let (reflector, _store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    until(&mirror, |status| status.activity == Activity::BackingOff).await;
    let before = tokio::time::Instant::now();
    mirror.shutdown().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(source.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_stops_the_mirror_and_detaching_does_not() {
    let source = source(&["a"]);
    let (reflector, _store) = Reflector::with_indexer(source.clone());
    drop(reflector.start());
    let (reflector, store) = Reflector::with_indexer(source.clone());
    reflector.start().detach();
    store.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.create(key("b"), "b".to_owned()).unwrap();
    caught_up(&source, &store).await;
    assert_eq!(keys(&store), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_sync_that_never_comes_ends_with_the_mirror() {
    let source = source(&[]);
    source.on_next_list(ListFault::Stall);
    let (reflector, _store) = Reflector::with_indexer(source.clone());
    let mirror = reflector.config(list_config()).start();
    let mut status = mirror.watch_status();
    source.wait_for_requests(1).await;
    drop(mirror);
    assert!(status.wait_for(|status| status.synced).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn r_11_w_23_half_open_watches_are_noticed_on_the_injected_clock() {
    let source = source(&["a"]);
    source.on_next_watch(WatchFault::Stall);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let config = list_config().silence_timeout(Some(Duration::from_secs(7)));
    let started = tokio::time::Instant::now();
    let mirror = reflector.config(config).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    // Seven seconds of silence and a delay of one.
    assert_eq!(started.elapsed().as_secs(), 8);
    source.create(key("b"), "b".to_owned()).unwrap();
    caught_up(&source, &store).await;
    assert_eq!(
        words(&source.requests()),
        ["list 0", "watch 2", "proof a", "watch 2"]
    );
    drop(mirror);
}

#[tokio::test(start_paused = true)]
async fn one_budget_lets_one_mirror_list_at_a_time() {
    let budget = RequestBudget::new(BudgetConfig::new().limit(NonZeroUsize::MIN));
    let slow = source(&["a"]);
    slow.on_next_list(ListFault::StallAfter { items: 1 });
    let quick = source(&["b"]);
    let config = list_config().list_idle_timeout(Duration::from_secs(5));
    let first = Reflector::new(slow.clone(), Recorder::default())
        .config(config.clone())
        .budget(budget.clone())
        .start();
    slow.wait_for_requests(1).await;
    let (reflector, store) = Reflector::with_indexer(quick.clone());
    let second = reflector.config(config).budget(budget).start();
    until(&second, |status| {
        status.activity == Activity::AwaitingPermit
    })
    .await;
    assert!(quick.requests().is_empty());
    // The stalled list is given up after five seconds; its permit goes to the other mirror.
    second.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(keys(&store), ["b"]);
    first.wait_synced(Duration::MAX).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn several_namespaces_share_one_store() {
    let everything = source(&["a/x", "b/y", "c/z"]);
    let only = |namespace: &'static str| {
        everything.filtered(move |entry| entry.key().namespace() == Some(namespace))
    };
    let sources = [("a", only("a")), ("b", only("b"))];
    let (reflectors, store) = Reflector::with_namespaces(sources).unwrap();
    let mirrors: Vec<_> = reflectors
        .into_iter()
        .map(|reflector| reflector.config(list_config()).start())
        .collect();
    store.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(keys(&store), ["a/x", "b/y"]);
    everything.wait_for_open_watches(2).await;
    everything.delete(&key("a/x")).unwrap();
    everything.create(key("b/w"), "w".to_owned()).unwrap();
    everything.bookmark();
    caught_up(&everything, &store).await;
    assert_eq!(keys(&store), ["b/w", "b/y"]);
    assert_eq!(mirrors[0].status().objects, Some(0));
    assert_eq!(mirrors[1].status().objects, Some(2));
}

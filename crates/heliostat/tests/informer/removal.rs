//! Handlers that go: what they are still told, and what is waited for.

use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt;
use heliostat::HandlerFuncs;

use crate::support::{Gated, Log, caught_up, key, listing, settle, source, tasks};

#[tokio::test(start_paused = true)]
async fn p_09_each_registration_is_removed_for_itself() {
    let informer = listing(&source(&[])).build();
    let one = informer.add_handler(HandlerFuncs::new()).unwrap();
    let two = informer.add_handler(HandlerFuncs::new()).unwrap();
    assert_eq!(informer.handlers().len(), 2);
    one.remove();
    assert_eq!(informer.handlers().len(), 1);
    drop(two);
    assert_eq!(informer.handlers().len(), 0);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn p_09_a_removed_handler_is_told_nothing_more() {
    let source = source(&["1"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    // It is in the slot, and not told yet.
    source.create(key("2"), "2".to_owned()).unwrap();
    registration.remove();
    source.create(key("3"), "3".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(log.words(), ["+1@2!", "synced"]);
    assert!(informer.indexer().get(&"3".parse().unwrap()).is_some());
}

#[tokio::test(start_paused = true)]
async fn p_09_removing_does_not_wait_for_the_call_under_way_and_drops_what_waits() {
    let source = source(&["a", "b", "c"]);
    let (informer, held) = (listing(&source).build(), Gated::new());
    let registration = informer.add_handler(held.clone()).unwrap();
    informer.start();
    held.log.reach(1).await;
    registration.remove();
    assert!(informer.handlers().is_empty());
    settle().await;
    assert!(
        held.handled.words().is_empty(),
        "the call is still under way"
    );
    held.open(10);
    settle().await;
    assert_eq!(held.handled.words(), ["+a@2!"]);
    assert_eq!(held.log.words(), ["+a@2!"]);
}

#[tokio::test(start_paused = true)]
async fn p_10_shutting_down_waits_for_the_call_under_way() {
    let source = source(&["a", "b"]);
    let (informer, held) = (listing(&source).build(), Gated::new());
    let registration = informer.add_handler(held.clone()).unwrap();
    informer.start();
    held.log.reach(1).await;
    let mut down = Box::pin(registration.shutdown());
    assert!((&mut down).now_or_never().is_none());
    settle().await;
    assert!((&mut down).now_or_never().is_none());
    held.open(1);
    down.await;
    assert_eq!(held.handled.words(), ["+a@2!"]);
}

#[tokio::test(start_paused = true)]
async fn p_10_shutting_down_ends_whether_or_not_the_informer_ever_ran() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let never_started = informer.add_handler(HandlerFuncs::new()).unwrap();
    at_once(never_started.shutdown()).await;
    let before = informer.add_handler(HandlerFuncs::new()).unwrap();
    informer.start();
    let after = informer.add_handler(HandlerFuncs::new()).unwrap();
    informer.wait_synced(Duration::MAX).await.unwrap();
    at_once(before.shutdown()).await;
    at_once(after.shutdown()).await;
    let at_the_end = informer.add_handler(HandlerFuncs::new()).unwrap();
    informer.shutdown().await;
    at_once(at_the_end.shutdown()).await;
    assert_eq!(tasks(), 0);
}

/// The handler itself is gone, too: what it held is free.
#[tokio::test(start_paused = true)]
async fn p_10_p_11_after_a_shut_down_or_a_stop_the_handler_has_been_dropped() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    informer.start();
    let (one, one_ends) = tokio::sync::mpsc::unbounded_channel::<()>();
    let (two, two_ends) = tokio::sync::mpsc::unbounded_channel::<()>();
    let holding = |sender: tokio::sync::mpsc::UnboundedSender<()>| {
        HandlerFuncs::<String>::new().on_synced(move || assert!(!sender.is_closed()))
    };
    let shut = informer.add_handler(holding(one)).unwrap();
    let stopped = informer.add_handler(holding(two)).unwrap();
    stopped.wait_synced(Duration::MAX).await.unwrap();
    shut.shutdown().await;
    assert!(one_ends.is_closed() || one_ends.sender_strong_count() == 0);
    informer.shutdown().await;
    assert_eq!(two_ends.sender_strong_count(), 0);
    drop(stopped);
}

#[tokio::test(start_paused = true)]
async fn p_09_a_detached_handler_listens_until_the_informer_ends() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    informer.add_handler(log.clone()).unwrap().detach();
    informer.start();
    assert_eq!(log.reach(2).await.len(), 2);
    drop(informer);
    source.wait_for_open_watches(0).await;
    settle().await;
    assert_eq!(tasks(), 0, "it does not keep the mirror running");
}

#[tokio::test(start_paused = true)]
async fn p_09_a_subscription_that_is_dropped_is_removed() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let stream = informer.subscribe().unwrap();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(informer.handlers().len(), 1);
    drop(stream);
    assert!(informer.handlers().is_empty());
}

async fn at_once(wait: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_millis(1), wait)
        .await
        .unwrap();
}

//! Handlers that come when there is something already.

use std::time::Duration;

use heliostat::HandlerOptions;
use heliostat::testing::ListFault;

use crate::support::{Gated, Log, caught_up, key, listing, settle, source};

#[tokio::test(start_paused = true)]
async fn p_06_p_07_a_handler_from_before_the_start_misses_nothing() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let registration = informer.add_handler(log.clone()).unwrap();
    settle().await;
    assert!(!registration.is_synced() && !informer.is_synced());
    assert!(log.words().is_empty());
    informer.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(log.words(), ["+a@2!", "synced"]);
}

/// The reference's story of a handler that is added while the informer is active.
#[tokio::test(start_paused = true)]
async fn i_17_p_07_p_12_p_13_a_late_handler_is_told_the_present_and_then_what_follows() {
    let source = source(&["1"]);
    let (informer, first, late) = (listing(&source).build(), Log::new(), Gated::new());
    let one = informer.add_handler(first.clone()).unwrap();
    informer.start();
    one.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    let two = informer.add_handler(late.clone()).unwrap();
    source.create(key("2"), "2".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    late.log.reach(1).await;
    assert!(
        informer.is_synced() && !two.is_synced(),
        "it has handled nothing yet"
    );
    late.open(1);
    two.wait_synced(Duration::MAX).await.unwrap();
    late.open(1);
    assert_eq!(late.log.reach(2).await, ["+1@2!", "+2@3"]);
    assert_eq!(first.words(), ["+1@2!", "synced", "+2@3"]);
}

#[tokio::test(start_paused = true)]
async fn p_07_p_12_a_handler_that_comes_during_the_first_list_is_synced_with_it() {
    let source = source(&["a", "b"]);
    source.on_next_list(ListFault::StallAfter { items: 1 });
    let (informer, log) = (listing(&source).build(), Log::new());
    informer.start();
    source.wait_for_requests(1).await;
    settle().await;
    let registration = informer.add_handler(log.clone()).unwrap();
    settle().await;
    assert!(log.words().is_empty() && !registration.is_synced());
    // The list is given up after its idle time, and made again.
    registration.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(log.words(), ["+a@2!", "+b@3!", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn p_12_a_handler_of_an_empty_mirror_is_synced_when_the_mirror_is() {
    let source = source(&[]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let early = informer.add_handler(log.clone()).unwrap();
    informer.start();
    early.wait_synced(Duration::MAX).await.unwrap();
    let late = informer.add_handler(log.clone()).unwrap();
    late.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(log.words(), ["synced", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn p_08_one_handler_may_listen_twice() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let one = informer.add_handler(log.clone()).unwrap();
    let _two = informer.add_handler(log.clone()).unwrap();
    informer.start();
    assert_eq!(log.reach(4).await, ["+a@2!", "synced", "+a@2!", "synced"]);
    source.wait_for_open_watches(1).await;
    one.remove();
    log.take();
    source.update(key("a"), "2".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(log.take(), ["~a@2>3"], "the other goes on");
    assert_eq!(informer.handlers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p_07_a_late_subscription_is_told_the_same_as_a_late_handler() {
    let source = source(&["a", "b"]);
    let informer = listing(&source).build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    let mut stream = informer
        .subscribe_with(&HandlerOptions::new().name("late"))
        .unwrap();
    source.delete(&key("a")).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(stream.status().pending, 4);
    let log = Log::new();
    while let Some(notification) = stream.try_recv() {
        log.hear(&notification);
    }
    assert_eq!(log.words(), ["+a@2!", "+b@3!", "synced", "-a@4"]);
    assert!(stream.status().synced);
}

/// However a start and the coming of a handler fall together, it is told everything once.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn i_17_a_handler_that_comes_with_the_start_is_told_everything_once() {
    for _ in 0..50 {
        let source = source(&["a", "b", "c"]);
        let (informer, log) = (listing(&source).build(), Log::new());
        let (starts, adds) = (informer.clone(), informer.clone());
        let handler = log.clone();
        let started = tokio::spawn(async move { starts.start() });
        let added = tokio::spawn(async move { adds.add_handler(handler).unwrap() });
        started.await.unwrap();
        let registration = added.await.unwrap();
        let within = Duration::from_secs(30);
        tokio::time::timeout(within, registration.wait_synced(Duration::MAX))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(log.words(), ["+a@2!", "+b@3!", "+c@4!", "synced"]);
        informer.shutdown().await;
    }
}

//! Starting, stopping, draining; what keeps a mirror running, and what is left of one.

use std::time::Duration;

use futures_util::FutureExt;
use heliostat::reflector::{RejectPolicy, WatchListMode};
use heliostat::testing::ListFault;
use heliostat::{HandlerFuncs, Notification, ReflectorConfig};

use crate::support::{Gated, Log, caught_up, key, listing, settle, source, tasks};

#[tokio::test(start_paused = true)]
async fn i_13_created_started_stopped_and_never_again() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let _registration = informer.add_handler(log.clone()).unwrap();
    assert!(!informer.is_started() && !informer.is_stopped());
    informer.start();
    informer.start();
    assert!(informer.is_started() && !informer.is_stopped());
    log.reach(2).await;
    source.wait_for_open_watches(1).await;
    informer.shutdown().await;
    assert!(informer.is_started() && informer.is_stopped());
    assert_eq!((source.open_watches(), tasks()), (0, 0));
    informer.shutdown().await;
    informer.start();
    settle().await;
    assert!(informer.is_stopped());
    assert_eq!(source.requests().len(), 2, "one list and one watch");
    assert_eq!(informer.indexer().len(), 1, "the store keeps what it holds");
}

#[tokio::test(start_paused = true)]
async fn i_13_an_informer_that_is_stopped_before_its_start_never_asks() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let registration = informer.add_handler(Log::new()).unwrap();
    informer.shutdown().await;
    informer.start();
    settle().await;
    assert!(source.requests().is_empty());
    assert!(registration.wait_synced(Duration::MAX).await.is_err());
    assert!(informer.wait_synced(Duration::MAX).await.is_err());
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn i_14_a_mirror_that_stops_before_it_is_synced_never_is() {
    let source = source(&["a"]);
    source.on_next_list(ListFault::Stall);
    let informer = listing(&source).build();
    let registration = informer.add_handler(Log::new()).unwrap();
    informer.start();
    source.wait_for_requests(1).await;
    let (stops, waits) = (informer.clone(), informer.clone());
    let (waited, handler_waited, ()) = tokio::join!(
        waits.wait_synced(Duration::MAX),
        registration.wait_synced(Duration::MAX),
        stops.shutdown()
    );
    let error = waited.unwrap_err();
    assert_eq!(error.to_string(), "not synced: a collection in memory");
    let reason = error.cause().source().unwrap().to_string();
    assert_eq!(reason, "the informer a collection in memory has stopped");
    assert!(handler_waited.is_err());
    assert!(!informer.is_synced() && !registration.is_synced());
}

#[tokio::test(start_paused = true)]
async fn i_14_a_wait_for_a_mirror_that_never_syncs_ends() {
    let source = source(&["a"]);
    source.on_next_list(ListFault::Stall);
    let informer = listing(&source).build();
    informer.start();
    source.wait_for_requests(1).await;
    assert!(!informer.indexer().is_synced() && !informer.is_synced());
    let mut waits = Box::pin(informer.wait_synced(Duration::MAX));
    assert!((&mut waits).now_or_never().is_none());
    informer.shutdown().await;
    let waited = tokio::time::timeout(Duration::from_secs(1), waits).await;
    assert!(waited.expect("the wait has an end").is_err());
}

#[tokio::test(start_paused = true)]
async fn i_14_i_15_synced_and_the_last_version_outlive_the_stop() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    assert!(!informer.is_synced());
    assert!(informer.last_sync_resource_version().is_unset());
    assert!(informer.watch_status().is_none());
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(informer.last_sync_resource_version(), 2.into());
    source.wait_for_open_watches(1).await;
    source.create(key("b"), "b".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(informer.last_sync_resource_version(), 3.into());
    informer.shutdown().await;
    assert_eq!(informer.last_sync_resource_version(), 3.into());
    assert!(informer.is_synced());
    informer.wait_synced(Duration::MAX).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn p_07_nothing_can_be_added_to_a_stopped_informer() {
    let informer = listing(&source(&["a"])).build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    informer.shutdown().await;
    let refused = informer.add_handler(Log::new()).map(drop).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the informer a collection in memory has stopped"
    );
    assert!(informer.subscribe().is_err());
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn p_11_a_stop_waits_for_the_call_under_way_and_drops_what_waits() {
    let source = source(&["a", "b", "c"]);
    let (informer, held) = (listing(&source).build(), Gated::new());
    let registration = informer.add_handler(held.clone()).unwrap();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    held.log.reach(1).await;
    let mut stop = Box::pin(informer.shutdown());
    assert!((&mut stop).now_or_never().is_none());
    settle().await;
    assert!((&mut stop).now_or_never().is_none());
    held.open(10);
    stop.await;
    assert_eq!(held.handled.words(), ["+a@2!"]);
    assert_eq!(held.log.words().len(), 1);
    assert!(
        stream.recv().await.is_none(),
        "what waited for the stream is dropped"
    );
    assert!(registration.wait_synced(Duration::MAX).await.is_err());
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn p_11_draining_tells_everything_first() {
    let source = source(&["a", "b", "c"]);
    let (informer, held) = (listing(&source).build(), Gated::new());
    let registration = informer.add_handler(held.clone()).unwrap();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    held.log.reach(1).await;
    source.wait_for_open_watches(1).await;
    source.delete(&key("b")).unwrap();
    caught_up(&source, &informer).await;
    let mut drain = Box::pin(informer.drain());
    assert!((&mut drain).now_or_never().is_none());
    settle().await;
    held.open(4);
    drain.await;
    let expected = ["+a@2!", "+b@3!", "+c@4!", "-b@5"];
    assert_eq!(held.handled.words(), expected);
    registration.wait_synced(Duration::MAX).await.unwrap();
    let log = Log::new();
    while let Some(notification) = stream.recv().await {
        log.hear(&notification);
    }
    assert_eq!(log.words(), ["+a@2!", "+b@3!", "+c@4!", "synced", "-b@5"]);
    assert_eq!(tasks(), 0);
}

/// Whoever has no patience left stops what drains.
#[tokio::test(start_paused = true)]
async fn p_11_a_stop_ends_a_drain() {
    let source = source(&["a", "b"]);
    let (informer, held) = (listing(&source).build(), Gated::new());
    let _registration = informer.add_handler(held.clone()).unwrap();
    informer.start();
    held.log.reach(1).await;
    let drains = informer.clone();
    let drain = tokio::spawn(async move { drains.drain().await });
    settle().await;
    let mut stop = Box::pin(informer.shutdown());
    assert!(
        (&mut stop).now_or_never().is_none(),
        "it waits for the call under way"
    );
    held.open(1);
    stop.await;
    drain.await.unwrap();
    assert_eq!(held.log.words(), ["+a@2!"]);
    assert_eq!(tasks(), 0);
}

/// A stop that is given up has begun all the same: nothing is left running for ever.
#[tokio::test(start_paused = true)]
async fn p_11_a_drain_that_is_given_up_half_way_goes_on_by_itself() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let registration = informer.add_handler(log.clone()).unwrap();
    informer.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.create(key("b"), "b".to_owned()).unwrap();
    assert!(Box::pin(informer.drain()).now_or_never().is_none());
    settle().await;
    assert_eq!((source.open_watches(), tasks()), (0, 0));
    assert!(informer.is_stopped());
    assert!(informer.add_handler(Log::new()).is_err());
}

#[tokio::test(start_paused = true)]
async fn i_13_dropping_the_last_handle_stops_the_mirror() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    informer.start();
    let other = informer.clone();
    drop(informer);
    other.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    assert!(tasks() > 0);
    drop(other);
    source.wait_for_open_watches(0).await;
    settle().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn i_13_a_registration_and_a_subscription_keep_the_mirror_running() {
    let source = source(&["a"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let registration = informer.add_handler(log.clone()).unwrap();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    drop(informer);
    registration.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    drop(registration);
    source.create(key("b"), "b".to_owned()).unwrap();
    for _ in 0..3 {
        assert!(stream.recv().await.is_some());
    }
    drop(stream);
    source.wait_for_open_watches(0).await;
    settle().await;
    assert_eq!(tasks(), 0);
}

/// The reference's story of tasks that must not leak.
#[tokio::test(start_paused = true)]
async fn i_13_p_09_p_11_no_task_outlives_its_informer() {
    let source = source(&["a"]);
    let before = listing(&source).build();
    let early = before.add_handler(Log::new()).unwrap();
    before.start();
    let late = before.add_handler(Log::new()).unwrap();
    before.wait_synced(Duration::MAX).await.unwrap();
    drop((before, early, late));
    let never_run = listing(&source).build();
    let removed = never_run.add_handler(Log::new()).unwrap();
    removed.remove();
    let dropped = never_run.add_handler(Log::new()).unwrap();
    drop((never_run, dropped));
    settle().await;
    assert_eq!((source.open_watches(), tasks()), (0, 0));
}

/// A mirror that comes to its end by itself says so to all who wait.
#[tokio::test(start_paused = true)]
async fn i_13_i_14_a_mirror_that_ends_by_itself_ends_its_handlers_and_waits() {
    let source = source(&["a"]);
    source.reject(key("a"));
    let config = ReflectorConfig::default()
        .watch_list(WatchListMode::Off)
        .reject_policy(RejectPolicy::Stop);
    let (informer, log) = (listing(&source).config(config).build(), Log::new());
    let registration = informer.add_handler(log.clone()).unwrap();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    let within = Duration::from_secs(5);
    let waited = tokio::time::timeout(within, informer.wait_synced(Duration::MAX)).await;
    assert!(waited.expect("the wait has an end").is_err());
    assert!(registration.wait_synced(Duration::MAX).await.is_err());
    assert!(stream.recv().await.is_none());
    assert!(informer.is_stopped());
    assert!(informer.add_handler(Log::new()).is_err());
    assert_eq!(tasks(), 0);
}

/// What came before the end is still told.
#[tokio::test(start_paused = true)]
async fn i_13_a_mirror_that_ends_by_itself_has_told_what_it_knew() {
    let source = source(&["a"]);
    let config = ReflectorConfig::default()
        .watch_list(WatchListMode::Off)
        .reject_policy(RejectPolicy::Stop);
    let informer = listing(&source).config(config).build();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    source.wait_for_open_watches(1).await;
    source.create(key("b"), "b".to_owned()).unwrap();
    source.reject(key("c"));
    source.create(key("c"), "c".to_owned()).unwrap();
    let log = Log::new();
    while let Some(notification) = stream.recv().await {
        log.hear(&notification);
    }
    assert_eq!(log.words(), ["+a@2!", "synced", "+b@3"]);
    assert_eq!(informer.last_sync_resource_version(), 3.into());
}

/// Called where no runtime is, it must not leave a handler behind that nobody tells.
#[test]
fn p_07_a_handler_outside_a_runtime_is_not_half_added() {
    let informer = listing(&source(&["a"])).build();
    let adds = std::panic::AssertUnwindSafe(|| informer.add_handler(HandlerFuncs::new()).map(drop));
    assert!(std::panic::catch_unwind(adds).is_err());
    assert!(informer.handlers().is_empty());
}

/// The runtime that tells a handler may end before the mirror: nothing piles up for it.
#[test]
fn p_01_nothing_is_kept_for_a_handler_whose_runtime_has_ended() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (mirrors, handles) = (runtime(), runtime());
    let source = source(&["a"]);
    let informer = listing(&source).build();
    mirrors.block_on(async {
        informer.start();
        informer.wait_synced(Duration::MAX).await.unwrap();
        source.wait_for_open_watches(1).await;
    });
    let registration = handles.block_on(async { informer.add_handler(Log::new()).unwrap() });
    drop(handles);
    mirrors.block_on(async {
        source.create(key("b"), "b".to_owned()).unwrap();
        informer.indexer().wait_for(&3.into()).await.unwrap();
        assert_eq!(registration.status().pending, 0);
        assert!(registration.wait_synced(Duration::MAX).await.is_err());
        informer.shutdown().await;
    });
}

/// Looking whether something waits must not make a stream forget who waits for it.
#[tokio::test(start_paused = true)]
async fn a_look_between_two_polls_loses_no_wake_up() {
    let source = source(&[]);
    let informer = listing(&source).build();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    assert!(matches!(stream.recv().await, Some(Notification::Synced)));
    source.wait_for_open_watches(1).await;
    let started = tokio::time::Instant::now();
    let mut polls = 0;
    let received = std::future::poll_fn(|context| {
        polls += 1;
        let polled = futures_util::Stream::poll_next(std::pin::Pin::new(&mut stream), context);
        if polled.is_pending() {
            assert!(stream.try_recv().is_none());
            if polls == 1 {
                source.create(key("a"), "a".to_owned()).unwrap();
            }
        }
        polled
    });
    let received = tokio::time::timeout(Duration::from_secs(1), received).await;
    assert!(matches!(received, Ok(Some(Notification::Added { .. }))));
    drop(received);
    assert_eq!((polls, started.elapsed()), (2, Duration::ZERO));
}

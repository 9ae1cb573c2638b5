//! Who is told again what did not change, and when.

use std::time::Duration;

use heliostat::HandlerOptions;
use heliostat::informer::Registration;

use crate::support::{Informer, Log, key, listing, relist, settle, silently, source};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn every(informer: &Informer, seconds: u64) -> (Log, Registration<String>) {
    let log = Log::new();
    let options = HandlerOptions::new().resync_period(secs(seconds));
    (
        log.clone(),
        informer.add_handler_with(log, &options).unwrap(),
    )
}

/// Lets the clock reach half a second past so many seconds since the start.
async fn reach(started: tokio::time::Instant, seconds: u64) {
    tokio::time::sleep_until(started + secs(seconds) + secs(1) / 2).await;
}

#[tokio::test(start_paused = true)]
async fn i_08_i_22_i_23_p_03_p_04_p_05_listeners_are_told_again_in_their_own_periods() {
    let source = source(&["1", "2"]);
    let informer = listing(&source).resync_period(secs(1)).build();
    let handlers = [
        every(&informer, 0),
        every(&informer, 2),
        every(&informer, 3),
    ];
    let started = tokio::time::Instant::now();
    informer.start();
    reach(started, 0).await;
    for (log, _) in &handlers {
        assert_eq!(log.take(), ["+1@2!", "+2@3!", "synced"]);
    }
    let told = |of: &[&str; 3]| {
        for ((log, _), expected) in handlers.iter().zip(of) {
            assert_eq!(log.take().concat(), **expected);
        }
    };
    let again = "~1@2>2~2@3>3";
    reach(started, 1).await;
    told(&["", "", ""]);
    reach(started, 2).await;
    told(&["", again, ""]);
    reach(started, 3).await;
    told(&["", "", again]);
    reach(started, 4).await;
    told(&["", again, ""]);
    reach(started, 6).await;
    told(&["", again, again]);
}

#[tokio::test(start_paused = true)]
async fn i_22_i_24_a_handler_before_the_start_shortens_the_period_and_one_after_it_does_not() {
    let source = source(&["a"]);
    let informer = listing(&source).resync_period(secs(12 * 60 * 60)).build();
    let (early, _early) = every(&informer, 5);
    let started = tokio::time::Instant::now();
    informer.start();
    let (late, _late) = every(&informer, 1);
    reach(started, 4).await;
    assert_eq!(late.take(), ["+a@2!", "synced"], "raised to five seconds");
    early.take();
    reach(started, 5).await;
    assert_eq!(early.take(), ["~a@2>2"]);
    reach(started, 10).await;
    assert_eq!(late.take().len(), 2, "at five and at ten");
}

#[tokio::test(start_paused = true)]
async fn i_22_the_first_handler_that_asks_for_resyncs_gets_them_before_or_after_the_start() {
    for is_late in [false, true] {
        let source = source(&["a"]);
        let informer = listing(&source).build();
        let (never, _never) = every(&informer, 0);
        if is_late {
            informer.start();
            tokio::time::sleep(secs(60)).await;
        }
        let started = tokio::time::Instant::now();
        let (first, _first) = every(&informer, 5);
        informer.start();
        let (later, _later) = every(&informer, 2);
        reach(started, 4).await;
        assert_eq!(first.take(), ["+a@2!", "synced"]);
        reach(started, 10).await;
        assert_eq!(first.take(), ["~a@2>2", "~a@2>2"]);
        assert_eq!(later.take().len(), 2 + 2, "raised to five seconds");
        assert_eq!(never.take(), ["+a@2!", "synced"]);
    }
}

#[tokio::test(start_paused = true)]
async fn i_22_a_late_period_outlives_a_relist() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let (log, _registration) = every(&informer, 5);
    relist(&source, &informer).await;
    log.take();
    tokio::time::sleep(secs(11)).await;
    assert_eq!(log.take(), ["~a@2>2", "~a@2>2"]);
}

#[tokio::test(start_paused = true)]
async fn p_03_an_unchanged_list_is_told_to_nobody_who_does_not_resync() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let (log, _registration) = every(&informer, 0);
    informer.start();
    log.reach(2).await;
    source.wait_for_open_watches(1).await;
    relist(&source, &informer).await;
    assert_eq!(log.words().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn p_03_an_unchanged_list_is_told_to_those_who_were_due_at_the_last_check() {
    let source = source(&["a"]);
    let informer = listing(&source).resync_period(secs(30)).build();
    let (due, _due) = every(&informer, 30);
    let (not_due, _not_due) = every(&informer, 60);
    let started = tokio::time::Instant::now();
    informer.start();
    reach(started, 1).await;
    relist(&source, &informer).await;
    assert_eq!(due.take().len(), 2, "before the first check nobody is due");
    // The list began a new period.
    reach(started, 40).await;
    assert_eq!(due.take(), ["~a@2>2"], "the resync");
    relist(&source, &informer).await;
    assert_eq!(due.take(), ["~a@2>2"], "the list");
    assert_eq!(not_due.take().len(), 2);
}

/// The reference's story of a watch that is disrupted: a change is told to all, what did not change
/// to those alone who are due.
#[tokio::test(start_paused = true)]
async fn i_18_p_03_p_04_after_a_disruption_changes_are_told_to_all_and_the_rest_to_who_is_due() {
    let source = source(&["1", "2"]);
    let informer = listing(&source).resync_period(secs(20)).build();
    let (never, _never) = every(&informer, 0);
    let (due, _due) = every(&informer, 20);
    let started = tokio::time::Instant::now();
    informer.start();
    reach(started, 21).await;
    assert_eq!(never.take(), ["+1@2!", "+2@3!", "synced"]);
    assert_eq!(due.take()[3..], ["~1@2>2", "~2@3>3"]);
    silently(&source, &informer, |source| {
        source.create(key("3"), "3".to_owned()).unwrap();
        source.update(key("2"), "2".to_owned()).unwrap();
    })
    .await;
    assert_eq!(never.take(), ["~2@3>5", "+3@4"]);
    assert_eq!(due.take(), ["~1@2>2", "~2@3>5", "+3@4"]);
}

#[tokio::test(start_paused = true)]
async fn p_05_a_handler_is_first_told_again_a_period_after_it_came() {
    let source = source(&["a"]);
    let informer = listing(&source).resync_period(secs(1)).build();
    let started = tokio::time::Instant::now();
    informer.start();
    reach(started, 2).await;
    let (log, _registration) = every(&informer, 3);
    reach(started, 5).await;
    assert_eq!(
        log.take(),
        ["+a@2!", "synced"],
        "due half a second from now"
    );
    reach(started, 6).await;
    assert_eq!(log.take(), ["~a@2>2"], "on the grid of checks");
    settle().await;
}

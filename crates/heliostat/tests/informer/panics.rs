//! Handlers that panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heliostat::{Entry, HandlerFuncs};

use crate::lines::Lines;
use crate::support::{Log, caught_up, key, listing, settle, source};

/// Counts its additions, and panics in each.
fn panicking() -> (Arc<AtomicUsize>, HandlerFuncs<String>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = HandlerFuncs::new().on_add(move |entry: &Entry<String>, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("cannot bear {}", entry.key());
    });
    (calls, handler)
}

#[tokio::test(start_paused = true)]
async fn p_14_a_panic_in_the_initial_list_neither_stops_the_handler_nor_its_being_synced() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let (calls, handler) = panicking();
    let registration = informer.add_handler(handler).unwrap();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    registration.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(registration.status().panics, 1);
}

#[tokio::test(start_paused = true)]
async fn p_14_each_panic_costs_its_handler_a_second_and_the_others_nothing() {
    let source = source(&["1", "2", "3", "4", "5"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let handlers = [panicking(), panicking()];
    let registrations =
        handlers.map(|(calls, handler)| (calls, informer.add_handler(handler).unwrap()));
    let quick = informer.add_handler(log.clone()).unwrap();
    let started = tokio::time::Instant::now();
    informer.start();
    quick.wait_synced(Duration::MAX).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(10));
    assert_eq!(log.words().len(), 6);
    for (calls, registration) in &registrations {
        registration.wait_synced(Duration::MAX).await.unwrap();
        assert_eq!(
            (calls.load(Ordering::Relaxed), registration.status().panics),
            (5, 5)
        );
    }
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn p_10_p_11_p_14_neither_a_shut_down_nor_a_stop_waits_for_the_pause_after_a_panic() {
    let source = source(&["1", "2"]);
    let informer = listing(&source).build();
    let handlers = [panicking(), panicking()];
    let [(one, shut), (other, _stopped)] =
        handlers.map(|(calls, handler)| (calls, informer.add_handler(handler).unwrap()));
    let started = tokio::time::Instant::now();
    informer.start();
    settle().await;
    shut.shutdown().await;
    informer.shutdown().await;
    assert!(started.elapsed() < Duration::from_millis(10));
    assert_eq!(
        (one.load(Ordering::Relaxed), other.load(Ordering::Relaxed)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn p_14_a_handler_goes_on_after_its_panic() {
    let source = source(&["bad"]);
    let (informer, log) = (listing(&source).build(), Log::new());
    let write = log.clone();
    let handler = HandlerFuncs::new().on_add(move |entry: &Entry<String>, _| {
        assert!(entry.key().as_str() != "bad", "told to panic");
        write.write(entry.key().to_string());
    });
    let registration = informer.add_handler(handler).unwrap();
    informer.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.create(key("good"), String::new()).unwrap();
    caught_up(&source, &informer).await;
    assert_eq!(log.words(), ["good"]);
}

#[tokio::test(start_paused = true)]
async fn p_14_the_line_over_a_panic_names_informer_handler_object_and_delay() {
    let lines = Lines::collect();
    let source = source(&["a"]);
    let informer = listing(&source).name("things").build();
    let (_, handler) = panicking();
    let registration = informer.add_handler(handler).unwrap();
    informer.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    let [line] = &lines.with("a handler panicked")[..] else {
        panic!("one line: {:#?}", lines.all());
    };
    for word in [
        "ERROR",
        "informer=things",
        " handler=",
        " object=",
        "resume_in=1s",
    ] {
        assert!(line.contains(word), "no {word} in {line}");
    }
}

//! Listeners that are given many notifications at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heliostat::informer::{NotificationBatch, NotificationRef};
use heliostat::{Entry, EventHandler, HandlerFuncs, Notification, Subscription};

use crate::support::{Informer, Log, Source, caught_up, key, listing, source, word};

/// More than are told in a row, so that the story goes over several calls.
const MANY: usize = 600;

fn names() -> Vec<String> {
    (0..MANY).map(|number| format!("n{number:03}")).collect()
}

/// A mirror of nothing that waits for what comes, and its source.
async fn watching(informer: &Informer, source: &Source) {
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
}

/// One after the other, with nobody's turn in between: they reach handlers in batches.
fn create(source: &Source, names: &[String]) {
    for name in names {
        source.create(key(name), name.clone()).unwrap();
    }
}

/// Takes a few in each call, and counts the calls.
struct Few {
    at_most: usize,
    calls: Arc<AtomicUsize>,
    log: Log,
}

impl EventHandler<String> for Few {
    async fn on_notifications(&mut self, waiting: &mut NotificationBatch<'_, String>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.at_most {
            let Some(told) = waiting.next() else {
                return;
            };
            self.log.hear(&told.to_notification());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_given_many_in_one_call_and_what_it_leaves_in_the_next() {
    let source = source(&[]);
    let informer = listing(&source).build();
    let calls = Arc::new(AtomicUsize::new(0));
    let log = Log::new();
    let few = |at_most| Few {
        at_most,
        calls: Arc::clone(&calls),
        log: log.clone(),
    };
    let all = informer.add_handler(few(usize::MAX)).unwrap();
    watching(&informer, &source).await;
    all.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(log.take(), ["synced"]);
    create(&source, &names());
    caught_up(&source, &informer).await;
    let told = log.take();
    assert_eq!(told.len(), MANY);
    let in_one_go = calls.swap(0, Ordering::Relaxed);
    assert!(in_one_go < MANY / 10, "told in {in_one_go} calls");
    assert_eq!(all.status().told, MANY as u64 + 1);
    all.shutdown().await;

    let some = informer.add_handler(few(7)).unwrap();
    some.wait_synced(Duration::MAX).await.unwrap();
    let late = log.take();
    assert_eq!(late.len(), MANY + 1, "the state, and that this was all");
    assert!(calls.load(Ordering::Relaxed) > MANY / 7);
    let distinct: BTreeSet<_> = late.iter().collect();
    assert_eq!(distinct.len(), late.len(), "nothing is told twice");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_nothing_comes_to_an_end_all_the_same() {
    let source = source(&["a", "b", "c"]);
    let informer = listing(&source).build();
    let handler = Few {
        at_most: 0,
        calls: Arc::default(),
        log: Log::new(),
    };
    let calls = Arc::clone(&handler.calls);
    let registration = informer.add_handler(handler).unwrap();
    informer.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(registration.status().told, 4);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    informer.drain().await;
}

/// Panics before it takes anything.
struct Broken;

impl EventHandler<String> for Broken {
    async fn on_notifications(&mut self, _waiting: &mut NotificationBatch<'_, String>) {
        panic!("cannot begin");
    }
}

#[tokio::test(start_paused = true)]
async fn p_14_a_handler_that_panics_before_it_takes_anything_comes_to_an_end() {
    let source = source(&["a", "b"]);
    let informer = listing(&source).build();
    let registration = informer.add_handler(Broken).unwrap();
    informer.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    let status = registration.status();
    assert_eq!((status.told, status.panics), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn p_14_a_panic_among_many_costs_one_notification_and_one_second() {
    let source = source(&[]);
    let informer = listing(&source).build();
    let (log, beside) = (Log::new(), Log::new());
    let write = log.clone();
    let handler = HandlerFuncs::new().on_add(move |entry: &Entry<String>, _| {
        assert!(entry.key().as_str() != "n300", "told to panic");
        write.write(entry.key().to_string());
    });
    let registration = informer.add_handler(handler).unwrap();
    let quick = informer.add_handler(beside.clone()).unwrap();
    watching(&informer, &source).await;
    registration.wait_synced(Duration::MAX).await.unwrap();
    quick.wait_synced(Duration::MAX).await.unwrap();
    let begun = tokio::time::Instant::now();
    create(&source, &names());
    beside.reach(MANY + 1).await;
    assert_eq!(begun.elapsed().as_secs(), 0);
    let (before, after): (Vec<_>, Vec<_>) = (names()[..300].to_vec(), names()[301..].to_vec());
    assert_eq!(log.reach(300).await, before);
    let status = registration.status();
    assert_eq!((status.told, status.panics), (301, 1), "it rests");
    assert_eq!(status.pending, MANY - 300, "the one in hand is among them");
    assert_eq!(log.reach(MANY - 1).await, [before, after].concat());
    assert_eq!(begun.elapsed().as_secs(), 1);
    let status = registration.status();
    assert_eq!((status.told, status.panics), (MANY as u64 + 1, 1));
}

async fn next_few(stream: &mut Subscription<String>, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    let mut waiting = stream.recv_many().await.expect("the stream goes on");
    while words.len() < count {
        let Some(told) = waiting.next() else {
            break;
        };
        words.push(word(&told.to_notification()));
    }
    words
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_read_one_by_one_and_many_at_once_in_one_order() {
    let source = source(&["a", "b", "c", "d"]);
    let informer = listing(&source).build();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(next_few(&mut stream, 1).await, ["+a@2!"]);
    assert_eq!(stream.status().told, 1);
    let one = stream.recv().await.unwrap();
    assert_eq!(word(&one), "+b@3!");
    assert_eq!(next_few(&mut stream, 9).await, ["+c@4!", "+d@5!"]);
    assert!(!stream.status().synced);
    assert_eq!(next_few(&mut stream, 9).await, ["synced"]);
    let status = stream.status();
    assert_eq!((status.told, status.pending, status.synced), (5, 0, true));
    informer.shutdown().await;
    assert!(stream.recv_many().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn i_14_a_stop_ends_what_is_being_read() {
    let source = source(&["a", "b"]);
    let informer = listing(&source).build();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let mut waiting = stream.recv_many().await.unwrap();
    assert!(waiting.next().is_some());
    informer.shutdown().await;
    assert!(waiting.next().is_none());
    drop(waiting);
    assert!(stream.recv_many().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn p_02_who_reads_many_at_once_gives_others_their_turn() {
    let names = names();
    let source = source(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let informer = listing(&source).build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let mut stream = informer.subscribe().unwrap();
    let reader = tokio::spawn(async move {
        loop {
            let mut waiting = stream.recv_many().await.unwrap();
            while let Some(told) = waiting.next() {
                if matches!(told, NotificationRef::Synced) {
                    return;
                }
            }
        }
    });
    tokio::task::yield_now().await;
    assert!(
        !reader.is_finished(),
        "this task had its turn before the backlog was read"
    );
    reader.await.unwrap();
}

/// A handler that gives its notifications away is as good as one that looks at them.
#[tokio::test(start_paused = true)]
async fn what_is_kept_of_many_outlives_them() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let mut stream = informer.subscribe().unwrap();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let mut waiting = stream.recv_many().await.unwrap();
    let kept = waiting.next().unwrap().to_notification();
    drop(waiting);
    source.delete(&key("a")).unwrap();
    caught_up(&source, &informer).await;
    let Notification::Added { entry, .. } = kept else {
        panic!("it was there");
    };
    assert_eq!(*entry.object, "a");
}

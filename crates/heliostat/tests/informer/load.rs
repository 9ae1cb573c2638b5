//! Many changes, many handlers, and a stop in the middle of both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heliostat::{HandlerFuncs, HandlerOptions, Notification};

use crate::support::{caught_up, key, listing, source, tasks};

/// A subscription that is not read while a hundred thousand changes pass keeps one slot for each
/// object, and its story is still true.
#[tokio::test(start_paused = true)]
async fn p_01_a_coalescing_subscription_stays_as_small_as_the_mirror() {
    const OBJECTS: usize = 1_000;
    const LIMIT: usize = 100;
    let names: Vec<_> = (0..OBJECTS).map(|number| format!("n{number}")).collect();
    let source = source(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let informer = listing(&source).build();
    let options = HandlerOptions::new().coalescing(LIMIT);
    let mut stream = informer.subscribe_with(&options).unwrap();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    for round in 0..100 {
        for name in &names {
            source.update(key(name), round.to_string()).unwrap();
        }
        caught_up(&source, &informer).await;
        let pending = stream.status().pending;
        assert!(pending <= OBJECTS + LIMIT + 1, "{pending} wait");
    }
    assert!(stream.status().folded >= 99_000);
    let mut told = BTreeMap::new();
    while let Some(notification) = stream.try_recv() {
        if let Some(entry) = notification.entry() {
            told.insert(entry.key().clone(), Arc::clone(&entry.object));
        }
    }
    assert_eq!(told.len(), OBJECTS);
    assert!(told.values().all(|object| **object == "99"));
    assert_eq!(stream.status().pending, 0);
}

/// What waits for a handler that keeps everything is what it has not been told, and is measured.
#[tokio::test(start_paused = true)]
async fn p_16_who_falls_behind_is_seen_by_the_depth_and_the_age_of_what_waits() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    let mut stream = informer
        .subscribe_with(&HandlerOptions::new().name("behind"))
        .unwrap();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    source.update(key("a"), "2".to_owned()).unwrap();
    caught_up(&source, &informer).await;
    let [status] = &informer.handlers()[..] else {
        panic!("one listens");
    };
    assert_eq!(
        (&*status.name, status.pending, status.told),
        ("behind", 3, 0)
    );
    assert_eq!(status.lag.as_secs(), 10);
    assert!(!status.synced);
    for _ in 0..2 {
        stream.recv().await.unwrap();
    }
    let status = stream.status();
    assert_eq!((status.pending, status.told, status.synced), (1, 2, true));
    assert!(status.lag < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn p_02_who_reads_through_a_backlog_gives_others_their_turn() {
    let names: Vec<_> = (0..1_000).map(|number| format!("n{number}")).collect();
    let source = source(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let informer = listing(&source).build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let mut stream = informer.subscribe().unwrap();
    let reader =
        tokio::spawn(
            async move { while !matches!(stream.recv().await, Some(Notification::Synced)) {} },
        );
    tokio::task::yield_now().await;
    assert!(
        !reader.is_finished(),
        "this task had its turn before the backlog was read"
    );
    reader.await.unwrap();
}

/// The reference's abuse: handlers come and go from many tasks while changes flow, and the informer
/// is stopped under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i_13_p_09_handlers_come_and_go_from_many_tasks_and_the_informer_stops_under_load() {
    let source = source(&["a"]);
    let informer = listing(&source).build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let abusers: Vec<_> = (0..100)
        .map(|number| {
            let (informer, over) = (informer.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let mut held = Vec::new();
                for round in number.. {
                    if over.load(Ordering::Relaxed) && informer.is_stopped() {
                        break;
                    }
                    match (round % 4, held.pop()) {
                        (0, Some(registration)) => drop(registration),
                        (1, Some(registration)) => {
                            heliostat::informer::Registration::shutdown(registration).await;
                        }
                        (_, before) => {
                            held.extend(before);
                            // The only error is that the informer has stopped.
                            held.extend(informer.add_handler(HandlerFuncs::new()).ok());
                            held.truncate(5);
                        }
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 0..10_000 {
        source.update(key("a"), number.to_string()).unwrap();
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    let within = Duration::from_secs(60);
    tokio::time::timeout(within, informer.shutdown())
        .await
        .expect("the stop has an end");
    for abuser in abusers {
        tokio::time::timeout(within, abuser)
            .await
            .expect("nobody hangs")
            .unwrap();
    }
    assert!(informer.handlers().is_empty());
    assert!(informer.add_handler(HandlerFuncs::new()).is_err());
    drop(informer);
    while tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Readers and late handlers on other threads see whole states while lists replace each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i_17_late_subscriptions_under_load_add_up_to_the_mirror() {
    let source = source(&[]);
    let informer = listing(&source).build();
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let listeners: Vec<_> = (0..20)
        .map(|number| {
            let informer = informer.clone();
            tokio::spawn(async move {
                for _ in 0..number {
                    tokio::task::yield_now().await;
                }
                let mut stream = informer.subscribe().unwrap();
                let mut believed = BTreeMap::new();
                loop {
                    match stream.recv().await.unwrap() {
                        Notification::Added { entry, .. } => {
                            let before = believed.insert(entry.key().to_string(), entry.object);
                            assert_eq!(before, None, "told twice as new");
                        }
                        Notification::Updated { old, new } => {
                            let before = believed.insert(new.key().to_string(), new.object);
                            assert_eq!(before, Some(old.object), "told a change it cannot know");
                        }
                        Notification::Deleted { last, .. } => {
                            assert!(believed.remove(last.key().as_str()).is_some());
                            if last.key().as_str() == "end" {
                                return believed;
                            }
                        }
                        Notification::Synced => {}
                    }
                }
            })
        })
        .collect();
    for number in 0..3_000_u32 {
        let name = key(&format!("n{}", number % 40));
        if number % 7 == 6 {
            source.delete(&name).ok();
        } else {
            source.apply(name, number.to_string());
        }
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    source.create(key("end"), String::new()).unwrap();
    // All have come by then, or are told by their initial state and the deletion below.
    while informer.handlers().len() < 20 {
        tokio::task::yield_now().await;
    }
    informer
        .indexer()
        .wait_for(&source.revision().into())
        .await
        .unwrap();
    source.delete(&key("end")).unwrap();
    let expected: BTreeMap<_, _> = source
        .entries()
        .into_iter()
        .map(|entry| (entry.key().to_string(), entry.object))
        .collect();
    for listener in listeners {
        let within = Duration::from_secs(60);
        let believed = tokio::time::timeout(within, listener)
            .await
            .expect("nobody hangs")
            .unwrap();
        assert_eq!(believed, expected);
    }
}

//! User code around the mirror: transform, error handler, should-resync. Its panics end with it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use heliostat::reflector::{Phase, RejectPolicy};
use heliostat::source::{ListOptions, ListStream, WatchOptions, WatchStream};
use heliostat::testing::{WatchEnd, WatchFault};
use heliostat::{Indexer, IndexerWriter, ListerWatcher, Reflector, Status};

use crate::support::{Recorder, caught_up, key, keys, list_config, source, stream_config, until};

#[tokio::test(start_paused = true)]
async fn wl_02_r_24_the_transform_sees_every_object_once() {
    let source = source(&["a", "b"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mirror = reflector
        .config(stream_config())
        .transform(move |object: String| {
            counted.fetch_add(1, Ordering::Relaxed);
            assert!(!object.ends_with('!'), "transformed twice");
            Ok::<_, String>(object + "!")
        })
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.create(key("c"), "c".to_owned()).unwrap();
    caught_up(&source, &store).await;
    let texts: Vec<_> = store
        .list()
        .iter()
        .map(|entry| entry.object.to_string())
        .collect();
    assert_eq!(texts, ["a!", "b!", "c!"]);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_the_transform_refuses_keeps_its_last_state() {
    let source = source(&["a"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector
        .config(list_config())
        .transform(|object: String| match object.as_str() {
            "bad" => Err("refused"),
            "worse" => panic!("the transform panics"),
            _ => Ok(object),
        })
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.update(key("a"), "bad".to_owned()).unwrap();
    source.update(key("a"), "worse".to_owned()).unwrap();
    caught_up(&source, &store).await;
    assert_eq!(*store.get(&"a".parse().unwrap()).unwrap().object, "a");
    assert_eq!(mirror.status().counts.rejected, 2);
    source.delete(&key("a")).unwrap();
    caught_up(&source, &store).await;
    assert!(store.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_policy_stop_ends_the_mirror_with_the_object_that_did_it() {
    let source = source(&["a"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector
        .config(list_config().reject_policy(RejectPolicy::Stop))
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.reject(key("a"));
    source.update(key("a"), "b".to_owned()).unwrap();
    let cause = mirror.stopped().await.unwrap();
    assert_eq!(cause.key, Some(key("a")));
    assert_eq!(keys(&store), ["a"], "the store keeps what it knew");
}

#[tokio::test(start_paused = true)]
async fn r_16_r_17_r_18_the_handler_is_told_of_failed_rounds_and_of_nothing_else() {
    let source = source(&["a"]);
    // In-stream errors, 429 and short watches are not its business; a refused list or watch is.
    source.fail_next_list(Status::failure(403, "Forbidden", "access denied"));
    source.on_next_watch(WatchFault::EndAfter {
        events: 0,
        end: WatchEnd::Close,
    });
    source.fail_next_watch(Status::failure(429, "TooManyRequests", "slow down"));
    let expired = Status::failure(410, "Expired", "too old");
    source.on_next_watch(WatchFault::EndAfter {
        events: 0,
        end: WatchEnd::Error(expired),
    });
    source.fail_next_watch(Status::failure(404, "NotFound", "gone for a while"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector
        .config(list_config())
        .on_error(move |failed| {
            heard
                .lock()
                .unwrap()
                .push((failed.phase, failed.error.to_string()));
            panic!("a handler that panics harms nobody");
        })
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.create(key("b"), "b".to_owned()).unwrap();
    caught_up(&source, &store).await;
    source.wait_for_requests(9).await;
    let seen = seen.lock().unwrap();
    assert_eq!(
        seen[0],
        (Phase::List, "access denied (403 Forbidden)".to_owned())
    );
    assert_eq!(
        seen[1],
        (
            Phase::WatchRequest,
            "gone for a while (404 NotFound)".to_owned()
        )
    );
    assert_eq!(seen.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn r_15_should_resync_is_asked_before_every_resync() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let recorder = Recorder::default();
    let period = Duration::from_secs(10);
    let mirror = Reflector::new(source(&[]), recorder.clone())
        .config(list_config().resync_period(period).silence_timeout(None))
        .should_resync(move || counted.fetch_add(1, Ordering::Relaxed) % 2 == 1)
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    tokio::time::sleep(period * 4 + Duration::from_secs(1)).await;
    let resyncs = recorder
        .calls()
        .iter()
        .filter(|call| *call == "resync")
        .count();
    assert_eq!((asked.load(Ordering::Relaxed), resyncs), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn r_12_a_store_that_panics_fails_its_round_and_the_mirror_goes_on() {
    let recorder = Recorder::default();
    recorder.panic_on("commit 2");
    let source = source(&["a"]);
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(list_config())
        .start();
    until(&mirror, |status| status.counts.failures == 1).await;
    let error = mirror.status().last_error.unwrap();
    assert!(error.message.contains("told to panic"), "{}", error.message);
    source.create(key("b"), "b".to_owned()).unwrap();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert!(recorder.calls().contains(&"commit 3".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn r_12_a_store_that_panics_in_any_call_of_a_replace_is_listed_again() {
    for call in ["begin", "stage a", "commit 2"] {
        for config in [list_config(), stream_config()] {
            let recorder = Recorder::default();
            recorder.panic_on(call);
            let source = source(&["a"]);
            let mirror = Reflector::new(source.clone(), recorder.clone())
                .config(config)
                .start();
            until(&mirror, |status| status.counts.failures == 1).await;
            assert!(mirror.status().resource_version.is_unset(), "{call}");
            recorder.panic_on("nothing");
            mirror.wait_synced(Duration::MAX).await.unwrap();
            let calls = recorder.calls();
            assert!(!calls.iter().any(|call| call.starts_with("delete")));
            assert_eq!(calls.last().unwrap(), "commit 2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r_12_a_store_that_panics_while_it_counts_is_not_counted() {
    let recorder = Recorder::default();
    recorder.panic_in_count();
    let source = source(&["a"]);
    let mirror = Reflector::new(source.clone(), recorder.clone())
        .config(list_config())
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.wait_for_open_watches(1).await;
    source.create(key("b"), "b".to_owned()).unwrap();
    until(&mirror, |status| status.resource_version == 3.into()).await;
    let status = mirror.status();
    assert_eq!((status.objects, status.counts.store_errors), (None, 1));
}

/// A source whose requests panic now and then.
struct Panicking {
    source: crate::support::Source,
    lists: AtomicUsize,
    watches: AtomicUsize,
}

impl ListerWatcher for Panicking {
    type Object = String;
    type Error = <crate::support::Source as ListerWatcher>::Error;

    async fn list(&self, options: ListOptions) -> Result<ListStream<String>, Self::Error> {
        let first = self.lists.fetch_add(1, Ordering::Relaxed) == 0;
        assert!(!first, "a list that panics");
        self.source.list(options).await
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<String>, Self::Error> {
        let first = self.watches.fetch_add(1, Ordering::Relaxed) == 0;
        let events = self.source.watch(options).await?;
        let read = move |_: &_| assert!(!first, "a codec that panics");
        Ok(events.inspect(read).boxed())
    }

    fn description(&self) -> String {
        self.source.description()
    }
}

#[tokio::test(start_paused = true)]
async fn r_12_a_source_that_panics_fails_its_request_and_the_mirror_goes_on() {
    let inner = source(&["a"]);
    let panicking = Panicking {
        source: inner.clone(),
        lists: AtomicUsize::new(0),
        watches: AtomicUsize::new(0),
    };
    let (reflector, store) = Reflector::with_indexer(panicking);
    let mirror = reflector.config(list_config()).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(mirror.status().counts.failures, 1);
    inner.wait_for_open_watches(1).await;
    inner.create(key("b"), "b".to_owned()).unwrap();
    caught_up(&inner, &store).await;
    assert_eq!(keys(&store), ["a", "b"]);
    assert_eq!(mirror.status().counts.failures, 2);
}

#[tokio::test(start_paused = true)]
async fn s_07_the_transform_is_at_the_door_of_the_mirror_and_not_of_the_store() {
    let source = source(&["a", "bad"]);
    let (reflector, store) = Reflector::with_indexer(source.clone());
    let mirror = reflector
        .config(list_config())
        .transform(|object: String| match object.as_str() {
            "bad" => Err("refused"),
            _ => Ok(object + "!"),
        })
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    source.create(key("b"), "b".to_owned()).unwrap();
    source.update(key("a"), "a2".to_owned()).unwrap();
    caught_up(&source, &store).await;
    let texts = |store: &Indexer<String>| {
        let list = store.list();
        let texts: Vec<_> = list.iter().map(|entry| entry.object.to_string()).collect();
        texts.join(" ")
    };
    assert_eq!(texts(&store), "a2! b!", "what is refused is not stored");
    mirror.shutdown().await;
    // A program that writes itself, alone or in a transaction, stores an object as it is.
    let entry = |name| source.get(&key(name)).unwrap();
    let writer = IndexerWriter::new();
    writer.upsert(entry("bad"));
    writer.transact([heliostat::store::Op::Upsert(entry("a"))]);
    assert_eq!(texts(&writer.indexer()), "a2 bad");
}

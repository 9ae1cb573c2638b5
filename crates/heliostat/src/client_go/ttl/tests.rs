//! The expiring store by the clock of its readers, and fed by a mirror.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use heliostat_core::object::Header;

use super::*;

fn key(name: &str) -> ObjectKey {
    ObjectKey::namespaced("n", name)
}

fn entry(name: &str, seconds: u64) -> Entry<u64> {
    let header = Header {
        key: key(name),
        resource_version: 1.into(),
        uid: "u".into(),
    };
    Entry::new(header, seconds)
}

/// An object lives as many seconds as its content says.
fn store() -> (TtlWriter<u64>, TtlIndexer<u64>) {
    let writer = TtlWriter::new(Ttl::by(|entry: &Entry<u64>| {
        Some(Duration::from_secs(*entry.object))
    }));
    let seconds = IndexFunc::new(|entry: &Entry<u64>| [entry.object.to_string()]);
    let store = writer.indexer();
    store.add_index("seconds", seconds).unwrap();
    (writer, store)
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

fn names(entries: &[Entry<u64>]) -> Vec<&str> {
    entries.iter().map(|entry| entry.key().name()).collect()
}

#[tokio::test(start_paused = true)]
async fn s_32_a_lister_returns_no_expired_object() {
    let (writer, store) = store();
    let leases = store.lister("leases");
    writer.upsert(entry("a", 5));
    writer.upsert(entry("b", 50));
    assert!(leases.namespace("n").get("a").is_ok());
    pass(6).await;
    let missing = leases.namespace("n").get("a").err().unwrap();
    assert_eq!(missing.to_string(), r#"leases "a" not found"#);
    assert!(leases.by_index("seconds", "5").unwrap().is_empty());
    assert!(leases.namespace("n").get("b").is_ok());
}

#[tokio::test(start_paused = true)]
async fn s_32_every_way_of_reading_leaves_out_what_has_expired() {
    let (writer, store) = store();
    writer.upsert(entry("a", 5));
    writer.upsert(entry("b", 50));
    writer.upsert(entry("c", 0));
    pass(6).await;
    // The first reader takes it out, whichever way it reads.
    assert_eq!(names(&store.list()), ["b", "c"]);
    assert_eq!(store.keys(), [key("b"), key("c")]);
    assert!(store.get(&key("a")).is_none());
    assert_eq!(store.in_namespace("n").len(), 2);
    assert_eq!(store.by_index("seconds", "5").unwrap().len(), 0);
    assert!(store.by_index("none", "5").is_err());
    let before = store.snapshot();
    pass(60).await;
    assert_eq!(store.snapshot().len(), 1);
    assert_eq!(before.len(), 2, "a snapshot stays as it is");
    assert_eq!(store.next_expiry(), None);
}

#[tokio::test(start_paused = true)]
async fn s_32_expire_tells_what_went() {
    let (writer, store) = store();
    let start = Instant::now();
    writer.replace(
        [entry("a", 9), entry("b", 3), entry("c", 20)],
        &ResourceVersion::from(7),
    );
    assert_eq!(store.next_expiry(), Some(start + Duration::from_secs(3)));
    assert!(store.expire().is_empty());
    pass(10).await;
    assert_eq!(names(&store.expire()), ["b", "a"]);
    assert!(store.expire().is_empty());
    writer.remove(&key("c"));
    assert!(store.list().is_empty());
    assert_eq!(*store.snapshot().resource_version(), 7.into());
}

#[tokio::test(start_paused = true)]
async fn s_31_an_update_begins_the_time_anew() {
    let (writer, store) = store();
    writer.upsert(entry("a", 5));
    pass(4).await;
    writer.upsert(entry("a", 5));
    pass(4).await;
    assert_eq!(names(&store.list()), ["a"]);
    pass(2).await;
    assert!(store.list().is_empty());
}

/// Real threads: readers take out what has expired while the same object comes again.
#[test]
fn s_32_an_object_that_comes_again_while_a_reader_takes_it_out_is_not_lost() {
    let writer = TtlWriter::new(Ttl::by(|entry: &Entry<u64>| {
        (*entry.object == 0).then_some(Duration::from_nanos(1))
    }));
    let store = writer.indexer();
    let running = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while running.load(Ordering::Relaxed) {
                    drop(store.list());
                }
            });
        }
        let lost = (0..5_000).find(|_| {
            writer.upsert(entry("a", 0));
            writer.upsert(entry("a", 1));
            store.get(&key("a")).is_none()
        });
        running.store(false, Ordering::Relaxed);
        assert_eq!(lost, None);
    });
}

#[cfg(feature = "memory")]
#[tokio::test(start_paused = true)]
async fn s_33_a_mirror_can_feed_it() {
    use crate::Reflector;
    use crate::source::memory::MemorySource;

    let source = MemorySource::<u64>::new();
    source.create(key("a"), 3).unwrap();
    source.create(key("b"), 30).unwrap();
    let (writer, store) = store();
    let mirror = Reflector::new(source.clone(), writer).start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(names(&store.list()), ["a", "b"]);
    assert_eq!(mirror.status().objects, Some(2));
    pass(4).await;
    assert_eq!(names(&store.list()), ["b"]);
    source.update(key("a"), 3).unwrap();
    source.delete(&key("b")).unwrap();
    let caught_up = source.revision().into();
    let mut status = mirror.watch_status();
    let reached = status.wait_for(|status| status.resource_version == caught_up);
    reached.await.unwrap();
    assert_eq!(names(&store.list()), ["a"], "told again, it is back");
    mirror.shutdown().await;
}

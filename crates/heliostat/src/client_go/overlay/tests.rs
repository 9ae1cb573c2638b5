//! The overlay over a mirror that many read while it moves.

use std::time::Duration;

use heliostat_core::object::Header;
use heliostat_core::store::index::IndexFunc;

use super::*;
use crate::store::IndexerWriter;

fn key() -> ObjectKey {
    ObjectKey::namespaced("n", "a")
}

/// A state of one object, whose content is its version.
fn state(version: u64) -> Entry<u64> {
    let header = Header {
        key: key(),
        resource_version: version.into(),
        uid: "u".into(),
    };
    Entry::new(header, version)
}

fn mirror() -> IndexerWriter<u64> {
    let mirror = IndexerWriter::new();
    let parity = IndexFunc::new(|entry: &Entry<u64>| [(*entry.object % 2).to_string()]);
    mirror.indexer().add_index("parity", parity).unwrap();
    mirror
}

fn read(overlay: &MutationOverlay<u64>) -> Option<u64> {
    overlay.get(&key()).map(|entry| *entry.object)
}

#[tokio::test(start_paused = true)]
async fn s_41_s_42_own_writes_are_read_until_the_mirror_has_them() {
    let mirror = mirror();
    mirror.upsert(state(4));
    let overlay = MutationOverlay::new(&mirror.indexer());
    overlay.written(state(7));
    assert_eq!(read(&overlay.clone()), Some(7));
    let parity = |parity: &str| overlay.by_index("parity", parity).unwrap().len();
    assert_eq!((parity("0"), parity("1")), (0, 1));
    assert!(overlay.by_index("none", "").is_err());
    let new = state(8);
    mirror.upsert(new.clone());
    overlay.observe(&Notification::Updated { old: state(4), new });
    assert!(overlay.is_empty());
    assert_eq!(read(&overlay), Some(8));
    assert_eq!((parity("0"), parity("1")), (1, 0));
    assert_eq!(overlay.mirror().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn s_45_own_deletions_hide_what_the_mirror_still_has() {
    let mirror = mirror();
    mirror.upsert(state(4));
    let overlay = MutationOverlay::new(&mirror.indexer());
    overlay.deleted(&state(5));
    assert_eq!(read(&overlay), None);
    mirror.upsert(state(6));
    assert_eq!(read(&overlay), Some(6), "it came again");
}

#[tokio::test(start_paused = true)]
async fn s_46_own_writes_are_forgotten_after_a_while() {
    let config = OverlayConfig::new()
        .ttl(Duration::from_secs(10))
        .includes_creates(true);
    let overlay = MutationOverlay::with_config(&mirror().indexer(), config);
    overlay.written(state(4));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(read(&overlay), Some(4));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(read(&overlay), None);
    assert_eq!(overlay.len(), 0);
}

/// Real threads: the mirror catches up while others read, and nobody ever reads an older state than
/// the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_44_what_was_read_is_never_read_older() {
    const LAST: u64 = 2_000;
    let mirror = mirror();
    mirror.upsert(state(1));
    let overlay = MutationOverlay::new(&mirror.indexer());
    overlay.written(state(2));
    let reader = {
        let overlay = overlay.clone();
        tokio::task::spawn_blocking(move || {
            let mut last = 0;
            while last < LAST {
                let read = read(&overlay).unwrap();
                assert!(read >= last, "{read} after {last}");
                last = read;
            }
        })
    };
    for version in (2..=LAST).step_by(2) {
        overlay.written(state(version));
        mirror.upsert(state(version));
        let new = state(version);
        let old = new.clone();
        overlay.observe(&Notification::Updated { old, new });
    }
    reader.await.unwrap();
}

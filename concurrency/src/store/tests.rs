//! Stories of readers, writers and waiters of one store.

use std::sync::Arc;

use heliostat_core::object::Entry;
use heliostat_core::store::Store;
use heliostat_core::store::index::IndexFunc;
use heliostat_core::store::transaction::Op;
use shuttle::{future, thread};

use super::IndexerWriter;
use super::waiters::WriterGone;
use crate::schedules::{entry, try_out};

/// Puts two objects of the same number in the place of all that is there.
fn replace(writer: &mut IndexerWriter<u64>, number: u64) {
    let mut staging = writer.begin_replace();
    staging.stage(entry("a", number));
    staging.stage(entry("b", number));
    writer.commit(staging, &number.into()).unwrap();
}

fn by_number() -> IndexFunc<u64> {
    IndexFunc::new(|entry: &Entry<u64>| [entry.object.to_string()])
}

#[test]
fn s_09_a_reader_never_sees_half_a_replace() {
    try_out(|| {
        let mut writer = IndexerWriter::new();
        let store = writer.indexer();
        store.add_index("number", by_number()).unwrap();
        let writes = thread::spawn(move || (1..=3).for_each(|number| replace(&mut writer, number)));
        let readers = [0, 1].map(|_| {
            let store = store.clone();
            thread::spawn(move || {
                let mut last = 0;
                for _ in 0..4 {
                    let state = store.snapshot();
                    let number = |key: &str| {
                        state
                            .get(&key.parse().unwrap())
                            .map_or(0, |entry| *entry.object)
                    };
                    assert_eq!(number("a"), number("b"));
                    assert!(number("a") >= last, "a later look sees no earlier state");
                    last = number("a");
                    let filed = state.by_index("number", &last.to_string()).unwrap().count();
                    assert_eq!(filed, state.len());
                    assert_eq!(state.is_synced(), last > 0);
                }
            })
        });
        writes.join().unwrap();
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
    });
}

/// A writer that replaces, updates and makes transactions, the numbers of its states always growing;
/// each of them changes `a` first or together with `b`.
fn write_growing(writer: &mut IndexerWriter<u64>) {
    replace(writer, 1);
    writer.update(entry("a", 2)).unwrap();
    writer.update(entry("b", 2)).unwrap();
    writer.transact(["b", "a"].map(|name| Op::Upsert(entry(name, 3))));
    replace(writer, 4);
}

#[test]
fn s_09_s_10_reads_by_key_and_of_the_whole_state_never_go_back_in_time() {
    try_out(|| {
        let mut writer = IndexerWriter::new();
        let store = writer.indexer();
        let writes = thread::spawn(move || write_growing(&mut writer));
        let reader = thread::spawn(move || {
            let by_key = |name: &str| {
                store
                    .get(&name.parse().unwrap())
                    .map_or(0, |entry| *entry.object)
            };
            for _ in 0..3 {
                let b = by_key("b");
                assert!(
                    by_key("a") >= b,
                    "what is changed together is seen together"
                );
                let a = by_key("a");
                let state = store.snapshot();
                let in_state = state
                    .get(&"a".parse().unwrap())
                    .map_or(0, |entry| *entry.object);
                assert!(in_state >= a, "the state is no older than a read before it");
                assert!(
                    by_key("a") >= in_state,
                    "a read is no older than a state before it"
                );
            }
        });
        writes.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn x_06_an_index_that_is_added_during_writes_misses_none() {
    try_out(|| {
        let writer = Arc::new(IndexerWriter::new());
        let store = writer.indexer();
        let writers = ["a", "b"].map(|name| {
            let writer = Arc::clone(&writer);
            thread::spawn(move || {
                writer.upsert(entry(name, 1));
                writer.upsert(entry(name, 2));
            })
        });
        let indexes = store.clone();
        let indexer = thread::spawn(move || indexes.add_index("number", by_number()).unwrap());
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        indexer.join().unwrap();
        assert_eq!(store.by_index("number", "2").unwrap().len(), 2);
        assert!(store.by_index("number", "1").unwrap().is_empty());
        assert_eq!(store.resource_version(), 2.into());
    });
}

#[test]
fn a_wait_for_a_version_that_comes_is_never_missed() {
    try_out(|| {
        let mut writer = IndexerWriter::<u64>::new();
        let store = writer.indexer();
        let waiters: Vec<_> = (1..=3_u64)
            .map(|version| {
                let store = store.clone();
                future::spawn(async move {
                    store.wait_for(&version.into()).await.unwrap();
                    assert!(store.len() == 2);
                })
            })
            .collect();
        let synced = store.clone();
        let synced = future::spawn(async move { synced.synced().await });
        let never = store.clone();
        let never = future::spawn(async move { never.wait_for(&9.into()).await });
        let writes = thread::spawn(move || (1..=3).for_each(|number| replace(&mut writer, number)));
        future::block_on(async {
            for waiter in waiters {
                waiter.await.unwrap();
            }
            assert_eq!(synced.await.unwrap(), Ok(()));
            assert_eq!(never.await.unwrap(), Err(WriterGone));
        });
        writes.join().unwrap();
    });
}

#[test]
fn a_wait_that_is_given_up_leaves_nothing_behind() {
    try_out(|| {
        let mut writer = IndexerWriter::<u64>::new();
        let store = writer.indexer();
        let waits = store.clone();
        let given_up = thread::spawn(move || {
            future::block_on(async {
                let version = 9.into();
                let mut wait = Box::pin(waits.wait_for(&version));
                let _ = futures_util::poll!(&mut wait);
            });
        });
        replace(&mut writer, 1);
        replace(&mut writer, 2);
        given_up.join().unwrap();
        assert_eq!(store.waiting(), 0);
        drop(writer);
    });
}

//! The shared store: what readers see while it is written, and who waits for what.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use futures_util::{FutureExt, poll};
use heliostat_core::object::{Entry, Header, ObjectKey};
use heliostat_core::version::ResourceVersion;
use proptest::prelude::*;
use tokio::time::timeout;

use heliostat_core::store::undelta::UndeltaStore;

use super::*;

type Object = u64;

fn key(n: u64) -> ObjectKey {
    ObjectKey::namespaced(
        if n.is_multiple_of(2) { "even" } else { "odd" },
        &format!("{n:03}"),
    )
}

fn entry(n: u64, version: u64, object: Object) -> Entry<Object> {
    let header = Header {
        key: key(n),
        resource_version: version.into(),
        uid: "u".into(),
    };
    Entry::new(header, object)
}

fn by_value() -> IndexFunc<Object> {
    IndexFunc::new(|entry: &Entry<Object>| [entry.object.to_string()])
}

fn store() -> (IndexerWriter<Object>, Indexer<Object>) {
    let writer = IndexerWriter::with_namespace_index();
    let store = writer.indexer();
    store.add_index("value", by_value()).unwrap();
    (writer, store)
}

fn version(number: u64) -> ResourceVersion {
    number.into()
}

const fn is_shareable<T: Send + Sync + Clone>() {}
const _: () = is_shareable::<Indexer<Object>>();
const _: () = is_shareable::<Snapshot<Object>>();

#[test]
fn s_05_whoever_feeds_by_hand_gets_back_what_was_there() {
    let (writer, store) = store();
    assert!(writer.upsert(entry(1, 5, 10)).is_none());
    assert_eq!(*writer.upsert(entry(1, 6, 11)).unwrap().object, 10);
    assert_eq!(*store.get(&key(1)).unwrap().object, 11);
    assert_eq!(*store.get(&"odd/001".parse().unwrap()).unwrap().object, 11);
    assert_eq!(store.by_index("value", "11").unwrap().len(), 1);
    assert_eq!(store.index_keys("value", "11").unwrap(), [key(1)]);
    assert!(store.by_index("value", "10").unwrap().is_empty());
    assert_eq!(store.index_values(NAMESPACE_INDEX), [Arc::from("odd")]);
    assert_eq!(store.in_namespace("odd").len(), 1);
    assert!(store.in_namespace("even").is_empty());
    assert_eq!(*writer.remove(&key(1)).unwrap().object, 11);
    assert!(writer.remove(&key(1)).is_none());
    assert!(
        store.is_empty()
            && store.keys().is_empty()
            && store.get(&"odd/001".parse().unwrap()).is_none()
    );
}

#[test]
fn s_20_a_store_fed_by_hand_follows_its_objects_and_never_back() {
    let (writer, store) = store();
    writer.upsert(entry(1, 5, 0));
    assert_eq!(store.resource_version(), version(5));
    writer.upsert(entry(2, 3, 0));
    assert_eq!(store.resource_version(), version(5));
    let mut without_version = entry(3, 1, 0);
    without_version.header.resource_version = ResourceVersion::UNSET;
    writer.upsert(without_version);
    assert_eq!(store.resource_version(), version(5));
    writer.remove(&key(1));
    assert_eq!(store.resource_version(), version(5));
    writer.replace([], &version(4));
    assert_eq!(store.resource_version(), version(4));
}

#[test]
fn s_20_a_reflector_moves_the_version_itself() {
    let (mut writer, store) = store();
    let writer: &mut dyn Store<Object> = &mut writer;
    writer.add(entry(1, 7, 0)).unwrap();
    assert!(store.resource_version().is_unset() && !store.is_synced());
    let mut staging = writer.begin_replace();
    staging.stage(entry(2, 8, 0));
    assert_eq!(store.keys(), [key(1)], "the set aside is not seen");
    writer.commit(staging, &version(9)).unwrap();
    assert_eq!(store.keys(), [key(2)]);
    assert!(store.is_synced());
    writer.update(entry(2, 10, 1)).unwrap();
    writer.update_resource_version(&version(10));
    writer.delete(&key(2), None).unwrap();
    writer.bookmark(&version(11));
    assert_eq!(store.resource_version(), version(11));
    assert!(store.is_empty());
}

#[test]
fn x_06_an_index_can_be_added_through_any_handle_at_any_time() {
    let (writer, store) = store();
    writer.replace([entry(1, 1, 5), entry(2, 1, 5)], &version(1));
    let other = store.clone();
    other.add_index("again", by_value()).unwrap();
    assert_eq!(store.by_index("again", "5").unwrap().len(), 2);
    assert!(matches!(
        store.add_index("again", by_value()),
        Err(IndexError::Exists(_))
    ));
    let both = [("again", "5"), (NAMESPACE_INDEX, "even")];
    assert_eq!(store.by_indexes(&both).unwrap().len(), 1);
    assert_eq!(store.sharing("again", &entry(9, 1, 5)).unwrap().len(), 2);
    assert_eq!(store.index_failures("again").unwrap().count, 0);
    assert!(store.index_failures("none").is_err());
}

/// Real threads: readers look while a writer replaces everything, again and again. Every object of
/// one replace carries the number of that replace, so a state with two numbers is half of each.
#[test]
fn s_09_readers_never_see_half_of_a_replace() {
    const OBJECTS: u64 = 64;
    const REPLACES: u64 = 400;
    let (mut writer, store) = store();
    let full = |generation: u64| (0..OBJECTS).map(move |n| entry(n, generation, generation));
    writer.replace(full(1), &version(1));
    let done = AtomicBool::new(false);
    let looks = AtomicUsize::new(0);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (store, done, looks) = (store.clone(), &done, &looks);
                scope.spawn(move || {
                    let mut last = 0;
                    while !done.load(Ordering::Acquire) {
                        let generation = match reader {
                            0 => check_snapshot(&store.snapshot(), OBJECTS),
                            1 => check_list(&store.list(), OBJECTS),
                            _ => check_list(&store.in_namespace(""), OBJECTS),
                        };
                        assert!(generation >= last, "went back from {last} to {generation}");
                        last = generation;
                        looks.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let mut generation = 1;
        // Goes on until readers have looked in between, however the threads are scheduled, and
        // stops as soon as one has seen what must not be.
        while (generation < REPLACES || looks.load(Ordering::Relaxed) < 100)
            && !readers.iter().any(thread::ScopedJoinHandle::is_finished)
        {
            generation += 1;
            let mut staging = writer.begin_replace();
            for entry in full(generation) {
                staging.stage(entry);
            }
            if generation.is_multiple_of(3) {
                drop(staging);
            } else {
                writer.commit(staging, &version(generation)).unwrap();
            }
        }
        done.store(true, Ordering::Release);
    });
}

fn check_list(entries: &[Entry<Object>], objects: u64) -> u64 {
    assert_eq!(entries.len() as u64, objects);
    let generation = *entries[0].object;
    assert!(entries.iter().all(|entry| *entry.object == generation));
    generation
}

fn check_snapshot(snapshot: &Snapshot<Object>, objects: u64) -> u64 {
    let entries: Vec<_> = snapshot.iter().cloned().collect();
    let generation = check_list(&entries, objects);
    assert_eq!(*snapshot.resource_version(), version(generation));
    let text = generation.to_string();
    let values: Vec<_> = snapshot
        .index_values("value")
        .map(|value| &**value)
        .collect();
    assert_eq!(values, [text.as_str()]);
    assert_eq!(
        snapshot.by_index("value", &text).unwrap().count() as u64,
        objects
    );
    generation
}

/// Real threads that share a writer, each with keys of its own.
#[test]
fn s_09_writers_by_hand_do_not_lose_each_others_changes() {
    let (writer, store) = store();
    thread::scope(|scope| {
        for thread in 0..4u64 {
            let writer = &writer;
            scope.spawn(move || {
                for round in 1..=50 {
                    for n in 0..5 {
                        writer.upsert(entry(thread * 5 + n, round, round));
                    }
                    if round < 50 {
                        writer.remove(&key(thread * 5 + round % 5));
                    }
                }
            });
        }
    });
    assert_eq!(store.len(), 20);
    assert_eq!(store.by_index("value", "50").unwrap().len(), 20);
    assert_eq!(store.index_values("value"), [Arc::from("50")]);
    assert_eq!(store.resource_version(), version(50));
}

#[test]
fn s_09_readers_do_not_wait_for_index_functions() {
    check_readers_do_not_wait(|writer| {
        writer.upsert(entry(1, 1, 1));
    });
    check_readers_do_not_wait(|writer| writer.replace([entry(1, 1, 1)], &version(1)));
    check_readers_do_not_wait(|writer| writer.update(entry(1, 1, 1)).unwrap());
}

/// An index function that does not come back keeps its writer, and no reader.
fn check_readers_do_not_wait(write: impl FnOnce(&mut IndexerWriter<Object>) + Send) {
    let mut writer = IndexerWriter::<Object>::new();
    let store = writer.indexer();
    let (entered, has_entered) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let slow = IndexFunc::new(move |_: &Entry<Object>| {
        entered.send(()).unwrap();
        may_go.lock().unwrap().recv().unwrap();
        ["value"]
    });
    store.add_index("slow", slow).unwrap();
    thread::scope(|scope| {
        let writer = &mut writer;
        scope.spawn(move || write(writer));
        has_entered.recv().unwrap();
        // Reading on a thread of its own: should it ever wait, this fails instead of hanging.
        let (read, has_read) = mpsc::channel();
        let reader = store.clone();
        scope.spawn(move || {
            let empty = reader.list().is_empty() && reader.get(&key(1)).is_none();
            let snapshot = reader.snapshot();
            // Nobody listens any more if it came too late.
            let _ = read.send(empty && !snapshot.is_synced());
        });
        let answer = has_read.recv_timeout(Duration::from_secs(30));
        let_go.send(()).unwrap();
        assert_eq!(answer, Ok(true));
    });
    assert_eq!(store.index_values("slow"), [Arc::from("value")]);
}

#[test]
fn x_05_a_panicking_index_function_leaves_the_store_usable() {
    let (writer, store) = store();
    let panics = IndexFunc::new(|entry: &Entry<Object>| {
        assert_ne!(*entry.object, 13, "unlucky");
        ["fine"]
    });
    store.add_index("panics", panics).unwrap();
    writer.upsert(entry(1, 1, 13));
    writer.upsert(entry(2, 2, 2));
    writer.replace([entry(3, 3, 13), entry(4, 3, 4)], &version(3));
    assert_eq!(store.keys(), [key(4), key(3)]);
    assert_eq!(store.index_keys("panics", "fine").unwrap(), [key(4)]);
    let failures = store.index_failures("panics").unwrap();
    assert_eq!(failures.count, 2);
    assert!(failures.last.unwrap().to_string().contains("odd/003"));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_version_ends_when_the_store_has_it_or_a_later_one() {
    let (mut writer, store) = store();
    let staging = writer.begin_replace();
    writer.commit(staging, &version(5)).unwrap();
    for at_hand in ["5", "4", "0", ""] {
        let at_hand = store.wait_for(&at_hand.into()).now_or_never();
        assert_eq!(at_hand, Some(Ok(())));
    }
    let (six, eight) = (version(6), version(8));
    let mut six = Box::pin(store.wait_for(&six));
    let mut eight = Box::pin(store.wait_for(&eight));
    assert!(poll!(&mut six).is_pending() && poll!(&mut eight).is_pending());
    writer.update_resource_version(&version(7));
    assert!(poll!(&mut six).is_ready() && poll!(&mut eight).is_pending());
    writer.bookmark(&version(9));
    assert!(poll!(&mut eight).is_ready());
    let never = version(100);
    let never = timeout(Duration::from_secs(3600), store.wait_for(&never)).await;
    assert!(never.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_opaque_version_is_waited_for_to_the_letter_and_not_missed_in_passing() {
    let (mut writer, store) = store();
    let wanted = ResourceVersion::from("b");
    let mut waiting = Box::pin(store.wait_for(&wanted));
    assert!(poll!(&mut waiting).is_pending());
    for text in ["a", "7", "b", "c"] {
        writer.update_resource_version(&text.into());
    }
    assert!(poll!(&mut waiting).is_ready());
    let passed = timeout(Duration::from_secs(3600), store.wait_for(&wanted)).await;
    assert!(passed.is_err());
}

#[tokio::test(start_paused = true)]
async fn waiting_to_be_synced_ends_with_the_first_replace() {
    let (mut writer, store) = store();
    let any = ResourceVersion::UNSET;
    let mut synced = Box::pin(store.synced());
    let mut any = Box::pin(store.wait_for(&any));
    assert!(poll!(&mut synced).is_pending() && poll!(&mut any).is_pending());
    writer.update(entry(1, 1, 1)).unwrap();
    writer.update_resource_version(&version(1));
    drop(writer.begin_replace());
    assert!(poll!(&mut synced).is_pending() && poll!(&mut any).is_pending());
    let staging = writer.begin_replace();
    writer.commit(staging, &ResourceVersion::UNSET).unwrap();
    assert!(poll!(&mut synced).is_ready() && poll!(&mut any).is_ready());
    assert_eq!(store.synced().now_or_never(), Some(Ok(())));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_an_error_when_the_last_writer_goes() {
    let (first, store) = store();
    let two = version(2);
    let mut synced = Box::pin(store.synced());
    let mut early = Box::pin(store.wait_for(&two));
    assert!(poll!(&mut synced).is_pending() && poll!(&mut early).is_pending());
    let second = first.another();
    first.replace([], &version(1));
    drop(first);
    assert!(poll!(&mut synced).is_ready());
    assert!(poll!(&mut early).is_pending(), "there is another writer");
    drop(second);
    assert_eq!(early.now_or_never(), Some(Err(WriterGone)));
    let further = store.wait_for(&two).now_or_never();
    assert_eq!(further, Some(Err(WriterGone)));
    let present = store.wait_for(&version(1)).now_or_never();
    assert_eq!(present, Some(Ok(())), "what it holds remains");

    let empty = IndexerWriter::<Object>::new().indexer();
    let synced = empty.synced().now_or_never();
    assert_eq!(synced, Some(Err(WriterGone)));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_leaves_nothing_behind() {
    let (mut writer, store) = store();
    let wanted = version(3);
    for _ in 0..10 {
        let given_up = timeout(Duration::from_secs(1), store.wait_for(&wanted)).await;
        assert!(given_up.is_err());
    }
    assert_eq!(store.waiting(), 0);
    let mut waiting = Box::pin(store.wait_for(&wanted));
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(store.waiting(), 1);
    writer.update_resource_version(&wanted);
    assert_eq!(waiting.now_or_never(), Some(Ok(())));
    assert_eq!(store.waiting(), 0);
}

/// Real threads: what is waited for is there when the waiting ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waited_for_a_version_reads_what_it_brought() {
    let (mut writer, store) = store();
    let readers: Vec<_> = (1..=200)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                store.wait_for(&version(n)).await.unwrap();
                assert!(store.snapshot().get(&key(n)).is_some(), "{n}");
            })
        })
        .collect();
    for n in 1..=200 {
        writer.update(entry(n, n, n)).unwrap();
        writer.update_resource_version(&version(n));
        tokio::task::yield_now().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[test]
fn s_10_s_12_a_transaction_by_hand_moves_the_version_as_its_changes_would() {
    let (writer, store) = store();
    let upsert = |n, version| Op::Upsert(entry(n, version, n));
    assert!(writer.transact([]).is_empty());
    assert!(store.resource_version().is_unset());
    let replaced = writer.transact([upsert(1, 40), upsert(2, 30), upsert(3, 50)]);
    assert!(replaced.iter().all(Option::is_none));
    assert_eq!(store.resource_version(), version(50));
    let replaced = writer.transact([upsert(1, 45), Op::Remove(key(2)), Op::Remove(key(9))]);
    let found: Vec<_> = replaced.iter().map(Option::is_some).collect();
    assert_eq!(found, [true, true, false]);
    assert_eq!(store.resource_version(), version(50), "never back");
    assert_eq!(store.keys(), [key(1), key(3)]);
    assert_eq!(store.index_values("value").len(), 2);
    assert!(!store.is_synced());
}

#[test]
fn s_10_the_callers_iterator_may_use_the_store() {
    let (writer, store) = store();
    writer.transact((1..=3).map(|n| {
        writer.upsert(entry(n + 10, n, n));
        Op::Upsert(entry(n, store.len() as u64, n))
    }));
    assert_eq!(store.len(), 6);
    assert_eq!(store.resource_version(), version(3));
}

#[tokio::test(start_paused = true)]
async fn s_12_who_waits_for_a_version_is_told_of_a_transaction() {
    let (writer, store) = store();
    let two = version(2);
    let mut waiting = Box::pin(store.wait_for(&two));
    assert!(poll!(&mut waiting).is_pending());
    writer.transact([Op::Upsert(entry(1, 1, 1)), Op::Upsert(entry(2, 2, 2))]);
    assert_eq!(waiting.now_or_never(), Some(Ok(())));
}

/// Real threads: the sum over all objects is the same in every state that a reader meets.
#[test]
fn s_09_s_10_readers_never_see_half_of_a_transaction() {
    let (writer, store) = store();
    writer.replace((0..10).map(|n| entry(n, 1, 100)), &version(1));
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while running.load(Ordering::Relaxed) {
                let sum: u64 = store.list().iter().map(|entry| *entry.object).sum();
                assert_eq!(sum, 1_000);
            }
        });
        for round in 0..2_000u64 {
            let (from, to) = (round % 10, (round * 7 + 3) % 10);
            if from == to {
                continue;
            }
            let amount = |n| *store.get(&key(n)).unwrap().object;
            let moved = amount(from).min(5);
            writer.transact([
                Op::Upsert(entry(from, round + 2, amount(from) - moved)),
                Op::Upsert(entry(to, round + 2, amount(to) + moved)),
            ]);
        }
        running.store(false, Ordering::Relaxed);
    });
}

#[test]
fn s_30_the_whole_state_can_be_pushed_from_a_shared_store() {
    let (writer, store) = store();
    let (sender, states) = mpsc::channel();
    let push = move |state: Snapshot<Object>| sender.send(state).unwrap();
    let mut writer = UndeltaStore::over(writer, push);
    writer.add(entry(1, 1, 10)).unwrap();
    writer.update_resource_version(&version(1));
    let mut staging = writer.begin_replace();
    staging.stage(entry(2, 2, 20));
    writer.commit(staging, &version(2)).unwrap();
    let told: Vec<_> = states.try_iter().collect();
    let sizes: Vec<_> = told
        .iter()
        .map(|state| state.keys().cloned().collect::<Vec<_>>())
        .collect();
    assert_eq!(sizes, [vec![key(1)], vec![key(2)]]);
    assert_eq!(told[1].by_index("value", "20").unwrap().count(), 1);
    assert_eq!(store.keys(), [key(2)]);
}

#[derive(Clone, Debug)]
enum Write {
    Add(u64),
    Delete(u64),
    Transact(Vec<(u64, bool)>),
    Replace(Vec<u64>),
    RelistUnchanged,
}

fn write() -> impl Strategy<Value = Write> {
    let some = |most| prop::collection::vec(0..40u64, 0..most);
    prop_oneof![
        6 => (0..40u64).prop_map(Write::Add),
        3 => (0..40u64).prop_map(Write::Delete),
        2 => prop::collection::vec((0..40u64, any::<bool>()), 0..6).prop_map(Write::Transact),
        1 => some(60).prop_map(Write::Replace),
        1 => Just(Write::RelistUnchanged),
    ]
}

fn do_write(writer: &IndexerWriter<Object>, number: u64, write: Write) {
    let changed = |n| entry(n, number, number);
    match write {
        Write::Add(n) => drop(writer.upsert(changed(n))),
        Write::Delete(n) => drop(writer.remove(&key(n))),
        Write::Transact(ops) => {
            let op = |(n, comes)| match comes {
                true => Op::Upsert(changed(n)),
                false => Op::Remove(key(n)),
            };
            writer.transact(ops.into_iter().map(op));
        }
        Write::Replace(names) => {
            writer.replace(names.into_iter().map(changed), &version(number));
        }
        Write::RelistUnchanged => writer.replace(writer.indexer().list(), &version(number)),
    }
}

fn told(entries: &[Entry<Object>]) -> Vec<(Header, Object)> {
    let told = |entry: &Entry<Object>| (entry.header.clone(), *entry.object);
    entries.iter().map(told).collect()
}

#[test]
fn few_objects_of_an_index_come_in_the_order_that_many_come_in() {
    let (writer, store) = store();
    for count in [1, 2, 63, 64, 65, 200] {
        writer.replace((0..count).map(|n| entry(n, count, 7)), &version(count));
        let found = store.by_index("value", "7").unwrap();
        assert_eq!(told(&found), told(&store.list()), "{count}");
    }
}

proptest! {
    #[test]
    fn s_05_s_09_s_10_a_read_by_key_finds_what_the_whole_state_has(
        writes in prop::collection::vec(write(), 0..60)
    ) {
        let (writer, store) = store();
        for (number, write) in (1..).zip(writes) {
            do_write(&writer, number, write);
            let state = store.snapshot();
            for value in [0, number, number / 2] {
                let value = value.to_string();
                let by_index = store.by_index("value", &value).unwrap();
                let of_state: Vec<_> = state.by_index("value", &value).unwrap().cloned().collect();
                prop_assert_eq!(told(&by_index), told(&of_state));
            }
            for n in 0..40 {
                let by_key = store.get(&key(n)).map(|entry| (entry.header, entry.object));
                let of_state = state.get(&key(n)).map(|entry| (entry.header.clone(), Arc::clone(&entry.object)));
                prop_assert_eq!(&by_key, &of_state);
                prop_assert_eq!(store.get_object(&key(n)), of_state.map(|(_, object)| object));
            }
        }
    }
}

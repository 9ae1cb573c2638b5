//! The delta queue, told as words: `+` added, `~` updated, `-` deleted (`?` only found out), `=`
//! replaced, `*` told again. What is popped together stands together.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::object::Header;
use crate::store::History;
use crate::store::indexer::IndexedObjects;
use crate::store::snapshot::Snapshot;

type FifoState = DeltaFifoState<u64>;

/// What is done to a queue.
type Do = fn(&mut FifoState);

/// What objects there are.
type Objects = &'static [(&'static str, u64)];

/// What comes out.
type Words = &'static [&'static str];

fn entry(name: &str, value: u64) -> Entry<u64> {
    let header = Header {
        key: ObjectKey::cluster(name),
        resource_version: value.into(),
        uid: "u".into(),
    };
    Entry::new(header, value)
}

fn snapshot(known: &[(&str, u64)]) -> Snapshot<u64> {
    let mut store = IndexedObjects::new();
    for (name, value) in known {
        store.add(entry(name, *value)).unwrap();
    }
    store.snapshot()
}

fn knowing(known: Objects) -> FifoState {
    FifoState::new().known(move || snapshot(known))
}

fn replace(fifo: &mut FifoState, items: &[(&str, u64)]) {
    let mut staging = fifo.begin_replace();
    for (name, value) in items {
        staging.stage(entry(name, *value));
    }
    fifo.commit(staging, &1.into()).unwrap();
}

fn delete(fifo: &mut FifoState, name: &str, value: u64) {
    fifo.delete(&ObjectKey::cluster(name), Some(entry(name, value)))
        .unwrap();
}

fn words(deltas: &Deltas<u64>) -> String {
    let word = |delta: &Delta<u64>| {
        let (sign, end) = match delta {
            Delta::Added(_) => ("+", ""),
            Delta::Updated(_) => ("~", ""),
            Delta::Replaced(_) => ("=", ""),
            Delta::Sync(_) => ("*", ""),
            Delta::Deleted(Deletion::Observed(_)) => ("-", ""),
            Delta::Deleted(Deletion::Tombstone { .. }) => ("-", "?"),
        };
        let value = delta.entry();
        let value = value.map_or_else(|| "none".to_owned(), |entry| entry.object.to_string());
        format!("{sign}{}{value}{end}", delta.key())
    };
    let words: Vec<_> = deltas.as_slice().iter().map(word).collect();
    words.join(" ")
}

fn pops(fifo: &mut FifoState) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(popped) = fifo.pop() {
        all.push(words(&popped));
        fifo.processed(popped.key());
    }
    all
}

/// Takes the next out and has it processed.
fn process(fifo: &mut FifoState) {
    let popped = fifo.pop().unwrap();
    fifo.processed(popped.key());
}

#[test]
fn d_01_d_02_an_object_keeps_its_place_and_takes_all_its_changes_along() {
    let mut fifo = FifoState::new();
    for (name, value) in [
        ("foo", 10),
        ("bar", 1),
        ("foo", 11),
        ("foo", 13),
        ("zab", 30),
    ] {
        fifo.add(entry(name, value)).unwrap();
    }
    assert_eq!(
        fifo.keys().map(ObjectKey::as_str).collect::<Vec<_>>(),
        ["foo", "bar", "zab"]
    );
    let first = fifo.pop().unwrap();
    assert_eq!(words(&first), "+foo10 +foo11 +foo13");
    assert_eq!(*first.newest().entry().unwrap().object, 13);
    fifo.processed(first.key());
    fifo.add(entry("foo", 14)).unwrap();
    assert_eq!(pops(&mut fifo), ["+bar1", "+zab30", "+foo14"]);
}

#[test]
fn d_01_d_12_each_producer_finds_its_own_order() {
    let mut fifo = FifoState::new();
    for number in 0..500 {
        for producer in ["a", "b"] {
            fifo.add(entry(&format!("{producer}/{number}"), number))
                .unwrap();
        }
    }
    let mut next = [0, 0];
    while let Some(popped) = fifo.pop() {
        let producer = usize::from(popped.key().as_str().starts_with('b'));
        assert_eq!(*popped.newest().entry().unwrap().object, next[producer]);
        next[producer] += 1;
    }
    assert_eq!(next, [500, 500]);
}

#[test]
fn d_03_d_08_objects_of_a_list_are_replaced_or_told_again_as_one_chooses() {
    for (listed, expected) in [(Listed::AsReplaced, "=foo5"), (Listed::AsSync, "*foo5")] {
        let mut fifo = FifoState::new().listed(listed);
        replace(&mut fifo, &[("foo", 5)]);
        assert_eq!(pops(&mut fifo), [expected]);
    }
}

#[test]
fn d_04_d_05_a_deletion_that_nobody_needs_is_left_out() {
    let mut fifo = FifoState::new();
    fifo.add(entry("foo", 10)).unwrap();
    fifo.update(entry("bar", 15)).unwrap();
    fifo.add(entry("qux", 17)).unwrap();
    delete(&mut fifo, "qux", 18);
    delete(&mut fifo, "baz", 20);
    assert_eq!(pops(&mut fifo), ["+foo10", "~bar15", "+qux17 -qux18"]);

    let mut fifo = knowing(&[("baz", 1)]);
    fifo.add(entry("foo", 10)).unwrap();
    delete(&mut fifo, "baz", 20);
    delete(&mut fifo, "unknown", 21);
    assert_eq!(pops(&mut fifo), ["+foo10", "-baz20"]);
}

struct Silent;

impl KnownObjects<u64> for Silent {
    fn known(&self, _: &ObjectKey) -> Result<Option<Entry<u64>>, StoreError> {
        Err(StoreError::new("gone fishing"))
    }

    fn known_keys(&self) -> Result<Vec<ObjectKey>, StoreError> {
        Ok(vec![ObjectKey::cluster("foo")])
    }
}

#[test]
fn d_05_d_08_d_15_a_store_that_cannot_say_costs_the_last_state_only() {
    let mut fifo = FifoState::new().known(Silent);
    delete(&mut fifo, "bar", 1);
    assert_eq!(pops(&mut fifo), ["-bar1"]);
    fifo.resync().unwrap();
    assert!(fifo.is_empty());
    replace(&mut fifo, &[]);
    assert_eq!(pops(&mut fifo), ["-foonone?"]);
}

#[test]
fn d_05_the_end_of_an_object_that_could_not_be_read_has_its_last_known_state() {
    let mut fifo = knowing(&[("stored", 1)]);
    fifo.add(entry("queued", 2)).unwrap();
    for name in ["queued", "stored"] {
        fifo.delete(&ObjectKey::cluster(name), None).unwrap();
    }
    assert_eq!(pops(&mut fifo), ["+queued2 -queued2?", "-stored1?"]);
}

#[test]
fn d_06_of_two_deletions_in_a_row_the_one_that_was_seen_is_left() {
    let cases: [(Do, Words); 4] = [
        (
            |fifo| {
                delete(fifo, "a", 2);
                delete(fifo, "a", 3);
            },
            &["-a2"],
        ),
        (
            |fifo| {
                replace(fifo, &[]);
                delete(fifo, "a", 3);
            },
            &["-a3"],
        ),
        (
            |fifo| {
                delete(fifo, "a", 2);
                replace(fifo, &[]);
            },
            &["-a2"],
        ),
        (
            |fifo| {
                fifo.update(entry("a", 2)).unwrap();
                fifo.update(entry("a", 2)).unwrap();
            },
            &["~a2 ~a2"],
        ),
    ];
    for (change, expected) in cases {
        let mut fifo = knowing(&[("a", 1)]);
        change(&mut fifo);
        assert_eq!(pops(&mut fifo), expected);
    }
}

#[test]
fn d_07_the_transform_changes_what_comes_and_nothing_that_was_changed_before() {
    let changed = |fifo: FifoState| {
        fifo.transform(|entry: Entry<u64>| Ok(Entry::new(entry.header, *entry.object + 100)))
    };
    let mut fifo = changed(FifoState::new());
    fifo.add(entry("foo", 10)).unwrap();
    fifo.add(entry("bar", 11)).unwrap();
    fifo.update(entry("foo", 12)).unwrap();
    delete(&mut fifo, "foo", 15);
    replace(&mut fifo, &[]);
    fifo.add(entry("bar", 16)).unwrap();
    replace(&mut fifo, &[]);
    let expected = [
        "+foo110 ~foo112 -foo115",
        "+bar111 -bar111? +bar116 -bar116?",
    ];
    assert_eq!(pops(&mut fifo), expected);

    let mut fifo = changed(knowing(&[("known", 5)]));
    fifo.resync().unwrap();
    assert_eq!(pops(&mut fifo), ["*known5"]);
}

#[test]
fn d_07_d_09_an_object_that_the_transform_refuses_is_not_queued_nor_is_its_list() {
    let mut fifo = knowing(&[("old", 1)]).transform(|entry: Entry<u64>| {
        if *entry.object == 13 {
            Err("unlucky".to_owned())
        } else {
            Ok(entry)
        }
    });
    let mut staging = fifo.begin_replace();
    staging.stage(entry("b", 1));
    staging.stage(entry("a", 13));
    let error = fifo.commit(staging, &1.into()).unwrap_err();
    assert_eq!(error.to_string(), "the transform of a failed: unlucky");
    assert!(fifo.is_empty() && !fifo.is_synced());
    assert!(fifo.add(entry("a", 13)).is_err());
    replace(&mut fifo, &[("b", 2)]);
    assert_eq!(pops(&mut fifo), ["=b2", "-old1?"]);
}

#[test]
fn d_08_a_list_shares_what_is_known_and_unchanged_unless_its_history_is_unknown() {
    let mut store = IndexedObjects::new();
    store.add(entry("x", 1)).unwrap();
    let known = store.view().get(&"x".parse().unwrap()).unwrap().clone();
    let snapshot = store.snapshot();
    let mut fifo = FifoState::new().known(move || snapshot.clone());
    for history in [History::Same, History::Unknown] {
        let mut staging = fifo.begin_replace().in_history(history);
        staging.stage(entry("x", 1));
        fifo.commit(staging, &1.into()).unwrap();
        let popped = fifo.pop().unwrap();
        let is_shared = popped.newest().entry().unwrap().is_unchanged(&known);
        assert_eq!(is_shared, history == History::Same);
        fifo.processed(popped.key());
    }
}

#[test]
fn d_08_a_list_tells_what_is_there_and_then_what_is_gone() {
    let known: Objects = &[("bar", 6), ("baz", 7), ("foo", 5)];
    let cases: [(Objects, Do, Words); 6] = [
        (
            known,
            |fifo| delete(fifo, "baz", 10),
            &["-baz10", "=foo5", "-bar6?"],
        ),
        (
            known,
            |fifo| fifo.add(entry("baz", 10)).unwrap(),
            &["+baz10 -baz10?", "=foo5", "-bar6?"],
        ),
        (
            known,
            |fifo| {
                delete(fifo, "bar", 6);
                fifo.add(entry("bar", 100)).unwrap();
            },
            &["-bar6 +bar100 -bar100?", "=foo5", "-baz7?"],
        ),
        (
            known,
            |fifo| replace(fifo, &[("bar", 100), ("foo", 5)]),
            &["=bar100 -bar100?", "=foo5 =foo5", "-baz7?"],
        ),
        (
            &[],
            |fifo| fifo.add(entry("baz", 10)).unwrap(),
            &["+baz10 -baz10?", "=foo5"],
        ),
        (
            &[("foo", 1)],
            |fifo| delete(fifo, "foo", 4),
            &["-foo4 =foo5"],
        ),
    ];
    for (known, before, expected) in cases {
        let mut fifo = knowing(known);
        before(&mut fifo);
        replace(&mut fifo, &[("foo", 5)]);
        assert_eq!(pops(&mut fifo), expected);
    }
}

#[test]
fn d_08_what_is_only_queued_is_told_as_gone_once() {
    let cases: [(Do, Words); 5] = [
        (|fifo| fifo.add(entry("a", 1)).unwrap(), &["+a1 -a1?"]),
        (
            |fifo| {
                fifo.add(entry("a", 1)).unwrap();
                replace(fifo, &[("a", 1)]);
            },
            &["+a1 =a1 -a1?"],
        ),
        (
            |fifo| {
                fifo.add(entry("a", 1)).unwrap();
                delete(fifo, "a", 1);
            },
            &["+a1 -a1"],
        ),
        (
            |fifo| {
                fifo.add(entry("a", 1)).unwrap();
                replace(fifo, &[]);
            },
            &["+a1 -a1?"],
        ),
        (
            |fifo| {
                fifo.add(entry("a", 1)).unwrap();
                delete(fifo, "a", 1);
                fifo.add(entry("a", 2)).unwrap();
            },
            &["+a1 -a1 +a2 -a2?"],
        ),
    ];
    for (before, expected) in cases {
        for mut fifo in [FifoState::new(), knowing(&[])] {
            before(&mut fifo);
            replace(&mut fifo, &[]);
            assert_eq!(pops(&mut fifo), expected);
        }
    }
}

#[test]
fn d_08_an_object_that_is_kept_is_neither_told_nor_told_as_gone() {
    let mut fifo = knowing(&[("kept", 1), ("gone", 2)]);
    let mut staging = fifo.begin_replace();
    staging.keep(&ObjectKey::cluster("kept"));
    staging.stage(entry("taken", 3));
    staging.unstage(&ObjectKey::cluster("taken"));
    fifo.commit(staging, &4.into()).unwrap();
    assert_eq!(pops(&mut fifo), ["-gone2?"]);
}

#[test]
fn d_10_what_makes_a_queue_synced() {
    let steps: [(Do, bool); 7] = [
        (|_| {}, false),
        (|fifo| fifo.add(entry("a", 1)).unwrap(), true),
        (|fifo| delete(fifo, "unknown", 1), true),
        (|fifo| replace(fifo, &[]), true),
        (|fifo| replace(fifo, &[("a", 1), ("b", 2)]), false),
        (
            |fifo| {
                replace(fifo, &[("a", 1), ("b", 2)]);
                process(fifo);
            },
            false,
        ),
        (
            |fifo| {
                replace(fifo, &[("a", 1), ("a", 2)]);
                process(fifo);
            },
            true,
        ),
    ];
    for (step, synced) in steps {
        let mut fifo = FifoState::new();
        step(&mut fifo);
        assert_eq!(fifo.is_synced(), synced);
    }
}

#[test]
fn d_10_d_11_d_13_the_first_list_is_synced_when_its_last_object_was_processed() {
    let mut fifo = knowing(&[("bar", 2), ("baz", 3), ("foo", 1)]);
    replace(&mut fifo, &[("foo", 5)]);
    for expected in ["=foo5", "-bar2?", "-baz3?"] {
        let popped = fifo.pop().unwrap();
        assert!(popped.is_in_initial_list());
        assert_eq!(words(&popped), expected);
        assert!(!fifo.is_synced(), "not before it has been processed");
        fifo.processed(popped.key());
    }
    assert!(fifo.is_synced());
    fifo.add(entry("late", 1)).unwrap();
    assert!(!fifo.pop().unwrap().is_in_initial_list());
}

#[test]
fn d_12_what_failed_comes_again_before_what_came_meanwhile() {
    let mut fifo = FifoState::new();
    replace(&mut fifo, &[("a", 1), ("b", 2)]);
    let failed = fifo.pop().unwrap();
    fifo.update(entry("a", 3)).unwrap();
    fifo.requeue(failed);
    assert!(!fifo.is_synced());
    assert_eq!(pops(&mut fifo), ["=b2", "=a1 ~a3"]);
    assert!(fifo.is_synced());

    delete(&mut fifo, "a", 4);
    fifo.add(entry("a", 4)).unwrap();
    delete(&mut fifo, "a", 5);
    let failed = fifo.pop().unwrap();
    assert_eq!(words(&failed), "+a4 -a5");
    fifo.requeue(failed);
    fifo.add(entry("b", 6)).unwrap();
    delete(&mut fifo, "a", 7);
    assert_eq!(pops(&mut fifo), ["+a4 -a5", "+b6"]);
}

#[test]
fn d_15_a_resync_tells_what_is_known_and_not_queued() {
    let cases: [(Do, Words); 3] = [
        (|_| {}, &["*foo5"]),
        (|fifo| delete(fifo, "foo", 10), &["-foo10"]),
        (|fifo| fifo.update(entry("foo", 6)).unwrap(), &["~foo6"]),
    ];
    for (before, expected) in cases {
        let mut fifo = knowing(&[("foo", 5)]);
        before(&mut fifo);
        fifo.resync().unwrap();
        assert_eq!(pops(&mut fifo), expected);
    }
    let mut fifo = FifoState::new();
    fifo.resync().unwrap();
    assert!(fifo.is_empty() && !fifo.is_synced());
}

#[test]
fn d_16_everything_that_is_queued_has_a_key() {
    let mut fifo = knowing(&[("gone", 1)]);
    replace(&mut fifo, &[("a", 1)]);
    let keys: Vec<_> = std::iter::from_fn(|| fifo.pop())
        .map(|it| it.key().to_string())
        .collect();
    assert_eq!(keys, ["a", "gone"]);
}

#[test]
fn d_17_a_closed_queue_gives_what_it_has() {
    let mut fifo = FifoState::new();
    fifo.add(entry("a", 1)).unwrap();
    fifo.close();
    fifo.add(entry("b", 2)).unwrap();
    assert!(fifo.is_closed());
    assert_eq!(pops(&mut fifo), ["+a1", "+b2"]);
}

#[test]
fn d_18_what_was_taken_out_belongs_to_the_taker() {
    let mut fifo = FifoState::new();
    fifo.add(entry("a", 1)).unwrap();
    let popped = fifo.pop().unwrap();
    fifo.update(entry("a", 2)).unwrap();
    assert_eq!(words(&popped), "+a1");
    assert_eq!(popped.into_vec().len(), 1);
    assert_eq!(fifo.get(&ObjectKey::cluster("a")).len(), 1);
    assert!(fifo.get(&ObjectKey::cluster("b")).is_empty());
}

#[test]
fn the_age_is_that_of_the_first_change_of_what_is_next() {
    let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
    let mut fifo = FifoState::new();
    assert_eq!(fifo.age(), None);
    fifo.set_now(at(1));
    fifo.add(entry("a", 1)).unwrap();
    fifo.set_now(at(3));
    fifo.add(entry("a", 2)).unwrap();
    fifo.add(entry("b", 2)).unwrap();
    fifo.set_now(at(6));
    assert_eq!(fifo.age(), Some(Duration::from_secs(5)));
    let failed = fifo.pop().unwrap();
    assert_eq!(fifo.age(), Some(Duration::from_secs(3)));
    fifo.requeue(failed);
    fifo.pop();
    assert_eq!(
        fifo.age(),
        Some(Duration::from_secs(5)),
        "a second try does not make it young"
    );
}

#[test]
fn bookmarks_are_remembered() {
    let mut fifo = FifoState::new();
    assert_eq!(fifo.bookmarked(), None);
    replace(&mut fifo, &[]);
    assert_eq!(fifo.bookmarked(), Some(&1.into()));
    fifo.bookmark(&7.into());
    assert_eq!(fifo.bookmarked(), Some(&7.into()));
    assert!(fifo.is_empty());
}

#[test]
fn d_05_d_08_d_15_what_is_in_work_is_known_though_the_store_does_not_have_it_yet() {
    let cases: [(Do, Do, Words); 7] = [
        (
            |fifo| fifo.add(entry("a", 1)).unwrap(),
            |fifo| delete(fifo, "a", 2),
            &["-a2"],
        ),
        (
            |fifo| fifo.add(entry("a", 1)).unwrap(),
            |fifo| fifo.delete(&ObjectKey::cluster("a"), None).unwrap(),
            &["-a1?"],
        ),
        (
            |fifo| fifo.add(entry("a", 1)).unwrap(),
            |fifo| replace(fifo, &[("known", 5)]),
            &["=known5", "-a1?"],
        ),
        (
            |fifo| fifo.update(entry("known", 6)).unwrap(),
            |fifo| replace(fifo, &[]),
            &["-known6?"],
        ),
        (
            |fifo| delete(fifo, "known", 6),
            |fifo| replace(fifo, &[("a", 1)]),
            &["=a1"],
        ),
        (
            |fifo| fifo.update(entry("known", 6)).unwrap(),
            |fifo| fifo.resync().unwrap(),
            &[],
        ),
        (
            |fifo| delete(fifo, "known", 6),
            |fifo| fifo.resync().unwrap(),
            &[],
        ),
    ];
    for (before, meanwhile, expected) in cases {
        let mut fifo = knowing(&[("known", 5)]);
        before(&mut fifo);
        let in_work = fifo.pop().unwrap();
        meanwhile(&mut fifo);
        fifo.processed(in_work.key());
        assert_eq!(pops(&mut fifo), expected);
    }
}

#[test]
fn d_12_d_20_an_object_in_work_is_not_given_out_again_before_it_was_processed() {
    let mut fifo = FifoState::new();
    fifo.add(entry("a", 1)).unwrap();
    let first = fifo.pop().unwrap();
    fifo.update(entry("a", 2)).unwrap();
    fifo.add(entry("b", 1)).unwrap();
    assert_eq!(fifo.len(), 2);
    let second = fifo.pop().unwrap();
    assert_eq!(words(&second), "+b1", "a is in work");
    assert!(fifo.pop().is_none());
    fifo.processed(first.key());
    let third = fifo.pop().unwrap();
    assert_eq!(words(&third), "~a2");
    // Said twice, or of what is not in work, it changes nothing.
    fifo.processed(second.key());
    fifo.processed(second.key());
    fifo.update(entry("a", 3)).unwrap();
    assert!(fifo.pop().is_none());
}

#[test]
fn d_11_d_13_d_20_what_came_later_does_not_count_for_what_is_still_in_work() {
    let mut fifo = FifoState::new();
    replace(&mut fifo, &[("a", 1), ("b", 2)]);
    fifo.add(entry("c", 3)).unwrap();
    let slow = fifo.pop().unwrap();
    process(&mut fifo);
    let later = fifo.pop().unwrap();
    assert!(!later.is_in_initial_list());
    fifo.processed(later.key());
    assert!(!fifo.is_synced(), "a is still in work");
    fifo.requeue(slow);
    assert!(!fifo.is_synced(), "a has failed");
    let again = fifo.pop().unwrap();
    assert!(again.is_in_initial_list());
    fifo.processed(again.key());
    assert!(fifo.is_synced());
}

#[derive(Clone, Debug)]
enum Step {
    Update(u8),
    Delete(u8),
    /// The end of an object whose last state could not be read.
    DeleteUnread(u8),
    Replace(Vec<u8>),
    Resync,
    Take,
    Finish(prop::sample::Index),
    Fail(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5u8).prop_map(Step::Update),
        2 => (0..5u8).prop_map(Step::Delete),
        1 => (0..5u8).prop_map(Step::DeleteUnread),
        1 => prop::collection::vec(0..5u8, 0..5).prop_map(Step::Replace),
        1 => Just(Step::Resync),
        5 => Just(Step::Take),
        4 => any::<prop::sample::Index>().prop_map(Step::Finish),
        1 => any::<prop::sample::Index>().prop_map(Step::Fail),
    ]
}

/// A queue, the store at its far end, and what is on the way from one to the other.
struct Way {
    store: Arc<Mutex<IndexedObjects<u64>>>,
    fifo: FifoState,
    in_work: Vec<Deltas<u64>>,
}

impl Way {
    fn new() -> Self {
        let store = Arc::new(Mutex::new(IndexedObjects::new()));
        let known = Arc::clone(&store);
        Self {
            store,
            fifo: FifoState::new().known(move || known.lock().unwrap().snapshot()),
            in_work: Vec::new(),
        }
    }

    fn take(&mut self) -> bool {
        let popped = self.fifo.pop();
        if let Some(popped) = &popped {
            let is_twice = self.in_work.iter().any(|it| it.key() == popped.key());
            assert!(!is_twice, "{} is in work already", popped.key());
        }
        let is_some = popped.is_some();
        self.in_work.extend(popped);
        is_some
    }

    fn take_one_in_work(&mut self, index: prop::sample::Index) -> Option<Deltas<u64>> {
        if self.in_work.is_empty() {
            return None;
        }
        Some(self.in_work.swap_remove(index.index(self.in_work.len())))
    }

    fn finish(&mut self, deltas: &Deltas<u64>) {
        let mut store = self.store.lock().unwrap();
        for delta in deltas.as_slice() {
            match delta {
                Delta::Deleted(deletion) => store.delete(deletion.key(), None).unwrap(),
                Delta::Added(entry)
                | Delta::Updated(entry)
                | Delta::Replaced(entry)
                | Delta::Sync(entry) => store.add(entry.clone()).unwrap(),
            }
        }
        drop(store);
        self.fifo.processed(deltas.key());
    }

    /// Finishes everything; tells where that leads.
    fn drain(&mut self) -> BTreeMap<String, u64> {
        loop {
            while let Some(deltas) = self.in_work.pop() {
                self.finish(&deltas);
            }
            if !self.take() {
                break;
            }
        }
        assert!(self.fifo.is_empty());
        let store = self.store.lock().unwrap();
        let entries = store.view().iter();
        entries
            .map(|it| (it.key().to_string(), *it.object))
            .collect()
    }
}

proptest! {
    /// Whoever applies what comes out, several objects at a time and in any order, ends where the
    /// source is, failures and second tries included: no state and no deletion is lost.
    #[test]
    fn d_05_d_08_d_12_d_15_d_20_what_comes_out_leads_to_where_the_source_is(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut way = Way::new();
        let mut source = BTreeMap::new();
        for (version, step) in steps.into_iter().enumerate() {
            let version = version as u64 + 1;
            let name = |number: u8| format!("n{number}");
            match step {
                Step::Update(number) => {
                    source.insert(name(number), version);
                    way.fifo.update(entry(&name(number), version)).unwrap();
                }
                Step::Delete(number) => {
                    source.remove(&name(number));
                    delete(&mut way.fifo, &name(number), version);
                }
                Step::DeleteUnread(number) => {
                    source.remove(&name(number));
                    way.fifo.delete(&ObjectKey::cluster(&name(number)), None).unwrap();
                }
                Step::Replace(numbers) => {
                    source = numbers.into_iter().map(|it| (name(it), version)).collect();
                    let items: Vec<_> = source.iter().map(|(key, value)| (key.as_str(), *value)).collect();
                    replace(&mut way.fifo, &items);
                }
                Step::Resync => way.fifo.resync().unwrap(),
                Step::Take => {
                    way.take();
                }
                Step::Finish(index) => if let Some(deltas) = way.take_one_in_work(index) {
                    way.finish(&deltas);
                },
                Step::Fail(index) => if let Some(deltas) = way.take_one_in_work(index) {
                    way.fifo.requeue(deltas);
                },
            }
        }
        let end = way.drain();
        prop_assert_eq!(end, source);
    }
}

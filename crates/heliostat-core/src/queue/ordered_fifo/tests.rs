//! The ordered queue, told as words: `+` added, `~` updated, `-` deleted (`?` only found out), `=`
//! replaced, `*` told again.

use proptest::prelude::*;

use super::*;
use crate::object::Header;
use crate::store::indexer::IndexedObjects;

type FifoState = OrderedFifo<u64>;

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

fn itemized(known: &'static [(&'static str, u64)]) -> FifoState {
    OrderedFifo::itemized(move || snapshot(known))
}

fn replace(fifo: &mut FifoState, items: &[(&str, u64)], version: u64) {
    let mut staging = fifo.begin_replace();
    for (name, value) in items {
        staging.stage(entry(name, *value));
    }
    fifo.commit(staging, &version.into()).unwrap();
}

fn delete(fifo: &mut FifoState, name: &str, value: u64) {
    fifo.delete(&ObjectKey::cluster(name), Some(entry(name, value)))
        .unwrap();
}

fn word(delta: &Delta<u64>) -> String {
    let (sign, end) = match delta {
        Delta::Added(_) => ("+", ""),
        Delta::Updated(_) => ("~", ""),
        Delta::Replaced(_) => ("=", ""),
        Delta::Sync(_) => ("*", ""),
        Delta::Deleted(Deletion::Observed(_)) => ("-", ""),
        Delta::Deleted(Deletion::Tombstone { .. }) => ("-", "?"),
    };
    let value = delta
        .entry()
        .map_or_else(|| "none".to_owned(), |entry| entry.object.to_string());
    format!("{sign}{}{value}{end}", delta.key())
}

fn words(popped: Popped<u64>) -> String {
    match popped.work {
        Work::Changes(deltas) => deltas.iter().map(word).collect::<Vec<_>>().join(" "),
        Work::ReplacedAll(all) => {
            let mut store = IndexedObjects::new();
            let replacement = store.prepare_replace(all.staging, &all.version);
            store.swap(replacement);
            let items: Vec<_> = store
                .view()
                .iter()
                .map(|entry| format!("{}{}", entry.key(), entry.object))
                .collect();
            format!("all@{}[{}]", all.version, items.join(" "))
        }
        Work::SyncAll => "sync all".to_owned(),
        Work::Bookmark(version) => format!("bookmark@{version}"),
    }
}

fn all(fifo: &mut FifoState, pop: impl Fn(&mut FifoState) -> Option<Popped<u64>>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(popped) = pop(fifo) {
        all.push(words(popped));
        fifo.processed();
    }
    all
}

fn pops(fifo: &mut FifoState) -> Vec<String> {
    all(fifo, FifoState::pop)
}

fn batches(fifo: &mut FifoState) -> Vec<String> {
    all(fifo, FifoState::pop_batch)
}

#[test]
fn f_02_every_event_is_delivered_in_the_order_in_which_it_came() {
    let mut fifo = itemized(&[]);
    for (name, value) in [
        ("foo", 10),
        ("bar", 1),
        ("foo", 11),
        ("foo", 13),
        ("zab", 30),
    ] {
        fifo.add(entry(name, value)).unwrap();
    }
    assert_eq!(words(fifo.pop().unwrap()), "+foo10");
    fifo.add(entry("foo", 14)).unwrap();
    assert_eq!(
        pops(&mut fifo),
        ["+bar1", "+foo11", "+foo13", "+zab30", "+foo14"]
    );

    fifo.add(entry("foo", 10)).unwrap();
    fifo.update(entry("foo", 12)).unwrap();
    delete(&mut fifo, "foo", 15);
    assert_eq!(pops(&mut fifo), ["+foo10", "~foo12", "-foo15"]);
}

#[test]
fn f_02_f_12_each_producer_finds_its_own_order() {
    let mut fifo = FifoState::atomic();
    for number in 0..500 {
        fifo.add(entry("a", number)).unwrap();
        fifo.add(entry("b", number)).unwrap();
    }
    let popped = pops(&mut fifo);
    for producer in ["+a", "+b"] {
        let own = popped.iter().filter_map(|word| word.strip_prefix(producer));
        let numbers: Vec<u64> = own.map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    }
}

#[test]
fn f_03_a_deletion_is_queued_whether_or_not_the_object_is_known() {
    for mut fifo in [FifoState::atomic(), itemized(&[]), itemized(&[("baz", 20)])] {
        fifo.add(entry("foo", 10)).unwrap();
        fifo.update(entry("bar", 15)).unwrap();
        fifo.add(entry("qux", 17)).unwrap();
        delete(&mut fifo, "qux", 18);
        delete(&mut fifo, "baz", 20);
        fifo.delete(&ObjectKey::cluster("unseen"), None).unwrap();
        let expected = [
            "+foo10",
            "~bar15",
            "+qux17",
            "-qux18",
            "-baz20",
            "-unseennone?",
        ];
        assert_eq!(pops(&mut fifo), expected);
    }
}

#[test]
fn f_05_the_transform_changes_what_comes_and_nothing_that_was_changed_before() {
    let changed = |fifo: FifoState| {
        fifo.transform(|entry: Entry<u64>| Ok(Entry::new(entry.header, *entry.object + 100)))
    };
    let mut fifo = changed(itemized(&[]));
    fifo.add(entry("foo", 10)).unwrap();
    fifo.add(entry("bar", 11)).unwrap();
    fifo.update(entry("foo", 12)).unwrap();
    delete(&mut fifo, "foo", 15);
    replace(&mut fifo, &[], 16);
    fifo.add(entry("bar", 16)).unwrap();
    replace(&mut fifo, &[], 17);
    let expected = [
        "+foo110", "+bar111", "~foo112", "-foo115", "-bar111?", "+bar116", "-bar116?",
    ];
    assert_eq!(pops(&mut fifo), expected);

    let mut fifo = changed(itemized(&[("known", 5)]));
    fifo.resync().unwrap();
    assert_eq!(pops(&mut fifo), ["*known5"]);
}

#[test]
fn f_05_f_07_an_object_that_the_transform_refuses_is_not_queued_nor_is_its_list() {
    for fifo in [FifoState::atomic(), itemized(&[("old", 1)])] {
        let mut fifo = fifo.transform(|entry: Entry<u64>| {
            if *entry.object == 13 {
                Err("unlucky".to_owned())
            } else {
                Ok(entry)
            }
        });
        let error = fifo.add(entry("a", 13)).unwrap_err();
        assert_eq!(error.to_string(), "the transform of a failed: unlucky");
        let mut staging = fifo.begin_replace();
        staging.stage(entry("b", 1));
        staging.stage(entry("a", 13));
        assert!(fifo.commit(staging, &1.into()).is_err());
        assert!(fifo.is_empty());
        replace(&mut fifo, &[("b", 2)], 2);
        assert!(!fifo.is_empty());
    }
}

#[test]
fn f_06_a_list_tells_first_what_is_gone_of_the_queue_then_of_the_store_then_what_is_there() {
    let known: Objects = &[("bar", 6), ("baz", 7), ("foo", 5)];
    let cases: [(Objects, Do, Words); 5] = [
        (
            known,
            |fifo| delete(fifo, "baz", 10),
            &["-baz10", "-bar6?", "=foo5"],
        ),
        (
            known,
            |fifo| fifo.add(entry("baz", 10)).unwrap(),
            &["+baz10", "-baz10?", "-bar6?", "=foo5"],
        ),
        (
            known,
            |fifo| {
                delete(fifo, "bar", 6);
                fifo.add(entry("bar", 100)).unwrap();
            },
            &["-bar6", "+bar100", "-bar100?", "-baz7?", "=foo5"],
        ),
        (
            known,
            |fifo| replace(fifo, &[("bar", 100), ("foo", 5)], 1),
            &["-baz7?", "=bar100", "=foo5", "-bar100?", "=foo5"],
        ),
        (
            &[],
            |fifo| fifo.add(entry("baz", 10)).unwrap(),
            &["+baz10", "-baz10?", "=foo5"],
        ),
    ];
    for (known, before, expected) in cases {
        let mut fifo = itemized(known);
        before(&mut fifo);
        replace(&mut fifo, &[("foo", 5)], 2);
        assert_eq!(pops(&mut fifo), expected);
    }
}

#[test]
fn f_06_what_is_only_queued_is_told_as_gone_once() {
    let cases: [(Do, Words); 5] = [
        (|fifo| fifo.add(entry("a", 1)).unwrap(), &["+a1", "-a1?"]),
        (
            |fifo| {
                fifo.add(entry("a", 1)).unwrap();
                delete(fifo, "a", 1);
            },
            &["+a1", "-a1"],
        ),
        (
            |fifo| {
                fifo.add(entry("a", 1)).unwrap();
                replace(fifo, &[("a", 1)], 1);
                replace(fifo, &[("a", 1)], 2);
            },
            &["+a1", "=a1", "=a1", "-a1?"],
        ),
        (
            |fifo| {
                fifo.add(entry("a", 1)).unwrap();
                replace(fifo, &[], 1);
            },
            &["+a1", "-a1?"],
        ),
        (
            |fifo| {
                fifo.add(entry("a", 1)).unwrap();
                delete(fifo, "a", 1);
                fifo.add(entry("a", 2)).unwrap();
            },
            &["+a1", "-a1", "+a2", "-a2?"],
        ),
    ];
    for (before, expected) in cases {
        let mut fifo = itemized(&[]);
        before(&mut fifo);
        replace(&mut fifo, &[], 9);
        assert_eq!(pops(&mut fifo), expected);
    }
}

#[test]
fn f_06_an_object_of_a_list_that_comes_twice_is_told_twice_and_one_that_is_kept_not_at_all() {
    let mut fifo = itemized(&[("kept", 1), ("gone", 2)]);
    let mut staging = fifo.begin_replace();
    staging.keep(&ObjectKey::cluster("kept"));
    for (name, value) in [("a", 3), ("b", 4), ("a", 5), ("taken", 6)] {
        staging.stage(entry(name, value));
    }
    staging.unstage(&ObjectKey::cluster("taken"));
    fifo.commit(staging, &7.into()).unwrap();
    assert_eq!(pops(&mut fifo), ["-gone2?", "=a3", "=b4", "=a5"]);
}

#[test]
fn f_07_f_09_an_atomic_queue_takes_a_list_whole() {
    let mut fifo = FifoState::atomic();
    replace(&mut fifo, &[], 123);
    assert_eq!(pops(&mut fifo), ["all@123[]"]);

    fifo.add(entry("foo", 10)).unwrap();
    replace(&mut fifo, &[("o", 1)], 10);
    replace(&mut fifo, &[("o", 1)], 20);
    replace(&mut fifo, &[], 56);
    assert_eq!(
        pops(&mut fifo),
        ["+foo10", "all@10[o1]", "all@20[o1]", "all@56[]"]
    );

    fifo.bookmark(&123.into());
    replace(&mut fifo, &[], 1234);
    assert_eq!(pops(&mut fifo), ["bookmark@123", "all@1234[]"]);
}

/// A second list behind the first, which is not in the store yet.
#[test]
fn f_07_a_list_shares_what_is_queued_before_it_and_unchanged() {
    let mut store = IndexedObjects::new();
    let mut fifo = FifoState::atomic();
    for version in [1, 2] {
        let mut staging = fifo.begin_replace_on(store.view());
        staging.stage(entry("x", 1));
        fifo.commit(staging, &version.into()).unwrap();
    }
    let mut states = Vec::new();
    while let Some(popped) = fifo.pop() {
        let Work::ReplacedAll(all) = popped.work else {
            panic!("expected a list");
        };
        store.commit(all.staging, &all.version).unwrap();
        states.push(store.snapshot());
    }
    assert_eq!(states[0].differences(&states[1]).count(), 0);
}

/// A list of another history is queued and not yet in the store; the next list belongs to it.
#[test]
fn f_07_a_list_does_not_share_with_a_store_that_is_in_an_earlier_history() {
    let mut store = IndexedObjects::new();
    store.add(entry("x", 1)).unwrap();
    let other = |value: u64| Entry::new(entry("x", 1).header, value);
    let mut fifo = FifoState::atomic();
    for (history, value) in [(History::Unknown, 7), (History::Same, 7)] {
        let staging = fifo.begin_replace_on(store.view());
        let mut staging = staging.in_history(history);
        staging.stage(other(value));
        fifo.commit(staging, &1.into()).unwrap();
    }
    for _ in 0..2 {
        let Work::ReplacedAll(all) = fifo.pop().unwrap().work else {
            panic!("expected the list");
        };
        store.commit(all.staging, &all.version).unwrap();
        assert_eq!(*store.view().get(&"x".parse().unwrap()).unwrap().object, 7);
    }
    fifo.processed();
    let mut staging = fifo.begin_replace_on(store.view());
    staging.stage(other(8));
    store.commit(staging, &2.into()).unwrap();
    let kept = *store.view().get(&"x".parse().unwrap()).unwrap().object;
    assert_eq!(kept, 7, "in one history the versions are trusted again");
}

/// Of two lists of other histories one is in the store, and the other one is still queued.
#[test]
fn f_07_a_list_does_not_share_with_the_store_while_one_of_another_history_is_queued() {
    let mut store = IndexedObjects::new();
    let mut fifo = FifoState::atomic();
    let queue = |fifo: &mut FifoState, store: &IndexedObjects<u64>, history, name, value| {
        let mut staging = fifo.begin_replace_on(store.view()).in_history(history);
        staging.stage(Entry::new(entry(name, 1).header, value));
        fifo.commit(staging, &1.into()).unwrap();
    };
    let work = |fifo: &mut FifoState, store: &mut IndexedObjects<u64>| {
        let Work::ReplacedAll(all) = fifo.pop().unwrap().work else {
            panic!("expected the list");
        };
        store.commit(all.staging, &all.version).unwrap();
        fifo.processed();
        let objects = store.view().iter();
        objects
            .map(|it| (it.key().to_string(), *it.object))
            .collect::<Vec<_>>()
    };
    queue(&mut fifo, &store, History::Unknown, "x", 7);
    queue(&mut fifo, &store, History::Unknown, "y", 8);
    assert_eq!(work(&mut fifo, &mut store), [("x".to_owned(), 7)]);
    // Of the history of `y`, in which `x` of the same version is another object.
    queue(&mut fifo, &store, History::Same, "x", 9);
    assert_eq!(work(&mut fifo, &mut store), [("y".to_owned(), 8)]);
    assert_eq!(work(&mut fifo, &mut store), [("x".to_owned(), 9)]);
}

#[test]
fn f_07_a_list_shares_what_did_not_change_and_keeps_what_the_store_has_when_it_is_put_in() {
    let mut store = IndexedObjects::new();
    for name in ["same", "kept", "gone"] {
        store.add(entry(name, 1)).unwrap();
    }
    let mut fifo = FifoState::atomic();
    let mut staging = fifo.begin_replace_on(&store.snapshot());
    staging.stage(entry("same", 1));
    staging.stage(entry("new", 2));
    staging.keep(&ObjectKey::cluster("kept"));
    fifo.commit(staging, &5.into()).unwrap();
    // What was queued before the list reaches the store only now.
    store.add(entry("kept", 3)).unwrap();
    store.add(entry("late", 3)).unwrap();
    let same = store.view().get(&"same".parse().unwrap()).unwrap().clone();

    let Work::ReplacedAll(all) = fifo.pop().unwrap().work else {
        panic!("expected the list");
    };
    let replacement = store.prepare_replace(all.staging, &all.version);
    store.swap(replacement);
    let values: Vec<_> = store
        .view()
        .iter()
        .map(|it| (it.key().to_string(), *it.object))
        .collect();
    let expected = [("kept", 3), ("new", 2), ("same", 1)];
    assert_eq!(
        values,
        expected.map(|(name, value)| (name.to_owned(), value))
    );
    let now = store.view().get(&"same".parse().unwrap()).unwrap();
    assert!(std::sync::Arc::ptr_eq(&now.object, &same.object));
}

#[test]
fn f_08_f_13_synced_comes_after_the_first_filling_was_processed() {
    let mut fifo = itemized(&[("bar", 6), ("baz", 7), ("foo", 5)]);
    replace(&mut fifo, &[("foo", 5)], 1);
    for expected in ["-bar6?", "-baz7?", "=foo5"] {
        let popped = fifo.pop().unwrap();
        assert!(popped.is_in_initial_list);
        assert_eq!(words(popped), expected);
        assert!(!fifo.is_synced(), "not before it has been processed");
        fifo.processed();
    }
    assert!(fifo.is_synced());
    fifo.add(entry("late", 9)).unwrap();
    assert!(!fifo.pop().unwrap().is_in_initial_list);
}

#[test]
fn f_08_f_18_what_makes_a_queue_synced() {
    let steps: [(Do, bool); 6] = [
        (|_| {}, false),
        (|fifo| fifo.add(entry("a", 1)).unwrap(), true),
        (|fifo| replace(fifo, &[], 1), true),
        (|fifo| replace(fifo, &[("a", 1), ("b", 2)], 1), false),
        (
            |fifo| {
                replace(fifo, &[("a", 1), ("a", 2)], 1);
                fifo.pop();
                fifo.processed();
            },
            false,
        ),
        (
            |fifo| {
                replace(fifo, &[("a", 1), ("b", 2)], 1);
                pops(fifo);
            },
            true,
        ),
    ];
    for (step, synced) in steps {
        let mut fifo = itemized(&[]);
        step(&mut fifo);
        assert_eq!(fifo.is_synced(), synced);
    }
    let mut atomic = FifoState::atomic();
    replace(&mut atomic, &[], 1);
    assert!(!atomic.is_synced(), "an empty list is work, too");
    pops(&mut atomic);
    assert!(atomic.is_synced());
}

#[test]
fn f_08_a_bookmark_before_the_first_list_belongs_to_it() {
    let mut fifo = FifoState::atomic();
    fifo.bookmark(&5.into());
    replace(&mut fifo, &[("a", 1)], 6);
    assert!(fifo.pop().unwrap().is_in_initial_list);
    fifo.processed();
    assert!(!fifo.is_synced());
    fifo.pop();
    fifo.processed();
    assert!(fifo.is_synced());
}

#[test]
fn a_list_ends_what_is_in_work_and_a_resync_leaves_it_alone() {
    let mut fifo = itemized(&[("known", 1)]);
    fifo.add(entry("new", 2)).unwrap();
    fifo.update(entry("known", 3)).unwrap();
    assert_eq!(words(fifo.pop_batch().unwrap()), "+new2 ~known3");
    fifo.resync().unwrap();
    assert!(fifo.is_empty(), "what the store holds may be old already");
    replace(&mut fifo, &[], 4);
    assert_eq!(words(fifo.pop_batch().unwrap()), "-new2? -known3?");
}

#[test]
fn f_09_a_version_said_of_a_bookmark_does_not_outlive_it() {
    let mut fifo = FifoState::atomic();
    for version in [5, 6] {
        fifo.update_resource_version(&version.into());
    }
    fifo.bookmark(&7.into());
    let popped = fifo.pop_batch().unwrap();
    assert_eq!(popped.reached, None, "it would take the version back");
    assert_eq!(words(popped), "bookmark@7");
}

#[test]
fn f_09_bookmarks_and_versions_take_no_more_room_than_they_must() {
    let mut fifo = FifoState::atomic();
    fifo.bookmark(&5.into());
    fifo.bookmark(&6.into());
    assert_eq!(fifo.len(), 1);
    fifo.add(entry("a", 7)).unwrap();
    fifo.update_resource_version(&7.into());
    fifo.add(entry("b", 8)).unwrap();
    fifo.update_resource_version(&8.into());
    fifo.update_resource_version(&8.into());
    assert_eq!(fifo.len(), 3);
    assert_eq!(words(fifo.pop_batch().unwrap()), "bookmark@6");
    let changes = fifo.pop_batch().unwrap();
    assert_eq!(changes.reached, Some(8.into()));
    assert_eq!(words(changes), "+a7 +b8");
    fifo.update_resource_version(&9.into());
    assert_eq!(pops(&mut fifo), ["bookmark@9"]);
}

#[test]
fn f_10_a_resync_is_a_mark_or_tells_what_is_known_and_not_queued() {
    let mut fifo = FifoState::atomic();
    fifo.add(entry("a", 1)).unwrap();
    fifo.resync().unwrap();
    fifo.resync().unwrap();
    assert_eq!(pops(&mut fifo), ["+a1", "sync all", "sync all"]);

    let known: Objects = &[("foo", 5)];
    let cases: [(Do, Words); 3] = [
        (|_| {}, &["*foo5"]),
        (|fifo| delete(fifo, "foo", 10), &["-foo10"]),
        (|fifo| fifo.update(entry("foo", 6)).unwrap(), &["~foo6"]),
    ];
    for (before, expected) in cases {
        let mut fifo = itemized(known);
        before(&mut fifo);
        fifo.resync().unwrap();
        assert_eq!(pops(&mut fifo), expected);
    }
}

#[test]
fn f_06_f_10_what_is_in_work_is_known_though_the_store_does_not_have_it_yet() {
    let cases: [(Do, Do, Words); 5] = [
        (
            |fifo| fifo.add(entry("a", 1)).unwrap(),
            |fifo| replace(fifo, &[("known", 5)], 9),
            &["-a1?", "=known5"],
        ),
        (
            |fifo| fifo.update(entry("known", 6)).unwrap(),
            |fifo| replace(fifo, &[], 9),
            &["-known6?"],
        ),
        (
            |fifo| delete(fifo, "known", 6),
            |fifo| replace(fifo, &[], 9),
            &["bookmark@9"],
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
        let mut fifo = itemized(&[("known", 5)]);
        before(&mut fifo);
        fifo.pop_batch().unwrap();
        meanwhile(&mut fifo);
        assert_eq!(pops(&mut fifo), expected);
    }
}

#[test]
fn f_08_f_13_what_was_in_work_when_the_first_list_came_does_not_count_for_it() {
    let mut fifo = itemized(&[]);
    fifo.bookmark(&1.into());
    fifo.pop().unwrap();
    replace(&mut fifo, &[("a", 1), ("b", 2)], 3);
    fifo.processed();
    fifo.pop().unwrap();
    fifo.processed();
    assert!(!fifo.is_synced(), "b has not been processed");
    fifo.pop().unwrap();
    fifo.processed();
    assert!(fifo.is_synced());
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
fn f_06_f_10_f_11_a_store_that_cannot_say_costs_the_last_state_only() {
    let mut fifo = FifoState::itemized(Silent);
    fifo.resync().unwrap();
    assert!(fifo.is_empty());
    replace(&mut fifo, &[], 1);
    assert_eq!(pops(&mut fifo), ["-foonone?"]);
}

#[test]
fn f_12_f_17_f_18_a_closed_queue_gives_what_it_has() {
    let mut fifo = FifoState::atomic();
    fifo.add(entry("a", 1)).unwrap();
    fifo.close();
    fifo.add(entry("b", 2)).unwrap();
    assert!(fifo.is_closed());
    assert_eq!(pops(&mut fifo), ["+a1", "+b2"]);
    assert!(fifo.pop().is_none());
}

#[test]
fn f_13_what_is_never_reported_as_processed_counts_at_the_next_pop() {
    let mut fifo = itemized(&[]);
    replace(&mut fifo, &[("a", 1), ("b", 2)], 1);
    fifo.pop();
    fifo.pop();
    assert!(!fifo.is_synced());
    assert!(fifo.pop().is_none());
    assert!(fifo.is_synced());
}

#[test]
fn f_14_two_batches_that_wait_are_a_congestion() {
    let mut fifo = FifoState::atomic().batch_size(2);
    for number in 0..4 {
        assert!(!fifo.is_congested());
        fifo.add(entry("a", number)).unwrap();
    }
    assert!(fifo.is_congested());
    fifo.pop();
    assert!(!fifo.is_congested());
}

#[test]
fn f_15_f_16_where_a_batch_ends() {
    let cases: [(usize, Objects, Objects, Words); 8] = [
        (1000, &[("a", 1), ("b", 2), ("c", 3)], &[], &["=a1 =b2 =c3"]),
        (
            2,
            &[("a", 1), ("b", 2)],
            &[("c", 3), ("d", 4)],
            &["=a1 =b2", "~c3 ~d4"],
        ),
        (
            1000,
            &[("a", 1)],
            &[("a", 1), ("a", 1)],
            &["=a1", "~a1", "~a1"],
        ),
        (
            1000,
            &[("a", 1), ("b", 2)],
            &[("b", 2), ("c", 3)],
            &["=a1 =b2", "~b2 ~c3"],
        ),
        (
            1000,
            &[("a", 1), ("b", 2), ("c", 3)],
            &[("b", 2)],
            &["=a1 =b2 =c3", "~b2"],
        ),
        (2, &[("a", 1), ("b", 2), ("c", 3)], &[], &["=a1 =b2", "=c3"]),
        (2, &[], &[("a", 1), ("b", 2), ("c", 3)], &["~a1 ~b2", "~c3"]),
        (
            2,
            &[("a", 1), ("b", 2), ("c", 3)],
            &[("d", 4)],
            &["=a1 =b2", "=c3", "~d4"],
        ),
    ];
    for (size, list, updates, expected) in cases {
        let mut fifo = itemized(&[]).batch_size(size);
        replace(&mut fifo, list, 1);
        for (name, value) in updates {
            fifo.update(entry(name, *value)).unwrap();
        }
        let mut initial = 0;
        let mut actual = Vec::new();
        while let Some(popped) = fifo.pop_batch() {
            let Work::Changes(changes) = &popped.work else {
                continue;
            };
            initial += if popped.is_in_initial_list {
                changes.len()
            } else {
                0
            };
            actual.push(words(popped));
            fifo.processed();
        }
        assert_eq!(actual, expected);
        assert_eq!(initial, list.len());
    }
}

#[test]
fn f_15_what_is_no_change_of_one_object_comes_alone() {
    let mut fifo = FifoState::atomic();
    fifo.add(entry("a", 1)).unwrap();
    fifo.add(entry("b", 2)).unwrap();
    fifo.resync().unwrap();
    fifo.add(entry("c", 3)).unwrap();
    fifo.bookmark(&9.into());
    replace(&mut fifo, &[("d", 4)], 10);
    let expected = ["+a1 +b2", "sync all", "+c3", "bookmark@9", "all@10[d4]"];
    assert_eq!(batches(&mut fifo), expected);
}

#[test]
fn f_19_an_object_that_was_taken_out_is_not_held_on_to() {
    let mut fifo = FifoState::atomic();
    let entry = entry("a", 1);
    let object = std::sync::Arc::downgrade(&entry.object);
    fifo.add(entry).unwrap();
    drop(fifo.pop());
    assert!(object.upgrade().is_none());
}

#[test]
fn f_20_the_age_is_that_of_what_is_next() {
    let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
    let mut fifo = FifoState::atomic();
    assert_eq!(fifo.age(), None);
    fifo.set_now(at(1));
    fifo.add(entry("a", 1)).unwrap();
    fifo.set_now(at(3));
    fifo.add(entry("b", 1)).unwrap();
    fifo.set_now(at(6));
    assert_eq!(fifo.age(), Some(Duration::from_secs(5)));
    fifo.pop();
    assert_eq!(fifo.age(), Some(Duration::from_secs(3)));
}

#[derive(Clone, Debug)]
enum Step {
    Update(u8),
    Delete(u8),
    Replace(Vec<u8>),
    Resync,
    Pop,
    PopBatch,
    Process,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5u8).prop_map(Step::Update),
        2 => (0..5u8).prop_map(Step::Delete),
        1 => prop::collection::vec(0..5u8, 0..5).prop_map(Step::Replace),
        1 => Just(Step::Resync),
        2 => Just(Step::Pop),
        2 => Just(Step::PopBatch),
        2 => Just(Step::Process),
    ]
}

proptest! {
    /// Whoever applies what comes out, taken apart or whole, one by one or in batches, at once or only
    /// before the next, ends where the source is: no state and no deletion is lost.
    #[test]
    fn f_02_f_06_f_07_what_comes_out_leads_to_where_the_source_is(
        steps in prop::collection::vec(step(), 0..60),
        atomic in any::<bool>(),
    ) {
        use std::sync::{Arc, Mutex, PoisonError};
        let applied = Arc::new(Mutex::new(IndexedObjects::<u64>::new()));
        let read = |applied: &Mutex<IndexedObjects<u64>>| applied.lock().unwrap_or_else(PoisonError::into_inner).snapshot();
        let mut fifo = if atomic {
            FifoState::atomic()
        } else {
            let known = Arc::clone(&applied);
            FifoState::itemized(move || read(&known))
        }.batch_size(3);
        let mut source = BTreeMap::new();
        let apply = |in_work: &mut Option<Popped<u64>>| {
            if let Some(popped) = in_work.take() {
                crate::informer::apply(&mut *applied.lock().unwrap(), popped, false);
            }
        };
        let mut in_work = None;
        for (version, step) in steps.into_iter().enumerate() {
            let version = version as u64 + 1;
            let name = |number: u8| format!("n{number}");
            match step {
                Step::Update(number) => {
                    source.insert(name(number), version);
                    fifo.update(entry(&name(number), version)).unwrap();
                }
                Step::Delete(number) => {
                    source.remove(&name(number));
                    delete(&mut fifo, &name(number), version);
                }
                Step::Replace(numbers) => {
                    source = numbers.into_iter().map(|number| (name(number), version)).collect();
                    let mut staging = fifo.begin_replace_on(&read(&applied));
                    for (name, value) in &source {
                        staging.stage(entry(name, *value));
                    }
                    fifo.commit(staging, &version.into()).unwrap();
                }
                Step::Resync => fifo.resync().unwrap(),
                Step::Pop => {
                    apply(&mut in_work);
                    in_work = fifo.pop();
                }
                Step::PopBatch => {
                    apply(&mut in_work);
                    in_work = fifo.pop_batch();
                }
                Step::Process => {
                    apply(&mut in_work);
                    fifo.processed();
                }
            }
        }
        apply(&mut in_work);
        while let Some(popped) = fifo.pop_batch() {
            apply(&mut Some(popped));
        }
        let end: BTreeMap<_, _> = read(&applied).iter().map(|entry| (entry.key().to_string(), *entry.object)).collect();
        prop_assert_eq!(end, source);
    }
}

//! Transactions: several changes, seen in one step.

use proptest::prelude::*;

use super::super::transaction::Op;
use super::*;

fn upsert(key: &str, version: u64, labels: &str) -> Op<Labels> {
    Op::Upsert(entry(key, version, labels))
}

fn delete(name: &str) -> Op<Labels> {
    Op::Remove(key(name))
}

#[test]
fn s_10_every_change_is_made_and_tells_what_it_found() {
    let mut store = store_of(&[("a", "x"), ("b", "x")]);
    let replaced = store.transact([
        upsert("a", 2, "y"),
        delete("b"),
        delete("nobody"),
        upsert("c", 2, "x"),
        upsert("a", 3, "z"),
        delete("c"),
    ]);
    let versions: Vec<_> = replaced
        .iter()
        .map(|old| {
            old.as_ref()
                .map(|old| old.header.resource_version.to_string())
        })
        .collect();
    let versions: Vec<_> = versions.iter().map(|version| version.as_deref()).collect();
    assert_eq!(
        versions,
        [Some("1"), Some("1"), None, None, Some("2"), Some("2")]
    );
    assert_eq!(names(store.view().iter()), ["a"]);
    assert_eq!(values(store.view(), "label"), ["z"]);
}

#[test]
fn s_10_an_object_that_cannot_be_filed_is_counted_and_the_rest_goes_on() {
    let mut store = store();
    let mut transaction = store.begin_transaction();
    transaction.extend([
        upsert("a", 1, "x"),
        upsert("b", 1, "bad"),
        upsert("c", 1, "x"),
        upsert("d", 1, "boom"),
    ]);
    assert_eq!(transaction.failures().count, 2);
    let last = transaction.failures().last.clone().unwrap();
    assert_eq!((&last.key, &*last.index), (&key("d"), "label"));
    let _ = store.commit_transaction(transaction);
    assert_eq!(names(store.view().iter()), ["a", "b", "c", "d"]);
    assert_eq!(labelled(store.view(), "x"), ["a", "c"]);
    assert_eq!(store.view().index_failures("label").unwrap().count, 2);
}

#[test]
fn s_09_s_10_nothing_is_seen_before_the_end_and_a_dropped_one_leaves_nothing() {
    let mut store = store_of(&[("a", "x")]);
    let mut transaction = store.begin_transaction();
    transaction.push(delete("a"));
    transaction.push(upsert("b", 2, "y"));
    assert_eq!(names(store.view().iter()), ["a"]);
    assert_eq!(names(transaction.view().iter()), ["b"]);
    drop(transaction);
    assert_eq!(names(store.view().iter()), ["a"]);
    assert_eq!(values(store.view(), "label"), ["x"]);

    let mut transaction = store.begin_transaction();
    transaction.push(delete("a"));
    let committed = store.commit_transaction(transaction);
    assert_eq!(names(committed.before.iter()), ["a"]);
    assert!(store.view().is_empty());
}

#[test]
fn s_11_an_empty_transaction_changes_nothing() {
    let mut store = store_of(&[("a", "x")]);
    let before = store.snapshot();
    assert!(store.transact([]).is_empty());
    let now = store.view();
    assert_eq!(names(now.iter()), ["a"]);
    assert_eq!(now.resource_version(), before.resource_version());
    assert!(now.is_synced());
}

#[test]
fn s_12_the_version_moves_where_the_feeder_says_so() {
    let mut store = store_of(&[]);
    let _ = store.transact([
        upsert("a", 40, ""),
        upsert("b", 30, ""),
        upsert("c", 50, ""),
    ]);
    assert_eq!(*store.view().resource_version(), 1.into());
    let mut transaction = store.begin_transaction();
    transaction.push(upsert("d", 60, ""));
    transaction.set_resource_version(&60.into());
    assert_eq!(*store.view().resource_version(), 1.into());
    let _ = store.commit_transaction(transaction);
    assert_eq!(*store.view().resource_version(), 60.into());
}

#[test]
fn a_transaction_leaves_a_replace_that_is_being_collected_alone() {
    let mut store = store_of(&[("a", "x")]);
    let mut staging = store.begin_replace();
    staging.stage(entry("b", 2, "y"));
    let _ = store.transact([upsert("c", 3, "z")]);
    assert_eq!(names(store.view().iter()), ["a", "c"]);
    store.commit(staging, &4.into()).unwrap();
    assert_eq!(names(store.view().iter()), ["b"]);
    assert_eq!(values(store.view(), "label"), ["y"]);
}

proptest! {
    #[test]
    fn s_10_a_transaction_ends_where_its_changes_end_one_by_one(
        ops in prop::collection::vec((0..5u8, 0..4u8), 0..30),
    ) {
        let ops = |version: u64| ops.iter().map(move |(object, labels)| {
            let name = format!("{object}");
            match labels {
                0 => delete(&name),
                1 => upsert(&name, version, "x"),
                2 => upsert(&name, version, "x,y"),
                _ => upsert(&name, version, "bad"),
            }
        });
        let mut together = store_of(&[("0", "y"), ("1", "x")]);
        let mut apart = store_of(&[("0", "y"), ("1", "x")]);
        let _ = together.transact(ops(2));
        for op in ops(2) {
            match op {
                Op::Upsert(entry) => apart.add(entry).unwrap(),
                Op::Remove(key) => apart.delete(&key, None).unwrap(),
            }
        }
        let (together, apart) = (together.view(), apart.view());
        prop_assert_eq!(names(together.iter()), names(apart.iter()));
        prop_assert_eq!(values(together, "label"), values(apart, "label"));
        for value in values(apart, "label") {
            prop_assert_eq!(labelled(together, &value), labelled(apart, &value));
        }
    }
}

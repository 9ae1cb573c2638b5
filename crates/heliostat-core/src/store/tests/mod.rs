//! The indexed store by its promises, one by one, and against a naive model.

mod expiring;
mod model;
mod overlay;
mod overlay_model;
mod scenarios;
mod transaction;
mod undelta;

use std::sync::{Arc, Weak};

use super::index::{IndexError, IndexFunc, NAMESPACE_INDEX};
use super::indexer::IndexedObjects;
use super::snapshot::Snapshot;
use super::{History, Store};
use crate::object::{Entry, Header, ObjectKey};

/// What the tests store: an object that is nothing but labels.
#[derive(Debug, Eq, PartialEq)]
struct Labels(Vec<String>);

/// `labels` are separated by commas; `key` is `name` or `namespace/name`.
fn entry(key: &str, version: u64, labels: &str) -> Entry<Labels> {
    let header = Header {
        key: key.parse().unwrap(),
        resource_version: version.into(),
        uid: key.into(),
    };
    let labels = labels.split(',').filter(|label| !label.is_empty());
    Entry::new(header, Labels(labels.map(str::to_owned).collect()))
}

fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// By label, with the namespace index beside it. The label `bad` makes it fail, `boom` panic.
fn by_label() -> IndexFunc<Labels> {
    IndexFunc::fallible(|entry: &Entry<Labels>| {
        let labels = &entry.object.0;
        assert!(!labels.iter().any(|label| label == "boom"), "boom");
        if labels.iter().any(|label| label == "bad") {
            return Err("a bad label");
        }
        Ok(labels.clone())
    })
}

fn store() -> IndexedObjects<Labels> {
    let mut store = IndexedObjects::new();
    store
        .add_indexes([
            ("label", by_label()),
            (NAMESPACE_INDEX, IndexFunc::by_namespace()),
        ])
        .unwrap();
    store
}

fn store_of(entries: &[(&str, &str)]) -> IndexedObjects<Labels> {
    let mut store = store();
    replace(
        &mut store,
        1,
        entries.iter().map(|(key, labels)| entry(key, 1, labels)),
    );
    store
}

fn replace(
    store: &mut IndexedObjects<Labels>,
    version: u64,
    entries: impl IntoIterator<Item = Entry<Labels>>,
) {
    let mut staging = store.begin_replace();
    for entry in entries {
        staging.stage(entry);
    }
    store.commit(staging, &version.into()).unwrap();
}

fn names<'a>(entries: impl IntoIterator<Item = &'a Entry<Labels>>) -> Vec<&'a str> {
    entries
        .into_iter()
        .map(|entry| entry.key().as_str())
        .collect()
}

fn labelled<'a>(snapshot: &'a Snapshot<Labels>, label: &'a str) -> Vec<&'a str> {
    names(snapshot.by_index("label", label).unwrap())
}

fn values(snapshot: &Snapshot<Labels>, index: &str) -> Vec<String> {
    snapshot
        .index_values(index)
        .map(ToString::to_string)
        .collect()
}

#[test]
fn s_05_add_and_update_are_one_upsert_and_a_missing_key_can_be_deleted() {
    let mut store = store();
    store.update(entry("a", 1, "x")).unwrap();
    store.add(entry("a", 2, "y")).unwrap();
    assert_eq!(store.view().len(), 1);
    let found = store.view().get(&key("a")).unwrap();
    assert_eq!(found.header.resource_version, 2.into());
    store.delete(&key("b"), None).unwrap();
    store.delete(&key("a"), Some(entry("a", 3, "z"))).unwrap();
    assert!(store.view().is_empty());
    assert_eq!(values(store.view(), "label"), [""; 0]);
}

#[test]
fn s_05_objects_come_in_the_order_of_their_keys_with_each_namespace_together() {
    let store = store_of(&[
        ("b/z", ""),
        ("b-c/a", ""),
        ("b/a", ""),
        ("b", ""),
        ("b0/a", ""),
    ]);
    let view = store.view();
    assert_eq!(names(view.iter()), ["b", "b-c/a", "b/a", "b/z", "b0/a"]);
    assert_eq!(names(view.in_namespace("b")), ["b/a", "b/z"]);
    assert_eq!(names(view.in_namespace("c")), [""; 0]);
    assert_eq!(view.in_namespace("").count(), 5);
    assert!(view.keys().eq(view.iter().map(Entry::key)));
}

#[test]
fn s_06_a_replace_is_aside_until_it_is_committed_and_the_last_of_a_key_wins() {
    let mut store = store_of(&[("a", "x"), ("b", "x")]);
    let mut staging = store.begin_replace();
    staging.stage(entry("c", 5, "first"));
    staging.stage(entry("c", 6, "second"));
    staging.stage(entry("a", 7, "y"));
    assert_eq!(names(store.view().iter()), ["a", "b"]);
    assert_eq!(labelled(store.view(), "x"), ["a", "b"]);
    store.commit(staging, &9.into()).unwrap();
    assert_eq!(names(store.view().iter()), ["a", "c"]);
    assert_eq!(values(store.view(), "label"), ["second", "y"]);
    assert_eq!(*store.view().resource_version(), 9.into());
}

#[test]
fn s_06_an_object_that_did_not_change_is_kept_and_not_replaced() {
    let mut store = store_of(&[("a", "x"), ("b", "x"), ("c", "x")]);
    let before = store.snapshot();
    let mut recreated = entry("c", 1, "x");
    recreated.header.uid = "another".into();
    replace(
        &mut store,
        2,
        [entry("a", 1, "x"), entry("b", 2, "x"), recreated],
    );
    let is_kept = |name: &str| {
        let (old, new) = (before.get(&key(name)), store.view().get(&key(name)));
        Arc::ptr_eq(&old.unwrap().object, &new.unwrap().object)
    };
    assert!(is_kept("a"));
    assert!(!is_kept("b"), "another version");
    assert!(!is_kept("c"), "another uid");
}

#[test]
fn s_06_in_an_unknown_history_the_listed_object_always_wins() {
    let mut store = store_of(&[("a", "x"), ("b", "x")]);
    let before = store.snapshot();
    let mut staging = store.begin_replace().in_history(History::Unknown);
    staging.stage(entry("a", 1, "y"));
    staging.stage(entry("b", 1, "x"));
    store.commit(staging, &1.into()).unwrap();
    assert_eq!(labelled(store.view(), "y"), ["a"], "same uid and version");
    assert_eq!(before.differences(store.view()).count(), 2);
}

#[test]
fn s_06_in_an_unknown_history_the_listed_object_wins_over_what_came_meanwhile() {
    for (history, expected) in [(History::Unknown, vec!["a"]), (History::Same, vec![])] {
        let mut store = store_of(&[]);
        let mut staging = store.begin_replace().in_history(history);
        staging.stage(entry("a", 1, "y"));
        // Not in the content that the list began with.
        store.add(entry("a", 1, "x")).unwrap();
        store.commit(staging, &1.into()).unwrap();
        assert_eq!(labelled(store.view(), "y"), expected, "{history:?}");
    }
}

#[test]
fn s_06_a_relist_of_an_unchanged_list_shares_all_memory() {
    let mut store = store_of(&[]);
    replace(&mut store, 1, many(1));
    let before = store.snapshot();
    replace(&mut store, 9, many(1));
    assert_eq!(before.differences(store.view()).count(), 0);
    let objects = before.shared().zip(store.view().shared());
    assert!(objects.into_iter().all(|(old, new)| Arc::ptr_eq(old, new)));
    assert_eq!(*store.view().resource_version(), 9.into());
}

#[test]
fn s_06_a_later_unchanged_state_wins_over_a_staged_changed_one() {
    let mut store = store_of(&[("a", "x")]);
    let before = store.snapshot();
    replace(&mut store, 2, [entry("a", 2, "y"), entry("a", 1, "x")]);
    let now = store.view().get(&"a".parse().unwrap()).unwrap();
    assert!(Arc::ptr_eq(
        &now.object,
        &before.get(&"a".parse().unwrap()).unwrap().object
    ));
    assert_eq!(labelled(store.view(), "x"), ["a"]);
}

#[test]
fn s_06_what_is_staged_can_be_taken_out_and_what_was_there_carried_over() {
    let mut store = store_of(&[("a", "x"), ("b", "x"), ("c", "x")]);
    let mut staging = store.begin_replace();
    staging.stage(entry("a", 1, "x"));
    staging.stage(entry("d", 1, "x"));
    staging.unstage(&key("a"));
    staging.unstage(&key("d"));
    staging.unstage(&key("nobody"));
    staging.keep(&key("b"));
    staging.keep(&key("nobody"));
    store.commit(staging, &2.into()).unwrap();
    assert_eq!(names(store.view().iter()), ["b"]);
    assert_eq!(labelled(store.view(), "x"), ["b"]);
}

#[test]
fn s_06_what_was_staged_is_newer_than_what_is_carried_over() {
    let mut store = store_of(&[("a", "x"), ("b", "x")]);
    let mut staging = store.begin_replace();
    staging.stage(entry("a", 5, "y"));
    staging.keep(&key("a"));
    staging.stage(entry("b", 5, "y"));
    staging.unstage(&key("b"));
    staging.keep(&key("b"));
    staging.stage(entry("new", 5, "y"));
    staging.keep(&key("new"));
    store.commit(staging, &6.into()).unwrap();
    assert_eq!(labelled(store.view(), "y"), ["a", "new"]);
    assert_eq!(labelled(store.view(), "x"), ["b"]);
}

#[test]
fn s_06_beginning_again_starts_over_and_an_empty_replace_empties() {
    let mut store = store_of(&[("a", "x")]);
    let mut staging = store.begin_replace();
    staging.stage(entry("b", 1, "x"));
    let staging = store.begin_replace();
    store.commit(staging, &2.into()).unwrap();
    assert!(store.view().is_empty());
    assert_eq!(values(store.view(), "label"), [""; 0]);
}

#[test]
fn s_08_a_resync_has_nothing_to_do_and_a_bookmark_moves_the_version_alone() {
    let mut store = store_of(&[("a", "x")]);
    store.resync().unwrap();
    store.bookmark(&7.into());
    assert_eq!(*store.view().resource_version(), 7.into());
    assert_eq!(names(store.view().iter()), ["a"]);
}

#[test]
fn s_09_a_snapshot_stays_as_it_is() {
    let mut store = store_of(&[("a", "x"), ("b", "y")]);
    let snapshot = store.snapshot();
    store.add(entry("c", 2, "x")).unwrap();
    store.delete(&key("a"), None).unwrap();
    replace(&mut store, 3, [entry("z", 3, "z")]);
    store.add_indexes([("late", by_label())]).unwrap();
    assert_eq!(names(snapshot.iter()), ["a", "b"]);
    assert_eq!(labelled(&snapshot, "x"), ["a"]);
    assert_eq!(values(&snapshot, "label"), ["x", "y"]);
    assert_eq!(*snapshot.resource_version(), 1.into());
    assert!(snapshot.by_index("late", "x").is_err());
}

#[test]
fn s_20_the_version_is_what_the_feeder_tells_and_the_last_word_counts() {
    let mut store = store();
    assert!(store.view().resource_version().is_unset());
    assert!(!store.view().is_synced());
    // Initial events come in any order of versions, and prove nothing about what is complete.
    store.add(entry("a", 7, "")).unwrap();
    store.add(entry("b", 3, "")).unwrap();
    assert!(store.view().resource_version().is_unset());
    replace(&mut store, 10, []);
    assert!(store.view().is_synced());
    store.update(entry("a", 11, "")).unwrap();
    assert_eq!(*store.view().resource_version(), 10.into());
    store.update_resource_version(&11.into());
    assert_eq!(*store.view().resource_version(), 11.into());
    store.delete(&key("a"), Some(entry("a", 12, ""))).unwrap();
    store.update_resource_version(&"opaque".into());
    assert_eq!(*store.view().resource_version(), "opaque".into());
    store.update_resource_version(&5.into());
    assert_eq!(*store.view().resource_version(), 5.into());
}

#[test]
fn x_02_values_are_exactly_those_of_the_new_object() {
    // The steps of the published example: values are the parts of a comma separated text.
    let mut store = store();
    let check = |store: &IndexedObjects<Labels>, foo: &[&str], bar: &[&str], baz: &[&str]| {
        for (label, expected) in [("foo", foo), ("bar", bar), ("baz", baz)] {
            assert_eq!(labelled(store.view(), label), expected, "{label}");
        }
    };
    store.add(entry("1", 1, "foo")).unwrap();
    store.add(entry("2", 2, "bar")).unwrap();
    check(&store, &["1"], &["2"], &[]);
    store.update(entry("2", 3, "foo,bar")).unwrap();
    check(&store, &["1", "2"], &["2"], &[]);
    store.update(entry("1", 4, "foo,bar")).unwrap();
    check(&store, &["1", "2"], &["1", "2"], &[]);
    store.add(entry("3", 5, "foo,bar,baz")).unwrap();
    check(&store, &["1", "2", "3"], &["1", "2", "3"], &["3"]);
    store.update(entry("1", 6, "foo")).unwrap();
    check(&store, &["1", "2", "3"], &["2", "3"], &["3"]);
    store.update(entry("2", 7, "bar")).unwrap();
    check(&store, &["1", "3"], &["2", "3"], &["3"]);
    store.delete(&key("1"), None).unwrap();
    check(&store, &["3"], &["2", "3"], &["3"]);
    store.delete(&key("3"), None).unwrap();
    check(&store, &[], &["2"], &[]);
}

#[test]
fn x_03_a_value_without_objects_is_gone() {
    let mut store = store_of(&[("a", "x,y"), ("b", "y")]);
    store.delete(&key("a"), None).unwrap();
    assert_eq!(values(store.view(), "label"), ["y"]);
    store.update(entry("b", 2, "")).unwrap();
    assert_eq!(values(store.view(), "label"), [""; 0]);
}

#[test]
fn x_04_lookups_are_sorted_and_unknown_names_are_refused() {
    let store = store_of(&[("c", "x,y"), ("a", "x"), ("b", "y"), ("d", "z")]);
    let view = store.view();
    let keys: Vec<_> = view.index_keys("label", "x").unwrap().cloned().collect();
    assert_eq!(keys, [key("a"), key("c")]);
    assert_eq!(labelled(view, "nothing"), [""; 0]);
    let probe = entry("probe", 1, "x,y");
    assert_eq!(
        names(view.sharing("label", &probe).unwrap()),
        ["a", "b", "c"]
    );
    assert!(
        matches!(view.by_index("none", "x").err(), Some(IndexError::Unknown(name)) if name == "none")
    );
    assert!(view.index_keys("none", "x").is_err());
    assert!(view.sharing("none", &probe).is_err());
    assert_eq!(view.index_values("none").count(), 0);
}

#[test]
fn x_04_values_that_begin_alike_are_kept_apart() {
    let store = store_of(&[("a", "x"), ("b", "x/y"), ("c", "xy"), ("d", "x!")]);
    assert_eq!(labelled(store.view(), "x"), ["a"]);
    assert_eq!(values(store.view(), "label"), ["x", "x!", "x/y", "xy"]);
}

#[test]
fn x_04_several_values_are_intersected_in_one_state() {
    let store = store_of(&[("n/a", "x,y"), ("n/b", "x"), ("m/c", "x,y")]);
    let view = store.view();
    let both = view.by_indexes(&[("label", "x"), ("label", "y")]).unwrap();
    assert_eq!(names(both), ["m/c", "n/a"]);
    let three = [("label", "x"), ("label", "y"), (NAMESPACE_INDEX, "n")];
    assert_eq!(names(view.by_indexes(&three).unwrap()), ["n/a"]);
    assert_eq!(view.by_indexes(&[]).unwrap().len(), 3);
    assert!(view.by_indexes(&[("label", "x"), ("none", "x")]).is_err());
}

#[test]
fn x_05_an_object_that_cannot_be_filed_is_stored_and_reported() {
    let mut store = store_of(&[("n/a", "x")]);
    store.update(entry("n/a", 2, "x,bad")).unwrap();
    store.add(entry("n/b", 3, "boom")).unwrap();
    let view = store.view();
    assert_eq!(view.len(), 2);
    assert_eq!(values(view, "label"), [""; 0]);
    assert_eq!(view.by_index(NAMESPACE_INDEX, "n").unwrap().count(), 2);
    let failures = view.index_failures("label").unwrap();
    assert_eq!(failures.count, 2);
    let last = failures.last.as_ref().unwrap();
    assert_eq!((last.key.as_str(), &*last.index), ("n/b", "label"));
    assert!(matches!(&last.error, IndexError::Panicked(word) if &**word == "boom"));
    // Filed again as soon as it can be, and a query with such an object is refused.
    store.update(entry("n/a", 4, "x")).unwrap();
    assert_eq!(labelled(store.view(), "x"), ["n/a"]);
    let error = store.view().sharing("label", &entry("p", 1, "bad"));
    assert!(matches!(error, Err(IndexError::Failed(cause)) if cause.to_string() == "a bad label"));
}

#[test]
fn x_05_a_replace_with_objects_that_cannot_be_filed_is_whole() {
    let mut store = store();
    let mut staging = store.begin_replace();
    for (name, labels) in [("a", "x"), ("b", "bad"), ("c", "x")] {
        staging.stage(entry(name, 1, labels));
    }
    store.commit(staging, &1.into()).unwrap();
    assert_eq!(store.view().len(), 3);
    assert_eq!(labelled(store.view(), "x"), ["a", "c"]);
    assert_eq!(store.view().index_failures("label").unwrap().count, 1);

    // A small replace takes the incremental way, and counts as well.
    let staging = {
        let mut staging = store.begin();
        staging.stage(entry("a", 1, "x"));
        staging.stage(entry("b", 1, "bad"));
        staging.stage(entry("c", 2, "bad"));
        staging
    };
    let replacement = store.prepare_replace(staging, &2.into());
    assert_eq!(replacement.failures().count, 1);
    store.swap(replacement);
    assert_eq!(labelled(store.view(), "x"), ["a"]);
    assert_eq!(store.view().index_failures("label").unwrap().count, 2);
}

#[test]
fn x_06_an_index_added_later_is_full_at_once_and_a_clash_adds_nothing() {
    let mut store = store_of(&[("n/a", "x"), ("m/b", "x,y")]);
    let clash = store.add_indexes([("again", by_label()), ("label", by_label())]);
    assert!(matches!(clash, Err(IndexError::Exists(name)) if name == "label"));
    let twice = store.add_indexes([("again", by_label()), ("again", by_label())]);
    assert!(matches!(twice, Err(IndexError::Exists(name)) if name == "again"));
    assert!(store.view().by_index("again", "x").is_err());

    store.add_indexes([("again", by_label())]).unwrap();
    let again = store.view().by_index("again", "x").unwrap();
    assert_eq!(names(again), ["m/b", "n/a"]);
    store.delete(&key("m/b"), None).unwrap();
    assert_eq!(values(store.view(), "again"), ["x"]);
}

#[test]
fn x_07_indexes_are_named_in_order() {
    let store = store();
    let names: Vec<_> = store.view().indexes().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["label", NAMESPACE_INDEX]);
    let (_, func) = store.view().indexes().next().unwrap();
    let sorted_once_each = func.values(&entry("a", 1, "y,x,y")).unwrap();
    assert_eq!(sorted_once_each, [Arc::from("x"), Arc::from("y")]);
}

#[test]
fn x_08_the_namespace_index_knows_objects_without_a_namespace() {
    let store = store_of(&[("n/a", ""), ("b", ""), ("m/c", "")]);
    let view = store.view();
    assert_eq!(values(view, NAMESPACE_INDEX), ["", "m", "n"]);
    assert_eq!(names(view.by_index(NAMESPACE_INDEX, "").unwrap()), ["b"]);
}

#[test]
fn x_09_an_index_function_read_as_a_key_function_wants_exactly_one_value() {
    let only = |labels| by_label().only_value(&entry("a", 1, labels));
    assert_eq!(&*only("x").unwrap(), "x");
    assert!(matches!(only(""), Err(IndexError::NotOneValue(0))));
    assert!(matches!(only("x,y,z"), Err(IndexError::NotOneValue(3))));
    assert!(matches!(only("bad"), Err(IndexError::Failed(_))));
}

/// The objects of many keys, some of which go through the inner nodes of the maps.
fn many(version: u64) -> Vec<Entry<Labels>> {
    (0..500)
        .map(|n| entry(&format!("n/{n:04}"), version, "x"))
        .collect()
}

fn watched(entries: &[Entry<Labels>]) -> Vec<Weak<Labels>> {
    entries
        .iter()
        .map(|entry| Arc::downgrade(&entry.object))
        .collect()
}

fn alive(objects: &[Weak<Labels>]) -> usize {
    objects
        .iter()
        .filter(|object| object.strong_count() > 0)
        .count()
}

#[test]
fn what_a_replace_collected_is_freed_when_it_is_given_up() {
    let mut store = store();
    let entries = many(1);
    let objects = watched(&entries);
    let mut staging = store.begin_replace();
    for entry in entries {
        staging.stage(entry);
    }
    assert_eq!(alive(&objects), 500);
    drop(staging);
    assert_eq!(alive(&objects), 0);
}

#[test]
fn no_object_outlives_its_successor() {
    let mut store = store();
    let first = many(1);
    let objects = watched(&first);
    replace(&mut store, 1, first);
    let snapshot = store.snapshot();
    for entry in many(2).into_iter().take(250) {
        store.update(entry).unwrap();
    }
    for n in 250..500 {
        store.delete(&key(&format!("n/{n:04}")), None).unwrap();
    }
    assert_eq!(alive(&objects), 500, "the snapshot still has them");
    drop(snapshot);
    assert_eq!(alive(&objects), 0);
    let second: Vec<_> = store.view().iter().cloned().collect();
    let objects = watched(&second);
    drop(second);
    replace(&mut store, 3, many(3));
    assert_eq!(alive(&objects), 0);
}

#[test]
fn an_update_shares_the_text_of_the_key_that_is_there() {
    let mut store = store_of(&[("n/a", "x")]);
    let text = |store: &IndexedObjects<Labels>| {
        let entry = store.view().get(&"n/a".parse().unwrap()).unwrap();
        entry.key().as_str().as_ptr()
    };
    let before = text(&store);
    store.update(entry("n/a", 2, "y")).unwrap();
    assert_eq!(text(&store), before);
    replace(&mut store, 3, [entry("n/a", 3, "z")]);
    assert_eq!(text(&store), before);
}

//! The store that hands on its whole state after each change.

use super::super::SnapshotStore;
use super::super::undelta::UndeltaStore;
use super::*;

/// Runs `story` on a store that holds `a`, and tells the states that it handed on.
fn pushes(story: impl FnOnce(&mut dyn Store<Labels>)) -> Vec<String> {
    let mut told = Vec::new();
    let push = |state: Snapshot<Labels>| told.push(names(state.iter()).join(" "));
    let mut store = UndeltaStore::over(store_of(&[("a", "x")]), push);
    story(&mut store);
    drop(store);
    told
}

#[test]
fn s_30_every_change_pushes_the_whole_state_once() {
    let told = pushes(|store| {
        store.add(entry("b", 2, "")).unwrap();
        store.update(entry("b", 3, "")).unwrap();
        store.delete(&key("b"), None).unwrap();
        store.delete(&key("a"), None).unwrap();
        store.delete(&key("nobody"), None).unwrap();
    });
    assert_eq!(told, ["a b", "a b", "a", "", ""]);
}

#[test]
fn s_30_a_replace_pushes_once_and_only_when_it_is_in_place() {
    let told = pushes(|store| {
        let mut staging = store.begin_replace();
        staging.stage(entry("b", 2, ""));
        staging.stage(entry("c", 2, ""));
        staging.unstage(&key("c"));
        staging.keep(&key("a"));
        store.commit(staging, &2.into()).unwrap();
        let mut staging = store.begin_replace();
        staging.stage(entry("d", 2, ""));
        drop(staging);
    });
    assert_eq!(told, ["a b"]);
}

#[test]
fn s_30_what_is_no_change_pushes_nothing() {
    let told = pushes(|store| {
        store.resync().unwrap();
        store.bookmark(&3.into());
        store.update_resource_version(&4.into());
        assert_eq!(store.object_count(), None);
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn s_30_reads_push_nothing_and_see_what_was_pushed() {
    let mut last = None;
    let mut store = UndeltaStore::over(store(), |state| last = Some(state));
    store.add(entry("a", 1, "x")).unwrap();
    store.bookmark(&8.into());
    let now = store.store().snapshot();
    assert_eq!(labelled(&now, "x"), ["a"]);
    assert_eq!(
        *SnapshotStore::snapshot(store.store()).resource_version(),
        8.into()
    );
    drop(store);
    let last: Snapshot<Labels> = last.unwrap();
    assert_eq!(labelled(&last, "x"), ["a"], "with its indexes");
    assert!(
        last.resource_version().is_unset(),
        "as it was when it was pushed"
    );
}

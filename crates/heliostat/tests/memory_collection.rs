//! The pure collection: every readable revision tells exactly the state it had, whatever was written
//! since, and what is not readable is refused.
#![cfg(feature = "memory")]

use std::collections::BTreeMap;

use heliostat::source::memory::{Collection, Page, WriteError};
use heliostat::source::{ChangeKind, ListOptions, ResourceVersionMatch, WatchEvent, WatchOptions};
use heliostat::{Entry, ObjectKey, ResourceVersion};
use proptest::prelude::*;

fn key(name: &str) -> ObjectKey {
    ObjectKey::namespaced("ns", name)
}

fn all<T>(_: &Entry<T>) -> bool {
    true
}

/// What the model knows of one object: its value and version.
type State = BTreeMap<String, (u32, u64)>;

#[derive(Clone, Debug)]
enum Write {
    Apply(u8, u32),
    Delete(u8),
    Advance,
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let write = prop_oneof![
        6 => (0u8..8, any::<u32>()).prop_map(|(name, value)| Write::Apply(name, value)),
        3 => (0u8..8).prop_map(Write::Delete),
        1 => Just(Write::Advance),
    ];
    prop::collection::vec(write, 0..60)
}

/// Writes, and gives the state after each revision as a model knows it.
fn run(collection: &mut Collection<u32>, writes: &[Write]) -> BTreeMap<u64, State> {
    let mut state = State::new();
    let mut states = BTreeMap::from([(collection.revision(), state.clone())]);
    for write in writes {
        match write {
            Write::Apply(name, value) => {
                let name = name.to_string();
                let revision = collection.apply(key(&name), *value).revision();
                state.insert(name, (*value, revision));
            }
            Write::Delete(name) => {
                let name = name.to_string();
                let was_there = state.remove(&name).is_some();
                assert_eq!(collection.delete(&key(&name)).is_ok(), was_there);
            }
            Write::Advance => {
                collection.advance();
            }
        }
        states.insert(collection.revision(), state.clone());
    }
    states
}

fn exact(revision: u64, limit: Option<u32>) -> ListOptions {
    ListOptions {
        resource_version: revision.into(),
        resource_version_match: Some(ResourceVersionMatch::Exact),
        limit,
        continue_token: None,
        object: None,
    }
}

fn read(items: &[Entry<u32>]) -> State {
    let value = |entry: &Entry<u32>| {
        let version = entry.header.resource_version.as_decimal().unwrap();
        (entry.key().name().to_owned(), (*entry.object, version))
    };
    items.iter().map(value).collect()
}

/// All pages of a list.
fn pages(collection: &Collection<u32>, first: ListOptions) -> Vec<Page<u32>> {
    let limit = first.limit;
    let mut options = first;
    let mut pages = Vec::new();
    loop {
        let page = collection.list(&options, all).unwrap();
        let token = page.metadata.continue_token.clone();
        pages.push(page);
        let Some(token) = token else { return pages };
        options = ListOptions {
            limit,
            continue_token: Some(token),
            ..ListOptions::default()
        };
    }
}

proptest! {
    #[test]
    fn every_revision_in_the_window_can_be_read_as_it_was(
        writes in writes(),
        window in 0usize..80,
        limit in 1u32..5,
    ) {
        let mut collection = Collection::new();
        collection.set_window(window);
        let states = run(&mut collection, &writes);
        for (&revision, state) in &states {
            let whole = collection.list(&exact(revision, None), all);
            prop_assert_eq!(whole.is_ok(), collection.can_read(revision));
            let Ok(whole) = whole else {
                continue;
            };
            prop_assert_eq!(&read(&whole.items), state);
            prop_assert!(whole.items.is_sorted_by(|one, other| one.key() < other.key()));
            let paged = pages(&collection, exact(revision, Some(limit)));
            let mut remaining = state.len() as u64;
            for page in &paged {
                remaining -= page.items.len() as u64;
                prop_assert_eq!(page.metadata.remaining_item_count.unwrap_or(0), remaining);
                prop_assert_eq!(&page.metadata.resource_version, &revision.into());
            }
            let joined: Vec<_> = paged.into_iter().flat_map(|page| page.items).collect();
            prop_assert_eq!(&read(&joined), state);
        }
    }

    #[test]
    fn a_state_with_the_later_changes_applied_is_the_present_state(writes in writes()) {
        let mut collection = Collection::new();
        let states = run(&mut collection, &writes);
        for (&revision, state) in &states {
            let mut replayed = state.clone();
            let options = WatchOptions {
                resource_version: revision.into(),
                ..WatchOptions::default()
            };
            for event in collection.watch(&options, all).unwrap().events {
                match event {
                    WatchEvent::Added(entry) => {
                        let before = replayed.insert(entry.key().name().to_owned(), value(&entry));
                        prop_assert!(before.is_none());
                    }
                    WatchEvent::Modified(entry) => {
                        let before = replayed.insert(entry.key().name().to_owned(), value(&entry));
                        prop_assert!(before.is_some());
                    }
                    WatchEvent::Deleted(entry) => {
                        let before = replayed.remove(entry.key().name());
                        prop_assert_eq!(before.map(|(value, _)| value), Some(*entry.object));
                    }
                    other => prop_assert!(false, "unexpected {other:?}"),
                }
            }
            prop_assert_eq!(&replayed, states.last_key_value().unwrap().1);
        }
    }

    #[test]
    fn a_selection_sees_its_own_collection(writes in writes()) {
        let is_even = |entry: &Entry<u32>| entry.object.is_multiple_of(2);
        let mut collection = Collection::new();
        run(&mut collection, &writes);
        let mut seen = State::new();
        for change in collection.changes_after(0) {
            match change.event(is_even) {
                Some(WatchEvent::Added(entry)) => {
                    prop_assert!(seen.insert(entry.key().name().to_owned(), value(&entry)).is_none());
                }
                Some(WatchEvent::Modified(entry)) => {
                    prop_assert!(seen.insert(entry.key().name().to_owned(), value(&entry)).is_some());
                }
                Some(WatchEvent::Deleted(entry)) => {
                    let before = seen.remove(entry.key().name());
                    prop_assert_eq!(before.map(|(value, _)| value), Some(*entry.object));
                    prop_assert_eq!(&entry.header.resource_version, &change.revision().into());
                }
                None => {}
                other => prop_assert!(false, "unexpected {other:?}"),
            }
        }
        let selected = collection.list(&ListOptions::default(), is_even).unwrap();
        prop_assert_eq!(seen, read(&selected.items));
    }
}

fn value(entry: &Entry<u32>) -> (u32, u64) {
    (
        *entry.object,
        entry.header.resource_version.as_decimal().unwrap(),
    )
}

#[test]
fn writes_are_refused_where_they_make_no_sense() {
    let mut collection = Collection::new();
    let refused = collection.update(key("a"), 1).map(|_| ());
    assert_eq!(refused, Err(WriteError::NotFound(key("a"))));
    collection.create(key("a"), 1).unwrap();
    let refused = collection.create(key("a"), 2).map(|_| ());
    assert_eq!(refused, Err(WriteError::AlreadyExists(key("a"))));
    assert_eq!(
        collection.update(key("a"), 3).unwrap().kind(),
        ChangeKind::Modified
    );
    assert_eq!(
        collection.revision(),
        3,
        "a refused write makes no revision"
    );
}

#[test]
fn an_object_keeps_its_uid_and_its_successor_has_another() {
    let mut collection = Collection::new();
    let first = collection.apply(key("a"), 1).entry().header.uid.clone();
    assert_eq!(collection.apply(key("a"), 2).entry().header.uid, first);
    assert_eq!(
        collection.delete(&key("a")).unwrap().entry().header.uid,
        first
    );
    assert_ne!(collection.apply(key("a"), 3).entry().header.uid, first);
}

#[test]
fn a_restore_goes_back_in_revisions_and_never_in_uids() {
    let mut collection = Collection::new();
    collection.apply(key("a"), 1);
    let backup = collection.backup();
    let lost = collection.apply(key("b"), 2).entry().clone();
    collection.restore(&backup);
    assert_eq!(collection.revision(), backup.revision());
    assert!(collection.get(&key("b")).is_none());
    let again = collection.apply(key("b"), 3).entry().clone();
    assert_eq!(again.header.resource_version, lost.header.resource_version);
    assert_ne!(again.header.uid, lost.header.uid);
}

/// One row of the table: what is asked, and the answer as `code` or `version/items/paged`.
fn ask(collection: &Collection<u32>, version: &str, exact: &str, limit: u32) -> String {
    let options = ListOptions {
        resource_version: version.into(),
        resource_version_match: match exact {
            "exact" => Some(ResourceVersionMatch::Exact),
            "newer" => Some(ResourceVersionMatch::NotOlderThan),
            _ => None,
        },
        limit: (limit > 0).then_some(limit),
        continue_token: None,
        object: None,
    };
    match collection.list(&options, all) {
        Err(error) => error.status().unwrap().code.to_string(),
        Ok(page) => format!(
            "{}/{}/{}",
            page.metadata.resource_version,
            page.items.len(),
            page.metadata.continue_token.is_some()
        ),
    }
}

/// The answers that kube-apiserver 1.36 gave to the same questions, with its versions renamed.
#[test]
fn lists_mean_their_version_as_a_real_server_does() {
    let mut collection = Collection::new();
    for name in ["a", "b", "c", "d"] {
        collection.apply(key(name), 1);
    }
    collection.delete(&key("d")).unwrap();
    for (version, version_match, limit, want) in [
        ("", "", 0, "6/3/false"),
        ("", "", 2, "6/2/true"),
        ("", "exact", 0, "422"),
        ("", "newer", 2, "422"),
        ("0", "", 0, "6/3/false"),
        ("0", "", 2, "6/3/false"),
        ("0", "exact", 0, "422"),
        ("0", "newer", 2, "6/3/false"),
        ("5", "", 0, "6/3/false"),
        ("5", "", 2, "5/2/true"),
        ("5", "exact", 0, "5/4/false"),
        ("5", "exact", 2, "5/2/true"),
        ("5", "newer", 0, "6/3/false"),
        ("5", "newer", 2, "6/2/true"),
        ("99", "", 0, "504"),
        ("99", "", 2, "504"),
        ("99", "exact", 0, "504"),
        ("99", "newer", 2, "504"),
        ("abc", "", 0, "400"),
        ("abc", "exact", 2, "400"),
        ("abc", "newer", 0, "400"),
    ] {
        let got = ask(&collection, version, version_match, limit);
        assert_eq!(
            got, want,
            "version {version:?} {version_match:?} limit {limit}"
        );
    }
    collection.expire();
    assert_eq!(ask(&collection, "5", "exact", 0), "410");
    assert_eq!(ask(&collection, "5", "", 2), "410");
    assert_eq!(ask(&collection, "5", "", 0), "7/3/false");
}

#[test]
fn l_16_continued_pages_take_no_version() {
    let mut collection = Collection::new();
    for name in ["a", "b", "c"] {
        collection.apply(key(name), 1);
    }
    let first = ListOptions {
        limit: Some(2),
        ..ListOptions::default()
    };
    let token = collection
        .list(&first, all)
        .unwrap()
        .metadata
        .continue_token;
    let code = |version: ResourceVersion, version_match| {
        let options = ListOptions {
            resource_version: version,
            resource_version_match: version_match,
            limit: Some(2),
            continue_token: token.clone(),
            object: None,
        };
        let answer = collection.list(&options, all);
        answer.map_or_else(|error| error.status().unwrap().code, |_| 200)
    };
    let newer = Some(ResourceVersionMatch::NotOlderThan);
    assert_eq!(code(ResourceVersion::UNSET, None), 200);
    assert_eq!(code(ResourceVersion::ANY, None), 200);
    assert_eq!(code(3.into(), None), 400);
    assert_eq!(code(3.into(), newer), 422);
    assert_eq!(code(ResourceVersion::UNSET, newer), 422);
    for bad in ["", "garbage", "1.x.a", "1.1.a/b/c"] {
        let options = ListOptions {
            continue_token: Some(bad.to_owned()),
            ..ListOptions::default()
        };
        let refused = collection.list(&options, all).unwrap_err();
        assert!(refused.status().unwrap().is_bad_request(), "{bad:?}");
    }
}

#[test]
fn an_expired_token_comes_with_one_that_goes_on_at_the_newest() {
    let mut collection = Collection::new();
    for name in ["a", "b", "c", "d"] {
        collection.apply(key(name), 1);
    }
    let first = ListOptions {
        limit: Some(2),
        ..ListOptions::default()
    };
    let page = collection.list(&first, all).unwrap();
    collection.delete(&key("c")).unwrap();
    collection.expire();
    let next = |token| ListOptions {
        limit: Some(2),
        continue_token: token,
        ..ListOptions::default()
    };
    let refused = collection
        .list(&next(page.metadata.continue_token), all)
        .unwrap_err();
    let status = refused.status().unwrap();
    assert!(status.is_resource_expired());
    let fresh = status.metadata.continue_token.clone();
    let rest = collection.list(&next(Some(fresh)), all).unwrap();
    assert_eq!(rest.metadata.resource_version, collection.revision().into());
    assert_eq!(rest.items[0].key(), &key("d"));
    assert_eq!(rest.items.len(), 1);
}

//! Random sequences of writes, compared after each with a map whose indexes are worked out anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::{Labels, by_label, entry, key};
use crate::object::{Entry, ObjectKey};
use crate::store::Store;
use crate::store::index::{IndexFunc, NAMESPACE_INDEX};
use crate::store::indexer::IndexedObjects;
use crate::store::snapshot::Snapshot;
use crate::version::ResourceVersion;

#[derive(Clone, Debug)]
enum Step {
    Add(Object),
    Update(Object),
    Delete(&'static str),
    Begin,
    Stage(Object),
    /// Stages the whole present content, so that a replace changes little of it.
    StageAll,
    Unstage(&'static str),
    Keep(&'static str),
    Commit(u64),
    Abort,
    Bookmark(u64),
    AddLabelIndex,
}

#[derive(Clone, Debug)]
struct Object {
    key: &'static str,
    version: u64,
    labels: &'static str,
}

impl Object {
    fn entry(&self) -> Entry<Labels> {
        entry(self.key, self.version, self.labels)
    }
}

const KEYS: [&str; 12] = [
    "a", "b", "n", "n/a", "n/b", "n/c", "n-x/a", "n0/a", "m/a", "m/b", "z/a", "z/b",
];

const LABELS: [&str; 7] = ["", "x", "y", "x,y", "y,z", "x,y,z", "bad"];

fn object() -> impl Strategy<Value = Object> {
    // Few versions: the same state must come again often.
    let parts = (key_text(), 1..4u64, prop::sample::select(&LABELS[..]));
    parts.prop_map(|(key, version, labels)| Object {
        key,
        version,
        labels,
    })
}

fn key_text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&KEYS[..])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => object().prop_map(Step::Add),
        4 => object().prop_map(Step::Update),
        3 => key_text().prop_map(Step::Delete),
        3 => Just(Step::Begin),
        8 => object().prop_map(Step::Stage),
        2 => Just(Step::StageAll),
        2 => key_text().prop_map(Step::Unstage),
        2 => key_text().prop_map(Step::Keep),
        3 => (1..100u64).prop_map(Step::Commit),
        1 => Just(Step::Abort),
        1 => (1..100u64).prop_map(Step::Bookmark),
        1 => Just(Step::AddLabelIndex),
    ]
}

/// The same store, as slow and plain as it can be.
#[derive(Clone, Debug, Default)]
struct Model {
    objects: Content,
    staging: Option<Staging>,
    version: ResourceVersion,
    synced: bool,
    has_label_index: bool,
}

type Content = BTreeMap<String, Entry<Labels>>;

#[derive(Clone, Debug)]
struct Staging {
    base: Content,
    next: Content,
    kept: BTreeSet<String>,
}

impl Staging {
    fn stage(&mut self, entry: Entry<Labels>) {
        let key = entry.key().as_str();
        let known = [self.next.get(key), self.base.get(key)];
        let same = known
            .into_iter()
            .flatten()
            .find(|old| old.header.is_same_state(&entry.header))
            .cloned();
        self.next.insert(key.to_owned(), same.unwrap_or(entry));
    }
}

impl Model {
    fn take(&mut self, step: &Step, entry: Option<Entry<Labels>>) {
        match (step, entry) {
            (Step::Add(object) | Step::Update(object), Some(entry)) => {
                self.objects.insert(object.key.to_owned(), entry);
            }
            (Step::Stage(_), Some(entry)) => {
                if let Some(staging) = &mut self.staging {
                    staging.stage(entry);
                }
            }
            (Step::StageAll, _) => {
                if let Some(staging) = &mut self.staging {
                    for entry in self.objects.values() {
                        staging.stage(entry.clone());
                    }
                }
            }
            (Step::Delete(key), _) => drop(self.objects.remove(*key)),
            (Step::Begin, _) => {
                self.staging = Some(Staging {
                    base: self.objects.clone(),
                    next: Content::new(),
                    kept: BTreeSet::new(),
                });
            }
            (Step::Unstage(key), _) => {
                if let Some(staging) = &mut self.staging {
                    staging.next.remove(*key);
                    staging.kept.remove(*key);
                }
            }
            (Step::Keep(key), _) => {
                if let Some(staging) = &mut self.staging {
                    staging.kept.insert((*key).to_owned());
                }
            }
            (Step::Commit(version), _) => {
                if let Some(mut staging) = self.staging.take() {
                    // What is kept stays as it is now, not as it was when the list began.
                    for key in staging.kept {
                        if let Some(entry) = self.objects.get(&key) {
                            let next = staging.next.entry(key);
                            next.or_insert_with(|| entry.clone());
                        }
                    }
                    self.objects = staging.next;
                    self.version = (*version).into();
                    self.synced = true;
                }
            }
            (Step::Abort, _) => self.staging = None,
            (Step::Bookmark(version), _) => self.version = (*version).into(),
            (Step::AddLabelIndex, _) => self.has_label_index = true,
            (Step::Add(_) | Step::Update(_) | Step::Stage(_), None) => {
                unreachable!("these steps bring an entry")
            }
        }
    }

    /// What the index must hold, from the objects alone.
    fn index(&self, func: &IndexFunc<Labels>) -> BTreeMap<String, BTreeSet<String>> {
        let mut index = BTreeMap::<_, BTreeSet<_>>::new();
        for (key, entry) in &self.objects {
            for value in func.values(entry).unwrap_or_default() {
                let keys = index.entry(value.to_string()).or_default();
                keys.insert(key.clone());
            }
        }
        index
    }

    fn check(&self, snapshot: &Snapshot<Labels>) {
        assert_eq!(snapshot.len(), self.objects.len());
        assert_eq!(*snapshot.resource_version(), self.version);
        assert_eq!(snapshot.is_synced(), self.synced);
        for (actual, expected) in snapshot.iter().zip(self.objects.values()) {
            assert_eq!(actual.header, expected.header);
            assert!(Arc::ptr_eq(&actual.object, &expected.object));
        }
        for text in KEYS {
            let actual = snapshot.get(&key(text)).map(|entry| &entry.header);
            let expected = self.objects.get(text).map(|entry| &entry.header);
            assert_eq!(actual, expected);
        }
        for namespace in ["n", "n-x", "n0", "m", "z", "zz"] {
            let actual = snapshot.in_namespace(namespace).map(Entry::key);
            let all = self.objects.values().map(Entry::key);
            assert!(actual.eq(all.filter(|key| key.namespace() == Some(namespace))));
        }
        self.check_index(snapshot, NAMESPACE_INDEX, &IndexFunc::by_namespace());
        if self.has_label_index {
            self.check_index(snapshot, "label", &by_label());
        } else {
            assert!(snapshot.by_index("label", "x").is_err());
        }
    }

    fn check_index(&self, snapshot: &Snapshot<Labels>, name: &str, func: &IndexFunc<Labels>) {
        let expected = self.index(func);
        let values = snapshot.index_values(name).map(|value| &**value);
        assert!(values.eq(expected.keys().map(String::as_str)));
        for (value, keys) in &expected {
            let actual = snapshot.index_keys(name, value).unwrap();
            assert!(
                actual
                    .map(ObjectKey::as_str)
                    .eq(keys.iter().map(String::as_str))
            );
            let objects = snapshot.by_index(name, value).unwrap();
            assert!(
                objects
                    .map(|entry| entry.key().as_str())
                    .eq(keys.iter().map(String::as_str))
            );
        }
    }
}

fn take(
    store: &mut IndexedObjects<Labels>,
    staging: &mut Option<crate::store::Staging<Labels>>,
    step: &Step,
    entry: Option<Entry<Labels>>,
) {
    match (step, entry) {
        (Step::Add(_), Some(entry)) => store.add(entry).unwrap(),
        (Step::Update(_), Some(entry)) => store.update(entry).unwrap(),
        (Step::Stage(_), Some(entry)) => {
            staging.iter_mut().for_each(|it| it.stage(entry.clone()));
        }
        (Step::StageAll, _) => {
            if let Some(staging) = staging {
                store
                    .view()
                    .iter()
                    .cloned()
                    .for_each(|entry| staging.stage(entry));
            }
        }
        (Step::Delete(text), _) => store.delete(&key(text), None).unwrap(),
        (Step::Begin, _) => *staging = Some(store.begin_replace()),
        (Step::Unstage(text), _) => staging.iter_mut().for_each(|it| it.unstage(&key(text))),
        (Step::Keep(text), _) => staging.iter_mut().for_each(|it| it.keep(&key(text))),
        (Step::Commit(version), _) => {
            if let Some(staging) = staging.take() {
                store.commit(staging, &(*version).into()).unwrap();
            }
        }
        (Step::Abort, _) => *staging = None,
        (Step::Bookmark(version), _) => store.bookmark(&(*version).into()),
        // The second time the name is taken, and nothing changes.
        (Step::AddLabelIndex, _) => drop(store.add_indexes([("label", by_label())])),
        (Step::Add(_) | Step::Update(_) | Step::Stage(_), None) => {
            unreachable!("these steps bring an entry")
        }
    }
}

proptest! {
    #[test]
    fn s_06_x_02_every_sequence_of_writes_ends_where_a_naive_store_ends(
        steps in prop::collection::vec(step(), 1..60),
        look_back in 0..60usize,
    ) {
        let mut store = IndexedObjects::new();
        store.add_indexes([(NAMESPACE_INDEX, IndexFunc::by_namespace())]).unwrap();
        let mut staging = None;
        let mut model = Model::default();
        let mut kept = None;
        for (count, step) in steps.iter().enumerate() {
            let entry = match step {
                Step::Add(object) | Step::Update(object) | Step::Stage(object) => {
                    Some(object.entry())
                }
                _ => None,
            };
            take(&mut store, &mut staging, step, entry.clone());
            model.take(step, entry);
            model.check(store.view());
            if count == look_back {
                kept = Some((store.snapshot(), model.clone()));
            }
        }
        // What was taken on the way has not moved.
        if let Some((snapshot, model)) = kept {
            model.check(&snapshot);
        }
    }
}

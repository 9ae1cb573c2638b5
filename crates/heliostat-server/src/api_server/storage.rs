//! The whole state of a server as a plain struct: objects of every kind, their histories, and one
//! revision counter for all of them. No lock, socket or clock: callers hand in time and entropy.
//!
//! Reads are here; the rules of writing are in `write.rs`. Two invariants: every change takes the
//! next revision, enters the objects and the history together, and nothing else moves the revision;
//! and exactly the served kinds have a collection, whose history begins at the revision at which the
//! kind was registered. A kind that is defined again therefore knows no version before that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::time::Time;

use crate::collection::event::{Event, Objects};
use crate::collection::kind::Kind;
use crate::collection::log::{Cursor, LogLimits, Read as LogRead};
use crate::collection::object::StoredObject;
use crate::collection::options::{ListPlan, WatchPlan};
use crate::collection::reading::{Opening, Page, Place};
use crate::collection::registry::Registry;
use crate::collection::state::Collection;
use crate::collection::status::Status;

/// Everything a server knows.
#[derive(Debug)]
pub(crate) struct Storage {
    registry: Arc<Registry>,
    collections: BTreeMap<String, Collection>,
    revision: u64,
    /// How many events of each kind are kept.
    window: usize,
    /// The epoch of collections that are made from now on.
    epoch: u64,
}

/// How many bytes the events of one kind may keep: an object may have 1.5 MB, and the window of events
/// is counted.
const LOG_BYTES_MAX: usize = 64 << 20;

/// A copy of all objects at one revision, to go back to.
#[derive(Clone, Debug)]
pub struct Backup {
    registry: Arc<Registry>,
    objects: BTreeMap<String, Objects>,
    revision: u64,
}

impl Backup {
    /// The revision at which the copy was made.
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

impl Storage {
    /// An empty storage at revision 1 that keeps `window` events of each kind.
    pub(crate) fn new(window: usize) -> Self {
        // An empty etcd is at revision 1, and "0" must stay free: it means "any version".
        let revision = 1;
        let registry = Arc::new(Registry::builtin());
        let names: Vec<String> = registry
            .kinds()
            .iter()
            .map(|kind| kind.qualified().to_owned())
            .collect();
        let mut storage = Self {
            registry,
            collections: BTreeMap::new(),
            revision,
            window: window.max(1),
            epoch: 0,
        };
        for name in names {
            let collection = storage.collection_of(Objects::new());
            storage.collections.insert(name, collection);
        }
        storage
    }

    /// A collection whose history begins now.
    fn collection_of(&self, objects: Objects) -> Collection {
        let limits = LogLimits {
            events_max: self.window,
            bytes: LOG_BYTES_MAX,
            bytes_max: LOG_BYTES_MAX,
            age: Duration::ZERO,
            // A real server refuses what is older than its window.
            tombstone_bytes: None,
        };
        Collection::new(objects, self.revision, self.epoch, limits)
    }

    /// Adds a kind, or replaces the one of that name.
    pub(crate) fn register(&mut self, kind: Kind) {
        if !self.collections.contains_key(kind.qualified()) {
            let collection = self.collection_of(Objects::new());
            self.collections
                .insert(kind.qualified().to_owned(), collection);
        }
        Arc::make_mut(&mut self.registry).register(kind);
    }

    /// Takes a kind and all its objects away.
    pub(crate) fn unregister(&mut self, qualified: &str) {
        Arc::make_mut(&mut self.registry).remove(qualified);
        self.collections.remove(qualified);
    }

    /// Goes back to a copy: lower revisions, no history, every watch over.
    pub(crate) fn restore(&mut self, backup: &Backup) {
        self.registry = backup.registry.clone();
        self.revision = backup.revision;
        self.epoch += 1;
        let objects = backup.objects.iter();
        self.collections = objects
            .map(|(name, objects)| (name.clone(), self.collection_of(objects.clone())))
            .collect();
    }

    /// Does what a restart of a server does to its watch cache: no history, every watch over.
    pub(crate) fn restart(&mut self) {
        self.epoch += 1;
        for collection in self.collections.values_mut() {
            collection.restart(self.revision);
        }
    }

    /// Moves the revision on without a change, as writes to other kinds do.
    pub(crate) fn skip_revisions(&mut self, count: u64) {
        self.revision += count;
    }

    /// Forgets the events of one kind, or of all.
    pub(crate) fn expire(&mut self, qualified: Option<&str>) {
        for (name, collection) in &mut self.collections {
            if qualified.is_none_or(|wanted| wanted == name) {
                collection.expire(self.revision);
            }
        }
    }

    /// Takes the next revision for an object and enters it.
    ///
    /// # Errors
    /// 404 if the kind is no longer served.
    pub(super) fn commit(&mut self, kind: &Kind, object: Arc<StoredObject>) -> Result<(), Status> {
        debug_assert_eq!(object.version(), self.revision + 1);
        let collection = self
            .collections
            .get_mut(kind.qualified())
            .ok_or_else(Status::no_such_resource)?;
        self.revision += 1;
        collection.write(object, Time::ZERO);
        Ok(())
    }

    /// Takes the next revision for the end of an object; returns its last state at that revision.
    pub(super) fn remove(&mut self, kind: &Kind, key: &str) -> Option<Arc<StoredObject>> {
        let version = self.revision + 1;
        let collection = self.collections.get_mut(kind.qualified())?;
        let last = collection.remove(key, version, Time::ZERO)?;
        self.revision = version;
        Some(last)
    }

    fn collection(&self, kind: &Kind) -> Result<&Collection, Status> {
        self.collections
            .get(kind.qualified())
            .ok_or_else(Status::no_such_resource)
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The version of the newest change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// A copy of everything, sharing structure.
    pub(crate) fn backup(&self) -> Backup {
        let objects = self
            .collections
            .iter()
            .map(|(name, it)| (name.clone(), it.objects().clone()))
            .collect();
        Backup {
            registry: self.registry.clone(),
            objects,
            revision: self.revision,
        }
    }

    /// The current objects of a kind; clones share structure.
    pub(crate) fn objects(&self, kind: &Kind) -> Objects {
        self.collections
            .get(kind.qualified())
            .map(|it| it.objects().clone())
            .unwrap_or_default()
    }

    /// One object by its storage key.
    pub(crate) fn get(&self, kind: &Kind, key: &str) -> Option<&Arc<StoredObject>> {
        let collection = self.collections.get(kind.qualified())?;
        collection.objects().get(key)
    }

    /// Answers a list whose required version has been reached.
    ///
    /// # Errors
    /// 504 if it has not, 410 if the version it names is no longer known, 404 if the kind is no
    /// longer served.
    pub(crate) fn list(&self, kind: &Kind, plan: &ListPlan) -> Result<Page, Status> {
        self.collection(kind)?.list(plan, self.revision)
    }

    /// Opens a watch whose required version has been reached: no change between the initial state
    /// and the position is lost or told twice.
    ///
    /// # Errors
    /// 504 if the required version has not been reached, 410 if the history does not go back far
    /// enough, 404 if the kind is no longer served. All belong into the stream as ERROR events.
    pub(crate) fn open_watch(&self, kind: &Kind, plan: &WatchPlan) -> Result<Opening, Status> {
        self.collection(kind)?.open_watch(plan, self.revision)
    }

    /// The next events for a watch. Nothing can be read of a kind that is no longer served as
    /// it was.
    pub(crate) fn read(&mut self, kind: &Arc<Kind>, place: &Place, max: usize) -> LogRead {
        let collection = self.collections.get_mut(kind.qualified());
        match collection.filter(|_| self.registry.serves(kind)) {
            Some(collection) => collection.read(place, self.revision, max),
            None => LogRead::Overrun,
        }
    }

    /// The events of a kind from a cursor on.
    pub(crate) fn events_from(&self, kind: &Kind, cursor: Cursor) -> Vec<Arc<Event>> {
        let collection = self.collections.get(kind.qualified());
        let events = collection.map(|it| it.log().from(cursor).cloned().collect());
        events.unwrap_or_default()
    }

    /// Where the next event of a kind goes.
    pub(crate) fn end_of_events(&self, kind: &Kind) -> Cursor {
        self.collections
            .get(kind.qualified())
            .map_or(0, |it| it.log().end())
    }

    /// How many events of a kind are kept.
    pub(crate) fn history_len(&self, kind: &Kind) -> usize {
        self.collections
            .get(kind.qualified())
            .map_or(0, |it| it.log().len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::super::rules::DeleteOptions;
    use super::super::write::{Address, Part, Stamp, Writer};
    use super::*;
    use crate::collection::event_type::EventType;
    use crate::collection::query::Query;
    use crate::collection::seen::seen;
    use crate::collection::selector::Selection;

    /// Key to content and version, as a client that sees everything knows it.
    type Model = BTreeMap<String, (Value, u64)>;

    const KEYS: u64 = 5;

    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            // xorshift64: enough to choose among a few things.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    fn kind(storage: &Storage) -> Arc<Kind> {
        Arc::clone(storage.registry().named("configmaps").unwrap())
    }

    fn selection(kind: &Kind, labels: &str) -> Selection {
        Selection::parse(kind, Some("ns"), labels, "").unwrap()
    }

    fn note(model: &mut Model, object: &StoredObject) {
        let content = Value::Object(object.decode())["metadata"]["labels"].clone();
        model.insert(object.key().to_string(), (content, object.version()));
    }

    /// Creates, changes or deletes one of a few objects, or writes elsewhere.
    fn step(storage: &mut Storage, random: &mut Random) {
        let kind = kind(storage);
        let stamp = Stamp {
            now: Timestamp::UNIX_EPOCH,
            entropy: u128::from(random.0),
        };
        let writer = Writer {
            stamp,
            dry_run: false,
            internal: true,
        };
        let name = format!("cm-{}", random.below(KEYS));
        let address = Address {
            namespace: Some("ns"),
            name: &name,
            part: Part::Main,
        };
        let object = json!({
            "metadata": {"name": name, "namespace": "ns", "labels": {"app": random.below(3).to_string()}},
        });
        let object = object.as_object().unwrap().clone();
        let exists = storage.get(&kind, &format!("ns/{name}")).is_some();
        match (exists, random.below(4)) {
            (_, 0) => storage.skip_revisions(random.below(3)),
            (true, 1) => {
                storage
                    .delete(&kind, address, &DeleteOptions::default(), &writer)
                    .unwrap();
            }
            (true, _) => drop(storage.update(&kind, address, object, &writer).unwrap()),
            (false, _) => drop(storage.create(&kind, Some("ns"), object, &writer).unwrap()),
        }
    }

    /// The state at a version, by an exact list.
    fn listed(storage: &Storage, version: u64, labels: &str) -> Option<Model> {
        let kind = kind(storage);
        let query =
            format!("resourceVersion={version}&resourceVersionMatch=Exact&labelSelector={labels}");
        let plan = ListPlan::parse(&kind, Some("ns"), &Query::parse(&query)).unwrap();
        let mut model = Model::new();
        for object in storage.list(&kind, &plan).ok()?.items {
            note(&mut model, &object);
        }
        Some(model)
    }

    /// Applies what a watch from `start` tells, in batches, to what was there.
    fn follow(storage: &mut Storage, start: u64, labels: &str, mut model: Model) -> Model {
        let kind = kind(storage);
        let selection = selection(&kind, labels);
        let query = format!("watch=1&resourceVersion={start}");
        let plan = WatchPlan::parse(&kind, Some("ns"), &Query::parse(&query)).unwrap();
        let opening = storage.open_watch(&kind, &plan).unwrap();
        let mut place = Place {
            epoch: opening.epoch,
            scope: selection.scope().clone(),
            cursor: opening.cursor,
        };
        loop {
            let LogRead::Events {
                events, next, more, ..
            } = storage.read(&kind, &place, 3)
            else {
                panic!("a start that was accepted is never overrun");
            };
            for event in &events {
                let Some((event_type, object)) = seen(event, &selection) else {
                    continue;
                };
                let known = model.contains_key(&**object.key());
                assert_eq!(
                    known,
                    event_type != EventType::Added,
                    "each change fits the last"
                );
                if event_type == EventType::Deleted {
                    model.remove(&**object.key());
                } else {
                    note(&mut model, &object);
                }
            }
            if !more {
                return model;
            }
            place.cursor = next;
        }
    }

    fn check(seed: u64, window: usize) {
        let mut storage = Storage::new(window);
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut states: BTreeMap<u64, Model> = BTreeMap::new();
        for _ in 0..60 {
            step(&mut storage, &mut random);
            let mut model = Model::new();
            for object in storage.objects(&kind(&storage)).values() {
                note(&mut model, object);
            }
            states.insert(storage.revision(), model);
        }
        let newest = states.last_key_value().unwrap().1.clone();
        let mut followed = 0;
        for (version, state) in &states {
            let Some(past) = listed(&storage, *version, "") else {
                continue;
            };
            assert_eq!(&past, state, "seed {seed}: the list at {version}");
            assert_eq!(
                follow(&mut storage, *version, "", past),
                newest,
                "seed {seed}: from {version}"
            );
            for labels in ["app=1", "app!=2"] {
                let past = listed(&storage, *version, labels).unwrap();
                let now = listed(&storage, storage.revision(), labels).unwrap();
                let end = follow(&mut storage, *version, labels, past);
                assert_eq!(end, now, "seed {seed}: {labels} from {version}");
            }
            followed += 1;
        }
        assert!(followed > 0);
    }

    #[test]
    fn every_past_state_plus_its_watch_is_the_present() {
        for seed in 0..30 {
            check(seed, 1_000);
            check(seed, 7);
        }
    }

    #[test]
    fn a_request_that_outlives_its_kind_gets_404() {
        let mut storage = Storage::new(10);
        let kind = Kind::custom("test.dev", "v1", "Gadget", "gadgets").cluster_scoped();
        storage.register(kind.clone());
        storage.unregister(kind.qualified());
        let writer = Writer {
            stamp: Stamp {
                now: Timestamp::UNIX_EPOCH,
                entropy: 1,
            },
            dry_run: false,
            internal: true,
        };
        let object =
            json!({"apiVersion": "test.dev/v1", "kind": "Gadget", "metadata": {"name": "g"}});
        let object = object.as_object().unwrap().clone();
        let before = storage.revision();
        let refused = storage.create(&kind, None, object, &writer).unwrap_err();
        assert_eq!((refused.code(), storage.revision()), (404, before));
        let plan = ListPlan::parse(&kind, None, &Query::parse("")).unwrap();
        assert_eq!(storage.list(&kind, &plan).unwrap_err().code(), 404);
        let plan = WatchPlan::parse(&kind, None, &Query::parse("watch=1")).unwrap();
        assert_eq!(storage.open_watch(&kind, &plan).unwrap_err().code(), 404);
    }
}

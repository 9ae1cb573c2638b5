//! The whole state of a server as a plain struct: objects of every kind, their histories, and one
//! revision counter for all of them. No lock, socket or clock: callers hand in time and entropy.
//!
//! Reads are here; the rules of writing are in `write.rs`. Two invariants: every change takes the
//! next revision, enters the objects and the history together, and nothing else moves the revision;
//! and exactly the served kinds have a collection, whose history begins at the revision at which the
//! kind was registered. A kind that is defined again therefore knows no version before that.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::registry::Registry;
use crate::collection::kind::Kind;
use crate::collection::log::{Event, History, Objects, Read as HistoryRead};
use crate::collection::object::StoredObject;
use crate::collection::options::{ListPlan, Read, Start, WatchPlan};
use crate::collection::selector::Selection;
use crate::collection::status::Status;
use crate::collection::token::{At, Continue};

/// Everything a server knows.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(super) registry: Registry,
    collections: BTreeMap<String, Collection>,
    revision: u64,
    /// Counts restarts and rewinds: a watch of an older epoch is over.
    epoch: u64,
    window: usize,
}

#[derive(Debug)]
struct Collection {
    objects: Objects,
    history: History,
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    /// The version at which the items are consistent.
    pub(crate) version: u64,
    pub(crate) items: Vec<Arc<StoredObject>>,
    /// The token that goes on, if there is more.
    pub(crate) next: Option<String>,
    /// How many keys remain, where that is known.
    pub(crate) remaining: Option<usize>,
}

/// Where a watch stands after it was opened.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The initial state in key order; empty where none was asked for.
    pub(crate) initial: Vec<Arc<StoredObject>>,
    /// Changes after this version are to be delivered.
    pub(crate) position: u64,
    pub(crate) epoch: u64,
}

/// A copy of all objects at one revision, to go back to.
#[derive(Clone, Debug)]
pub struct Backup {
    registry: Registry,
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
        let registry = Registry::builtin();
        let names = registry.kinds().iter().map(|kind| kind.qualified());
        let collections = names
            .map(|name| (name.to_owned(), Collection::new(revision)))
            .collect();
        Self {
            registry,
            collections,
            revision,
            epoch: 0,
            window: window.max(1),
        }
    }

    /// Adds a kind, or replaces the one of that name.
    pub(crate) fn register(&mut self, kind: Kind) {
        self.collections
            .entry(kind.qualified().to_owned())
            .or_insert_with(|| Collection::new(self.revision));
        self.registry.register(kind);
    }

    /// Takes a kind and all its objects away.
    pub(crate) fn unregister(&mut self, qualified: &str) {
        self.registry.remove(qualified);
        self.collections.remove(qualified);
    }

    /// Goes back to a copy: lower revisions, no history, every watch over.
    pub(crate) fn restore(&mut self, backup: &Backup) {
        self.registry = backup.registry.clone();
        self.revision = backup.revision;
        self.epoch += 1;
        self.collections = backup
            .objects
            .iter()
            .map(|(name, objects)| {
                let history = History::new(backup.revision);
                (
                    name.clone(),
                    Collection {
                        objects: objects.clone(),
                        history,
                    },
                )
            })
            .collect();
    }

    /// Does what a restart of a server does to its watch cache: no history, every watch over.
    pub(crate) fn restart(&mut self) {
        self.expire(None);
        self.epoch += 1;
    }

    /// Moves the revision on without a change, as writes to other kinds do.
    pub(crate) fn skip_revisions(&mut self, count: u64) {
        self.revision += count;
    }

    /// Forgets the events of one kind, or of all.
    pub(crate) fn expire(&mut self, qualified: Option<&str>) {
        for (name, collection) in &mut self.collections {
            if qualified.is_none_or(|wanted| wanted == name) {
                collection.history.expire(self.revision);
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
        let key = Arc::clone(object.key());
        let previous = collection.objects.insert(key, Arc::clone(&object));
        collection
            .history
            .push(Arc::new(Event::written(object, previous)), self.window);
        Ok(())
    }

    /// Takes the next revision for the end of an object; returns its last state at that revision.
    pub(super) fn remove(&mut self, kind: &Kind, key: &str) -> Option<Arc<StoredObject>> {
        let (version, window) = (self.revision + 1, self.window);
        let collection = self.collections.get_mut(kind.qualified())?;
        let previous = collection.objects.remove(key)?;
        let event = Event::deleted(previous, version);
        let last = Arc::clone(event.object());
        collection.history.push(Arc::new(event), window);
        self.revision = version;
        Some(last)
    }

    fn collection(&self, kind: &Kind) -> Result<&Collection, Status> {
        self.collections
            .get(kind.qualified())
            .ok_or_else(Status::no_such_resource)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The version of the newest change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A copy of everything, sharing structure.
    pub(crate) fn backup(&self) -> Backup {
        let objects = self
            .collections
            .iter()
            .map(|(name, it)| (name.clone(), it.objects.clone()))
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
            .map(|it| it.objects.clone())
            .unwrap_or_default()
    }

    /// One object by its storage key.
    pub(crate) fn get(&self, kind: &Kind, key: &str) -> Option<&Arc<StoredObject>> {
        self.collections.get(kind.qualified())?.objects.get(key)
    }

    /// Answers a list whose required version has been reached.
    ///
    /// # Errors
    /// 504 if it has not, 410 if the version it names is no longer known, 404 if the kind is no
    /// longer served.
    pub(crate) fn list(&self, kind: &Kind, plan: &ListPlan) -> Result<Page, Status> {
        let required = plan.required_version();
        if required > self.revision {
            return Err(Status::too_large_version(required, self.revision));
        }
        let collection = self.collection(kind)?;
        let (objects, version, start) = match &plan.read {
            Read::AtLeast(_) | Read::Continue(Continue { at: At::Newest, .. }) => {
                (collection.objects.clone(), self.revision, plan.start())
            }
            Read::Exact(version) => {
                let objects = collection.at(*version).ok_or_else(Status::exact_expired)?;
                (objects, *version, "")
            }
            Read::Continue(
                token @ Continue {
                    at: At::Version(version),
                    ..
                },
            ) => {
                let expired = || Status::continue_expired(token.inconsistent());
                let objects = collection.at(*version).ok_or_else(expired)?;
                (objects, *version, plan.start())
            }
        };
        Ok(page(&objects, version, start, plan))
    }

    /// Opens a watch whose required version has been reached: no change between the initial state
    /// and the position is lost or told twice.
    ///
    /// # Errors
    /// 504 if the required version has not been reached, 410 if the history does not go back far
    /// enough, 404 if the kind is no longer served. All belong into the stream as ERROR events.
    pub(crate) fn open_watch(&self, kind: &Kind, plan: &WatchPlan) -> Result<Opening, Status> {
        let opening = |initial, position| Opening {
            initial,
            position,
            epoch: self.epoch,
        };
        let collection = self.collection(kind)?;
        match plan.start {
            Start::State(required) if required > self.revision => {
                Err(Status::too_large_version(required, self.revision))
            }
            Start::State(_) => Ok(opening(
                matching(&collection.objects, &plan.selection),
                self.revision,
            )),
            Start::Now => Ok(opening(Vec::new(), self.revision)),
            Start::After(version) => {
                let floor = collection.history.floor();
                if version < floor {
                    return Err(Status::too_old(version, floor));
                }
                Ok(opening(Vec::new(), version))
            }
        }
    }

    /// The next events for a watch.
    pub(crate) fn read(&self, kind: &Kind, position: u64, max: usize) -> HistoryRead {
        match self.collections.get(kind.qualified()) {
            Some(collection) => collection.history.read(position, self.revision, max),
            None => HistoryRead::Overrun,
        }
    }

    /// How many events of a kind are kept.
    pub(crate) fn history_len(&self, kind: &Kind) -> usize {
        self.collections
            .get(kind.qualified())
            .map_or(0, |it| it.history.len())
    }
}

impl Collection {
    /// A collection without objects, of which every version from `floor` on is known.
    fn new(floor: u64) -> Self {
        Self {
            objects: Objects::new(),
            history: History::new(floor),
        }
    }

    /// The objects as of a version; `None` if that is no longer known.
    fn at(&self, version: u64) -> Option<Objects> {
        self.history.rewind(&self.objects, version)
    }
}

impl ListPlan {
    /// The first key that may come, relative to the selection's prefix.
    fn start(&self) -> &str {
        match &self.read {
            Read::Continue(token) => &token.start,
            Read::AtLeast(_) | Read::Exact(_) => "",
        }
    }
}

/// Every matching object in key order.
pub(crate) fn matching(objects: &Objects, selection: &Selection) -> Vec<Arc<StoredObject>> {
    from(objects, selection, "")
        .filter(|object| selection.matches(object))
        .cloned()
        .collect()
}

/// The objects under the selection's prefix, from `start` on.
fn from<'a>(
    objects: &'a Objects,
    selection: &'a Selection,
    start: &str,
) -> impl Iterator<Item = &'a Arc<StoredObject>> {
    let prefix = selection.prefix();
    let first = format!("{prefix}{start}");
    objects
        .range::<_, str>((Bound::Included(first.as_str()), Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(prefix))
        .map(|(_, object)| object)
}

fn page(objects: &Objects, version: u64, start: &str, plan: &ListPlan) -> Page {
    let selection = &plan.selection;
    let mut rest = from(objects, selection, start).peekable();
    let mut items = Vec::new();
    let mut last = None;
    while plan.limit.is_none_or(|limit| items.len() < limit) {
        let Some(object) = rest.next() else { break };
        last = Some(object);
        if selection.matches(object) {
            items.push(Arc::clone(object));
        }
    }
    let next = rest.peek().and(last).map(|last| {
        let key = last
            .key()
            .strip_prefix(selection.prefix())
            .unwrap_or(last.key());
        Continue::after(version, key)
    });
    let remaining = next
        .as_ref()
        .filter(|_| !selection.selects())
        .map(|_| rest.count());
    Page {
        version,
        items,
        next,
        remaining,
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
    use crate::collection::log::Read as HistoryRead;
    use crate::collection::query::Query;
    use crate::collection::seen::seen;

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
    fn follow(storage: &Storage, start: u64, labels: &str, mut model: Model) -> Model {
        let kind = kind(storage);
        let selection = selection(&kind, labels);
        let mut position = start;
        loop {
            let HistoryRead::Events { events, up_to } = storage.read(&kind, position, 3) else {
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
            if up_to == storage.revision() {
                return model;
            }
            position = up_to;
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
                follow(&storage, *version, "", past),
                newest,
                "seed {seed}: from {version}"
            );
            for labels in ["app=1", "app!=2"] {
                let past = listed(&storage, *version, labels).unwrap();
                let now = listed(&storage, storage.revision(), labels).unwrap();
                let end = follow(&storage, *version, labels, past);
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

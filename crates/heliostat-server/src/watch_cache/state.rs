//! The watch cache as a plain struct: what a reflector does to it, and what its clients read. No lock,
//! socket or clock: time is an argument.
//!
//! Versions are the source's own, so they must be numbers. Three invariants: an event never has a lower
//! version than one before it; whatever a client has seen when a watch breaks, resuming from the last
//! version that it saw misses nothing; and a source that went back in time ends every watch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heliostat_core::object::Header;
use heliostat_core::time::Time;

use crate::collection::event::Objects;
use crate::collection::event_type::EventType;
use crate::collection::log::{LogLimits, Read};
use crate::collection::object::StoredObject;
use crate::collection::options::{ListPlan, Start, WatchPlan};
use crate::collection::reading::{Opening, Page, Place};
use crate::collection::source::{Content, SourceKind};
use crate::collection::state::Collection;
use crate::collection::status::Status;

/// The mirror of one collection, for clients to read.
#[derive(Debug)]
pub(crate) struct CacheState {
    source: Arc<SourceKind>,
    collection: Collection,
    limits: LogLimits,
    /// The version up to which the collection is complete; 0 before it is loaded.
    version: u64,
    is_loaded: bool,
    /// The newest version of a history that the source has gone back on; 0 if there was none.
    abandoned: u64,
}

/// An object as a reflector hands it over.
pub(crate) struct Arrival {
    pub(crate) header: Header,
    pub(crate) content: Arc<dyn Content>,
}

/// What a replace came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replaced {
    /// The collection was empty before.
    Loaded,
    /// The difference became events, so many of them.
    Continued(usize),
    /// The source had gone back in time.
    Rewound,
}

impl CacheState {
    pub(crate) fn new(source: Arc<SourceKind>, limits: LogLimits) -> Self {
        Self {
            collection: Collection::new(Objects::new(), 0, 0, limits),
            source,
            limits,
            version: 0,
            is_loaded: false,
            abandoned: 0,
        }
    }

    /// Enters an object that was created or changed at the source.
    ///
    /// # Errors
    /// If it cannot be read, or comes out of order.
    pub(crate) fn write(&mut self, arrival: &Arrival, now: Time) -> Result<(), String> {
        let object = self.read_object(arrival, EventType::Modified)?;
        let object = match self.collection.objects().get(&**object.key()) {
            Some(previous) if previous.version() == object.version() => return Ok(()),
            Some(previous) if previous.uid() == object.uid() => object.after(previous),
            Some(_) | None => object.created_now(),
        };
        self.check_order(&object)?;
        self.version = object.version();
        self.collection.write(Arc::new(object), now);
        Ok(())
    }

    /// Ends an object that was deleted at the source. `last` is its last state, if it could be read.
    pub(crate) fn delete(&mut self, key: &str, last: Option<&Arrival>, now: Time) {
        let Some(previous) = self.collection.objects().get(key).cloned() else {
            return;
        };
        let last = last.map(|last| self.read_object(last, EventType::Deleted));
        let is_newer = |last: &StoredObject| {
            last.version() > previous.version() && last.version() >= self.version
        };
        match last.and_then(Result::ok).filter(is_newer) {
            Some(last) => {
                self.version = last.version();
                let last = Arc::new(last.after(&previous));
                self.collection.remove_as(last, now);
            }
            // The version is not known, or is that of the state that was there: a source without versions
            // for deletions. The deletion was not before the next version.
            None => {
                self.version += 1;
                self.collection.remove(key, self.version, now);
            }
        }
    }

    /// Everything up to this version has been entered.
    pub(crate) fn advance(&mut self, version: u64) {
        if self.is_loaded {
            self.version = self.version.max(version);
        }
    }

    /// Replaces the whole content by a list at `version`. Of what is in `kept` the list had a state that
    /// cannot be read.
    ///
    /// # Errors
    /// If an object cannot be read; nothing has changed then.
    pub(crate) fn replace(
        &mut self,
        listed: &[Arrival],
        kept: &BTreeSet<Box<str>>,
        version: u64,
        now: Time,
    ) -> Result<Replaced, String> {
        if !self.is_loaded {
            self.load(listed, version, self.collection.epoch())?;
            return Ok(Replaced::Loaded);
        }
        let mut objects = BTreeMap::new();
        for arrival in listed {
            let object = self.listed_object(arrival)?;
            objects.insert(Arc::clone(object.key()), object);
        }
        if version < self.version || self.has_forked(&objects) {
            self.abandoned = self.abandoned.max(self.version);
            self.load(listed, version, self.collection.epoch() + 1)?;
            return Ok(Replaced::Rewound);
        }
        let changes = self.difference(objects, kept, version);
        self.collection.skip(self.version, version);
        let count = changes.len();
        for change in changes {
            match change {
                Change::Write(object) => self.collection.write(object, now),
                Change::Remove(key, version) => {
                    self.collection.remove(&key, version, now);
                }
            }
        }
        self.version = version;
        Ok(Replaced::Continued(count))
    }

    /// A listed object: the one that is held if it is the same.
    fn listed_object(&self, arrival: &Arrival) -> Result<Arc<StoredObject>, String> {
        let object = self.read_object(arrival, EventType::Modified)?;
        let held = self.collection.objects().get(&**object.key());
        Ok(match held {
            Some(held) if is_same(held, &object) => Arc::clone(held),
            Some(held) if held.uid() == object.uid() => Arc::new(object.after(held)),
            Some(_) | None => Arc::new(object.created_now()),
        })
    }

    /// Whether a list shows that the source is no longer in the history that was mirrored: something
    /// that was there before looks otherwise now.
    fn has_forked(&self, listed: &BTreeMap<Arc<str>, Arc<StoredObject>>) -> bool {
        let held = self.collection.objects();
        let is_held = |object: &Arc<StoredObject>| {
            let held = held.get(&**object.key());
            held.is_some_and(|held| Arc::ptr_eq(held, object))
        };
        let mut known = listed.values().filter(|it| it.version() <= self.version);
        known.any(|object| !is_held(object))
    }

    /// Begins a history with a list, of whose objects it is not known when they were created.
    fn load(&mut self, listed: &[Arrival], version: u64, epoch: u64) -> Result<(), String> {
        let mut objects = Objects::new();
        for arrival in listed {
            let object = Arc::new(self.read_object(arrival, EventType::Modified)?);
            objects.insert(Arc::clone(object.key()), object);
        }
        self.collection = Collection::new(objects, version, epoch, self.limits);
        self.version = version;
        self.is_loaded = true;
        Ok(())
    }

    /// What happened between what is held and a list, in the order of versions.
    ///
    /// The versions of deletions are not known, but for that they are in between. They get the lowest
    /// that are free: no deletion is sent under a version above its own, so a client that resumes elsewhere
    /// from a version that was sent here misses none.
    fn difference(
        &self,
        listed: BTreeMap<Arc<str>, Arc<StoredObject>>,
        kept: &BTreeSet<Box<str>>,
        version: u64,
    ) -> Vec<Change> {
        let held = self.collection.objects();
        // Those that were created again come first: they were gone before they came.
        let mut gone: Vec<(u64, Arc<str>)> = Vec::new();
        for (key, object) in held {
            match listed.get(key) {
                Some(new) if new.uid() != object.uid() => {
                    gone.push((new.version(), Arc::clone(key)));
                }
                Some(_) => {}
                None if kept.contains(&**key) => {}
                None => gone.push((u64::MAX, Arc::clone(key))),
            }
        }
        gone.sort();
        let written: Vec<Arc<StoredObject>> = listed
            .into_values()
            .filter(|object| object.version() > self.version)
            .collect();
        let used: BTreeSet<u64> = written.iter().map(|object| object.version()).collect();
        let mut free = (self.version + 1..=version).filter(|it| !used.contains(it));
        let mut changes: Vec<Change> = Vec::with_capacity(gone.len() + written.len());
        for (before, key) in gone {
            // A source may delete several in one step; the last version is then that of several.
            let at = free.next().unwrap_or(version).min(before);
            changes.push(Change::Remove(key, at));
        }
        changes.extend(written.into_iter().map(Change::Write));
        changes.sort_by_key(Change::order);
        changes
    }

    fn read_object(
        &self,
        arrival: &Arrival,
        event_type: EventType,
    ) -> Result<StoredObject, String> {
        let content = Arc::clone(&arrival.content);
        StoredObject::from_source(&self.source, &arrival.header, content, event_type)
    }

    fn check_order(&self, object: &StoredObject) -> Result<(), String> {
        if object.version() >= self.version {
            return Ok(());
        }
        Err(format!(
            "{} comes at version {} after version {}",
            object.key(),
            object.version(),
            self.version
        ))
    }

    /// Whether the first list has come.
    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// The version up to which the collection is complete.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Answers a list.
    ///
    /// # Errors
    /// As [`Collection::list`].
    pub(crate) fn list(&self, plan: &ListPlan) -> Result<Page, Status> {
        self.collection.list(plan, self.version)
    }

    /// Opens a watch.
    ///
    /// # Errors
    /// As [`Collection::open_watch`], and 410 for a version of a history that the source has gone back
    /// on.
    pub(crate) fn open_watch(&self, plan: &WatchPlan) -> Result<Opening, Status> {
        if let Start::After(version) = plan.start
            && version > self.version
            && version <= self.abandoned
        {
            return Err(Status::too_old(version, self.version));
        }
        self.collection.open_watch(plan, self.version)
    }

    /// The next events for a watch.
    pub(crate) fn read(&mut self, place: &Place, max: usize) -> Read {
        self.collection.read(place, self.version, max)
    }
}

/// One step from what is held to a list.
#[derive(Debug)]
enum Change {
    Write(Arc<StoredObject>),
    /// The key, and the version that the deletion gets.
    Remove(Arc<str>, u64),
}

impl Change {
    /// By version; of one version what goes before what comes.
    fn order(&self) -> (u64, bool) {
        match self {
            Self::Remove(_, version) => (*version, false),
            Self::Write(object) => (object.version(), true),
        }
    }
}

/// Whether two states of one key are the same: the versions of a restored backup prove nothing.
fn is_same(held: &StoredObject, listed: &StoredObject) -> bool {
    held.version() == listed.version() && held.uid() == listed.uid() && held.same_content(listed)
}

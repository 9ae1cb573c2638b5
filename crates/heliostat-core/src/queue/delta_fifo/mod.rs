//! `DeltaFifoState`: what happened to each object since it was last looked at, in one piece.
//!
//! An object has its place in line from its first change on; later changes join it there. A pop returns all
//! changes of an object, the oldest first.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use super::delta::{Deletion, Delta};
use super::known::KnownObjects;
use super::known_changes;
use super::population::Population;
use crate::object::{Entry, ObjectKey};
use crate::store::{Staging, Store, StoreError};
use crate::time::Time;
use crate::version::ResourceVersion;

/// What happened to each object since it was last looked at.
///
/// The writing end is [`Store`]. The reading end calls [`pop`](Self::pop), does the work, and then
/// calls [`processed`](Self::processed), or [`requeue`](Self::requeue) to have it come again. The
/// queue is synced when all of the first list have been processed.
///
/// Any number of objects may be in work at a time, but none of them twice: what happens to an object
/// in work waits until that has been processed. An object in work counts as known, though the store at the
/// far end does not have it yet: its deletion is queued, and a resync does not queue it again.
///
/// Changes are not merged: five updates are five deltas. Only of two deletions in a row one is left,
/// the observed one if there is one. So an object that changes and is never popped grows without bound;
/// watch the length and the age of the queue.
///
/// ```
/// use heliostat_core::object::{Entry, Header, ObjectKey};
/// use heliostat_core::queue::{Delta, DeltaFifoState};
/// use heliostat_core::store::Store;
///
/// let state = |version: u64| {
///     let header = Header {
///         key: ObjectKey::cluster("a"),
///         resource_version: version.into(),
///         uid: "u".into(),
///     };
///     Entry::new(header, version)
/// };
/// let mut queue = DeltaFifoState::<u64>::new();
/// queue.add(state(1))?;
/// queue.update(state(2))?;
///
/// let popped = queue.pop().unwrap();
/// assert!(matches!(popped.oldest(), Delta::Added(_)));
/// assert!(matches!(popped.newest(), Delta::Updated(entry) if *entry.object == 2));
/// queue.processed(popped.key());
/// # Ok::<(), heliostat_core::store::StoreError>(())
/// ```
pub struct DeltaFifoState<T> {
    waiting: BTreeMap<ObjectKey, Waiting<T>>,
    line: VecDeque<ObjectKey>,
    /// The objects in work, with the newest reported change of each.
    in_work: BTreeMap<ObjectKey, InWork<T>>,
    known: Option<Box<dyn KnownObjects<T>>>,
    listed: Listed,
    transform: Option<Transform<T>>,
    population: Population,
    bookmark: Option<ResourceVersion>,
    now: Time,
    is_closed: bool,
}

type Transform<T> = Box<dyn FnMut(Entry<T>) -> Result<Entry<T>, String> + Send>;

/// How an object of a list is queued.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Listed {
    /// As [`Delta::Replaced`].
    #[default]
    AsReplaced,
    /// As [`Delta::Sync`], for consumers that handle a list as a resync.
    AsSync,
}

struct Waiting<T> {
    deltas: Vec<Delta<T>>,
    since: Time,
    /// True for what the queue was first filled with.
    is_in_initial_list: bool,
}

struct InWork<T> {
    newest: Delta<T>,
    is_in_initial_list: bool,
}

/// What happened to one object. There is always something.
#[derive(Debug)]
pub struct Deltas<T> {
    key: ObjectKey,
    deltas: Vec<Delta<T>>,
    is_in_initial_list: bool,
    since: Time,
}

impl<T> DeltaFifoState<T> {
    /// An empty queue that knows nothing of a store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            line: VecDeque::new(),
            in_work: BTreeMap::new(),
            known: None,
            listed: Listed::default(),
            transform: None,
            population: Population::EMPTY,
            bookmark: None,
            now: Time::ZERO,
            is_closed: false,
        }
    }

    /// Sets the content of the store at the far end: a list then deletes what it no longer has, and a resync
    /// queues it again. Without it, the deletion of an object that is not queued is left out.
    #[must_use]
    pub fn known(mut self, known: impl KnownObjects<T> + 'static) -> Self {
        self.known = Some(Box::new(known));
        self
    }

    /// How an object of a list is queued.
    #[must_use]
    pub const fn listed(mut self, listed: Listed) -> Self {
        self.listed = listed;
        self
    }

    /// Changes every object before it is queued, last states included; not what is only found to be
    /// gone, and not the objects of a resync, which have been changed before. An object that it
    /// refuses is not queued, and a list with such an object not at all.
    #[must_use]
    pub fn transform(
        mut self,
        transform: impl FnMut(Entry<T>) -> Result<Entry<T>, String> + Send + 'static,
    ) -> Self {
        self.transform = Some(Box::new(transform));
        self
    }

    /// Sets the time, for [`age`](Self::age).
    pub const fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// Takes out the object whose turn it is, with all that happened to it; none if there is none, or
    /// if all that wait are in work. A closed queue returns the rest.
    pub fn pop(&mut self) -> Option<Deltas<T>> {
        let is_free = |key: &ObjectKey| !self.in_work.contains_key(key);
        let key = self.line.remove(self.line.iter().position(is_free)?)?;
        let waiting = self.waiting.remove(&key);
        debug_assert!(waiting.is_some(), "what is in line waits");
        let Waiting {
            deltas,
            since,
            is_in_initial_list,
        } = waiting?;
        let newest = deltas.last()?.clone();
        let in_work = InWork {
            newest,
            is_in_initial_list,
        };
        self.in_work.insert(key.clone(), in_work);
        Some(Deltas {
            key,
            deltas,
            is_in_initial_list,
            since,
        })
    }

    /// The object that was taken out has been processed, whether or not that went well: what happened
    /// to it meanwhile can now be taken out. Of an object that is not in work it changes nothing.
    pub fn processed(&mut self, key: &ObjectKey) {
        let in_work = self.in_work.remove(key);
        if in_work.is_some_and(|it| it.is_in_initial_list) {
            self.population.processed(1);
        }
    }

    /// An object that was taken out comes again: at the end of the line, or where its newer changes
    /// wait, which then follow.
    pub fn requeue(&mut self, deltas: Deltas<T>) {
        let Deltas {
            key,
            deltas,
            is_in_initial_list,
            since,
        } = deltas;
        self.in_work.remove(&key);
        let newer = match self.waiting.remove(&key) {
            Some(waiting) => waiting.deltas,
            None => {
                self.line.push_back(key.clone());
                Vec::new()
            }
        };
        let waiting = Waiting {
            deltas,
            since,
            is_in_initial_list,
        };
        self.waiting.insert(key, waiting);
        for delta in newer {
            self.queue(delta);
        }
    }

    /// The newest version up to which all changes have been queued; none before the first bookmark,
    /// list or event. Once the queue is empty and all is processed, that version is reached.
    #[must_use]
    pub const fn bookmarked(&self) -> Option<&ResourceVersion> {
        self.bookmark.as_ref()
    }

    /// Closes the writing end. What is queued can still be popped.
    pub const fn close(&mut self) {
        self.is_closed = true;
    }

    /// True once the queue has been closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// True once all that the queue was first filled with has been processed; it stays true.
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        self.population.is_synced()
    }

    /// How many objects are waiting; also those of which something is in work.
    #[must_use]
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// True if nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// The keys of the objects that are waiting, in the order of their turns.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.line.iter()
    }

    /// What is waiting of one object, the oldest first; nothing if it is not waiting.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> &[Delta<T>] {
        self.waiting
            .get(key)
            .map_or(&[], |waiting| waiting.deltas.as_slice())
    }

    /// How long the object whose turn it is has been waiting since its first change.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let waiting = self.waiting.get(self.line.front()?)?;
        Some(self.now.saturating_since(waiting.since))
    }

    fn queue(&mut self, delta: Delta<T>) {
        if let Some(waiting) = self.waiting.get_mut(delta.key()) {
            waiting.push(delta);
            return;
        }
        let key = delta.key().clone();
        self.line.push_back(key.clone());
        let waiting = Waiting {
            deltas: vec![delta],
            since: self.now,
            is_in_initial_list: false,
        };
        self.waiting.insert(key, waiting);
    }

    fn transformed(&mut self, entry: Entry<T>) -> Result<Entry<T>, StoreError> {
        let Some(transform) = &mut self.transform else {
            return Ok(entry);
        };
        let key = entry.key().clone();
        transform(entry)
            .map_err(|reason| StoreError::new(format!("the transform of {key} failed: {reason}")))
    }

    /// Returns the newest reported change of an object, which the store may not have yet.
    fn newest(&self, key: &ObjectKey) -> Option<&Delta<T>> {
        let waiting = self.waiting.get(key).and_then(|it| it.deltas.last());
        waiting.or_else(|| self.in_work.get(key).map(|it| &it.newest))
    }

    /// Returns true if the deletion of an object is left out, because the object is unknown.
    fn is_unknown(&self, key: &ObjectKey) -> bool {
        if self.newest(key).is_some() {
            return false;
        }
        match &self.known {
            Some(known) => matches!(known.known(key), Ok(None)),
            None => true,
        }
    }

    /// The ends of all that the list does not have: of the queue, of what is in work, of the store.
    fn vanished(&self, there: &BTreeSet<ObjectKey>) -> Result<Vec<Delta<T>>, StoreError> {
        let queued = self.line.iter().filter_map(|key| self.newest(key));
        let is_going = |newest: &Delta<T>| matches!(newest, Delta::Deleted(_));
        let in_work = self.in_work.values().map(|it| &it.newest);
        let in_work = in_work.filter(|it| !self.waiting.contains_key(it.key()) && !is_going(it));
        let mut gone: Vec<_> = queued
            .chain(in_work)
            .filter(|newest| !there.contains(newest.key()))
            .map(|newest| known_changes::tombstone(newest.key().clone(), newest.entry().cloned()))
            .collect();
        if let Some(known) = &self.known {
            let is_elsewhere = |key: &ObjectKey| there.contains(key) || self.newest(key).is_some();
            gone.extend(known_changes::vanished(&**known, is_elsewhere)?);
        }
        Ok(gone)
    }
}

impl<T> Waiting<T> {
    /// Of two deletions in a row one is left: the older, unless only the newer was seen, or neither.
    fn push(&mut self, delta: Delta<T>) {
        if let (Some(Delta::Deleted(older)), Delta::Deleted(_)) = (self.deltas.last(), &delta) {
            if older.is_tombstone() {
                self.deltas.pop();
            } else {
                return;
            }
        }
        self.deltas.push(delta);
    }
}

impl<T: Send + Sync> Store<T> for DeltaFifoState<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.population.begin();
        let entry = self.transformed(entry)?;
        self.queue(Delta::Added(entry));
        Ok(())
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.population.begin();
        let entry = self.transformed(entry)?;
        self.queue(Delta::Updated(entry));
        Ok(())
    }

    /// Left out if the object is unknown: neither queued, nor in work, nor in the store.
    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.population.begin();
        if self.is_unknown(key) {
            return Ok(());
        }
        let deletion = match last_state {
            Some(last) => Deletion::Observed(self.transformed(last)?),
            None => {
                let told = self.newest(key).and_then(Delta::entry).cloned();
                let known = || self.known.as_ref()?.known(key).ok().flatten();
                Deletion::Tombstone {
                    key: key.clone(),
                    last: told.or_else(known),
                }
            }
        };
        self.queue(Delta::Deleted(deletion));
        Ok(())
    }

    /// First the objects of the list are queued, then the deletions of all that it does not have.
    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let history = staging.history();
        let (entries, kept) = staging.into_parts();
        let entries = entries.into_iter().map(|entry| self.transformed(entry));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let mut there = kept;
        there.extend(entries.iter().map(|entry| entry.key().clone()));
        let gone = self.vanished(&there)?;
        for entry in entries {
            let newest = self.newest(entry.key());
            let known = self.known.as_deref();
            let entry = known_changes::unless_unchanged(entry, history, newest, known);
            self.queue(match self.listed {
                Listed::AsReplaced => Delta::Replaced(entry),
                Listed::AsSync => Delta::Sync(entry),
            });
        }
        for delta in gone {
            self.queue(delta);
        }
        if self.population.fill(self.line.len()) {
            for waiting in self.waiting.values_mut() {
                waiting.is_in_initial_list = true;
            }
        }
        self.bookmark(version);
        Ok(())
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        let Some(known) = &self.known else {
            return Ok(());
        };
        let is_told = |key: &ObjectKey| self.newest(key).is_some();
        for delta in known_changes::syncs(&**known, is_told)? {
            self.queue(delta);
        }
        Ok(())
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.bookmark = Some(version.clone());
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.bookmark(version);
    }
}

impl<T> Default for DeltaFifoState<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for DeltaFifoState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaFifoState")
            .field("len", &self.line.len())
            .field("in_work", &self.in_work.len())
            .field("population", &self.population)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

impl<T> Deltas<T> {
    /// The key of the object.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// All that happened, the oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Delta<T>] {
        &self.deltas
    }

    /// What happened first.
    #[must_use]
    pub fn oldest(&self) -> &Delta<T> {
        self.deltas
            .first()
            .expect("an object waits for what happened to it")
    }

    /// What happened last: how things are now.
    #[must_use]
    pub fn newest(&self) -> &Delta<T> {
        self.deltas
            .last()
            .expect("an object waits for what happened to it")
    }

    /// True if the object belongs to what the queue was first filled with.
    #[must_use]
    pub const fn is_in_initial_list(&self) -> bool {
        self.is_in_initial_list
    }

    /// All that happened, the oldest first, to keep.
    #[must_use]
    pub fn into_vec(self) -> Vec<Delta<T>> {
        self.deltas
    }
}

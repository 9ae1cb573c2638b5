//! `DeltaFifo`: what happened to each object since it was last looked at, in one piece.
//!
//! An object has its place in line from its first change on; later changes join it there. Who takes
//! an object gets all that happened to it, the oldest first.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use super::delta::{Deletion, Delta};
use super::known::KnownObjects;
use super::population::Population;
use super::staged_items::{self, StagedItems};
use crate::object::{Entry, ObjectKey};
use crate::store::{Store, StoreError};
use crate::time::Time;
use crate::version::ResourceVersion;

/// What happened to each object since it was last looked at.
///
/// The writing end is [`Store`]. The reading end calls [`pop`](Self::pop), does the work, and then
/// calls [`processed`](Self::processed), or [`requeue`](Self::requeue) to have it come again. Any
/// number of objects may be in work at a time, and may be written to meanwhile; the queue is synced
/// when all of the first list have been processed.
///
/// Changes are not merged: five updates are five deltas. Only of two deletions in a row one is left,
/// the one that was seen if one was. So an object that changes for ever and is never taken out takes
/// memory for ever; the length and the age of the queue tell.
///
/// ```
/// use heliostat_core::object::{Entry, Header, ObjectKey};
/// use heliostat_core::queue::{Delta, DeltaFifo};
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
/// let mut queue = DeltaFifo::<u64>::new();
/// queue.add(state(1))?;
/// queue.update(state(2))?;
///
/// let popped = queue.pop().unwrap();
/// assert!(matches!(popped.oldest(), Delta::Added(_)));
/// assert!(matches!(popped.newest(), Delta::Updated(entry) if *entry.object == 2));
/// queue.processed(popped.key());
/// # Ok::<(), heliostat_core::store::StoreError>(())
/// ```
pub struct DeltaFifo<T> {
    waiting: BTreeMap<ObjectKey, Waiting<T>>,
    line: VecDeque<ObjectKey>,
    /// What was taken out and may not be in the store yet.
    in_work: BTreeMap<ObjectKey, InWork<T>>,
    known: Option<Box<dyn KnownObjects<T>>>,
    listed: Listed,
    transform: Option<Transform<T>>,
    staged: Option<StagedItems<T>>,
    /// Why the list that is being collected cannot be queued.
    refused: Option<StoreError>,
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
    /// As [`Delta::Sync`], for those who make no difference between a list and a resync.
    AsSync,
}

struct Waiting<T> {
    deltas: Vec<Delta<T>>,
    since: Time,
}

/// An object that was taken out.
struct InWork<T> {
    /// How many times at once.
    times: usize,
    newest: Delta<T>,
}

/// What happened to one object. There is always something.
#[derive(Debug)]
pub struct Deltas<T> {
    key: ObjectKey,
    deltas: Vec<Delta<T>>,
    is_in_initial_list: bool,
    since: Time,
}

impl<T> DeltaFifo<T> {
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
            staged: None,
            refused: None,
            population: Population::EMPTY,
            bookmark: None,
            now: Time::ZERO,
            is_closed: false,
        }
    }

    /// Tells what the store at the far end holds: a list then says which of it is gone, and a resync
    /// tells it again. Without it, the deletion of an object that is not queued is left out.
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
    /// gone, and not what a resync tells again, which has been changed before. An object that it
    /// refuses is not queued, and a list with such an object not at all.
    #[must_use]
    pub fn transform(
        mut self,
        transform: impl FnMut(Entry<T>) -> Result<Entry<T>, String> + Send + 'static,
    ) -> Self {
        self.transform = Some(Box::new(transform));
        self
    }

    /// Tells the time, for [`age`](Self::age).
    pub const fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// Takes out the object whose turn it is, with all that happened to it. A closed queue gives what
    /// it has.
    pub fn pop(&mut self) -> Option<Deltas<T>> {
        let key = self.line.pop_front()?;
        let waiting = self.waiting.remove(&key);
        debug_assert!(waiting.is_some(), "what is in line waits");
        let Waiting { deltas, since } = waiting?;
        if let Some(newest) = deltas.last().cloned() {
            let times = self.in_work.get(&key).map_or(0, |in_work| in_work.times) + 1;
            self.in_work.insert(key.clone(), InWork { times, newest });
        }
        Some(Deltas {
            key,
            deltas,
            is_in_initial_list: !self.population.is_synced(),
            since,
        })
    }

    /// This object, which was taken out, has been processed.
    pub fn processed(&mut self, key: &ObjectKey) {
        self.put_down(key);
        self.population.processed(1);
    }

    /// An object that was taken out comes again: at the end of the line, or where its newer changes
    /// wait, which then follow.
    pub fn requeue(&mut self, deltas: Deltas<T>) {
        let Deltas {
            key, deltas, since, ..
        } = deltas;
        self.put_down(&key);
        let newer = match self.waiting.remove(&key) {
            Some(waiting) => waiting.deltas,
            None => {
                self.line.push_back(key.clone());
                Vec::new()
            }
        };
        self.waiting.insert(key, Waiting { deltas, since });
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

    /// No more will be queued, says the writing end. What is queued can still be taken out.
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
    pub const fn has_synced(&self) -> bool {
        self.population.is_synced()
    }

    /// How many objects are waiting.
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

    fn put_down(&mut self, key: &ObjectKey) {
        if let Some(in_work) = self.in_work.get_mut(key) {
            in_work.times -= 1;
            if in_work.times == 0 {
                self.in_work.remove(key);
            }
        }
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

    /// True if the end of an object that is not queued need not be told: nobody knows it.
    fn is_unknown(&self, key: &ObjectKey) -> bool {
        if self.in_work.contains_key(key) {
            return false;
        }
        match &self.known {
            Some(known) => matches!(known.known(key), Ok(None)),
            None => true,
        }
    }

    /// The ends of all that the list does not have: of the queue, then of what is in work and of the
    /// store.
    fn vanished(&self, staged: &StagedItems<T>) -> Result<Vec<Delta<T>>, StoreError> {
        let there = staged.keys();
        let queued = self.line.iter().filter(|key| !there.contains(*key));
        let mut gone: Vec<_> = queued
            .filter_map(|key| self.waiting.get(key))
            .filter_map(|waiting| waiting.deltas.last())
            .map(|newest| staged_items::tombstone(newest.key().clone(), newest.entry().cloned()))
            .collect();
        let is_elsewhere = |key: &ObjectKey| there.contains(key) || self.waiting.contains_key(key);
        let in_work = self.in_work.iter().filter(|(key, _)| !is_elsewhere(key));
        gone.extend(
            in_work
                .filter(|(_, in_work)| !matches!(in_work.newest, Delta::Deleted(_)))
                .map(|(key, in_work)| {
                    staged_items::tombstone(key.clone(), in_work.newest.entry().cloned())
                }),
        );
        if let Some(known) = &self.known {
            let is_elsewhere =
                |key: &ObjectKey| is_elsewhere(key) || self.in_work.contains_key(key);
            gone.extend(staged_items::vanished(&**known, is_elsewhere)?);
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

impl<T: Send + Sync> Store<T> for DeltaFifo<T> {
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

    /// Left out if nobody knows the object: it is neither queued nor in the store.
    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.population.begin();
        if !self.waiting.contains_key(key) && self.is_unknown(key) {
            return Ok(());
        }
        let deletion = match last_state {
            Some(last) => Deletion::Observed(self.transformed(last)?),
            None => {
                let in_work = || self.in_work.get(key).map(|in_work| &in_work.newest);
                let newest = self.get(key).last().or_else(in_work);
                let queued = newest.and_then(Delta::entry).cloned();
                let known = || self.known.as_ref()?.known(key).ok().flatten();
                Deletion::Tombstone {
                    key: key.clone(),
                    last: queued.or_else(known),
                }
            }
        };
        self.queue(Delta::Deleted(deletion));
        Ok(())
    }

    fn begin_replace(&mut self) {
        self.refused = None;
        self.staged = Some(StagedItems::default());
    }

    fn stage(&mut self, entry: Entry<T>) {
        if self.staged.is_none() || self.refused.is_some() {
            return;
        }
        match self.transformed(entry) {
            Ok(entry) => {
                if let Some(staged) = &mut self.staged {
                    staged.stage(entry);
                }
            }
            Err(error) => self.refused = Some(error),
        }
    }

    fn unstage(&mut self, key: &ObjectKey) {
        if let Some(staged) = &mut self.staged {
            staged.unstage(key);
        }
    }

    fn keep(&mut self, key: &ObjectKey) {
        if let Some(staged) = &mut self.staged {
            staged.keep(key);
        }
    }

    /// First the objects of the list are queued, then the ends of all that it does not have.
    fn commit_replace(&mut self, version: &ResourceVersion) -> Result<(), StoreError> {
        let staged = self.staged.take().ok_or_else(StoreError::not_begun)?;
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        let gone = self.vanished(&staged)?;
        for entry in staged.entries {
            self.queue(match self.listed {
                Listed::AsReplaced => Delta::Replaced(entry),
                Listed::AsSync => Delta::Sync(entry),
            });
        }
        for delta in gone {
            self.queue(delta);
        }
        self.population.fill(self.line.len());
        self.bookmark(version);
        Ok(())
    }

    fn abort_replace(&mut self) {
        self.refused = None;
        self.staged = None;
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        let Some(known) = &self.known else {
            return Ok(());
        };
        // What the store holds of an object in work may be old already.
        let is_queued =
            |key: &ObjectKey| self.waiting.contains_key(key) || self.in_work.contains_key(key);
        for delta in staged_items::syncs(&**known, is_queued)? {
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

impl<T> Default for DeltaFifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for DeltaFifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaFifo")
            .field("len", &self.line.len())
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

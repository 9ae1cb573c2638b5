//! `OrderedFifo`: every change in the order in which it came, across all objects.
//!
//! Nothing is merged and nothing is left out, so the consumer sees the history as the source reported it. A
//! whole list is one element ([`OrderedFifo::atomic`]), or is taken apart into one
//! change for each object ([`OrderedFifo::itemized`]).

#[cfg(test)]
mod tests;

// tidy: allow(core-purity): asked whether a key is there, never walked
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::time::Duration;

use super::delta::{Deletion, Delta};
use super::key_hasher::KeyHasher;
use super::known::KnownObjects;
use super::known_changes;
use super::population::Population;
use crate::object::{Entry, ObjectKey};
use crate::store::snapshot::Snapshot;
use crate::store::{History, Staging, Store, StoreError};
use crate::time::Time;
use crate::version::ResourceVersion;

/// Every change in the order in which it came.
///
/// The writing end is [`Store`]. The reading end calls [`pop_batch`](Self::pop_batch) or
/// [`pop`](Self::pop), does the work, and calls [`processed`](Self::processed); it is synced when all
/// of the first list has been processed.
///
/// There is one reader. After [`close`](Self::close) what is queued can still be taken out.
pub struct OrderedFifo<T> {
    elements: VecDeque<Element<T>>,
    replacing: Replacing<T>,
    batch_size: usize,
    transform: Option<Transform<T>>,
    /// True from the commit of a list of an unknown history until it has been processed: the store at
    /// the far end may be in another history than what is queued.
    is_history_pending: bool,
    population: Population,
    /// How many elements have been taken out and not been reported as processed.
    in_work: usize,
    /// The changes among them, where it matters that they may not be in the store yet.
    working: Vec<Delta<T>>,
    /// The version reached when all that ever was queued is applied.
    reached: ResourceVersion,
    now: Time,
    is_closed: bool,
}

type Transform<T> = Box<dyn FnMut(Entry<T>) -> Result<Entry<T>, String> + Send>;

/// Keys, to ask for only: their order is never seen.
type Keys<'a> = HashSet<&'a str, BuildHasherDefault<KeyHasher>>;

/// What becomes of a list.
enum Replacing<T> {
    Atomic,
    Itemized(Box<dyn KnownObjects<T>>),
}

struct Element<T> {
    item: Item<T>,
    since: Time,
    /// The version that is reached once this is applied, if the reflector said so.
    reached: Option<ResourceVersion>,
}

enum Item<T> {
    Change(Delta<T>),
    ReplacedAll(ReplacedAll<T>),
    SyncAll,
    Bookmark(ResourceVersion),
}

/// Something to be done.
#[derive(Debug)]
pub struct Popped<T> {
    /// What.
    pub work: Work<T>,
    /// True if it belongs to what the queue was first filled with.
    pub is_in_initial_list: bool,
    /// The version that is reached once it has been done, where the reflector has said so.
    pub reached: Option<ResourceVersion>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Work<T> {
    /// Changes, in the order in which they came: never none, and never two of one object.
    Changes(Vec<Delta<T>>),
    /// A whole list takes the place of all that is known.
    ReplacedAll(ReplacedAll<T>),
    /// Every known object is delivered again.
    SyncAll,
    /// All up to this version has been queued before.
    Bookmark(ResourceVersion),
}

/// A whole list.
#[derive(Debug)]
pub struct ReplacedAll<T> {
    /// Its objects, for
    /// [`prepare_replace`](crate::store::indexer::IndexedObjects::prepare_replace) of the store.
    pub staging: Staging<T>,
    /// The version at which the list was true.
    pub version: ResourceVersion,
}

/// How many changes are taken out at once, at most: enough that a lock and a wake-up for each batch
/// do not count, few enough that readers never wait long (the reference's number).
pub const BATCH_SIZE: usize = 1000;

impl<T> OrderedFifo<T> {
    /// A queue in which a whole list is one element, and a resync one mark.
    #[must_use]
    pub const fn atomic() -> Self {
        Self::new(Replacing::Atomic)
    }

    /// A queue in which a list is taken apart: first the end of what it no longer has, of all that is
    /// queued or known, then each of its objects. A resync queues every known object again.
    pub fn itemized(known: impl KnownObjects<T> + 'static) -> Self {
        Self::new(Replacing::Itemized(Box::new(known)))
    }

    const fn new(replacing: Replacing<T>) -> Self {
        Self {
            elements: VecDeque::new(),
            replacing,
            batch_size: BATCH_SIZE,
            transform: None,
            is_history_pending: false,
            population: Population::EMPTY,
            in_work: 0,
            working: Vec::new(),
            reached: ResourceVersion::UNSET,
            now: Time::ZERO,
            is_closed: false,
        }
    }

    /// How many changes are taken out at once, at most; one at least. [`BATCH_SIZE`] by default.
    #[must_use]
    pub fn batch_size(mut self, changes: usize) -> Self {
        self.batch_size = changes.max(1);
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

    /// Begins a replace, as [`Store::begin_replace`] does, on the present state of the store at the far
    /// end: unchanged objects share its memory. An itemized queue makes no use of the state.
    ///
    /// `base` is read while the queue is locked, so that it has everything that has been processed.
    #[must_use]
    pub fn begin_replace_on(&self, base: &Snapshot<T>) -> Staging<T> {
        // A list is compared with the store when it is applied. Here that is too early if the store is
        // still in an earlier history, or if the list has yet to be transformed.
        let is_early = self.is_history_pending || self.transform.is_some();
        match self.replacing {
            Replacing::Atomic if !is_early => Staging::on(base),
            Replacing::Atomic | Replacing::Itemized(_) => Staging::new(),
        }
    }

    /// The next element alone.
    pub fn pop(&mut self) -> Option<Popped<T>> {
        self.take(1)
    }

    /// The next elements that can be done in one go: changes of different objects, up to the batch
    /// size, all of them within the first filling or all of them after it. Anything else comes alone.
    pub fn pop_batch(&mut self) -> Option<Popped<T>> {
        self.take(self.batch_size)
    }

    /// What was taken out last has been processed, whether or not that went well.
    pub fn processed(&mut self) {
        self.working.clear();
        if self.is_history_pending {
            let is_pending = |element: &Element<T>| match &element.item {
                Item::ReplacedAll(all) => all.staging.history() == History::Unknown,
                Item::Change(_) | Item::SyncAll | Item::Bookmark(_) => false,
            };
            self.is_history_pending = self.elements.iter().any(is_pending);
        }
        let count = std::mem::take(&mut self.in_work);
        self.population.processed(count);
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

    /// How many elements are waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// True if nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// How long the element that is next has been waiting.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let since = self.elements.front()?.since;
        Some(self.now.saturating_since(since))
    }

    /// Returns true if two whole batches are waiting: the writer should let the reader catch up.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.elements.len() >= self.batch_size.saturating_mul(2)
    }

    fn take(&mut self, max: usize) -> Option<Popped<T>> {
        // A reader that never reported an element as processed has processed it when it pops the next.
        self.processed();
        let is_in_initial_list = !self.population.is_synced();
        let Element {
            item, mut reached, ..
        } = self.elements.pop_front()?;
        self.in_work = 1;
        let work = match item {
            Item::Change(first) => Work::Changes(self.take_changes(first, max, &mut reached)),
            Item::ReplacedAll(all) => Work::ReplacedAll(all),
            Item::SyncAll => Work::SyncAll,
            Item::Bookmark(version) => Work::Bookmark(version),
        };
        Some(Popped {
            work,
            is_in_initial_list,
            reached,
        })
    }

    /// Takes the changes that can be done together with the first.
    fn take_changes(
        &mut self,
        first: Delta<T>,
        max: usize,
        reached: &mut Option<ResourceVersion>,
    ) -> Vec<Delta<T>> {
        let max = match self.population.left() {
            0 => max,
            left => max.min(left),
        };
        let following = self.following(&first, max - 1);
        let mut changes = Vec::with_capacity(following + 1);
        changes.push(first);
        for Element {
            item,
            reached: after,
            ..
        } in self.elements.drain(..following)
        {
            if let Item::Change(change) = item {
                changes.push(change);
            }
            if after.is_some() {
                *reached = after;
            }
        }
        self.in_work = changes.len();
        if let Replacing::Itemized(_) = self.replacing {
            self.working.extend(changes.iter().cloned());
        }
        changes
    }

    /// How many of the elements are changes that can be done together with the first: at most `max`,
    /// and never two of one object.
    fn following(&self, first: &Delta<T>, max: usize) -> usize {
        let mut keys = Keys::from_iter([first.key().as_str()]);
        let together = self.elements.iter().take(max);
        let together = together.take_while(|element| match &element.item {
            Item::Change(next) => keys.insert(next.key().as_str()),
            Item::ReplacedAll(_) | Item::SyncAll | Item::Bookmark(_) => false,
        });
        together.count()
    }

    fn push(&mut self, item: Item<T>) {
        self.elements.push_back(Element {
            item,
            since: self.now,
            reached: None,
        });
    }

    fn push_change(&mut self, delta: Delta<T>) {
        self.push(Item::Change(delta));
    }

    fn transformed(&mut self, entry: Entry<T>) -> Result<Entry<T>, StoreError> {
        let Some(transform) = &mut self.transform else {
            return Ok(entry);
        };
        let key = entry.key().clone();
        transform(entry)
            .map_err(|reason| StoreError::new(format!("the transform of {key} failed: {reason}")))
    }
}

impl<T: Send + Sync> Store<T> for OrderedFifo<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.population.begin();
        let entry = self.transformed(entry)?;
        self.push_change(Delta::Added(entry));
        Ok(())
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.population.begin();
        let entry = self.transformed(entry)?;
        self.push_change(Delta::Updated(entry));
        Ok(())
    }

    /// Queued whether or not the object is known: an ordered queue reports what the source reported.
    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.population.begin();
        let deletion = match last_state {
            Some(last) => Deletion::Observed(self.transformed(last)?),
            None => Deletion::Tombstone {
                key: key.clone(),
                last: None,
            },
        };
        self.push_change(Delta::Deleted(deletion));
        Ok(())
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.begin_replace_on(&Snapshot::default())
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let staging = match self.transform {
            Some(_) => staging.try_map(|entry| self.transformed(entry))?,
            None => staging,
        };
        self.is_history_pending |= staging.history() == History::Unknown;
        match &self.replacing {
            Replacing::Atomic => {
                self.reached.clone_from(version);
                let version = version.clone();
                self.push(Item::ReplacedAll(ReplacedAll { staging, version }));
            }
            Replacing::Itemized(known) => {
                for delta in taken_apart(staging, &**known, &self.working, &self.elements)? {
                    self.push_change(delta);
                }
            }
        }
        // The version may need an element of its own, which is not part of the first filling.
        // What is in work will be counted, too.
        self.population.fill(self.elements.len() + self.in_work);
        self.update_resource_version(version);
        Ok(())
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        match &self.replacing {
            Replacing::Atomic => self.push(Item::SyncAll),
            Replacing::Itemized(known) => {
                let (_, queued) = newest_queued(&self.working, &self.elements);
                let is_queued = |key: &ObjectKey| queued.contains_key(key);
                for delta in known_changes::syncs(&**known, is_queued)? {
                    self.push_change(delta);
                }
            }
        }
        Ok(())
    }

    /// A bookmark right behind another takes its place.
    fn bookmark(&mut self, version: &ResourceVersion) {
        self.reached.clone_from(version);
        match self.elements.back_mut() {
            Some(Element {
                item: Item::Bookmark(last),
                reached,
                ..
            }) => {
                last.clone_from(version);
                // Said before, of the bookmark whose place this takes.
                *reached = None;
            }
            _ => self.push(Item::Bookmark(version.clone())),
        }
    }

    /// Is reached with the last element that is queued; an element of its own is needed only where
    /// none is.
    fn update_resource_version(&mut self, version: &ResourceVersion) {
        if self.reached == *version {
            return;
        }
        match self.elements.back_mut() {
            Some(last) => {
                last.reached = Some(version.clone());
                self.reached.clone_from(version);
            }
            None => self.bookmark(version),
        }
    }
}

/// First the end of what is queued and no longer there, in the order in which it was queued, then of
/// what is known and no longer there, then what is there.
fn taken_apart<T>(
    staging: Staging<T>,
    known: &dyn KnownObjects<T>,
    working: &[Delta<T>],
    queued: &VecDeque<Element<T>>,
) -> Result<Vec<Delta<T>>, StoreError> {
    let history = staging.history();
    let (entries, kept) = staging.into_parts();
    let mut there = kept;
    there.extend(entries.iter().map(|entry| entry.key().clone()));
    let (order, newest) = newest_queued(working, queued);
    let mut deltas: Vec<_> = order
        .iter()
        .filter(|key| !there.contains(**key))
        .filter_map(|key| newest.get(*key))
        .filter(|newest| !matches!(newest, Delta::Deleted(_)))
        .map(|newest| known_changes::tombstone(newest.key().clone(), newest.entry().cloned()))
        .collect();
    let is_elsewhere = |key: &ObjectKey| there.contains(key) || newest.contains_key(key);
    deltas.extend(known_changes::vanished(known, is_elsewhere)?);
    deltas.extend(entries.into_iter().map(|entry| {
        let newest = newest.get(entry.key()).copied();
        Delta::Replaced(known_changes::unless_unchanged(
            entry,
            history,
            newest,
            Some(known),
        ))
    }));
    Ok(deltas)
}

/// The keys of what is in work or queued in the order of their first appearance, and the newest change of each.
fn newest_queued<'a, T>(
    working: &'a [Delta<T>],
    queued: &'a VecDeque<Element<T>>,
) -> (Vec<&'a ObjectKey>, BTreeMap<&'a ObjectKey, &'a Delta<T>>) {
    let mut order = Vec::new();
    let mut newest = BTreeMap::new();
    let queued = queued.iter().filter_map(|element| match &element.item {
        Item::Change(delta) => Some(delta),
        Item::ReplacedAll(_) | Item::SyncAll | Item::Bookmark(_) => None,
    });
    for delta in working.iter().chain(queued) {
        if newest.insert(delta.key(), delta).is_none() {
            order.push(delta.key());
        }
    }
    (order, newest)
}

impl<T> fmt::Debug for OrderedFifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedFifo")
            .field("len", &self.elements.len())
            .field("population", &self.population)
            .field("reached", &self.reached)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

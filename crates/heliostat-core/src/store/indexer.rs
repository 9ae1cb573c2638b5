//! `IndexedObjects`: keyed objects with named indexes, for a single writer.
//!
//! Every write has two halves. The first works out what changes, runs the index functions, and only
//! reads; the second puts it in place and runs no code of the user's. Whoever shares a store between
//! threads holds a lock for the second half alone, and a failing index function can never leave a
//! write half done.

use std::fmt;
use std::sync::Arc;

use super::index::{Index, IndexChange, IndexError, IndexFailures, IndexFunc};
use super::snapshot::{Indexes, Objects, Snapshot};
use super::staging::{Staging, with_key_of};
use super::{SnapshotStore, Store, StoreError};
use crate::object::{Entry, ObjectKey};
use crate::version::ResourceVersion;

/// Keyed objects with named indexes.
///
/// Reading goes through [`view`](Self::view), or through a [`snapshot`](Self::snapshot) that stays as
/// it is while the store goes on. Writing goes through [`Store`], or in two halves
/// (`prepare_*`, then [`apply`](Self::apply), [`install`](Self::install) or [`swap`](Self::swap)).
/// What was prepared must be put in place before the next preparation.
///
/// The version of the store is what its feeder tells it: the version of a replace, of a bookmark, or
/// that of [`Store::update_resource_version`]. An object's own version does not move it, so that all
/// changes up to the store's version are always in the store, even while a source streams old objects
/// in any order.
pub struct IndexedObjects<T> {
    present: Snapshot<T>,
    staging: Option<Staging<T>>,
}

impl<T> IndexedObjects<T> {
    /// An empty store without indexes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds indexes; the objects that are there are filed at once.
    ///
    /// # Errors
    /// If one of the names is taken, or comes twice; no index is then added.
    pub fn add_indexes<N: Into<Arc<str>>>(
        &mut self,
        indexes: impl IntoIterator<Item = (N, IndexFunc<T>)>,
    ) -> Result<(), IndexError> {
        let indexes = self.prepare_indexes(indexes)?;
        self.install(indexes);
        Ok(())
    }

    /// Puts a prepared change in place, and gives back the state that the object had before.
    pub fn apply(&mut self, change: Change<T>) -> Option<Arc<Entry<T>>> {
        // Indexes are copied on write; what does not change must not cost a copy.
        if change.indexes.iter().any(|change| !change.is_empty()) {
            let indexes = Arc::make_mut(&mut self.present.indexes);
            for (index, index_change) in indexes.values_mut().zip(change.indexes) {
                index.apply(&change.key, index_change);
            }
        }
        match change.entry {
            Some(entry) => self.present.objects.insert(change.key, entry),
            None => self.present.objects.remove(&change.key),
        }
    }

    /// Puts prepared indexes in place.
    pub fn install(&mut self, indexes: NewIndexes<T>) {
        Arc::make_mut(&mut self.present.indexes).extend(indexes.built);
    }

    /// Puts a prepared replacement in place, and gives back the state before it: dropping that can
    /// take a while, so drop it where nobody waits.
    pub fn swap(&mut self, replacement: Replacement<T>) -> Snapshot<T> {
        std::mem::replace(&mut self.present, replacement.next)
    }

    /// Moves the version of the store. The last word counts, whatever it is.
    pub fn set_resource_version(&mut self, version: &ResourceVersion) {
        self.present.version.clone_from(version);
    }

    /// The present state, to read.
    #[must_use]
    pub const fn view(&self) -> &Snapshot<T> {
        &self.present
    }

    /// The present state, to keep; in constant time.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<T> {
        self.present.clone()
    }

    /// A store that holds this state.
    pub(super) const fn of(present: Snapshot<T>) -> Self {
        Self {
            present,
            staging: None,
        }
    }

    /// Puts another state in place, and gives back the one before it.
    pub(super) fn put(&mut self, next: Snapshot<T>) -> Snapshot<T> {
        std::mem::replace(&mut self.present, next)
    }

    /// Works out what an object that came or changed does.
    pub fn prepare_upsert(&self, entry: Entry<T>) -> Change<T> {
        let old = self.present.get(entry.key());
        let entry = match old {
            Some(old) => with_key_of(entry, old),
            None => entry,
        };
        Change {
            key: entry.key().clone(),
            indexes: prepare(&self.present.indexes, old, Some(&entry)),
            entry: Some(Arc::new(entry)),
        }
    }

    /// Works out what an object that went does; nothing, if it is not there.
    pub fn prepare_delete(&self, key: &ObjectKey) -> Change<T> {
        let indexes = match self.present.get(key) {
            Some(old) => prepare(&self.present.indexes, Some(old), None),
            None => Vec::new(),
        };
        Change {
            key: key.clone(),
            entry: None,
            indexes,
        }
    }

    /// Files the present objects in new indexes.
    ///
    /// # Errors
    /// As for [`add_indexes`](Self::add_indexes).
    pub fn prepare_indexes<N: Into<Arc<str>>>(
        &self,
        indexes: impl IntoIterator<Item = (N, IndexFunc<T>)>,
    ) -> Result<NewIndexes<T>, IndexError> {
        let mut named = std::collections::BTreeMap::new();
        for (name, func) in indexes {
            let name = name.into();
            if self.present.indexes.contains_key(&name) || named.contains_key(&name) {
                return Err(IndexError::Exists(name.to_string()));
            }
            named.insert(name, func);
        }
        let built = named.into_iter().map(|(name, func)| {
            let index = Index::build(&name, func, self.present.iter());
            (name, index)
        });
        let built = built.collect();
        Ok(NewIndexes { built })
    }

    /// Starts to collect a new set of objects aside.
    #[must_use]
    pub fn begin(&self) -> Staging<T> {
        Staging::new(self.present.objects.clone())
    }

    /// Works out the state after a replace by what was collected.
    pub fn prepare_replace(
        &self,
        staging: Staging<T>,
        version: &ResourceVersion,
    ) -> Replacement<T> {
        let objects = staging.finish(&self.present.objects);
        let mut failures = IndexFailures::default();
        let indexes = reindex(&self.present, &objects, &mut failures);
        Replacement {
            next: Snapshot {
                objects,
                indexes,
                version: version.clone(),
                synced: true,
            },
            failures,
        }
    }
}

impl<T> Default for IndexedObjects<T> {
    fn default() -> Self {
        Self {
            present: Snapshot::default(),
            staging: None,
        }
    }
}

impl<T: Send + Sync> Store<T> for IndexedObjects<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let change = self.prepare_upsert(entry);
        self.apply(change);
        Ok(())
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.add(entry)
    }

    fn delete(&mut self, key: &ObjectKey, _last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        let change = self.prepare_delete(key);
        self.apply(change);
        Ok(())
    }

    fn begin_replace(&mut self) {
        self.staging = Some(self.begin());
    }

    fn stage(&mut self, entry: Entry<T>) {
        if let Some(staging) = &mut self.staging {
            staging.stage(entry);
        }
    }

    fn unstage(&mut self, key: &ObjectKey) {
        if let Some(staging) = &mut self.staging {
            staging.unstage(key);
        }
    }

    fn keep(&mut self, key: &ObjectKey) {
        if let Some(staging) = &mut self.staging {
            staging.keep(key);
        }
    }

    fn commit_replace(&mut self, version: &ResourceVersion) -> Result<(), StoreError> {
        let staging = self.staging.take().ok_or_else(StoreError::not_begun)?;
        let replacement = self.prepare_replace(staging, version);
        self.swap(replacement);
        Ok(())
    }

    fn abort_replace(&mut self) {
        self.staging = None;
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.set_resource_version(version);
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.set_resource_version(version);
    }
}

impl<T: Send + Sync> SnapshotStore<T> for IndexedObjects<T> {
    fn snapshot(&self) -> Snapshot<T> {
        self.present.clone()
    }
}

impl<T> fmt::Debug for IndexedObjects<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexedObjects")
            .field("present", &self.present)
            .field("staging", &self.staging)
            .finish()
    }
}

/// A change of one object, worked out and not yet in place.
#[must_use]
pub struct Change<T> {
    key: ObjectKey,
    /// The new state; none to delete.
    entry: Option<Arc<Entry<T>>>,
    /// One for each index, in the order of their names; none at all if nothing changes.
    indexes: Vec<IndexChange>,
}

impl<T> Change<T> {
    /// The key of the object.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// The new state; none if the object goes.
    #[must_use]
    pub const fn entry(&self) -> Option<&Arc<Entry<T>>> {
        self.entry.as_ref()
    }

    /// How many index functions failed for the new state, and one of the failures.
    #[must_use]
    pub fn failures(&self) -> IndexFailures {
        let mut failures = IndexFailures::default();
        for change in &self.indexes {
            failures.merge(change.failures());
        }
        failures
    }
}

impl<T> fmt::Debug for Change<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("key", &self.key)
            .field("deletes", &self.entry.is_none())
            .field("indexes", &self.indexes)
            .finish()
    }
}

/// Indexes that are filled and not yet in place.
#[must_use]
pub struct NewIndexes<T> {
    built: Indexes<T>,
}

impl<T> NewIndexes<T> {
    /// How often their functions failed, and one of the failures.
    #[must_use]
    pub fn failures(&self) -> IndexFailures {
        let mut failures = IndexFailures::default();
        for index in self.built.values() {
            failures.merge(index.failures());
        }
        failures
    }
}

impl<T> fmt::Debug for NewIndexes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.built.keys()).finish()
    }
}

/// The state after a replace, worked out and not yet in place.
#[must_use]
pub struct Replacement<T> {
    next: Snapshot<T>,
    failures: IndexFailures,
}

impl<T> Replacement<T> {
    /// The state to be, to read.
    #[must_use]
    pub const fn view(&self) -> &Snapshot<T> {
        &self.next
    }

    /// How often index functions failed for objects that came or changed, and one of the failures.
    #[must_use]
    pub const fn failures(&self) -> &IndexFailures {
        &self.failures
    }
}

impl<T> fmt::Debug for Replacement<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacement")
            .field("next", &self.next)
            .field("failures", &self.failures)
            .finish()
    }
}

fn prepare<T>(
    indexes: &Indexes<T>,
    old: Option<&Entry<T>>,
    new: Option<&Entry<T>>,
) -> Vec<IndexChange> {
    indexes
        .iter()
        .map(|(name, index)| index.prepare(name, old, new))
        .collect()
}

/// The indexes of `objects`, given those of the state before.
fn reindex<T>(
    before: &Snapshot<T>,
    objects: &Objects<T>,
    failures: &mut IndexFailures,
) -> Arc<Indexes<T>> {
    if before.indexes.is_empty() {
        return Arc::clone(&before.indexes);
    }
    let differences = differences(&before.objects, objects);
    if differences.is_empty() {
        return Arc::clone(&before.indexes);
    }
    // Filing everything anew sorts once and fills memory well; it pays when much has changed, and
    // always for the first content.
    if differences.len() > objects.len() / 2 {
        let rebuilt = before.indexes.iter().map(|(name, index)| {
            let known = index.failures().count;
            let rebuilt = index.rebuild(name, objects.values().map(|entry| &**entry));
            let new = IndexFailures {
                count: rebuilt.failures().count - known,
                last: rebuilt.failures().last.clone(),
            };
            if new.count > 0 {
                failures.merge(&new);
            }
            (Arc::clone(name), rebuilt)
        });
        return Arc::new(rebuilt.collect());
    }
    let mut indexes = (*before.indexes).clone();
    for (old, new) in differences {
        let (old, new) = (old.map(|entry| &**entry), new.map(|entry| &**entry));
        let Some(key) = new.or(old).map(Entry::key) else {
            continue;
        };
        for (name, index) in &mut indexes {
            let change = index.prepare(name, old, new);
            failures.merge(change.failures());
            index.apply(key, change);
        }
    }
    Arc::new(indexes)
}

/// The states before and after of every object that is not the same in both sets, by key.
fn differences<'a, T>(before: &'a Objects<T>, after: &'a Objects<T>) -> Vec<Difference<'a, T>> {
    let mut differences = Vec::new();
    if before.ptr_eq(after) {
        return differences;
    }
    let mut before = before.values().peekable();
    let mut after = after.values().peekable();
    loop {
        let pair = match (before.peek(), after.peek()) {
            (None, None) => return differences,
            (Some(old), Some(new)) => match old.key().cmp(new.key()) {
                std::cmp::Ordering::Less => (before.next(), None),
                std::cmp::Ordering::Greater => (None, after.next()),
                std::cmp::Ordering::Equal => (before.next(), after.next()),
            },
            (Some(_), None) => (before.next(), None),
            (None, Some(_)) => (None, after.next()),
        };
        if !is_unchanged(pair) {
            differences.push(pair);
        }
    }
}

/// The states of one object before and after; at least one is there.
type Difference<'a, T> = (Option<&'a Arc<Entry<T>>>, Option<&'a Arc<Entry<T>>>);

fn is_unchanged<T>(pair: Difference<'_, T>) -> bool {
    match pair {
        (Some(old), Some(new)) => {
            Arc::ptr_eq(&old.object, &new.object)
                && old.header.resource_version == new.header.resource_version
                && old.header.uid == new.header.uid
        }
        _ => false,
    }
}

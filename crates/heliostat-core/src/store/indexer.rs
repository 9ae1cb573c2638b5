//! `IndexedObjects`: keyed objects with named indexes, for a single writer.
//!
//! Every write has two halves. The first works out what changes, runs the index functions, and only
//! reads; the second puts it in place and runs no code of the user's. Whoever shares a store between
//! threads holds a lock for the second half alone, and a failing index function can never leave a
//! write half done.

use std::fmt;
use std::sync::Arc;

use super::difference::{Difference, differences};
use super::index::{Index, IndexChange, IndexError, IndexFailures, IndexFunc};
use super::objects::Objects;
use super::snapshot::{Indexes, Snapshot};
use super::staging::with_key_of;
use super::{SnapshotStore, Staging, Store, StoreError};
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

    /// Marks the store as having had its first complete content.
    pub(super) const fn set_synced(&mut self) {
        self.present.synced = true;
    }

    /// Sets the version of the store, whatever it was before.
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
        Self { present }
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

    /// Begins a replace of the whole content.
    #[must_use]
    pub fn begin(&self) -> Staging<T> {
        Staging::on(&self.present)
    }

    /// Works out the state after a replace.
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
        }
    }
}

impl<T: Send + Sync> Store<T> for IndexedObjects<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let change = self.prepare_upsert(entry);
        self.apply(change);
        Ok(())
    }

    fn delete(&mut self, key: &ObjectKey, _last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        let change = self.prepare_delete(key);
        self.apply(change);
        Ok(())
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.begin()
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let replacement = self.prepare_replace(staging, version);
        self.swap(replacement);
        Ok(())
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
    let differences: Vec<_> = differences(&before.objects, objects).collect();
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
    for difference in differences {
        let (old, new, known) = match difference {
            Difference::Added(new) => (None, Some(&**new), new),
            Difference::Changed { old, new } => (Some(&**old), Some(&**new), new),
            Difference::Removed(old) => (Some(&**old), None, old),
            Difference::Unchanged(_) => continue,
        };
        for (name, index) in &mut indexes {
            let change = index.prepare(name, old, new);
            failures.merge(change.failures());
            index.apply(known.key(), change);
        }
    }
    Arc::new(indexes)
}

//! `Shared`: the state that the read handles of a store share with its writers.
//!
//! Two locks. The lock of the content is held for one map operation at a time, and no code of the
//! user runs under it; a replace is prepared outside and swapped in. The lock of the writers keeps
//! two writers apart while each prepares its change; readers do not take it. A read of one object by
//! its key takes neither, only the lock of the key's shard (`by_key.rs`).

use std::sync::Arc;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::printable::printable;
use heliostat_core::store::Staging;
use heliostat_core::store::index::{IndexError, IndexFailures, IndexFunc};
use heliostat_core::store::indexer::{Change, IndexedObjects};
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::store::transaction::Transaction;
use heliostat_core::version::ResourceVersion;

use super::by_key::ByKey;
use super::waiters::Waiters;
use crate::log_limit;
use crate::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What the read handles of a store and its writers share.
pub(super) struct Shared<T> {
    content: RwLock<IndexedObjects<T>>,
    /// The objects of the content, for reads of one object; changed in the same step.
    pub(super) by_key: ByKey<T>,
    writing: Mutex<()>,
    pub(super) waiters: Waiters,
}

/// Only the holder of the writers' lock changes the content. A writer may therefore prepare a change
/// under the reading side of the content lock, which delays no reader.
impl<T> Shared<T> {
    pub(super) fn new() -> Self {
        Self {
            content: RwLock::new(IndexedObjects::new()),
            by_key: ByKey::new(),
            writing: Mutex::new(()),
            waiters: Waiters::default(),
        }
    }

    pub(super) fn add_indexes<N: Into<Arc<str>>>(
        &self,
        indexes: impl IntoIterator<Item = (N, IndexFunc<T>)>,
    ) -> Result<(), IndexError> {
        let _writing = self.lock_writing();
        let indexes = self.read().prepare_indexes(indexes)?;
        report(&indexes.failures());
        self.change().install(indexes);
        Ok(())
    }

    pub(super) fn upsert(&self, entry: Entry<T>) -> Option<Entry<T>> {
        let change = self.read().prepare_upsert(entry);
        report(&change.failures());
        self.put(change)
    }

    pub(super) fn delete(&self, key: &ObjectKey) -> Option<Entry<T>> {
        let change = self.read().prepare_delete(key);
        self.put(change)
    }

    fn put(&self, change: Change<T>) -> Option<Entry<T>> {
        let mut content = self.change();
        let shared = self.by_key.set(change.key(), change.entry());
        let replaced = content.apply(change);
        drop((content, shared));
        replaced.map(Arc::unwrap_or_clone)
    }

    pub(super) fn begin_replace(&self) -> Staging<T> {
        self.read().begin()
    }

    /// Replaces the content and returns the previous state. Dropping that may free a whole collection,
    /// so the caller drops it under no lock of the content.
    pub(super) fn commit(&self, staging: Staging<T>, version: &ResourceVersion) -> Snapshot<T> {
        let replacement = self.read().prepare_replace(staging, version);
        report(replacement.failures());
        let is_other = !replacement.view().has_objects_of(self.read().view());
        let tables = is_other.then(|| self.by_key.tables(replacement.view()));
        let mut content = self.change();
        let tables = tables.map(|tables| self.by_key.swap(tables));
        let before = content.swap(replacement);
        drop(content);
        // Not under the lock; most of what it held is also in the previous state, which the caller drops.
        drop(tables);
        self.waiters.moved(version, true);
        before
    }

    pub(super) fn begin_transaction(&self) -> Transaction<T> {
        self.read().begin_transaction()
    }

    pub(super) fn commit_transaction(
        &self,
        transaction: Transaction<T>,
        keys: &[ObjectKey],
    ) -> Vec<Option<Entry<T>>> {
        report(transaction.failures());
        let version = transaction.view().resource_version().clone();
        let synced = transaction.view().is_synced();
        let mut content = self.change();
        let shared = self.by_key.set_all(keys, transaction.view());
        let committed = content.commit_transaction(transaction);
        drop((content, shared));
        self.waiters.moved(&version, synced);
        committed.into_replaced()
    }

    pub(super) fn move_version(&self, version: &ResourceVersion) {
        let synced = {
            let mut content = self.change();
            content.set_resource_version(version);
            content.view().is_synced()
        };
        self.waiters.moved(version, synced);
    }

    pub(super) fn resource_version(&self) -> ResourceVersion {
        self.read().view().resource_version().clone()
    }

    pub(super) fn snapshot(&self) -> Snapshot<T> {
        self.read().snapshot()
    }

    // The locks cannot be poisoned by the user's code, which runs under none of the content's and is
    // caught where it runs under the writers'; and a state is always whole.
    pub(super) fn lock_writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, IndexedObjects<T>> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, IndexedObjects<T>> {
        self.content.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs objects that an index could not file: one line for a whole write, rate limited.
fn report(failures: &IndexFailures) {
    if let Some(last) = &failures.last
        && let Some(held_back) = log_limit::admit("index")
    {
        tracing::warn!(
            index = &*last.index,
            key = %printable(&last.key),
            error = &last.error as &dyn std::error::Error,
            failures = failures.count,
            held_back,
            "an index function failed: the object is in the store, but not in that index",
        );
    }
}

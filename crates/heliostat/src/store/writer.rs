//! `IndexerWriter`: the writing half of a store.
//!
//! A reflector owns it and calls it as a [`Store`]; a program that fills a store itself calls `upsert`,
//! `remove`, `replace` and `transact`. Readers hold an [`Indexer`], which has no method that changes
//! the objects.

use std::fmt;
use std::sync::Arc;

use heliostat_core::informer::Target;
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::index::{IndexFunc, NAMESPACE_INDEX};
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::store::transaction::Op;
use heliostat_core::store::{SnapshotStore, Staging, Store, StoreError};
use heliostat_core::version::ResourceVersion;

use super::indexer::Indexer;
use super::shared::Shared;

/// The writing half of a store: what [`Reflector::new`](crate::Reflector::new) owns, or a program that
/// fills a store itself. [`indexer`](Self::indexer) returns read handles.
///
/// [`Reflector::with_indexer`](crate::Reflector::with_indexer) creates the writer and a read handle in
/// one call. Create one yourself to fill a store from anything but a reflector:
///
/// ```
/// use heliostat::{Entry, Header, IndexFunc, IndexerWriter, ObjectKey};
///
/// // Any type will do; here a pod is the name of its node.
/// let writer = IndexerWriter::<&'static str>::new();
/// let pods = writer.indexer();
/// pods.add_index("node", IndexFunc::new(|pod: &Entry<&'static str>| [*pod.object]))?;
///
/// let key = ObjectKey::namespaced("default", "web");
/// let header = Header { key: key.clone(), resource_version: "7".into(), uid: "u".into() };
/// writer.upsert(Entry::new(header, "node-1"));
///
/// assert_eq!(*pods.get(&key).unwrap().object, "node-1");
/// assert_eq!(pods.by_index("node", "node-1")?.len(), 1);
/// # Ok::<(), heliostat::store::IndexError>(())
/// ```
///
/// Its own methods take `&self`, so that several threads can share one in an [`Arc`]. When the writer is
/// dropped, the store keeps its objects, and everything that waits for more gets
/// [`WriterGone`](crate::store::WriterGone).
pub struct IndexerWriter<T> {
    shared: Arc<Shared<T>>,
}

impl<T> IndexerWriter<T> {
    /// Creates an empty store without indexes.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Arc::new(Shared::new()))
    }

    /// Creates an empty store with the index [`NAMESPACE_INDEX`].
    ///
    /// [`Indexer::in_namespace`] does not need it; it is for queries that name their index.
    #[must_use]
    pub fn with_namespace_index() -> Self {
        let this = Self::new();
        this.indexer()
            .add_index(NAMESPACE_INDEX, IndexFunc::by_namespace())
            .expect("a new store has no index whose name could clash");
        this
    }

    /// Returns another writer of the same store. The store is without a writer once all are dropped.
    pub(super) fn another(&self) -> Self {
        Self::of(Arc::clone(&self.shared))
    }

    fn of(shared: Arc<Shared<T>>) -> Self {
        shared.waiters.writer_came();
        Self { shared }
    }

    /// Returns a read handle of the store.
    #[must_use]
    pub fn indexer(&self) -> Indexer<T> {
        Indexer {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Adds an object or replaces the one of the same key, and returns the replaced one.
    ///
    /// The version of the store moves to the object's, if that is a version and not known to be older.
    pub fn upsert(&self, entry: Entry<T>) -> Option<Entry<T>> {
        let _writing = self.shared.lock_writing();
        let version = entry.header.resource_version.clone();
        let old = self.shared.upsert(entry);
        if version.is_real() && !version.is_older_than(&self.shared.resource_version()) {
            self.shared.move_version(&version);
        }
        old
    }

    /// Removes an object and returns it. The version of the store does not move: the version of the
    /// deletion is not that of the object's last state.
    pub fn remove(&self, key: &ObjectKey) -> Option<Entry<T>> {
        let _writing = self.shared.lock_writing();
        self.shared.delete(key)
    }

    /// Replaces all objects by these in one step; the store is then synced. Unchanged objects are kept,
    /// not replaced; if a key occurs twice, the later object wins.
    pub fn replace(&self, entries: impl IntoIterator<Item = Entry<T>>, version: &ResourceVersion) {
        let mut staging = self.shared.begin_replace();
        for entry in entries {
            staging.stage(entry);
        }
        let _writing = self.shared.lock_writing();
        self.shared.commit(staging, version);
    }

    /// Makes several changes in one step: readers see all of them or none. Returns what each of them
    /// replaced or removed, in their order.
    ///
    /// The version of the store moves as [`upsert`](Self::upsert) and [`remove`](Self::remove) would move
    /// it one after the other, and in the same step. Index functions do not delay readers.
    pub fn transact(&self, ops: impl IntoIterator<Item = Op<T>>) -> Vec<Option<Entry<T>>> {
        // The caller's iterator may do anything, reading or writing this store included.
        let ops: Vec<_> = ops.into_iter().collect();
        if ops.is_empty() {
            return Vec::new();
        }
        let keys: Vec<_> = ops.iter().map(|op| op.key().clone()).collect();
        let _writing = self.shared.lock_writing();
        let mut transaction = self.shared.begin_transaction();
        let mut version = transaction.view().resource_version().clone();
        for op in ops {
            if let Op::Upsert(entry) = &op {
                let own = &entry.header.resource_version;
                if own.is_real() && !own.is_older_than(&version) {
                    version.clone_from(own);
                }
            }
            transaction.push(op);
        }
        transaction.set_resource_version(&version);
        self.shared.commit_transaction(transaction, &keys)
    }

    /// Makes several changes in one step. With a version, the content is complete at that version.
    pub(super) fn apply(&self, ops: Vec<Op<T>>, version: Option<&ResourceVersion>) {
        let keys: Vec<_> = ops.iter().map(|op| op.key().clone()).collect();
        let _writing = self.shared.lock_writing();
        let mut transaction = self.shared.begin_transaction();
        transaction.extend(ops);
        if let Some(version) = version {
            transaction.set_resource_version(version);
            transaction.set_synced();
        }
        drop(self.shared.commit_transaction(transaction, &keys));
    }
}

/// How a reflector writes. It moves the version of the store apart from the objects, so that `add` and
/// `update` do not.
impl<T: Send + Sync> Store<T> for IndexerWriter<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let _writing = self.shared.lock_writing();
        self.shared.upsert(entry);
        Ok(())
    }

    fn delete(&mut self, key: &ObjectKey, _last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        let _writing = self.shared.lock_writing();
        self.shared.delete(key);
        Ok(())
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.shared.begin_replace()
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let _writing = self.shared.lock_writing();
        self.shared.commit(staging, version);
        Ok(())
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        let _writing = self.shared.lock_writing();
        self.shared.move_version(version);
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        let _writing = self.shared.lock_writing();
        self.shared.move_version(version);
    }

    fn object_count(&self) -> Option<usize> {
        Some(self.shared.snapshot().len())
    }
}

impl<T: Send + Sync> SnapshotStore<T> for IndexerWriter<T> {
    fn snapshot(&self) -> Snapshot<T> {
        self.shared.snapshot()
    }
}

/// The end of a delta pipeline.
impl<T> Target<T> for IndexerWriter<T> {
    fn upsert(&mut self, entry: Entry<T>) -> Option<Entry<T>> {
        let _writing = self.shared.lock_writing();
        self.shared.upsert(entry)
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Entry<T>> {
        let _writing = self.shared.lock_writing();
        self.shared.delete(key)
    }

    fn replace(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Snapshot<T> {
        let _writing = self.shared.lock_writing();
        self.shared.commit(staging, version)
    }

    fn move_version(&mut self, version: &ResourceVersion) {
        let _writing = self.shared.lock_writing();
        self.shared.move_version(version);
    }

    fn snapshot(&self) -> Snapshot<T> {
        self.shared.snapshot()
    }
}

impl<T> Default for IndexerWriter<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for IndexerWriter<T> {
    fn drop(&mut self) {
        self.shared.waiters.writer_went();
    }
}

impl<T> fmt::Debug for IndexerWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexerWriter")
            .field("store", &self.shared.snapshot())
            .finish()
    }
}

//! `Indexer`: a store that many threads read while one writer keeps it true.
//!
//! Two locks. The lock of the content is held for one map operation at a time, and no code of the
//! user's runs under it; a replace is prepared outside and swapped in. The lock of the writers keeps
//! two writers apart while each works out what it changes; readers never meet it. Who reads one object
//! by its key meets neither, but only the lock of the key's shard (`by_key.rs`).

use std::fmt;
use std::sync::Arc;

use heliostat_core::informer::Target;
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::packed::{Packed, UnpackError};
use heliostat_core::printable::printable;
use heliostat_core::store::index::{IndexError, IndexFailures, IndexFunc, NAMESPACE_INDEX};
use heliostat_core::store::indexer::{Change, IndexedObjects};
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::store::transaction::{Op, Transaction};
use heliostat_core::store::{SnapshotStore, Staging, Store, StoreError};
use heliostat_core::version::ResourceVersion;

use super::by_key::ByKey;
use super::waiters::{Waiters, Wanted, WriterGone};
use crate::log_limit;
use crate::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Keyed objects with named indexes, shared between threads. A clone is another handle to the same
/// store.
///
/// A reflector feeds it through a [`writer`](Self::writer); a program that has a source of its own
/// feeds it with [`add`](Self::add), [`update`](Self::update), [`delete`](Self::delete) and
/// [`replace`](Self::replace). Everyone else reads.
///
/// One question is answered by one state of the store, but two questions may be answered by two. Ask
/// a [`snapshot`](Self::snapshot) where answers must fit together.
///
/// ```
/// use heliostat::{Entry, Header, IndexFunc, Indexer, ObjectKey};
///
/// // Any type will do; here a pod is the name of its node.
/// let pods = Indexer::<&'static str>::new();
/// pods.add_index("node", IndexFunc::new(|pod: &Entry<&'static str>| [*pod.object]))?;
///
/// let key = ObjectKey::namespaced("default", "web");
/// let header = Header { key: key.clone(), resource_version: "7".into(), uid: "u".into() };
/// pods.add(Entry::new(header, "node-1"));
///
/// assert_eq!(*pods.get(&key).unwrap().object, "node-1");
/// assert_eq!(pods.by_index("node", "node-1")?.len(), 1);
/// # Ok::<(), heliostat::store::IndexError>(())
/// ```
pub struct Indexer<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    content: RwLock<IndexedObjects<T>>,
    /// What the content holds, for reads of one object; changed while the content is.
    by_key: ByKey<T>,
    writing: Mutex<()>,
    waiters: Waiters,
}

/// The most objects that are looked up while a writer waits: as long as a few of its own changes take.
/// More are taken from a snapshot, which takes longer and lets it go on.
const LOOKED_UP_MAX: usize = 64;

impl<T> Indexer<T> {
    /// An empty store without indexes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                content: RwLock::new(IndexedObjects::new()),
                by_key: ByKey::new(),
                writing: Mutex::new(()),
                waiters: Waiters::default(),
            }),
        }
    }

    /// An empty store with the index [`NAMESPACE_INDEX`].
    ///
    /// [`in_namespace`](Self::in_namespace) does without it; it serves those who ask for it by name.
    #[must_use]
    pub fn with_namespace_index() -> Self {
        let this = Self::new();
        this.add_index(NAMESPACE_INDEX, IndexFunc::by_namespace())
            .expect("a new store has no index whose name could clash");
        this
    }

    /// A way for a reflector to feed this store.
    ///
    /// Once the last writer is dropped, those who wait for the store learn that nothing more will
    /// come; what it holds stays.
    #[must_use]
    pub fn writer(&self) -> IndexerWriter<T> {
        self.shared.waiters.writer_came();
        IndexerWriter {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Adds an index at any time; the objects that are there are filed before this returns.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn add_index(
        &self,
        name: impl Into<Arc<str>>,
        func: IndexFunc<T>,
    ) -> Result<(), IndexError> {
        self.add_indexes([(name, func)])
    }

    /// Adds several indexes in one step.
    ///
    /// # Errors
    /// If one of the names is taken, or comes twice; no index is then added.
    pub fn add_indexes<N: Into<Arc<str>>>(
        &self,
        indexes: impl IntoIterator<Item = (N, IndexFunc<T>)>,
    ) -> Result<(), IndexError> {
        let _writing = self.shared.lock_writing();
        let indexes = self.shared.read().prepare_indexes(indexes)?;
        report(&indexes.failures());
        self.shared.change().install(indexes);
        Ok(())
    }

    /// Puts an object in, in the place of one of the same key, and gives that one back.
    ///
    /// The version of the store moves to the object's, if that is a version and not known to be
    /// older. A store that a reflector feeds is none of the caller's to change: the reflector would
    /// not know.
    pub fn add(&self, entry: Entry<T>) -> Option<Entry<T>> {
        let _writing = self.shared.lock_writing();
        let version = entry.header.resource_version.clone();
        let old = self.shared.upsert(entry);
        if version.is_real() && !version.is_older_than(&self.resource_version()) {
            self.shared.move_version(&version);
        }
        old
    }

    /// The same as [`add`](Self::add), for who knows that the object is there.
    pub fn update(&self, entry: Entry<T>) -> Option<Entry<T>> {
        self.add(entry)
    }

    /// Takes an object out, and gives it back. The version of the store stays: the version at which
    /// the object went is not that of its last state.
    pub fn delete(&self, key: &ObjectKey) -> Option<Entry<T>> {
        let _writing = self.shared.lock_writing();
        self.shared.delete(key)
    }

    /// Puts these objects in the place of all that are there, in one step; the store is then synced.
    /// Objects that did not change are kept, not replaced; of two with one key, the later counts.
    pub fn replace(&self, entries: impl IntoIterator<Item = Entry<T>>, version: &ResourceVersion) {
        let mut staging = self.shared.read().begin();
        for entry in entries {
            staging.stage(entry);
        }
        let _writing = self.shared.lock_writing();
        self.shared.commit(staging, version);
    }

    /// Makes several changes in one step: readers see all of them or none. Gives back what each of
    /// them found in its place, in their order.
    ///
    /// The version of the store moves as [`add`](Self::add) and [`delete`](Self::delete) would move
    /// it one after the other, and in the same step. Index functions run while readers go on.
    pub fn transact(&self, ops: impl IntoIterator<Item = Op<T>>) -> Vec<Option<Entry<T>>> {
        // The caller's iterator may do anything, reading or writing this store included.
        let ops: Vec<_> = ops.into_iter().collect();
        if ops.is_empty() {
            return Vec::new();
        }
        let keys: Vec<_> = ops.iter().map(|op| op.key().clone()).collect();
        let _writing = self.shared.lock_writing();
        let mut transaction = self.shared.read().begin_transaction();
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

    /// The object of this key.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Entry<T>> {
        self.shared.by_key.get(key.as_str())
    }

    /// The object of this key alone, without its header: the fastest way to read one.
    #[must_use]
    pub fn get_object(&self, key: &ObjectKey) -> Option<Arc<T>> {
        self.shared.by_key.read(key.as_str(), Arc::clone)
    }

    /// All objects, in the order of their keys.
    #[must_use]
    pub fn list(&self) -> Vec<Entry<T>> {
        self.snapshot().iter().cloned().collect()
    }

    /// All keys, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.snapshot().keys().cloned().collect()
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.read().view().len()
    }

    /// True if there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The objects of one namespace, in the order of their keys; of the empty namespace, all objects.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Vec<Entry<T>> {
        self.snapshot().in_namespace(namespace).cloned().collect()
    }

    /// The objects that have this value in the index `name`, in the order of their keys.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn by_index(&self, name: &str, value: &str) -> Result<Vec<Entry<T>>, IndexError> {
        let content = self.shared.read();
        let mut keys = content.view().index_keys(name, value)?;
        let few: Vec<_> = keys.by_ref().take(LOOKED_UP_MAX).collect();
        if few.len() < LOOKED_UP_MAX {
            // What is in the table belongs to the content while that is locked.
            return Ok(self.shared.by_key.get_all(&few));
        }
        drop((few, keys));
        let snapshot = content.snapshot();
        drop(content);
        let entries = snapshot.by_index(name, value)?;
        Ok(entries.cloned().collect())
    }

    /// The objects that have all these values, given as pairs of an index name and a value. The value
    /// with the fewest objects should come first.
    ///
    /// # Errors
    /// If there is no index of one of the names.
    pub fn by_indexes(&self, wanted: &[(&str, &str)]) -> Result<Vec<Entry<T>>, IndexError> {
        let snapshot = self.snapshot();
        let entries = snapshot.by_indexes(wanted)?;
        Ok(entries.into_iter().cloned().collect())
    }

    /// The objects that share at least one value in the index `name` with `entry`, each once.
    ///
    /// # Errors
    /// If there is no such index, or its function fails for `entry`.
    pub fn sharing(&self, name: &str, entry: &Entry<T>) -> Result<Vec<Entry<T>>, IndexError> {
        let snapshot = self.snapshot();
        let entries = snapshot.sharing(name, entry)?;
        Ok(entries.into_iter().cloned().collect())
    }

    /// The keys of the objects that have this value in the index `name`, sorted.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn index_keys(&self, name: &str, value: &str) -> Result<Vec<ObjectKey>, IndexError> {
        let snapshot = self.snapshot();
        let keys = snapshot.index_keys(name, value)?;
        Ok(keys.cloned().collect())
    }

    /// The values that objects have in the index `name`, sorted; none if there is no such index.
    #[must_use]
    pub fn index_values(&self, name: &str) -> Vec<Arc<str>> {
        self.snapshot().index_values(name).cloned().collect()
    }

    /// How often the function of the index `name` failed, and the last time.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn index_failures(&self, name: &str) -> Result<IndexFailures, IndexError> {
        self.snapshot().index_failures(name).cloned()
    }

    /// The present state, with all its indexes and its version, to keep; in constant time.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<T> {
        self.shared.snapshot()
    }

    /// The version of the store: all changes up to it are in. Unset before the first replace.
    #[must_use]
    pub fn resource_version(&self) -> ResourceVersion {
        self.shared.read().view().resource_version().clone()
    }

    /// True once the store has had its first complete content.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.shared.read().view().is_synced()
    }

    /// Waits until the store has had its first complete content.
    ///
    /// # Errors
    /// If the last writer is gone before that. A store that no writer was ever taken of may be fed
    /// by hand, and is waited for.
    ///
    /// # Cancel safety
    /// Cancel safe: a future that is dropped leaves nothing behind.
    pub async fn wait_synced(&self) -> Result<(), WriterGone> {
        let present = || self.snapshot();
        self.shared.waiters.wait(Wanted::Synced, present).await
    }

    /// Waits until the store holds all changes up to `version`: to read what one has written.
    ///
    /// Decimal versions are compared. Any other version is waited for to the letter, so a wait that
    /// begins after the store has passed it does not end; give such a wait a timeout. An unset
    /// version and `0` wait for any complete content.
    ///
    /// # Errors
    /// If the last writer is gone before that.
    ///
    /// # Cancel safety
    /// Cancel safe: a future that is dropped leaves nothing behind.
    pub async fn wait_for(&self, version: &ResourceVersion) -> Result<(), WriterGone> {
        let present = || self.snapshot();
        let wanted = Wanted::version(version);
        self.shared.waiters.wait(wanted, present).await
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.shared.waiters.len()
    }
}

impl<T> Indexer<Packed<T>> {
    /// The object of this key, decoded: the fastest way to read one. Within the memory budget of its
    /// [`Packing`](crate::Packing) this copies a pointer; beyond it, the object is
    /// unpacked and decoded here.
    ///
    /// # Errors
    /// As for [`Packed::get`].
    pub fn get_decoded(&self, key: &ObjectKey) -> Result<Option<Arc<T>>, UnpackError> {
        let look = |packed: &Arc<Packed<T>>| packed.kept().ok_or_else(|| Arc::clone(packed));
        match self.shared.by_key.read(key.as_str(), look) {
            None => Ok(None),
            Some(Ok(decoded)) => Ok(Some(decoded)),
            // Decoding takes long: nobody waits for that.
            Some(Err(packed)) => packed.get().map(Some),
        }
    }
}

impl<T> Default for Indexer<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Indexer<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for Indexer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Indexer").field(&self.snapshot()).finish()
    }
}

/// What feeds an [`Indexer`]: the [`Store`] that a reflector is given.
pub struct IndexerWriter<T> {
    shared: Arc<Shared<T>>,
}

impl<T> IndexerWriter<T> {
    /// The store that this feeds, to read.
    #[must_use]
    pub fn indexer(&self) -> Indexer<T> {
        Indexer {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Send + Sync> IndexerWriter<T> {
    /// Makes several changes in one step. With a version, the content is complete at that version.
    pub(super) fn apply(&self, ops: Vec<Op<T>>, version: Option<&ResourceVersion>) {
        let keys: Vec<_> = ops.iter().map(|op| op.key().clone()).collect();
        let _writing = self.shared.lock_writing();
        let mut transaction = self.shared.read().begin_transaction();
        transaction.extend(ops);
        if let Some(version) = version {
            transaction.set_resource_version(version);
            transaction.set_synced();
        }
        drop(self.shared.commit_transaction(transaction, &keys));
    }
}

impl<T: Send + Sync> Store<T> for IndexerWriter<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let _writing = self.shared.lock_writing();
        self.shared.upsert(entry);
        Ok(())
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
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
        self.shared.read().begin()
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

/// The content is changed by whoever holds the lock of the writers, and by nobody else. A writer that
/// works out a change under the reading side of the content lock therefore keeps nobody waiting.
impl<T> Shared<T> {
    fn upsert(&self, entry: Entry<T>) -> Option<Entry<T>> {
        let change = self.read().prepare_upsert(entry);
        report(&change.failures());
        self.put(change)
    }

    fn delete(&self, key: &ObjectKey) -> Option<Entry<T>> {
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

    /// Gives the state before. It is the caller's to drop where no reader waits: that may free a whole
    /// collection.
    fn commit(&self, staging: Staging<T>, version: &ResourceVersion) -> Snapshot<T> {
        let replacement = self.read().prepare_replace(staging, version);
        report(replacement.failures());
        let is_other = !replacement.view().has_objects_of(self.read().view());
        let tables = is_other.then(|| self.by_key.tables(replacement.view()));
        let mut content = self.change();
        let tables = tables.map(|tables| self.by_key.swap(tables));
        let before = content.swap(replacement);
        drop(content);
        // Not under the lock; most of what it held lives on in the state before, which is the caller's.
        drop(tables);
        self.waiters.moved(version, true);
        before
    }

    fn commit_transaction(
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

    fn move_version(&self, version: &ResourceVersion) {
        let synced = {
            let mut content = self.change();
            content.set_resource_version(version);
            content.view().is_synced()
        };
        self.waiters.moved(version, synced);
    }

    fn snapshot(&self) -> Snapshot<T> {
        self.read().snapshot()
    }

    // The locks cannot be poisoned by the user's code, which runs under none of the content's and is
    // caught where it runs under the writers'; and a state is always whole.
    fn lock_writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, IndexedObjects<T>> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, IndexedObjects<T>> {
        self.content.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs objects that an index could not file: one line for a whole write, and not too many of them.
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

//! `Indexer`: the read handle of a store that many threads read while a writer keeps it true.
//!
//! `writer.rs` has what writes, `shared.rs` the state of both.

use std::fmt;
use std::sync::Arc;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::packed::{Packed, UnpackError};
use heliostat_core::store::index::{IndexError, IndexFailures, IndexFunc};
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::version::ResourceVersion;

use super::shared::Shared;
use super::waiters::{Wanted, WriterGone};

/// Read access to keyed objects with named indexes, shared between threads. A clone is another handle
/// to the same store.
///
/// The store is written through its [`IndexerWriter`](crate::IndexerWriter), which a reflector owns, or
/// the program itself if it fills the store. A read handle cannot change the objects; it can add indexes.
///
/// One question is answered by one state of the store, but two questions may be answered by two. Use
/// a [`snapshot`](Self::snapshot) where answers must fit together.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use heliostat::source::memory::MemorySource;
/// use heliostat::{Entry, IndexFunc, Reflector};
///
/// // Any type will do; here a pod is the name of its node.
/// let source = MemorySource::<&'static str>::new();
/// source.create("default/web".parse()?, "node-1")?;
///
/// let (reflector, pods) = Reflector::with_indexer(source);
/// pods.add_index("node", IndexFunc::new(|pod: &Entry<&'static str>| [*pod.object]))?;
/// let mirror = reflector.start();
/// mirror.wait_synced(Duration::from_secs(30)).await?;
///
/// assert_eq!(*pods.get(&"default/web".parse()?).unwrap().object, "node-1");
/// assert_eq!(pods.by_index("node", "node-1")?.len(), 1);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub struct Indexer<T> {
    pub(super) shared: Arc<Shared<T>>,
}

/// The most objects that are looked up while a writer waits: as long as a few of its own changes take.
/// More are taken from a snapshot, which takes longer and lets it go on.
const LOOKED_UP_MAX: usize = 64;

impl<T> Indexer<T> {
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
        self.shared.add_indexes(indexes)
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
        self.shared.resource_version()
    }

    /// True once the store has had its first complete content.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.shared.read().view().is_synced()
    }

    /// Waits until the store has had its first complete content.
    pub(crate) async fn synced(&self) -> Result<(), WriterGone> {
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
    /// If the writer is dropped before that.
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

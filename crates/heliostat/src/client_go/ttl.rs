//! `TtlIndexer` and `TtlWriter`: a shared store that deletes each object some time after its last write.
//!
//! Reading is reading an [`Indexer`]. A read first removes what has expired, under the lock of the
//! writers, so an object that is written at that moment is never lost.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::expiring::{Ttl, TtlStore};
use heliostat_core::store::index::{IndexError, IndexFunc};
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::store::{Staging, Store, StoreError};
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;
use tokio::time::Instant;

use crate::store::{GroupResource, Indexer, IndexerWriter, Lister};

#[cfg(test)]
mod tests;

/// Read access to a store that deletes each object some time after its last write, shared between
/// threads. A clone is another handle to the same store; a [`TtlWriter`] writes to it.
///
/// Expired objects are never returned. They leave memory with the next read or write, or by
/// [`expire`](Self::expire), which also returns them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use heliostat::{Entry, Header, ObjectKey};
/// use heliostat::client_go::{Ttl, TtlWriter};
///
/// let writer = TtlWriter::<&'static str>::new(Ttl::Fixed(Duration::from_secs(30)));
/// let store = writer.indexer();
/// let key = ObjectKey::cluster("lease");
/// let header = Header { key: key.clone(), resource_version: "1".into(), uid: "u".into() };
/// writer.upsert(Entry::new(header, "held"));
/// assert!(store.get(&key).is_some());
/// assert!(store.next_expiry().is_some());
/// # }
/// ```
pub struct TtlIndexer<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    writing: Mutex<TtlStore<T, IndexerWriter<T>>>,
    objects: Indexer<T>,
    start: Instant,
    /// When the next object expires, in nanoseconds since `start`; `NEVER` if none does. Spares a
    /// reader the lock of the writers.
    next: AtomicU64,
}

/// No object will expire. A time to live that reaches further than 580 years ends here too.
const NEVER: u64 = u64::MAX;

impl<T: Send + Sync> TtlIndexer<T> {
    /// Adds an index at any time; the objects that are there are filed before this returns.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn add_index(
        &self,
        name: impl Into<Arc<str>>,
        func: IndexFunc<T>,
    ) -> Result<(), IndexError> {
        self.shared.objects.add_index(name, func)
    }

    /// Removes the expired objects and returns them, soonest first. No reader sees a difference.
    pub fn expire(&self) -> Vec<Entry<T>> {
        let now = self.shared.now();
        let expired = self.shared.write(|store| store.expire(now));
        // The store below refuses nothing.
        expired.unwrap_or_default()
    }

    /// When the next object expires, if one does.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        let next = self.shared.lock().next_expiry()?;
        self.shared.start.checked_add(next.elapsed())
    }

    /// The object of this key.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Entry<T>> {
        self.fresh().get(key)
    }

    /// All objects, in the order of their keys.
    #[must_use]
    pub fn list(&self) -> Vec<Entry<T>> {
        self.fresh().list()
    }

    /// All keys, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.fresh().keys()
    }

    /// The objects of one namespace, in the order of their keys; of the empty namespace, all objects.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Vec<Entry<T>> {
        self.fresh().in_namespace(namespace)
    }

    /// The objects that have this value in the index `name`, in the order of their keys.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn by_index(&self, name: &str, value: &str) -> Result<Vec<Entry<T>>, IndexError> {
        self.fresh().by_index(name, value)
    }

    /// The present state, with all its indexes and its version, to keep; what expires later stays in
    /// it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<T> {
        self.fresh().snapshot()
    }

    /// Returns a lister, whose objects are of this resource: `pods`, `deployments.apps`. It returns no
    /// object that has expired.
    pub fn lister(&self, resource: impl Into<GroupResource>) -> Lister<T>
    where
        T: 'static,
    {
        let this = self.clone();
        Lister::new(&self.shared.objects, resource).before_read(move || {
            this.fresh();
        })
    }

    /// The store, without what has expired.
    fn fresh(&self) -> &Indexer<T> {
        let now = nanoseconds(self.shared.now());
        if now > self.shared.next.load(Ordering::Acquire) {
            drop(self.expire());
        }
        &self.shared.objects
    }
}

impl<T> Shared<T> {
    fn now(&self) -> Time {
        Time::since_start(self.start.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, TtlStore<T, IndexerWriter<T>>> {
        // A panic of the function that gives the time to live leaves an object without one, at worst.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync> Shared<T> {
    fn write<R>(&self, write: impl FnOnce(&mut TtlStore<T, IndexerWriter<T>>) -> R) -> R {
        let mut store = self.lock();
        store.advance(self.now());
        let written = write(&mut store);
        let next = store.next_expiry().map_or(NEVER, nanoseconds);
        self.next.store(next, Ordering::Release);
        written
    }
}

/// The store below refuses nothing, so the writer's own methods return no error.
fn never_refused(written: &Result<(), StoreError>) {
    debug_assert!(written.is_ok(), "{written:?}");
}

fn nanoseconds(time: Time) -> u64 {
    u64::try_from(time.elapsed().as_nanos()).unwrap_or(NEVER)
}

impl<T> Clone for TtlIndexer<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for TtlIndexer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TtlIndexer")
            .field(&self.shared.objects)
            .finish()
    }
}

/// The writing half of a [`TtlIndexer`]: what a reflector owns, or a program that fills the store itself.
///
/// A reflector does not write again what did not change: such an object expires, and comes back with
/// its next event or the next list.
pub struct TtlWriter<T> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + Sync> TtlWriter<T> {
    /// Creates an empty store without indexes.
    #[must_use]
    pub fn new(ttl: Ttl<T>) -> Self {
        let writer = IndexerWriter::new();
        let objects = writer.indexer();
        Self {
            shared: Arc::new(Shared {
                writing: Mutex::new(TtlStore::over(writer, ttl)),
                objects,
                start: Instant::now(),
                next: AtomicU64::new(NEVER),
            }),
        }
    }

    /// Returns a read handle of the store.
    #[must_use]
    pub fn indexer(&self) -> TtlIndexer<T> {
        TtlIndexer {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Adds an object or replaces the one of the same key; its time starts anew.
    pub fn upsert(&self, entry: Entry<T>) {
        never_refused(&self.shared.write(|store| store.add(entry)));
    }

    /// Removes an object.
    pub fn remove(&self, key: &ObjectKey) {
        never_refused(&self.shared.write(|store| store.delete(key, None)));
    }

    /// Replaces all objects by these in one step; the time of each starts anew.
    pub fn replace(&self, entries: impl IntoIterator<Item = Entry<T>>, version: &ResourceVersion) {
        let mut staging = self.shared.write(Store::begin_replace);
        for entry in entries {
            staging.stage(entry);
        }
        never_refused(&self.shared.write(|store| store.commit(staging, version)));
    }
}

impl<T: Send + Sync> Store<T> for TtlWriter<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.shared.write(|store| store.add(entry))
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.shared.write(|store| store.update(entry))
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.shared.write(|store| store.delete(key, last_state))
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.shared.write(Store::begin_replace)
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        self.shared.write(|store| store.commit(staging, version))
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.shared.write(|store| store.bookmark(version));
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.shared
            .write(|store| store.update_resource_version(version));
    }

    fn object_count(&self) -> Option<usize> {
        Some(self.shared.objects.len())
    }
}

impl<T> fmt::Debug for TtlWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TtlWriter")
            .field(&self.shared.objects)
            .finish()
    }
}

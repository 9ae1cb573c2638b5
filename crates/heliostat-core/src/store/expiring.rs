//! `TtlStore`: a store that drops objects that have not been added again for a while.
//!
//! Each object has a deadline from when it was last written. An object past its deadline is never
//! shown; it leaves memory with the next write, or when [`TtlStore::expire`] is called.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::indexer::IndexedObjects;
use super::snapshot::Snapshot;
use super::{SnapshotStore, Staging, Store, StoreError};
use crate::object::{Entry, ObjectKey};
use crate::time::Time;
use crate::version::ResourceVersion;

/// How long an object lives after it was last written.
///
/// An object is expired when it is strictly older than that. A time of zero means for ever.
pub enum Ttl<T> {
    /// The same time for all.
    Fixed(Duration),
    /// A time by the object; none means for ever. It is asked once for each write.
    By(Arc<TtlFn<T>>),
}

/// Gives an object its time to live.
pub type TtlFn<T> = dyn Fn(&Entry<T>) -> Option<Duration> + Send + Sync;

impl<T> Ttl<T> {
    /// A time by the object; none, or zero, means for ever.
    pub fn by(ttl: impl Fn(&Entry<T>) -> Option<Duration> + Send + Sync + 'static) -> Self {
        Self::By(Arc::new(ttl))
    }

    fn of(&self, entry: &Entry<T>) -> Option<Duration> {
        let ttl = match self {
            Self::Fixed(ttl) => Some(*ttl),
            Self::By(ttl) => ttl(entry),
        };
        ttl.filter(|ttl| !ttl.is_zero())
    }
}

impl<T> Clone for Ttl<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Fixed(ttl) => Self::Fixed(*ttl),
            Self::By(ttl) => Self::By(Arc::clone(ttl)),
        }
    }
}

impl<T> fmt::Debug for Ttl<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(ttl) => f.debug_tuple("Fixed").field(ttl).finish(),
            Self::By(_) => f.write_str("By(..)"),
        }
    }
}

/// A store whose objects expire.
///
/// The calls of [`Store`] carry no time, so tell it with [`advance`](Self::advance) before each:
/// writes are stamped with the last time that was told. Reads take the time as an argument.
///
/// Every write stamps the object anew, an update as well as an add; a replace stamps all that it
/// leaves, also those that it found unchanged. The version of the store moves as that of the store
/// below does: an expiry moves nothing.
///
/// A mirror that feeds it does not tell an object again that did not change: such an object comes
/// back with its next event or the next replace.
pub struct TtlStore<T, S = IndexedObjects<T>> {
    store: S,
    ttl: Ttl<T>,
    now: Time,
    /// The moment after which an object is expired; none for those that live for ever.
    deadlines: BTreeMap<ObjectKey, Time>,
    /// The same, soonest first.
    queue: BTreeSet<(Time, ObjectKey)>,
}

impl<T: Send + Sync> TtlStore<T> {
    /// An empty store.
    #[must_use]
    pub fn new(ttl: Ttl<T>) -> Self {
        Self::over(IndexedObjects::new(), ttl)
    }
}

impl<T, S: SnapshotStore<T>> TtlStore<T, S> {
    /// Lets the objects of `store` expire; those that it holds already are stamped with the start of
    /// the clock.
    #[must_use]
    pub fn over(store: S, ttl: Ttl<T>) -> Self {
        let mut this = Self {
            store,
            ttl,
            now: Time::ZERO,
            deadlines: BTreeMap::new(),
            queue: BTreeSet::new(),
        };
        this.stamp_all();
        this
    }

    /// Tells the time. It never goes back: an earlier time than the last is ignored.
    pub fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Takes out what has expired, and gives it back, soonest first.
    ///
    /// # Errors
    /// If the store below refuses to let an object go; that one and those after it are then tried
    /// again by the next call.
    pub fn expire(&mut self, now: Time) -> Result<Vec<Entry<T>>, StoreError> {
        self.advance(now);
        let mut expired = Vec::new();
        while let Some((deadline, key)) = self.queue.first() {
            if *deadline >= self.now {
                break;
            }
            let key = key.clone();
            let last = self.store.snapshot().get(&key).cloned();
            self.store.delete(&key, last.clone())?;
            self.forget(&key);
            expired.extend(last);
        }
        Ok(expired)
    }

    /// When the next object expires: any time after this one.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Time> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// The object of this key, unless it is expired by now.
    #[must_use]
    pub fn get(&self, now: Time, key: &ObjectKey) -> Option<Entry<T>> {
        let found = self.store.snapshot().get(key).cloned();
        found.filter(|entry| !self.is_expired(now, entry.key()))
    }

    /// All objects that are not expired by now, in the order of their keys.
    #[must_use]
    pub fn list(&self, now: Time) -> Vec<Entry<T>> {
        let snapshot = self.store.snapshot();
        let alive = snapshot
            .iter()
            .filter(|entry| !self.is_expired(now, entry.key()));
        alive.cloned().collect()
    }

    /// The store below, with what has expired and was not taken out yet.
    pub const fn store(&self) -> &S {
        &self.store
    }

    fn is_expired(&self, now: Time, key: &ObjectKey) -> bool {
        let deadline = self.deadlines.get(key);
        deadline.is_some_and(|deadline| *deadline < now.max(self.now))
    }

    fn stamp(&mut self, key: &ObjectKey, ttl: Option<Duration>) {
        self.forget(key);
        if let Some(ttl) = ttl {
            let deadline = self.now + ttl;
            self.deadlines.insert(key.clone(), deadline);
            self.queue.insert((deadline, key.clone()));
        }
    }

    fn stamp_all(&mut self) {
        self.deadlines.clear();
        self.queue.clear();
        for entry in self.store.snapshot().iter() {
            let ttl = self.ttl.of(entry);
            self.stamp(entry.key(), ttl);
        }
    }

    fn forget(&mut self, key: &ObjectKey) {
        if let Some(deadline) = self.deadlines.remove(key) {
            self.queue.remove(&(deadline, key.clone()));
        }
    }

    fn put(
        &mut self,
        entry: Entry<T>,
        write: impl FnOnce(&mut S, Entry<T>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.expire(self.now)?;
        let key = entry.key().clone();
        let ttl = self.ttl.of(&entry);
        write(&mut self.store, entry)?;
        self.stamp(&key, ttl);
        Ok(())
    }
}

impl<T: Send + Sync, S: SnapshotStore<T>> Store<T> for TtlStore<T, S> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.put(entry, S::add)
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.put(entry, S::update)
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.expire(self.now)?;
        self.store.delete(key, last_state)?;
        self.forget(key);
        Ok(())
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.store.begin_replace()
    }

    /// An object that has expired is no longer stored, so a replace does not keep it.
    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        self.expire(self.now)?;
        self.store.commit(staging, version)?;
        self.stamp_all();
        Ok(())
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        self.store.resync()
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.store.bookmark(version);
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.store.update_resource_version(version);
    }

    fn object_count(&self) -> Option<usize> {
        self.store.object_count()
    }
}

impl<T: Send + Sync, S: SnapshotStore<T>> SnapshotStore<T> for TtlStore<T, S> {
    /// With what has expired and was not taken out yet: [`expire`](Self::expire) first.
    fn snapshot(&self) -> Snapshot<T> {
        self.store.snapshot()
    }
}

impl<T, S: fmt::Debug> fmt::Debug for TtlStore<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TtlStore")
            .field("store", &self.store)
            .field("ttl", &self.ttl)
            .field("next_expiry", &self.queue.first())
            .finish_non_exhaustive()
    }
}

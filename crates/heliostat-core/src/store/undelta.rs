//! `UndeltaStore`: a store that hands on the whole state after each change.
//!
//! For who keeps no state of its own and wants all of it every time: a configuration that is
//! rendered anew, a table that is drawn anew.

use std::fmt;
use std::marker::PhantomData;

use super::indexer::IndexedObjects;
use super::snapshot::Snapshot;
use super::{SnapshotStore, Staging, Store, StoreError};
use crate::object::{Entry, ObjectKey};
use crate::version::ResourceVersion;

/// A store that calls a function with the complete state after each change.
///
/// A change is an object that came, changed or went, and a whole replace; each is told once, after it
/// is in place. A change that the store refuses, a bookmark and a resync are not told. The state
/// comes as a [`Snapshot`], which takes constant time however much is stored, and may be kept.
///
/// There is one writer, so no state is told twice and none out of order. The function runs on the
/// writer's task: while it runs, nothing else is written.
///
/// ```
/// use heliostat_core::object::{Entry, Header, ObjectKey};
/// use heliostat_core::store::Store;
/// use heliostat_core::store::snapshot::Snapshot;
/// use heliostat_core::store::undelta::UndeltaStore;
///
/// let mut sizes = Vec::new();
/// let mut store = UndeltaStore::new(|state: Snapshot<&str>| sizes.push(state.len()));
/// let header = Header {
///     key: ObjectKey::cluster("a"),
///     resource_version: "1".into(),
///     uid: "u".into(),
/// };
/// store.add(Entry::new(header.clone(), "an object"))?;
/// store.delete(&header.key, None)?;
/// drop(store);
/// assert_eq!(sizes, [1, 0]);
/// # Ok::<(), heliostat_core::store::StoreError>(())
/// ```
pub struct UndeltaStore<T, F, S = IndexedObjects<T>> {
    store: S,
    push: F,
    /// Objects come in, so the type behaves as a function of them does.
    objects: PhantomData<fn(T)>,
}

impl<T: Send + Sync, F: FnMut(Snapshot<T>)> UndeltaStore<T, F> {
    /// An empty store that tells `push` its states.
    pub fn new(push: F) -> Self {
        Self::over(IndexedObjects::new(), push)
    }
}

impl<T, F: FnMut(Snapshot<T>), S: SnapshotStore<T>> UndeltaStore<T, F, S> {
    /// Tells `push` the states of `store`, from its next change on.
    pub const fn over(store: S, push: F) -> Self {
        Self {
            store,
            push,
            objects: PhantomData,
        }
    }

    /// The store, to read.
    pub const fn store(&self) -> &S {
        &self.store
    }

    fn tell(&mut self, changed: Result<(), StoreError>) -> Result<(), StoreError> {
        changed?;
        (self.push)(self.store.snapshot());
        Ok(())
    }
}

impl<T, F, S> Store<T> for UndeltaStore<T, F, S>
where
    F: FnMut(Snapshot<T>) + Send,
    S: SnapshotStore<T>,
{
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let changed = self.store.add(entry);
        self.tell(changed)
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let changed = self.store.update(entry);
        self.tell(changed)
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        let changed = self.store.delete(key, last_state);
        self.tell(changed)
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.store.begin_replace()
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let changed = self.store.commit(staging, version);
        self.tell(changed)
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

impl<T, F, S: fmt::Debug> fmt::Debug for UndeltaStore<T, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndeltaStore")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

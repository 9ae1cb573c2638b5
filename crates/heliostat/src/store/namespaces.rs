//! One store fed by several reflectors, one for each namespace.
//!
//! Each namespace is a collection with a version of its own, so none can be resumed at another's.
//! A [`NamespaceWriter`] replaces the objects of its namespace and leaves the others alone; the
//! store's version is the oldest of all, so that waiting for a version waits for every namespace.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::version::ResourceVersion;

use super::{Indexer, IndexerWriter, Store, StoreError};

impl<T: Send + Sync> Indexer<T> {
    /// A writer for each of several namespaces, in their order, to be given to a reflector each.
    ///
    /// The store is synced once every namespace has been listed; objects of those that are listed
    /// earlier can be read before that.
    ///
    /// ```
    /// use heliostat::Indexer;
    ///
    /// let store = Indexer::<String>::new();
    /// let writers = store.namespace_writers(["shop", "bank"]);
    /// assert_eq!(writers.len(), 2);
    /// ```
    pub fn namespace_writers<'a>(
        &self,
        namespaces: impl IntoIterator<Item = &'a str>,
    ) -> Vec<NamespaceWriter<T>> {
        let names: Vec<&str> = namespaces.into_iter().collect();
        let versions = names
            .iter()
            .map(|name| ((*name).to_owned(), None))
            .collect();
        let reached = Arc::new(Mutex::new(Reached { versions }));
        let writer = |name: &&str| NamespaceWriter {
            writer: self.writer(),
            namespace: (*name).to_owned(),
            reached: Arc::clone(&reached),
            staged: BTreeMap::new(),
            objects: 0,
        };
        names.iter().map(writer).collect()
    }
}

/// Feeds one namespace of an [`Indexer`].
pub struct NamespaceWriter<T> {
    writer: IndexerWriter<T>,
    namespace: String,
    reached: Arc<Mutex<Reached>>,
    /// The set aside; nothing stands for an object whose present state is kept.
    staged: BTreeMap<ObjectKey, Option<Entry<T>>>,
    /// How many objects of the store are this namespace's; asked for after every batch of events.
    objects: usize,
}

/// How far each namespace has come; held while the store is changed, so that the store's version and
/// content move together.
struct Reached {
    versions: BTreeMap<String, Option<ResourceVersion>>,
}

impl Reached {
    fn set(&mut self, namespace: &str, version: &ResourceVersion) {
        self.versions
            .insert(namespace.to_owned(), Some(version.clone()));
    }

    /// The version that all have come to; none as long as one was never listed.
    fn by_all(&self) -> Option<ResourceVersion> {
        let mut versions = self.versions.values();
        let first = versions.next()?.clone()?;
        versions.try_fold(first, |oldest, version| {
            let version = version.as_ref()?;
            Some(if version.is_older_than(&oldest) {
                version.clone()
            } else {
                oldest
            })
        })
    }
}

impl<T: Send + Sync> NamespaceWriter<T> {
    /// The namespace that this feeds.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Makes a change and counts what it brought or took. Nobody else feeds the store meanwhile: the
    /// caller holds the lock that all writers of the store share.
    fn counted(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let others = self.writer.indexer().len().saturating_sub(self.objects);
        let result = change(self);
        self.objects = self.writer.indexer().len().saturating_sub(others);
        result
    }

    fn move_version(&mut self, version: &ResourceVersion) {
        let reached = Arc::clone(&self.reached);
        let mut reached = lock(&reached);
        reached.set(&self.namespace, version);
        if let Some(version) = reached.by_all() {
            self.writer.update_resource_version(&version);
        }
    }

    /// Puts the new set in the place of the namespace's, in one step with all others as they are.
    fn replace(&mut self, version: &ResourceVersion) -> Result<(), StoreError> {
        let present = self.writer.indexer().snapshot();
        self.writer.begin_replace();
        for entry in present.iter() {
            if entry.key().namespace() != Some(&self.namespace) {
                self.writer.keep(entry.key());
            }
        }
        for (key, entry) in std::mem::take(&mut self.staged) {
            match entry {
                Some(entry) => self.writer.stage(entry),
                None => self.writer.keep(&key),
            }
        }
        self.writer.commit_replace(version)
    }

    /// Before every namespace has been listed the store must not call itself synced, so the objects
    /// come one by one.
    fn fill_in(&mut self) -> Result<(), StoreError> {
        let present = self.writer.indexer().in_namespace(&self.namespace);
        for entry in present
            .iter()
            .filter(|entry| !self.staged.contains_key(entry.key()))
        {
            self.writer.delete(entry.key(), None)?;
        }
        for entry in std::mem::take(&mut self.staged).into_values().flatten() {
            self.writer.add(entry)?;
        }
        Ok(())
    }
}

impl<T: Send + Sync> Store<T> for NamespaceWriter<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let reached = Arc::clone(&self.reached);
        let _held = lock(&reached);
        self.counted(|this| this.writer.add(entry))
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.add(entry)
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        let reached = Arc::clone(&self.reached);
        let _held = lock(&reached);
        self.counted(|this| this.writer.delete(key, last_state))
    }

    fn begin_replace(&mut self) {
        self.staged.clear();
    }

    fn stage(&mut self, entry: Entry<T>) {
        self.staged.insert(entry.key().clone(), Some(entry));
    }

    fn unstage(&mut self, key: &ObjectKey) {
        self.staged.remove(key);
    }

    fn keep(&mut self, key: &ObjectKey) {
        self.staged.entry(key.clone()).or_default();
    }

    fn commit_replace(&mut self, version: &ResourceVersion) -> Result<(), StoreError> {
        let reached = Arc::clone(&self.reached);
        let mut reached = lock(&reached);
        reached.set(&self.namespace, version);
        match reached.by_all() {
            Some(version) => self.counted(|this| this.replace(&version)),
            None => self.counted(Self::fill_in),
        }
    }

    fn abort_replace(&mut self) {
        self.staged.clear();
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.move_version(version);
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.move_version(version);
    }

    fn object_count(&self) -> Option<usize> {
        Some(self.objects)
    }
}

impl<T> fmt::Debug for NamespaceWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceWriter")
            .field("namespace", &self.namespace)
            .field("staged", &self.staged.len())
            .finish_non_exhaustive()
    }
}

fn lock(reached: &Mutex<Reached>) -> MutexGuard<'_, Reached> {
    // User code under this lock is caught by the driver; the versions are always whole.
    reached.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use heliostat_core::object::{Header, Uid};

    use super::*;

    fn entry(key: &str, version: u64) -> Entry<u64> {
        let header = Header {
            key: key.parse().unwrap(),
            resource_version: version.into(),
            uid: Uid::from(key),
        };
        Entry::new(header, version)
    }

    fn list(writer: &mut NamespaceWriter<u64>, keys: &[&str], version: u64) {
        writer.begin_replace();
        for key in keys {
            writer.stage(entry(key, version));
        }
        writer.commit_replace(&version.into()).unwrap();
    }

    fn keys(store: &Indexer<u64>) -> Vec<String> {
        store.keys().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_namespace_is_replaced_for_itself() {
        let store = Indexer::new();
        let mut writers = store.namespace_writers(["a", "b"]);
        let [a, b] = &mut writers[..] else { panic!() };
        list(a, &["a/1", "a/2"], 5);
        assert_eq!(keys(&store), ["a/1", "a/2"], "what is listed can be read");
        assert!(!store.is_synced(), "the other namespace was never listed");
        list(b, &["b/1"], 4);
        assert!(store.is_synced());
        assert_eq!((a.object_count(), b.object_count()), (Some(2), Some(1)));
        list(a, &["a/2"], 9);
        assert_eq!(keys(&store), ["a/2", "b/1"]);
        assert_eq!((a.object_count(), b.object_count()), (Some(1), Some(1)));
        b.add(entry("b/1", 10)).unwrap();
        b.add(entry("b/2", 11)).unwrap();
        assert_eq!(b.object_count(), Some(2));
        b.delete(&"b/2".parse().unwrap(), None).unwrap();
        assert_eq!(b.object_count(), Some(1));
        a.begin_replace();
        a.keep(&"a/2".parse().unwrap());
        a.commit_replace(&10.into()).unwrap();
        assert_eq!(keys(&store), ["a/2", "b/1"]);
    }

    #[test]
    fn a_list_before_the_sync_takes_away_what_vanished() {
        let store = Indexer::new();
        let mut writers = store.namespace_writers(["a", "b"]);
        list(&mut writers[0], &["a/1", "a/2"], 5);
        list(&mut writers[0], &["a/2"], 6);
        assert_eq!(keys(&store), ["a/2"]);
    }

    #[test]
    fn the_version_is_the_oldest_of_all() {
        let store = Indexer::new();
        let mut writers = store.namespace_writers(["a", "b"]);
        let [a, b] = &mut writers[..] else { panic!() };
        list(a, &[], 5);
        assert!(store.resource_version().is_unset());
        list(b, &[], 7);
        assert_eq!(store.resource_version(), 5.into());
        a.bookmark(&9.into());
        assert_eq!(store.resource_version(), 7.into());
        b.add(entry("b/1", 12)).unwrap();
        b.update_resource_version(&12.into());
        assert_eq!(store.resource_version(), 9.into());
    }
}

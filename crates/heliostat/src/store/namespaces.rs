//! One store fed by several reflectors, one for each namespace.
//!
//! Each namespace is a collection with a version of its own, so none can be resumed at another's.
//! A [`NamespaceWriter`] replaces the objects of its namespace and leaves the others alone; the
//! store's version is the oldest of all, so that waiting for a version waits for every namespace.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::difference::Difference;
use heliostat_core::version::ResourceVersion;

use super::{IndexerWriter, Op, Snapshot, Staging, Store, StoreError};

impl<T: Send + Sync> IndexerWriter<T> {
    /// Splits the writer into one for each of several namespaces, in their order, for a reflector each.
    ///
    /// The store is synced once every namespace has been listed; objects of those that are listed
    /// earlier can be read before that.
    ///
    /// # Errors
    /// If a namespace is given twice, since its two reflectors would delete each other's objects, or if
    /// a name is empty, since that means all namespaces.
    ///
    /// ```
    /// use heliostat::IndexerWriter;
    ///
    /// let writer = IndexerWriter::<String>::new();
    /// assert_eq!(writer.by_namespace(["shop", "bank"])?.len(), 2);
    /// assert!(IndexerWriter::<String>::new().by_namespace(["shop", "shop"]).is_err());
    /// # Ok::<(), heliostat::store::NamespacesError>(())
    /// ```
    pub fn by_namespace<'a>(
        self,
        namespaces: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<NamespaceWriter<T>>, NamespacesError> {
        let names: Vec<&str> = namespaces.into_iter().collect();
        let mut versions = BTreeMap::new();
        for name in &names {
            if name.is_empty() {
                return Err(NamespacesError::Empty);
            }
            if versions.insert((*name).to_owned(), None).is_some() {
                return Err(NamespacesError::Twice((*name).to_owned()));
            }
        }
        let reached = Arc::new(Mutex::new(Reached { versions }));
        let writer = |name: &&str| NamespaceWriter {
            writer: self.another(),
            namespace: (*name).to_owned(),
            reached: Arc::clone(&reached),
            objects: 0,
        };
        Ok(names.iter().map(writer).collect())
    }
}

/// Why several namespaces cannot be mirrored into one store.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespacesError {
    /// Two reflectors of one namespace would delete each other's objects.
    #[error("namespace {0:?} is given twice; give each namespace once")]
    Twice(String),
    /// The empty name means all namespaces and overlaps with every other.
    #[error("a namespace has an empty name; use one reflector without a namespace for all of them")]
    Empty,
}

/// Feeds one namespace of an [`Indexer`](crate::Indexer).
pub struct NamespaceWriter<T> {
    writer: IndexerWriter<T>,
    namespace: String,
    reached: Arc<Mutex<Reached>>,
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

    /// Makes a change and counts the objects it added or removed. The caller holds the lock that all
    /// writers of the store share, so no other writer changes the store meanwhile.
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

    /// Returns the objects of the namespace.
    fn present(&self) -> Snapshot<T> {
        let all = self.writer.indexer().snapshot();
        all.restricted_to(&self.namespace)
    }

    /// Replaces the objects of the namespace in one step. Until every namespace has been listed there is
    /// no version, and the store is not synced.
    fn replace(&self, staging: Staging<T>, version: Option<&ResourceVersion>) {
        let before = self.present();
        let after = staging.into_snapshot(&before);
        let op = |difference: Difference<'_, T>| match difference {
            Difference::Added(new) | Difference::Changed { new, .. } => {
                Some(Op::Upsert((**new).clone()))
            }
            Difference::Removed(old) => Some(Op::Remove(old.key().clone())),
            Difference::Unchanged(_) => None,
        };
        let ops = before.differences(&after).filter_map(op).collect();
        self.writer.apply(ops, version);
    }
}

impl<T: Send + Sync> Store<T> for NamespaceWriter<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let reached = Arc::clone(&self.reached);
        let _held = lock(&reached);
        self.counted(|this| Store::add(&mut this.writer, entry))
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        let reached = Arc::clone(&self.reached);
        let _held = lock(&reached);
        self.counted(|this| Store::delete(&mut this.writer, key, last_state))
    }

    fn begin_replace(&mut self) -> Staging<T> {
        Staging::on(&self.present())
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let reached = Arc::clone(&self.reached);
        let mut reached = lock(&reached);
        reached.set(&self.namespace, version);
        let version = reached.by_all();
        self.counted(|this| {
            this.replace(staging, version.as_ref());
            Ok(())
        })
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
            .field("objects", &self.objects)
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

    use super::super::Indexer;
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
        let mut staging = writer.begin_replace();
        for key in keys {
            staging.stage(entry(key, version));
        }
        writer.commit(staging, &version.into()).unwrap();
    }

    fn keys(store: &Indexer<u64>) -> Vec<String> {
        store.keys().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_namespace_is_replaced_for_itself() {
        let writer = IndexerWriter::new();
        let store = writer.indexer();
        let mut writers = writer.by_namespace(["a", "b"]).unwrap();
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
        let mut staging = a.begin_replace();
        staging.keep(&"a/2".parse().unwrap());
        a.commit(staging, &10.into()).unwrap();
        assert_eq!(keys(&store), ["a/2", "b/1"]);
    }

    #[test]
    fn a_namespace_given_twice_or_without_a_name_is_an_error() {
        let refused = |names: &[&'static str]| {
            let writer = IndexerWriter::<u64>::new();
            writer.by_namespace(names.iter().copied()).err()
        };
        let twice = Some(NamespacesError::Twice("a".to_owned()));
        assert_eq!(refused(&["a", "b", "a"]), twice);
        assert_eq!(refused(&["a", ""]), Some(NamespacesError::Empty));
        assert_eq!(refused(&["a", "b"]), None);
    }

    #[test]
    fn a_relist_of_one_namespace_leaves_the_others_untouched() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        use heliostat_core::store::index::IndexFunc;

        let filed = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&filed);
        let writer = IndexerWriter::new();
        let store = writer.indexer();
        let func = IndexFunc::new(move |entry: &Entry<u64>| {
            counted.fetch_add(1, Ordering::Relaxed);
            [entry.object.to_string()]
        });
        store.add_index("number", func).unwrap();
        let mut writers = writer.by_namespace(["a", "b"]).unwrap();
        let [a, b] = &mut writers[..] else { panic!() };
        list(a, &["a/1", "a/2"], 5);
        list(b, &["b/1", "b/2", "b/3"], 5);
        let before = store.snapshot();
        filed.store(0, Ordering::Relaxed);
        list(a, &["a/1", "a/2"], 5);
        assert!(store.snapshot().has_objects_of(&before), "nothing changed");
        list(a, &["a/1"], 7);
        assert_eq!(store.by_index("number", "5").unwrap().len(), 3);
        assert_eq!(store.by_index("number", "7").unwrap().len(), 1);
        let changed = before.differences(&store.snapshot()).count();
        assert_eq!(changed, 2, "one changed, one is gone");
        // The old and the new state of the one, and the last of the other.
        assert!(filed.load(Ordering::Relaxed) <= 3);
    }

    #[test]
    fn a_list_before_the_sync_takes_away_what_vanished() {
        let writer = IndexerWriter::new();
        let store = writer.indexer();
        let mut writers = writer.by_namespace(["a", "b"]).unwrap();
        list(&mut writers[0], &["a/1", "a/2"], 5);
        list(&mut writers[0], &["a/2"], 6);
        assert_eq!(keys(&store), ["a/2"]);
    }

    #[test]
    fn the_version_is_the_oldest_of_all() {
        let writer = IndexerWriter::new();
        let store = writer.indexer();
        let mut writers = writer.by_namespace(["a", "b"]).unwrap();
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

//! `Snapshot`: one state of a store, with all its indexes and its version, that never changes.
//!
//! Everything here reads. A snapshot shares all memory with the store it was taken of; only what the
//! store changes afterwards is there twice, for as long as the snapshot lives.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use super::compact::compact_map;
use super::difference::{Difference, compare, differences};
use super::index::{Index, IndexError, IndexFailures, IndexFunc};
use super::objects::Objects;
use crate::object::{Entry, ObjectKey};
use crate::version::ResourceVersion;

/// Indexes by name.
pub(super) type Indexes<T> = BTreeMap<Arc<str>, Index<T>>;

/// One consistent state of a store: objects, indexes and version belong together.
///
/// A clone takes constant time. Objects come out in the order of their keys, which puts the objects
/// of a namespace next to each other.
///
/// To ask two questions that must be answered by the same state (the objects of an index *and* its
/// values, an object *and* the version), take one snapshot and ask both of it.
pub struct Snapshot<T> {
    pub(super) objects: Objects<T>,
    pub(super) indexes: Arc<Indexes<T>>,
    pub(super) version: ResourceVersion,
    pub(super) synced: bool,
}

impl<T> Snapshot<T> {
    /// The object of this key.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<&Entry<T>> {
        self.objects.get(key.as_str()).map(|entry| &**entry)
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// True if there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// All objects, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        self.shared().map(|entry| &**entry)
    }

    /// The objects after a key, which need not be there: to walk on where one has stopped. After no
    /// key, all objects.
    pub fn after(&self, key: Option<&ObjectKey>) -> impl Iterator<Item = &Entry<T>> {
        let first = key.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (first, Bound::Unbounded);
        self.objects
            .range::<_, ObjectKey>(range)
            .map(|(_, entry)| &**entry)
    }

    /// All objects as the store shares them, in the order of their keys: to hold many of them beside it.
    pub fn shared(&self) -> impl Iterator<Item = &Arc<Entry<T>>> {
        self.objects.values()
    }

    /// The object of this key as the store shares it.
    #[must_use]
    pub fn get_shared(&self, key: &ObjectKey) -> Option<&Arc<Entry<T>>> {
        self.objects.get(key.as_str())
    }

    /// True if both have the same objects because nothing was changed between them; false may mean
    /// anything. In constant time.
    #[must_use]
    pub fn has_objects_of(&self, other: &Self) -> bool {
        self.objects.ptr_eq(&other.objects)
    }

    /// Returns how a later state of the same store differs, in the order of the keys.
    pub fn differences<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = Difference<'a, T>> {
        differences(&self.objects, &later.objects)
    }

    /// Returns every object of this state and of a later one of the same store, in the order of the
    /// keys.
    pub fn compare<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = Difference<'a, T>> {
        compare(&self.objects, &later.objects)
    }

    /// Returns the objects of one namespace as a state of their own, without indexes. Takes time for
    /// these objects and not for the others.
    #[must_use]
    pub fn restricted_to(&self, namespace: &str) -> Self {
        let objects = self.shared_in_namespace(namespace);
        Self {
            objects: compact_map(objects.map(|(key, entry)| (key.clone(), Arc::clone(entry)))),
            indexes: Arc::default(),
            version: self.version.clone(),
            synced: self.synced,
        }
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.keys()
    }

    /// The objects of one namespace, in the order of their keys; of the empty namespace, all objects,
    /// as everywhere in Kubernetes.
    ///
    /// This needs no index: it walks the part of the order where the namespace is.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Entry<T>> {
        self.shared_in_namespace(namespace)
            .map(|(_, entry)| &**entry)
    }

    fn shared_in_namespace(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&ObjectKey, &Arc<Entry<T>>)> {
        let (first, end) = if namespace.is_empty() {
            (Bound::Unbounded, Bound::Unbounded)
        } else {
            // '0' is the character after '/': between the two texts lies every key that begins with
            // the namespace and a slash, and no other.
            (
                Bound::Included(format!("{namespace}/")),
                Bound::Excluded(format!("{namespace}0")),
            )
        };
        let range = (as_str_bound(&first), as_str_bound(&end));
        self.objects.range::<_, str>(range)
    }

    /// The objects that have this value in the index `name`, in the order of their keys.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn by_index<'a>(
        &'a self,
        name: &str,
        value: &'a str,
    ) -> Result<impl Iterator<Item = &'a Entry<T>>, IndexError> {
        let keys = self.index(name)?.keys(value);
        Ok(keys.filter_map(|key| self.get(key)))
    }

    /// The keys of the objects that have this value in the index `name`, sorted.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn index_keys<'a>(
        &'a self,
        name: &str,
        value: &'a str,
    ) -> Result<impl Iterator<Item = &'a ObjectKey>, IndexError> {
        Ok(self.index(name)?.keys(value))
    }

    /// The objects that have all these values, given as pairs of an index name and a value: the
    /// intersection, within this one state. Of no pairs, all objects.
    ///
    /// Walks the objects of the first pair, so put the value with the fewest objects first.
    ///
    /// # Errors
    /// If there is no index of one of the names.
    pub fn by_indexes(&self, wanted: &[(&str, &str)]) -> Result<Vec<&Entry<T>>, IndexError> {
        let Some(((first, value), others)) = wanted.split_first() else {
            return Ok(self.iter().collect());
        };
        let others = others
            .iter()
            .map(|(name, value)| Ok((self.index(name)?, *value)))
            .collect::<Result<Vec<_>, IndexError>>()?;
        let keys = self.index(first)?.keys(value);
        let common = keys.filter(|key| {
            others
                .iter()
                .all(|(index, value)| index.contains(value, key))
        });
        Ok(common.filter_map(|key| self.get(key)).collect())
    }

    /// The objects that share at least one value in the index `name` with `entry`, each once, in the
    /// order of their keys. The entry itself need not be in the store.
    ///
    /// # Errors
    /// If there is no such index, or its function fails for `entry`.
    pub fn sharing(&self, name: &str, entry: &Entry<T>) -> Result<Vec<&Entry<T>>, IndexError> {
        let index = self.index(name)?;
        let values = index.func().values(entry)?;
        let mut keys: Vec<_> = values.iter().flat_map(|value| index.keys(value)).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(keys.into_iter().filter_map(|key| self.get(key)).collect())
    }

    /// The values that objects have in the index `name`, sorted; none if there is no such index.
    pub fn index_values(&self, name: &str) -> impl Iterator<Item = &Arc<str>> {
        self.indexes.get(name).into_iter().flat_map(Index::values)
    }

    /// The names of the indexes, sorted, with their functions.
    pub fn indexes(&self) -> impl Iterator<Item = (&Arc<str>, &IndexFunc<T>)> {
        self.indexes
            .iter()
            .map(|(name, index)| (name, index.func()))
    }

    /// How often the function of the index `name` failed.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn index_failures(&self, name: &str) -> Result<&IndexFailures, IndexError> {
        Ok(self.index(name)?.failures())
    }

    /// The version of this state: all changes up to it are in. Unset before the first replace.
    #[must_use]
    pub const fn resource_version(&self) -> &ResourceVersion {
        &self.version
    }

    /// True once the store has had its first complete content.
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        self.synced
    }

    fn index(&self, name: &str) -> Result<&Index<T>, IndexError> {
        self.indexes
            .get(name)
            .ok_or_else(|| IndexError::Unknown(name.to_owned()))
    }
}

impl<T> Default for Snapshot<T> {
    fn default() -> Self {
        Self {
            objects: OrdMap::new(),
            indexes: Arc::default(),
            version: ResourceVersion::UNSET,
            synced: false,
        }
    }
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self {
            objects: self.objects.clone(),
            indexes: Arc::clone(&self.indexes),
            version: self.version.clone(),
            synced: self.synced,
        }
    }
}

impl<T> fmt::Debug for Snapshot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("objects", &self.len())
            .field("indexes", &self.indexes.keys())
            .field("version", &self.version)
            .field("synced", &self.synced)
            .finish_non_exhaustive()
    }
}

fn as_str_bound(bound: &Bound<String>) -> Bound<&str> {
    bound.as_ref().map(String::as_str)
}

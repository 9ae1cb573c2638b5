//! `KnownObjects`: what the far end of a queue holds already.

use std::sync::Arc;

use crate::object::{Entry, ObjectKey};
use crate::store::StoreError;
use crate::store::snapshot::Snapshot;

/// The content of the store at the far end of a queue. A queue reads it to find the objects that a list no
/// longer has, and those that a resync delivers again.
///
/// A function that returns the store's current [`Snapshot`] implements it.
pub trait KnownObjects<T>: Send {
    /// The object of this key, if it is there.
    ///
    /// # Errors
    /// If the store cannot be read. The object then counts as unknown.
    fn known(&self, key: &ObjectKey) -> Result<Option<Entry<T>>, StoreError>;

    /// All keys.
    ///
    /// # Errors
    /// If the store cannot be read; the replace or the resync then fails.
    fn known_keys(&self) -> Result<Vec<ObjectKey>, StoreError>;
}

impl<T, F: Fn() -> Snapshot<T> + Send> KnownObjects<T> for F {
    fn known(&self, key: &ObjectKey) -> Result<Option<Entry<T>>, StoreError> {
        Ok(self().get(key).cloned())
    }

    fn known_keys(&self) -> Result<Vec<ObjectKey>, StoreError> {
        Ok(self().keys().cloned().collect())
    }
}

impl<T, K: KnownObjects<T> + Sync + ?Sized> KnownObjects<T> for Arc<K> {
    fn known(&self, key: &ObjectKey) -> Result<Option<Entry<T>>, StoreError> {
        (**self).known(key)
    }

    fn known_keys(&self) -> Result<Vec<ObjectKey>, StoreError> {
        (**self).known_keys()
    }
}

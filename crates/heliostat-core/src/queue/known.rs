//! `KnownObjects`: what the far end of a queue holds already.

use std::sync::Arc;

use crate::object::{Entry, ObjectKey};
use crate::store::StoreError;
use crate::store::snapshot::Snapshot;

/// What the store at the far end of a queue holds. A queue asks it which objects a list no longer
/// has, and what to tell again at a resync.
///
/// A function that gives the store's present [`Snapshot`] is one.
pub trait KnownObjects<T>: Send {
    /// The object of this key, if it is there.
    ///
    /// # Errors
    /// If the store cannot say. Its answer is then taken for "I know nothing of it".
    fn known(&self, key: &ObjectKey) -> Result<Option<Entry<T>>, StoreError>;

    /// All keys.
    ///
    /// # Errors
    /// If the store cannot say; the replace or the resync that asked then fails.
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

//! The store contract: what a reflector asks of the thing it keeps true.
//!
//! Single-writer logic lives here as plain structs with `&mut self`; the `heliostat` crate shares them
//! between threads. A replace is a [`Staging`] value: readers see the old content until it is
//! committed, and the new content from then on, never a half.

pub mod indexer;

pub mod snapshot;

pub mod index;

pub mod difference;

pub mod staging;

pub mod transaction;

pub mod undelta;

pub mod expiring;

pub mod overlay;

mod objects;

mod compact;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::object::{Entry, ObjectKey};
use crate::version::ResourceVersion;

pub use staging::{History, Staging};

/// What a reflector feeds.
///
/// A store needs three methods: [`add`](Self::add), [`delete`](Self::delete) and
/// [`commit`](Self::commit). The calls come from one task, in the order of the source's events. A
/// method that panics is contained by the driver of the reflector, as if it had returned an error.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
///
/// use heliostat_core::object::{Entry, ObjectKey};
/// use heliostat_core::store::{Staging, Store, StoreError};
/// use heliostat_core::version::ResourceVersion;
///
/// #[derive(Default)]
/// struct Colours(BTreeMap<ObjectKey, Entry<String>>);
///
/// impl Store<String> for Colours {
///     fn add(&mut self, entry: Entry<String>) -> Result<(), StoreError> {
///         self.0.insert(entry.key().clone(), entry);
///         Ok(())
///     }
///
///     fn delete(&mut self, key: &ObjectKey, _: Option<Entry<String>>) -> Result<(), StoreError> {
///         self.0.remove(key);
///         Ok(())
///     }
///
///     fn commit(&mut self, staging: Staging<String>, _: &ResourceVersion) -> Result<(), StoreError> {
///         let entries = staging.into_entries(|key| self.0.get(key).cloned());
///         self.0 = entries.map(|entry| (entry.key().clone(), entry)).collect();
///         Ok(())
///     }
/// }
/// ```
pub trait Store<T>: Send {
    /// Adds an object that was created at the source.
    ///
    /// # Errors
    /// The event is then lost for this store until the next event of the key or the next replace; the
    /// reflector counts and reports it.
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError>;

    /// Replaces an object that was changed at the source. Calls [`add`](Self::add) by default.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.add(entry)
    }

    /// Removes an object that was deleted at the source. `last_state` is `None` if it could not be
    /// decoded.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError>;

    /// Begins a replace of the whole content. The store does not change until the staging is committed;
    /// dropping the staging aborts the replace. Returns [`Staging::new`] by default; a store that has a
    /// [`Snapshot`](snapshot::Snapshot) shares unchanged objects with [`Staging::on`].
    fn begin_replace(&mut self) -> Staging<T> {
        Staging::new()
    }

    /// Replaces the whole content by the staged one, in one step. `version` is the version of the list.
    ///
    /// # Errors
    /// The content then stays as it is, and the reflector lists again after a delay.
    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError>;

    /// Delivers the stored objects again to the consumers behind the store.
    ///
    /// # Errors
    /// Ends the current watch; the reflector lists again after a delay.
    fn resync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Records that all changes up to this version have been applied.
    fn bookmark(&mut self, _version: &ResourceVersion) {}

    /// Records the version that the reflector has reached while watching.
    fn update_resource_version(&mut self, _version: &ResourceVersion) {}

    /// Returns the number of stored objects, if the store knows it at once; for status and metrics.
    fn object_count(&self) -> Option<usize> {
        None
    }
}

/// A store that returns its whole state at once, for the stores that wrap another one.
pub trait SnapshotStore<T>: Store<T> {
    /// Returns the current state, in constant time.
    fn snapshot(&self) -> snapshot::Snapshot<T>;
}

/// Why a store did not apply a change.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: Arc<str>,
    #[source]
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// Creates an error with a message.
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

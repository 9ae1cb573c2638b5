//! The store contract: what a reflector asks of the thing it keeps true.
//!
//! Single-writer logic lives here as plain structs with `&mut self`; whoever shares a store between
//! threads wraps it. A replace is staged: readers see the old set until the commit, and the new set
//! from then on, never a half.

pub mod indexer;

pub mod snapshot;

pub mod index;

pub mod staging;

pub mod transaction;

pub mod undelta;

pub mod expiring;

pub mod overlay;

mod compact;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::object::{Entry, ObjectKey};
use crate::version::ResourceVersion;

/// What a reflector feeds.
///
/// The calls come from one task, in the order of the source's events. Between
/// [`begin_replace`](Self::begin_replace) and the commit or the abort come only
/// [`stage`](Self::stage), [`unstage`](Self::unstage) and [`keep`](Self::keep); another
/// `begin_replace` starts the staging over.
pub trait Store<T>: Send {
    /// The object came.
    ///
    /// # Errors
    /// The event is then lost for this store until the key's next event or the next replace; the
    /// reflector counts and reports it.
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError>;

    /// The object changed.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError>;

    /// The object went. Its last state is missing if it could not be understood.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError>;

    /// Starts to collect a new set of objects aside, dropping what was collected and not committed.
    fn begin_replace(&mut self);

    /// Adds an object to the set aside; a later one of the same key wins.
    fn stage(&mut self, entry: Entry<T>);

    /// Takes an object out of the set aside.
    fn unstage(&mut self, key: &ObjectKey);

    /// Carries the present state of this object, if there is one, over into the new set: the object
    /// exists at the source, but its new state cannot be understood. The state is the one that the
    /// store has at the commit. A state of it that is in the set aside is newer, and stays.
    fn keep(&mut self, key: &ObjectKey);

    /// Puts the set aside in the place of the present one, in one step. Objects that did not change
    /// (same uid and version) are kept, not replaced.
    ///
    /// # Errors
    /// The present set then stays as it is.
    fn commit_replace(&mut self, version: &ResourceVersion) -> Result<(), StoreError>;

    /// Drops the set aside.
    fn abort_replace(&mut self);

    /// Delivers again what the store already knows, to whoever listens behind it.
    ///
    /// # Errors
    /// Ends the present watch; the reflector lists again after a delay.
    fn resync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// All up to this version has been applied, and nothing else changed.
    fn bookmark(&mut self, _version: &ResourceVersion) {}

    /// The version that the reflector has reached while watching.
    fn update_resource_version(&mut self, _version: &ResourceVersion) {}

    /// How many objects the store holds, where it can say so at once; for status and metrics.
    fn object_count(&self) -> Option<usize> {
        None
    }
}

/// A store whose whole state can be had at once, for the stores that are laid around one.
pub trait SnapshotStore<T>: Store<T> {
    /// The present state, to keep; in constant time.
    fn snapshot(&self) -> snapshot::Snapshot<T>;
}

/// Why a store could not take a change.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: Arc<str>,
    #[source]
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// A store error for people.
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// A commit came without a `begin_replace` before it.
    #[must_use]
    pub fn not_begun() -> Self {
        Self::new("cannot commit a replace that was not begun")
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

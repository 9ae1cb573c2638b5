//! `Delta`: one change of one object, as the source reported it.

use crate::object::{Entry, ObjectKey};

/// A change of one object, as the source reported it. What it changes in a store depends on the store: an
/// object that is `Added` may be there already.
#[derive(Debug)]
pub enum Delta<T> {
    /// The object came.
    Added(Entry<T>),
    /// The object changed.
    Updated(Entry<T>),
    /// The object went.
    Deleted(Deletion<T>),
    /// The object is in a list that took the place of all that was known.
    Replaced(Entry<T>),
    /// The object is unchanged and is delivered again by a resync.
    Sync(Entry<T>),
}

/// How the end of an object is known.
#[derive(Debug)]
pub enum Deletion<T> {
    /// The source reported it, with the last state of the object.
    Observed(Entry<T>),
    /// Only found out: a list no longer had the object, or its end could not be understood. Client-go
    /// calls this `DeletedFinalStateUnknown`.
    Tombstone {
        /// What the object was called.
        key: ObjectKey,
        /// The last state that was known here; it may be an old one, or missing.
        last: Option<Entry<T>>,
    },
}

impl<T> Delta<T> {
    /// The key of the object.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        match self {
            Self::Added(entry)
            | Self::Updated(entry)
            | Self::Replaced(entry)
            | Self::Sync(entry) => entry.key(),
            Self::Deleted(deletion) => deletion.key(),
        }
    }

    /// The object's state: the new one, or the last one that is known of an object that went.
    #[must_use]
    pub const fn entry(&self) -> Option<&Entry<T>> {
        match self {
            Self::Added(entry)
            | Self::Updated(entry)
            | Self::Replaced(entry)
            | Self::Sync(entry) => Some(entry),
            Self::Deleted(deletion) => deletion.last(),
        }
    }
}

impl<T> Deletion<T> {
    /// The key of the object.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        match self {
            Self::Observed(entry) => entry.key(),
            Self::Tombstone { key, .. } => key,
        }
    }

    /// The last state that is known.
    #[must_use]
    pub const fn last(&self) -> Option<&Entry<T>> {
        match self {
            Self::Observed(entry) => Some(entry),
            Self::Tombstone { last, .. } => last.as_ref(),
        }
    }

    /// True if the end itself was not seen.
    #[must_use]
    pub const fn is_tombstone(&self) -> bool {
        matches!(self, Self::Tombstone { .. })
    }
}

// Not derived: a derive would ask for `T: Clone`, and objects are shared.
impl<T> Clone for Delta<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Added(entry) => Self::Added(entry.clone()),
            Self::Updated(entry) => Self::Updated(entry.clone()),
            Self::Deleted(deletion) => Self::Deleted(deletion.clone()),
            Self::Replaced(entry) => Self::Replaced(entry.clone()),
            Self::Sync(entry) => Self::Sync(entry.clone()),
        }
    }
}

impl<T> Clone for Deletion<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Observed(entry) => Self::Observed(entry.clone()),
            Self::Tombstone { key, last } => Self::Tombstone {
                key: key.clone(),
                last: last.clone(),
            },
        }
    }
}

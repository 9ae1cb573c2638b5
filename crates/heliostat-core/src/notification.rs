//! `Notification`: what is delivered to a handler; `NotificationRef`: the same, borrowed.

use crate::object::{Entry, ObjectKey};

/// What is delivered to a handler of a mirror.
///
/// A handler that applies its notifications in order to an empty map has the content of the mirror at
/// that point.
#[derive(Debug)]
pub enum Notification<T> {
    /// The object is new here.
    Added {
        /// The object.
        entry: Entry<T>,
        /// True if it was there before the handler was: it belongs to the first list, or to the state
        /// that a late handler is given first.
        is_in_initial_list: bool,
    },
    /// The object has another state, or is told again: see [`is_sync`](Self::is_sync). Where the uids
    /// differ, it went and came again meanwhile.
    Updated {
        /// The state before: the one that the handler was told last, or the last one of an object whose
        /// deletion was folded into this.
        old: Entry<T>,
        /// The state now.
        new: Entry<T>,
    },
    /// The object is no longer here.
    Deleted {
        /// Its last state.
        last: Entry<T>,
        /// True if that is only the last state that was known here: a list no longer had the object,
        /// or its end could not be understood.
        tombstone: bool,
    },
    /// All that was there when the handler came has been told. Comes once.
    Synced,
}

/// A [`Notification`] that is looked at where it lies, in memory that many handlers share.
#[derive(Debug)]
pub enum NotificationRef<'a, T> {
    /// See [`Notification::Added`].
    Added {
        /// The object.
        entry: &'a Entry<T>,
        /// See [`Notification::Added`].
        is_in_initial_list: bool,
    },
    /// See [`Notification::Updated`].
    Updated {
        /// See [`Notification::Updated`].
        old: &'a Entry<T>,
        /// The state now.
        new: &'a Entry<T>,
    },
    /// See [`Notification::Deleted`].
    Deleted {
        /// Its last state.
        last: &'a Entry<T>,
        /// See [`Notification::Deleted`].
        tombstone: bool,
    },
    /// See [`Notification::Synced`].
    Synced,
}

impl<T> Notification<T> {
    /// The object that it is about, in its newest state; none for [`Synced`](Self::Synced).
    #[must_use]
    pub const fn entry(&self) -> Option<&Entry<T>> {
        match self {
            Self::Added { entry, .. }
            | Self::Updated { new: entry, .. }
            | Self::Deleted { last: entry, .. } => Some(entry),
            Self::Synced => None,
        }
    }

    /// The key of the object that it is about; none for [`Synced`](Self::Synced).
    #[must_use]
    pub const fn key(&self) -> Option<&ObjectKey> {
        match self.entry() {
            Some(entry) => Some(entry.key()),
            None => None,
        }
    }

    /// Returns true if the object is unchanged and is delivered again: by a resync, or by a relist that
    /// found it unchanged. An update to another object of the same version is a change.
    #[must_use]
    pub fn is_sync(&self) -> bool {
        match self {
            Self::Updated { old, new } => old.is_unchanged(new),
            Self::Added { .. } | Self::Deleted { .. } | Self::Synced => false,
        }
    }

    /// True if the object went and came again under its name.
    #[must_use]
    pub fn is_recreation(&self) -> bool {
        match self {
            Self::Updated { old, new } => {
                !old.header.uid.is_unset() && old.header.uid != new.header.uid
            }
            Self::Added { .. } | Self::Deleted { .. } | Self::Synced => false,
        }
    }

    /// The same, borrowed.
    #[inline]
    #[must_use]
    pub const fn as_ref(&self) -> NotificationRef<'_, T> {
        match self {
            Self::Added {
                entry,
                is_in_initial_list,
            } => NotificationRef::Added {
                entry,
                is_in_initial_list: *is_in_initial_list,
            },
            Self::Updated { old, new } => NotificationRef::Updated { old, new },
            Self::Deleted { last, tombstone } => NotificationRef::Deleted {
                last,
                tombstone: *tombstone,
            },
            Self::Synced => NotificationRef::Synced,
        }
    }
}

impl<T> NotificationRef<'_, T> {
    /// The same, to keep. Objects are shared, not copied.
    #[must_use]
    pub fn to_notification(&self) -> Notification<T> {
        match self {
            Self::Added {
                entry,
                is_in_initial_list,
            } => Notification::Added {
                entry: Entry::clone(entry),
                is_in_initial_list: *is_in_initial_list,
            },
            Self::Updated { old, new } => Notification::Updated {
                old: Entry::clone(old),
                new: Entry::clone(new),
            },
            Self::Deleted { last, tombstone } => Notification::Deleted {
                last: Entry::clone(last),
                tombstone: *tombstone,
            },
            Self::Synced => Notification::Synced,
        }
    }
}

// Not derived: a derive would ask for `T: Clone`, and objects are shared.
impl<T> Clone for Notification<T> {
    fn clone(&self) -> Self {
        self.as_ref().to_notification()
    }
}

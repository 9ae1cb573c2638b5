//! What a source yields: the parts of a list, and the events of a watch.
//!
//! An object that could not be understood is a value here, not an error: it never fails its page or
//! its stream.

use std::fmt;

use crate::object::{Entry, GroupVersionKind, ObjectKey};
use crate::printable::printable;
use crate::status::Status;
use crate::version::ResourceVersion;

/// The annotation of the bookmark that ends a watch-list's initial events (KEP-3157).
pub const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A part of one page of a list. Metadata may come before, between or after the items.
#[derive(Clone, Debug)]
pub enum ListPart<T> {
    /// The list's own metadata.
    Metadata(ListMetadata),
    /// Some of the items, in the order of the list.
    Items(Vec<Item<T>>),
}

impl<T> ListPart<T> {
    /// The objects in this part.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry<T>> {
        let items = match self {
            Self::Items(items) => items.as_mut_slice(),
            Self::Metadata(_) => &mut [],
        };
        items.iter_mut().filter_map(|item| item.as_mut().ok())
    }
}

/// The metadata of one page of a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListMetadata {
    /// The version at which the whole list was true.
    pub resource_version: ResourceVersion,
    /// Where the next page begins; empty or absent on the last page.
    pub continue_token: Option<String>,
    /// How many items follow on later pages, where the server knows; an estimate.
    pub remaining_item_count: Option<u64>,
}

/// An item of a list, or why it could not be understood.
pub type Item<T> = Result<Entry<T>, Rejection>;

/// One event of a watch.
#[derive(Clone, Debug)]
pub enum WatchEvent<T> {
    /// The object came, or came into the selection.
    Added(Entry<T>),
    /// The object changed.
    Modified(Entry<T>),
    /// The object went, or left the selection; with its last state.
    Deleted(Entry<T>),
    /// The version moved and nothing else did.
    Bookmark {
        /// All up to this version has been sent.
        resource_version: ResourceVersion,
        /// True if this bookmark ends the initial events: the annotation
        /// [`INITIAL_EVENTS_END`] with the value `true`.
        initial_events_end: bool,
    },
    /// The server ends the stream with this word.
    Error(Status),
    /// An event of a type that the protocol does not have.
    Unknown {
        /// The type as it came.
        event_type: String,
        /// The version of its object, if it had one.
        resource_version: ResourceVersion,
    },
    /// An event whose object could not be understood.
    Rejected(Rejection),
}

impl<T> WatchEvent<T> {
    /// The object of this event, if it has one.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry<T>> {
        let entry = match self {
            Self::Added(entry) | Self::Modified(entry) | Self::Deleted(entry) => Some(entry),
            Self::Bookmark { .. } | Self::Error(_) | Self::Unknown { .. } | Self::Rejected(_) => {
                None
            }
        };
        entry.into_iter()
    }
}

/// What an event does to its object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeKind {
    /// It came.
    Added,
    /// It changed.
    Modified,
    /// It went.
    Deleted,
}

/// One object that could not be understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// What the object is called, where that could be read.
    pub key: Option<ObjectKey>,
    /// Its version, where that could be read.
    pub resource_version: ResourceVersion,
    /// What the event was to do; none for an item of a list.
    pub change: Option<ChangeKind>,
    /// Why it was rejected.
    pub reason: RejectionReason,
}

/// Why an object was rejected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectionReason {
    /// The object is of another kind than the mirror's.
    #[error("expected {expected}, got {actual}")]
    WrongKind {
        /// The mirror's kind.
        expected: GroupVersionKind,
        /// The object's.
        actual: GroupVersionKind,
    },
    /// A `Table`: rows for people, not objects.
    #[error("a Table cannot be mirrored")]
    Table,
    /// No readable metadata: no name to file it under.
    #[error("the object has no readable metadata: {}", printable(.0))]
    NoMetadata(String),
    /// The object does not decode as the mirror's type.
    #[error("{}", printable(.0))]
    Undecodable(String),
    /// The user's transform refused it.
    #[error("the transform failed: {}", printable(.0))]
    Transform(String),
}

impl Rejection {
    /// True if the event said that this object of the collection is deleted.
    #[must_use]
    pub fn deletes(&self, key: &ObjectKey) -> bool {
        self.change == Some(ChangeKind::Deleted)
            && self.reason.is_member()
            && self.key.as_ref() == Some(key)
    }
}

impl RejectionReason {
    /// True for an object of the mirror's kind that is there but cannot be read. An object of another
    /// kind is not in the mirrored collection at all.
    #[must_use]
    pub const fn is_member(&self) -> bool {
        match self {
            Self::Undecodable(_) | Self::Transform(_) => true,
            Self::WrongKind { .. } | Self::Table | Self::NoMetadata(_) => false,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => {
                write!(f, "object {} was rejected: {}", printable(key), self.reason)
            }
            None => write!(f, "an object was rejected: {}", self.reason),
        }
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

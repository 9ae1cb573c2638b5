//! What can happen to a reflector.

use std::fmt;

use crate::error::SourceError;
use crate::event::{ListPart, WatchEvent};
use crate::store::StoreError;

/// One request to the source, from its output to its end. Numbers are never used twice, so an answer
/// to a request that is over is recognised and dropped.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AttemptId(pub(super) u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input<T> {
    /// Begin. Only the first one counts.
    Start,
    /// Come to an end, wherever the machine is.
    Stop,
    /// The permit for an expensive request was granted.
    PermitGranted {
        /// Whose permit.
        attempt: AttemptId,
    },
    /// A part of a page arrived.
    ListPart {
        /// Of which list.
        attempt: AttemptId,
        /// The part.
        part: ListPart<T>,
    },
    /// A page arrived whole.
    ListEnded {
        /// Which list.
        attempt: AttemptId,
    },
    /// The server accepted a watch.
    WatchOpened {
        /// Which watch.
        attempt: AttemptId,
    },
    /// An event arrived on a watch.
    Event {
        /// Of which watch.
        attempt: AttemptId,
        /// The event.
        event: WatchEvent<T>,
    },
    /// A watch ended without an error.
    WatchEnded {
        /// Which watch.
        attempt: AttemptId,
    },
    /// A list or a watch failed, before or after it was accepted; nothing more comes of it.
    Failed {
        /// Which request.
        attempt: AttemptId,
        /// Why.
        error: SourceError,
    },
    /// The answer to [`Output::Commit`](super::Output::Commit).
    Committed(Result<(), StoreError>),
    /// The answer to [`Output::Resync`](super::Output::Resync), also when the user's
    /// `should_resync` said no.
    Resynced(Result<(), StoreError>),
}

//! The faults that a test can put into coming requests.
//!
//! Faults wait in a queue each for lists and watches; a request takes the first. What is not named
//! here can be scripted whole with the `Answer` variants.

use heliostat_core::error::{SourceError, TransportError, TransportErrorKind};
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::status::Status;
use heliostat_core::version::ResourceVersion;

/// What goes wrong with one list request.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListFault<T> {
    /// The request fails.
    Fail(SourceError),
    /// The request is never answered.
    Stall,
    /// The answer is cut off after so many items.
    CutAfter {
        /// How many items are sent.
        items: usize,
        /// What the reader meets then.
        error: SourceError,
    },
    /// The answer stops after so many items and never goes on.
    StallAfter {
        /// How many items are sent.
        items: usize,
    },
    /// The list says that it is of this version, whatever it is of.
    Version(ResourceVersion),
    /// The list comes without its metadata.
    OmitMetadata,
    /// The page's continue token leads to the same page again.
    RepeatPage,
    /// Exactly these parts are the answer.
    Answer(Vec<Result<ListPart<T>, SourceError>>),
}

/// What goes wrong with one watch request.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchFault<T> {
    /// The request fails.
    Fail(SourceError),
    /// The request is never answered.
    Stall,
    /// The initial events are not closed by a bookmark.
    LoseEndMark,
    /// The watch ends after so many events, bookmarks included; with 0 at once.
    EndAfter {
        /// How many events are sent.
        events: usize,
        /// How it ends.
        end: WatchEnd,
    },
    /// Exactly these events are the answer.
    Answer {
        /// The events.
        events: Vec<WatchEvent<T>>,
        /// How it ends.
        end: WatchEnd,
    },
}

/// How a watch ends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WatchEnd {
    /// The stream ends, as at a server's timeout.
    Close,
    /// An error event says why, then the stream ends.
    Error(Status),
    /// The connection is lost.
    Fail(SourceError),
    /// Nothing more ever comes, not even an end: a half-open connection.
    Silence,
}

/// How the source treats watches that ask for the initial events.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WatchListMode {
    /// As Kubernetes 1.34 and later: the state, then a bookmark that closes it.
    #[default]
    Served,
    /// As servers without the feature: refused with a 422.
    Refused,
    /// As broken servers and proxies: the state comes, the bookmark that closes it never does.
    MarkLost,
}

/// A connection that was lost, for faults.
#[must_use]
pub fn connection_lost() -> SourceError {
    let error = TransportError::new(TransportErrorKind::Closed, "the connection was lost");
    SourceError::Transport(error)
}

/// A connection that nobody took, for faults.
#[must_use]
pub fn connection_refused() -> SourceError {
    let error = TransportError::new(TransportErrorKind::Refused, "the connection was refused");
    SourceError::Transport(error)
}

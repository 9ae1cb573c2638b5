//! What a reflector wants done, in this order.

use std::time::Duration;

use crate::error::SourceError;
use crate::event::{ChangeKind, Rejection};
use crate::object::{Entry, ObjectKey};
use crate::options::{ListOptions, WatchOptions};
use crate::store::{History, StoreError};
use crate::version::ResourceVersion;

use super::input::AttemptId;
use super::recovery::Phase;

/// What to do next. Outputs are to be executed in their order, and those that ask for an answer
/// answered, before the machine is told anything else.
#[derive(Debug)]
pub enum Output<T> {
    /// Ask the shared budget for a permit; answer with
    /// [`PermitGranted`](super::Input::PermitGranted) when it is granted.
    AcquirePermit {
        /// For which request.
        attempt: AttemptId,
    },
    /// Return the permit, or withdraw the request for one.
    ReleasePermit,
    /// Ask for a page; answer with [`ListPart`](super::Input::ListPart)s and
    /// [`ListEnded`](super::Input::ListEnded), or with [`Failed`](super::Input::Failed).
    List {
        /// The request's number.
        attempt: AttemptId,
        /// What to ask for.
        options: ListOptions,
    },
    /// Open a watch; answer with [`WatchOpened`](super::Input::WatchOpened),
    /// [`Event`](super::Input::Event)s and [`WatchEnded`](super::Input::WatchEnded), or with
    /// [`Failed`](super::Input::Failed).
    Watch {
        /// The request's number.
        attempt: AttemptId,
        /// What to ask for.
        options: WatchOptions,
    },
    /// Give this request up, if it is not over yet. Expects no answer.
    Abort {
        /// Which request.
        attempt: AttemptId,
    },
    /// [`Store::begin_replace`](crate::store::Store::begin_replace); a replace that is under way is
    /// aborted.
    BeginReplace {
        /// Whether versions in the store can be compared with those of the source.
        history: History,
    },
    /// [`Staging::stage`](crate::store::Staging::stage), each in turn.
    Stage(Vec<Entry<T>>),
    /// [`Staging::unstage`](crate::store::Staging::unstage).
    Unstage(ObjectKey),
    /// [`Staging::keep`](crate::store::Staging::keep).
    Keep(ObjectKey),
    /// Drop the [`Staging`](crate::store::Staging), if a replace is under way.
    AbortReplace,
    /// [`Store::commit`](crate::store::Store::commit); answer with
    /// [`Committed`](super::Input::Committed).
    Commit {
        /// The version of the new set.
        version: ResourceVersion,
    },
    /// One change; a store error is counted and reported, and changes nothing else.
    Apply {
        /// What happened to the object.
        change: ChangeKind,
        /// The object; for a delete its last state.
        entry: Entry<T>,
        /// The version reached with this change, to be published after it.
        version: Option<ResourceVersion>,
    },
    /// A delete of an object whose last state could not be understood, or that is to be dropped.
    Remove {
        /// Which object.
        key: ObjectKey,
        /// The version reached with this change, to be published after it.
        version: Option<ResourceVersion>,
    },
    /// The version moved without a change.
    Bookmark {
        /// The version reached.
        version: ResourceVersion,
    },
    /// The version moved by an event that changed nothing that is known here.
    Moved {
        /// The version reached.
        version: ResourceVersion,
    },
    /// Deliver again what the store knows, if the user's `should_resync` agrees; answer with
    /// [`Resynced`](super::Input::Resynced).
    Resync,
    /// Something that people or metrics may want to know.
    Report(Report),
    /// The machine has come to its end; nothing follows.
    Stopped {
        /// What brought it to its end, if it was not told to stop.
        cause: Option<Rejection>,
    },
}

/// Something worth knowing that changes nothing by itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Report {
    /// The round failed. This, and only this, goes to the watch error handler.
    RoundFailed {
        /// What was going on.
        phase: Phase,
        /// Why it failed.
        error: RoundError,
    },
    /// A watch failed and is opened again, or the round ends and the next one lists again.
    WatchFailed {
        /// Why it failed.
        error: SourceError,
        /// True if the next request is a list.
        relist: bool,
    },
    /// Nothing is asked for this long.
    BackingOff {
        /// The delay.
        delay: Duration,
    },
    /// The server asked for a longer delay than
    /// [`retry_after_max`](super::ReflectorConfig::retry_after_max).
    RetryAfterShortened {
        /// What the server asked for.
        asked: Duration,
        /// What it gets.
        granted: Duration,
    },
    /// A whole list arrived, in one page or several.
    ListCompleted {
        /// From the first request to the last byte.
        duration: Duration,
        /// How many items it had.
        items: u64,
        /// In how many pages.
        pages: u64,
    },
    /// A page arrived; for progress.
    ListProgress {
        /// How many items have come so far.
        items: u64,
        /// How many are still to come, if the server says.
        remaining: Option<u64>,
    },
    /// A watch ended.
    WatchCompleted {
        /// How long it lasted.
        duration: Duration,
        /// How many events it brought.
        events: u64,
    },
    /// A watch ended within a second and brought nothing: the round ends.
    VeryShortWatch,
    /// No sign of life came on a watch for too long; it is given up and opened again.
    SilentWatch {
        /// For how long.
        silence: Duration,
    },
    /// The server did not end a watch when it should have; it is given up and opened again.
    OverdueWatch,
    /// The store holds the whole collection.
    Synced {
        /// At which version.
        version: ResourceVersion,
        /// True if it came through a watch-list.
        watch_list: bool,
    },
    /// A watch-list was given up for a list.
    WatchListFellBack {
        /// Why.
        reason: FallBackReason,
    },
    /// The end mark of a watch-list is still missing.
    WatchListWaiting {
        /// Since the watch-list was asked for.
        waiting: Duration,
        /// Since its last event, if there was one.
        since_event: Option<Duration>,
    },
    /// An object could not be understood.
    Rejected(Rejection),
    /// An event had a type that the protocol does not have.
    UnknownEvent {
        /// The type as it came.
        event_type: String,
    },
    /// The source showed a version older than one already seen.
    Rewind(Rewind),
    /// The store could not resync; the round ends.
    ResyncFailed(StoreError),
}

/// The source showed a version older than one already seen, or another history at the same versions:
/// a stale replica, or a restored backup.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rewind {
    /// The newest version seen before.
    pub seen: ResourceVersion,
    /// The older version that came.
    pub got: ResourceVersion,
    /// The object that shows it: it has the version `got`, which the history of the mirror does not
    /// have, or is gone without a delete if `got` is unset. None if `got` is the version of the whole
    /// source.
    pub object: Option<ObjectKey>,
    /// True if a consistent read says so too: the source itself went back, and the store follows it.
    /// False if it is not applied and a consistent list follows.
    pub confirmed: bool,
}

/// Why a round failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RoundError {
    /// The source did not give what was asked for.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store did not take the list.
    #[error("the store did not take the list: {0}")]
    Store(#[from] StoreError),
}

/// Why a watch-list was given up for a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FallBackReason {
    /// It was refused or failed.
    Failed(SourceError),
    /// Its end mark did not come in time; this kind is listed for a while.
    NoEndMark {
        /// How long it was waited for.
        waited: Duration,
    },
    /// It ended within a second and brought nothing.
    VeryShort,
    /// The store did not take what it brought.
    Store(StoreError),
}

//! Where a reflector is: one small struct for each state, holding only what is known in it.

use crate::event::ListMetadata;
use crate::object::ObjectKey;
use crate::time::Time;
use crate::version::ResourceVersion;

use super::input::AttemptId;

#[derive(Debug)]
pub(super) enum State {
    /// Not started.
    Idle,
    /// Waiting for a permit.
    AwaitingPermit { attempt: AttemptId, then: Expensive },
    /// A list is under way.
    Listing(Listing),
    /// A watch-list is under way.
    WatchListing(WatchListing),
    /// The store was told to commit and has not answered.
    Committing(Committing),
    /// A watch is open, or being opened.
    Watching(Watching),
    /// The source is asked to prove that it has the same history.
    Probing(Probing),
    /// Nothing is asked until the delay is over.
    BackingOff(AfterDelay),
    /// Nothing is asked until the next list is due.
    Polling,
    /// The end.
    Stopped,
}

/// A request that needs a permit.
#[derive(Debug)]
pub(super) enum Expensive {
    List,
    WatchList(WatchListTry),
    /// Small, but made by all mirrors of a source that was lost.
    Probe,
}

/// What a delay was for.
#[derive(Debug)]
pub(super) enum AfterDelay {
    /// A new round.
    Round,
    /// The same watch again.
    Watch,
    /// The same watch-list again.
    WatchList(WatchListTry),
}

/// What one try of a watch-list leaves to the next of the same round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WatchListTry {
    /// When the end mark must have come, counted from the first try that was answered.
    pub(super) deadline: Option<Time>,
    /// How often it started over at once.
    pub(super) restarts: u32,
}

#[derive(Debug)]
pub(super) struct Listing {
    pub(super) attempt: AttemptId,
    /// The version that the first page was asked at.
    pub(super) version: ResourceVersion,
    /// The version that this round asked at first; it decides about paging for good.
    pub(super) first_version: ResourceVersion,
    /// The limit of the first page, kept through all retries.
    pub(super) limit: Option<u32>,
    /// The token that this page was asked with.
    pub(super) token: Option<String>,
    /// The metadata of this page, once it came.
    pub(super) metadata: Option<ListMetadata>,
    /// The version of the first page: that of the whole list.
    pub(super) list_version: Option<ResourceVersion>,
    /// There was more than one page.
    pub(super) paginated: bool,
    /// The version was found to be of no use once already; a second time is a failure.
    pub(super) retried: bool,
    /// A token expired once already; a second time is a failure.
    pub(super) rescued: bool,
    pub(super) pages: u64,
    pub(super) items: u64,
    pub(super) started: Time,
}

#[derive(Debug)]
pub(super) struct WatchListing {
    pub(super) attempt: AttemptId,
    /// The version that was asked for.
    pub(super) version: ResourceVersion,
    pub(super) started: Time,
    /// When the end mark must have come.
    pub(super) deadline: Time,
    pub(super) restarts: u32,
    /// The server accepted it.
    pub(super) opened: bool,
    /// The version that the events have told; unset until something besides `Added` came.
    pub(super) tracked: ResourceVersion,
    /// True until something besides `Added` came.
    pub(super) only_added: bool,
    pub(super) events: u64,
    pub(super) last_event: Option<Time>,
}

#[derive(Debug)]
pub(super) struct Committing {
    pub(super) version: ResourceVersion,
    pub(super) source: CommitSource,
}

/// Where the set to be committed came from.
#[derive(Clone, Copy, Debug)]
pub(super) enum CommitSource {
    List,
    /// A watch-list, whose stream goes on as the watch if it is still there.
    WatchList {
        stream: Option<AttemptId>,
    },
}

#[derive(Debug)]
pub(super) struct Watching {
    pub(super) attempt: AttemptId,
    pub(super) opened: bool,
    pub(super) started: Time,
    /// How many events reached the store or would have.
    pub(super) events: u64,
    /// Something came: the connection is alive.
    pub(super) alive: bool,
    /// The first events come in no order of versions: the watch began at no real version.
    pub(super) unordered: bool,
    /// Events are held back until this delete has come.
    pub(super) awaited: Option<Box<AwaitedDelete>>,
}

#[derive(Debug)]
pub(super) struct Probing {
    pub(super) attempt: AttemptId,
    /// The object that is asked for; none if only the version is.
    pub(super) object: Option<ObjectKey>,
    /// The version of the source.
    pub(super) version: Option<ResourceVersion>,
    /// The version of the object, if it is there.
    pub(super) found: Option<ResourceVersion>,
}

/// What a reflector is doing, for people and programs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Activity {
    /// Not started.
    Idle,
    /// Waiting for a permit of the shared budget.
    AwaitingPermit,
    /// Listing.
    Listing,
    /// Receiving the initial state through a watch.
    WatchListing,
    /// Watching.
    Watching,
    /// Asking the source to prove that it was not restored from a backup, after a failed connection
    /// or a silence.
    Probing,
    /// Waiting before the next try.
    BackingOff,
    /// Synced, and waiting for the next list; see
    /// [`poll_interval`](super::ReflectorConfig::poll_interval).
    Polling,
    /// At its end.
    Stopped,
}

impl Activity {
    /// A word for people, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::AwaitingPermit => "awaiting permit",
            Self::Listing => "listing",
            Self::WatchListing => "watch-listing",
            Self::Watching => "watching",
            Self::Probing => "probing",
            Self::BackingOff => "backing off",
            Self::Polling => "polling",
            Self::Stopped => "stopped",
        }
    }
}

impl State {
    pub(super) const fn activity(&self) -> Activity {
        match self {
            Self::Idle => Activity::Idle,
            Self::AwaitingPermit { .. } => Activity::AwaitingPermit,
            Self::Listing(_) => Activity::Listing,
            Self::WatchListing(_) => Activity::WatchListing,
            Self::Committing(committing) => match committing.source {
                CommitSource::List => Activity::Listing,
                CommitSource::WatchList { .. } => Activity::WatchListing,
            },
            Self::Watching(_) => Activity::Watching,
            Self::Probing(_) => Activity::Probing,
            Self::BackingOff(_) => Activity::BackingOff,
            Self::Polling => Activity::Polling,
            Self::Stopped => Activity::Stopped,
        }
    }

    /// True from the first watch of a round to its end, and between polls: the time in which the store
    /// resyncs.
    pub(super) const fn is_watch_phase(&self) -> bool {
        matches!(
            self,
            Self::Watching(_)
                | Self::Probing(_)
                | Self::BackingOff(AfterDelay::Watch)
                | Self::Polling
                | Self::AwaitingPermit {
                    then: Expensive::Probe,
                    ..
                }
        )
    }
}

/// A delete that must come in the watch before a version is passed.
#[derive(Debug)]
pub(super) struct AwaitedDelete {
    pub(super) key: ObjectKey,
    /// The version of the source at which the object was gone.
    pub(super) gone_at: ResourceVersion,
}

//! How a running reflector is doing, for people and programs.
//!
//! One value that can be read at any time and awaited for changes. It is written once for each batch
//! of events, not for each event, so watching it costs a busy mirror nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::reflector::{Activity, AttemptId, Rewind};
use heliostat_core::version::ResourceVersion;
use tokio::time::Instant;

/// A snapshot of how a reflector is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReflectorStatus {
    /// What it is doing.
    pub activity: Activity,
    /// True from the first complete list on; it stays true through failures, while the store keeps
    /// what it knows.
    pub synced: bool,
    /// The version that the store has reached.
    pub resource_version: ResourceVersion,
    /// How many objects the store holds, if it can say.
    pub objects: Option<usize>,
    /// The last failure, whether or not it has been overcome.
    pub last_error: Option<LastError>,
    /// When the last event or list arrived.
    pub last_event: Option<Instant>,
    /// When the next request is made, while backing off.
    pub retry_at: Option<Instant>,
    /// How far the list under way is.
    pub progress: Option<Progress>,
    /// What has happened since the start.
    pub counts: Counts,
    /// The last time the source showed an older version than before.
    pub last_rewind: Option<Rewind>,
}

/// A failure and its time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LastError {
    /// What failed and why. Text from outside is escaped and cut in it.
    pub message: String,
    /// What the source asked and where; none for a source without an address.
    pub request: Option<Arc<str>>,
    /// The number of the request that was under way, if there was one.
    pub attempt: Option<AttemptId>,
    /// How often the mirror failed since its last progress; 1 for a first failure, 0 for a rejected
    /// object before any.
    pub failures: u64,
    /// A stable word for the kind of failure: `refused`, `forbidden`, `expired`, `decode`, …
    pub class: &'static str,
    /// When.
    pub at: Instant,
}

/// How far a list is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// How many objects have come.
    pub received: u64,
    /// How many are still to come, if the server says.
    pub remaining: Option<u64>,
}

/// What has happened since a reflector was started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Pages asked for.
    pub lists: u64,
    /// Watches asked for, watch-lists among them.
    pub watches: u64,
    /// Changes applied.
    pub events: u64,
    /// Objects that could not be understood.
    pub rejected: u64,
    /// Changes that the store did not take.
    pub store_errors: u64,
    /// Rounds, watches and watch-lists that failed.
    pub failures: u64,
    /// Times the source showed an older version than before.
    pub rewinds: u64,
    /// Watch-lists given up for a list.
    pub watch_list_fallbacks: u64,
    /// Answers that came after their request was given up.
    pub late_answers: u64,
}

impl ReflectorStatus {
    pub(crate) const fn new() -> Self {
        Self {
            activity: Activity::Idle,
            synced: false,
            resource_version: ResourceVersion::UNSET,
            objects: None,
            last_error: None,
            last_event: None,
            retry_at: None,
            progress: None,
            counts: Counts {
                lists: 0,
                watches: 0,
                events: 0,
                rejected: 0,
                store_errors: 0,
                failures: 0,
                rewinds: 0,
                watch_list_fallbacks: 0,
                late_answers: 0,
            },
            last_rewind: None,
        }
    }

    /// How long ago the last event or list arrived.
    #[must_use]
    pub fn time_since_last_event(&self) -> Option<Duration> {
        self.last_event.map(|at| at.elapsed())
    }
}

impl fmt::Display for ReflectorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.activity.as_str())?;
        if !self.resource_version.is_unset() {
            write!(f, " at version {}", self.resource_version)?;
        }
        if let Some(objects) = self.objects {
            write!(f, ", {objects} objects")?;
        }
        match (&self.last_error, self.activity) {
            (Some(error), Activity::BackingOff) => write!(f, ", because {}", error.message),
            _ => Ok(()),
        }
    }
}

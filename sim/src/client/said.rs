//! What the machine said: an output as the promises and the trace see it, before and after it was
//! executed.

use std::fmt;
use std::sync::Arc;

use heliostat_core::event::ChangeKind;
use heliostat_core::object::ObjectKey;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::reflector::{AttemptId, Output, Report};
use heliostat_core::version::ResourceVersion;

use crate::kept::Kept;
use crate::world::Widget;

/// One output, with all that a promise may ask about it.
#[derive(Clone, Debug)]
pub enum Said {
    /// See [`Output::AcquirePermit`].
    AcquirePermit(AttemptId),
    /// See [`Output::ReleasePermit`].
    ReleasePermit,
    /// See [`Output::List`].
    List(AttemptId, ListOptions),
    /// See [`Output::Watch`].
    Watch(AttemptId, WatchOptions),
    /// See [`Output::Abort`].
    Abort(AttemptId),
    /// See [`Output::BeginReplace`].
    BeginReplace,
    /// See [`Output::Stage`].
    Stage(Vec<Arc<Widget>>),
    /// See [`Output::Unstage`].
    Unstage(ObjectKey),
    /// See [`Output::Keep`].
    Keep(ObjectKey),
    /// See [`Output::AbortReplace`].
    AbortReplace,
    /// See [`Output::Commit`].
    Commit(ResourceVersion),
    /// See [`Output::Apply`].
    Apply {
        /// What happened.
        change: ChangeKind,
        /// To which object.
        widget: Arc<Widget>,
        /// The version reached.
        version: Option<ResourceVersion>,
    },
    /// See [`Output::Remove`].
    Remove(ObjectKey, Option<ResourceVersion>),
    /// See [`Output::Bookmark`].
    Bookmark(ResourceVersion),
    /// See [`Output::Moved`].
    Moved(ResourceVersion),
    /// See [`Output::Resync`].
    Resync,
    /// See [`Output::Report`].
    Report(Report),
    /// See [`Output::Stopped`].
    Stopped,
}

impl Said {
    /// What an output says.
    #[must_use]
    pub fn of(output: &Output<Kept>) -> Self {
        match output {
            Output::AcquirePermit { attempt } => Self::AcquirePermit(*attempt),
            Output::ReleasePermit => Self::ReleasePermit,
            Output::List { attempt, options } => Self::List(*attempt, options.clone()),
            Output::Watch { attempt, options } => Self::Watch(*attempt, options.clone()),
            Output::Abort { attempt } => Self::Abort(*attempt),
            Output::BeginReplace { .. } => Self::BeginReplace,
            Output::Stage(entries) => {
                let widgets = entries.iter().map(|entry| entry.object.widget());
                Self::Stage(widgets.collect())
            }
            Output::Unstage(key) => Self::Unstage(key.clone()),
            Output::Keep(key) => Self::Keep(key.clone()),
            Output::AbortReplace => Self::AbortReplace,
            Output::Commit { version } => Self::Commit(version.clone()),
            Output::Apply {
                change,
                entry,
                version,
            } => Self::Apply {
                change: *change,
                widget: entry.object.widget(),
                version: version.clone(),
            },
            Output::Remove { key, version } => Self::Remove(key.clone(), version.clone()),
            Output::Bookmark { version } => Self::Bookmark(version.clone()),
            Output::Moved { version } => Self::Moved(version.clone()),
            Output::Resync => Self::Resync,
            Output::Report(report) => Self::Report(report.clone()),
            Output::Stopped { .. } => Self::Stopped,
        }
    }

    /// A number that tells kinds apart, for the trace.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::AcquirePermit(_) => 1,
            Self::ReleasePermit => 2,
            Self::List(..) => 3,
            Self::Watch(..) => 4,
            Self::Abort(_) => 5,
            Self::BeginReplace => 6,
            Self::Stage(_) => 7,
            Self::Unstage(_) => 8,
            Self::Keep(_) => 9,
            Self::AbortReplace => 10,
            Self::Commit(_) => 11,
            Self::Apply { .. } => 12,
            Self::Remove(..) => 13,
            Self::Bookmark(_) => 14,
            Self::Moved(_) => 15,
            Self::Resync => 16,
            Self::Report(_) => 17,
            Self::Stopped => 18,
        }
    }

    /// A request to the server.
    #[must_use]
    pub const fn request(&self) -> Option<AttemptId> {
        match self {
            Self::List(attempt, _) | Self::Watch(attempt, _) => Some(*attempt),
            Self::AcquirePermit(_)
            | Self::ReleasePermit
            | Self::Abort(_)
            | Self::BeginReplace
            | Self::Stage(_)
            | Self::Unstage(_)
            | Self::Keep(_)
            | Self::AbortReplace
            | Self::Commit(_)
            | Self::Apply { .. }
            | Self::Remove(..)
            | Self::Bookmark(_)
            | Self::Moved(_)
            | Self::Resync
            | Self::Report(_)
            | Self::Stopped => None,
        }
    }

    /// The object that a change of a watch is about.
    #[must_use]
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Apply { widget, .. } => Some(&widget.key),
            Self::Remove(key, _) => Some(key),
            _ => None,
        }
    }

    /// The version that the store reaches with this, where it follows a watch.
    #[must_use]
    pub const fn reaches(&self) -> Option<&ResourceVersion> {
        match self {
            Self::Apply { version, .. } | Self::Remove(_, version) => version.as_ref(),
            Self::Bookmark(version) | Self::Moved(version) => Some(version),
            _ => None,
        }
    }

    /// True for what an event of a watch does to the store or its version.
    #[must_use]
    pub const fn is_of_watch(&self) -> bool {
        matches!(
            self,
            Self::Apply { .. } | Self::Remove(..) | Self::Bookmark(_) | Self::Moved(_)
        )
    }

    /// True for what collects a set aside.
    #[must_use]
    pub const fn is_staging(&self) -> bool {
        matches!(
            self,
            Self::BeginReplace
                | Self::Stage(_)
                | Self::Unstage(_)
                | Self::Keep(_)
                | Self::AbortReplace
        )
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(attempt, options) => write!(
                f,
                "list {attempt} at {:?} limit {:?} token {:?} object {:?}",
                options.resource_version.to_string(),
                options.limit,
                options.continue_token,
                options.object.as_ref().map(ToString::to_string)
            ),
            Self::Watch(attempt, options) => write!(
                f,
                "watch {attempt} from {:?} for {:?} s{}",
                options.resource_version.to_string(),
                options.timeout_seconds.unwrap_or_default(),
                if options.send_initial_events {
                    ", initial events"
                } else {
                    ""
                }
            ),
            Self::Abort(attempt) => write!(f, "abort {attempt}"),
            Self::Stage(widgets) => {
                let texts: Vec<_> = widgets
                    .iter()
                    .map(|widget| format!("{}@{}", widget.key, widget.revision))
                    .collect();
                write!(f, "stage [{}]", texts.join(", "))
            }
            Self::Apply {
                change,
                widget,
                version,
            } => {
                let reached = version.as_ref().map(ToString::to_string);
                write!(
                    f,
                    "apply {change:?} {}@{} reaching {reached:?}",
                    widget.key, widget.revision
                )
            }
            Self::Remove(key, version) => write!(f, "remove {key} reaching {version:?}"),
            Self::Commit(version) => write!(f, "commit {version}"),
            Self::Bookmark(version) => write!(f, "bookmark {version}"),
            Self::Moved(version) => write!(f, "moved {version}"),
            other => write!(f, "{other:?}"),
        }
    }
}

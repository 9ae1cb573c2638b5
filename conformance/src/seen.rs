//! What a check sees of a source, reduced to what can be compared and shown.

use std::fmt;

use heliostat::source::{ChangeKind, ListMetadata, Rejection, WatchEvent};
use heliostat::{Entry, Header, ObjectKey, ResourceVersion, SourceError, Status, Uid};

use crate::harness::{ObjectOf, Scope};

/// One state of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) key: ObjectKey,
    pub(crate) uid: Uid,
    /// Unset where it is not known, as for a deletion that was only asked for.
    pub(crate) version: ResourceVersion,
    pub(crate) value: Option<u64>,
}

/// A change of an object, expected or seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    pub(crate) state: State,
}

/// An item of a watch stream, or its end.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Change(Change),
    Bookmark {
        version: ResourceVersion,
        is_end: bool,
    },
    Error(Status),
    Unknown(String),
    Rejected(Rejection),
    Failed(SourceError),
    End,
}

/// A whole answer to a list request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) metadata: ListMetadata,
    pub(crate) states: Vec<State>,
    pub(crate) rejections: Vec<Rejection>,
}

impl State {
    pub(crate) fn written(header: Header, value: u64) -> Self {
        Self {
            key: header.key,
            uid: header.uid,
            version: header.resource_version,
            value: Some(value),
        }
    }

    pub(crate) fn read<S: Scope>(scope: &S, entry: &Entry<ObjectOf<S>>) -> Self {
        Self {
            key: entry.header.key.clone(),
            uid: entry.header.uid.clone(),
            version: entry.header.resource_version.clone(),
            value: scope.value(&entry.object),
        }
    }

    /// True if `seen` is this state; what this one does not know is not compared.
    pub(crate) fn is_met_by(&self, seen: &Self) -> bool {
        self.key == seen.key
            && self.value == seen.value
            && (self.uid.is_unset() || self.uid == seen.uid)
            && (self.version.is_unset() || self.version == seen.version)
    }
}

impl Change {
    pub(crate) const fn new(kind: ChangeKind, state: State) -> Self {
        Self { kind, state }
    }

    pub(crate) fn is_met_by(&self, seen: &Self) -> bool {
        self.kind == seen.kind && self.state.is_met_by(&seen.state)
    }
}

impl Seen {
    pub(crate) fn read<S: Scope>(
        scope: &S,
        item: Option<Result<WatchEvent<ObjectOf<S>>, SourceError>>,
    ) -> Self {
        let change =
            |kind, entry: &Entry<_>| Self::Change(Change::new(kind, State::read(scope, entry)));
        match item {
            None => Self::End,
            Some(Err(error)) => Self::Failed(error),
            Some(Ok(WatchEvent::Added(entry))) => change(ChangeKind::Added, &entry),
            Some(Ok(WatchEvent::Modified(entry))) => change(ChangeKind::Modified, &entry),
            Some(Ok(WatchEvent::Deleted(entry))) => change(ChangeKind::Deleted, &entry),
            Some(Ok(WatchEvent::Bookmark {
                resource_version,
                initial_events_end,
            })) => Self::Bookmark {
                version: resource_version,
                is_end: initial_events_end,
            },
            Some(Ok(WatchEvent::Error(status))) => Self::Error(status),
            Some(Ok(WatchEvent::Unknown { event_type, .. })) => Self::Unknown(event_type),
            Some(Ok(WatchEvent::Rejected(rejection))) => Self::Rejected(rejection),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        match self.value {
            Some(value) => write!(f, " = {value}")?,
            None => f.write_str(" without a readable value")?,
        }
        if !self.version.is_unset() {
            write!(f, " at {}", self.version)?;
        }
        if !self.uid.is_unset() {
            write!(f, " (uid {})", self.uid)?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ChangeKind::Added => "added",
            ChangeKind::Modified => "modified",
            ChangeKind::Deleted => "deleted",
        };
        write!(f, "{kind} {}", self.state)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(change) => change.fmt(f),
            Self::Bookmark {
                version,
                is_end: true,
            } => write!(f, "the end mark of the state at {version}"),
            Self::Bookmark { version, .. } => write!(f, "a bookmark at {version}"),
            Self::Error(status) => write!(f, "an error event: {status}"),
            Self::Unknown(event_type) => write!(f, "an event of the unknown type {event_type:?}"),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Failed(error) => write!(f, "a failure: {error}"),
            Self::End => f.write_str("the end of the stream"),
        }
    }
}

/// States in one line.
pub(crate) fn show(states: &[State]) -> String {
    if states.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<String> = states.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

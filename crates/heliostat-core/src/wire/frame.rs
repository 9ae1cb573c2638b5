//! What the frames of a watch mean, whatever their encoding.

use crate::event::{ChangeKind, Rejection, RejectionReason, WatchEvent};
use crate::status::{CAUSE_UNEXPECTED_SERVER_RESPONSE, Status, StatusCause, StatusDetails};
use crate::version::ResourceVersion;

/// The type of an event.
#[derive(Clone, Debug)]
pub(super) enum EventType {
    Change(ChangeKind),
    Bookmark,
    Error,
    Other(String),
}

impl From<&str> for EventType {
    fn from(name: &str) -> Self {
        match name {
            "ADDED" => Self::Change(ChangeKind::Added),
            "MODIFIED" => Self::Change(ChangeKind::Modified),
            "DELETED" => Self::Change(ChangeKind::Deleted),
            "BOOKMARK" => Self::Bookmark,
            "ERROR" => Self::Error,
            _ => Self::Other(name.to_owned()),
        }
    }
}

impl From<String> for EventType {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

/// How much of an unexpected object is kept for the message.
const EXCERPT_BYTES: usize = 256;

/// An event of this type without an object: nothing to file and no version to move to.
pub(super) fn without_object<T>(event_type: EventType) -> WatchEvent<T> {
    let change = match event_type {
        EventType::Error => return WatchEvent::Error(unexpected_object(b"")),
        EventType::Other(event_type) => {
            return WatchEvent::Unknown {
                event_type,
                resource_version: ResourceVersion::UNSET,
            };
        }
        EventType::Change(change) => Some(change),
        EventType::Bookmark => None,
    };
    WatchEvent::Rejected(Rejection {
        key: None,
        resource_version: ResourceVersion::UNSET,
        change,
        reason: RejectionReason::NoMetadata("the event has no object".to_owned()),
    })
}

/// What an ERROR event means whose object is no `Status`.
///
/// It has neither reason nor code, so that no predicate holds for it: it is not an internal error,
/// which would be tried again in place, nor an expiry. The watch ends, and the reflector lists again
/// after its backoff.
pub(super) fn unexpected_object(bytes: &[u8]) -> Status {
    let start = bytes.get(..EXCERPT_BYTES).unwrap_or(bytes);
    let excerpt = String::from_utf8_lossy(start).into_owned();
    let message = format!("unexpected object in an ERROR event: {excerpt}");
    let mut status = Status::failure(0, "", message);
    status.details = Some(StatusDetails {
        causes: vec![StatusCause {
            reason: CAUSE_UNEXPECTED_SERVER_RESPONSE.to_owned(),
            message: excerpt,
            field: String::new(),
        }],
        ..StatusDetails::default()
    });
    status
}

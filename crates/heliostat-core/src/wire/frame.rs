//! What the frames of a watch mean, whatever their encoding.

use crate::error::DecodeError;
use crate::event::{ChangeKind, Rejection, RejectionReason, WatchEvent};
use crate::object::GroupVersionKind;
use crate::status::{CAUSE_UNEXPECTED_SERVER_RESPONSE, Status, StatusCause, StatusDetails};
use crate::version::ResourceVersion;

/// The type of an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum EventType {
    Change(ChangeKind),
    Bookmark,
    Error,
}

impl EventType {
    /// The type of this name.
    ///
    /// The reference client fails the stream of an unknown type, too: skipping the frame could skip a
    /// change.
    pub(super) fn named(name: &str) -> Result<Self, DecodeError> {
        Ok(match name {
            "ADDED" => Self::Change(ChangeKind::Added),
            "MODIFIED" => Self::Change(ChangeKind::Modified),
            "DELETED" => Self::Change(ChangeKind::Deleted),
            "BOOKMARK" => Self::Bookmark,
            "ERROR" => Self::Error,
            _ => {
                let excerpt = name.chars().take(EVENT_TYPE_CHARS).collect();
                return Err(DecodeError::UnknownEventType(excerpt));
            }
        })
    }
}

/// How many characters of an unknown type are kept for the message. The longest known type has eight.
const EVENT_TYPE_CHARS: usize = 128;

/// A frame without a type, which holds an object of this kind, or of none that can be read.
pub(super) fn not_an_event(kind: Option<GroupVersionKind>) -> DecodeError {
    DecodeError::NotAnEvent(kind.map_or_else(String::new, |kind| kind.to_string()))
}

/// How much of an unexpected object is kept for the message.
const EXCERPT_BYTES: usize = 256;

/// An event of this type without an object: it has no key and no version.
pub(super) fn without_object<T>(event_type: EventType) -> WatchEvent<T> {
    let change = match event_type {
        EventType::Error => return WatchEvent::Error(unexpected_object(b"")),
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

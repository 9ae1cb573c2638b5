//! A watch: frames of a type and an object, one JSON value after the other.
//!
//! Frames are values, not lines, so a server may print them pretty. A frame counts once it is
//! complete: what a connection cuts off is not an event. `type` and `object` may each come once.
//!
//! A frame that is a `Status` itself, as some gateways send it, is an error event with that `Status`.
//! Any other frame without a known type is an error of the stream.

use serde_json::{Map, Value};

use crate::error::DecodeError;
use crate::event::{ChangeKind, INITIAL_EVENTS_END, Rejection, RejectionReason, WatchEvent};
use crate::status::Status;
use crate::version::ResourceVersion;
use crate::wire::frame::{EventType, not_an_event, unexpected_object, without_object};
use crate::wire::{Codec, DecodeLimits};

use super::bare_status::BareStatus;
use super::header::RawHeader;
use super::scan::{Broken, check_structure};
use super::split::{Documents, Member, Span, Splitter, Token, Want};

/// Decodes the events of one watch, chunk by chunk.
///
/// Call [`push`](Self::push) for every chunk and [`finish`](Self::finish) at the end of the body.
/// After an error nothing more comes out; the error is given again.
#[derive(Debug)]
pub struct WatchDecoder<C: Codec> {
    splitter: Splitter<FrameMember>,
    codec: C,
    frame: Frame<C::Object>,
    failed: Option<DecodeError>,
}

/// What has come of the present frame.
#[derive(Debug)]
struct Frame<T> {
    event_type: Option<EventType>,
    /// The object, if it came before the type.
    held: Option<Held>,
    /// The event, which counts when the frame is complete.
    event: Option<WatchEvent<T>>,
    /// The members of a `Status`, in case the frame is one.
    status: BareStatus,
}

#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    span: Span,
}

#[derive(Clone, Copy, Debug)]
enum FrameMember {
    Type,
    Object,
    /// A member that only a `Status` has.
    OfStatus(&'static str),
}

/// What is being decoded, for messages.
const WHAT: &str = "watch frame";

/// The longest event type, in bytes as it is written. The longest real one has eight letters; the
/// type is repeated in logs, so it must not be long.
const EVENT_TYPE_BYTES_MAX: usize = 256;

impl<C: Codec> WatchDecoder<C> {
    /// A decoder for one watch.
    pub fn new(codec: C, limits: DecodeLimits) -> Self {
        Self {
            splitter: Splitter::new(WHAT, Documents::Many, limits),
            codec,
            frame: Frame::default(),
            failed: None,
        }
    }

    /// Takes in the next chunk. The events that it completes come out in their order.
    ///
    /// # Errors
    ///
    /// The bytes are no frames, or no JSON, or a frame is too large. What was complete before has
    /// come out.
    pub fn push(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<WatchEvent<C::Object>>,
    ) -> Result<(), DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.take_in(chunk, out);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// Says that the body has ended.
    ///
    /// # Errors
    ///
    /// It ended inside a frame.
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => self.splitter.finish(),
        }
    }

    fn take_in(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<WatchEvent<C::Object>>,
    ) -> Result<(), DecodeError> {
        let mut at = 0;
        while let Some(token) = self.splitter.next(chunk, &mut at)? {
            match token {
                Token::Member(FrameMember::Type, span) => self.event_type(chunk, &span)?,
                Token::Member(FrameMember::Object, span) => self.object(chunk, &span)?,
                Token::Member(FrameMember::OfStatus(name), span) => {
                    self.frame
                        .status
                        .take(name, self.splitter.bytes(chunk, &span));
                }
                Token::End => out.push(self.end()?),
                // No member of a frame is wanted by its elements.
                Token::Array(_) | Token::Element(_) => {}
            }
        }
        Ok(())
    }

    fn event_type(&mut self, chunk: &[u8], span: &Span) -> Result<(), DecodeError> {
        let bytes = self.splitter.bytes(chunk, span);
        let name: Option<String> = serde_json::from_slice(bytes).map_err(|error| {
            let reason = format!("type: {error}");
            self.splitter.malformed(span.offset, reason)
        })?;
        let name = name.filter(|name| !name.is_empty());
        self.frame.event_type = name.as_deref().map(EventType::named).transpose()?;
        Ok(())
    }

    /// Decodes the object where it lies, or keeps it until the type is known.
    fn object(&mut self, chunk: &[u8], span: &Span) -> Result<(), DecodeError> {
        let bytes = self.splitter.bytes(chunk, span);
        if bytes == b"null" {
            return Ok(());
        }
        let Some(event_type) = self.frame.event_type else {
            self.frame.held = Some(Held {
                bytes: bytes.to_vec(),
                span: span.clone(),
            });
            return Ok(());
        };
        let event = decode(&mut self.codec, event_type, bytes)
            .map_err(|broken| self.splitter.broken(span, broken))?;
        self.frame.event = Some(event);
        Ok(())
    }

    /// The frame is complete.
    fn end(&mut self) -> Result<WatchEvent<C::Object>, DecodeError> {
        let frame = std::mem::take(&mut self.frame);
        if let Some(event) = frame.event {
            return Ok(event);
        }
        let broken = |held: &Held, broken| self.splitter.broken(&held.span, broken);
        match (frame.event_type, frame.held) {
            (Some(event_type), Some(held)) => decode(&mut self.codec, event_type, &held.bytes)
                .map_err(|error| broken(&held, error)),
            (Some(event_type), None) => Ok(without_object(event_type)),
            (None, held) => {
                if let Some(held) = held {
                    check_structure(&held.bytes).map_err(|error| broken(&held, error))?;
                }
                let status = frame.status.status().map(WatchEvent::Error);
                status.ok_or_else(|| not_an_event(Some(frame.status.kind())))
            }
        }
    }
}

impl<T> Default for Frame<T> {
    fn default() -> Self {
        Self {
            event_type: None,
            held: None,
            event: None,
            status: BareStatus::default(),
        }
    }
}

impl Member for FrameMember {
    fn named(name: &str) -> Option<Self> {
        match name {
            "type" => Some(Self::Type),
            "object" => Some(Self::Object),
            "kind" => Some(Self::OfStatus("kind")),
            "apiVersion" => Some(Self::OfStatus("apiVersion")),
            "metadata" => Some(Self::OfStatus("metadata")),
            _ => BareStatus::member(name).map(Self::OfStatus),
        }
    }

    fn bit(self) -> u32 {
        match self {
            Self::Type => 1,
            Self::Object => 2,
            Self::OfStatus(_) => 0,
        }
    }

    fn want(self, limits: &DecodeLimits) -> Want {
        match self {
            Self::Type => Want::Whole(EVENT_TYPE_BYTES_MAX),
            Self::Object => Want::Whole(limits.object_bytes_max),
            Self::OfStatus(_) => Want::WholeIfWithin(limits.envelope_bytes_max),
        }
    }
}

/// What an event of this type with this object means.
fn decode<C: Codec>(
    codec: &mut C,
    event_type: EventType,
    bytes: &[u8],
) -> Result<WatchEvent<C::Object>, Broken> {
    let (decoded, change) = match event_type {
        EventType::Change(change) => (decode_change(codec, change, bytes), Some(change)),
        EventType::Bookmark => (decode_bookmark(codec, bytes), None),
        EventType::Error => return decode_error(bytes).map(WatchEvent::Error),
    };
    decoded.or_else(|reason| reject(bytes, change, reason))
}

fn decode_change<C: Codec>(
    codec: &mut C,
    change: ChangeKind,
    bytes: &[u8],
) -> Result<WatchEvent<C::Object>, RejectionReason> {
    check_kind(codec, bytes)?;
    let entry = codec.decode(bytes, None)?;
    Ok(match change {
        ChangeKind::Added => WatchEvent::Added(entry),
        ChangeKind::Modified => WatchEvent::Modified(entry),
        ChangeKind::Deleted => WatchEvent::Deleted(entry),
    })
}

/// Takes of a bookmark what means something, and not as the mirror's type: older servers send the
/// zero values of the type's required members along, such as `"containers":null`, which do not
/// decode as that.
fn decode_bookmark<C: Codec>(
    codec: &C,
    bytes: &[u8],
) -> Result<WatchEvent<C::Object>, RejectionReason> {
    check_kind(codec, bytes)?;
    let object: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|error| RejectionReason::Undecodable(error.to_string()))?;
    let no_metadata = |what: &str| RejectionReason::NoMetadata(what.to_owned());
    let empty = Map::new();
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        None | Some(Value::Null) => &empty,
        Some(_) => return Err(no_metadata("the bookmark's metadata is no object")),
    };
    let resource_version = match metadata.get("resourceVersion") {
        Some(Value::String(version)) => ResourceVersion::from(version.as_str()),
        None | Some(Value::Null) => ResourceVersion::UNSET,
        Some(_) => return Err(no_metadata("the bookmark's version is no text")),
    };
    let annotations = metadata.get("annotations");
    let end = annotations.and_then(|annotations| annotations.get(INITIAL_EVENTS_END));
    Ok(WatchEvent::Bookmark {
        resource_version,
        initial_events_end: end.is_some_and(|value| value == "true"),
    })
}

/// Objects of events say what they are, and must be what the mirror is of; bookmarks too.
fn check_kind<C: Codec>(codec: &C, bytes: &[u8]) -> Result<(), RejectionReason> {
    let header = RawHeader::read_kind(bytes);
    if header.is_table() {
        return Err(RejectionReason::Table);
    }
    let accepted = || codec.accepted_kind().is_some_and(|kind| header.is(kind));
    match codec.expected_kind() {
        Some(expected) if !header.is(expected) && !accepted() => Err(RejectionReason::WrongKind {
            expected: expected.clone(),
            actual: header.group_version_kind(),
        }),
        _ => Ok(()),
    }
}

fn reject<T>(
    bytes: &[u8],
    change: Option<ChangeKind>,
    reason: RejectionReason,
) -> Result<WatchEvent<T>, Broken> {
    check_structure(bytes)?;
    let header = RawHeader::read(bytes);
    Ok(WatchEvent::Rejected(Rejection {
        key: header.key(),
        resource_version: header.resource_version(),
        change,
        reason,
    }))
}

fn decode_error(bytes: &[u8]) -> Result<Status, Broken> {
    if let Some(status) = Status::parse(bytes) {
        return Ok(status);
    }
    check_structure(bytes)?;
    Ok(unexpected_object(bytes))
}

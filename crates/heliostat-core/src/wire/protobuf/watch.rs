//! A watch: frames of a length and a `WatchEvent`.
//!
//! A frame counts once it is complete: what a connection cuts off is not an event. Unlike with JSON a
//! frame that is broken inside does not hide where the next one begins, so it costs one object only.
//!
//! A `Status` in its envelope, in a frame or instead of all frames, is that `Status`. Any other frame
//! without a known type is an error of the stream.

use std::sync::Arc;

use super::envelope::{Envelope, MAGIC};
use super::field::{Fields, Value};
use super::gather::{Chunk, Gather};
use super::header::{self, RawHeader, object_meta};
use super::list::reject;
use super::status;
use crate::error::DecodeError;
use crate::event::{ChangeKind, INITIAL_EVENTS_END, Rejection, RejectionReason, WatchEvent};
use crate::object::GroupVersionKind;
use crate::status::Status;
use crate::wire::frame::{EventType, not_an_event, unexpected_object, without_object};
use crate::wire::{Codec, DecodeLimits};

/// The fields of `WatchEvent`, and of the `RawExtension` in it.
mod watch_event {
    pub(super) const TYPE: u32 = 1;
    pub(super) const OBJECT: u32 = 2;
    pub(super) const OBJECT_RAW: u32 = 1;
}

/// Decodes the events of one watch, chunk by chunk.
///
/// Call [`push`](Self::push) for every chunk and [`finish`](Self::finish) at the end of the body.
/// After an error nothing more comes out; the error is given again.
#[derive(Debug)]
pub struct WatchDecoder<C> {
    gather: Gather,
    /// The length of the frame that has begun.
    frame: Option<usize>,
    /// What comes in place of frames, from its magic number on.
    unframed: Option<Vec<u8>>,
    codec: C,
    /// The kind of the last object. All are of one, so that its name is made once.
    kind: Option<GroupVersionKind>,
    limits: DecodeLimits,
    failed: Option<DecodeError>,
}

/// What is being decoded, for messages.
const WHAT: &str = "watch frame";

/// The length of a frame stands before it in so many bytes, the highest first.
const LENGTH_BYTES: usize = 4;

/// How much a frame has besides its object: a type, an envelope, and their tags.
const FRAME_OVERHEAD_MAX: usize = 1 << 10;

impl<C: Codec> WatchDecoder<C> {
    /// A decoder for one watch.
    pub fn new(codec: C, limits: DecodeLimits) -> Self {
        Self {
            gather: Gather::default(),
            frame: None,
            unframed: None,
            codec,
            kind: None,
            limits,
            failed: None,
        }
    }

    /// Takes in the next chunk. The events that it completes come out in their order.
    ///
    /// # Errors
    ///
    /// The bytes are no frames, or a frame is too large. What was complete before has come out.
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
    /// It ended inside a frame, or was no stream of frames: for example one `Status`.
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if let Some(object) = &self.unframed {
            let status = bare_status(object, 0)?;
            return Err(DecodeError::Status(Arc::new(status)));
        }
        if self.frame.is_some() || !self.gather.is_clear() {
            return Err(DecodeError::Truncated {
                what: WHAT,
                bytes: self.gather.offset(),
            });
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<WatchEvent<C::Object>>,
    ) -> Result<(), DecodeError> {
        let chunk = &mut Chunk::new(chunk);
        while !chunk.is_spent() || self.frame == Some(0) {
            if let Some(object) = &mut self.unframed {
                return hold_unframed(object, chunk, self.limits.envelope_bytes_max);
            }
            let Some(length) = self.frame else {
                self.length(chunk)?;
                continue;
            };
            let offset = self.gather.start();
            let Some(frame) = self.gather.take(chunk, length) else {
                continue;
            };
            self.frame = None;
            out.push(event(&mut self.codec, &mut self.kind, frame, offset)?);
        }
        Ok(())
    }

    fn length(&mut self, chunk: &mut Chunk<'_>) -> Result<(), DecodeError> {
        let Some(bytes) = self.gather.take(chunk, LENGTH_BYTES) else {
            return Ok(());
        };
        // As a length it is above any limit in use.
        if bytes == MAGIC {
            self.unframed = Some(MAGIC.to_vec());
            return Ok(());
        }
        let length = bytes
            .iter()
            .fold(0usize, |length, &byte| (length << 8) | usize::from(byte));
        let limit = self.limits.object_bytes_max;
        if length > limit.saturating_add(FRAME_OVERHEAD_MAX) {
            return Err(DecodeError::TooLarge { what: WHAT, limit });
        }
        self.frame = Some(length);
        Ok(())
    }
}

/// Keeps the rest of a chunk.
fn hold_unframed(
    object: &mut Vec<u8>,
    chunk: &mut Chunk<'_>,
    limit: usize,
) -> Result<(), DecodeError> {
    let rest = chunk.take_rest();
    if object.len() + rest.len() > limit {
        return Err(DecodeError::TooLarge { what: WHAT, limit });
    }
    object.extend_from_slice(rest);
    Ok(())
}

/// An object without a type, which must be a `Status`.
fn bare_status(object: &[u8], offset: u64) -> Result<Status, DecodeError> {
    let envelope = Envelope::open(object).map_err(|error| malformed(offset, error))?;
    if status::is_status(envelope.kind) {
        return Ok(status::read(envelope.raw));
    }
    Err(not_an_event(envelope.kind.map(GroupVersionKind::from)))
}

fn malformed(offset: u64, reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::Malformed {
        what: WHAT,
        offset,
        reason: reason.to_string(),
    }
}

/// What a frame means. Only one that is no event at all fails the stream.
fn event<C: Codec>(
    codec: &mut C,
    kind: &mut Option<GroupVersionKind>,
    frame: &[u8],
    offset: u64,
) -> Result<WatchEvent<C::Object>, DecodeError> {
    if frame.starts_with(&MAGIC) {
        return bare_status(frame, offset).map(WatchEvent::Error);
    }
    let mut name = None;
    let mut object = None;
    for field in Fields::of(frame) {
        let field = field.map_err(|error| malformed(offset, error))?;
        match (field.number, field.value) {
            (watch_event::TYPE, Value::Bytes(text)) => name = Some(String::from_utf8_lossy(text)),
            (watch_event::OBJECT, Value::Bytes(extension)) => {
                // Messages that come twice are merged.
                object = raw(extension).or(object);
            }
            _ => {}
        }
    }
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(not_an_event(None));
    };
    let event_type = EventType::named(&name)?;
    let Some(object) = object else {
        return Ok(without_object(event_type));
    };
    Ok(match event_type {
        EventType::Change(change) => changed(codec, kind, change, object),
        EventType::Bookmark => bookmark(codec, object),
        EventType::Error => WatchEvent::Error(match Envelope::open(object) {
            Ok(envelope) if status::is_status(envelope.kind) => status::read(envelope.raw),
            _ => unexpected_object(object),
        }),
    })
}

fn changed<C: Codec>(
    codec: &mut C,
    kind: &mut Option<GroupVersionKind>,
    change: ChangeKind,
    object: &[u8],
) -> WatchEvent<C::Object> {
    let decoded = open(codec, object).and_then(|envelope| {
        let told = envelope.kind;
        if !told.is_some_and(|told| kind.as_ref().is_some_and(|kind| told.is(kind))) {
            *kind = told.map(GroupVersionKind::from);
        }
        let entry = codec.decode(envelope.raw, kind.as_ref())?;
        Ok(match change {
            ChangeKind::Added => WatchEvent::Added(entry),
            ChangeKind::Modified => WatchEvent::Modified(entry),
            ChangeKind::Deleted => WatchEvent::Deleted(entry),
        })
    });
    decoded.unwrap_or_else(|reason| rejected(object, Some(change), reason))
}

/// Takes of a bookmark what means something, and not as the mirror's type.
fn bookmark<C: Codec>(codec: &C, object: &[u8]) -> WatchEvent<C::Object> {
    let read = open(codec, object).and_then(|envelope| {
        let no_metadata = |error: &dyn ToString| RejectionReason::NoMetadata(error.to_string());
        let header = RawHeader::read(envelope.raw).map_err(|error| no_metadata(&error))?;
        Ok(WatchEvent::Bookmark {
            resource_version: header.resource_version(),
            initial_events_end: ends_initial_events(envelope.raw),
        })
    });
    read.unwrap_or_else(|reason| rejected(object, None, reason))
}

/// True if the object has the annotation that ends the initial events.
fn ends_initial_events(message: &[u8]) -> bool {
    let mut ends = false;
    for metadata in header::metadata(message).map_while(Result::ok) {
        for field in Fields::of(metadata).map_while(Result::ok) {
            if field.number != object_meta::ANNOTATIONS {
                continue;
            }
            let entry = Fields::of(field.value.as_bytes().unwrap_or_default());
            let (mut name, mut value) = (&b""[..], &b""[..]);
            for part in entry.map_while(Result::ok) {
                match part.number {
                    1 => name = part.value.as_bytes().unwrap_or_default(),
                    2 => value = part.value.as_bytes().unwrap_or_default(),
                    _ => {}
                }
            }
            if name == INITIAL_EVENTS_END.as_bytes() {
                ends = value == b"true";
            }
        }
    }
    ends
}

/// Opens the envelope of an object, which must be what the mirror is of; bookmarks too.
fn open<'a, C: Codec>(codec: &C, object: &'a [u8]) -> Result<Envelope<'a>, RejectionReason> {
    let envelope =
        Envelope::open(object).map_err(|error| RejectionReason::Undecodable(error.to_string()))?;
    let actual = envelope.kind.unwrap_or_default();
    let accepted = || codec.accepted_kind().is_some_and(|kind| actual.is(kind));
    match codec.expected_kind() {
        Some(expected) if !actual.is(expected) && !accepted() => Err(RejectionReason::WrongKind {
            expected: expected.clone(),
            actual: actual.into(),
        }),
        _ => Ok(envelope),
    }
}

fn rejected<T>(
    object: &[u8],
    change: Option<ChangeKind>,
    reason: RejectionReason,
) -> WatchEvent<T> {
    let message = Envelope::open(object).unwrap_or_default().raw;
    WatchEvent::Rejected(Rejection {
        change,
        ..reject(message, reason)
    })
}

/// The bytes in a `RawExtension`.
fn raw(extension: &[u8]) -> Option<&[u8]> {
    let fields = Fields::of(extension).map_while(Result::ok);
    fields
        .filter(|field| field.number == watch_event::OBJECT_RAW)
        .filter_map(|field| field.value.as_bytes())
        .last()
}

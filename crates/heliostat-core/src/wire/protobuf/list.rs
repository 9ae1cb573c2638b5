//! A list: its metadata, and its items as they arrive.
//!
//! The list lies in an envelope, and its items in the list, so there are two levels of fields. Both
//! are walked as they come; what is held is one unfinished item.

use std::sync::Arc;

use super::envelope::{MAGIC, TypeMeta, is_plain, unknown};
use super::field::{Fields, Malformed, Value, WireType};
use super::gather::{Chunk, Gather, Head};
use super::header::RawHeader;
use super::status;
use crate::error::DecodeError;
use crate::event::{Item, ListMetadata, ListPart, Rejection, RejectionReason};
use crate::object::GroupVersionKind;
use crate::version::ResourceVersion;
use crate::wire::{Codec, DecodeLimits};

/// The fields of every list.
mod fields {
    pub(super) const METADATA: u32 = 1;
    pub(super) const ITEMS: u32 = 2;
}

/// The fields of `ListMeta`.
mod list_meta {
    pub(super) const RESOURCE_VERSION: u32 = 2;
    pub(super) const CONTINUE: u32 = 3;
    pub(super) const REMAINING_ITEM_COUNT: u32 = 4;
}

/// Decodes one list, chunk by chunk.
///
/// Call [`push`](Self::push) for every chunk and [`finish`](Self::finish) at the end of the body.
/// After an error nothing more comes out; the error is given again.
#[derive(Debug)]
pub struct ListDecoder<C> {
    gather: Gather,
    place: Place,
    codec: C,
    limits: DecodeLimits,
    kind: Option<GroupVersionKind>,
    item_kind: Option<GroupVersionKind>,
    has_raw: bool,
    has_metadata: bool,
    failed: Option<DecodeError>,
}

/// Where in the answer the next byte lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    Magic,
    /// Between two fields of the envelope.
    Envelope,
    /// In a field of the envelope that is wanted whole.
    EnvelopeField(Head),
    /// In a field of the envelope that nobody wants.
    EnvelopeSkip(u64),
    /// Between two fields of the list, of which so many bytes are left.
    List(u64),
    /// In a field of the list that is wanted whole.
    ListField(Head, u64),
    /// In a field of the list that nobody wants.
    ListSkip(u64, u64),
}

/// What is being decoded, for messages.
const WHAT: &str = "list";

impl<C: Codec> ListDecoder<C> {
    /// A decoder for one list.
    pub fn new(codec: C, limits: DecodeLimits) -> Self {
        Self {
            gather: Gather::default(),
            place: Place::Magic,
            codec,
            limits,
            kind: None,
            item_kind: None,
            has_raw: false,
            has_metadata: false,
            failed: None,
        }
    }

    /// Takes in the next chunk. The items that it completes come out in their order, as one batch
    /// unless the metadata lies between them.
    ///
    /// # Errors
    ///
    /// The bytes are no list, or no protobuf, or an item is too large. What was complete before has
    /// come out.
    pub fn push(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<ListPart<C::Object>>,
    ) -> Result<(), DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut batch = Vec::new();
        let result = self.take_in(chunk, &mut batch, out);
        flush(&mut batch, out);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// Says that the body has ended.
    ///
    /// # Errors
    ///
    /// The list is incomplete, or is none: it has neither metadata nor the kind of a list.
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let complete = matches!(self.place, Place::Envelope) && self.has_raw;
        if !complete || !self.gather.is_clear() {
            return Err(DecodeError::Truncated {
                what: WHAT,
                bytes: self.gather.offset(),
            });
        }
        if !self.has_metadata && self.item_kind.is_none() {
            return Err(DecodeError::NotAList(String::new()));
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        chunk: &[u8],
        batch: &mut Vec<Item<C::Object>>,
        out: &mut Vec<ListPart<C::Object>>,
    ) -> Result<(), DecodeError> {
        let chunk = &mut Chunk::new(chunk);
        while !chunk.is_spent() || self.place.needs_no_byte() {
            match self.place {
                Place::Magic => self.magic(chunk)?,
                Place::Envelope => self.envelope_head(chunk)?,
                Place::EnvelopeField(head) => self.envelope_field(head, chunk)?,
                Place::EnvelopeSkip(left) => {
                    let left = left - self.gather.skip(chunk, left);
                    self.place = match left {
                        0 => Place::Envelope,
                        left => Place::EnvelopeSkip(left),
                    };
                }
                Place::List(0) => {
                    if !self.has_metadata {
                        flush(batch, out);
                        out.push(ListPart::Metadata(ListMetadata::default()));
                    }
                    self.place = Place::Envelope;
                }
                Place::List(left) => self.list_head(left, chunk)?,
                Place::ListField(head, left) => {
                    self.list_field(head, left, chunk, batch, out)?;
                }
                Place::ListSkip(skip, left) => {
                    let skip = skip - self.gather.skip(chunk, skip);
                    self.place = match skip {
                        0 => Place::List(left),
                        skip => Place::ListSkip(skip, left),
                    };
                }
            }
        }
        Ok(())
    }

    fn magic(&mut self, chunk: &mut Chunk<'_>) -> Result<(), DecodeError> {
        let Some(magic) = self.gather.take(chunk, MAGIC.len()) else {
            return Ok(());
        };
        if magic != MAGIC {
            return Err(
                self.malformed("the bytes do not begin with the magic number of Kubernetes")
            );
        }
        self.place = Place::Envelope;
        Ok(())
    }

    fn envelope_head(&mut self, chunk: &mut Chunk<'_>) -> Result<(), DecodeError> {
        let head = self.gather.head(chunk);
        let Some(head) = head.map_err(|error| self.malformed(error))? else {
            return Ok(());
        };
        self.place = match (head.tag.number, head.tag.wire_type) {
            (unknown::RAW, WireType::Bytes) => self.enter(head)?,
            (
                unknown::TYPE_META | unknown::CONTENT_ENCODING | unknown::CONTENT_TYPE,
                WireType::Bytes,
            ) => {
                self.check_size(head, self.limits.envelope_bytes_max)?;
                Place::EnvelopeField(head)
            }
            _ => Place::EnvelopeSkip(head.content),
        };
        Ok(())
    }

    /// Begins with the list itself, or takes it whole if it is no list.
    fn enter(&mut self, head: Head) -> Result<Place, DecodeError> {
        if self.has_raw {
            return Err(self.malformed("the envelope holds two objects"));
        }
        self.has_raw = true;
        match &self.kind {
            Some(_) if self.item_kind.is_none() => {
                self.check_size(head, self.limits.envelope_bytes_max)?;
                Ok(Place::EnvelopeField(head))
            }
            _ => Ok(Place::List(head.content)),
        }
    }

    fn envelope_field(&mut self, head: Head, chunk: &mut Chunk<'_>) -> Result<(), DecodeError> {
        let offset = self.gather.start();
        let Some(bytes) = self.gather.take(chunk, head.content as usize) else {
            return Ok(());
        };
        self.place = Place::Envelope;
        match head.tag.number {
            unknown::TYPE_META => {
                // Messages that come twice are merged.
                let before = self.kind.take();
                let before = before.as_ref().map(TypeMeta::of).unwrap_or_default();
                let kind = before.merge(bytes);
                let kind = GroupVersionKind::from(kind.map_err(|error| malformed(offset, error))?);
                self.item_kind = item_kind(&kind);
                // Told behind the object: what came out so far was wrong, if it is no list.
                let is_late = self.has_raw && self.item_kind.is_none();
                let kind = self.kind.insert(kind);
                match is_late {
                    true => Err(DecodeError::NotAList(kind.to_string())),
                    false => Ok(()),
                }
            }
            unknown::RAW => Err(not_a_list(self.kind.as_ref(), bytes)),
            unknown::CONTENT_ENCODING | unknown::CONTENT_TYPE
                if !is_plain(head.tag.number, bytes) =>
            {
                Err(malformed(offset, "the list is in an encoding of its own"))
            }
            _ => Ok(()),
        }
    }

    fn list_head(&mut self, left: u64, chunk: &mut Chunk<'_>) -> Result<(), DecodeError> {
        let head = self.gather.head(chunk);
        let Some(head) = head.map_err(|error| self.malformed(error))? else {
            return Ok(());
        };
        let left = left.checked_sub(head.bytes.saturating_add(head.content));
        let left = left.ok_or_else(|| self.malformed(Malformed::Truncated))?;
        self.place = match (head.tag.number, head.tag.wire_type) {
            (fields::METADATA, WireType::Bytes) => {
                self.check_size(head, self.limits.envelope_bytes_max)?;
                Place::ListField(head, left)
            }
            (fields::ITEMS, WireType::Bytes) => {
                self.check_size(head, self.limits.object_bytes_max)?;
                Place::ListField(head, left)
            }
            _ => Place::ListSkip(head.content, left),
        };
        Ok(())
    }

    fn list_field(
        &mut self,
        head: Head,
        left: u64,
        chunk: &mut Chunk<'_>,
        batch: &mut Vec<Item<C::Object>>,
        out: &mut Vec<ListPart<C::Object>>,
    ) -> Result<(), DecodeError> {
        let offset = self.gather.start();
        let Some(bytes) = self.gather.take(chunk, head.content as usize) else {
            return Ok(());
        };
        self.place = Place::List(left);
        if head.tag.number == fields::ITEMS {
            let decoded = self.codec.decode(bytes, self.item_kind.as_ref());
            batch.push(decoded.map_err(|reason| reject(bytes, reason)));
            return Ok(());
        }
        let metadata = metadata(bytes).map_err(|error| malformed(offset, error))?;
        self.has_metadata = true;
        flush(batch, out);
        out.push(ListPart::Metadata(metadata));
        Ok(())
    }

    fn check_size(&self, head: Head, limit: usize) -> Result<(), DecodeError> {
        if head.content > limit as u64 {
            return Err(DecodeError::TooLarge { what: WHAT, limit });
        }
        Ok(())
    }

    fn malformed(&self, reason: impl std::fmt::Display) -> DecodeError {
        malformed(self.gather.start(), reason)
    }
}

impl Place {
    /// True if something is complete that has no bytes: waiting for the next one would be in vain.
    const fn needs_no_byte(self) -> bool {
        match self {
            Self::Magic | Self::Envelope => false,
            Self::EnvelopeField(head) | Self::ListField(head, _) => head.content == 0,
            Self::EnvelopeSkip(left) | Self::ListSkip(left, _) | Self::List(left) => left == 0,
        }
    }
}

/// The kind of the items of a list of this kind; none if it is no list.
///
/// Nor is `List` itself one: its items are envelopes of any kind, which no server puts in an answer to
/// a list request.
fn item_kind(list: &GroupVersionKind) -> Option<GroupVersionKind> {
    let item = list.kind.strip_suffix("List")?;
    (!item.is_empty()).then(|| GroupVersionKind::new(list.api_version.as_str(), item))
}

fn malformed(offset: u64, reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::Malformed {
        what: WHAT,
        offset,
        reason: reason.to_string(),
    }
}

/// Something else came where a list should be.
fn not_a_list(kind: Option<&GroupVersionKind>, message: &[u8]) -> DecodeError {
    match kind {
        Some(kind) if status::is_status(Some(TypeMeta::of(kind))) => {
            DecodeError::Status(Arc::new(status::read(message)))
        }
        Some(kind) => DecodeError::NotAList(kind.to_string()),
        None => DecodeError::NotAList(String::new()),
    }
}

fn metadata(message: &[u8]) -> Result<ListMetadata, Malformed> {
    let mut metadata = ListMetadata::default();
    for field in Fields::of(message) {
        let field = field?;
        match (field.number, field.value) {
            (list_meta::RESOURCE_VERSION, value) => {
                let version = value.as_text()?.unwrap_or_default();
                metadata.resource_version = ResourceVersion::from(version);
            }
            (list_meta::CONTINUE, value) => {
                let token = value.as_text()?.filter(|token| !token.is_empty());
                metadata.continue_token = token.map(str::to_owned);
            }
            (list_meta::REMAINING_ITEM_COUNT, Value::Varint(count)) => {
                // A negative number has its highest bit set.
                metadata.remaining_item_count = i64::try_from(count).ok().map(i64::cast_unsigned);
            }
            _ => {}
        }
    }
    Ok(metadata)
}

fn flush<T>(batch: &mut Vec<Item<T>>, out: &mut Vec<ListPart<T>>) {
    if !batch.is_empty() {
        out.push(ListPart::Items(std::mem::take(batch)));
    }
}

pub(super) fn reject(message: &[u8], reason: RejectionReason) -> Rejection {
    let header = RawHeader::read_tolerantly(message);
    Rejection {
        key: header.key(),
        resource_version: header.resource_version(),
        change: None,
        reason,
    }
}

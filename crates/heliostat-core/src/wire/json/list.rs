//! A list: its metadata, and its items as they arrive.
//!
//! The members may come in any order: built-in kinds send the metadata before the items, custom
//! resources after them. `kind`, `apiVersion`, `metadata` and `items` may each come once: since items
//! are handed on at once, a second `items` could not undo the first, so a list that repeats one of
//! them is malformed.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::DecodeError;
use crate::event::{Item, ListMetadata, ListPart, Rejection, RejectionReason};
use crate::object::GroupVersionKind;
use crate::version::ResourceVersion;
use crate::wire::{Codec, DecodeLimits};

use super::bare_status::BareStatus;
use super::header::{self, RawHeader};
use super::scan::check_structure;
use super::split::{Documents, Member, Span, Splitter, Token, Want};

/// Decodes one list, chunk by chunk.
///
/// Call [`push`](Self::push) for every chunk and [`finish`](Self::finish) at the end of the body.
/// After an error nothing more comes out; the error is given again.
#[derive(Debug)]
pub struct ListDecoder<C> {
    splitter: Splitter<ListMember>,
    codec: C,
    envelope: Envelope,
    failed: Option<DecodeError>,
}

/// What is known of the list itself.
#[derive(Debug, Default)]
struct Envelope {
    kind: Option<String>,
    api_version: Option<String>,
    item_kind: Option<GroupVersionKind>,
    has_metadata: bool,
    has_items: bool,
    /// The members of a `Status`, in case the answer is one.
    status: BareStatus,
}

#[derive(Clone, Copy, Debug)]
enum ListMember {
    Kind,
    ApiVersion,
    Metadata,
    Items,
    /// A member that only a `Status` has.
    OfStatus(&'static str),
}

/// List metadata as it is on the wire.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireMetadata {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    continue_token: Option<String>,
    remaining_item_count: Option<i64>,
}

/// What is being decoded, for messages.
const WHAT: &str = "list";

impl<C: Codec> ListDecoder<C> {
    /// A decoder for one list.
    pub fn new(codec: C, limits: DecodeLimits) -> Self {
        Self {
            splitter: Splitter::new(WHAT, Documents::One, limits),
            codec,
            envelope: Envelope::default(),
            failed: None,
        }
    }

    /// Takes in the next chunk. The items that it completes come out in their order, as one batch
    /// unless the metadata lies between them.
    ///
    /// # Errors
    ///
    /// The bytes are no list, or no JSON, or an item is too large. What was complete before has come
    /// out.
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
    /// The list is incomplete.
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.splitter.finish()
    }

    fn take_in(
        &mut self,
        chunk: &[u8],
        batch: &mut Vec<Item<C::Object>>,
        out: &mut Vec<ListPart<C::Object>>,
    ) -> Result<(), DecodeError> {
        let mut at = 0;
        while let Some(token) = self.splitter.next(chunk, &mut at)? {
            match token {
                Token::Element(span) => batch.push(self.item(chunk, &span)?),
                Token::Array(_) => self.envelope.has_items = true,
                Token::Member(member, span) => {
                    if let Some(metadata) = self.member(member, chunk, &span)? {
                        flush(batch, out);
                        out.push(ListPart::Metadata(metadata));
                    }
                }
                Token::End => {
                    self.envelope.check()?;
                    if !self.envelope.has_metadata {
                        flush(batch, out);
                        out.push(ListPart::Metadata(ListMetadata::default()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Decodes an item, or finds out what can be said of one that does not decode.
    fn item(&mut self, chunk: &[u8], span: &Span) -> Result<Item<C::Object>, DecodeError> {
        let bytes = self.splitter.bytes(chunk, span);
        if bytes == b"null" {
            let reason = RejectionReason::NoMetadata("the item is null".to_owned());
            return Ok(Err(reject(bytes, reason)));
        }
        let decoded = self.codec.decode(bytes, self.envelope.item_kind.as_ref());
        let reason = match decoded {
            Ok(entry) => return Ok(Ok(entry)),
            Err(reason) => reason,
        };
        check_structure(bytes).map_err(|broken| self.splitter.broken(span, broken))?;
        Ok(Err(reject(bytes, reason)))
    }

    fn member(
        &mut self,
        member: ListMember,
        chunk: &[u8],
        span: &Span,
    ) -> Result<Option<ListMetadata>, DecodeError> {
        let bytes = self.splitter.bytes(chunk, span);
        let malformed = |error: serde_json::Error| {
            let reason = format!("{}: {error}", member.name());
            self.splitter.malformed(span.offset, reason)
        };
        match member {
            ListMember::Kind => {
                self.envelope.kind = serde_json::from_slice(bytes).map_err(malformed)?;
                self.envelope.status.take("kind", bytes);
                self.envelope.kind_is_known()?;
            }
            ListMember::ApiVersion => {
                self.envelope.api_version = serde_json::from_slice(bytes).map_err(malformed)?;
                self.envelope.status.take("apiVersion", bytes);
                self.envelope.kind_is_known()?;
            }
            ListMember::Metadata => {
                // serde would take an array for a struct.
                let members: Option<Map<String, Value>> =
                    serde_json::from_slice(bytes).map_err(malformed)?;
                let Some(members) = members else {
                    return Ok(None);
                };
                let metadata = WireMetadata::deserialize(Value::Object(members));
                let metadata = ListMetadata::from(metadata.map_err(malformed)?);
                self.envelope.has_metadata = true;
                self.envelope.keep_token(&metadata);
                return Ok(Some(metadata));
            }
            // Not an array, or it would have come element by element.
            ListMember::Items => {
                let null: Option<Vec<Value>> = serde_json::from_slice(bytes).map_err(malformed)?;
                self.envelope.has_items = null.is_none();
            }
            ListMember::OfStatus(name) => {
                self.envelope.status.take(name, bytes);
            }
        }
        Ok(None)
    }
}

impl Envelope {
    /// Derives the items' kind once both halves of the list's are known, and refuses a `Table` as
    /// soon as it shows.
    fn kind_is_known(&mut self) -> Result<(), DecodeError> {
        let (Some(kind), Some(api_version)) = (&self.kind, &self.api_version) else {
            return Ok(());
        };
        if kind == "Table" && header::is_meta_version(api_version) {
            return Err(self.not_a_list());
        }
        let item_kind = kind.strip_suffix("List").filter(|kind| !kind.is_empty());
        self.item_kind = item_kind.map(|kind| GroupVersionKind::new(api_version, kind));
        Ok(())
    }

    /// Keeps the token for the case that the answer is a `Status`: an expired continuation comes with
    /// a new one.
    fn keep_token(&mut self, metadata: &ListMetadata) {
        if let Some(token) = &metadata.continue_token {
            let metadata = serde_json::json!({ "continue": token });
            self.status.set("metadata", metadata);
        }
    }

    /// Whether what has ended was a list. Items and metadata make a list of any kind; without one of
    /// them, the kind must say so: other services have `items`, too, and an empty list would empty
    /// the store.
    fn check(&self) -> Result<(), DecodeError> {
        let kind = self.kind.as_deref().unwrap_or_default();
        if self.has_items && self.has_metadata || kind.ends_with("List") {
            return Ok(());
        }
        match self.status.status() {
            Some(status) => Err(DecodeError::Status(Arc::new(status))),
            None => Err(self.not_a_list()),
        }
    }

    fn not_a_list(&self) -> DecodeError {
        let kind = GroupVersionKind::new(
            self.api_version.as_deref().unwrap_or_default(),
            self.kind.as_deref().unwrap_or_default(),
        );
        DecodeError::NotAList(kind.to_string())
    }
}

impl Member for ListMember {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "kind" => Self::Kind,
            "apiVersion" => Self::ApiVersion,
            "metadata" => Self::Metadata,
            "items" => Self::Items,
            _ => Self::OfStatus(BareStatus::member(name)?),
        })
    }

    fn bit(self) -> u32 {
        match self {
            Self::Kind => 1,
            Self::ApiVersion => 2,
            Self::Metadata => 4,
            Self::Items => 8,
            Self::OfStatus(_) => 0,
        }
    }

    fn want(self, limits: &DecodeLimits) -> Want {
        match self {
            Self::Items => Want::Elements(limits.object_bytes_max),
            Self::OfStatus(_) => Want::WholeIfWithin(limits.envelope_bytes_max),
            Self::Kind | Self::ApiVersion | Self::Metadata => {
                Want::Whole(limits.envelope_bytes_max)
            }
        }
    }
}

impl ListMember {
    const fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::ApiVersion => "apiVersion",
            Self::Metadata => "metadata",
            Self::Items => "items",
            Self::OfStatus(name) => name,
        }
    }
}

impl From<WireMetadata> for ListMetadata {
    fn from(wire: WireMetadata) -> Self {
        let version = wire.resource_version.as_deref();
        Self {
            resource_version: version.map_or(ResourceVersion::UNSET, ResourceVersion::from),
            continue_token: wire.continue_token.filter(|token| !token.is_empty()),
            remaining_item_count: wire
                .remaining_item_count
                .and_then(|count| u64::try_from(count).ok()),
        }
    }
}

fn flush<T>(batch: &mut Vec<Item<T>>, out: &mut Vec<ListPart<T>>) {
    if !batch.is_empty() {
        out.push(ListPart::Items(std::mem::take(batch)));
    }
}

fn reject(bytes: &[u8], reason: RejectionReason) -> Rejection {
    let header = RawHeader::read(bytes);
    Rejection {
        key: header.key(),
        resource_version: header.resource_version(),
        change: None,
        reason,
    }
}

//! What stands around every top-level object: a magic number and a `runtime.Unknown`.
//!
//! The number tells protobuf of Kubernetes from any other bytes; the message tells the kind, which
//! the object itself does not carry.

use super::field::{Fields, Malformed};
use crate::object::GroupVersionKind;

/// The first bytes of every answer, every stored value and every object of an event: `k8s` and a
/// zero (`k8s.io/apimachinery`, runtime/serializer/protobuf).
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// The fields of `runtime.Unknown`.
pub(super) mod unknown {
    pub(in super::super) const TYPE_META: u32 = 1;
    pub(in super::super) const RAW: u32 = 2;
    pub(in super::super) const CONTENT_ENCODING: u32 = 3;
    pub(in super::super) const CONTENT_TYPE: u32 = 4;
}

/// The fields of `runtime.TypeMeta`.
mod type_meta {
    pub(super) const API_VERSION: u32 = 1;
    pub(super) const KIND: u32 = 2;
}

/// The content type of what is in an envelope, where it is told at all; real servers leave it empty.
const CONTENT_TYPE: &[u8] = b"application/vnd.kubernetes.protobuf";

/// An object in its envelope.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Envelope<'a> {
    /// The kind of what is inside, as far as it is told.
    pub kind: Option<TypeMeta<'a>>,
    /// The object's own message.
    pub raw: &'a [u8],
}

/// A kind, where it lies in the bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TypeMeta<'a> {
    /// `v1`, or `group/version`.
    pub api_version: &'a str,
    /// For example `Pod`.
    pub kind: &'a str,
}

/// Why some bytes are no object in an envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadEnvelope {
    /// The first four bytes are others.
    #[error("the bytes do not begin with the magic number of Kubernetes")]
    Magic,
    /// The message around the object is broken.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The object is packed in a way that nobody is known to use.
    #[error("the object is in an encoding of its own")]
    Encoded,
}

impl<'a> Envelope<'a> {
    /// Opens the envelope.
    ///
    /// # Errors
    /// If the bytes are none.
    pub fn open(bytes: &'a [u8]) -> Result<Self, BadEnvelope> {
        let Some(message) = bytes.strip_prefix(&MAGIC) else {
            return Err(BadEnvelope::Magic);
        };
        let mut envelope = Self::default();
        for field in Fields::of(message) {
            let field = field?;
            let Some(bytes) = field.value.as_bytes() else {
                continue;
            };
            match field.number {
                unknown::TYPE_META => {
                    // Messages that come twice are merged.
                    let before = envelope.kind.unwrap_or_default();
                    envelope.kind = Some(before.merge(bytes)?);
                }
                unknown::RAW => envelope.raw = bytes,
                unknown::CONTENT_ENCODING | unknown::CONTENT_TYPE
                    if !is_plain(field.number, bytes) =>
                {
                    return Err(BadEnvelope::Encoded);
                }
                _ => {}
            }
        }
        Ok(envelope)
    }
}

/// True if the object is neither packed nor anything but protobuf, by what one of the two fields says
/// that tell of it.
pub(super) fn is_plain(field: u32, text: &[u8]) -> bool {
    text.is_empty() || field == unknown::CONTENT_TYPE && text == CONTENT_TYPE
}

impl<'a> TypeMeta<'a> {
    pub(super) fn of(kind: &'a GroupVersionKind) -> Self {
        Self {
            api_version: &kind.api_version,
            kind: &kind.kind,
        }
    }

    /// Takes over what a `runtime.TypeMeta` tells.
    pub(super) fn merge(mut self, message: &'a [u8]) -> Result<Self, Malformed> {
        for field in Fields::of(message) {
            let field = field?;
            let text = match field.number {
                type_meta::API_VERSION => &mut self.api_version,
                type_meta::KIND => &mut self.kind,
                _ => continue,
            };
            if let Some(read) = field.value.as_text()? {
                *text = read;
            }
        }
        Ok(self)
    }

    /// True if this is the other's name.
    #[must_use]
    pub fn is(&self, kind: &GroupVersionKind) -> bool {
        self.kind == kind.kind && self.api_version == kind.api_version
    }
}

impl From<TypeMeta<'_>> for GroupVersionKind {
    fn from(kind: TypeMeta<'_>) -> Self {
        Self::new(kind.api_version, kind.kind)
    }
}

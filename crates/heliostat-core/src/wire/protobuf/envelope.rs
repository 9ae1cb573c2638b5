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

/// An object in its envelope.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Envelope<'a> {
    /// The kind of what is inside, as far as it is told.
    pub kind: Option<GroupVersionKind>,
    /// The object's own message.
    pub raw: &'a [u8],
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
                unknown::TYPE_META => envelope.kind = Some(kind(bytes)?),
                unknown::RAW => envelope.raw = bytes,
                unknown::CONTENT_ENCODING if !bytes.is_empty() => {
                    return Err(BadEnvelope::Encoded);
                }
                _ => {}
            }
        }
        Ok(envelope)
    }
}

/// Reads a `runtime.TypeMeta`.
pub(super) fn kind(message: &[u8]) -> Result<GroupVersionKind, Malformed> {
    let mut kind = GroupVersionKind::new("", "");
    for field in Fields::of(message) {
        let field = field?;
        let Some(text) = field.value.as_text()? else {
            continue;
        };
        match field.number {
            type_meta::API_VERSION => text.clone_into(&mut kind.api_version),
            type_meta::KIND => text.clone_into(&mut kind.kind),
            _ => {}
        }
    }
    Ok(kind)
}

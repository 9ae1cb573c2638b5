//! Bytes into lists and events, part by part.
//!
//! The decoders here take chunks as the transport hands them over, cut anywhere, and give back what
//! is complete. They hold no more of an answer than one unfinished object, and what they decode
//! keeps no chunk alive: an object owns its memory.
//!
//! A decoder knows where an object begins and ends; what the object means is the business of a
//! [`Codec`]. So one object that cannot be understood is one [`Rejection`](crate::event::Rejection)
//! and never the failure of its list or watch, as long as its end can be found.

pub mod json;

pub mod protobuf;

mod frame;

use std::sync::Arc;

use crate::event::RejectionReason;
use crate::object::{Entry, GroupVersionKind};

/// How the bytes of one object become an entry.
pub trait Codec: Send {
    /// What the bytes become.
    type Object;

    /// Decodes the bytes of exactly one value, which are those between two separators: they need
    /// not be well-formed.
    ///
    /// `envelope_kind` is the kind that the list around the object implies (its own without `List`).
    /// Objects of built-in kinds carry none themselves when they are items of a list.
    ///
    /// # Errors
    ///
    /// Why this one object cannot be mirrored. Its key and version need not be told: the decoder
    /// reads them from the bytes where it can.
    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<Self::Object>, RejectionReason>;

    /// The kind that the objects of a watch must have, if that is to be checked.
    fn expected_kind(&self) -> Option<&GroupVersionKind>;

    /// A second kind that the objects of a watch may have: one that [`decode`](Self::decode) turns into
    /// the expected kind. By default there is none.
    fn accepted_kind(&self) -> Option<&GroupVersionKind> {
        None
    }

    /// From now on leaves for later what can be done to several objects at once, by several threads:
    /// what [`decode`](Self::decode) gives is whole only when this finisher is through with it. By
    /// default nothing can be left.
    fn defer(&mut self) -> Option<Arc<dyn Finisher<Self::Object>>> {
        None
    }
}

/// The second half of what a [`Codec`] does, without the first's order and state.
pub trait Finisher<T>: Send + Sync {
    /// Finishes entries that a deferring codec gave, and nobody else has seen.
    fn finish(&self, entries: &mut dyn Iterator<Item = &mut Entry<T>>);
}

/// How much a decoder takes in before it gives up.
///
/// The limits bound memory: what is skipped does not count, because it is not kept.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    object_bytes_max: usize,
    envelope_bytes_max: usize,
}

impl DecodeLimits {
    /// The largest object in bytes, an item of a list or the object of an event; 16 MiB by default.
    ///
    /// The default is the largest watch frame that the reference client takes. etcd refuses values
    /// above 1.5 MiB unless it is told otherwise, and JSON may be several times its protobuf. A
    /// decoder that is cut in the middle of an object holds up to this much. A mirror of packed objects
    /// rejects those above [`UNPACKED_BYTES_MAX`](crate::packed::UNPACKED_BYTES_MAX) even if this is
    /// higher.
    #[must_use]
    pub const fn object_bytes_max(mut self, bytes: usize) -> Self {
        self.object_bytes_max = bytes;
        self
    }

    /// The largest single value of the envelope in bytes, such as the metadata of a list; 1 MiB by
    /// default.
    ///
    /// List metadata is a version and a token, which holds a key of at most a few hundred bytes:
    /// the default is far above anything real.
    #[must_use]
    pub const fn envelope_bytes_max(mut self, bytes: usize) -> Self {
        self.envelope_bytes_max = bytes;
        self
    }
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            object_bytes_max: 16 << 20,
            envelope_bytes_max: 1 << 20,
        }
    }
}

//! `Collection`: what all packed objects of one collection refer to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use heliostat_kinds::schema::{self, Kind};

use super::cache::Cache;
use crate::object::GroupVersionKind;
use crate::raw::{Encoding, RawView, UnpackError};

/// What all objects refer to. It does not refer to the packers, so there is no cycle of references.
pub(in crate::packed) struct Collection<T> {
    pub(in crate::packed) decoder: Arc<Decoder<T>>,
    pub(in crate::packed) cache: Cache<T>,
    pub(in crate::packed) counters: Counters,
}

/// How bytes become an object.
pub(in crate::packed) struct Decoder<T> {
    reads: Reads,
    decode: Box<Decode<T>>,
    growth: Growth,
}

/// What a type is decoded from.
#[derive(Clone, Copy, Debug)]
pub(in crate::packed) enum Reads {
    Any,
    Only(Encoding),
    /// JSON, and protobuf of built-in kinds.
    Serde,
}

/// How many bytes an object takes decoded for each byte of its encoding.
#[derive(Clone, Copy, Debug)]
pub(in crate::packed) struct Growth {
    pub(in crate::packed) json: usize,
    pub(in crate::packed) protobuf: usize,
}

impl Growth {
    pub(in crate::packed) const fn of_any(growth: usize) -> Self {
        Self {
            json: growth,
            protobuf: growth,
        }
    }
}

type Decode<T> = dyn Fn(RawView<'_>) -> Result<T, UnpackError> + Send + Sync;

/// What an object takes beside its bytes: its allocation, and its place in the line.
const OBJECT_BYTES: usize = 64;

impl<T> Decoder<T> {
    pub(in crate::packed) fn new(
        reads: Reads,
        growth: Growth,
        decode: impl Fn(RawView<'_>) -> Result<T, UnpackError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            reads,
            decode: Box::new(decode),
            growth,
        }
    }

    /// True if objects of this kind can be decoded from this encoding.
    pub(in crate::packed) fn can_read(&self, encoding: Encoding, kind: &GroupVersionKind) -> bool {
        match self.reads {
            Reads::Any => true,
            Reads::Only(only) => encoding == only,
            Reads::Serde => match encoding {
                Encoding::Json => true,
                Encoding::Protobuf => {
                    schema::kind(&kind.api_version, &kind.kind).is_some_and(Kind::has_protobuf)
                }
            },
        }
    }

    pub(in crate::packed) fn decode(&self, view: RawView<'_>) -> Result<T, UnpackError> {
        match self.reads {
            Reads::Only(wanted) if wanted != view.encoding() => {
                let got = view.encoding();
                Err(UnpackError::Encoding { wanted, got })
            }
            Reads::Any | Reads::Only(_) | Reads::Serde => (self.decode)(view),
        }
    }

    pub(in crate::packed) const fn decoded_bytes(
        &self,
        encoding: Encoding,
        raw_bytes: usize,
    ) -> usize {
        let growth = match encoding {
            Encoding::Json => self.growth.json,
            Encoding::Protobuf => self.growth.protobuf,
        };
        raw_bytes
            .saturating_mul(growth)
            .saturating_add(OBJECT_BYTES)
    }
}

/// Counts of the objects that there are.
#[derive(Debug, Default)]
pub(in crate::packed) struct Counters {
    pub(in crate::packed) objects: AtomicUsize,
    pub(in crate::packed) raw_bytes: AtomicUsize,
    pub(in crate::packed) packed_bytes: AtomicUsize,
    pub(in crate::packed) total: AtomicU64,
}

impl Counters {
    pub(in crate::packed) fn came(&self, raw: usize, packed: usize) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.raw_bytes.fetch_add(raw, Ordering::Relaxed);
        self.packed_bytes.fetch_add(packed, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::packed) fn repacked(&self, before: usize, after: usize) {
        self.packed_bytes.fetch_add(after, Ordering::Relaxed);
        self.packed_bytes.fetch_sub(before, Ordering::Relaxed);
    }

    pub(in crate::packed) fn went(&self, raw: usize, packed: usize) {
        self.objects.fetch_sub(1, Ordering::Relaxed);
        self.raw_bytes.fetch_sub(raw, Ordering::Relaxed);
        self.packed_bytes.fetch_sub(packed, Ordering::Relaxed);
    }
}

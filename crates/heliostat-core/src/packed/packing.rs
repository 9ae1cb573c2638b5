//! `Packing`: what the packed objects of one collection share, and how they are decoded.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use heliostat_kinds::{Object, schema};
use prost::Message;
use serde::de::DeserializeOwned;

use super::object::{Cache, Collection, Counters, Decoder, Growth, Packed, Reads};
use super::packer::Packer;
use super::shared::Shared;
use crate::object::{Entry, GroupVersionKind};
use crate::raw::{Encoding, RawObject, RawView, UnpackError};
use crate::wire::Finisher;

/// How much decoded objects of one collection may take unless it is said otherwise: 64 MiB, which is
/// some ten thousand raw objects or small typed ones, or 1,500 typed pods.
pub const DEFAULT_MEMORY_BUDGET: usize = 64 << 20;

/// How the objects of one collection are packed and decoded. A clone is another handle to the same.
///
/// ```
/// use heliostat_core::object::{Entry, Header, ObjectKey};
/// use heliostat_core::packed::Packing;
/// use heliostat_core::raw::{Encoding, RawObject};
///
/// let packing = Packing::<serde_json::Value>::new().memory_budget(1 << 20);
/// let header = Header {
///     key: ObjectKey::namespaced("default", "web"),
///     resource_version: "7".into(),
///     uid: "u".into(),
/// };
/// let bytes = br#"{"metadata":{"name":"web"},"spec":{"replicas":3}}"#;
/// let raw = RawObject::new(Encoding::Json, None, bytes.as_slice().into());
/// let entry = packing.pack(Entry::new(header, raw));
///
/// assert_eq!(entry.object.get()?["spec"]["replicas"], 3);
/// # Ok::<(), heliostat_core::packed::UnpackError>(())
/// ```
pub struct Packing<T>(Arc<Shared<T>>);

/// A raw object is its bytes.
const RAW_GROWTH: usize = 1;

/// A pod of `k8s-openapi` takes 41 KB without managed fields and 109 KB with them, and 5.9 and 11.4 KB in
/// JSON: between seven and ten times as much.
const JSON_GROWTH: usize = 10;

/// A pod of `k8s-pb` takes 41 KB without managed fields and 47 KB with them, and 3.1 and 8.6 KB in
/// protobuf: between five and thirteen times as much, most of it room for fields that it does not have.
/// A pod of `k8s-openapi` takes 41 and 109 KB, which is as many times as much.
const PROTOBUF_GROWTH: usize = 13;

impl Packing<RawObject> {
    /// For objects that are read as their bytes, in whatever encoding they come.
    #[must_use]
    pub fn raw() -> Self {
        let growth = Growth::of_any(RAW_GROWTH);
        Self::of(Reads::Any, growth, |view| Ok(view.to_object()))
    }
}

impl<K: DeserializeOwned> Packing<K> {
    /// For objects that are read as `K`, by way of serde: types of `k8s-openapi`, custom resources,
    /// `DynamicObject`. Objects of built-in kinds may come in protobuf, all others come in JSON.
    ///
    /// The memory that decoded objects take is estimated, rather too high: ten times their JSON, thirteen
    /// times their protobuf.
    #[must_use]
    pub fn new() -> Self {
        let growth = Growth {
            json: JSON_GROWTH,
            protobuf: PROTOBUF_GROWTH,
        };
        Self::of(Reads::Serde, growth, |view| match view.encoding() {
            Encoding::Json => serde_json::from_slice(view.bytes())
                .map_err(|error| UnpackError::undecodable(&error)),
            Encoding::Protobuf => decode_built_in(view),
        })
    }
}

impl<K: DeserializeOwned> Default for Packing<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// Decodes an object in protobuf by the tables of its kind.
fn decode_built_in<K: DeserializeOwned>(view: RawView<'_>) -> Result<K, UnpackError> {
    let Some(told) = view.kind() else {
        return Err(UnpackError::undecodable(&"its kind is not known"));
    };
    let Some(kind) = schema::kind(&told.api_version, &told.kind) else {
        return Err(UnpackError::undecodable(&format_args!(
            "{told} is not built in"
        )));
    };
    Object::of_kind(kind, view.bytes())
        .and_then(|object| object.decode())
        .map_err(|error| UnpackError::undecodable(&error))
}

impl<K: Message + Default> Packing<K> {
    /// For objects that come in protobuf and are read as messages of prost, such as those of `k8s-pb`.
    ///
    /// The memory that decoded objects take is estimated, rather too high: thirteen times their protobuf.
    #[must_use]
    pub fn prost() -> Self {
        let growth = Growth::of_any(PROTOBUF_GROWTH);
        Self::of(Reads::Only(Encoding::Protobuf), growth, |view| {
            K::decode(view.bytes()).map_err(|error| UnpackError::undecodable(&error))
        })
    }
}

impl<T> Packing<T> {
    /// For objects that are read your own way. `growth` is how many bytes of memory a decoded object
    /// takes for each byte of its encoding, for the budget; `encoding` is what it is decoded from, none
    /// if from any.
    pub fn with_decoder<E: fmt::Display>(
        encoding: Option<Encoding>,
        growth: usize,
        decode: impl Fn(RawView<'_>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        let reads = encoding.map_or(Reads::Any, Reads::Only);
        Self::of(reads, Growth::of_any(growth), move |view| {
            decode(view).map_err(|error| UnpackError::undecodable(&error))
        })
    }

    fn of(
        reads: Reads,
        growth: Growth,
        decode: impl Fn(RawView<'_>) -> Result<T, UnpackError> + Send + Sync + 'static,
    ) -> Self {
        let decoder = Decoder::new(reads, growth, decode);
        Self::start(Arc::new(decoder), DEFAULT_MEMORY_BUDGET)
    }

    fn start(decoder: Arc<Decoder<T>>, memory_budget: usize) -> Self {
        let collection = Arc::new(Collection {
            decoder,
            cache: Cache::new(memory_budget),
            counters: Counters::default(),
        });
        Self(Arc::new(Shared::new(collection)))
    }

    /// How many bytes decoded objects may take together; [`DEFAULT_MEMORY_BUDGET`] by default. None are
    /// kept with 0.
    ///
    /// This begins a packing of its own: what was packed before keeps its budget.
    #[must_use]
    pub fn memory_budget(self, bytes: usize) -> Self {
        Self::start(Arc::clone(&self.0.collection.decoder), bytes)
    }

    /// Returns true if objects of this kind can be read in this encoding.
    #[must_use]
    pub fn can_read(&self, encoding: Encoding, kind: &GroupVersionKind) -> bool {
        self.0.collection.decoder.can_read(encoding, kind)
    }

    /// Something that packs, with tables of its own: one for each thread.
    #[must_use]
    pub fn packer(&self) -> Packer<T> {
        Packer::new(Arc::clone(&self.0))
    }

    /// Packs one object. For many, a [`packer`](Self::packer) saves taking one each time.
    #[must_use]
    pub fn pack(&self, entry: Entry<RawObject>) -> Entry<Packed<T>> {
        self.packer().pack(entry.header, entry.object.view())
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.0.collection.cache.places()
    }

    /// What there is at the moment.
    #[must_use]
    pub fn stats(&self) -> PackingStats {
        let Collection {
            cache, counters, ..
        } = &*self.0.collection;
        let training = self.0.training.lock();
        let training = training.unwrap_or_else(PoisonError::into_inner);
        PackingStats {
            objects: counters.objects.load(Ordering::Relaxed),
            raw_bytes: counters.raw_bytes.load(Ordering::Relaxed),
            packed_bytes: counters.packed_bytes.load(Ordering::Relaxed),
            packed_total: counters.total.load(Ordering::Relaxed),
            dictionaries_trained: training.times_trained(),
            decoded_objects: cache.objects(),
            decoded_bytes: cache.bytes(),
            memory_budget: cache.budget(),
        }
    }
}

/// Packs what a deferring [`PackedCodec`](super::PackedCodec) took as it was.
impl<T: Send + Sync> Finisher<Packed<T>> for Packing<T> {
    fn finish(&self, entries: &mut dyn Iterator<Item = &mut Entry<Packed<T>>>) {
        let mut packer = self.packer();
        for entry in entries {
            packer.finish(entry);
        }
    }
}

impl<T> Clone for Packing<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Packing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Packing").field(&self.stats()).finish()
    }
}

/// What the packed objects of a collection take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PackingStats {
    /// How many packed objects there are: in the store, in queues, in somebody's hand.
    pub objects: usize,
    /// How many bytes they have unpacked.
    pub raw_bytes: usize,
    /// How many bytes they have packed.
    pub packed_bytes: usize,
    /// How many objects have been packed since the start.
    pub packed_total: u64,
    /// How many dictionaries have been trained since the start.
    pub dictionaries_trained: u32,
    /// How many objects are kept decoded.
    pub decoded_objects: usize,
    /// About how many bytes these take.
    pub decoded_bytes: usize,
    /// The most that they may take.
    pub memory_budget: usize,
}

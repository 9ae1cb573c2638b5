//! `Packed`: one object as compressed bytes, and the ways to read it.

mod cache;

mod collection;

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compression::{Dictionary, UNPACKED_BYTES_MAX, read_frame, unpack};
use crate::object::GroupVersionKind;
use crate::raw::{Encoding, RawObject, RawView, ReadRaw, UnpackError};

pub(super) use cache::Cache;
pub(super) use collection::{Collection, Counters, Decoder, Growth, Reads};

/// An object in its packed form.
///
/// | to have | ask | costs |
/// |---|---|---|
/// | the object | [`get`](Self::get) | a pointer's copy while it is kept; else unpacking and decoding |
/// | its bytes | [`unpack`](Self::unpack) | unpacking into an allocation |
/// | a few fields | [`inspect`](Self::inspect) | unpacking into room that is used again |
///
/// It takes one allocation of 64 bytes and one of the size of its compressed bytes.
pub struct Packed<T> {
    shape: Arc<Shape<T>>,
    bytes: Box<[u8]>,
    /// The decoded object, while it is kept.
    decoded: Mutex<Option<Arc<T>>>,
    /// How many bytes it has unpacked.
    len: u32,
    is_compressed: bool,
    /// Somebody asked for the decoded object since the cache last looked.
    was_asked_for: AtomicBool,
}

/// What many objects have in common.
pub(super) struct Shape<T> {
    pub(super) collection: Arc<Collection<T>>,
    pub(super) encoding: Encoding,
    pub(super) kind: Option<Arc<GroupVersionKind>>,
    pub(super) dictionary: Option<Arc<Dictionary>>,
}

impl<T> Packed<T> {
    /// An object of a frame, or of plain bytes if there is none.
    pub(super) fn new(shape: Arc<Shape<T>>, frame: Option<&[u8]>, plain: &[u8]) -> Self {
        let (bytes, len, is_compressed) = match (frame, compressible_len(plain)) {
            (Some(frame), Some(len)) => (frame, len, true),
            (None, Some(len)) => (plain, len, false),
            (_, None) => (plain, u32::MAX, false),
        };
        shape.collection.counters.came(plain.len(), bytes.len());
        Self {
            shape,
            bytes: bytes.into(),
            decoded: Mutex::default(),
            len,
            is_compressed,
            was_asked_for: AtomicBool::new(false),
        }
    }

    /// The object. Within the memory budget of its collection it is decoded once and kept; beyond it,
    /// whoever asks has it decoded, and something else is forgotten for it.
    ///
    /// # Errors
    /// If the object cannot be decoded into `T`: it is in the store as its bytes all the same.
    pub fn get(self: &Arc<Self>) -> Result<Arc<T>, UnpackError> {
        if let Some(decoded) = self.kept() {
            return Ok(decoded);
        }
        let decoded = Arc::new(self.decode()?);
        let collection = &self.shape.collection;
        if collection.cache.has_room_for(self.decoded_bytes()) {
            let mut place = self.lock();
            if let Some(earlier) = &*place {
                return Ok(Arc::clone(earlier));
            }
            *place = Some(Arc::clone(&decoded));
            drop(place);
            collection.cache.admit(self);
        }
        Ok(decoded)
    }

    /// The decoded object, if it is kept; the cache learns that somebody asked for it. In constant time.
    #[must_use]
    pub fn kept(&self) -> Option<Arc<T>> {
        let decoded = self.lock().clone()?;
        // Written only if it says something new: readers on several cores share the line.
        if !self.was_asked_for.load(Ordering::Relaxed) {
            self.was_asked_for.store(true, Ordering::Relaxed);
        }
        Some(decoded)
    }

    /// Decodes the object, and keeps nothing: for whoever reads many objects once.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn decode(&self) -> Result<T, UnpackError> {
        self.inspect(|view| self.shape.collection.decoder.decode(view))?
    }

    /// The object as the bytes it came in, in an allocation of its own.
    ///
    /// # Errors
    /// If the bytes are broken.
    pub fn unpack(&self) -> Result<RawObject, UnpackError> {
        let bytes = if self.is_compressed {
            let mut out = Vec::new();
            unpack(&self.bytes, self.raw_bytes(), self.dictionary(), &mut out)?;
            out.into_boxed_slice()
        } else {
            self.bytes.clone()
        };
        let kind = self.shape.kind.clone();
        Ok(RawObject::new(self.shape.encoding, kind, bytes))
    }

    /// Has the object's bytes read where they lie for the moment. Nothing is allocated.
    ///
    /// # Errors
    /// If the bytes are broken.
    pub fn inspect<R>(&self, read: impl FnOnce(RawView<'_>) -> R) -> Result<R, UnpackError> {
        let Shape { encoding, kind, .. } = &*self.shape;
        let read = |bytes: &[u8]| read(RawView::new(*encoding, kind.as_ref(), bytes));
        if self.is_compressed {
            read_frame(&self.bytes, self.raw_bytes(), self.dictionary(), read)
        } else {
            Ok(read(&self.bytes))
        }
    }

    /// The kind, where it was told.
    #[must_use]
    pub fn kind(&self) -> Option<&GroupVersionKind> {
        self.shape.kind.as_deref()
    }

    /// What the bytes are.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.shape.encoding
    }

    /// How many bytes the object has unpacked.
    #[must_use]
    pub const fn raw_bytes(&self) -> usize {
        if self.is_compressed {
            self.len as usize
        } else {
            self.bytes.len()
        }
    }

    /// How many bytes it has packed.
    #[must_use]
    pub const fn packed_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What many objects have in common with this one.
    pub(super) fn shape(&self) -> &Shape<T> {
        &self.shape
    }

    /// The object's bytes, if they are not compressed.
    pub(super) fn plain(&self) -> Option<RawView<'_>> {
        let Shape { encoding, kind, .. } = &*self.shape;
        let plain = !self.is_compressed;
        plain.then(|| RawView::new(*encoding, kind.as_ref(), &self.bytes))
    }

    /// Puts a frame of the plain bytes in their place.
    pub(super) fn compressed(&mut self, shape: Arc<Shape<T>>, frame: &[u8]) {
        if let Some(len) = compressible_len(&self.bytes) {
            let counters = &shape.collection.counters;
            counters.repacked(self.bytes.len(), frame.len());
            self.shape = shape;
            self.bytes = frame.into();
            self.len = len;
            self.is_compressed = true;
        }
    }

    /// About how much memory it takes decoded.
    fn decoded_bytes(&self) -> usize {
        self.shape
            .collection
            .decoder
            .decoded_bytes(self.encoding(), self.raw_bytes())
    }

    /// Forgets the decoded object; the caller drops it where it disturbs nobody.
    fn forget(&self) -> Option<Arc<T>> {
        self.lock().take()
    }

    fn dictionary(&self) -> Option<&Dictionary> {
        self.shape.dictionary.as_deref()
    }

    /// Nothing that can panic runs under this lock, so there is no half state to find.
    fn lock(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the length of bytes that can be unpacked again; larger objects stay plain, so that whatever
/// is packed can be read.
fn compressible_len(plain: &[u8]) -> Option<u32> {
    let len = u32::try_from(plain.len()).ok();
    len.filter(|_| plain.len() <= UNPACKED_BYTES_MAX)
}

impl<T> ReadRaw for Packed<T> {
    fn read_raw<R>(&self, read: impl FnOnce(RawView<'_>) -> R) -> Result<R, UnpackError> {
        self.inspect(read)
    }
}

impl<T> Drop for Packed<T> {
    fn drop(&mut self) {
        let decoded = self
            .decoded
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if mem::take(decoded).is_some() {
            self.shape.collection.cache.released(self.decoded_bytes());
        }
        let counters = &self.shape.collection.counters;
        counters.went(self.raw_bytes(), self.bytes.len());
    }
}

impl<T> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed")
            .field("encoding", &self.shape.encoding)
            .field("raw_bytes", &self.raw_bytes())
            .field("packed_bytes", &self.packed_bytes())
            .field("is_kept_decoded", &self.lock().is_some())
            .finish_non_exhaustive()
    }
}

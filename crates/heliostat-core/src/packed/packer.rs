//! `Packer`: from the bytes of an object to its packed form.

use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::compression::{Compressor, train};
use super::object::{Packed, Shape};
use super::shared::Shared;
use super::training::{Current, Training};
use crate::object::{Entry, Header};
use crate::raw::{RawObject, RawView};

/// Packs the objects of one collection; each thread has one of its own. See
/// [`Packing::packer`](super::Packing::packer).
pub struct Packer<T> {
    shared: Arc<Shared<T>>,
    /// There until the packer goes.
    compressor: Option<Compressor>,
}

impl<T> Packer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self {
            compressor: Some(shared.compressor()),
            shared,
        }
    }

    /// Packs an object. Every now and then this trains a dictionary, which takes a few
    /// milliseconds.
    pub fn pack(&mut self, header: Header, object: RawView<'_>) -> Entry<Packed<T>> {
        let current = self.current(object);
        let compressor = self.compressor.get_or_insert_with(Compressor::new);
        let frame = compressor.compress(object.bytes(), current.dictionary.as_deref());
        let packed = Packed::new(Arc::clone(&current.shape), frame, object.bytes());
        let packed = Arc::new(packed);
        self.learn(&packed);
        Entry::new(header, packed)
    }

    /// Takes an object as it is, for [`finish`](Self::finish).
    pub(super) fn take(&self, header: Header, object: RawView<'_>) -> Entry<Packed<T>> {
        let shape = Arc::clone(&self.current(object).shape);
        Entry::new(header, Packed::new(shape, None, object.bytes()))
    }

    /// Packs an object that was taken, unless somebody has it already: then it stays as it is.
    pub(super) fn finish(&mut self, entry: &mut Entry<Packed<T>>) {
        let Some(packed) = Arc::get_mut(&mut entry.object) else {
            return;
        };
        let Some(plain) = packed.plain() else {
            return;
        };
        let current = self.current(plain);
        let compressor = self.compressor.get_or_insert_with(Compressor::new);
        if let Some(frame) = compressor.compress(plain.bytes(), current.dictionary.as_deref()) {
            packed.compressed(Arc::clone(&current.shape), frame);
        }
        self.learn(&entry.object);
    }

    /// Has the training see how well an object was packed.
    fn learn(&self, packed: &Arc<Packed<T>>) {
        let samples = self.training().packed(packed);
        if let Some(samples) = samples {
            self.train(&samples, packed.shape());
        }
    }

    /// What this object is packed with: what the last one was, if they are of one kind. A collection of
    /// several kinds has one dictionary.
    fn current(&self, object: RawView<'_>) -> Arc<Current<T>> {
        let kind = object.shared_kind();
        let mut training = self.training();
        let last = training.current(object);
        if let Some(current) = &last
            && current.shape.kind.as_ref() == kind
        {
            return Arc::clone(current);
        }
        let shape = Shape {
            collection: Arc::clone(&self.shared.collection),
            encoding: object.encoding(),
            kind: kind.cloned(),
            dictionary: last.as_ref().and_then(|last| last.shape.dictionary.clone()),
        };
        let current = Arc::new(Current {
            shape: Arc::new(shape),
            dictionary: last.and_then(|last| last.dictionary.clone()),
        });
        training.install(Arc::clone(&current));
        current
    }

    fn train(&self, samples: &[Arc<Packed<T>>], shape: &Shape<T>) {
        let encoding = shape.encoding;
        let unpacked = samples
            .iter()
            .filter(|object| object.encoding() == encoding)
            .filter_map(|object| object.unpack().ok());
        let unpacked: Vec<_> = unpacked.collect();
        let contents: Vec<_> = unpacked.iter().map(RawObject::bytes).collect();
        let current = train(&contents).map(|(packing, dictionary)| {
            let shape = Shape {
                collection: Arc::clone(&self.shared.collection),
                encoding,
                kind: shape.kind.clone(),
                dictionary: Some(Arc::new(dictionary)),
            };
            Arc::new(Current {
                shape: Arc::new(shape),
                dictionary: Some(Arc::new(packing)),
            })
        });
        self.training().trained_on(encoding, current);
    }

    fn training(&self) -> MutexGuard<'_, Training<T>> {
        let training = self.shared.training.lock();
        training.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Packer<T> {
    fn drop(&mut self) {
        if let Some(compressor) = self.compressor.take() {
            self.shared.give_back(compressor);
        }
    }
}

impl<T> fmt::Debug for Packer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

//! `Shared`: what the packers of one collection share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compression::Compressor;
use super::object::Collection;
use super::training::Training;

/// How many contexts for packing wait to be used again. Each takes about a megabyte of addresses, of
/// which small objects touch a tenth.
const COMPRESSORS_KEPT: usize = 4;

/// What the packers of one collection share.
pub(super) struct Shared<T> {
    pub(super) collection: Arc<Collection<T>>,
    pub(super) training: Mutex<Training<T>>,
    compressors: Mutex<Vec<Compressor>>,
}

impl<T> Shared<T> {
    pub(super) fn new(collection: Arc<Collection<T>>) -> Self {
        Self {
            collection,
            training: Mutex::default(),
            compressors: Mutex::default(),
        }
    }

    /// Returns a compressor that is not in use, or creates one.
    pub(super) fn compressor(&self) -> Compressor {
        let waiting = self.lock_compressors().pop();
        waiting.unwrap_or_else(Compressor::new)
    }

    /// Takes back the compressor of a packer.
    pub(super) fn give_back(&self, compressor: Compressor) {
        let mut waiting = self.lock_compressors();
        if waiting.len() < COMPRESSORS_KEPT {
            waiting.push(compressor);
        }
    }

    fn lock_compressors(&self) -> MutexGuard<'_, Vec<Compressor>> {
        self.compressors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

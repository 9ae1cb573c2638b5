//! Metadata alone, also from a server that sends whole objects.
//!
//! A gateway or an old extension server ignores `as=PartialObjectMetadata`. Each object is cut down
//! before its codec sees it, in lists and in watches, so that nothing else of it is kept: a mirror
//! of the metadata of secrets holds no secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heliostat_core::event::RejectionReason;
use heliostat_core::object::{Entry, GroupVersionKind};
use heliostat_core::wire::{Codec, Finisher, json, protobuf};

use super::encoding::Encoding;

/// A codec that gets objects without anything but their metadata.
pub(super) struct MetadataOnly<C> {
    pub(super) codec: C,
    pub(super) encoding: Encoding,
    /// The kind of metadata alone.
    pub(super) expected: GroupVersionKind,
    /// The kind of whole objects.
    pub(super) whole: GroupVersionKind,
    pub(super) warning: WholeObjectsWarning,
    /// Room for what is left of an object.
    pub(super) scratch: Vec<u8>,
}

/// Logs once for a source and its clones that its server sends whole objects.
#[derive(Clone, Debug)]
pub(super) struct WholeObjectsWarning {
    pub(super) is_logged: Arc<AtomicBool>,
    /// What is mirrored, for the message.
    pub(super) collection: String,
    /// What is asked for, and where.
    pub(super) request: String,
}

impl WholeObjectsWarning {
    fn log(&self) {
        if !self.is_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                request = &*self.request,
                "{}: the server sends whole objects although only metadata is asked for; \
                 everything else is discarded",
                self.collection
            );
        }
    }
}

/// Room above this is given back after an object: few have so much metadata.
const SCRATCH_BYTES_KEPT: usize = 64 << 10;

impl<C: Codec> Codec for MetadataOnly<C> {
    type Object = C::Object;

    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<C::Object>, RejectionReason> {
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        let lean = match self.encoding {
            Encoding::Json => json::only_metadata(bytes, &self.expected, &mut self.scratch),
            Encoding::Protobuf => protobuf::only_metadata(bytes, &mut self.scratch)
                .map_err(|error| RejectionReason::Undecodable(error.to_string()))?,
        };
        let is_cut = !std::ptr::eq(lean, bytes);
        if is_cut || envelope_kind.is_some_and(|kind| *kind == self.whole) {
            self.warning.log();
        }
        self.codec
            .decode(lean, envelope_kind.map(|_| &self.expected))
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.codec.expected_kind()
    }

    fn accepted_kind(&self) -> Option<&GroupVersionKind> {
        Some(&self.whole)
    }

    fn defer(&mut self) -> Option<Arc<dyn Finisher<C::Object>>> {
        self.codec.defer()
    }
}

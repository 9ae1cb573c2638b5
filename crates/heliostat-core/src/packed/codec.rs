//! `PackedCodec`: packs objects while a list or a watch is decoded.

use std::sync::Arc;

use super::compression::UNPACKED_BYTES_MAX;
use super::object::Packed;
use super::packer::Packer;
use super::packing::Packing;
use crate::event::RejectionReason;
use crate::object::{Entry, GroupVersionKind};
use crate::raw::RawCodec;
use crate::wire::{Codec, Finisher};

/// Reads each object's header, cuts out what is not kept, and packs the rest: between the bytes of the
/// answer and the packed form there is no copy of an object but the compressor's.
///
/// An object of more than [`UNPACKED_BYTES_MAX`] bytes is rejected, whatever the limits of the decoder
/// are: it could not be unpacked.
///
/// ```
/// use heliostat_core::event::ListPart;
/// use heliostat_core::packed::{PackedCodec, Packing};
/// use heliostat_core::raw::RawCodec;
/// use heliostat_core::wire::DecodeLimits;
/// use heliostat_core::wire::json::ListDecoder;
///
/// let packing = Packing::raw();
/// let codec = PackedCodec::new(RawCodec::json().without_managed_fields(), &packing);
/// let mut decoder = ListDecoder::new(codec, DecodeLimits::default());
/// let mut parts = Vec::new();
/// decoder.push(br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},
///     "items":[{"metadata":{"name":"a"},"spec":{"nodeName":"n"}}]}"#, &mut parts)?;
/// decoder.finish()?;
/// let ListPart::Items(items) = &parts[1] else { panic!() };
/// let pod = &items[0].as_ref().unwrap().object;
/// assert_eq!(pod.get()?.text(&"spec.nodeName".parse()?)?.as_deref(), Some("n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PackedCodec<T> {
    codec: RawCodec,
    packing: Packing<T>,
    packer: Packer<T>,
    /// Objects are only taken, for the finisher to pack.
    defers: bool,
    /// Larger objects are rejected.
    pub(super) object_bytes_max: usize,
}

impl<T> PackedCodec<T> {
    /// A codec that packs what `codec` reads.
    #[must_use]
    pub fn new(codec: RawCodec, packing: &Packing<T>) -> Self {
        Self {
            codec,
            packing: packing.clone(),
            packer: packing.packer(),
            defers: false,
            object_bytes_max: UNPACKED_BYTES_MAX,
        }
    }
}

impl<T: Send + Sync + 'static> Codec for PackedCodec<T> {
    type Object = Packed<T>;

    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<Packed<T>>, RejectionReason> {
        let (header, object) = self.codec.read(bytes, envelope_kind)?;
        let len = object.bytes().len();
        let limit = self.object_bytes_max;
        if len > limit {
            return Err(RejectionReason::Undecodable(format!(
                "the object has {len} bytes, and a packed object has {limit} at most"
            )));
        }
        Ok(match self.defers {
            true => self.packer.take(header, object),
            false => self.packer.pack(header, object),
        })
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.codec.expected_kind()
    }

    fn accepted_kind(&self) -> Option<&GroupVersionKind> {
        self.codec.accepted_kind()
    }

    fn defer(&mut self) -> Option<Arc<dyn Finisher<Packed<T>>>> {
        self.defers = true;
        Some(Arc::new(self.packing.clone()))
    }
}

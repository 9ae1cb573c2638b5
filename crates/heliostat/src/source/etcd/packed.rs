//! The objects of a source of raw objects, packed while they are decoded.

use std::sync::Arc;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::packed::{Packed, Packer, Packing};
use heliostat_core::raw::RawObject;

use super::decode::{Decode, KeyValue, Undecoded};
use super::source::EtcdSource;

impl EtcdSource<RawObject> {
    /// The same objects packed, in a fraction of the memory; see [`Packing`].
    #[must_use]
    pub fn packed<T: Send + Sync + 'static>(self, packing: &Packing<T>) -> EtcdSource<Packed<T>> {
        let packing = packing.clone();
        self.decoded_by(move |decoder| {
            Box::new(PackingDecoder {
                decoder,
                packer: packing.packer(),
            })
        })
    }
}

/// Packs what another decoder reads.
struct PackingDecoder<T> {
    decoder: Box<dyn Decode<RawObject>>,
    packer: Packer<T>,
}

impl<T: Send + Sync> Decode<Packed<T>> for PackingDecoder<T> {
    fn decode(
        &mut self,
        key: ObjectKey,
        pair: KeyValue<'_>,
    ) -> Result<Entry<Packed<T>>, Undecoded> {
        let entry = self.decoder.decode(key, pair)?;
        let object: Arc<RawObject> = entry.object;
        Ok(self.packer.pack(entry.header, object.view()))
    }
}

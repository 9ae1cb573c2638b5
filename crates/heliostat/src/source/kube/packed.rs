//! The source whose objects are packed while they are decoded.

use heliostat_core::packed::{Packed, PackedCodec, Packing};
use heliostat_core::raw;

use super::codec::{CodecMaker, raw_codec};
use super::negotiation::Encodings;
use super::source::KubeSource;

impl<K> KubeSource<K> {
    /// The same objects packed: each takes a twentieth of what it takes decoded, and is decoded while
    /// somebody reads it. See [`core::packed`](heliostat_core::packed).
    ///
    /// Everything that was set stays as it is, and metadata alone stays metadata alone. `packing` says
    /// what the objects are read as, and how much memory those that are kept decoded may take; it is
    /// where the figures are. What it decodes from decides what the server is asked for:
    ///
    /// | `packing` | objects come in | and are read as |
    /// |---|---|---|
    /// | [`Packing::raw`] | protobuf where the server has that, else JSON | their bytes |
    /// | [`Packing::protobuf`] | protobuf | messages of prost, such as those of `k8s-pb` |
    /// | [`Packing::json`] | JSON | what serde decodes, such as types of `k8s-openapi` |
    ///
    /// That an object does not decode is found by whoever reads it; it is in the store all the same.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use heliostat::{Packing, Reflector};
    /// use heliostat::source::kube::{Connection, KubeSource};
    /// use k8s_openapi::api::core::v1::Pod;
    ///
    /// let cluster = Connection::new().connect().await?;
    /// let packing = Packing::<Pod>::json().memory_budget(16 << 20);
    /// let source = KubeSource::<Pod>::all(&cluster).without_managed_fields().packed(&packing);
    /// let (reflector, pods) = Reflector::with_indexer(source);
    /// let mirror = reflector.start();
    /// mirror.wait_synced().await?;
    /// for entry in pods.in_namespace("shop") {
    ///     let pod = entry.object.get()?;
    ///     println!("{:?}", pod.status);
    /// }
    /// println!("{} bytes for {} pods", packing.stats().packed_bytes, packing.stats().objects);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn packed<T: Send + Sync + 'static>(self, packing: &Packing<T>) -> KubeSource<Packed<T>> {
        let encodings = match packing.encoding() {
            Some(raw::Encoding::Json) => Encodings::Json,
            Some(raw::Encoding::Protobuf) => Encodings::Protobuf,
            _ => Encodings::Both,
        };
        let expected = self.expected_kind();
        let packing = packing.clone();
        let codec = CodecMaker::new(encodings, move |encoding, managed_fields| {
            let codec = raw_codec(encoding, managed_fields, expected.clone());
            PackedCodec::new(codec, &packing)
        });
        self.decoded_by(codec)
    }
}

//! A source in another form: the same collection, decoded in another way.

use kube_core::{PartialObjectMeta, Resource};
use prost::Message;
use serde::de::DeserializeOwned;

use heliostat_core::packed::{Packed, PackedCodec, Packing};
use heliostat_core::raw::{self, RawObject};
use heliostat_core::wire::Codec;

use super::codec::{AnyCodec, CodecMaker, raw_codec};
use super::collection::Form;
use super::negotiation::Encodings;
use super::source::KubeSource;

/// # Conversions
///
/// Each keeps the collection and everything that was set, and changes what its objects are decoded
/// into. [`traffic`](Self::traffic) starts at zero.
impl<K> KubeSource<K> {
    /// The same objects as the bytes they came in, not decoded: by far the smallest and fastest mirror
    /// of whole objects, for those who read a few fields of them ([`RawObject::field`]) or decode one
    /// in a while.
    ///
    /// Metadata alone stays metadata alone. Objects come in protobuf where the server has it, else in
    /// JSON.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use heliostat::source::kube::{Connection, KubeSource};
    /// use k8s_openapi::api::core::v1::Pod;
    ///
    /// let cluster = Connection::new().connect().await?;
    /// let pods = KubeSource::<Pod>::new(&cluster).without_managed_fields().raw();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn raw(self) -> KubeSource<RawObject> {
        let codec = CodecMaker::raw(self.expected_kind());
        self.decoded_by(codec)
    }

    /// The same objects packed: each takes a twentieth of what it takes decoded, and is decoded while
    /// somebody reads it. See [`Packing`].
    ///
    /// Metadata alone stays metadata alone. `packing` says what the objects are read as, and how much
    /// memory those that are kept decoded may take; it has the figures. What it decodes from decides
    /// what the server is asked for:
    ///
    /// | `packing` | objects come in | and are read as |
    /// |---|---|---|
    /// | [`Packing::raw`] | protobuf where the server has that, else JSON | their bytes |
    /// | [`Packing::new`] | the same; custom resources in JSON | what serde decodes, such as types of `k8s-openapi` |
    /// | [`Packing::prost`] | protobuf | messages of prost, such as those of `k8s-pb` |
    ///
    /// An object that does not decode is in the store all the same; reading it returns the error.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use heliostat::{Packing, Reflector};
    /// use heliostat::source::kube::{Connection, KubeSource};
    /// use k8s_openapi::api::core::v1::Pod;
    ///
    /// let cluster = Connection::new().connect().await?;
    /// let packing = Packing::<Pod>::new().memory_budget(16 << 20);
    /// let source = KubeSource::<Pod>::new(&cluster).without_managed_fields().packed(&packing);
    /// let (reflector, pods) = Reflector::with_indexer(source);
    /// let mirror = reflector.start();
    /// mirror.wait_synced(Duration::from_secs(30)).await?;
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
        let expected = self.expected_kind();
        let can_read = |encoding| packing.can_read(encoding, &expected);
        let encodings = match (
            can_read(raw::Encoding::Json),
            can_read(raw::Encoding::Protobuf),
        ) {
            (true, true) => Encodings::Both,
            (false, true) => Encodings::Protobuf,
            (_, false) => Encodings::Json,
        };
        let packing = packing.clone();
        let codec = CodecMaker::new(encodings, move |encoding, managed_fields| {
            let codec = raw_codec(encoding, managed_fields, expected.clone());
            AnyCodec::new(PackedCodec::new(codec, &packing))
        });
        self.decoded_by(codec)
    }

    /// The same objects as messages of prost, such as those of `k8s-pb`. They are asked for in
    /// protobuf alone, and `M` must be the message of this kind: events of another kind are rejected.
    ///
    /// ```
    /// # async fn example(cluster: heliostat::source::kube::Cluster) {
    /// use heliostat::source::kube::KubeSource;
    /// use k8s_openapi::api::core::v1::Pod;
    ///
    /// let pods = KubeSource::<Pod>::new(&cluster).prost::<k8s_pb::api::core::v1::Pod>();
    /// assert_eq!(pods.resource().plural, "pods");
    /// # }
    /// ```
    #[must_use]
    pub fn prost<M: Message + Default + 'static>(self) -> KubeSource<M> {
        let codec = CodecMaker::prost(self.expected_kind());
        self.decoded_by(codec)
    }

    /// The same objects decoded by a codec of your own: into headers and bytes, into a few fields.
    /// `make` is called for every list and every watch.
    ///
    /// The codec gets objects in JSON, and the server is asked for nothing else.
    pub fn decoded_with<C>(
        self,
        make: impl Fn() -> C + Send + Sync + 'static,
    ) -> KubeSource<C::Object>
    where
        C: Codec + 'static,
    {
        self.decoded_by(CodecMaker::of_json(make))
    }
}

impl<K> KubeSource<K>
where
    K: Resource,
    PartialObjectMeta<K>: DeserializeOwned + Send + Sync + 'static,
{
    /// The metadata of the same objects and nothing else: the server leaves out the rest.
    ///
    /// ```
    /// # async fn example(cluster: heliostat::source::kube::Cluster) {
    /// use heliostat::ListerWatcher;
    /// use heliostat::source::kube::KubeSource;
    /// use k8s_openapi::api::core::v1::Secret;
    ///
    /// let secrets = KubeSource::<Secret>::new(&cluster).metadata();
    /// assert_eq!(secrets.description(), "metadata of secrets in all namespaces");
    /// # }
    /// ```
    #[must_use]
    pub fn metadata(self) -> KubeSource<PartialObjectMeta<K>> {
        self.in_form(Form::Metadata)
    }
}

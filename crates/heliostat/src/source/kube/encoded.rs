//! The sources whose type does not name a resource: raw objects, and messages of protobuf.

use kube_core::ApiResource;
use prost::Message;

use heliostat_core::raw::RawObject;

use super::cluster::Cluster;
use super::codec::{CodecMaker, expected_kind};
use super::collection::{Collection, Form, Place};
use super::discovery::DiscoveredResource;
use super::source::KubeSource;

impl KubeSource<RawObject> {
    /// A resource that was discovered, as the bytes of its objects: in one namespace, or in all. No
    /// type is needed for it, and it comes in protobuf where the server has that.
    ///
    /// A namespace is passed over for a resource that lives in none, as kubectl does. Where there is a
    /// type, [`raw`](Self::raw) makes the same of its source.
    pub fn raw_discovered(
        cluster: impl Into<Cluster>,
        found: &DiscoveredResource,
        namespace: Option<&str>,
    ) -> Self {
        Self::raw_of(
            cluster.into(),
            Collection::discovered(found, namespace),
            Form::Full,
        )
    }

    /// The metadata alone of a resource that was discovered, as bytes: in one namespace, or in all.
    /// Servers have it in protobuf for every kind, also where they have whole objects in JSON only.
    pub fn raw_metadata_discovered(
        cluster: impl Into<Cluster>,
        found: &DiscoveredResource,
        namespace: Option<&str>,
    ) -> Self {
        Self::raw_of(
            cluster.into(),
            Collection::discovered(found, namespace),
            Form::Metadata,
        )
    }

    fn raw_of(cluster: Cluster, collection: Collection, form: Form) -> Self {
        let codec = CodecMaker::raw(expected_kind(collection.resource(), form));
        Self::of(cluster, collection, form, codec)
    }
}

impl<K: Message + Default + 'static> KubeSource<K> {
    /// Objects of a type that prost decodes, such as those of `k8s-pb`: in one namespace, or in all,
    /// or in none for a kind that lives in none.
    ///
    /// The type does not say where a server has its objects, so the resource is given beside it; where
    /// its crate tells it in constants, [`api_resource`](crate::api_resource) makes one of them. That
    /// the objects are of this kind is checked, event by event.
    ///
    /// ```
    /// # async fn example(cluster: heliostat::source::kube::Cluster) {
    /// use heliostat::api_resource;
    /// use heliostat::source::kube::KubeSource;
    /// use k8s_pb::api::core::v1::Pod;
    ///
    /// let resource = api_resource!(Pod as k8s_pb::Resource);
    /// let pods = KubeSource::<Pod>::protobuf(&cluster, &resource, Some("shop"));
    /// assert_eq!(pods.resource().plural, "pods");
    /// # }
    /// ```
    pub fn protobuf(
        cluster: impl Into<Cluster>,
        resource: &ApiResource,
        namespace: Option<&str>,
    ) -> Self {
        let place = namespace.map_or(Place::AllNamespaces, Place::namespace);
        Self::protobuf_of(cluster.into(), Collection::new(resource.clone(), place))
    }

    /// The same for a resource that was discovered. A namespace is passed over for one that lives in
    /// none.
    pub fn protobuf_discovered(
        cluster: impl Into<Cluster>,
        found: &DiscoveredResource,
        namespace: Option<&str>,
    ) -> Self {
        Self::protobuf_of(cluster.into(), Collection::discovered(found, namespace))
    }

    fn protobuf_of(cluster: Cluster, collection: Collection) -> Self {
        let codec = CodecMaker::protobuf(expected_kind(collection.resource(), Form::Full));
        Self::of(cluster, collection, Form::Full, codec)
    }
}

/// The [`ApiResource`] of a type whose crate tells it in
/// constants of a trait: `api_resource!(Pod as k8s_pb::Resource)`.
///
/// The trait needs `GROUP`, `VERSION`, `API_VERSION`, `KIND` and `URL_PATH_SEGMENT`, as that of
/// `k8s-pb` has them and that of `k8s-openapi`, too.
///
/// ```
/// use heliostat::api_resource;
///
/// let resource = api_resource!(k8s_openapi::api::apps::v1::Deployment as k8s_openapi::Resource);
/// assert_eq!(resource.api_version, "apps/v1");
/// assert_eq!(resource.plural, "deployments");
/// ```
#[macro_export]
macro_rules! api_resource {
    ($kind:ty as $resource:path) => {
        $crate::source::kube::ApiResource {
            group: <$kind as $resource>::GROUP.to_owned(),
            version: <$kind as $resource>::VERSION.to_owned(),
            api_version: <$kind as $resource>::API_VERSION.to_owned(),
            kind: <$kind as $resource>::KIND.to_owned(),
            plural: <$kind as $resource>::URL_PATH_SEGMENT.to_owned(),
        }
    };
}

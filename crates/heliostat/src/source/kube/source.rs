//! `KubeSource`: one collection of a Kubernetes API as a source of objects.

use std::any::type_name;
use std::fmt;

use kube_core::{ApiResource, ClusterResourceScope, NamespaceScope, Resource};
use serde::de::DeserializeOwned;

use heliostat_core::error::SourceError;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::wire::{Codec, DecodeLimits};

use super::cluster::{Ask, Cluster, Compression};
use super::codec::{CodecMaker, ManagedFields};
use super::collection::{Collection, Form, Place};
use super::decode_thread::DecodeThread;
use super::discovery::DiscoveredResource;
use super::reading;
use crate::list_watch::{ListStream, ListerWatcher, WatchStream};

/// The objects of one resource of a Kubernetes API, in all namespaces or in one.
///
/// The type says what is mirrored and how it is asked for:
///
/// | `K` | what it is |
/// |---|---|
/// | `Pod`, any `kube_core::Resource` | typed objects |
/// | `PartialObjectMeta<Pod>` | metadata alone: the server sends nothing else |
/// | `DynamicObject` | any kind, named at run time; see [`Discovery`](super::Discovery) |
/// | anything with a [`Codec`] | bytes decoded your own way; see [`with_codec`](Self::with_codec) |
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use heliostat::source::kube::{Connection, KubeSource};
/// use k8s_openapi::api::core::v1::Pod;
///
/// let cluster = Connection::new().connect().await?;
/// let pods = KubeSource::<Pod>::namespaced(&cluster, "shop").labels("app=cart");
/// # Ok(())
/// # }
/// ```
///
/// # Several namespaces
///
/// One source is one collection with one version, and every namespace has versions of its own: a
/// joint watch could not be resumed without losing events. So several namespaces are several
/// sources, each with its own reflector: see [`namespaced_many`](Self::namespaced_many). Where the
/// caller may list the resource in all namespaces and they are most of the cluster, one source with
/// [`all`](Self::all) is cheaper.
pub struct KubeSource<K> {
    cluster: Cluster,
    collection: Collection,
    form: Form,
    limits: DecodeLimits,
    codec: CodecMaker<K>,
    managed_fields: ManagedFields,
    thread: DecodeThread,
}

impl<K> KubeSource<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
{
    /// The objects of all namespaces, or those of a kind that lives in none.
    pub fn all(cluster: impl Into<Cluster>) -> Self {
        Self::all_with(cluster, &())
    }

    /// The objects of one namespace.
    ///
    /// A name that cannot be a namespace's, the empty one included, is told by the first request.
    pub fn namespaced(cluster: impl Into<Cluster>, namespace: &str) -> Self
    where
        K::Scope: NamespaceScope,
    {
        Self::namespaced_with(cluster, namespace, &())
    }

    /// The objects of the namespace that the configuration names.
    pub fn default_namespaced(cluster: impl Into<Cluster>) -> Self
    where
        K::Scope: NamespaceScope,
    {
        let cluster = cluster.into();
        let namespace = cluster.default_namespace().to_owned();
        Self::namespaced_with(cluster, &namespace, &())
    }

    /// A source for each of several namespaces, in their order, for a reflector each.
    pub fn namespaced_many<'a>(
        cluster: impl Into<Cluster>,
        namespaces: impl IntoIterator<Item = &'a str>,
    ) -> Vec<Self>
    where
        K::Scope: NamespaceScope,
    {
        let cluster = cluster.into();
        let sources = namespaces
            .into_iter()
            .map(|namespace| Self::namespaced(&cluster, namespace));
        sources.collect()
    }
}

impl<K> KubeSource<K>
where
    K: Resource + DeserializeOwned + Send + Sync + 'static,
{
    /// The objects of all namespaces, of a kind that is named at run time.
    pub fn all_with(cluster: impl Into<Cluster>, kind: &K::DynamicType) -> Self {
        let place = if lives_in_no_namespace::<K>() {
            Place::Cluster
        } else {
            Place::AllNamespaces
        };
        Self::new(cluster.into(), kind, place)
    }

    /// The objects of one namespace, of a kind that is named at run time.
    pub fn namespaced_with(
        cluster: impl Into<Cluster>,
        namespace: &str,
        kind: &K::DynamicType,
    ) -> Self
    where
        K::Scope: NamespaceScope,
    {
        Self::new(cluster.into(), kind, Place::namespace(namespace))
    }

    /// The objects of one namespace or of all; a namespace is passed over for a kind that lives in
    /// none.
    pub(crate) fn within(
        cluster: impl Into<Cluster>,
        namespace: Option<&str>,
        kind: &K::DynamicType,
    ) -> Self {
        match namespace {
            Some(namespace) if !lives_in_no_namespace::<K>() => {
                Self::new(cluster.into(), kind, Place::namespace(namespace))
            }
            Some(_) | None => Self::all_with(cluster, kind),
        }
    }

    fn new(cluster: Cluster, kind: &K::DynamicType, place: Place) -> Self {
        let form = if K::metadata_api() {
            Form::Metadata
        } else {
            Form::Full
        };
        Self {
            cluster,
            collection: Collection::new(ApiResource::erase::<K>(kind), place),
            form,
            limits: DecodeLimits::default(),
            codec: CodecMaker::json(kind),
            managed_fields: ManagedFields::Kept,
            thread: DecodeThread::next(),
        }
    }
}

impl<K> KubeSource<K>
where
    K: Resource<DynamicType = ApiResource> + DeserializeOwned + Send + Sync + 'static,
{
    /// A resource that was discovered: in one namespace, or in all.
    ///
    /// A namespace is passed over for a resource that lives in none, as kubectl does.
    pub fn discovered(
        cluster: impl Into<Cluster>,
        found: &DiscoveredResource,
        namespace: Option<&str>,
    ) -> Self {
        Self::new(cluster.into(), &found.resource, Place::of(found, namespace))
    }
}

impl<T> KubeSource<T> {
    /// A discovered resource whose objects are decoded by a codec of your own: into headers and
    /// bytes, into a few fields. `make` is called for every list and every watch.
    ///
    /// The server is asked for whole objects as `application/json`.
    pub fn with_codec<C>(
        cluster: impl Into<Cluster>,
        found: &DiscoveredResource,
        namespace: Option<&str>,
        make: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self
    where
        C: Codec<Object = T> + 'static,
    {
        Self {
            cluster: cluster.into(),
            collection: Collection::new(found.resource.clone(), Place::of(found, namespace)),
            form: Form::Full,
            limits: DecodeLimits::default(),
            codec: CodecMaker::new(make),
            managed_fields: ManagedFields::Kept,
            thread: DecodeThread::next(),
        }
    }

    /// Only objects whose labels match: `app=cart`, `tier in (web,api)`, `!canary`. The server
    /// selects. Everything by default, and with an empty selector.
    #[must_use]
    pub fn labels(mut self, selector: &str) -> Self {
        self.collection.set_labels(selector);
        self
    }

    /// Only objects whose fields match: `spec.nodeName=n1`, `status.phase!=Running`. The server
    /// selects, and knows only some fields of each kind. Everything by default, and with an empty
    /// selector.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Self {
        self.collection.set_fields(selector);
        self
    }

    /// Leaves `metadata.managedFields` out of every object, before it is decoded: about half the work
    /// and more than half the memory of a typical pod. Kept by default.
    #[must_use]
    pub const fn without_managed_fields(mut self) -> Self {
        self.managed_fields = ManagedFields::Cut;
        self
    }

    /// How large an object may be, among others. The defaults are far above what a server stores.
    #[must_use]
    pub const fn limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Where the objects come from.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Group, version, kind and plural name of what is mirrored.
    #[must_use]
    pub const fn resource(&self) -> &ApiResource {
        self.collection.resource()
    }

    /// The namespace, if it is one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.collection.namespace()
    }
}

impl<T: Send + Sync + 'static> ListerWatcher for KubeSource<T> {
    type Object = T;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<T>, SourceError> {
        let path = self.collection.path()?;
        let query = self.collection.list_query(&options);
        let target = if query.is_empty() {
            path.clone()
        } else {
            format!("{path}?{query}")
        };
        let ask = Ask {
            target: &target,
            named: &path,
            accept: self.form.list_accept(),
            expected: "list",
            compression: Compression::Allowed,
        };
        let answer = self.cluster.get(ask).await?;
        Ok(reading::list(
            answer,
            self.codec.make(self.managed_fields),
            self.limits,
            &self.thread,
        ))
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<T>, SourceError> {
        let path = self.collection.path()?;
        let target = format!("{path}?{}", self.collection.watch_query(&options));
        let ask = Ask {
            target: &target,
            named: &format!("{path}?watch=true"),
            accept: self.form.watch_accept(),
            expected: "watch stream",
            compression: Compression::Refused,
        };
        let answer = self.cluster.get(ask).await?;
        Ok(reading::watch(
            answer,
            self.codec.make(self.managed_fields),
            self.limits,
            &self.thread,
        ))
    }

    fn description(&self) -> String {
        match self.form {
            Form::Full => self.collection.to_string(),
            Form::Metadata => format!("metadata of {}", self.collection),
        }
    }
}

impl<T> Clone for KubeSource<T> {
    fn clone(&self) -> Self {
        Self {
            cluster: self.cluster.clone(),
            collection: self.collection.clone(),
            form: self.form,
            limits: self.limits,
            codec: self.codec.clone(),
            managed_fields: self.managed_fields,
            thread: self.thread.clone(),
        }
    }
}

impl<T> fmt::Debug for KubeSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeSource")
            .field("cluster", &self.cluster)
            .field("collection", &self.collection)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

/// True for a type whose objects are known to live in no namespace. There is no other way to ask: a
/// scope is a type without a value.
pub(crate) fn lives_in_no_namespace<K: Resource>() -> bool {
    type_name::<K::Scope>() == type_name::<ClusterResourceScope>()
}

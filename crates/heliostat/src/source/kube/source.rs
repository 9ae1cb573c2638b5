//! `KubeSource`: one collection of a Kubernetes API as a source of objects.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kube_core::{ApiResource, ClusterResourceScope, Resource};
use serde::de::DeserializeOwned;

use heliostat_core::error::SourceError;
use heliostat_core::object::GroupVersionKind;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::wire::DecodeLimits;

use super::cluster::{Answer, Ask, Cluster, Compression};
use super::codec::{AnyCodec, CodecMaker, ManagedFields, expected_kind};
use super::collection::{Collection, Form, WatchVerb};
use super::discovery::DiscoveredResource;
use super::encoding::Encoding;
use super::failure::RequestLine;
use super::metadata_only::{MetadataOnly, WholeObjectsWarning};
use super::negotiation::{self, Negotiation, Offer, Verdict, WireEncoding};
use super::reading::Reader;
use super::scope::Scope;
use super::traffic::Traffic;
use crate::list_watch::{ListStream, ListerWatcher, WatchStream};
use crate::source::decode_thread::DecodeThread;

/// The objects of one resource of a Kubernetes API, in all namespaces or in one.
///
/// The type says what is mirrored and how it is asked for:
///
/// | `K` | what it is | made by |
/// |---|---|---|
/// | `Pod`, any `kube_core::Resource` | typed objects | [`new`](Self::new) |
/// | `DynamicObject` | any kind, named at run time; see [`Discovery`](super::Discovery) | [`of`](Self::of) |
/// | `PartialObjectMeta<Pod>` | metadata alone: the server sends nothing else | [`metadata`](Self::metadata) |
/// | [`RawObject`](heliostat_core::raw::RawObject) | any of these as the bytes they came in | [`raw`](Self::raw) |
/// | [`Packed`](heliostat_core::packed::Packed) | the same compressed, decoded when read | [`packed`](Self::packed) |
/// | a message of `prost`, as `k8s-pb` has them | typed objects in protobuf | [`prost`](Self::prost) |
/// | anything with a [`Codec`](heliostat_core::wire::Codec) | bytes decoded your own way | [`decoded_with`](Self::decoded_with) |
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use heliostat::source::kube::{Connection, KubeSource};
/// use k8s_openapi::api::core::v1::Pod;
///
/// let cluster = Connection::new().connect().await?;
/// let pods = KubeSource::<Pod>::new(&cluster).namespace("shop").labels("app=cart");
/// # Ok(())
/// # }
/// ```
///
/// # Encodings
///
/// Built-in kinds are asked for in protobuf, which takes three quarters of the bytes of JSON for a pod with
/// managed fields, with JSON as the alternative; the server chooses, and an object is the same in both. Custom
/// resources have JSON alone, messages of prost protobuf alone. Metadata alone comes in protobuf for
/// every kind. See [`encoding`](Self::encoding), and [`traffic`](Self::traffic) for the result.
///
/// Protobuf is decoded by the tables of one version of Kubernetes
/// ([`KUBERNETES_VERSION`](heliostat_kinds::KUBERNETES_VERSION)): fields that a newer server adds are
/// dropped, as a typed object drops fields that its type does not have. A mirror of `DynamicObject`
/// logs a warning when the first is dropped; one that must keep them asks for [`WireEncoding::Json`].
///
/// # Several namespaces
///
/// One source is one collection with one version, and every namespace has versions of its own: a
/// joint watch could not be resumed without losing events. So several namespaces are several
/// sources, each with its own reflector: see [`in_namespaces`](Self::in_namespaces). Where the caller
/// may list the resource in all namespaces and they are most of the cluster, one source of all
/// namespaces is cheaper.
///
/// # Resources without watches
///
/// A discovered resource with the verb `list` and no `watch`, such as the metrics of pods, can be
/// listed. Its watches fail with an error; a reflector with a
/// [`poll_interval`](crate::ReflectorConfig::poll_interval) follows it by lists.
pub struct KubeSource<K> {
    cluster: Cluster,
    collection: Collection,
    form: Form,
    codec: CodecMaker<K>,
    negotiation: Negotiation,
    /// Shared by all clones.
    warned_of_whole_objects: Arc<AtomicBool>,
    reader: Reader,
}

impl<K> KubeSource<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
{
    /// The objects of a kind that the type names, in all namespaces.
    ///
    /// `cluster` is a [`Cluster`], or a `kube_client::Client`, or a reference to one of them.
    pub fn new(cluster: impl Into<Cluster>) -> Self {
        let has_namespaces = !has_no_namespaces::<K>();
        let collection = Collection::new(ApiResource::erase::<K>(&()), has_namespaces);
        Self::over(cluster.into(), collection)
    }
}

impl<K> KubeSource<K>
where
    K: Resource<DynamicType = ApiResource> + DeserializeOwned + Send + Sync + 'static,
{
    /// The objects of a kind that is named at run time, in all namespaces.
    ///
    /// `resource` is a reference to a [`DiscoveredResource`], or to an [`ApiResource`] where the names
    /// are known: see [`DiscoveredResource::from`] for what the latter leaves open.
    ///
    /// ```
    /// # async fn example(cluster: heliostat::source::kube::Cluster) {
    /// use heliostat::ListerWatcher;
    /// use heliostat::source::kube::{ApiResource, DynamicObject, KubeSource};
    ///
    /// let resource = ApiResource {
    ///     group: "example.com".to_owned(),
    ///     version: "v1".to_owned(),
    ///     api_version: "example.com/v1".to_owned(),
    ///     kind: "Widget".to_owned(),
    ///     plural: "widgets".to_owned(),
    /// };
    /// let widgets = KubeSource::<DynamicObject>::of(&cluster, &resource).namespace("shop");
    /// assert_eq!(widgets.description(), "widgets.example.com in namespace shop");
    /// # }
    /// ```
    pub fn of(cluster: impl Into<Cluster>, resource: impl Into<DiscoveredResource>) -> Self {
        Self::over(cluster.into(), Collection::of(resource.into()))
    }
}

impl<K> KubeSource<K>
where
    K: Resource + DeserializeOwned + Send + Sync + 'static,
{
    fn over(cluster: Cluster, collection: Collection) -> Self {
        let form = if K::metadata_api() {
            Form::Metadata
        } else {
            Form::Full
        };
        Self {
            codec: CodecMaker::serde(expected_kind(collection.resource(), form)),
            cluster,
            collection,
            form,
            negotiation: Negotiation::default(),
            warned_of_whole_objects: Arc::default(),
            reader: Reader {
                limits: DecodeLimits::default(),
                thread: DecodeThread::next(),
                meter: Arc::default(),
            },
        }
    }
}

impl<T> KubeSource<T> {
    /// The same collection in another form, decoded by serde.
    pub(super) fn in_form<K>(mut self, form: Form) -> KubeSource<K>
    where
        K: Resource + DeserializeOwned + Send + Sync + 'static,
    {
        self.form = form;
        let codec = CodecMaker::serde(self.expected_kind());
        self.decoded_by(codec)
    }

    /// The same collection, asked for in the same way, decoded in another.
    pub(super) fn decoded_by<U>(self, codec: CodecMaker<U>) -> KubeSource<U> {
        KubeSource {
            cluster: self.cluster,
            collection: self.collection,
            form: self.form,
            codec,
            negotiation: self.negotiation,
            warned_of_whole_objects: self.warned_of_whole_objects,
            reader: Reader {
                meter: Arc::default(),
                ..self.reader
            },
        }
    }

    /// Sets everything that a [`Scope`] has, in place of what was set before.
    #[must_use]
    pub fn scope(mut self, scope: &Scope) -> Self {
        self.collection.set_scope(scope.clone());
        self
    }

    /// Only objects of this namespace; see [`Scope::namespace`].
    #[must_use]
    pub fn namespace(self, name: &str) -> Self {
        self.narrow(|scope| scope.namespace(name))
    }

    /// Each of several namespaces with this source in it, for
    /// [`Reflector::with_namespaces`](crate::Reflector::with_namespaces).
    ///
    /// ```
    /// # async fn example(cluster: heliostat::source::kube::Cluster)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use heliostat::Reflector;
    /// use heliostat::source::kube::KubeSource;
    /// use k8s_openapi::api::core::v1::Pod;
    ///
    /// let pods = KubeSource::<Pod>::new(&cluster).labels("app=cart");
    /// let (reflectors, pods) = Reflector::with_namespaces(pods.in_namespaces(["shop", "blog"]))?;
    /// let mirrors: Vec<_> = reflectors.into_iter().map(Reflector::start).collect();
    /// pods.wait_synced(Duration::from_secs(30)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn in_namespaces<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> impl Iterator<Item = (&'a str, Self)> {
        let names = names.into_iter();
        names.map(|name| (name, self.clone().namespace(name)))
    }

    /// Only objects whose labels match, as `app=cart`; see [`Scope::labels`].
    #[must_use]
    pub fn labels(self, selector: &str) -> Self {
        self.narrow(|scope| scope.labels(selector))
    }

    /// Only objects whose fields match, as `spec.nodeName=n1`; see [`Scope::fields`].
    #[must_use]
    pub fn fields(self, selector: &str) -> Self {
        self.narrow(|scope| scope.fields(selector))
    }

    /// Removes `metadata.managedFields` from every object before it is decoded; see
    /// [`Scope::without_managed_fields`].
    #[must_use]
    pub fn without_managed_fields(self) -> Self {
        self.narrow(Scope::without_managed_fields)
    }

    fn narrow(mut self, set: impl FnOnce(Scope) -> Scope) -> Self {
        let scope = set(self.collection.scope().clone());
        self.collection.set_scope(scope);
        self
    }

    /// How large an object may be, among others. The defaults are far above what a server stores.
    #[must_use]
    pub const fn limits(mut self, limits: DecodeLimits) -> Self {
        self.reader.limits = limits;
        self
    }

    /// In which encoding objects are asked for; [`WireEncoding::Auto`] by default.
    ///
    /// What the objects cannot be decoded from is an error of every request
    /// ([`SourceError::Encoding`]), as is a kind that the server does not have in the only encoding
    /// that is asked for.
    #[must_use]
    pub const fn encoding(mut self, encoding: WireEncoding) -> Self {
        self.negotiation.set(encoding);
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

    /// What this source and its clones have received so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.reader.meter.read()
    }

    /// The kind that the objects of a watch must have, as the server names it.
    pub(super) fn expected_kind(&self) -> GroupVersionKind {
        expected_kind(self.collection.resource(), self.form)
    }
}

impl<T: 'static> KubeSource<T> {
    /// Asks for something that the objects can be decoded from, and gives what decodes the answer.
    async fn ask(
        &self,
        wanted: Wanted,
        target: &str,
        named: &str,
    ) -> Result<(Answer, AnyCodec<T>), SourceError> {
        let can = self.codec.encodings();
        let offer = self.negotiation.offer(can);
        let offer = offer.ok_or_else(|| negotiation::cannot_ask(&self.collection, can))?;
        let answer = match self.send(wanted, offer, target, named).await {
            Err(refusal) => match (Verdict::of(&refusal), offer) {
                (Verdict::Refused | Verdict::Unclear, Offer::ProtobufOrJson) => {
                    let again = self.send(wanted, Offer::Json, target, named).await;
                    if Verdict::of(&refusal) == Verdict::Refused || again.is_ok() {
                        tracing::debug!(%refusal, "{} is asked for in JSON from now on", self.collection);
                        self.negotiation.remember_refusal();
                    }
                    again?
                }
                (Verdict::Refused, Offer::Protobuf) => {
                    return Err(negotiation::not_served(&self.collection, &refusal));
                }
                _ => return Err(refusal),
            },
            Ok(answer) => answer,
        };
        self.reader.meter.answered(answer.encoding);
        let managed_fields = ManagedFields::of(self.collection.scope());
        let codec = self
            .codec
            .make(answer.encoding, managed_fields, &self.line());
        let codec =
            codec.ok_or_else(|| negotiation::cannot_decode(&self.collection, answer.encoding))?;
        let codec = match self.form {
            Form::Full => codec,
            Form::Metadata => self.metadata_only(answer.encoding, codec),
        };
        Ok((answer, codec))
    }

    /// What is asked for and where, for logs.
    fn line(&self) -> String {
        // Without a path no request is made, and the error says why.
        let path = self.collection.path().unwrap_or_default();
        RequestLine::new(&path, self.cluster.server().map(Arc::from)).to_string()
    }

    /// Cuts objects down to what was asked for, whatever the server sends.
    fn metadata_only(&self, encoding: Encoding, codec: AnyCodec<T>) -> AnyCodec<T> {
        AnyCodec::new(MetadataOnly {
            codec,
            encoding,
            expected: self.expected_kind(),
            whole: expected_kind(self.collection.resource(), Form::Full),
            warning: WholeObjectsWarning {
                is_logged: Arc::clone(&self.warned_of_whole_objects),
                collection: self.collection.to_string(),
                request: self.line(),
            },
            scratch: Vec::new(),
        })
    }

    async fn send(
        &self,
        wanted: Wanted,
        offer: Offer,
        target: &str,
        named: &str,
    ) -> Result<Answer, SourceError> {
        let (accept, expected, compression) = match wanted {
            Wanted::List => (offer.list_accept(self.form), "list", Compression::Allowed),
            Wanted::Watch => (
                offer.watch_accept(self.form),
                "watch stream",
                Compression::Refused,
            ),
        };
        let ask = Ask {
            target,
            named,
            accept,
            expected,
            compression,
        };
        self.cluster.get(ask).await
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    List,
    Watch,
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
        let (answer, codec) = self.ask(Wanted::List, &target, &path).await?;
        Ok(self.reader.list(answer, codec))
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<T>, SourceError> {
        if self.collection.watch_verb() == WatchVerb::Missing {
            return Err(negotiation::cannot_watch(&self.collection));
        }
        let path = self.collection.path()?;
        let target = format!("{path}?{}", self.collection.watch_query(&options));
        let named = format!("{path}?watch=true");
        let (answer, codec) = self.ask(Wanted::Watch, &target, &named).await?;
        Ok(self.reader.watch(answer, codec))
    }

    fn supports_single_object(&self) -> bool {
        true
    }

    fn description(&self) -> String {
        match self.form {
            Form::Full => self.collection.to_string(),
            Form::Metadata => format!("metadata of {}", self.collection),
        }
    }

    fn supports_watch_list(&self) -> bool {
        self.collection.watch_verb() == WatchVerb::Assumed
    }

    fn request_line(&self) -> String {
        self.line()
    }
}

impl<T> Clone for KubeSource<T> {
    fn clone(&self) -> Self {
        Self {
            cluster: self.cluster.clone(),
            collection: self.collection.clone(),
            form: self.form,
            codec: self.codec.clone(),
            negotiation: self.negotiation.clone(),
            warned_of_whole_objects: Arc::clone(&self.warned_of_whole_objects),
            reader: self.reader.clone(),
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

/// True for a type whose objects are known to have no namespace. There is no other way to ask: a scope
/// is a type without a value.
pub(crate) fn has_no_namespaces<K: Resource>() -> bool {
    type_name::<K::Scope>() == type_name::<ClusterResourceScope>()
}

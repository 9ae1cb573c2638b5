//! `KubeSource`: one collection of a Kubernetes API as a source of objects.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kube_core::{ApiResource, ClusterResourceScope, NamespaceScope, Resource};
use serde::de::DeserializeOwned;

use heliostat_core::error::SourceError;
use heliostat_core::object::GroupVersionKind;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::raw::RawObject;
use heliostat_core::wire::{Codec, DecodeLimits};

use super::cluster::{Answer, Ask, Cluster, Compression};
use super::codec::{AnyCodec, CodecMaker, ManagedFields, expected_kind};
use super::collection::{Collection, Form, Place, WatchVerb};
use super::decode_thread::DecodeThread;
use super::discovery::DiscoveredResource;
use super::failure::RequestLine;
use super::metadata_only::{MetadataOnly, WholeObjectsWarning};
use super::negotiation::{self, Encoding, Negotiation, Offer, Verdict, WireEncoding};
use super::reading::Reader;
use super::traffic::Traffic;
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
/// | [`RawObject`] | any of these as the bytes they came in; see [`raw`](Self::raw) |
/// | a message of `prost`, as `k8s-pb` has them | typed objects in protobuf; see [`protobuf`](Self::protobuf) |
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
/// # Encodings
///
/// What serde decodes is asked for in JSON and what prost decodes in protobuf, which servers have for
/// built-in kinds: three quarters of the bytes of JSON and a fraction of the work. Raw objects can be
/// either, so the server is left the choice, kind by kind and answer by answer. See
/// [`encoding`](Self::encoding), and [`traffic`](Self::traffic) for what came of it.
///
/// # Several namespaces
///
/// One source is one collection with one version, and every namespace has versions of its own: a
/// joint watch could not be resumed without losing events. So several namespaces are several
/// sources, each with its own reflector: see [`namespaced_many`](Self::namespaced_many). Where the
/// caller may list the resource in all namespaces and they are most of the cluster, one source with
/// [`all`](Self::all) is cheaper.
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
    managed_fields: ManagedFields,
    negotiation: Negotiation,
    /// Shared by all clones.
    warned_of_whole_objects: Arc<AtomicBool>,
    reader: Reader,
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
        Self::over(
            cluster,
            Collection::new(ApiResource::erase::<K>(kind), place),
        )
    }

    fn over(cluster: Cluster, collection: Collection) -> Self {
        let form = if K::metadata_api() {
            Form::Metadata
        } else {
            Form::Full
        };
        let codec = CodecMaker::json(expected_kind(collection.resource(), form));
        Self::of(cluster, collection, form, codec)
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
        Self::over(cluster.into(), Collection::discovered(found, namespace))
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
        let collection = Collection::discovered(found, namespace);
        let codec = CodecMaker::of_json(make);
        Self::of(cluster.into(), collection, Form::Full, codec)
    }

    pub(super) fn of(
        cluster: Cluster,
        collection: Collection,
        form: Form,
        codec: CodecMaker<T>,
    ) -> Self {
        Self {
            cluster,
            collection,
            form,
            codec,
            managed_fields: ManagedFields::Kept,
            negotiation: Negotiation::default(),
            warned_of_whole_objects: Arc::default(),
            reader: Reader {
                limits: DecodeLimits::default(),
                thread: DecodeThread::next(),
                meter: Arc::default(),
            },
        }
    }

    /// The same objects as the bytes they came in, which nobody decodes: by far the smallest and
    /// fastest mirror of whole objects, for those who read a few fields of them
    /// ([`RawObject::field`]) or decode one in a while.
    ///
    /// Everything that was set stays as it is, and metadata alone stays metadata alone. Objects may
    /// come in protobuf then, even where `K` is a type for JSON. [`traffic`](Self::traffic) begins
    /// anew.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use heliostat::source::kube::{Connection, KubeSource};
    /// use k8s_openapi::api::core::v1::Pod;
    ///
    /// let cluster = Connection::new().connect().await?;
    /// let pods = KubeSource::<Pod>::all(&cluster).without_managed_fields().raw();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn raw(self) -> KubeSource<RawObject> {
        let codec = CodecMaker::raw(self.expected_kind());
        self.decoded_by(codec)
    }

    /// The same collection, asked for in the same way, decoded in another.
    pub(super) fn decoded_by<U>(self, codec: CodecMaker<U>) -> KubeSource<U> {
        KubeSource {
            cluster: self.cluster,
            collection: self.collection,
            form: self.form,
            codec,
            managed_fields: self.managed_fields,
            negotiation: self.negotiation,
            warned_of_whole_objects: self.warned_of_whole_objects,
            reader: Reader {
                meter: Arc::default(),
                ..self.reader
            },
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

    /// The namespace, if it is one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.collection.namespace()
    }

    /// What this source and its clones have received so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.reader.meter.read()
    }

    /// The kind that the objects of a watch must have.
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
        let codec = self.codec.make(answer.encoding, self.managed_fields);
        let codec =
            codec.ok_or_else(|| negotiation::cannot_decode(&self.collection, answer.encoding))?;
        let codec = match self.form {
            Form::Full => codec,
            Form::Metadata => self.metadata_only(answer.encoding, codec),
        };
        Ok((answer, codec))
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
        // Without a path no request is made, and the error says why.
        let path = self.collection.path().unwrap_or_default();
        RequestLine::new(&path, self.cluster.server().map(Arc::from)).to_string()
    }
}

impl<T> Clone for KubeSource<T> {
    fn clone(&self) -> Self {
        Self {
            cluster: self.cluster.clone(),
            collection: self.collection.clone(),
            form: self.form,
            codec: self.codec.clone(),
            managed_fields: self.managed_fields,
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

/// True for a type whose objects are known to live in no namespace. There is no other way to ask: a
/// scope is a type without a value.
pub(crate) fn lives_in_no_namespace<K: Resource>() -> bool {
    type_name::<K::Scope>() == type_name::<ClusterResourceScope>()
}

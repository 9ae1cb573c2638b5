//! The bytes of an object into the user's type.
//!
//! A source holds a way to make codecs, because every list and every watch decodes with one of its
//! own, and it holds it without its type, so that a source is named by its object alone. Which
//! encodings the objects can be decoded from is told beside it: that decides what is asked for.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube_core::{ApiResource, DynamicObject, Resource, TypeMeta};
use prost::Message;
use serde::de::DeserializeOwned;

use heliostat_core::event::RejectionReason;
use heliostat_core::object::{Entry, GroupVersionKind, Header, ObjectKey, Uid};
use heliostat_core::raw::{RawCodec, RawObject};
use heliostat_core::version::ResourceVersion;
use heliostat_core::wire::json::{JsonCodec, without_managed_fields};
use heliostat_core::wire::protobuf::ProtobufCodec;
use heliostat_core::wire::{Codec, Finisher};
use heliostat_kinds::{KUBERNETES_VERSION, schema};

use super::collection::Form;
use super::encoding::Encoding;
use super::negotiation::Encodings;
use super::scope::Scope;

/// The kind under which metadata alone is sent, whatever the kind of the object is.
const METADATA_API_VERSION: &str = "meta.k8s.io/v1";
const METADATA_KIND: &str = "PartialObjectMetadata";

/// Makes a codec for each request.
pub(super) struct CodecMaker<T> {
    make: Arc<Make<T>>,
    encodings: Encodings,
}

type Make<T> = dyn Fn(Encoding, ManagedFields, &str) -> AnyCodec<T> + Send + Sync;

/// What becomes of `metadata.managedFields`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ManagedFields {
    Kept,
    Cut,
}

impl ManagedFields {
    pub(super) const fn of(scope: &Scope) -> Self {
        match scope.cuts_managed_fields() {
            true => Self::Cut,
            false => Self::Kept,
        }
    }
}

impl<T> CodecMaker<T> {
    /// Codecs for these encodings, which also cut the managed fields out if that is wanted.
    pub(super) fn new(
        encodings: Encodings,
        make: impl Fn(Encoding, ManagedFields) -> AnyCodec<T> + Send + Sync + 'static,
    ) -> Self {
        Self::of_request(encodings, move |encoding, managed_fields, _| {
            make(encoding, managed_fields)
        })
    }

    /// As [`new`](Self::new), for codecs that name the request in logs.
    fn of_request(
        encodings: Encodings,
        make: impl Fn(Encoding, ManagedFields, &str) -> AnyCodec<T> + Send + Sync + 'static,
    ) -> Self {
        let make = Arc::new(make);
        Self { make, encodings }
    }

    /// Codecs for JSON, which know nothing of managed fields.
    pub(super) fn of_json<C>(make: impl Fn() -> C + Send + Sync + 'static) -> Self
    where
        C: Codec<Object = T> + 'static,
    {
        Self::new(Encodings::Json, move |_, managed_fields| {
            pruning(make(), managed_fields)
        })
    }

    /// What the objects can be decoded from.
    pub(super) const fn encodings(&self) -> Encodings {
        self.encodings
    }

    /// A codec for an answer in this encoding, if there is one. `request` is for logs.
    pub(super) fn make(
        &self,
        encoding: Encoding,
        managed_fields: ManagedFields,
        request: &str,
    ) -> Option<AnyCodec<T>> {
        let can = self.encodings.has(encoding);
        can.then(|| (self.make)(encoding, managed_fields, request))
    }
}

impl<K> CodecMaker<K>
where
    K: Resource + DeserializeOwned + Send + Sync + 'static,
{
    /// The codec of a Kubernetes type, by way of serde: from JSON, and from protobuf where the kind is
    /// built in.
    pub(super) fn serde(expected: GroupVersionKind) -> Self {
        let kind = schema::kind(&expected.api_version, &expected.kind);
        let Some(kind) = kind.filter(|kind| kind.has_protobuf()) else {
            return Self::of_json(move || json_codec(expected.clone()));
        };
        let warning = UnknownFieldsWarning::of::<K>(&expected);
        Self::of_request(
            Encodings::Both,
            move |encoding, managed_fields, request| match encoding {
                Encoding::Json => pruning(json_codec(expected.clone()), managed_fields),
                Encoding::Protobuf => {
                    let mut codec = ProtobufCodec::of_kind(kind).expecting(expected.clone());
                    if let Some(warning) = warning.clone() {
                        let request = request.to_owned();
                        codec = codec
                            .reporting_unknown_fields(move |fields| warning.log(&request, fields));
                    }
                    AnyCodec::new(match managed_fields {
                        ManagedFields::Kept => codec,
                        ManagedFields::Cut => codec.without_managed_fields(),
                    })
                }
            },
        )
    }
}

impl<K: Message + Default + 'static> CodecMaker<K> {
    /// The codec of a message of prost.
    pub(super) fn prost(expected: GroupVersionKind) -> Self {
        Self::new(Encodings::Protobuf, move |_, managed_fields| {
            let codec = ProtobufCodec::new().expecting(expected.clone());
            AnyCodec::new(match managed_fields {
                ManagedFields::Kept => codec,
                ManagedFields::Cut => codec.without_managed_fields(),
            })
        })
    }
}

impl CodecMaker<RawObject> {
    /// The codec of objects that stay bytes.
    pub(super) fn raw(expected: GroupVersionKind) -> Self {
        Self::new(Encodings::Both, move |encoding, managed_fields| {
            AnyCodec::new(raw_codec(encoding, managed_fields, expected.clone()))
        })
    }
}

/// Logs once per source, and its clones, that a newer server sends fields which are dropped.
#[derive(Clone, Debug)]
struct UnknownFieldsWarning {
    kind: GroupVersionKind,
    is_logged: Arc<AtomicBool>,
}

impl UnknownFieldsWarning {
    /// The warning for a type that has every field of the JSON; other types drop fields by themselves.
    fn of<K: 'static>(kind: &GroupVersionKind) -> Option<Self> {
        (TypeId::of::<K>() == TypeId::of::<DynamicObject>()).then(|| Self {
            kind: kind.clone(),
            is_logged: Arc::default(),
        })
    }

    fn log(&self, request: &str, fields: &[String]) {
        if !self.is_logged.swap(true, Ordering::Relaxed) {
            let (kind, fields) = (&self.kind, fields.join(", "));
            tracing::warn!(
                request, %kind, %fields,
                "objects have fields that Kubernetes {KUBERNETES_VERSION} does not, and they are dropped; \
                 WireEncoding::Json keeps them"
            );
        }
    }
}

fn json_codec<K>(expected: GroupVersionKind) -> impl Codec<Object = K> + 'static
where
    K: Resource + DeserializeOwned + Send + Sync + 'static,
{
    JsonCodec::new(header_of::<K>)
        .expecting(expected)
        .adopting(name_kind::<K>)
}

/// A codec for JSON that gets objects without managed fields if they are to be cut.
fn pruning<C: Codec + 'static>(codec: C, managed_fields: ManagedFields) -> AnyCodec<C::Object> {
    AnyCodec::new(Pruning {
        codec,
        scratch: match managed_fields {
            ManagedFields::Kept => None,
            ManagedFields::Cut => Some(Vec::new()),
        },
    })
}

/// The codec of objects that stay bytes, for one answer.
pub(super) fn raw_codec(
    encoding: Encoding,
    managed_fields: ManagedFields,
    expected: GroupVersionKind,
) -> RawCodec {
    let codec = match encoding {
        Encoding::Json => RawCodec::json(),
        Encoding::Protobuf => RawCodec::protobuf(),
    };
    let codec = codec.expecting(expected);
    match managed_fields {
        ManagedFields::Kept => codec,
        ManagedFields::Cut => codec.without_managed_fields(),
    }
}

impl<T> Clone for CodecMaker<T> {
    fn clone(&self) -> Self {
        Self {
            make: Arc::clone(&self.make),
            encodings: self.encodings,
        }
    }
}

impl<T> fmt::Debug for CodecMaker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecMaker")
            .field("encodings", &self.encodings)
            .finish_non_exhaustive()
    }
}

impl<T> AnyCodec<T> {
    /// The codec around another one.
    pub(super) fn new(codec: impl Codec<Object = T> + 'static) -> Self {
        Self(Box::new(codec))
    }
}

/// A codec whose type is not known here. Next to decoding an object, one call more is nothing.
pub(super) struct AnyCodec<T>(Box<dyn Codec<Object = T>>);

impl<T> Codec for AnyCodec<T> {
    type Object = T;

    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<T>, RejectionReason> {
        self.0.decode(bytes, envelope_kind)
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.0.expected_kind()
    }

    fn accepted_kind(&self) -> Option<&GroupVersionKind> {
        self.0.accepted_kind()
    }

    fn defer(&mut self) -> Option<Arc<dyn Finisher<T>>> {
        self.0.defer()
    }
}

impl<T> fmt::Debug for AnyCodec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyCodec")
    }
}

/// A codec for JSON that gets objects without their managed fields, if they are to be cut.
struct Pruning<C> {
    codec: C,
    /// Room for the bytes of an object without them.
    scratch: Option<Vec<u8>>,
}

impl<C: Codec> Codec for Pruning<C> {
    type Object = C::Object;

    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<C::Object>, RejectionReason> {
        let bytes = match &mut self.scratch {
            Some(scratch) => without_managed_fields(bytes, scratch),
            None => bytes,
        };
        self.codec.decode(bytes, envelope_kind)
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.codec.expected_kind()
    }

    fn accepted_kind(&self) -> Option<&GroupVersionKind> {
        self.codec.accepted_kind()
    }
}

/// The kind that objects in this form have.
pub(super) fn expected_kind(resource: &ApiResource, form: Form) -> GroupVersionKind {
    match form {
        Form::Full => GroupVersionKind::new(resource.api_version.as_str(), resource.kind.as_str()),
        Form::Metadata => GroupVersionKind::new(METADATA_API_VERSION, METADATA_KIND),
    }
}

/// Gives a dynamic object the kind that it leaves out as an item of a list, so that it is the same
/// object whether it came by a list or by a watch.
fn name_kind<K: 'static>(object: &mut K, kind: &GroupVersionKind) {
    let Some(dynamic) = (object as &mut dyn Any).downcast_mut::<DynamicObject>() else {
        return;
    };
    if dynamic.types.is_none() {
        dynamic.types = Some(TypeMeta {
            api_version: kind.api_version.clone(),
            kind: kind.kind.clone(),
        });
    }
}

/// What the engine asks of an object; nothing if it has no name to be filed under.
fn header_of<K: Resource>(object: &K) -> Option<Header> {
    let metadata = object.meta();
    let name = metadata.name.as_deref().filter(|name| !name.is_empty())?;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let version = metadata.resource_version.as_deref().unwrap_or_default();
    Some(Header {
        key: ObjectKey::namespaced(namespace, name),
        resource_version: ResourceVersion::from(version),
        uid: Uid::from(metadata.uid.as_deref().unwrap_or_default()),
    })
}

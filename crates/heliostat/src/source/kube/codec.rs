//! The bytes of an object into the user's type.
//!
//! A source holds a way to make codecs, because every list and every watch decodes with one of its
//! own, and it holds it without its type, so that a source is named by its object alone.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use kube_core::{DynamicObject, Resource, TypeMeta};
use serde::de::DeserializeOwned;

use heliostat_core::event::RejectionReason;
use heliostat_core::object::{Entry, GroupVersionKind, Header, ObjectKey, Uid};
use heliostat_core::version::ResourceVersion;
use heliostat_core::wire::Codec;
use heliostat_core::wire::json::{JsonCodec, without_managed_fields};

/// The kind under which metadata alone is sent, whatever the kind of the object is.
const METADATA_API_VERSION: &str = "meta.k8s.io/v1";
const METADATA_KIND: &str = "PartialObjectMetadata";

/// Makes a codec for each request.
pub(super) struct CodecMaker<T>(Arc<dyn Fn() -> Box<dyn Codec<Object = T>> + Send + Sync>);

/// What becomes of `metadata.managedFields`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ManagedFields {
    Kept,
    Cut,
}

impl<T> CodecMaker<T> {
    pub(super) fn new<C>(make: impl Fn() -> C + Send + Sync + 'static) -> Self
    where
        C: Codec<Object = T> + 'static,
    {
        Self(Arc::new(move || Box::new(make())))
    }

    pub(super) fn make(&self, managed_fields: ManagedFields) -> AnyCodec<T> {
        AnyCodec {
            codec: (self.0)(),
            scratch: match managed_fields {
                ManagedFields::Kept => None,
                ManagedFields::Cut => Some(Vec::new()),
            },
        }
    }
}

impl<K> CodecMaker<K>
where
    K: Resource + DeserializeOwned + Send + Sync + 'static,
{
    /// The codec of a Kubernetes type, by way of serde.
    pub(super) fn json(kind: &K::DynamicType) -> Self {
        let expected = if K::metadata_api() {
            GroupVersionKind::new(METADATA_API_VERSION, METADATA_KIND)
        } else {
            GroupVersionKind::new(K::api_version(kind), K::kind(kind))
        };
        Self::new(move || {
            JsonCodec::new(header_of::<K>)
                .expecting(expected.clone())
                .adopting(name_kind::<K>)
        })
    }
}

impl<T> Clone for CodecMaker<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for CodecMaker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodecMaker")
    }
}

/// A codec whose type is not known here. Next to decoding an object, one call more is nothing.
pub(super) struct AnyCodec<T> {
    codec: Box<dyn Codec<Object = T>>,
    /// Room for the bytes of an object without its managed fields, if they are to be cut.
    scratch: Option<Vec<u8>>,
}

impl<T> Codec for AnyCodec<T> {
    type Object = T;

    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<T>, RejectionReason> {
        let bytes = match &mut self.scratch {
            Some(scratch) => without_managed_fields(bytes, scratch),
            None => bytes,
        };
        self.codec.decode(bytes, envelope_kind)
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.codec.expected_kind()
    }
}

impl<T> fmt::Debug for AnyCodec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyCodec")
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

//! `Shared`: an object of the mirror as an object of `kube`'s, without a copy.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use heliostat_core::object::Entry;
use kube_core::{ObjectMeta, Resource};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An object that the mirror, `kube_runtime`'s store and the reconcilers share. It derefs to the
/// object; a clone is another reference to it. As a `kube_core::Resource` it is what the object is.
///
/// Changing one (`meta_mut`) copies the object first if others have it, so nobody else sees that.
#[derive(Default)]
pub struct Shared<K>(Arc<K>);

impl<K> Shared<K> {
    /// The object.
    #[must_use]
    pub const fn as_arc(&self) -> &Arc<K> {
        &self.0
    }

    /// The object, to keep.
    #[must_use]
    pub fn into_arc(self) -> Arc<K> {
        self.0
    }
}

impl<K> Deref for Shared<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.0
    }
}

impl<K> AsRef<K> for Shared<K> {
    fn as_ref(&self) -> &K {
        &self.0
    }
}

impl<K> From<Arc<K>> for Shared<K> {
    fn from(object: Arc<K>) -> Self {
        Self(object)
    }
}

impl<K> From<&Entry<K>> for Shared<K> {
    fn from(entry: &Entry<K>) -> Self {
        Self(Arc::clone(&entry.object))
    }
}

// Not derived: a derive would ask for `K: Clone`.
impl<K> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: PartialEq> PartialEq for Shared<K> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

/// As the object itself.
impl<K: fmt::Debug> fmt::Debug for Shared<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Resource + Clone> Resource for Shared<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(kind: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(kind)
    }

    fn group(kind: &Self::DynamicType) -> Cow<'_, str> {
        K::group(kind)
    }

    fn version(kind: &Self::DynamicType) -> Cow<'_, str> {
        K::version(kind)
    }

    fn api_version(kind: &Self::DynamicType) -> Cow<'_, str> {
        K::api_version(kind)
    }

    fn plural(kind: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(kind)
    }

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn url_path(kind: &Self::DynamicType, namespace: Option<&str>) -> String {
        K::url_path(kind, namespace)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        Arc::make_mut(&mut self.0).meta_mut()
    }
}

impl<K: Serialize> Serialize for Shared<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de>> Deserialize<'de> for Shared<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        K::deserialize(deserializer).map(|object| Self(Arc::new(object)))
    }
}

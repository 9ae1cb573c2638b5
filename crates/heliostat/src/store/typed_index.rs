//! Index functions of typed objects; those of raw and packed objects are methods of [`IndexFunc`].
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use heliostat::SharedInformer;
//! use heliostat::source::memory::MemorySource;
//! use heliostat::store::typed_index;
//! use k8s_openapi::api::core::v1::Pod;
//!
//! let pods = SharedInformer::builder(MemorySource::<Pod>::new())
//!     .index("owner", typed_index::by_owner())?
//!     .index("app", typed_index::by_label("app"))?
//!     .index("node", typed_index::by_field("spec.nodeName".parse()?))?
//!     .build();
//! assert!(pods.indexer().by_index("app", "web")?.is_empty());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```

use std::sync::Arc;

use heliostat_core::object::Entry;
use heliostat_core::raw::{Encoding, FieldPath, RawView};
use heliostat_core::store::index::IndexFunc;
use kube_core::Resource;
use serde::Serialize;

/// The uids of an object's owners.
#[must_use]
pub fn by_owner<K: Resource>() -> IndexFunc<K> {
    IndexFunc::new(|entry: &Entry<K>| {
        let owners = entry.meta().owner_references.iter().flatten();
        owners
            .map(|owner| Arc::from(owner.uid.as_str()))
            .collect::<Vec<Arc<str>>>()
    })
}

/// The value of one label.
#[must_use]
pub fn by_label<K: Resource>(key: impl Into<String>) -> IndexFunc<K> {
    let key = key.into();
    IndexFunc::new(move |entry: &Entry<K>| {
        let labels = entry.meta().labels.as_ref();
        labels.and_then(|labels| labels.get(&key)).cloned()
    })
}

/// The values at a path, as texts: `spec.nodeName`, `spec.containers[*].image`. An object without them
/// has no values.
///
/// Each write serializes the whole object for this. Where that counts, use [`IndexFunc::new`] with a
/// function that reads the field.
#[must_use]
pub fn by_field<K: Serialize>(path: FieldPath) -> IndexFunc<K> {
    IndexFunc::fallible(move |entry: &Entry<K>| {
        let bytes = serde_json::to_vec(&**entry)?;
        let mut values = Vec::<Arc<str>>::new();
        RawView::new(Encoding::Json, None, &bytes).visit(&path, &mut |value| {
            values.push(Arc::from(&*value.into_text()));
        })?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(values)
    })
}

#[cfg(test)]
mod tests {
    use heliostat_core::object::{Header, ObjectKey};
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(index: &IndexFunc<Pod>, expected: &[&str]) {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "labels": {"app": "web"},
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u-1"},
                    {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u-2"},
                ],
            },
            "spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]},
        }))
        .unwrap();
        let header = Header {
            key: ObjectKey::namespaced("shop", "web"),
            resource_version: "1".into(),
            uid: "u".into(),
        };
        let values = index.values(&Entry::new(header, pod)).unwrap();
        let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn typed_objects_are_filed_by_owner_label_and_field() {
        check(&by_owner(), &["u-1", "u-2"]);
        check(&by_label("app"), &["web"]);
        check(&by_label("tier"), &[]);
        check(
            &by_field("spec.containers[*].image".parse().unwrap()),
            &["x", "y"],
        );
        check(&by_field("spec.nodeName".parse().unwrap()), &[]);
    }
}

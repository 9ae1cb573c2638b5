//! From owner references to the keys of the owners.

use std::any::TypeId;

use heliostat_core::object::{Entry, ObjectKey};
use kube_core::{ClusterResourceScope, Resource};

/// The keys of the owners of the kind `Owner`, controllers or not, in any version of its group. An
/// owner is in the namespace of the object, unless its kind is cluster-scoped.
pub(super) fn owner_keys<Owner, T>(entry: &Entry<T>) -> Vec<ObjectKey>
where
    Owner: Resource<DynamicType: Default, Scope: 'static>,
    T: Resource,
{
    let kind = Owner::DynamicType::default();
    let owners = entry.meta().owner_references.iter().flatten();
    let owners = owners.filter(|owner| {
        // `v1` has no group, `apps/v1` has `apps`.
        let (group, _version) = owner.api_version.rsplit_once('/').unwrap_or_default();
        owner.kind == Owner::kind(&kind) && group == Owner::group(&kind)
    });
    let is_cluster_scoped = TypeId::of::<Owner::Scope>() == TypeId::of::<ClusterResourceScope>();
    let namespace = entry.key().namespace().filter(|_| !is_cluster_scoped);
    owners
        .map(|owner| ObjectKey::namespaced(namespace.unwrap_or_default(), &owner.name))
        .collect()
}

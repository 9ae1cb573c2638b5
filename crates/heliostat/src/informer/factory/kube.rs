//! Informers of a cluster's kinds: by type, by discovered kind, as metadata alone.

use kube_core::{ApiResource, Resource};
use serde::de::DeserializeOwned;

use super::{FactoryOptions, FactoryShutDown, InformerKey, SharedInformerFactory};
use crate::informer::SharedInformer;
use crate::source::kube::{Cluster, DiscoveredResource, KubeSource, Scope, has_no_namespaces};

impl InformerKey {
    /// The key of the informer of this type in this scope.
    #[must_use]
    pub fn kube<K: Resource<DynamicType = ()>>(scope: &Scope) -> Self {
        let has_namespaces = !has_no_namespaces::<K>();
        of_resource(&ApiResource::erase::<K>(&()), has_namespaces, scope)
    }

    /// The key of the informer of this resource in this scope.
    #[must_use]
    pub fn kube_of(resource: impl Into<DiscoveredResource>, scope: &Scope) -> Self {
        let found = resource.into();
        of_resource(&found.resource, found.namespaced, scope)
    }
}

fn of_resource(resource: &ApiResource, has_namespaces: bool, scope: &Scope) -> InformerKey {
    use std::fmt::Write;

    // Quoted, so that no selector can be taken for another part of the key. Writing to a text
    // cannot fail.
    let mut key = format!("{}/{}", resource.api_version, resource.plural);
    if let Some(namespace) = scope.named_namespace().filter(|_| has_namespaces) {
        let _ = write!(key, " namespace={namespace:?}");
    }
    if let Some(selector) = scope.label_selector() {
        let _ = write!(key, " labels={selector:?}");
    }
    if let Some(selector) = scope.field_selector() {
        let _ = write!(key, " fields={selector:?}");
    }
    if scope.cuts_managed_fields() {
        key.push_str(" without managed fields");
    }
    key.into()
}

impl SharedInformerFactory<Cluster> {
    /// A factory of informers of this cluster's kinds, with the default options.
    pub fn of_cluster(cluster: impl Into<Cluster>) -> Self {
        Self::of_cluster_with(cluster, FactoryOptions::new())
    }

    /// A factory of informers of this cluster's kinds.
    pub fn of_cluster_with(cluster: impl Into<Cluster>, options: FactoryOptions) -> Self {
        Self::of(cluster.into(), options)
    }

    /// The cluster that is mirrored.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The informer of this type in this scope: `kube::<Pod>(&Scope::all())`, or for the metadata alone
    /// `kube::<PartialObjectMeta<Pod>>(&Scope::all())`.
    ///
    /// An informer with settings of its own is made by [`informer_with`](Self::informer_with), under the
    /// key [`InformerKey::kube`].
    ///
    /// # Errors
    /// If the factory has been shut down.
    #[track_caller]
    pub fn kube<K>(&self, scope: &Scope) -> Result<SharedInformer<K>, FactoryShutDown>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
    {
        let source = || KubeSource::new(&self.cluster).scope(scope);
        self.informer_for(InformerKey::kube::<K>(scope), source)
    }

    /// The informer of a resource that is named at run time, in this scope:
    /// `kube_of::<DynamicObject>(found, &scope)`, or for the metadata alone
    /// `kube_of::<PartialObjectMeta<DynamicObject>>(found, &scope)`. See [`KubeSource::of`] for what a
    /// resource may be.
    ///
    /// # Errors
    /// If the factory has been shut down.
    #[track_caller]
    pub fn kube_of<K>(
        &self,
        resource: impl Into<DiscoveredResource>,
        scope: &Scope,
    ) -> Result<SharedInformer<K>, FactoryShutDown>
    where
        K: Resource<DynamicType = ApiResource> + DeserializeOwned + Send + Sync + 'static,
    {
        let found = resource.into();
        let source = || KubeSource::of(&self.cluster, &found).scope(scope);
        self.informer_for(InformerKey::kube_of(&found, scope), source)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Node, Pod};
    use kube_core::PartialObjectMeta;

    use super::*;

    #[test]
    fn if_01_what_is_mirrored_is_the_key() {
        let web = Scope::all().namespace("shop").labels("app=web");
        assert_eq!(
            InformerKey::kube::<Pod>(&web).as_str(),
            r#"v1/pods namespace="shop" labels="app=web""#
        );
        assert_eq!(
            InformerKey::kube::<Pod>(&Scope::all().labels("")).as_str(),
            "v1/pods"
        );
        assert_eq!(
            InformerKey::kube::<Node>(&Scope::all().namespace("shop")),
            InformerKey::kube::<Node>(&Scope::all())
        );
        // The type of the objects is not part of the key.
        assert_eq!(
            InformerKey::kube::<PartialObjectMeta<Pod>>(&web),
            InformerKey::kube::<Pod>(&web)
        );
    }

    #[test]
    fn if_01_no_selector_passes_for_another() {
        let scopes = [
            Scope::all(),
            Scope::all().labels("a=b"),
            Scope::all().fields("a=b"),
            Scope::all().labels("a=b\" fields=\"c=d"),
            Scope::all().labels("a=b").fields("c=d"),
            Scope::all().namespace("a").labels("a=b"),
            Scope::all().without_managed_fields(),
        ];
        let mut keys: Vec<_> = scopes.iter().map(InformerKey::kube::<Pod>).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), scopes.len());
    }
}

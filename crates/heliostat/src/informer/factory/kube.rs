//! Informers of a cluster's kinds: by type, by discovered kind, as metadata alone.

use std::sync::Arc;

use kube_core::{ApiResource, Resource};
use serde::de::DeserializeOwned;

use super::{FactoryOptions, FactoryShutDown, InformerKey, SharedInformerFactory};
use crate::informer::{InformerBuilder, SharedInformer};
use crate::source::kube::{Cluster, DiscoveredResource, KubeSource};

/// Which objects of a kind are mirrored: of all namespaces or of one, all of them or those that
/// selectors select. Two informers of a kind are one if their scopes are the same.
///
/// ```
/// use heliostat::source::kube::Scope;
///
/// let web = Scope::namespace("shop").labels("app=web");
/// assert_eq!(web, Scope::namespace("shop").labels("app=web"));
/// assert_ne!(web, Scope::all().labels("app=web"));
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Scope {
    namespace: Option<Arc<str>>,
    labels: Arc<str>,
    fields: Arc<str>,
    without_managed_fields: bool,
}

impl Scope {
    /// The objects of all namespaces, or those of a kind that lives in none.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The objects of one namespace. A kind that lives in none passes the namespace over, as kubectl
    /// does.
    #[must_use]
    pub fn namespace(name: &str) -> Self {
        Self {
            namespace: Some(name.into()),
            ..Self::default()
        }
    }

    /// A scope for each of several namespaces: each namespace has versions of its own, and so a mirror
    /// of its own.
    pub fn namespaces<'a>(names: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = Self> {
        names.into_iter().map(Self::namespace)
    }

    /// Only objects whose labels match; see [`KubeSource::labels`]. Everything by default, and with an
    /// empty selector. Selectors are compared as texts.
    #[must_use]
    pub fn labels(mut self, selector: &str) -> Self {
        self.labels = selector.into();
        self
    }

    /// Only objects whose fields match; see [`KubeSource::fields`]. Everything by default, and with an
    /// empty selector.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Self {
        self.fields = selector.into();
        self
    }

    /// Cuts managed fields out; see [`KubeSource::without_managed_fields`].
    #[must_use]
    pub const fn without_managed_fields(mut self) -> Self {
        self.without_managed_fields = true;
        self
    }

    /// The key of the informer of this type in this scope.
    #[must_use]
    pub fn key<K: Resource<DynamicType = ()>>(&self) -> InformerKey {
        let lives_in_none = crate::source::kube::lives_in_no_namespace::<K>();
        self.key_for(&ApiResource::erase::<K>(&()), !lives_in_none)
    }

    /// The key of the informer of this discovered kind in this scope.
    #[must_use]
    pub fn key_of(&self, found: &DiscoveredResource) -> InformerKey {
        self.key_for(&found.resource, found.namespaced)
    }

    fn key_for(&self, resource: &ApiResource, namespaced: bool) -> InformerKey {
        use std::fmt::Write;

        // Quoted, so that no selector can be taken for another part of the key. Writing to a text
        // cannot fail.
        let mut key = format!("{}/{}", resource.api_version, resource.plural);
        if let Some(namespace) = self.namespace.as_deref().filter(|_| namespaced) {
            let _ = write!(key, " namespace={namespace:?}");
        }
        if !self.labels.is_empty() {
            let _ = write!(key, " labels={:?}", self.labels);
        }
        if !self.fields.is_empty() {
            let _ = write!(key, " fields={:?}", self.fields);
        }
        if self.without_managed_fields {
            key.push_str(" without managed fields");
        }
        key.into()
    }

    fn narrow<T>(&self, source: KubeSource<T>) -> KubeSource<T> {
        let source = source.labels(&self.labels).fields(&self.fields);
        if self.without_managed_fields {
            source.without_managed_fields()
        } else {
            source
        }
    }
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
    /// # Errors
    /// If the factory has been shut down.
    #[track_caller]
    pub fn kube<K>(&self, scope: &Scope) -> Result<SharedInformer<K>, FactoryShutDown>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
    {
        self.kube_with(scope, |builder| builder)
    }

    /// As [`kube`](Self::kube); a new informer is set up by `setup`.
    ///
    /// # Errors
    /// If the factory has been shut down.
    #[track_caller]
    pub fn kube_with<K>(
        &self,
        scope: &Scope,
        setup: impl FnOnce(InformerBuilder<KubeSource<K>>) -> InformerBuilder<KubeSource<K>>,
    ) -> Result<SharedInformer<K>, FactoryShutDown>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
    {
        let source = || {
            let namespace = scope.namespace.as_deref();
            scope.narrow(KubeSource::within(&self.cluster, namespace, &()))
        };
        self.informer_with(scope.key::<K>(), source, setup)
    }

    /// The informer of a discovered kind in this scope: `discovered::<DynamicObject>(found, &scope)`, or
    /// for the metadata alone `discovered::<PartialObjectMeta<DynamicObject>>(found, &scope)`.
    ///
    /// # Errors
    /// If the factory has been shut down.
    #[track_caller]
    pub fn discovered<K>(
        &self,
        found: &DiscoveredResource,
        scope: &Scope,
    ) -> Result<SharedInformer<K>, FactoryShutDown>
    where
        K: Resource<DynamicType = ApiResource> + DeserializeOwned + Send + Sync + 'static,
    {
        self.discovered_with(found, scope, |builder| builder)
    }

    /// As [`discovered`](Self::discovered); a new informer is set up by `setup`.
    ///
    /// # Errors
    /// If the factory has been shut down.
    #[track_caller]
    pub fn discovered_with<K>(
        &self,
        found: &DiscoveredResource,
        scope: &Scope,
        setup: impl FnOnce(InformerBuilder<KubeSource<K>>) -> InformerBuilder<KubeSource<K>>,
    ) -> Result<SharedInformer<K>, FactoryShutDown>
    where
        K: Resource<DynamicType = ApiResource> + DeserializeOwned + Send + Sync + 'static,
    {
        let source = || {
            let namespace = scope.namespace.as_deref();
            scope.narrow(KubeSource::discovered(&self.cluster, found, namespace))
        };
        self.informer_with(scope.key_of(found), source, setup)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Node, Pod};
    use kube_core::PartialObjectMeta;

    use super::*;

    #[test]
    fn if_01_what_is_mirrored_is_the_key() {
        let web = Scope::namespace("shop").labels("app=web");
        assert_eq!(
            web.key::<Pod>().as_str(),
            r#"v1/pods namespace="shop" labels="app=web""#
        );
        assert_eq!(Scope::all().labels("").key::<Pod>().as_str(), "v1/pods");
        assert_eq!(
            Scope::namespace("shop").key::<Node>(),
            Scope::all().key::<Node>()
        );
        // The form of the objects is told apart by their type.
        assert_eq!(web.key::<PartialObjectMeta<Pod>>(), web.key::<Pod>());
    }

    #[test]
    fn if_01_no_selector_passes_for_another() {
        let scopes = [
            Scope::all(),
            Scope::all().labels("a=b"),
            Scope::all().fields("a=b"),
            Scope::all().labels("a=b\" fields=\"c=d"),
            Scope::all().labels("a=b").fields("c=d"),
            Scope::namespace("a").labels("a=b"),
            Scope::all().without_managed_fields(),
        ];
        let mut keys: Vec<_> = scopes.iter().map(Scope::key::<Pod>).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), scopes.len());
    }
}

//! `RegistryCollection`: the keys under which kube-apiserver stores the objects of one resource.

use heliostat_kinds::schema::{self, Scope};

use crate::object::ObjectKey;

/// The keys of one resource in the registry of kube-apiserver.
///
/// ```
/// use heliostat_core::etcd::RegistryCollection;
/// use heliostat_core::object::ObjectKey;
///
/// let services = RegistryCollection::new("/registry", "", "services");
/// assert_eq!(services.prefix(), "/registry/services/specs/");
/// let key = services.object_key(b"/registry/services/specs/default/web");
/// assert_eq!(key, Some(ObjectKey::namespaced("default", "web")));
/// assert_eq!(services.object_key(b"/registry/services/specs/default/web/0"), None);
///
/// let widgets = RegistryCollection::new("/registry", "example.com", "widgets");
/// assert_eq!(widgets.in_namespace("default").prefix(), "/registry/example.com/widgets/default/");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegistryCollection {
    /// Ends in a slash.
    prefix: String,
    namespace: Option<String>,
    /// Unknown for custom resources.
    scope: Option<Scope>,
}

/// The built-in resources that are not stored under their plural name (`k8s.io/kubernetes`,
/// pkg/kubeapiserver/default_storage_factory_builder.go).
const RENAMED: [(&str, &str, &str); 6] = [
    ("", "endpoints", "services/endpoints"),
    ("", "nodes", "minions"),
    ("", "replicationcontrollers", "controllers"),
    ("", "services", "services/specs"),
    ("extensions", "ingresses", "ingress"),
    ("networking.k8s.io", "ingresses", "ingress"),
];

/// The built-in groups whose resources are stored as custom resources are: their servers are built into
/// kube-apiserver, but separate from its main one.
const SEPARATE_GROUPS: [&str; 2] = ["apiextensions.k8s.io", "apiregistration.k8s.io"];

impl RegistryCollection {
    /// The keys of a resource in all namespaces.
    ///
    /// `root` is kube-apiserver's `--etcd-prefix`, which is `/registry` by default. The group is empty for
    /// the core group.
    #[must_use]
    pub fn new(root: &str, group: &str, plural: &str) -> Self {
        let root = root.trim_end_matches('/');
        let renamed = RENAMED
            .iter()
            .find(|(of_group, of_plural, _)| (*of_group, *of_plural) == (group, plural));
        let prefix = match renamed {
            Some((_, _, segment)) => format!("{root}/{segment}/"),
            None if is_built_in(group) => format!("{root}/{plural}/"),
            None => format!("{root}/{group}/{plural}/"),
        };
        let scope = schema::resources()
            .iter()
            .find(|resource| resource.group() == group && resource.plural() == plural)
            .map(schema::Resource::scope);
        Self {
            prefix,
            namespace: None,
            scope,
        }
    }

    /// The keys in one namespace alone.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        if self.namespace.is_none() {
            self.prefix.push_str(namespace);
            self.prefix.push('/');
            self.namespace = Some(namespace.to_owned());
        }
        self
    }

    /// What the keys begin with. It ends in a slash, so that `/registry/pods/` has no keys of another
    /// resource.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The object that is stored under the key; none if the key is not one of an object of the
    /// collection: not under the prefix, with more or fewer segments, or not UTF-8.
    ///
    /// The key in etcd names the object also where its value cannot be read.
    #[must_use]
    pub fn object_key(&self, key: &[u8]) -> Option<ObjectKey> {
        let rest = str::from_utf8(key.strip_prefix(self.prefix.as_bytes())?).ok()?;
        let mut segments = rest.split('/');
        let (first, second) = (segments.next()?, segments.next());
        if segments.next().is_some() || first.is_empty() || second == Some("") {
            return None;
        }
        match (second, &self.namespace, self.scope) {
            (None, Some(namespace), _) => Some(ObjectKey::namespaced(namespace, first)),
            (None, None, None | Some(Scope::Cluster)) => Some(ObjectKey::cluster(first)),
            (Some(name), None, None | Some(Scope::Namespaced)) => {
                Some(ObjectKey::namespaced(first, name))
            }
            (None, None, Some(Scope::Namespaced))
            | (Some(_), Some(_), _)
            | (Some(_), None, Some(Scope::Cluster)) => None,
        }
    }

    /// Returns the key in etcd under which an object of the collection is stored; none if no key of the
    /// collection has an object of this name, such as one in another namespace.
    #[must_use]
    pub fn etcd_key(&self, object: &ObjectKey) -> Option<String> {
        let key = match self.namespace {
            Some(_) => format!("{}{}", self.prefix, object.name()),
            None => format!("{}{object}", self.prefix),
        };
        (self.object_key(key.as_bytes()).as_ref() == Some(object)).then_some(key)
    }
}

/// True for the groups whose resources are stored without the group. Custom resources are never in one of
/// them.
fn is_built_in(group: &str) -> bool {
    !SEPARATE_GROUPS.contains(&group) && schema::kinds().iter().any(|kind| kind.group() == group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_is_where_kube_apiserver_stores_it() {
        let check = |group: &str, plural: &str, prefix: &str| {
            let collection = RegistryCollection::new("/registry/", group, plural);
            assert_eq!(collection.prefix(), format!("/registry/{prefix}/"));
        };
        check("", "pods", "pods");
        check("", "nodes", "minions");
        check("", "endpoints", "services/endpoints");
        check("", "replicationcontrollers", "controllers");
        check("", "events", "events");
        check("events.k8s.io", "events", "events");
        check("networking.k8s.io", "ingresses", "ingress");
        check("extensions", "ingresses", "ingress");
        check("networking.k8s.io", "ingressclasses", "ingressclasses");
        check("apps", "deployments", "deployments");
        let crds = "customresourcedefinitions";
        check(
            "apiextensions.k8s.io",
            crds,
            &format!("apiextensions.k8s.io/{crds}"),
        );
        check(
            "apiregistration.k8s.io",
            "apiservices",
            "apiregistration.k8s.io/apiservices",
        );
        check("example.com", "widgets", "example.com/widgets");
        check(
            "gateway.networking.k8s.io",
            "gateways",
            "gateway.networking.k8s.io/gateways",
        );
    }

    #[test]
    fn keys_that_are_no_objects_of_the_collection_are_foreign() {
        let pods = RegistryCollection::new("/registry", "", "pods");
        let nodes = RegistryCollection::new("/registry", "", "nodes");
        let widgets = RegistryCollection::new("/registry", "example.com", "widgets");
        let of = |collection: &RegistryCollection, rest: &str| {
            let key = format!("{}{rest}", collection.prefix());
            collection
                .object_key(key.as_bytes())
                .map(|key| key.to_string())
        };
        assert_eq!(of(&pods, "a/b").as_deref(), Some("a/b"));
        assert_eq!(of(&nodes, "b").as_deref(), Some("b"));
        assert_eq!(of(&widgets, "a/b").as_deref(), Some("a/b"));
        assert_eq!(of(&widgets, "b").as_deref(), Some("b"));
        let inside = pods.clone().in_namespace("a");
        assert_eq!(of(&inside, "b").as_deref(), Some("a/b"));
        for foreign in ["", "b", "/", "a/", "/b", "a/b/c", "a//b"] {
            assert_eq!(of(&pods, foreign), None, "{foreign}");
        }
        assert_eq!(of(&nodes, "a/b"), None);
        assert_eq!(of(&inside, "b/c"), None);
        assert_eq!(pods.object_key(b"/registry/podsecurity/a/b"), None);
        assert_eq!(pods.object_key(b"/registry/pods/a/\xff"), None);
    }

    #[test]
    fn an_objects_key_is_found_again() {
        let key = ObjectKey::namespaced("a", "b");
        let pods = RegistryCollection::new("/registry", "", "pods");
        for collection in [pods.clone(), pods.in_namespace("a")] {
            let stored = collection.etcd_key(&key).unwrap();
            assert_eq!(stored, "/registry/pods/a/b");
            assert_eq!(collection.object_key(stored.as_bytes()), Some(key.clone()));
        }
    }

    #[test]
    fn an_object_that_is_not_of_the_collection_has_no_key() {
        let pods = RegistryCollection::new("/registry", "", "pods");
        let nodes = RegistryCollection::new("/registry", "", "nodes");
        let elsewhere = ObjectKey::namespaced("b", "x");
        assert_eq!(pods.clone().in_namespace("a").etcd_key(&elsewhere), None);
        assert_eq!(nodes.etcd_key(&elsewhere), None);
        assert_eq!(pods.etcd_key(&ObjectKey::cluster("x")), None);
        assert_eq!(
            pods.in_namespace("a").etcd_key(&ObjectKey::cluster("x")),
            None
        );
    }
}

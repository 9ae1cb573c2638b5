//! What is asked for: which resource, where, which of its objects, in which form, as a URL.
//!
//! The paths are those of the Kubernetes API: `/api/v1/..` for the core group, `/apis/GROUP/VERSION/..`
//! for the others. Everything that becomes a part of a path is checked before it is sent, so that a
//! name cannot change which path is asked for.

use std::fmt;

use kube_core::ApiResource;

use heliostat_core::error::SourceError;
use heliostat_core::options::{ListOptions, WatchOptions, encode_query};

use super::discovery::DiscoveredResource;
use super::scope::Scope;

/// In which form the objects are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Whole objects.
    Full,
    /// `PartialObjectMetadata`: the metadata and nothing else.
    Metadata,
}

/// One collection of a Kubernetes API: a resource in a scope.
#[derive(Clone, Debug)]
pub(super) struct Collection {
    resource: ApiResource,
    is_namespaced: bool,
    scope: Scope,
    watch: WatchVerb,
}

/// Whether the server watches a resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WatchVerb {
    /// It does, or is asked to find out.
    Assumed,
    /// It only lists it, by its own account.
    Missing,
}

impl WatchVerb {
    /// What a server says about a resource. One that names no verbs at all says nothing.
    pub(super) fn of(found: &DiscoveredResource) -> Self {
        match found.is_listable() && !found.is_watchable() {
            true => Self::Missing,
            false => Self::Assumed,
        }
    }
}

impl Collection {
    pub(super) fn new(resource: ApiResource, is_namespaced: bool) -> Self {
        Self {
            resource,
            is_namespaced,
            scope: Scope::all(),
            watch: WatchVerb::Assumed,
        }
    }

    /// Creates the collection of a discovered resource.
    pub(super) fn of(found: DiscoveredResource) -> Self {
        Self {
            watch: WatchVerb::of(&found),
            ..Self::new(found.resource, found.namespaced)
        }
    }

    pub(super) const fn watch_verb(&self) -> WatchVerb {
        self.watch
    }

    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn set_scope(&mut self, scope: Scope) {
        self.scope = scope;
    }

    pub(super) const fn resource(&self) -> &ApiResource {
        &self.resource
    }

    /// The namespace, if the collection is in one.
    fn namespace(&self) -> Option<&str> {
        let namespace = self.scope.named_namespace();
        namespace.filter(|_| self.is_namespaced)
    }

    /// The path of the collection.
    pub(super) fn path(&self) -> Result<String, SourceError> {
        let resource = &self.resource;
        let mut path = if resource.group.is_empty() {
            "/api".to_owned()
        } else {
            let mut path = "/apis".to_owned();
            push_segment(&mut path, "API group", &resource.group)?;
            path
        };
        push_segment(&mut path, "API version", &resource.version)?;
        if let Some(namespace) = self.namespace() {
            path.push_str("/namespaces");
            push_segment(&mut path, "namespace", namespace)?;
        }
        push_segment(&mut path, "resource name", &resource.plural)?;
        Ok(path)
    }

    /// The query of a list.
    pub(super) fn list_query(&self, options: &ListOptions) -> String {
        self.query(options.query(), options.field_selector().as_deref())
    }

    /// The query of a watch.
    pub(super) fn watch_query(&self, options: &WatchOptions) -> String {
        self.query(options.query(), None)
    }

    /// Pages need their selectors again: a continue token does not carry them.
    fn query(&self, mut pairs: Vec<(&'static str, String)>, fields: Option<&str>) -> String {
        let selectors = [self.scope.field_selector(), fields];
        let selectors: Vec<_> = selectors.into_iter().flatten().collect();
        if !selectors.is_empty() {
            pairs.push(("fieldSelector", selectors.join(",")));
        }
        if let Some(selector) = self.scope.label_selector() {
            pairs.push(("labelSelector", selector.to_owned()));
        }
        pairs.sort_by_key(|(name, _)| *name);
        encode_query(pairs.iter().map(|(name, value)| (*name, value.as_str())))
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource.plural)?;
        if !self.resource.group.is_empty() {
            write!(f, ".{}", self.resource.group)?;
        }
        match self.namespace() {
            Some(namespace) => write!(f, " in namespace {namespace}")?,
            None if self.is_namespaced => f.write_str(" in all namespaces")?,
            None => {}
        }
        match (self.scope.label_selector(), self.scope.field_selector()) {
            (None, None) => Ok(()),
            (Some(labels), None) => write!(f, " with {labels}"),
            (None, Some(fields)) => write!(f, " with {fields}"),
            (Some(labels), Some(fields)) => write!(f, " with {labels} and {fields}"),
        }
    }
}

/// Adds one segment. Kubernetes allows neither `/` nor `%`, and neither `.` nor `..`; the rest of
/// what is refused here has no place in any of its names either.
fn push_segment(path: &mut String, what: &str, text: &str) -> Result<(), SourceError> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    if text.is_empty() || text == "." || text == ".." || !text.bytes().all(allowed) {
        let message = format!("{text:?} cannot be a {what}: want letters, digits, `-` and `.`");
        return Err(SourceError::Request(message.into()));
    }
    path.push('/');
    path.push_str(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, version: &str, plural: &str) -> ApiResource {
        let gvk = kube_core::GroupVersionKind::gvk(group, version, "Kind");
        ApiResource::from_gvk_with_plural(&gvk, plural)
    }

    fn within(resource: ApiResource, namespace: &str) -> Collection {
        let mut collection = Collection::new(resource, true);
        collection.set_scope(Scope::all().namespace(namespace));
        collection
    }

    #[test]
    fn paths_by_group_and_scope() {
        let pods = Collection::new(resource("", "v1", "pods"), true);
        assert_eq!(pods.path().unwrap(), "/api/v1/pods");
        let apps = resource("apps", "v1", "deployments");
        let one = within(apps, "kube-system");
        assert_eq!(
            one.path().unwrap(),
            "/apis/apps/v1/namespaces/kube-system/deployments"
        );
    }

    #[test]
    fn a_name_cannot_change_the_path() {
        for namespace in ["", ".", "..", "a/b", "a%2Fb", "a?watch=1", "a b", "é"] {
            let odd = within(resource("", "v1", "pods"), namespace);
            let error = odd.path().unwrap_err();
            assert!(matches!(error, SourceError::Request(_)), "{namespace:?}");
            assert!(
                error.to_string().contains("cannot be a namespace"),
                "{error}"
            );
        }
    }

    #[test]
    fn w_24_selectors_stand_among_the_other_parameters() {
        let mut pods = Collection::new(resource("", "v1", "pods"), true);
        let scope = Scope::all().labels("app in (a,b)");
        pods.set_scope(scope.fields("spec.nodeName=n1"));
        let page = ListOptions {
            limit: Some(500),
            continue_token: Some("tok".to_owned()),
            ..ListOptions::default()
        };
        assert_eq!(
            pods.list_query(&page),
            "continue=tok&fieldSelector=spec.nodeName%3Dn1&labelSelector=app%20in%20%28a%2Cb%29&limit=500"
        );
        let one = ListOptions {
            object: Some("ns/web-0".parse().unwrap()),
            ..ListOptions::default()
        };
        assert_eq!(
            pods.list_query(&one),
            "fieldSelector=spec.nodeName%3Dn1%2Cmetadata.name%3Dweb-0%2Cmetadata.namespace%3Dns&labelSelector=app%20in%20%28a%2Cb%29"
        );
        pods.set_scope(Scope::all().labels("").fields(""));
        assert_eq!(pods.watch_query(&WatchOptions::default()), "watch=true");
    }

    #[test]
    fn descriptions_are_for_people() {
        let mut pods = Collection::new(resource("", "v1", "pods"), true);
        assert_eq!(pods.to_string(), "pods in all namespaces");
        pods.set_scope(Scope::all().labels("app=x"));
        assert_eq!(pods.to_string(), "pods in all namespaces with app=x");
        let apps = within(resource("apps", "v1", "deployments"), "ns");
        assert_eq!(apps.to_string(), "deployments.apps in namespace ns");
        let nodes = Collection::new(resource("", "v1", "nodes"), false);
        assert_eq!(nodes.to_string(), "nodes");
        let mut passed_over = nodes;
        passed_over.set_scope(Scope::all().namespace("ns"));
        assert_eq!(passed_over.to_string(), "nodes");
        assert_eq!(passed_over.path().unwrap(), "/api/v1/nodes");
    }
}

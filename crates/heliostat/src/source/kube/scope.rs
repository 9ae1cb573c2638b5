//! `Scope`: which objects of a kind a source mirrors, and what of them.

use std::sync::Arc;

/// Which objects of a kind are mirrored: those of all namespaces or of one, all of them or those that
/// selectors match, with managed fields or without.
///
/// A [`KubeSource`](super::KubeSource) has the same setters; a scope sets all of them at once, and names
/// an informer in a [`SharedInformerFactory`](crate::SharedInformerFactory).
///
/// ```
/// use heliostat::source::kube::Scope;
///
/// let web = Scope::all().namespace("shop").labels("app=web");
/// assert_eq!(web, Scope::all().namespace("shop").labels("app=web"));
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
    /// All objects of all namespaces, or those of a kind that has no namespaces.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only objects of this namespace. A kind that has no namespaces ignores it, as kubectl does.
    ///
    /// A name that no namespace can have, such as the empty one, fails the first request.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// This scope in each of several namespaces. Each namespace has its own resource versions, so each
    /// is mirrored on its own.
    ///
    /// ```
    /// use heliostat::source::kube::Scope;
    ///
    /// let web = Scope::all().labels("app=web");
    /// let scopes: Vec<Scope> = web.in_namespaces(["shop", "blog"]).collect();
    /// assert_eq!(scopes[1], web.clone().namespace("blog"));
    /// ```
    pub fn in_namespaces<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> impl Iterator<Item = Self> {
        names.into_iter().map(|name| self.clone().namespace(name))
    }

    /// Only objects whose labels match: `app=cart`, `tier in (web,api)`, `!canary`. The server
    /// selects. An empty selector, the default, matches everything. Selectors are compared as text.
    #[must_use]
    pub fn labels(mut self, selector: &str) -> Self {
        self.labels = selector.into();
        self
    }

    /// Only objects whose fields match: `spec.nodeName=n1`, `status.phase!=Running`. The server
    /// selects, and supports only some fields of each kind. An empty selector, the default, matches
    /// everything.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Self {
        self.fields = selector.into();
        self
    }

    /// Removes `metadata.managedFields` from every object before it is decoded: about half the work
    /// and more than half the memory of a typical pod. Kept by default.
    #[must_use]
    pub const fn without_managed_fields(mut self) -> Self {
        self.without_managed_fields = true;
        self
    }

    pub(crate) fn named_namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The label selector, unless it matches everything.
    pub(crate) fn label_selector(&self) -> Option<&str> {
        Some(&*self.labels).filter(|selector| !selector.is_empty())
    }

    /// The field selector, unless it matches everything.
    pub(crate) fn field_selector(&self) -> Option<&str> {
        Some(&*self.fields).filter(|selector| !selector.is_empty())
    }

    pub(crate) const fn cuts_managed_fields(&self) -> bool {
        self.without_managed_fields
    }
}

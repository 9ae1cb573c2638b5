//! `Lister`: what programs ask a mirror, in the words that they use of an API server.
//!
//! By label selector, by namespace, by name — and what is missing is a `NotFound` that reads and
//! counts as the server's own.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::raw::ReadRaw;
use heliostat_core::selector::LabelSelector;
use heliostat_core::status::{Status, StatusDetails};
use heliostat_core::store::index::IndexError;

use crate::store::Indexer;

#[cfg(test)]
mod tests;

/// An object that has labels.
///
/// With the feature `kube`, every `kube_core::Resource` has them.
pub trait HasLabels {
    /// The value of the label `key`, if the object has it.
    fn label(&self, key: &str) -> Option<&str>;
}

#[cfg(feature = "kube")]
impl<K: kube_core::Resource> HasLabels for K {
    fn label(&self, key: &str) -> Option<&str> {
        let labels = self.meta().labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }
}

/// An object of which a label selector can say whether it asks for it: one that [`HasLabels`], or one
/// that is there as its bytes ([`ReadRaw`]), packed or not.
///
/// `How` tells the two apart for the compiler, which finds it by itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no labels to select by",
    note = "implement `heliostat::store::HasLabels` for it"
)]
pub trait Selectable<How> {
    /// True if the selector asks for an object with these labels. One whose bytes are broken is asked
    /// for by none.
    fn is_selected_by(&self, selector: &LabelSelector) -> bool;
}

/// By the labels of a decoded object: see [`Selectable`].
#[derive(Clone, Copy, Debug)]
pub enum ByLabels {}

/// By the labels among an object's bytes: see [`Selectable`].
#[derive(Clone, Copy, Debug)]
pub enum ByBytes {}

impl<T: HasLabels> Selectable<ByLabels> for T {
    fn is_selected_by(&self, selector: &LabelSelector) -> bool {
        selector.matches(|key| self.label(key))
    }
}

impl<T: ReadRaw> Selectable<ByBytes> for T {
    fn is_selected_by(&self, selector: &LabelSelector) -> bool {
        self.read_raw(|object| object.is_selected_by(selector))
            .unwrap_or(false)
    }
}

/// A resource and its API group: `pods`, `deployments.apps`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct GroupResource {
    resource: Arc<str>,
    group: Arc<str>,
}

impl GroupResource {
    /// The resource `resource` (`pods`) of an API group; the core group is the empty text.
    pub fn new(resource: impl Into<Arc<str>>, group: impl Into<Arc<str>>) -> Self {
        Self {
            resource: resource.into(),
            group: group.into(),
        }
    }

    /// The resource's plural name.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }
}

/// Reads `resource` or `resource.group`.
impl From<&str> for GroupResource {
    fn from(text: &str) -> Self {
        let (resource, group) = text.split_once('.').unwrap_or((text, ""));
        Self::new(resource, group)
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// The object is not in the mirror. It reads as the API server would say it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{resource} {name:?} not found")]
pub struct NotFound {
    resource: GroupResource,
    name: String,
}

impl NotFound {
    /// Says that there is no object `name` of this resource.
    pub fn new(resource: GroupResource, name: impl Into<String>) -> Self {
        Self {
            resource,
            name: name.into(),
        }
    }

    /// The resource that was asked for.
    #[must_use]
    pub const fn resource(&self) -> &GroupResource {
        &self.resource
    }

    /// The name that was asked for, without the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The answer of an API server that does not have the object.
impl From<NotFound> for Status {
    fn from(error: NotFound) -> Self {
        let mut status = Self::failure(404, "NotFound", error.to_string());
        status.details = Some(StatusDetails {
            name: error.name,
            group: error.resource.group.to_string(),
            kind: error.resource.resource.to_string(),
            ..StatusDetails::default()
        });
        status
    }
}

/// Reads an [`Indexer`] by label selectors and names. A clone is another handle to the same store.
///
/// ```
/// use heliostat::{Entry, Header, IndexerWriter, Lister, ObjectKey};
/// use heliostat::store::HasLabels;
///
/// struct Pod { app: &'static str }
///
/// impl HasLabels for Pod {
///     fn label(&self, key: &str) -> Option<&str> {
///         (key == "app").then_some(self.app)
///     }
/// }
///
/// let writer = IndexerWriter::new();
/// let key = ObjectKey::namespaced("shop", "web");
/// let header = Header { key, resource_version: "7".into(), uid: "u".into() };
/// writer.upsert(Entry::new(header, Pod { app: "cart" }));
///
/// let pods = Lister::new(&writer.indexer(), "pods");
/// let cart = "app in (cart, till)".parse()?;
/// assert_eq!(pods.list(&cart).len(), 1);
///
/// let shop = pods.namespace("shop");
/// assert_eq!(shop.get("web")?.object.app, "cart");
/// let missing = shop.get("db").err().unwrap();
/// assert_eq!(missing.to_string(), r#"pods "db" not found"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Lister<T> {
    store: Indexer<T>,
    resource: GroupResource,
    kept: Option<Arc<dyn Any + Send + Sync>>,
    before_read: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl<T> Lister<T> {
    /// Reads `store`, whose objects are of this resource: `pods`, `deployments.apps`.
    pub fn new(store: &Indexer<T>, resource: impl Into<GroupResource>) -> Self {
        Self {
            store: store.clone(),
            resource: resource.into(),
            kept: None,
            before_read: None,
        }
    }

    /// Calls `update` before every read: it brings the store up to date.
    pub(crate) fn before_read(mut self, update: impl Fn() + Send + Sync + 'static) -> Self {
        self.before_read = Some(Arc::new(update));
        self
    }

    /// Keeps something alive for as long as this lister, a clone of it or one of its namespaces is
    /// there: the handle of the mirror, whose end would otherwise be the end of the mirror.
    #[must_use]
    pub fn keep_alive(mut self, what: impl Any + Send + Sync) -> Self {
        let before = self.kept.take();
        self.kept = Some(Arc::new((what, before)));
        self
    }

    /// The objects that a selector asks for, in the order of their keys.
    #[must_use]
    pub fn list<How>(&self, selector: &LabelSelector) -> Vec<Entry<T>>
    where
        T: Selectable<How>,
    {
        self.select("", selector)
    }

    /// The objects of one namespace; of the empty namespace, all objects.
    #[must_use]
    pub fn namespace(&self, namespace: impl Into<String>) -> NamespaceLister<T> {
        NamespaceLister {
            lister: self.clone(),
            namespace: namespace.into(),
        }
    }

    /// The object of this name, of a resource without namespaces.
    ///
    /// # Errors
    /// If it is not in the mirror.
    pub fn get(&self, name: &str) -> Result<Entry<T>, NotFound> {
        self.find("", name)
    }

    fn find(&self, namespace: &str, name: &str) -> Result<Entry<T>, NotFound> {
        let found = self.store().get(&ObjectKey::namespaced(namespace, name));
        found.ok_or_else(|| NotFound::new(self.resource.clone(), name))
    }

    /// The objects that have this value in the index `name`, in the order of their keys.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn by_index(&self, name: &str, value: &str) -> Result<Vec<Entry<T>>, IndexError> {
        self.store().by_index(name, value)
    }

    /// The store that is read.
    #[must_use]
    pub fn store(&self) -> &Indexer<T> {
        if let Some(update) = &self.before_read {
            update();
        }
        &self.store
    }

    /// What the objects are.
    #[must_use]
    pub const fn resource(&self) -> &GroupResource {
        &self.resource
    }

    fn select<How>(&self, namespace: &str, selector: &LabelSelector) -> Vec<Entry<T>>
    where
        T: Selectable<How>,
    {
        if selector.is_nothing() {
            return Vec::new();
        }
        // A namespace is one stretch of the order of keys, so no index is needed for it.
        let snapshot = self.store().snapshot();
        let asked = snapshot
            .in_namespace(namespace)
            .filter(|entry| entry.object.is_selected_by(selector));
        asked.cloned().collect()
    }
}

#[cfg(feature = "kube")]
impl<K: kube_core::Resource<DynamicType = ()>> Lister<K> {
    /// Reads `store`, whose objects are of a kind that knows its resource.
    #[must_use]
    pub fn of_kind(store: &Indexer<K>) -> Self {
        Self::new(store, GroupResource::new(K::plural(&()), K::group(&())))
    }
}

impl<T> Clone for Lister<T> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            resource: self.resource.clone(),
            kept: self.kept.clone(),
            before_read: self.before_read.clone(),
        }
    }
}

impl<T> fmt::Debug for Lister<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lister")
            .field("resource", &self.resource)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Reads the objects of one namespace: see [`Lister::namespace`].
pub struct NamespaceLister<T> {
    lister: Lister<T>,
    namespace: String,
}

impl<T> NamespaceLister<T> {
    /// The objects of the namespace that a selector asks for, in the order of their keys.
    #[must_use]
    pub fn list<How>(&self, selector: &LabelSelector) -> Vec<Entry<T>>
    where
        T: Selectable<How>,
    {
        self.lister.select(&self.namespace, selector)
    }

    /// The object of this name.
    ///
    /// # Errors
    /// If it is not in the mirror.
    pub fn get(&self, name: &str) -> Result<Entry<T>, NotFound> {
        self.lister.find(&self.namespace, name)
    }

    /// The namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.namespace
    }
}

impl<T> Clone for NamespaceLister<T> {
    fn clone(&self) -> Self {
        Self {
            lister: self.lister.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

impl<T> fmt::Debug for NamespaceLister<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceLister")
            .field("namespace", &self.namespace)
            .field("lister", &self.lister)
            .finish()
    }
}

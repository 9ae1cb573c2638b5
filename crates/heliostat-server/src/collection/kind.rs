//! What the server knows of one kind of object: its names, its scope, and the few rules that
//! differ between kinds. Nothing here looks at an object.

use heliostat_kinds::schema;
use serde_json::{Map, Value};

/// A JSON object as the storage sees it.
pub(crate) type Object = Map<String, Value>;

/// A kind that the server serves: names, scope and rules.
///
/// Custom kinds are made with [`Kind::custom`]; the built-in ones are there from the start.
///
/// ```
/// use heliostat_server::Kind;
///
/// let widget = Kind::custom("example.com", "v1", "Widget", "widgets").with_status();
/// assert_eq!(widget.qualified(), "widgets.example.com");
/// assert_eq!(widget.api_version(), "example.com/v1");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kind {
    group: String,
    version: String,
    kind: String,
    plural: String,
    singular: String,
    qualified: String,
    api_version: String,
    short_names: Vec<String>,
    categories: Vec<String>,
    fields: Vec<String>,
    scope: Scope,
    shape: Shape,
    status: bool,
    generation: bool,
    watch_cache: bool,
}

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// One object for the whole server.
    Cluster,
    /// One object for each namespace and name.
    Namespaced,
}

/// How objects and lists of a kind are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    /// kind, apiVersion, metadata first; list items carry no type.
    Builtin,
    /// Every map sorted by key; list items carry their type.
    Custom,
}

impl Kind {
    fn new(group: &str, version: &str, kind: &str, plural: &str, shape: Shape) -> Self {
        let (qualified, api_version) = if group.is_empty() {
            (plural.to_owned(), version.to_owned())
        } else {
            (format!("{plural}.{group}"), format!("{group}/{version}"))
        };
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            qualified,
            api_version,
            short_names: Vec::new(),
            categories: Vec::new(),
            fields: Vec::new(),
            scope: Scope::Namespaced,
            shape,
            status: false,
            generation: shape == Shape::Custom,
            watch_cache: true,
        }
    }

    /// A custom kind, namespaced, without a status subresource.
    ///
    /// Its objects are written as a server writes custom resources: every map sorted by key, and
    /// list items with their `kind` and `apiVersion`.
    pub fn custom(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        Self::new(group, version, kind, plural, Shape::Custom)
    }

    pub(crate) fn builtin(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        Self::new(group, version, kind, plural, Shape::Builtin)
    }

    /// The same kind, cluster-scoped.
    #[must_use]
    pub fn cluster_scoped(mut self) -> Self {
        self.scope = Scope::Cluster;
        self
    }

    /// The same kind with a `status` subresource: other writes then leave the status alone.
    #[must_use]
    pub fn with_status(mut self) -> Self {
        self.status = true;
        self
    }

    /// The same kind with one more short name, as `po` is for pods.
    #[must_use]
    pub fn with_short_name(mut self, name: &str) -> Self {
        self.short_names.push(name.to_owned());
        self
    }

    /// The same kind in one more category, as `all` is for `kubectl get all`.
    #[must_use]
    pub fn with_category(mut self, category: &str) -> Self {
        self.categories.push(category.to_owned());
        self
    }

    /// The same kind with one more field that field selectors may name, as `spec.nodeName`.
    #[must_use]
    pub fn with_selectable_field(mut self, path: &str) -> Self {
        self.fields.push(path.to_owned());
        self
    }

    /// The same kind under another singular name; the default is the kind in lower case.
    #[must_use]
    pub fn with_singular(mut self, singular: &str) -> Self {
        self.singular = singular.to_owned();
        self
    }

    /// The same kind served without a watch cache: `limit` is honoured also at version 0, as it
    /// is for events.
    #[must_use]
    pub fn without_watch_cache(mut self) -> Self {
        self.watch_cache = false;
        self
    }

    pub(crate) fn with_generation(mut self) -> Self {
        self.generation = true;
        self
    }

    /// The API group, empty for the core group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The version within the group.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The kind in CamelCase.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The plural as URLs have it.
    pub fn plural(&self) -> &str {
        &self.plural
    }

    /// The singular as discovery lists it.
    pub fn singular(&self) -> &str {
        &self.singular
    }

    /// `pods`, or `deployments.apps` where there is a group: how the server's own API names it.
    pub fn qualified(&self) -> &str {
        &self.qualified
    }

    /// `v1`, or `apps/v1` where there is a group.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// Whether objects live in namespaces.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether objects live in namespaces.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    /// Whether this is a custom resource.
    pub fn is_custom(&self) -> bool {
        self.shape == Shape::Custom
    }

    /// Whether there is a `status` subresource.
    pub fn has_status(&self) -> bool {
        self.status
    }

    /// Short names, as kubectl knows them.
    pub fn short_names(&self) -> &[String] {
        &self.short_names
    }

    /// Categories, as kubectl knows them.
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// Fields beyond name and namespace that field selectors may name.
    pub fn selectable_fields(&self) -> &[String] {
        &self.fields
    }

    /// Returns the messages of the kind in protobuf. Custom resources have none.
    pub(crate) fn protobuf(&self) -> Option<&'static schema::Kind> {
        match self.shape {
            Shape::Builtin => schema::kind(&self.api_version, &self.kind),
            Shape::Custom => None,
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn has_generation(&self) -> bool {
        self.generation
    }

    pub(crate) fn has_watch_cache(&self) -> bool {
        self.watch_cache
    }

    /// The storage key of an object: `namespace/name`, or the name alone.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        match self.scope {
            Scope::Namespaced => format!("{namespace}/{name}"),
            Scope::Cluster => name.to_owned(),
        }
    }
}

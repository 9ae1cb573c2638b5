//! Resources: the paths under which kinds are served.

use std::fmt;

use crate::schema::{Kind, Text, TextList, kind};
use crate::tables::{COLUMNS, RESOURCES, SUBRESOURCES};

/// A resource, like `pods` of `v1`.
pub struct Resource {
    api_version: Text,
    names: [Text; 3],
    scope: Scope,
    verbs: Verbs,
    short_names: TextList,
    categories: TextList,
    subresources: (u16, u16),
    columns: (u16, u16),
}

/// A subresource, like `status` of `pods`.
pub struct Subresource {
    name: Text,
    api_version: Text,
    kind: Text,
    verbs: Verbs,
}

/// A column of the table that the server makes of a resource.
pub struct Column {
    name: Text,
    column_type: Text,
    format: Text,
    priority: u8,
}

/// Whether objects are in namespaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Objects are in no namespace.
    Cluster,
    /// Each object is in one namespace.
    Namespaced,
}

/// A set of verbs, in the order in which discovery documents list them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verbs(pub(crate) u8);

impl Verbs {
    /// Every verb; the place of each is its bit.
    const NAMES: [&'static str; 8] = [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ];

    /// Returns true if the verb is one of the set.
    #[must_use]
    pub fn contains(self, verb: &str) -> bool {
        self.iter().any(|name| name == verb)
    }

    /// Returns the verbs in alphabetical order.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        let names = Self::NAMES.iter().enumerate();
        names
            .filter(move |&(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| *name)
    }
}

/// Returns the resource with the group (empty for the core group), the version and the plural name.
#[must_use]
pub fn resource(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    let is_it =
        |it: &&Resource| it.plural() == plural && it.group() == group && it.version() == version;
    RESOURCES.iter().find(is_it)
}

/// Returns the resource whose objects are of the kind.
#[must_use]
pub fn resource_of_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
    let is_it = |it: &&Resource| it.kind_name() == kind && it.api_version() == api_version;
    RESOURCES.iter().find(is_it)
}

/// Returns every resource that a server serves by default, in the order of its discovery documents.
#[must_use]
pub fn resources() -> &'static [Resource] {
    &RESOURCES
}

impl Resource {
    pub(crate) const fn new(
        (api_version, names): (Text, [Text; 3]),
        (scope, verbs): (Scope, Verbs),
        (short_names, categories): (TextList, TextList),
        subresources: (u16, u16),
        columns: (u16, u16),
    ) -> Self {
        Self {
            api_version,
            names,
            scope,
            verbs,
            short_names,
            categories,
            subresources,
            columns,
        }
    }

    /// Returns the API version: the group and the version, or the version alone in the core group.
    #[must_use]
    pub fn api_version(&self) -> &'static str {
        self.api_version.get()
    }

    /// Returns the group, empty for the core group.
    #[must_use]
    pub fn group(&self) -> &'static str {
        let split = self.api_version().split_once('/');
        split.map_or("", |(group, _)| group)
    }

    /// Returns the version without the group.
    #[must_use]
    pub fn version(&self) -> &'static str {
        let split = self.api_version().split_once('/');
        split.map_or_else(|| self.api_version(), |(_, version)| version)
    }

    /// Returns the plural name, which is the one in paths.
    #[must_use]
    pub fn plural(&self) -> &'static str {
        self.names[0].get()
    }

    /// Returns the singular name.
    #[must_use]
    pub fn singular(&self) -> &'static str {
        self.names[1].get()
    }

    /// Returns the name of the kind.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        self.names[2].get()
    }

    /// Returns the kind of the objects.
    #[must_use]
    pub fn kind(&self) -> Option<&'static Kind> {
        kind(self.api_version(), self.kind_name())
    }

    /// Returns whether objects are in namespaces.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Returns true if objects are in namespaces.
    #[must_use]
    pub const fn is_namespaced(&self) -> bool {
        matches!(self.scope, Scope::Namespaced)
    }

    /// Returns what can be done with the resource.
    #[must_use]
    pub const fn verbs(&self) -> Verbs {
        self.verbs
    }

    /// Returns the short names, like `po`.
    pub fn short_names(&self) -> impl ExactSizeIterator<Item = &'static str> + Clone {
        self.short_names.iter()
    }

    /// Returns the categories, like `all`.
    pub fn categories(&self) -> impl ExactSizeIterator<Item = &'static str> + Clone {
        self.categories.iter()
    }

    /// Returns the subresources.
    #[must_use]
    pub fn subresources(&self) -> &'static [Subresource] {
        let first = usize::from(self.subresources.0);
        let run = SUBRESOURCES.get(first..first + usize::from(self.subresources.1));
        run.unwrap_or_default()
    }

    /// Returns the columns of the table that the server makes, none if the resource cannot be listed.
    #[must_use]
    pub fn columns(&self) -> &'static [Column] {
        let first = usize::from(self.columns.0);
        let run = COLUMNS.get(first..first + usize::from(self.columns.1));
        run.unwrap_or_default()
    }
}

impl Subresource {
    pub(crate) const fn new(name: Text, api_version: Text, kind: Text, verbs: Verbs) -> Self {
        Self {
            name,
            api_version,
            kind,
            verbs,
        }
    }

    /// Returns the name, like `status`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name.get()
    }

    /// Returns the API version of the kind that the subresource takes and returns.
    #[must_use]
    pub fn api_version(&self) -> &'static str {
        self.api_version.get()
    }

    /// Returns the name of the kind that the subresource takes and returns.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        self.kind.get()
    }

    /// Returns what can be done with the subresource.
    #[must_use]
    pub const fn verbs(&self) -> Verbs {
        self.verbs
    }
}

impl Column {
    pub(crate) const fn new(name: Text, column_type: Text, format: Text, priority: u8) -> Self {
        Self {
            name,
            column_type,
            format,
            priority,
        }
    }

    /// Returns the heading.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name.get()
    }

    /// Returns the OpenAPI type of the cells: `string`, `integer`, `boolean` or `date`.
    #[must_use]
    pub fn column_type(&self) -> &'static str {
        self.column_type.get()
    }

    /// Returns the OpenAPI format of the cells, like `name`, or the empty string.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.format.get()
    }

    /// Returns 0 for a column that is always shown, more for one that only wide output has.
    #[must_use]
    pub const fn priority(&self) -> u8 {
        self.priority
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({}, {})", self.api_version(), self.plural())
    }
}

impl fmt::Debug for Subresource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subresource({})", self.name())
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({})", self.name())
    }
}

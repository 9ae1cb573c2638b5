//! Kinds: the API versions and names under which messages stand alone.

use std::fmt;

use crate::schema::{Field, Message, Resource, Shape, Text, resource_of_kind};
use crate::tables::{KINDS, MESSAGES};

/// A kind of object, like `Pod` of `v1`, a list of them, or options of a request.
pub struct Kind {
    api_version: Text,
    name: Text,
    message: u16,
}

/// Returns the built-in kind with the API version (`v1`, `apps/v1`) and the name.
#[must_use]
pub fn kind(api_version: &str, name: &str) -> Option<&'static Kind> {
    let key = (api_version, name);
    let at = KINDS.binary_search_by(|kind| (kind.api_version(), kind.name()).cmp(&key));
    at.ok().and_then(|at| KINDS.get(at))
}

/// Returns every built-in kind, ordered by API version and name.
#[must_use]
pub fn kinds() -> &'static [Kind] {
    &KINDS
}

impl Kind {
    pub(crate) const fn new(api_version: Text, name: Text, message: u16) -> Self {
        Self {
            api_version,
            name,
            message,
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

    /// Returns the name, like `Pod`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name.get()
    }

    /// Returns the message that an object of the kind is.
    #[must_use]
    pub fn message(&self) -> &'static Message {
        // The generator writes no other index.
        &MESSAGES[usize::from(self.message)]
    }

    /// Returns true if protobuf can carry the kind. Only tables are JSON alone.
    #[must_use]
    pub fn has_protobuf(&self) -> bool {
        let mut fields = self.message().fields().iter();
        fields.all(|field| field.number() > 0 || field.is_inline())
    }

    /// Returns the field of the items if the kind is a list, like `PodList` or `List`.
    #[must_use]
    pub fn items(&self) -> Option<&'static Field> {
        let is_list = self.name().ends_with("List");
        let items = is_list.then(|| self.message().field("items"))?;
        items.filter(|field| field.shape() == Shape::List)
    }

    /// Returns the kind of the items of a list: `Pod` for `PodList`.
    #[must_use]
    pub fn item_kind(&self) -> Option<&'static Self> {
        self.items()?;
        kind(self.api_version(), self.name().strip_suffix("List")?)
    }

    /// Returns the list of the kind: `PodList` for `Pod`.
    #[must_use]
    pub fn list_kind(&self) -> Option<&'static Self> {
        kind(self.api_version(), &format!("{}List", self.name()))
            .filter(|list| list.items().is_some())
    }

    /// Returns the resource that serves the kind.
    #[must_use]
    pub fn resource(&self) -> Option<&'static Resource> {
        resource_of_kind(self.api_version(), self.name())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({}, {})", self.api_version(), self.name())
    }
}

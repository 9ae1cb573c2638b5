//! Discovery: which resources a server has, and which of them a person means by `po` or
//! `deployments.apps`.
//!
//! The server is asked for its aggregated documents, two requests in all; one that does not know
//! them is walked group by group. A group that cannot be read is noted and does not fail the rest:
//! one broken extension server must not keep anybody from mirroring pods.

mod document;
mod fetch;
mod resolve;

use kube_core::ApiResource;

use heliostat_core::error::SourceError;
use heliostat_kinds::schema::{self, Resource};

use super::Cluster;

pub use resolve::ResolveError;

/// What a server serves, in the order of preference: the core group first, then the groups in the
/// server's order, in each the preferred version first.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    resources: Vec<DiscoveredResource>,
    undiscovered: Vec<String>,
}

impl Discovery {
    /// Asks the server.
    ///
    /// # Errors
    ///
    /// If the server gives no answer about any group. A single group that fails is told by
    /// [`undiscovered`](Self::undiscovered).
    pub async fn of(cluster: &Cluster) -> Result<Self, SourceError> {
        fetch::discover(cluster).await
    }

    /// Finds what a person means, as kubectl does: `pods`, `pod`, `po`, `Pod`, `deployments.apps`,
    /// `deployments.v1.apps`.
    ///
    /// Names are compared without regard to case. Where several groups have the name, the first in
    /// the order of preference wins, so that `events` are those of the core group.
    ///
    /// # Errors
    ///
    /// [`ResolveError::Unknown`] with the names that come near, or
    /// [`ResolveError::NotMirrorable`] for a resource that cannot be listed. Both name the groups that
    /// were not discovered.
    pub fn resolve(&self, name: &str) -> Result<&DiscoveredResource, ResolveError> {
        resolve::resolve(self, name)
    }

    /// Finds the resource of a kind, by its exact group, version and kind.
    #[must_use]
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&DiscoveredResource> {
        self.resources.iter().find(|found| {
            let resource = &found.resource;
            resource.group == group && resource.version == version && resource.kind == kind
        })
    }

    /// All resources, in the order of preference, without subresources.
    #[must_use]
    pub fn resources(&self) -> &[DiscoveredResource] {
        &self.resources
    }

    /// The groups or group versions that could not be read, each with the reason: a refusal, or no
    /// whole answer within ten seconds.
    #[must_use]
    pub fn undiscovered(&self) -> &[String] {
        &self.undiscovered
    }
}

/// One resource of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiscoveredResource {
    /// Group, version, kind and plural name.
    pub resource: ApiResource,
    /// The singular name.
    pub singular: String,
    /// Names for those who type a lot: `po`.
    pub short_names: Vec<String>,
    /// True if its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it: `list`, `watch`, ..
    pub verbs: Vec<String>,
}

impl From<&Self> for DiscoveredResource {
    fn from(found: &Self) -> Self {
        found.clone()
    }
}

/// A resource of which only the names are known, as if discovery had returned nothing else.
///
/// Whether its objects have namespaces is known of built-in kinds; others are taken to have them. It
/// has no verbs, so [`KubeSource`](super::KubeSource) assumes that it can be listed and watched.
impl From<&ApiResource> for DiscoveredResource {
    fn from(resource: &ApiResource) -> Self {
        let built_in = schema::resource(&resource.group, &resource.version, &resource.plural);
        Self {
            resource: resource.clone(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced: built_in.is_none_or(Resource::is_namespaced),
            verbs: Vec::new(),
        }
    }
}

impl DiscoveredResource {
    /// True if it can be listed and watched.
    #[must_use]
    pub fn is_mirrorable(&self) -> bool {
        self.is_listable() && self.is_watchable()
    }

    /// True if it can be listed. Where it cannot be watched, as the metrics of pods, a reflector
    /// follows it by lists at an interval: see
    /// [`poll_interval`](crate::ReflectorConfig::poll_interval).
    #[must_use]
    pub fn is_listable(&self) -> bool {
        self.has_verb("list")
    }

    /// True if it can be watched.
    #[must_use]
    pub fn is_watchable(&self) -> bool {
        self.has_verb("watch")
    }

    fn has_verb(&self, wanted: &str) -> bool {
        self.verbs.iter().any(|verb| verb == wanted)
    }

    /// The name that means this resource and no other: `pods`, `deployments.apps`.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.resource.group.is_empty() {
            self.resource.plural.clone()
        } else {
            format!("{}.{}", self.resource.plural, self.resource.group)
        }
    }
}

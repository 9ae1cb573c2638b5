//! What is mirrored: collections, each with its kind and its source.

use std::sync::Arc;
use std::time::Duration;

use heliostat::RawObject;
use heliostat::source::kube::Cluster;

use crate::failure::Failure;
use crate::output::Kind;

use super::source::Source;

/// The default of `--timeout`. The library waits ten seconds for each document of a discovery, and reads
/// them in two rounds: a group whose server hangs must not use up the patience for the others.
pub(crate) const DEFAULT_TIMEOUT: &str = "30s";

/// The collections to mirror.
#[derive(Debug)]
pub(crate) struct Target {
    /// The cluster of Kubernetes; none if the source is etcd.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) collections: Vec<Collection>,
}

/// What one mirror is of.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) kind: Arc<Kind>,
    pub(crate) source: Source<RawObject>,
    /// False if it can only be listed.
    pub(crate) is_watchable: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) resources: &'a [String],
    pub(crate) metadata_only: bool,
    pub(crate) keeps_managed_fields: bool,
    /// How long a server that does not answer is waited for; none for ever.
    pub(crate) patience: Option<Duration>,
}

impl Target {
    /// Fails if something cannot be followed: what cannot be watched is, where it is polled.
    pub(crate) fn check_followed(&self, poll: Option<Duration>) -> Result<(), Failure> {
        let unwatchable = |collection: &&Collection| !collection.is_watchable;
        match self.collections.iter().find(unwatchable) {
            Some(collection) if poll.is_none() => Err(Failure::Unwatchable {
                what: collection.kind.resource.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// What is mirrored, for people: `pods, services`.
    pub(crate) fn resources(&self) -> String {
        let mut names: Vec<&str> = self
            .collections
            .iter()
            .map(|collection| collection.kind.resource.as_str())
            .collect();
        names.dedup();
        names.join(", ")
    }
}

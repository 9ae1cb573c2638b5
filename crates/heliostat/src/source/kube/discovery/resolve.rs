//! From what a person types to a resource.
//!
//! The forms are kubectl's: `NAME`, `NAME.GROUP`, `NAME.VERSION.GROUP`; the name may be the plural,
//! the singular, a short name or the kind; the group may be shortened to its beginning.

use std::fmt;

use super::{DiscoveredResource, Discovery};
use crate::source::kube::likeness::{NEAR, likeness};

/// How many near names an error offers.
const NEAR_NAMES_MAX: usize = 3;

/// Why a name means no resource that can be listed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The server has no resource of this name.
    #[error("the server has no resource {name:?}{}", Hint { near, undiscovered })]
    Unknown {
        /// The name as it was given.
        name: String,
        /// Names of resources that come near, the nearest first.
        near: Vec<String>,
        /// Groups whose resources are not known, each with the reason.
        undiscovered: Vec<String>,
    },
    /// The server has it, but it cannot be listed.
    #[error(
        "{name} cannot be mirrored: the server does not list it, it knows only {}{}",
        verbs.join(", "),
        Hint { near: &[], undiscovered }
    )]
    NotMirrorable {
        /// The resource.
        name: String,
        /// What can be done with it.
        verbs: Vec<String>,
        /// Groups whose resources are not known, each with the reason.
        undiscovered: Vec<String>,
    },
}

struct Hint<'a> {
    near: &'a [String],
    undiscovered: &'a [String],
}

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.near.is_empty() {
            write!(f, "; did you mean {}?", self.near.join(", "))?;
        }
        if !self.undiscovered.is_empty() {
            let groups = self.undiscovered.join(", ");
            write!(f, "; these could not be discovered: {groups}")?;
        }
        Ok(())
    }
}

pub(super) fn resolve<'a>(
    discovery: &'a Discovery,
    name: &str,
) -> Result<&'a DiscoveredResource, ResolveError> {
    let found = find(discovery.resources(), name).ok_or_else(|| ResolveError::Unknown {
        name: name.to_owned(),
        near: near_names(discovery.resources(), name),
        undiscovered: discovery.undiscovered().to_vec(),
    })?;
    if found.is_listable() {
        return Ok(found);
    }
    Err(ResolveError::NotMirrorable {
        name: found.full_name(),
        verbs: found.verbs.clone(),
        undiscovered: discovery.undiscovered().to_vec(),
    })
}

/// The readings in kubectl's order: with a version and a group, then with a group alone. Among
/// resources of the same name, one that can be listed and watched goes before one that can only be
/// listed, and that before others.
fn find<'a>(resources: &'a [DiscoveredResource], name: &str) -> Option<&'a DiscoveredResource> {
    let mut readings = Vec::with_capacity(2);
    if let Some((name, rest)) = name.split_once('.') {
        if let Some((version, group)) = rest.split_once('.') {
            readings.push((name, Some(version), Some(group)));
        } else if rest.starts_with('v') {
            // `events.v1`: a version of the core group, which has no name to write after it.
            readings.push((name, Some(rest), Some("")));
        }
        readings.push((name, None, Some(rest)));
    } else {
        readings.push((name, None, None));
    }
    readings.into_iter().find_map(|(name, version, group)| {
        let exact = |resource: &DiscoveredResource| {
            group.is_none_or(|group| resource.resource.group == group)
        };
        let prefix = |resource: &DiscoveredResource| {
            group.is_some_and(|group| {
                !group.is_empty() && resource.resource.group.starts_with(group)
            })
        };
        let candidates = |in_group: &dyn Fn(&DiscoveredResource) -> bool| -> Vec<_> {
            resources
                .iter()
                .filter(|resource| in_group(resource))
                .filter(|resource| {
                    version.is_none_or(|version| resource.resource.version == version)
                })
                .collect()
        };
        best(&candidates(&exact), name).or_else(|| best(&candidates(&prefix), name))
    })
}

/// The first resource that the name means, the more exact way of naming first.
fn best<'a>(candidates: &[&'a DiscoveredResource], name: &str) -> Option<&'a DiscoveredResource> {
    let named: [fn(&DiscoveredResource, &str) -> bool; 4] = [
        |resource, name| resource.resource.plural.eq_ignore_ascii_case(name),
        |resource, name| resource.singular.eq_ignore_ascii_case(name),
        |resource, name| {
            let same = |short: &String| short.eq_ignore_ascii_case(name);
            resource.short_names.iter().any(same)
        },
        |resource, name| resource.resource.kind.eq_ignore_ascii_case(name),
    ];
    named.iter().find_map(|is_named| {
        let matching = candidates.iter().filter(|found| is_named(found, name));
        let mut listable = matching.clone().filter(|found| found.is_listable());
        let first_listable = listable.clone().next();
        listable
            .find(|found| found.is_watchable())
            .or(first_listable)
            .or_else(|| matching.clone().next())
            .copied()
    })
}

/// The names most like the one that is unknown, nearest first.
fn near_names(resources: &[DiscoveredResource], name: &str) -> Vec<String> {
    let typed = name.to_lowercase();
    let nearest = |resource: &DiscoveredResource| {
        let full_name = resource.full_name();
        [&full_name, &resource.resource.plural, &resource.singular]
            .into_iter()
            .chain(&resource.short_names)
            .map(|known| likeness(known, &typed))
            .fold(0.0, f64::max)
    };
    let mut scored: Vec<(f64, String)> = resources
        .iter()
        .filter(|resource| resource.is_listable())
        .map(|resource| (nearest(resource), resource.full_name()))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored
        .into_iter()
        .map(|(_, name)| name)
        .take(NEAR_NAMES_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use kube_core::{ApiResource, GroupVersionKind};

    use super::*;

    fn resource(
        path: [&str; 4],
        singular: &str,
        short: &[&str],
        verbs: &[&str],
    ) -> DiscoveredResource {
        let [group, version, kind, plural] = path;
        let kind = GroupVersionKind::gvk(group, version, kind);
        DiscoveredResource {
            resource: ApiResource::from_gvk_with_plural(&kind, plural),
            singular: singular.to_owned(),
            short_names: short.iter().map(|&name| name.to_owned()).collect(),
            namespaced: true,
            verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        }
    }

    fn cluster() -> Discovery {
        let all = &["list", "watch"];
        Discovery {
            resources: vec![
                resource(["", "v1", "Pod", "pods"], "pod", &["po"], all),
                resource(["", "v1", "Event", "events"], "event", &["ev"], all),
                resource(
                    ["", "v1", "Binding", "bindings"],
                    "binding",
                    &[],
                    &["create"],
                ),
                resource(
                    ["apps", "v1", "Deployment", "deployments"],
                    "deployment",
                    &["deploy"],
                    all,
                ),
                resource(
                    ["apps", "v1beta1", "Deployment", "deployments"],
                    "deployment",
                    &["deploy"],
                    all,
                ),
                resource(
                    ["events.k8s.io", "v1", "Event", "events"],
                    "event",
                    &["ev"],
                    all,
                ),
                resource(
                    ["old.example.com", "v1", "Deployment", "deployments"],
                    "deployment",
                    &[],
                    all,
                ),
            ],
            undiscovered: vec!["metrics.k8s.io/v1beta1 (503)".to_owned()],
        }
    }

    fn resolved(name: &str) -> String {
        let cluster = cluster();
        let found = cluster.resolve(name).unwrap();
        format!("{}/{}", found.resource.api_version, found.resource.plural)
    }

    #[test]
    fn names_mean_what_they_mean_to_kubectl() {
        for name in ["pods", "pod", "po", "Pod", "PODS", "pods.v1", "pods.v1."] {
            assert_eq!(resolved(name), "v1/pods", "{name}");
        }
        for name in [
            "deploy",
            "deployments",
            "deployments.apps",
            "Deployment.apps",
            "deployments.v1.apps",
        ] {
            assert_eq!(resolved(name), "apps/v1/deployments", "{name}");
        }
        assert_eq!(
            resolved("deployments.v1beta1.apps"),
            "apps/v1beta1/deployments"
        );
        assert_eq!(
            resolved("deployments.old.example.com"),
            "old.example.com/v1/deployments"
        );
        assert_eq!(
            resolved("deployments.old"),
            "old.example.com/v1/deployments"
        );
        assert_eq!(resolved("events"), "v1/events");
        assert_eq!(resolved("events.events.k8s.io"), "events.k8s.io/v1/events");
    }

    #[test]
    fn an_unknown_name_offers_what_comes_near_and_tells_what_is_unknown() {
        let error = cluster().resolve("deploymnets").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server has no resource \"deploymnets\"; did you mean deployments.apps, \
             deployments.old.example.com?; these could not be discovered: metrics.k8s.io/v1beta1 (503)"
        );
        let ResolveError::Unknown { near, .. } = cluster().resolve("zzzz").unwrap_err() else {
            panic!("not unknown");
        };
        assert!(near.is_empty());
    }

    #[test]
    fn a_wrong_group_is_no_match() {
        assert!(cluster().resolve("pods.apps").is_err());
        assert!(cluster().resolve("deployments.v3.apps").is_err());
        assert!(cluster().resolve("").is_err());
        assert!(cluster().resolve(".").is_err());
    }

    #[test]
    fn what_cannot_be_listed_is_refused_by_name() {
        assert_eq!(
            cluster().resolve("bindings").unwrap_err().to_string(),
            "bindings cannot be mirrored: the server does not list it, it knows only create; \
             these could not be discovered: metrics.k8s.io/v1beta1 (503)"
        );
    }

    #[test]
    fn what_can_be_listed_alone_is_found_after_what_can_be_watched() {
        let mut cluster = cluster();
        let metrics = ["metrics.k8s.io", "v1beta1", "PodMetrics", "pods"];
        let list_alone = resource(metrics, "", &[], &["get", "list"]);
        cluster.resources.insert(0, list_alone);
        let found = |name: &str| cluster.resolve(name).unwrap().resource.group.clone();
        assert_eq!(found("pods.metrics.k8s.io"), "metrics.k8s.io");
        assert_eq!(found("podmetrics"), "metrics.k8s.io");
        assert_eq!(found("pods"), "");
    }
}

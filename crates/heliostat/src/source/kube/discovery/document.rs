//! The discovery documents as the wire has them, and what is kept of them.
//!
//! Two forms: the aggregated one (`apidiscovery.k8s.io/v2`), a whole server in two documents, and
//! the older lists of groups and of the resources of one group version. Fields that nothing is made
//! of are skipped; `null` is taken for absent, as servers in other languages send it.

use kube_core::{ApiResource, GroupVersionKind};
use serde::Deserialize;

use super::DiscoveredResource;

/// The aggregated form of `/api` or `/apis`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AggregatedGroups {
    #[serde(deserialize_with = "each_or_default")]
    items: Vec<AggregatedGroup>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AggregatedGroup {
    #[serde(deserialize_with = "or_default")]
    metadata: AggregatedMetadata,
    #[serde(deserialize_with = "each_or_default")]
    versions: Vec<AggregatedVersion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AggregatedMetadata {
    #[serde(deserialize_with = "or_default")]
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AggregatedVersion {
    #[serde(deserialize_with = "or_default")]
    version: String,
    #[serde(deserialize_with = "or_default")]
    freshness: String,
    #[serde(deserialize_with = "each_or_default")]
    resources: Vec<AggregatedResource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AggregatedResource {
    #[serde(deserialize_with = "or_default")]
    resource: String,
    #[serde(deserialize_with = "or_default")]
    response_kind: ResponseKind,
    #[serde(deserialize_with = "or_default")]
    scope: String,
    #[serde(deserialize_with = "or_default")]
    singular_resource: String,
    #[serde(deserialize_with = "each_or_default")]
    verbs: Vec<String>,
    #[serde(deserialize_with = "each_or_default")]
    short_names: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResponseKind {
    #[serde(deserialize_with = "or_default")]
    kind: String,
}

impl AggregatedGroups {
    /// The resources in the document's order, which is the order of preference, and the versions
    /// that the server itself could not read: it marks them `Stale`.
    pub(super) fn into_resources(self) -> (Vec<DiscoveredResource>, Vec<String>) {
        let mut resources = Vec::new();
        let mut stale = Vec::new();
        for group in self.items {
            let name = group.metadata.name;
            // Versions that may be out of date come after those that are not.
            let (old, fresh): (Vec<_>, Vec<_>) = group
                .versions
                .into_iter()
                .partition(|version| version.freshness == "Stale");
            let seen_as_stale = old
                .iter()
                .map(|version| format!("{} (stale)", group_version(&name, &version.version)));
            stale.extend(seen_as_stale);
            for version in fresh.into_iter().chain(old) {
                let of_version = version.resources.into_iter();
                resources.extend(
                    of_version
                        .filter_map(|resource| resource.into_discovered(&name, &version.version)),
                );
            }
        }
        (resources, stale)
    }
}

impl AggregatedResource {
    /// The paths are those of the enclosing group version, also where the kind is another group's.
    fn into_discovered(self, group: &str, version: &str) -> Option<DiscoveredResource> {
        let kind = self.response_kind.kind;
        if kind.is_empty() || self.resource.is_empty() || version.is_empty() {
            return None;
        }
        let found = Found {
            group,
            version,
            kind,
            plural: self.resource,
            singular: self.singular_resource,
            short_names: self.short_names,
            namespaced: self.scope == "Namespaced",
            verbs: self.verbs,
        };
        Some(found.into_discovered())
    }
}

/// The older form of `/api`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CoreVersions {
    #[serde(deserialize_with = "each_or_default")]
    versions: Vec<String>,
}

impl CoreVersions {
    /// Group, which is none, and version of every list to ask for.
    pub(super) fn into_versions(self) -> Vec<(String, String)> {
        let versions = self
            .versions
            .into_iter()
            .map(|version| (String::new(), version));
        versions
            .filter(|(_, version)| !version.is_empty())
            .collect()
    }
}

/// The older form of `/apis`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupList {
    #[serde(deserialize_with = "each_or_default")]
    groups: Vec<Group>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "each_or_default")]
    versions: Vec<GroupVersionName>,
    #[serde(deserialize_with = "or_default")]
    preferred_version: GroupVersionName,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupVersionName {
    #[serde(deserialize_with = "or_default")]
    version: String,
}

impl GroupList {
    /// Group and version of every list to ask for, in the order of preference.
    pub(super) fn into_versions(self) -> Vec<(String, String)> {
        let mut versions = Vec::new();
        for group in self.groups {
            let preferred = group.preferred_version.version;
            let (first, rest): (Vec<_>, Vec<_>) = group
                .versions
                .into_iter()
                .map(|version| version.version)
                .partition(|version| *version == preferred);
            let in_order = first.into_iter().chain(rest);
            let named = in_order.filter(|version| !version.is_empty() && !group.name.is_empty());
            versions.extend(named.map(|version| (group.name.clone(), version)));
        }
        versions
    }
}

/// The resources of one group version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResourceList {
    #[serde(deserialize_with = "each_or_default")]
    resources: Vec<Resource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Resource {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    singular_name: String,
    #[serde(deserialize_with = "or_default")]
    namespaced: bool,
    #[serde(deserialize_with = "or_default")]
    kind: String,
    #[serde(deserialize_with = "each_or_default")]
    verbs: Vec<String>,
    #[serde(deserialize_with = "each_or_default")]
    short_names: Vec<String>,
}

impl ResourceList {
    /// The resources, without subresources (`pods/log`).
    pub(super) fn into_resources(self, group: &str, version: &str) -> Vec<DiscoveredResource> {
        let of_itself = |resource: &Resource| {
            !resource.kind.is_empty() && !resource.name.is_empty() && !resource.name.contains('/')
        };
        self.resources
            .into_iter()
            .filter(of_itself)
            .map(|resource| Found {
                group,
                version,
                kind: resource.kind,
                plural: resource.name,
                singular: resource.singular_name,
                short_names: resource.short_names,
                namespaced: resource.namespaced,
                verbs: resource.verbs,
            })
            .map(Found::into_discovered)
            .collect()
    }
}

/// What both forms say of a resource.
struct Found<'a> {
    group: &'a str,
    version: &'a str,
    kind: String,
    plural: String,
    singular: String,
    short_names: Vec<String>,
    namespaced: bool,
    verbs: Vec<String>,
}

impl Found<'_> {
    fn into_discovered(self) -> DiscoveredResource {
        // Some servers leave the singular name out; it is the kind in lower case.
        let singular = if self.singular.is_empty() {
            self.kind.to_lowercase()
        } else {
            self.singular
        };
        let kind = GroupVersionKind::gvk(self.group, self.version, &self.kind);
        DiscoveredResource {
            resource: ApiResource::from_gvk_with_plural(&kind, &self.plural),
            singular,
            short_names: self.short_names,
            namespaced: self.namespaced,
            verbs: self.verbs,
        }
    }
}

/// `apps/v1`, or `v1` in the core group.
pub(super) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// `null` where an element should be is an element without any fields.
fn each_or_default<'de, D, V>(deserializer: D) -> Result<Vec<V>, D::Error>
where
    D: serde::Deserializer<'de>,
    V: Default + Deserialize<'de>,
{
    let elements: Vec<Option<V>> = or_default(deserializer)?;
    let elements = elements.into_iter().map(Option::unwrap_or_default);
    Ok(elements.collect())
}

fn or_default<'de, D, V>(deserializer: D) -> Result<V, D::Error>
where
    D: serde::Deserializer<'de>,
    V: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_versions_come_last_and_are_told() {
        let text = r#"{"items":[{"metadata":{"name":"x.io"},"versions":[
            {"version":"v2","freshness":"Stale","resources":[
                {"resource":"things","responseKind":{"kind":"Thing"},"scope":"Cluster","verbs":null}]},
            {"version":"v1","resources":[
                {"resource":"things","responseKind":{"kind":"Thing"},"scope":"Namespaced"},
                {"resource":"kindless","responseKind":null}]}]}]}"#;
        let groups: AggregatedGroups = serde_json::from_str(text).unwrap();
        let (resources, stale) = groups.into_resources();
        let versions: Vec<_> = resources
            .iter()
            .map(|found| (found.resource.api_version.as_str(), found.namespaced))
            .collect();
        assert_eq!(versions, [("x.io/v1", true), ("x.io/v2", false)]);
        assert_eq!(resources[0].singular, "thing");
        assert_eq!(stale, ["x.io/v2 (stale)"]);
    }

    #[test]
    fn null_is_the_zero_value_everywhere() {
        let text = r#"{"kind":null,"metadata":null,"items":[null,{"metadata":null,"versions":null},
            {"metadata":{"name":null},"versions":[null,{"version":"v1","freshness":null,"resources":[
                null,{"resource":null,"responseKind":{"kind":null},"verbs":[null]},
                {"resource":"pods","responseKind":{"kind":"Pod","group":null},"singularResource":null,
                 "scope":null,"shortNames":null,"subresources":null,"verbs":["list",null]}]}]}]}"#;
        let groups: AggregatedGroups = serde_json::from_str(text).unwrap();
        let (resources, stale) = groups.into_resources();
        assert!(stale.is_empty());
        let names: Vec<_> = resources
            .iter()
            .map(DiscoveredResource::full_name)
            .collect();
        assert_eq!(names, ["pods"]);

        let text = r#"{"groups":[null,{"name":null,"versions":[null],"preferredVersion":null},
            {"name":"x.io","versions":[{"version":"v1"},null],"preferredVersion":{"version":null}}]}"#;
        let groups: GroupList = serde_json::from_str(text).unwrap();
        let versions = groups.into_versions();
        assert_eq!(versions, [("x.io".to_owned(), "v1".to_owned())]);

        let text = r#"{"versions":[null,"v1"]}"#;
        let core: CoreVersions = serde_json::from_str(text).unwrap();
        assert_eq!(core.into_versions(), [(String::new(), "v1".to_owned())]);

        let text = r#"{"resources":[null,{"name":null,"kind":"Pod"},{"name":"pods","kind":null},
            {"name":"pods","singularName":null,"namespaced":null,"kind":"Pod","verbs":null}]}"#;
        let list: ResourceList = serde_json::from_str(text).unwrap();
        assert_eq!(list.into_resources("", "v1").len(), 1);
    }

    #[test]
    fn the_preferred_version_comes_first() {
        let text = r#"{"groups":[{"name":"x.io","versions":[
            {"groupVersion":"x.io/v1","version":"v1"},{"groupVersion":"x.io/v2","version":"v2"}],
            "preferredVersion":{"groupVersion":"x.io/v2","version":"v2"}}]}"#;
        let groups: GroupList = serde_json::from_str(text).unwrap();
        let pair = |version: &str| ("x.io".to_owned(), version.to_owned());
        assert_eq!(groups.into_versions(), [pair("v2"), pair("v1")]);
    }
}

//! Which request a method and a path are: URLs into routes, without looking at what is served.

use crate::collection::query::decode;

/// A path, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// `/`
    Root,
    /// `/version`
    Version,
    /// `/metrics`
    Metrics,
    /// `/healthz`, `/livez`, `/readyz`; the name is without the slash.
    Health(String),
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/{group}`
    Group(String),
    /// `/api/v1` or `/apis/{group}/{version}`
    Resources(GroupVersion),
    /// `/openapi/v3`
    OpenApiIndex,
    /// `/openapi/v3/api/v1` or `/openapi/v3/apis/{group}/{version}`
    OpenApi(GroupVersion),
    /// A collection or an object of it.
    Resource(Target),
    /// Anything else.
    Unknown,
}

/// A group and a version; the group is empty for the core.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct GroupVersion {
    pub(crate) group: String,
    pub(crate) version: String,
}

/// What a resource URL names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) of: GroupVersion,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Route {
    /// Reads a path, which is still percent-encoded.
    pub(crate) fn parse(path: &str) -> Self {
        let parts: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .map(|part| decode(part, false))
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [""] => Self::Root,
            ["version"] => Self::Version,
            ["metrics"] => Self::Metrics,
            [endpoint @ ("healthz" | "livez" | "readyz"), ..] => {
                Self::Health((*endpoint).to_owned())
            }
            ["api"] => Self::CoreVersions,
            ["apis"] => Self::Groups,
            ["apis", group] => Self::Group((*group).to_owned()),
            ["api", version] => Self::Resources(core(version)),
            ["apis", group, version] => Self::Resources(named(group, version)),
            ["openapi", "v3"] => Self::OpenApiIndex,
            ["openapi", "v3", "api", version] => Self::OpenApi(core(version)),
            ["openapi", "v3", "apis", group, version] => Self::OpenApi(named(group, version)),
            ["api", version, rest @ ..] => resource(core(version), rest),
            ["apis", group, version, rest @ ..] => resource(named(group, version), rest),
            _ => Self::Unknown,
        }
    }
}

fn core(version: &str) -> GroupVersion {
    named("", version)
}

fn named(group: &str, version: &str) -> GroupVersion {
    GroupVersion {
        group: group.to_owned(),
        version: version.to_owned(),
    }
}

/// Subresources of a namespace itself; anything else behind its name is a collection inside it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

fn resource(of: GroupVersion, parts: &[&str]) -> Route {
    // Keys are made of names: what would change a key's meaning names nothing.
    let impossible = |part: &&str| matches!(*part, "" | "." | "..") || part.contains(['/', '%']);
    if parts.iter().any(impossible) {
        return Route::Unknown;
    }
    // The old form of watches, `/api/v1/watch/pods`, is not served.
    if parts.first() == Some(&"watch") {
        return Route::Unknown;
    }
    let core = of.group.is_empty();
    let (namespace, rest) = match parts {
        ["namespaces"] | ["namespaces", _] => (None, parts),
        ["namespaces", _, sub] if core && NAMESPACE_SUBRESOURCES.contains(sub) => (None, parts),
        ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
        _ => (None, parts),
    };
    let (plural, name, subresource) = match *rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(name), None),
        [plural, name, subresource] => (plural, Some(name), Some(subresource)),
        _ => return Route::Unknown,
    };
    Route::Resource(Target {
        of,
        plural: plural.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        subresource: subresource.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: (&str, Option<&str>, Option<&str>, Option<&str>)) {
        let Route::Resource(target) = Route::parse(path) else {
            panic!("{path} is not a resource");
        };
        let found = (
            target.plural.as_str(),
            target.namespace.as_deref(),
            target.name.as_deref(),
            target.subresource.as_deref(),
        );
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn resource_urls_name_their_parts() {
        check("/api/v1/pods", ("pods", None, None, None));
        check("/api/v1/pods/", ("pods", None, None, None));
        check("/api/v1/namespaces/a/pods", ("pods", Some("a"), None, None));
        check(
            "/api/v1/namespaces/a/pods/b",
            ("pods", Some("a"), Some("b"), None),
        );
        check(
            "/api/v1/namespaces/a/pods/b/status",
            ("pods", Some("a"), Some("b"), Some("status")),
        );
        check("/api/v1/namespaces", ("namespaces", None, None, None));
        check(
            "/api/v1/namespaces/a",
            ("namespaces", None, Some("a"), None),
        );
        check(
            "/api/v1/namespaces/a/status",
            ("namespaces", None, Some("a"), Some("status")),
        );
        check("/api/v1/nodes/watch", ("nodes", None, Some("watch"), None));
        check("/api/v1/nodes/n%2D1", ("nodes", None, Some("n-1"), None));
        check(
            "/apis/apps/v1/namespaces/a/deployments",
            ("deployments", Some("a"), None, None),
        );
    }

    #[test]
    fn other_urls_are_what_they_are() {
        assert_eq!(Route::parse("/"), Route::Root);
        assert_eq!(Route::parse("/apis/apps"), Route::Group("apps".to_owned()));
        assert_eq!(
            Route::parse("/apis/apps/v1"),
            Route::Resources(named("apps", "v1"))
        );
        assert_eq!(
            Route::parse("/openapi/v3/api/v1"),
            Route::OpenApi(core("v1"))
        );
        assert_eq!(
            Route::parse("/readyz/etcd"),
            Route::Health("readyz".to_owned())
        );
        for path in [
            "/nothing",
            "/api/v1/a/b/c/d",
            "/api/v1/pods/..",
            "/api/v1//pods",
        ] {
            assert_eq!(Route::parse(path), Route::Unknown, "{path}");
        }
    }
}

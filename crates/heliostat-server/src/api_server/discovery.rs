//! Discovery, version and OpenAPI documents: how clients find out what is served.
//!
//! Legacy and aggregated discovery tell the same facts from the registry. The OpenAPI documents
//! hold just the PATCH operations: enough for kubectl to leave validation to the server.

use serde::Serialize;
use serde_json::{Value, json};

use super::patch;
use super::route::GroupVersion;
use crate::collection::kind::Kind;
use crate::collection::registry::Registry;

/// The Kubernetes minor version whose behaviour the server has.
const MINOR: &str = "36";

/// The content type of aggregated discovery, which clients look at to tell it from the legacy one.
pub(crate) const AGGREGATED_TYPE: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const STATUS_VERBS: &[&str] = &["get", "patch", "update"];

/// What can be done in a mirror, whose subresources are parts of the objects.
const READ_VERBS: &[&str] = &["get", "list", "watch"];

fn verbs(registry: &Registry) -> &'static [&'static str] {
    match registry.is_read_only() {
        true => READ_VERBS,
        false => VERBS,
    }
}

/// A document as one line of JSON with the newline at its end.
pub(crate) fn line(document: &impl Serialize) -> Vec<u8> {
    // Documents are maps with text keys, which always serialize.
    let mut bytes = serde_json::to_vec(document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceList<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    group_version: &'a str,
    resources: Vec<Resource<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    name: String,
    singular_name: &'a str,
    namespaced: bool,
    kind: &'a str,
    verbs: &'static [&'static str],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    short_names: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    categories: &'a [String],
}

/// `/api/v1` and `/apis/{group}/{version}`; `None` if nothing is served there.
pub(crate) fn resources(registry: &Registry, of: &GroupVersion) -> Option<Vec<u8>> {
    let kinds: Vec<&Kind> = registry
        .of_version(&of.group, &of.version)
        .map(|kind| &**kind)
        .collect();
    let group_version = kinds.first()?.api_version();
    let resources = kinds.iter().flat_map(|kind| {
        let main = Resource {
            name: kind.plural().to_owned(),
            singular_name: kind.singular(),
            namespaced: kind.is_namespaced(),
            kind: kind.kind(),
            verbs: verbs(registry),
            short_names: kind.short_names(),
            categories: kind.categories(),
        };
        let has_status = kind.has_status() && !registry.is_read_only();
        let status = has_status.then(|| Resource {
            name: format!("{}/status", kind.plural()),
            singular_name: "",
            verbs: STATUS_VERBS,
            short_names: &[],
            categories: &[],
            ..main
        });
        [
            Some(Resource {
                name: kind.plural().to_owned(),
                ..main
            }),
            status,
        ]
    });
    Some(line(&ResourceList {
        kind: "APIResourceList",
        // The core list is older than the field and never got it.
        api_version: (!of.group.is_empty()).then_some("v1"),
        group_version,
        resources: resources.flatten().collect(),
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiVersions {
    kind: &'static str,
    versions: [&'static str; 1],
    #[serde(rename = "serverAddressByClientCIDRs")]
    addresses: [Value; 1],
}

/// `/api`
pub(crate) fn core_versions(address: &str) -> Vec<u8> {
    line(&ApiVersions {
        kind: "APIVersions",
        versions: ["v1"],
        addresses: [json!({"clientCIDR": "0.0.0.0/0", "serverAddress": address})],
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupList {
    kind: &'static str,
    api_version: &'static str,
    groups: Vec<Group>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    name: String,
    versions: Vec<Version>,
    preferred_version: Version,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    group_version: String,
    version: String,
}

impl Group {
    fn new(name: &str, versions: &[&str]) -> Option<Self> {
        let versions: Vec<Version> = versions
            .iter()
            .map(|version| Version {
                group_version: format!("{name}/{version}"),
                version: (*version).to_owned(),
            })
            .collect();
        let preferred_version = versions.first()?.clone();
        Some(Self {
            kind: None,
            api_version: None,
            name: name.to_owned(),
            versions,
            preferred_version,
        })
    }
}

/// `/apis`
pub(crate) fn groups(registry: &Registry) -> Vec<u8> {
    let groups = named_groups(registry)
        .filter_map(|(name, versions)| Group::new(name, &versions))
        .collect();
    line(&GroupList {
        kind: "APIGroupList",
        api_version: "v1",
        groups,
    })
}

/// `/apis/{group}`; `None` if there is no such group.
pub(crate) fn group(registry: &Registry, name: &str) -> Option<Vec<u8>> {
    let (_, versions) = named_groups(registry).find(|(known, _)| *known == name)?;
    let group = Group::new(name, &versions)?;
    Some(line(&Group {
        kind: Some("APIGroup"),
        api_version: Some("v1"),
        ..group
    }))
}

fn named_groups(registry: &Registry) -> impl Iterator<Item = (&str, Vec<&str>)> {
    registry
        .groups()
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
}

/// `/api` (the core group) or `/apis` (all others) in the aggregated form.
pub(crate) fn aggregated(registry: &Registry, core: bool) -> Vec<u8> {
    let items: Vec<Value> = registry
        .groups()
        .into_iter()
        .filter(|(name, _)| name.is_empty() == core)
        .map(|(name, versions)| {
            let metadata = if core {
                json!({})
            } else {
                json!({"name": name})
            };
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = registry
                        .of_version(name, version)
                        .map(|kind| aggregated_resource(kind, registry))
                        .collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    line(&json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }))
}

fn aggregated_resource(kind: &Kind, registry: &Registry) -> Value {
    let response = json!({"group": kind.group(), "version": kind.version(), "kind": kind.kind()});
    let mut resource = json!({
        "resource": kind.plural(),
        "responseKind": response,
        "scope": if kind.is_namespaced() { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular(),
        "verbs": verbs(registry),
    });
    if !kind.short_names().is_empty() {
        resource["shortNames"] = json!(kind.short_names());
    }
    if !kind.categories().is_empty() {
        resource["categories"] = json!(kind.categories());
    }
    if kind.has_status() && !registry.is_read_only() {
        resource["subresources"] = json!([
            {"subresource": "status", "responseKind": response, "verbs": STATUS_VERBS},
        ]);
    }
    resource
}

/// A name for the content of a document, for `ETag` and cache-busting links: 64-bit FNV-1a. Clients
/// only compare it.
pub(crate) fn etag(document: &[u8]) -> String {
    let hash = document
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016X}")
}

/// `/version`, pretty-printed as real servers do.
pub(crate) fn version() -> Vec<u8> {
    format!(
        "{{\n  \"major\": \"1\",\n  \"minor\": \"{MINOR}\",\n  \"gitVersion\": \
         \"v1.{MINOR}.0-heliostat.{}\",\n  \"gitCommit\": \"\",\n  \"gitTreeState\": \"\",\n  \
         \"buildDate\": \"1970-01-01T00:00:00Z\",\n  \"goVersion\": \"\",\n  \"compiler\": \
         \"rustc\",\n  \"platform\": \"{}/{}\"\n}}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
    .into_bytes()
}

/// `/`: the paths there are.
pub(crate) fn root(registry: &Registry) -> Vec<u8> {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (group, versions) in named_groups(registry) {
        paths.push(format!("/apis/{group}"));
        paths.extend(
            versions
                .iter()
                .map(|version| format!("/apis/{group}/{version}")),
        );
    }
    paths.extend(["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    line(&json!({"paths": paths}))
}

/// `/openapi/v3`: one link for each group version.
pub(crate) fn openapi_index(registry: &Registry) -> Vec<u8> {
    let mut paths = serde_json::Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let of = GroupVersion {
                group: group.to_owned(),
                version: version.to_owned(),
            };
            let path = path_of(&of);
            let hash = etag(&openapi(registry, &of).unwrap_or_default());
            let link = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path, json!({"serverRelativeURL": link}));
        }
    }
    line(&json!({"paths": paths}))
}

/// The document of one group version; `None` if nothing is served there.
pub(crate) fn openapi(registry: &Registry, of: &GroupVersion) -> Option<Vec<u8>> {
    let mut paths = serde_json::Map::new();
    let mut schemas = serde_json::Map::new();
    for kind in registry.of_version(&of.group, &of.version) {
        let namespace = if kind.is_namespaced() {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        let path = format!("/{}{namespace}/{}/{{name}}", path_of(of), kind.plural());
        paths.insert(path, json!({"patch": patch_operation(kind)}));
        schemas.insert(
            format!("{}.{}", of.version, kind.kind()),
            json!({
                "type": "object",
                "x-kubernetes-group-version-kind": [gvk(kind)],
                "x-kubernetes-preserve-unknown-fields": true,
            }),
        );
    }
    (!paths.is_empty()).then(|| {
        line(&json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": format!("v1.{MINOR}.0")},
            "paths": paths,
            "components": {"schemas": schemas},
        }))
    })
}

fn gvk(kind: &Kind) -> Value {
    json!({"group": kind.group(), "version": kind.version(), "kind": kind.kind()})
}

fn patch_operation(kind: &Kind) -> Value {
    let [json_patch, merge, strategic] = patch::MEDIA_TYPES;
    let mut content = json!({json_patch: {}, merge: {}});
    if !kind.is_custom() {
        content[strategic] = json!({});
    }
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    json!({
        "operationId": format!("patch{}", kind.kind()),
        "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
        "requestBody": {"content": content, "required": true},
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": gvk(kind),
    })
}

fn path_of(of: &GroupVersion) -> String {
    if of.group.is_empty() {
        format!("api/{}", of.version)
    } else {
        format!("apis/{}/{}", of.group, of.version)
    }
}

//! Asking a server what it serves: two aggregated documents, or list by list.

use futures_util::future;
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use heliostat_core::error::{DecodeError, SourceError};

use super::document::{AggregatedGroups, CoreVersions, GroupList, ResourceList, group_version};
use super::{DiscoveredResource, Discovery};
use crate::source::kube::body::chunks;
use crate::source::kube::cluster::{Answer, Ask, Cluster, Compression};

/// The aggregated form first, the older form for servers before 1.27 and for small ones.
const ACCEPT_AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// The parameters by which an answer says that it is of the aggregated form.
const AGGREGATED_PARAMETERS: [&str; 3] =
    ["g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"];

/// How large a discovery document may be. A cluster with thousands of custom resources has a few
/// megabytes.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many of the older lists are asked for at a time.
const LISTS_AT_ONCE: usize = 8;

/// Reads both roots. One of them may be missing: a small server has no groups, an extension server
/// has no core.
pub(super) async fn discover(cluster: &Cluster) -> Result<Discovery, SourceError> {
    let (core, groups) = future::join(
        read_root(cluster, Root::Core),
        read_root(cluster, Root::Groups),
    )
    .await;
    let mut discovery = Discovery::default();
    match (core, groups) {
        (Err(error), Err(_)) => return Err(error),
        (core, groups) => {
            for (root, part) in [(Root::Core, core), (Root::Groups, groups)] {
                match part {
                    Ok(part) => {
                        discovery.resources.extend(part.resources);
                        discovery.undiscovered.extend(part.undiscovered);
                    }
                    Err(error) if is_missing(&error) => {}
                    Err(error) => discovery
                        .undiscovered
                        .push(format!("{} ({error})", root.path())),
                }
            }
        }
    }
    Ok(discovery)
}

#[derive(Clone, Copy)]
enum Root {
    Core,
    Groups,
}

impl Root {
    const fn path(self) -> &'static str {
        match self {
            Self::Core => "/api",
            Self::Groups => "/apis",
        }
    }
}

async fn read_root(cluster: &Cluster, root: Root) -> Result<Discovery, SourceError> {
    let answer = ask(cluster, root.path(), ACCEPT_AGGREGATED).await?;
    if is_aggregated(answer.response.headers()) {
        let document: AggregatedGroups = read(answer).await?;
        let (resources, undiscovered) = document.into_resources();
        return Ok(Discovery {
            resources,
            undiscovered,
        });
    }
    let versions = match root {
        Root::Core => {
            let document: CoreVersions = read(answer).await?;
            let of_core = |version| (String::new(), version);
            document.versions.into_iter().map(of_core).collect()
        }
        Root::Groups => read::<GroupList>(answer).await?.into_versions(),
    };
    Ok(read_lists(cluster, versions).await)
}

/// Reads the list of every group version, several at a time, and keeps their order.
async fn read_lists(cluster: &Cluster, versions: Vec<(String, String)>) -> Discovery {
    let mut lists = stream::iter(versions)
        .map(|(group, version)| async move {
            let list = read_list(cluster, &group, &version).await;
            list.map_err(|error| format!("{} ({error})", group_version(&group, &version)))
        })
        .buffered(LISTS_AT_ONCE);
    let mut discovery = Discovery::default();
    while let Some(list) = lists.next().await {
        match list {
            Ok(resources) => discovery.resources.extend(resources),
            Err(reason) => discovery.undiscovered.push(reason),
        }
    }
    discovery
}

async fn read_list(
    cluster: &Cluster,
    group: &str,
    version: &str,
) -> Result<Vec<DiscoveredResource>, SourceError> {
    let root = if group.is_empty() { "/api" } else { "/apis" };
    let path = format!("{root}/{}", group_version(group, version));
    let answer = ask(cluster, &path, "application/json").await?;
    let list: ResourceList = read(answer).await?;
    Ok(list.into_resources(group, version))
}

async fn ask(cluster: &Cluster, path: &str, accept: &'static str) -> Result<Answer, SourceError> {
    let ask = Ask {
        target: path,
        named: path,
        accept,
        expected: "discovery document",
        compression: Compression::Allowed,
    };
    cluster.get(ask).await
}

async fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, SourceError> {
    let mut chunks = chunks(answer.response);
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| answer.line.read_failed(error))?;
        if bytes.len() + chunk.len() > DOCUMENT_BYTES_MAX {
            return Err(DecodeError::TooLarge {
                what: "discovery document",
                limit: DOCUMENT_BYTES_MAX,
            }
            .into());
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        DecodeError::Malformed {
            what: "discovery document",
            offset: 0,
            reason: error.to_string(),
        }
        .into()
    })
}

/// True if the answer carries all three parameters, in any order, among any others.
fn is_aggregated(headers: &HeaderMap) -> bool {
    let Some(Ok(content_type)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let has = |wanted: &&str| content_type.split(';').any(|found| found.trim() == *wanted);
    AGGREGATED_PARAMETERS.iter().all(has)
}

fn is_missing(error: &SourceError) -> bool {
    error
        .status()
        .is_some_and(heliostat_core::status::Status::is_not_found)
}

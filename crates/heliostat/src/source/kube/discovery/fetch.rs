//! Asking a server what it serves: two aggregated documents, or list by list.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use futures_util::stream::{self, StreamExt};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use heliostat_core::error::{DecodeError, SourceError, TransportError, TransportErrorKind};
use heliostat_core::status::Status;
use heliostat_core::wire::json::header::RawHeader;

use super::document::{AggregatedGroups, CoreVersions, GroupList, ResourceList, group_version};
use super::{DiscoveredResource, Discovery};
use crate::source::kube::body::chunks;
use crate::source::kube::cluster::{Ask, Cluster, Compression};
use crate::source::kube::failure::RequestLine;

/// The aggregated form first, the older form for servers before 1.27 and for small ones.
const ACCEPT_AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// The parameters by which an answer says that it is of the aggregated form.
const AGGREGATED_PARAMETERS: [&str; 3] =
    ["g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"];

/// How large a discovery document may be. A cluster with thousands of custom resources has a few
/// megabytes.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a document may take, from its request to its last byte. Servers answer from memory; one
/// that takes longer usually waits for an extension server that is gone.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many of the older lists are asked for at a time. The groups of an extension server that is
/// gone all take their full time.
const LISTS_AT_ONCE: usize = 32;

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
        (Err(core), Err(groups)) => return Err(if is_missing(&core) { groups } else { core }),
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
    let document = fetch(cluster, root.path(), ACCEPT_AGGREGATED).await?;
    if document.is_aggregated {
        let (resources, undiscovered) = document.parse::<AggregatedGroups>()?.into_resources();
        return Ok(Discovery {
            resources,
            undiscovered,
        });
    }
    let versions = match root {
        Root::Core => document.parse::<CoreVersions>()?.into_versions(),
        Root::Groups => document.parse::<GroupList>()?.into_versions(),
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
    let document = fetch(cluster, &path, "application/json").await?;
    let list: ResourceList = document.parse()?;
    Ok(list.into_resources(group, version))
}

/// A document as it came.
struct Document {
    is_aggregated: bool,
    bytes: Vec<u8>,
}

/// Reads a document, within [`DOCUMENT_TIMEOUT`].
async fn fetch(
    cluster: &Cluster,
    path: &str,
    accept: &'static str,
) -> Result<Document, SourceError> {
    let reading = read(cluster, path, accept);
    match tokio::time::timeout(DOCUMENT_TIMEOUT, reading).await {
        Ok(result) => result,
        Err(_) => {
            let line = RequestLine::new(path, cluster.server().map(Arc::from));
            let seconds = DOCUMENT_TIMEOUT.as_secs();
            let message = format!("{line}: no whole answer within {seconds} s");
            Err(TransportError::new(TransportErrorKind::TimedOut, message).into())
        }
    }
}

async fn read(
    cluster: &Cluster,
    path: &str,
    accept: &'static str,
) -> Result<Document, SourceError> {
    let ask = Ask {
        target: path,
        named: path,
        accept,
        expected: WHAT,
        compression: Compression::Allowed,
    };
    let answer = cluster.get(ask).await?;
    let is_aggregated = is_aggregated(answer.response.headers());
    let mut chunks = chunks(answer.response);
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| answer.line.read_failed(error))?;
        if bytes.len() + chunk.len() > DOCUMENT_BYTES_MAX {
            return Err(DecodeError::TooLarge {
                what: WHAT,
                limit: DOCUMENT_BYTES_MAX,
            }
            .into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Document {
        is_aggregated,
        bytes,
    })
}

/// What is being read, for messages.
const WHAT: &str = "discovery document";

impl Document {
    /// Decodes the document. `null` is an empty one, and a `Status` is that refusal.
    fn parse<T: DeserializeOwned + Default>(&self) -> Result<T, SourceError> {
        if RawHeader::read_kind(&self.bytes).kind.as_deref() == Some("Status")
            && let Some(status) = Status::parse(&self.bytes)
        {
            return Err(status.into());
        }
        let document: Result<Option<T>, _> = serde_json::from_slice(&self.bytes);
        document.map(Option::unwrap_or_default).map_err(|error| {
            DecodeError::Malformed {
                what: WHAT,
                offset: 0,
                reason: error.to_string(),
            }
            .into()
        })
    }
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
    error.status().is_some_and(Status::is_not_found)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    use futures_util::future::BoxFuture;
    use http::{Request, Response};
    use kube_client::client::Body;
    use tokio::time::Instant;
    use tower::Service;

    use super::*;

    /// A server with three groups in the older form, one of which never answers.
    #[derive(Clone)]
    struct OneSilentGroup;

    impl Service<Request<Body>> for OneSilentGroup {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let document = match request.uri().path() {
                "/api" => r#"{"kind":"APIVersions","versions":["v1"]}"#,
                "/api/v1" => {
                    r#"{"resources":[{"name":"pods","kind":"Pod","verbs":["list","watch"]}]}"#
                }
                "/apis" => {
                    r#"{"groups":[{"name":"silent.io","versions":[{"version":"v1"}]},
                        {"name":"refusing.io","versions":[{"version":"v1"}]},
                        {"name":"x.io","versions":[{"version":"v1"}]}]}"#
                }
                "/apis/refusing.io/v1" => {
                    r#"{"kind":"Status","apiVersion":"v1","code":503,"message":"not yet"}"#
                }
                "/apis/x.io/v1" => {
                    r#"{"resources":[{"name":"things","kind":"Thing","verbs":["list","watch"]}]}"#
                }
                _ => return Box::pin(future::pending()),
            };
            let body = Body::from(document.as_bytes().to_vec());
            Box::pin(async { Ok(Response::new(body)) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_never_answers_is_named_and_the_others_work() {
        let cluster = Cluster::from(kube_client::Client::new(OneSilentGroup, "default"));
        let started = Instant::now();
        let discovery = discover(&cluster).await.unwrap();
        assert_eq!(started.elapsed(), DOCUMENT_TIMEOUT);
        assert!(discovery.resolve("pods").is_ok());
        assert!(discovery.resolve("things.x.io").is_ok());
        assert_eq!(
            discovery.undiscovered(),
            [
                "silent.io/v1 (GET /apis/silent.io/v1: no whole answer within 10 s)",
                "refusing.io/v1 (not yet (503))",
            ]
        );
        let error = discovery.resolve("widgets").unwrap_err().to_string();
        assert!(error.contains("silent.io/v1"), "{error}");
    }

    /// Answers nothing at all.
    #[derive(Clone)]
    struct Silent;

    impl Service<Request<Body>> for Silent {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            Box::pin(future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_an_error() {
        let cluster = Cluster::from(kube_client::Client::new(Silent, "default"));
        let error = discover(&cluster).await.unwrap_err();
        assert_eq!(error.class(), "timed_out");
    }
}

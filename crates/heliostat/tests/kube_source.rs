//! The Kubernetes source against recorded answers of a real API server, and against a server that
//! misbehaves in every way a network has.
#![cfg(feature = "kube")]

#[path = "reflector/lines.rs"]
mod lines;

#[path = "kube_source/server.rs"]
mod server;

#[path = "kube_source/lists.rs"]
mod lists;

#[path = "kube_source/watches.rs"]
mod watches;

#[path = "kube_source/errors.rs"]
mod errors;

#[path = "kube_source/faults.rs"]
mod faults;

#[path = "kube_source/requests.rs"]
mod requests;

#[path = "kube_source/encodings.rs"]
mod encodings;

#[path = "kube_source/protobuf.rs"]
mod protobuf;

#[path = "kube_source/either_encoding.rs"]
mod either_encoding;

#[path = "kube_source/metadata_only.rs"]
mod metadata_only;

#[path = "kube_source/polling.rs"]
mod polling;

#[path = "kube_source/discovery.rs"]
mod discovery;

#[path = "kube_source/logs.rs"]
mod logs;

#[path = "kube_source/connection.rs"]
mod connection;

#[cfg(unix)]
#[path = "kube_source/credentials.rs"]
mod credentials;

use std::path::Path;

use futures_util::StreamExt;
use heliostat::ListerWatcher;
use heliostat::source::kube::{Cluster, Connection, KubeSource};
use heliostat_core::error::SourceError;
use heliostat_core::event::{Item, ListMetadata, ListPart, WatchEvent};
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::raw::RawObject;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};

use server::{Reply, Server};

/// A part of a recorded answer: `request`, `headers` or `body`.
fn capture(name: &str, part: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let path = folder.join(format!("{name}.{part}"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn connect(url: &str) -> Cluster {
    Connection::new().server(url).connect().await.unwrap()
}

async fn config_maps(server: &Server) -> KubeSource<ConfigMap> {
    KubeSource::new(connect(&server.url).await).namespace("cap")
}

async fn config_map_metadata(server: &Server) -> KubeSource<PartialObjectMeta<ConfigMap>> {
    KubeSource::new(connect(&server.url).await).namespace("cap")
}

async fn dynamic(server: &Server, path: [&str; 4]) -> KubeSource<DynamicObject> {
    let [group, version, kind, plural] = path;
    let kind = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    KubeSource::of(connect(&server.url).await, &resource).namespace("cap")
}

async fn widgets(server: &Server) -> KubeSource<DynamicObject> {
    dynamic(server, ["example.com", "v1", "Widget", "widgets"]).await
}

async fn raw(server: &Server) -> KubeSource<RawObject> {
    config_maps(server).await.raw()
}

/// A whole page of a list.
struct Page<T> {
    metadata: Option<ListMetadata>,
    items: Vec<Item<T>>,
    end: Result<(), SourceError>,
}

impl<T> Page<T> {
    /// The keys of the items that could be decoded.
    fn keys(&self) -> Vec<&str> {
        let decoded = self.items.iter().filter_map(|item| item.as_ref().ok());
        decoded.map(|entry| entry.key().as_str()).collect()
    }
}

/// Lists with default options.
async fn list<T: Send + Sync + 'static>(source: &KubeSource<T>) -> Page<T> {
    list_with(source, ListOptions::default()).await
}

/// An error of the request is the end of an empty page.
async fn list_with<T: Send + Sync + 'static>(
    source: &KubeSource<T>,
    options: ListOptions,
) -> Page<T> {
    let mut page = Page {
        metadata: None,
        items: Vec::new(),
        end: Ok(()),
    };
    let mut parts = match source.list(options).await {
        Ok(parts) => parts,
        Err(error) => {
            page.end = Err(error);
            return page;
        }
    };
    while let Some(part) = parts.next().await {
        assert!(page.end.is_ok(), "something came after an error");
        match part {
            Ok(ListPart::Metadata(metadata)) => page.metadata = Some(metadata),
            Ok(ListPart::Items(items)) => page.items.extend(items),
            Err(error) => page.end = Err(error),
        }
    }
    page
}

/// Watches with default options, to the end.
async fn watch<T: Send + Sync + 'static>(
    source: &KubeSource<T>,
) -> Result<(Vec<WatchEvent<T>>, Option<SourceError>), SourceError> {
    let mut stream = source.watch(WatchOptions::default()).await?;
    let mut events = Vec::new();
    let mut failure = None;
    while let Some(event) = stream.next().await {
        assert!(failure.is_none(), "something came after an error");
        match event {
            Ok(event) => events.push(event),
            Err(error) => failure = Some(error),
        }
    }
    Ok((events, failure))
}

/// One line for each event: what it is and of which object or version.
fn tell<T>(events: &[WatchEvent<T>]) -> Vec<String> {
    let tell = |event: &WatchEvent<T>| match event {
        WatchEvent::Added(entry) => change("added", entry),
        WatchEvent::Modified(entry) => change("modified", entry),
        WatchEvent::Deleted(entry) => change("deleted", entry),
        WatchEvent::Bookmark {
            resource_version,
            initial_events_end: false,
        } => format!("bookmark @{resource_version}"),
        WatchEvent::Bookmark {
            resource_version,
            initial_events_end: true,
        } => format!("end of initial events @{resource_version}"),
        WatchEvent::Error(status) => format!("error {}", status.code),
        WatchEvent::Unknown { event_type, .. } => format!("unknown {event_type}"),
        WatchEvent::Rejected(rejection) => format!("{rejection}"),
    };
    events.iter().map(tell).collect()
}

fn change<T>(what: &str, entry: &heliostat_core::object::Entry<T>) -> String {
    format!("{what} {} @{}", entry.key(), entry.header.resource_version)
}

/// A server that gives a recorded answer, cut by the seed.
async fn replay(name: &str, seed: u64) -> Server {
    let mut rng = heliostat_core::rng::Rng::seeded(seed);
    Server::always(Reply::capture(name).cut(&mut rng)).await
}

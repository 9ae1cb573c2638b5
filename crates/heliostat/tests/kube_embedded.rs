//! The Kubernetes source against the embedded API server: the same semantics, over real HTTP.
#![cfg(feature = "kube")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use heliostat::source::WatchStream;
use heliostat::source::kube::{Cluster, Connection, Discovery, KubeSource};
use heliostat::{Indexer, ListerWatcher, Reflector};
use heliostat_core::error::SourceError;
use heliostat_core::event::{ListMetadata, ListPart, RejectionReason, WatchEvent};
use heliostat_core::object::{Entry, GroupVersionKind};
use heliostat_core::options::{ListOptions, ResourceVersionMatch, WatchOptions};
use heliostat_core::raw::RawObject;
use heliostat_core::reflector::{BackoffConfig, ReflectorConfig};
use heliostat_core::status::Status;
use heliostat_core::version::ResourceVersion;
use heliostat_core::wire::Codec;
use heliostat_server::{ApiServer, Fault, FaultRule, Kind, RunningServer, Verb};
use k8s_openapi::api::core::v1::Pod;
use kube_core::{DynamicObject, PartialObjectMeta};
use serde_json::{Value, json};

fn pod(namespace: &str, name: &str, app: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "busybox"}]},
    })
}

/// A server with pods in two namespaces.
async fn running(server: ApiServer) -> (RunningServer, Cluster) {
    let pods = [
        pod("one", "a", "web"),
        pod("one", "b", "cart"),
        pod("two", "c", "web"),
    ];
    server.storage().load("pods", pods).unwrap();
    let running = server.serve_local().await.unwrap();
    let cluster = Connection::new()
        .server(running.url())
        .connect()
        .await
        .unwrap();
    (running, cluster)
}

/// The whole list as key and version, page by page.
async fn list<T: Send + Sync + 'static>(
    source: &KubeSource<T>,
    mut options: ListOptions,
) -> Result<(ListMetadata, Vec<Entry<T>>), SourceError> {
    let mut entries = Vec::new();
    loop {
        let mut parts = source.list(options.clone()).await?;
        let mut page = None;
        while let Some(part) = parts.next().await {
            match part? {
                ListPart::Metadata(metadata) => page = Some(metadata),
                ListPart::Items(items) => entries.extend(items.into_iter().map(Result::unwrap)),
            }
        }
        let page = page.unwrap();
        if page.continue_token.is_none() {
            return Ok((page, entries));
        }
        options.continue_token = page.continue_token;
        options.resource_version = ResourceVersion::UNSET;
    }
}

fn versions<T>(entries: &[Entry<T>]) -> BTreeMap<String, String> {
    let of_entry = |entry: &Entry<T>| {
        let version = entry.header.resource_version.to_string();
        (entry.key().to_string(), version)
    };
    entries.iter().map(of_entry).collect()
}

/// The next event as one line.
async fn next<T>(events: &mut WatchStream<T>) -> String {
    match events.next().await.unwrap().unwrap() {
        WatchEvent::Added(entry) => format!("added {}", entry.key()),
        WatchEvent::Modified(entry) => format!("modified {}", entry.key()),
        WatchEvent::Deleted(entry) => format!("deleted {}", entry.key()),
        WatchEvent::Bookmark {
            initial_events_end: true,
            ..
        } => "end of initial events".to_owned(),
        WatchEvent::Bookmark { .. } => "bookmark".to_owned(),
        WatchEvent::Error(status) => format!("error {}", status.code),
        WatchEvent::Unknown { event_type, .. } => format!("unknown {event_type}"),
        WatchEvent::Rejected(rejection) => rejection.to_string(),
    }
}

fn watch_from(version: &ResourceVersion) -> WatchOptions {
    WatchOptions {
        resource_version: version.clone(),
        allow_bookmarks: true,
        ..WatchOptions::default()
    }
}

#[tokio::test]
async fn lists_whole_and_in_pages_are_what_is_stored() {
    let (running, cluster) = running(ApiServer::builder().build()).await;
    let stored = running.storage().versions("pods").unwrap();
    let pods = KubeSource::<Pod>::new(&cluster);
    for limit in [None, Some(1), Some(2)] {
        let options = ListOptions {
            limit,
            ..ListOptions::default()
        };
        let (metadata, entries) = list(&pods, options).await.unwrap();
        assert_eq!(versions(&entries), stored);
        assert_eq!(
            metadata.resource_version,
            running.storage().revision().into()
        );
    }
    running.shutdown().await;
}

#[tokio::test]
async fn h_02_selectors_and_scopes_select() {
    let (running, cluster) = running(ApiServer::builder().build()).await;
    let keys = async |source: KubeSource<Pod>| {
        let (_, entries) = list(&source, ListOptions::default()).await.unwrap();
        versions(&entries).into_keys().collect::<Vec<_>>()
    };
    let one = || KubeSource::<Pod>::new(&cluster).namespace("one");
    assert_eq!(keys(one()).await, ["one/a", "one/b"]);
    assert_eq!(keys(one().labels("app in (web)")).await, ["one/a"]);
    assert_eq!(keys(one().fields("metadata.name=b")).await, ["one/b"]);
    let web = KubeSource::<Pod>::new(&cluster).labels("app=web");
    assert_eq!(keys(web).await, ["one/a", "two/c"]);
    running.shutdown().await;
}

#[tokio::test]
async fn a_watch_tells_what_came_changed_and_went() {
    let (running, cluster) = running(ApiServer::builder().build()).await;
    let pods = KubeSource::<Pod>::new(&cluster)
        .namespace("one")
        .labels("app=web");
    let (metadata, _) = list(&pods, ListOptions::default()).await.unwrap();
    let mut events = pods
        .watch(watch_from(&metadata.resource_version))
        .await
        .unwrap();
    let storage = running.storage();
    storage.create("pods", pod("one", "d", "web")).unwrap();
    storage.create("pods", pod("two", "e", "web")).unwrap();
    storage
        .merge_patch("pods", "one/d", json!({"status": {"phase": "Running"}}))
        .unwrap();
    storage
        .merge_patch(
            "pods",
            "one/a",
            json!({"metadata": {"labels": {"app": "other"}}}),
        )
        .unwrap();
    storage.delete("pods", "one/d").unwrap();
    for expected in [
        "added one/d",
        "modified one/d",
        "deleted one/a",
        "deleted one/d",
    ] {
        assert_eq!(next(&mut events).await, expected);
    }
    drop(events);
    running.wait_for_no_watches("pods").await;
    running.shutdown().await;
}

#[tokio::test]
async fn wl_03_a_watch_list_ends_its_initial_events() {
    let (running, cluster) = running(ApiServer::builder().build()).await;
    let options = WatchOptions {
        resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
        allow_bookmarks: true,
        send_initial_events: true,
        ..WatchOptions::default()
    };
    let typed = KubeSource::<Pod>::new(&cluster).namespace("one");
    let metadata = KubeSource::<PartialObjectMeta<Pod>>::new(&cluster).namespace("one");
    let mut typed = typed.watch(options.clone()).await.unwrap();
    let mut metadata = metadata.watch(options).await.unwrap();
    for expected in ["added one/a", "added one/b", "end of initial events"] {
        assert_eq!(next(&mut typed).await, expected);
        assert_eq!(next(&mut metadata).await, expected);
    }
    running.storage().delete("pods", "one/a").unwrap();
    assert_eq!(next(&mut typed).await, "deleted one/a");
    assert_eq!(next(&mut metadata).await, "deleted one/a");
    running.shutdown().await;
}

#[tokio::test]
async fn e_03_a_version_that_has_left_the_history_is_expired() {
    let server = ApiServer::builder().event_window(1).build();
    let (running, cluster) = running(server).await;
    let pods = KubeSource::<Pod>::new(&cluster);
    let mut events = pods.watch(watch_from(&1.into())).await.unwrap();
    assert_eq!(next(&mut events).await, "error 410");
    assert!(events.next().await.is_none());
    running.shutdown().await;
}

#[tokio::test]
async fn w_21_a_dropped_connection_ends_the_watch_and_nothing_else() {
    let (running, cluster) = running(ApiServer::builder().build()).await;
    let pods = KubeSource::<Pod>::new(&cluster);
    let (metadata, _) = list(&pods, ListOptions::default()).await.unwrap();
    let drop_watches = FaultRule::new(Fault::DropConnection).on(Verb::Watch).once();
    running.faults().inject(drop_watches);
    match pods.watch(watch_from(&metadata.resource_version)).await {
        Ok(mut events) => assert!(events.next().await.is_none()),
        Err(error) => assert_eq!(error.class(), "closed", "{error}"),
    }
    let mut events = pods
        .watch(watch_from(&metadata.resource_version))
        .await
        .unwrap();
    running.storage().delete("pods", "two/c").unwrap();
    assert_eq!(next(&mut events).await, "deleted two/c");
    running.shutdown().await;
}

#[tokio::test]
async fn wl_16_a_server_without_watch_lists_refuses_them() {
    let server = ApiServer::builder().watch_list(false).build();
    let (running, cluster) = running(server).await;
    let options = WatchOptions {
        resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
        allow_bookmarks: true,
        send_initial_events: true,
        ..WatchOptions::default()
    };
    let refused = KubeSource::<Pod>::new(&cluster).watch(options).await;
    let error = refused.err().unwrap();
    assert!(error.status().is_some_and(Status::is_invalid), "{error}");
    running.shutdown().await;
}

#[tokio::test]
async fn discovered_kinds_are_mirrored_as_dynamic_objects() {
    let widgets = Kind::custom("example.com", "v1", "Widget", "widgets");
    let server = ApiServer::builder().with_kind(widgets).build();
    let (running, cluster) = running(server).await;
    let widget = json!({"kind": "Widget", "apiVersion": "example.com/v1", "metadata": {"name": "w", "namespace": "one"}, "spec": {"size": 3}});
    running
        .storage()
        .create("widgets.example.com", widget)
        .unwrap();
    let discovery = Discovery::of(&cluster).await.unwrap();
    assert!(discovery.undiscovered().is_empty());
    for (name, full_name) in [
        ("po", "pods"),
        ("deployments.apps", "deployments.apps"),
        ("Widget", "widgets.example.com"),
        ("widgets.v1.example.com", "widgets.example.com"),
    ] {
        assert_eq!(discovery.resolve(name).unwrap().full_name(), full_name);
    }
    let found = discovery.resolve("widget").unwrap();
    let source = KubeSource::<DynamicObject>::of(&cluster, found);
    let (_, entries) = list(&source, ListOptions::default()).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].object.data["spec"]["size"], 3);
    assert_eq!(entries[0].object.types.as_ref().unwrap().kind, "Widget");
    running.shutdown().await;
}

/// Waits until the mirror has seen all that the server has, and compares the two.
async fn check_mirror<T>(pods: &Indexer<T>, running: &RunningServer) {
    let stored = running.storage().versions("pods").unwrap();
    let newest = stored
        .values()
        .filter_map(|version| version.parse().ok())
        .max();
    let newest: u64 = newest.unwrap();
    pods.wait_for(&newest.into()).await.unwrap();
    assert_eq!(versions(&pods.list()), stored);
}

#[tokio::test]
async fn a_mirror_is_what_the_server_holds_in_every_form() {
    let (running, cluster) = running(ApiServer::builder().build()).await;
    let (typed, pods) = Reflector::with_indexer(KubeSource::<Pod>::new(&cluster));
    let metadata = KubeSource::<PartialObjectMeta<Pod>>::new(&cluster);
    let (metadata, partial) = Reflector::with_indexer(metadata);
    // Raw objects come as protobuf.
    let raw = KubeSource::<Pod>::new(&cluster)
        .without_managed_fields()
        .raw();
    let (raw, bytes) = Reflector::with_indexer(raw);
    let slim = KubeSource::<PartialObjectMeta<Pod>>::new(&cluster).raw();
    let (slim, slim_bytes) = Reflector::with_indexer(slim);
    let (typed, metadata) = (typed.start(), metadata.start());
    let (raw, slim) = (raw.start(), slim.start());
    typed.wait_synced(Duration::MAX).await.unwrap();
    metadata.wait_synced(Duration::MAX).await.unwrap();
    raw.wait_synced(Duration::MAX).await.unwrap();
    slim.wait_synced(Duration::MAX).await.unwrap();
    check_mirror(&pods, &running).await;
    check_mirror(&partial, &running).await;
    check_mirror(&bytes, &running).await;
    check_mirror(&slim_bytes, &running).await;
    running.storage().delete("pods", "one/a").unwrap();
    running
        .storage()
        .create("pods", pod("two", "d", "web"))
        .unwrap();
    check_mirror(&pods, &running).await;
    check_mirror(&partial, &running).await;
    check_mirror(&bytes, &running).await;
    check_mirror(&slim_bytes, &running).await;
    assert!(
        pods.get(&"two/d".parse().unwrap())
            .unwrap()
            .object
            .spec
            .is_some()
    );
    let node = |store: &Indexer<RawObject>| {
        let pod = store.get(&"two/d".parse().unwrap()).unwrap().object;
        assert_eq!(pod.label("app").as_deref(), Some("web"));
        // Metadata alone has no such field.
        let node = pod.text(&"spec.nodeName".parse().unwrap()).ok().flatten();
        node.map(Cow::into_owned)
    };
    assert_eq!(node(&bytes).as_deref(), Some("n1"));
    assert_eq!(node(&slim_bytes), None);
    for mirror in [typed, metadata, raw, slim] {
        mirror.shutdown().await;
    }
    running.shutdown().await;
}

#[tokio::test]
async fn a_mirror_survives_dropped_connections_and_expiry() {
    let server = ApiServer::builder().event_window(4).build();
    let (running, cluster) = running(server).await;
    let (reflector, pods) = Reflector::with_indexer(KubeSource::<Pod>::new(&cluster));
    let backoff = BackoffConfig::exponential(Duration::from_millis(1), Duration::from_millis(5));
    let mirror = reflector
        .config(ReflectorConfig::default().backoff(backoff))
        .start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    for round in 0..5 {
        let drop_all = FaultRule::new(Fault::DropConnection).on(Verb::Watch).once();
        running.faults().inject(drop_all);
        for number in 0..8 {
            let name = format!("pod-{round}-{number}");
            running
                .storage()
                .create("pods", pod("one", &name, "web"))
                .unwrap();
        }
        running
            .storage()
            .delete("pods", &format!("one/pod-{round}-3"))
            .unwrap();
        running
            .storage()
            .merge_patch(
                "pods",
                "two/c",
                json!({"status": {"phase": format!("{round}")}}),
            )
            .unwrap();
        check_mirror(&pods, &running).await;
    }
    mirror.shutdown().await;
    running.shutdown().await;
}

#[tokio::test]
async fn managed_fields_are_left_out_where_nobody_wants_them() {
    let managed = json!([{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:a": {}}}]);
    let mut object = pod("one", "managed", "web");
    object["metadata"]["managedFields"] = managed;
    let (running, cluster) = running(ApiServer::builder().build()).await;
    running.storage().create("pods", object).unwrap();
    for (source, expected) in [
        (KubeSource::<Pod>::new(&cluster), 1),
        (KubeSource::<Pod>::new(&cluster).without_managed_fields(), 0),
    ] {
        let (reflector, store) = Reflector::with_indexer(source);
        let mirror = reflector.start();
        mirror.wait_synced(Duration::MAX).await.unwrap();
        let entry = store.get(&"one/managed".parse().unwrap()).unwrap();
        let count = entry
            .object
            .metadata
            .managed_fields
            .as_ref()
            .map_or(0, Vec::len);
        assert_eq!(count, expected);
        assert_eq!(entry.object.metadata.name.as_deref(), Some("managed"));
        mirror.shutdown().await;
    }
    running.shutdown().await;
}

/// Fails as no codec should.
struct Panics;

impl Codec for Panics {
    type Object = ();

    fn decode(
        &mut self,
        _: &[u8],
        _: Option<&GroupVersionKind>,
    ) -> Result<Entry<()>, RejectionReason> {
        panic!("the codec's fault")
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        None
    }
}

#[tokio::test]
async fn a_codec_that_panics_fails_its_answer_and_nothing_else() {
    let (running, cluster) = running(ApiServer::builder().build()).await;
    let broken = KubeSource::<Pod>::new(&cluster).decoded_with(|| Panics);
    let error = list(&broken, ListOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("the codec panicked"), "{error}");
    let (_, entries) = list(&KubeSource::<Pod>::new(&cluster), ListOptions::default())
        .await
        .unwrap();
    assert_eq!(entries.len(), 3);
    running.shutdown().await;
}

//! kube-rs against the server: its client, and its watcher in both modes, paged lists and
//! streaming lists.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::config_map;
use futures_util::{Stream, StreamExt as _, pin_mut};
use heliostat_server::{ApiServer, Fault, FaultRule, RunningServer, Verb};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube_client::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube_client::{Api, Client, Config};
use kube_runtime::watcher::{self, Event, watcher};
use serde_json::json;
use tokio::time::timeout;

/// Long enough for any machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

async fn serve() -> (RunningServer, Client) {
    let server = ApiServer::builder().build().serve_local().await.unwrap();
    let config = Config::new(server.url().parse().unwrap());
    (server, Client::try_from(config).unwrap())
}

#[tokio::test]
async fn the_typed_client_reads_and_writes() {
    let (server, client) = serve().await;
    let pods: Api<Pod> = Api::namespaced(client, "ns");
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"generateName": "web-"},
        "spec": {"containers": [{"name": "main"}]},
    }))
    .unwrap();
    let created = pods.create(&PostParams::default(), &pod).await.unwrap();
    let name = created.metadata.name.clone().unwrap();
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    assert_eq!(created.metadata.generation, Some(1));

    let status = json!({"status": {"phase": "Running"}});
    let patched = pods
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    assert_eq!(patched.status.unwrap().phase.as_deref(), Some("Running"));

    let error = pods
        .replace(&name, &PostParams::default(), &created)
        .await
        .unwrap_err();
    let kube_client::Error::Api(status) = error else {
        panic!("{error}")
    };
    assert!(status.is_conflict());

    let listed = pods.list(&ListParams::default().limit(500)).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let metadata = pods.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(
        metadata.items[0].metadata.name.as_deref(),
        Some(name.as_str())
    );
    pods.delete(&name, &DeleteParams::default()).await.unwrap();
    assert!(pods.get_opt(&name).await.unwrap().is_none());
    server.shutdown().await;
}

/// Feeds a mirror until it equals the server's state.
async fn mirror(
    events: &mut (impl Stream<Item = watcher::Result<Event<ConfigMap>>> + Unpin),
    mirror: &mut BTreeMap<String, String>,
    server: &RunningServer,
) {
    let key = |object: &ConfigMap| {
        let metadata = &object.metadata;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let key = format!("{}/{}", text(&metadata.namespace), text(&metadata.name));
        (key, text(&metadata.resource_version))
    };
    let mut fresh = None;
    let wanted = server.storage().versions("configmaps").unwrap();
    while *mirror != wanted || fresh.is_some() {
        match timeout(PATIENCE, events.next())
            .await
            .expect("an event comes")
            .unwrap()
        {
            Err(_) => {}
            Ok(Event::Init) => fresh = Some(BTreeMap::new()),
            Ok(Event::InitApply(object)) => {
                fresh.as_mut().unwrap().extend([key(&object)]);
            }
            Ok(Event::InitDone) => *mirror = fresh.take().unwrap(),
            Ok(Event::Apply(object)) => mirror.extend([key(&object)]),
            Ok(Event::Delete(object)) => {
                mirror.remove(&key(&object).0);
            }
        }
    }
}

async fn follows(config: watcher::Config) -> RunningServer {
    let (server, client) = serve().await;
    let storage = server.storage().clone();
    for index in 0..7 {
        storage
            .create("configmaps", config_map(&format!("cm-{index}"), "v"))
            .unwrap();
    }
    let events = watcher(Api::<ConfigMap>::all(client), config);
    pin_mut!(events);
    let mut state = BTreeMap::new();
    mirror(&mut events, &mut state, &server).await;
    storage
        .create("configmaps", config_map("new", "v"))
        .unwrap();
    storage
        .merge_patch("configmaps", "ns/cm-1", json!({"data": {"k": "w"}}))
        .unwrap();
    storage.delete("configmaps", "ns/cm-2").unwrap();
    mirror(&mut events, &mut state, &server).await;
    // A cut stream is resumed, an expired one listed again.
    server.faults().cut_watches(None);
    storage.delete("configmaps", "ns/cm-3").unwrap();
    mirror(&mut events, &mut state, &server).await;
    server.faults().inject(
        FaultRule::new(Fault::ExpiredEvent { after: 0 })
            .on(Verb::Watch)
            .once(),
    );
    server.faults().close_watches(None);
    storage.delete("configmaps", "ns/cm-4").unwrap();
    mirror(&mut events, &mut state, &server).await;
    assert_eq!(state.len(), 5);
    server
}

#[tokio::test]
async fn the_watcher_follows_by_list_and_watch() {
    let server = follows(watcher::Config::default().page_size(3)).await;
    let first = &server.requests()[0];
    assert!(
        first.verb() == Verb::List && first.query().contains("limit=3"),
        "{first:?}"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn the_watcher_follows_by_streaming_lists() {
    let server = follows(watcher::Config::default().streaming_lists()).await;
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.verb() == Verb::Watch)
    );
    server.shutdown().await;
}

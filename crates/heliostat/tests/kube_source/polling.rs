//! A resource that a server lists and does not watch.

use std::time::Duration;

use heliostat::source::kube::{Discovery, DynamicObject, KubeSource};
use heliostat::{ListerWatcher, Reflector};
use heliostat_core::error::SourceError;
use heliostat_core::reflector::ReflectorConfig;

use super::server::{Reply, Server};
use super::{connect, list, watch};

/// Metrics of pods, which change with every list and have no versions.
async fn metrics_server() -> Server {
    let lists = std::sync::atomic::AtomicU32::new(0);
    Server::start(move |target| match target {
        "/apis" => Reply::json(
            r#"{"groups":[{"name":"metrics.k8s.io","versions":[{"version":"v1beta1"}]}]}"#,
        ),
        "/apis/metrics.k8s.io/v1beta1" => Reply::json(
            r#"{"resources":[{"name":"pods","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]}"#,
        ),
        target if target.starts_with("/apis/metrics.k8s.io/v1beta1/pods") => {
            let number = lists.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Reply::json(format!(
                r#"{{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{{}},
                "items":[{{"metadata":{{"name":"a","namespace":"n"}},"number":{number}}}]}}"#
            ))
        }
        _ => Reply::capture("list-crd-missing"),
    })
    .await
}

async fn pod_metrics(server: &Server) -> KubeSource<DynamicObject> {
    let cluster = connect(&server.url).await;
    let discovery = Discovery::of(&cluster).await.unwrap();
    let found = discovery.resolve("podmetrics").unwrap();
    assert!(found.is_listable() && !found.is_watchable() && !found.is_mirrorable());
    KubeSource::of(&cluster, found)
}

#[tokio::test]
async fn it_is_listed_without_refusal_and_its_watch_says_what_to_set() {
    let server = metrics_server().await;
    let source = pod_metrics(&server).await;
    assert_eq!(list(&source).await.keys(), ["n/a"]);
    assert!(!source.supports_watch_list());
    let asked = server.seen().len();
    let error = watch(&source).await.unwrap_err();
    assert!(matches!(error, SourceError::Request(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("pods.metrics.k8s.io"), "{text}");
    assert!(text.contains("poll_interval"), "{text}");
    assert_eq!(server.seen().len(), asked);
}

#[tokio::test]
async fn one_list_syncs_a_mirror_of_it() {
    let server = metrics_server().await;
    let (reflector, store) = Reflector::with_indexer(pod_metrics(&server).await);
    let mirror = reflector.start();
    mirror.wait_synced(Duration::MAX).await.unwrap();
    assert!(store.get(&"n/a".parse().unwrap()).is_some());
    mirror.shutdown().await;
}

#[tokio::test]
async fn a_reflector_with_an_interval_follows_it() {
    let server = metrics_server().await;
    let (reflector, store) = Reflector::with_indexer(pod_metrics(&server).await);
    let config = ReflectorConfig::default().poll_interval(Duration::from_millis(1));
    let mirror = reflector.config(config).start();
    let mut status = mirror.watch_status();
    let polled = status.wait_for(|status| status.counts.lists >= 4).await;
    assert_eq!(polled.unwrap().counts.watches, 0);
    let object = store.get(&"n/a".parse().unwrap()).unwrap().object.clone();
    assert!(object.data["number"].as_u64().unwrap() >= 2, "{object:?}");
    mirror.shutdown().await;
    let watched = server
        .seen()
        .iter()
        .any(|request| request.target.contains("watch"));
    assert!(!watched);
}

//! A server over a watch cache, end to end: an API server, a Kubernetes source, a reflector, the cache, and
//! clients that read from it: kube-rs, and a mirror of the mirror.
#![cfg(feature = "kube")]

use std::time::Duration;

use heliostat::source::VersionProbe;
use heliostat::source::kube::{Connection, DynamicObject, KubeSource};
use heliostat::{Packing, Reflector, ReflectorHandle};
use heliostat_server::{
    ApiServer, CacheServer, Kind, RunningCacheServer, RunningServer, WatchCache,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::api::{Api, ListParams, PostParams};
use kube_client::{Client, Config};
use kube_core::ApiResource;
use serde_json::json;
use tokio::time::timeout;

/// Nothing here takes this long; it bounds a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it comes in time")
}

fn config_map(name: &str, value: &str) -> serde_json::Value {
    json!({
        "metadata": {"name": name, "namespace": "ns", "labels": {"app": value}},
        "data": {"k": value},
    })
}

/// A source, the mirror of its config maps, and a server over the mirror.
struct Chain {
    source: RunningServer,
    mirror: ReflectorHandle,
    server: RunningCacheServer,
}

impl Chain {
    async fn over(source: RunningServer) -> Self {
        let cluster = Connection::new()
            .server(source.url())
            .connect()
            .await
            .unwrap();
        let resource = ApiResource::erase::<ConfigMap>(&());
        let packing = Packing::raw().memory_budget(0);
        let maps = KubeSource::<DynamicObject>::of(&cluster, &resource).packed(&packing);
        let cache = WatchCache::new(Kind::known("", "v1", "ConfigMap", "configmaps"));
        let mirror = Reflector::new(maps.clone(), cache.writer()).start();
        let (newest, progress) = (VersionProbe::new(maps.clone()), VersionProbe::new(maps));
        let cache =
            cache.consistent_reads(move || newest.newest(), move |at| progress.progress(at));
        let server = CacheServer::builder().cache(cache).build();
        let server = server.serve_local().await.unwrap();
        soon(mirror.wait_synced(Duration::MAX)).await.unwrap();
        Self {
            source,
            mirror,
            server,
        }
    }

    async fn shutdown(self) {
        self.server.shutdown().await;
        self.mirror.shutdown().await;
        self.source.shutdown().await;
    }
}

fn client(url: &str) -> Api<ConfigMap> {
    let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
    Api::namespaced(client, "ns")
}

#[tokio::test]
async fn kube_rs_reads_a_watch_cache_and_never_an_old_state() {
    let chain = Chain::over(ApiServer::builder().build().serve_local().await.unwrap()).await;
    let (source, served) = (client(&chain.source.url()), client(&chain.server.url()));
    for round in 0..3 {
        let map: ConfigMap =
            serde_json::from_value(config_map(&format!("m-{round}"), "x")).unwrap();
        source.create(&PostParams::default(), &map).await.unwrap();
        let listed = soon(served.list(&ListParams::default())).await.unwrap();
        assert_eq!(
            listed.items.len(),
            round + 1,
            "a read is not older than its request"
        );
        assert_eq!(
            listed.items,
            source.list(&ListParams::default()).await.unwrap().items
        );
    }
    let refused = served.delete("m-0", &Default::default()).await.unwrap_err();
    assert!(
        refused.to_string().contains("read-only mirror"),
        "{refused}"
    );
    chain.shutdown().await;
}

#[tokio::test]
async fn watches_of_a_cache_go_on_while_its_source_restarts() {
    let api = ApiServer::builder().build();
    api.storage()
        .load(
            "configmaps",
            [config_map("m-0", "x"), config_map("m-1", "x")],
        )
        .unwrap();
    let chain = Chain::over(api.serve_local().await.unwrap()).await;
    let cluster = Connection::new()
        .server(chain.server.url())
        .connect()
        .await
        .unwrap();
    let (reflector, maps) = Reflector::with_indexer(KubeSource::<ConfigMap>::new(&cluster));
    let client = reflector.start();
    soon(client.wait_synced(Duration::MAX)).await.unwrap();
    let lists = client.status().counts.lists + client.status().counts.watches;

    // The source forgets its history and ends its watches; objects change meanwhile.
    let storage = chain.source.storage().clone();
    storage.delete("configmaps", "ns/m-0").unwrap();
    storage
        .merge_patch("configmaps", "ns/m-1", json!({"data": {"k": "y"}}))
        .unwrap();
    chain.source.faults().restart();
    storage
        .create("configmaps", config_map("m-2", "x"))
        .unwrap();
    let version = storage.revision();
    soon(maps.wait_for(&version.into())).await.unwrap();
    let mut found: Vec<String> = maps
        .snapshot()
        .iter()
        .map(|entry| format!("{}@{}", entry.key(), entry.header.resource_version))
        .collect();
    found.sort();
    let expected = storage.versions("configmaps").unwrap();
    let expected: Vec<String> = expected
        .iter()
        .map(|(key, it)| format!("{key}@{it}"))
        .collect();
    assert_eq!(found, expected);
    let counts = client.status().counts;
    assert_eq!(
        counts.lists + counts.watches,
        lists,
        "the client neither listed nor watched again"
    );
    client.shutdown().await;
    chain.shutdown().await;
}

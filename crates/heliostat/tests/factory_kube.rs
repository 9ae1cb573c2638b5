//! A factory of a cluster's informers, against the embedded API server.
#![cfg(feature = "kube")]

use std::time::Duration;

use heliostat::informer::{FactoryOptions, InformerKey};
use heliostat::source::kube::{Cluster, Connection, Discovery, KubeSource, Scope};
use heliostat::{SharedInformer, SharedInformerFactory};
use heliostat_server::{ApiServer, Kind, RunningServer};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube_core::{DynamicObject, PartialObjectMeta};
use serde_json::{Value, json};

/// Nothing here takes this long; it bounds a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(60);

fn pod(namespace: &str, name: &str, app: &str) -> Value {
    json!({
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": app},
            "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}],
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "busybox"}]},
    })
}

fn widget(name: &str) -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": name, "namespace": "one"}, "spec": {"size": 3},
    })
}

/// A server with pods in two namespaces, a node, and a custom kind.
async fn running() -> (RunningServer, Cluster) {
    let widgets = Kind::custom("example.com", "v1", "Widget", "widgets");
    let running = ApiServer::builder()
        .with_kind(widgets)
        .build()
        .serve_local()
        .await
        .unwrap();
    let storage = running.storage();
    for object in [
        pod("one", "a", "web"),
        pod("one", "b", "cart"),
        pod("two", "c", "web"),
    ] {
        storage.create("pods", object).unwrap();
    }
    storage
        .create("nodes", json!({"metadata": {"name": "n1"}}))
        .unwrap();
    storage.create("widgets.example.com", widget("w")).unwrap();
    let cluster = Connection::new()
        .server(running.url())
        .connect()
        .await
        .unwrap();
    (running, cluster)
}

fn keys<T: Send + Sync>(informer: &SharedInformer<T>) -> Vec<String> {
    informer
        .indexer()
        .keys()
        .iter()
        .map(ToString::to_string)
        .collect()
}

async fn synced(factory: &SharedInformerFactory<Cluster>) {
    factory.start();
    factory.wait_synced(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn if_01_a_kind_in_a_scope_is_one_informer_in_each_of_its_forms() {
    let (running, cluster) = running().await;
    let factory = SharedInformerFactory::of_cluster(&cluster);
    let one = Scope::all().namespace("one");
    let all = factory.kube::<Pod>(&Scope::all()).unwrap();
    let same = factory.kube::<Pod>(&Scope::all().labels("")).unwrap();
    let of_one = factory.kube::<Pod>(&one).unwrap();
    let web = factory
        .kube::<Pod>(&Scope::all().labels("app=web"))
        .unwrap();
    let named = factory
        .kube::<Pod>(&Scope::all().fields("metadata.name=b"))
        .unwrap();
    let metadata = factory.kube::<PartialObjectMeta<Pod>>(&one).unwrap();
    // A node lives in no namespace, whatever the scope says.
    let nodes = factory.kube::<Node>(&one).unwrap();
    let same_nodes = factory.kube::<Node>(&Scope::all()).unwrap();
    synced(&factory).await;
    assert_eq!(factory.informers().len(), 6);
    assert_eq!(keys(&all), keys(&same));
    assert_eq!(keys(&all), ["one/a", "one/b", "two/c"]);
    assert_eq!(keys(&of_one), ["one/a", "one/b"]);
    assert_eq!(keys(&web), ["one/a", "two/c"]);
    assert_eq!(keys(&named), ["one/b"]);
    assert_eq!(keys(&metadata), ["one/a", "one/b"]);
    assert_eq!(
        (keys(&nodes), keys(&same_nodes)),
        (vec!["n1".to_owned()], vec!["n1".to_owned()])
    );
    assert_eq!(
        web.lister("pods")
            .namespace("two")
            .get("c")
            .unwrap()
            .object
            .metadata
            .name
            .as_deref(),
        Some("c")
    );
    factory.shutdown().await;
    running.shutdown().await;
}

#[tokio::test]
async fn if_01_discovered_kinds_are_told_apart_by_group_version_and_kind() {
    let (running, cluster) = running().await;
    let discovery = Discovery::of(&cluster).await.unwrap();
    let (pods, widgets) = (
        discovery.resolve("pods").unwrap(),
        discovery.resolve("widgets").unwrap(),
    );
    let factory = SharedInformerFactory::of_cluster(&cluster);
    let scope = Scope::all();
    let dynamic_pods = factory.kube_of::<DynamicObject>(pods, &scope).unwrap();
    let dynamic_widgets = factory.kube_of::<DynamicObject>(widgets, &scope).unwrap();
    let metadata = factory
        .kube_of::<PartialObjectMeta<DynamicObject>>(widgets, &scope)
        .unwrap();
    let typed_pods = factory.kube::<Pod>(&scope).unwrap();
    synced(&factory).await;
    assert_eq!(factory.informers().len(), 4);
    assert_eq!(keys(&dynamic_pods), keys(&typed_pods));
    assert_eq!(keys(&dynamic_widgets), ["one/w"]);
    assert_eq!(keys(&metadata), ["one/w"]);
    assert_eq!(
        InformerKey::kube_of(pods, &scope),
        InformerKey::kube::<Pod>(&scope),
        "the types of the objects differ"
    );
    factory.shutdown().await;
    running.shutdown().await;
}

#[tokio::test]
async fn kinds_are_taken_out_and_come_back_while_others_run() {
    let (running, cluster) = running().await;
    let discovery = Discovery::of(&cluster).await.unwrap();
    let widgets = discovery.resolve("widgets").unwrap();
    let factory = SharedInformerFactory::of_cluster(&cluster);
    let pods = factory.kube::<Pod>(&Scope::all()).unwrap();
    let gone = factory
        .kube_of::<DynamicObject>(widgets, &Scope::all())
        .unwrap();
    synced(&factory).await;
    assert!(
        factory
            .remove::<DynamicObject>(&InformerKey::kube_of(widgets, &Scope::all()))
            .await
    );
    assert!(gone.is_stopped() && !pods.is_stopped());
    running
        .storage()
        .create("widgets.example.com", widget("v"))
        .unwrap();
    let again = factory
        .kube_of::<DynamicObject>(widgets, &Scope::all())
        .unwrap();
    synced(&factory).await;
    assert_eq!(
        (keys(&gone), keys(&again)),
        (
            vec!["one/w".to_owned()],
            vec!["one/v".to_owned(), "one/w".to_owned()]
        )
    );
    factory.shutdown().await;
    running.shutdown().await;
}

#[tokio::test]
async fn a_scope_for_each_namespace_and_without_managed_fields() {
    let (running, cluster) = running().await;
    let options = FactoryOptions::new().setup::<KubeSource<Pod>>(|builder| {
        builder.transform(|mut pod: Pod| {
            pod.spec = None;
            Ok::<_, std::convert::Infallible>(pod)
        })
    });
    let factory = SharedInformerFactory::of_cluster_with(&cluster, options);
    let everything = Scope::all();
    let scopes = everything.in_namespaces(["one", "two"]);
    let informers: Vec<_> = scopes
        .map(|scope| {
            factory
                .kube::<Pod>(&scope.without_managed_fields())
                .unwrap()
        })
        .collect();
    let whole = factory.kube::<Pod>(&Scope::all().namespace("two")).unwrap();
    synced(&factory).await;
    let counts: Vec<_> = informers
        .iter()
        .map(|informer| informer.indexer().len())
        .collect();
    assert_eq!(counts, [2, 1]);
    let managed = |informer: &SharedInformer<Pod>| {
        let pod = informer
            .indexer()
            .get(&"two/c".parse().unwrap())
            .unwrap()
            .object;
        assert!(
            pod.spec.is_none(),
            "the set-up is that of all informers of pods"
        );
        pod.metadata.managed_fields.is_some()
    };
    assert!(managed(&whole) && !managed(&informers[1]));
    factory.shutdown().await;
    running.shutdown().await;
}

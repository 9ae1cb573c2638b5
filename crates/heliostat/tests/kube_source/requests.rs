//! What goes over the wire: paths, queries and headers of lists and watches.

use heliostat::ListerWatcher;
use heliostat::source::kube::{Connection, KubeSource};
use heliostat_core::error::SourceError;
use heliostat_core::options::{ListOptions, ResourceVersionMatch, WatchOptions};
use heliostat_core::version::ResourceVersion;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube_core::PartialObjectMeta;

use super::server::{Reply, Seen, Server};
use super::{connect, widgets};

async fn server() -> Server {
    Server::always(Reply::capture("list-json-empty")).await
}

/// What the server sees of a list and of a watch with these options.
async fn seen<T: Send + Sync + 'static>(
    server: &Server,
    source: &KubeSource<T>,
    list: ListOptions,
    watch: WatchOptions,
) -> [Seen; 2] {
    let before = server.seen().len();
    drop(source.list(list).await.unwrap());
    drop(source.watch(watch).await.unwrap());
    server.seen()[before..].to_vec().try_into().unwrap()
}

#[tokio::test]
async fn w_24_first_requests_of_a_fresh_mirror() {
    let server = server().await;
    let pods = KubeSource::<Pod>::new(connect(&server.url).await);
    let list = ListOptions {
        resource_version: ResourceVersion::ANY,
        limit: Some(500),
        ..ListOptions::default()
    };
    let watch = WatchOptions {
        resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
        timeout_seconds: Some(300),
        allow_bookmarks: true,
        send_initial_events: true,
        ..WatchOptions::default()
    };
    let [list, watch] = seen(&server, &pods, list, watch).await;
    assert_eq!(list.target, "/api/v1/pods?limit=500&resourceVersion=0");
    assert_eq!(
        watch.target,
        "/api/v1/pods?allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan\
         &sendInitialEvents=true&timeoutSeconds=300&watch=true"
    );
    let either = Some("application/vnd.kubernetes.protobuf,application/json");
    assert_eq!(list.header("accept"), either);
    assert_eq!(watch.header("accept"), either);
    assert_eq!(list.header("authorization"), None);
}

/// A server of 1.37 compresses a watch-list as many gzip members, of which the client reads one.
#[tokio::test]
async fn lists_may_be_compressed_and_watches_must_not() {
    let server = server().await;
    let pods = KubeSource::<Pod>::new(connect(&server.url).await);
    let [list, watch] = seen(
        &server,
        &pods,
        ListOptions::default(),
        WatchOptions::default(),
    )
    .await;
    assert_eq!(list.header("accept-encoding"), Some("gzip"));
    assert_eq!(watch.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn h_02_scope_and_selectors_are_in_every_request() {
    let server = server().await;
    let cluster = connect(&server.url).await;
    let pods = KubeSource::<Pod>::new(&cluster)
        .namespace("shop")
        .labels("app in (cart,web)")
        .fields("spec.nodeName=n1");
    assert_eq!(
        pods.description(),
        "pods in namespace shop with app in (cart,web) and spec.nodeName=n1"
    );
    let page = ListOptions {
        continue_token: Some("a=b".to_owned()),
        ..ListOptions::default()
    };
    let [list, watch] = seen(&server, &pods, page, WatchOptions::default()).await;
    let selectors = "fieldSelector=spec.nodeName%3Dn1&labelSelector=app%20in%20%28cart%2Cweb%29";
    let path = "/api/v1/namespaces/shop/pods";
    assert_eq!(list.target, format!("{path}?continue=a%3Db&{selectors}"));
    assert_eq!(watch.target, format!("{path}?{selectors}&watch=true"));
}

#[tokio::test]
async fn paths_of_every_kind_of_source() {
    let server = server().await;
    let cluster = connect(&server.url).await;
    let default = || (ListOptions::default(), WatchOptions::default());

    let (list, watch) = default();
    let [list, _] = seen(
        &server,
        &KubeSource::<Deployment>::new(&cluster),
        list,
        watch,
    )
    .await;
    assert_eq!(list.target, "/apis/apps/v1/deployments");

    let (list, watch) = default();
    let nodes = KubeSource::<Node>::new(&cluster);
    let [list, _] = seen(&server, &nodes, list, watch).await;
    assert_eq!(list.target, "/api/v1/nodes");
    assert_eq!(nodes.description(), "nodes");

    let (list, watch) = default();
    let [list, _] = seen(&server, &widgets(&server).await, list, watch).await;
    assert_eq!(list.target, "/apis/example.com/v1/namespaces/cap/widgets");

    let (list, watch) = default();
    let here = KubeSource::<Pod>::new(&cluster).namespace(cluster.default_namespace());
    let [list, _] = seen(&server, &here, list, watch).await;
    assert_eq!(list.target, "/api/v1/namespaces/default/pods");
}

#[tokio::test]
async fn metadata_alone_is_asked_for_in_two_forms() {
    let server = server().await;
    let source = KubeSource::<PartialObjectMeta<Pod>>::new(connect(&server.url).await);
    assert_eq!(source.description(), "metadata of pods in all namespaces");
    let [list, watch] = seen(
        &server,
        &source,
        ListOptions::default(),
        WatchOptions::default(),
    )
    .await;
    assert_eq!(list.target, "/api/v1/pods");
    assert_eq!(
        list.header("accept"),
        Some(
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
             application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        )
    );
    assert_eq!(
        watch.header("accept"),
        Some(
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,\
             application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
        )
    );
}

#[tokio::test]
async fn several_namespaces_are_several_sources() {
    let server = server().await;
    let cluster = connect(&server.url).await;
    for (_, source) in KubeSource::<Pod>::new(&cluster).in_namespaces(["a", "b"]) {
        drop(source.list(ListOptions::default()).await.unwrap());
    }
    let targets: Vec<String> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(
        targets,
        ["/api/v1/namespaces/a/pods", "/api/v1/namespaces/b/pods"]
    );
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_before_anything_is_sent() {
    let server = server().await;
    let pods = KubeSource::<Pod>::new(connect(&server.url).await).namespace("");
    let error = pods.list(ListOptions::default()).await.err().unwrap();
    assert!(matches!(error, SourceError::Request(_)), "{error:?}");
    let error = pods.watch(WatchOptions::default()).await.err().unwrap();
    assert!(matches!(error, SourceError::Request(_)), "{error:?}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_server_below_a_path_is_asked_there() {
    let server = server().await;
    let url = format!("{}/k8s/clusters/c-1/", server.url);
    let cluster = Connection::new().server(&url).connect().await.unwrap();
    drop(
        KubeSource::<Pod>::new(cluster)
            .list(ListOptions::default())
            .await
            .unwrap(),
    );
    assert_eq!(server.seen()[0].target, "/k8s/clusters/c-1/api/v1/pods");
}

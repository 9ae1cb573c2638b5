//! The examples do what they say, against the embedded server.
#![cfg(all(feature = "kube-runtime", feature = "memory"))]
#![expect(unreachable_pub, reason = "examples stand alone")]

#[path = "../examples/config_reloader.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod config_reloader;

#[path = "../examples/controller_events.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod controller_events;

#[path = "../examples/controller_heliostat.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod controller_heliostat;

#[path = "../examples/controller_kube_rs.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod controller_kube_rs;

#[path = "../examples/dashboard_feed.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod dashboard_feed;

#[path = "../examples/delta_fifo.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod delta_fifo;

#[path = "../examples/finalizer_controller.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod finalizer_controller;

#[path = "../examples/leader_election.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod leader_election;

#[path = "examples/lease.rs"]
mod lease;

#[path = "../examples/packed_pods.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod packed_pods;

#[path = "../examples/pods_by_node.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod pods_by_node;

#[path = "../examples/serve_mirror.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod serve_mirror;

use std::time::Duration;

use heliostat::source::kube::Connection;
use heliostat::source::memory::MemorySource;
use heliostat_server::{ApiServer, RunningServer};
use kube_client::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Nothing here takes this long; it bounds a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it should have come by now")
}

/// Waits until the ConfigMap is as wanted: by asking again, since this is what a user would see.
async fn until(server: &RunningServer, key: &str, wanted: impl Fn(Option<&Value>) -> bool) {
    let look = || wanted(server.storage().get("configmaps", key).unwrap().as_ref());
    until_true(look).await;
}

async fn until_true(look: impl Fn() -> bool) {
    let looked = async {
        while !look() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(looked).await;
}

/// Something that runs until it is told to stop.
struct Running {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn shutdown(self) {
        self.stop.send(()).unwrap();
        soon(self.task).await.unwrap();
    }
}

/// Starts a controller that ends when it is told to.
macro_rules! start {
    ($run:path, $client:expr) => {{
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            let _ = stopped.await;
        };
        let client = $client;
        let task = tokio::task::spawn(async move {
            let result = $run(client, stopped).await;
            assert!(result.is_ok(), "{result:?}");
        });
        Running { stop, task }
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_found_by_their_node() {
    let server = pods_by_node::stand_in().await.unwrap();
    let pods = soon(pods_by_node::mirror(&server.url())).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(pods_by_node::serve(listener, pods));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /nodes/n1/pods HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(
        answer.ends_with(r#"{"pods":["shop/cart-1","shop/web-1"]}"#),
        "{answer}"
    );
    serving.abort();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_follows_a_delta_fifo() {
    let source = MemorySource::<String>::new();
    let create = |name: &str| source.create(name.parse().unwrap(), name.to_owned());
    create("team/blue").unwrap();
    create("team/green").unwrap();
    let (mirror, queue, writer) = delta_fifo::mirror(source.clone());
    let store = writer.indexer();
    let popping = tokio::spawn(delta_fifo::pop_all(queue.clone(), writer));
    soon(queue.wait_synced(Duration::MAX)).await.unwrap();
    assert_eq!(store.len(), 2);

    // One object vanishes and another is created while no watch reports it: the relist finds both.
    source.delete(&"team/blue".parse().unwrap()).unwrap();
    source.expire();
    source.close_watches();
    create("team/red").unwrap();
    let names = || {
        store
            .keys()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    until_true(|| names() == ["team/green", "team/red"]).await;

    soon(mirror.shutdown()).await;
    queue.close();
    soon(popping).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_pods_are_found_and_decoded() {
    let server = packed_pods::stand_in().await.unwrap();
    let packing = heliostat::Packing::new().memory_budget(1 << 20);
    let url = server.url();
    let mirroring = packed_pods::mirror(&url, &packing);
    let (mirror, pods) = soon(mirroring).await.unwrap();
    let stats = packing.stats();
    assert_eq!(stats.objects, packed_pods::PODS);
    // The list comes sorted: the first dictionary knows only the pods of one application.
    assert!(stats.dictionaries_trained >= 1, "{stats:?}");
    // The raw bytes are protobuf, which repeats less than JSON.
    assert!(2 * stats.packed_bytes < stats.raw_bytes, "{stats:?}");
    let on_node = pods.by_index("spec.nodeName", "node-7").unwrap();
    assert_eq!(on_node.len(), packed_pods::PODS / 50);
    for entry in &pods.list() {
        let pod = entry.object.get().unwrap();
        assert_eq!(pod.metadata.name.as_deref(), Some(entry.key().name()));
    }
    let stats = packing.stats();
    assert!(
        stats.decoded_objects > 0 && stats.decoded_bytes <= 1 << 20,
        "{stats:?}"
    );
    mirror.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_leaves_the_last_good_one_in_force() {
    let server = config_reloader::stand_in().await.unwrap();
    let url = server.url();
    let following = config_reloader::follow(&url, "shop", "app");
    let (mut config, registration) = soon(following).await.unwrap();
    assert_eq!(config.borrow_and_update().as_ref().unwrap().workers, 2);
    config_reloader::edit(&server, "many").unwrap();
    config_reloader::edit(&server, "0").unwrap();
    config_reloader::edit(&server, "8").unwrap();
    soon(config.changed()).await.unwrap();
    assert_eq!(config.borrow_and_update().as_ref().unwrap().workers, 8);
    server.storage().delete("configmaps", "shop/app").unwrap();
    soon(registration.shutdown()).await;
    assert_eq!(config.borrow().as_ref().unwrap().workers, 8);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_is_told_what_is_there_and_what_changes() {
    let server = dashboard_feed::stand_in().await.unwrap();
    let cluster = Connection::new()
        .server(server.url())
        .connect()
        .await
        .unwrap();
    let dashboard = dashboard_feed::Dashboard::of(cluster).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(dashboard_feed::serve(listener, dashboard));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut words = Vec::new();
    while words.iter().filter(|word| *word == "event: synced").count() < 2 {
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        if line.starts_with("event: ") {
            words.push(line);
        }
    }
    assert_eq!(
        words.iter().filter(|word| *word == "event: added").count(),
        2
    );
    server.storage().delete("pods", "shop/cart-1").unwrap();
    loop {
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        if line == "event: deleted" {
            break;
        }
    }
    let data = soon(lines.next_line()).await.unwrap().unwrap();
    assert!(data.contains(r#""key":"shop/cart-1""#), "{data}");
    serving.abort();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_made_mended_and_taken_down_before_its_original_goes() {
    let server = finalizer_controller::stand_in().await.unwrap();
    let client = finalizer_controller::client_of(&server).unwrap();
    let running = start!(finalizer_controller::run, client);
    let headline = |map: Option<&Value>| map.map(|map| map["data"]["headline"].clone());
    until(&server, "shop/news", |map| {
        headline(map) == Some("open on sundays".into())
    })
    .await;
    let copy = server
        .storage()
        .get("configmaps", "shop/news")
        .unwrap()
        .unwrap();
    assert_eq!(copy["metadata"]["ownerReferences"][0]["name"], "draft");
    until(&server, "shop/draft", |map| {
        map.is_some_and(|map| map["metadata"]["finalizers"][0] == finalizer_controller::FINALIZER)
    })
    .await;

    let edited = json!({"data": {"headline": "closed on mondays"}});
    server
        .storage()
        .merge_patch("configmaps", "shop/draft", edited)
        .unwrap();
    until(&server, "shop/news", |map| {
        headline(map) == Some("closed on mondays".into())
    })
    .await;
    server.storage().delete("configmaps", "shop/news").unwrap();
    until(&server, "shop/news", |map| {
        headline(map) == Some("closed on mondays".into())
    })
    .await;

    server.storage().delete("configmaps", "shop/draft").unwrap();
    until(&server, "shop/draft", |map| map.is_none()).await;
    assert!(
        server
            .storage()
            .get("configmaps", "shop/news")
            .unwrap()
            .is_none()
    );
    running.shutdown().await;
    server.shutdown().await;
}

/// Starts a replica of the signing controller; its lease expires soon.
fn replica(client: &Client, identity: &str) -> Running {
    let candidate = leader_election::Candidate {
        leases: Api::namespaced(client.clone(), "shop"),
        lease: "signer".to_owned(),
        identity: identity.to_owned(),
        duration: Duration::from_millis(1_500),
    };
    let run = |client, stop| leader_election::run(client, candidate, stop);
    start!(run, client.clone())
}

fn holder(server: &RunningServer) -> Option<Value> {
    let lease = server
        .storage()
        .get("leases.coordination.k8s.io", "shop/signer")
        .unwrap()?;
    Some(lease["spec"]["holderIdentity"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_leader_reconciles_and_another_follows_it() {
    let server = leader_election::stand_in().await.unwrap();
    let client = leader_election::client_of(&server).unwrap();
    let signed_by = |name: &'static str| {
        move |map: Option<&Value>| map.is_some_and(|map| map["data"]["signed-by"] == name)
    };
    let one = replica(&client, "one");
    until(&server, "shop/letter", signed_by("one")).await;
    let two = replica(&client, "two");

    // The second waits while the first renews the lease.
    let version =
        |lease: Option<Value>| lease.map(|lease| lease["metadata"]["resourceVersion"].clone());
    for _ in 0..2 {
        let before = version(
            server
                .storage()
                .get("leases.coordination.k8s.io", "shop/signer")
                .unwrap(),
        );
        until_true(|| {
            version(
                server
                    .storage()
                    .get("leases.coordination.k8s.io", "shop/signer")
                    .unwrap(),
            ) != before
        })
        .await;
        assert_eq!(holder(&server), Some("one".into()));
    }

    // The first gives the lease up, and the second takes it.
    one.shutdown().await;
    until_true(|| holder(&server) == Some("two".into())).await;
    let next = json!({"metadata": {"name": "card", "namespace": "shop", "labels": {"sign": ""}}});
    server.storage().create("configmaps", next).unwrap();
    until(&server, "shop/card", signed_by("two")).await;

    // A leader that loses the lease stops, and leaves it to its new holder.
    let taken = json!({"spec": {"holderIdentity": "three"}});
    server
        .storage()
        .merge_patch("leases.coordination.k8s.io", "shop/signer", taken)
        .unwrap();
    soon(two.task).await.unwrap();
    assert_eq!(holder(&server), Some("three".into()));

    // The new holder never renews, so the lease expires.
    let four = replica(&client, "four");
    until_true(|| holder(&server) == Some("four".into())).await;
    four.shutdown().await;
    assert_eq!(holder(&server), Some(Value::Null));
    server.shutdown().await;
}

/// A server with one that wants to be greeted.
async fn unfriendly() -> (RunningServer, Client) {
    let server = ApiServer::builder().build().serve_local().await.unwrap();
    let map =
        json!({"metadata": {"name": "world", "namespace": "shop", "labels": {"greet": "yes"}}});
    server.storage().create("configmaps", map).unwrap();
    let client = Client::try_from(Config::new(server.url().parse().unwrap())).unwrap();
    (server, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controllers_that_stand_side_by_side_do_the_same() {
    let greeted =
        |map: Option<&Value>| map.is_some_and(|map| map["data"]["greeting"] == "hello world");
    let (server, client) = unfriendly().await;
    let ours = start!(controller_heliostat::run, client);
    until(&server, "shop/world", greeted).await;
    ours.shutdown().await;
    server.shutdown().await;

    let (server, client) = unfriendly().await;
    let theirs = start!(controller_kube_rs::run, client);
    until(&server, "shop/world", greeted).await;
    theirs.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_publishes_events() {
    let server = controller_events::stand_in().await.unwrap();
    let client = Client::try_from(Config::new(server.url().parse().unwrap())).unwrap();
    let running = start!(controller_events::run, client);
    until_true(|| {
        let events = server.storage().list("events.events.k8s.io").unwrap();
        events
            .iter()
            .any(|event| event["reason"] == "Greeted" && event["regarding"]["name"] == "world")
    })
    .await;
    running.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_any_source_is_served_as_a_kubernetes_api() {
    let source = MemorySource::<heliostat::RawObject>::new();
    let create = |number: u32| {
        let key = format!("acme/order-{number}").parse().unwrap();
        source
            .create(key, serve_mirror::order("acme", number, "new"))
            .unwrap();
    };
    create(1);
    let (mirror, server) = serve_mirror::serve(source.clone()).await.unwrap();
    soon(mirror.wait_synced(Duration::MAX)).await.unwrap();
    create(2);
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let path = "/apis/shop.example/v1/orders?labelSelector=state%3Dnew";
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let list: Value = serde_json::from_str(body).unwrap();
    let names: Vec<&Value> = (list["items"].as_array().unwrap().iter())
        .map(|item| &item["metadata"]["name"])
        .collect();
    assert_eq!(
        names,
        ["order-1", "order-2"],
        "a read is not older than its request"
    );
    assert_eq!(
        list["metadata"]["resourceVersion"],
        source.revision().to_string()
    );
    server.shutdown().await;
    mirror.shutdown().await;
}

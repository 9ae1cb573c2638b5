//! Mirrors the pods of a cluster in memory, and reads a change back as soon as it is mirrored.
//!
//! `cargo run --example mirror_pods` runs against a server in process. Leave `.server(..)` out, and it
//! is the cluster of your kubeconfig.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::time::Duration;

use heliostat::Reflector;
use heliostat::source::kube::{Connection, KubeSource};
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = stand_in().await?;

    let cluster = Connection::new().server(server.url()).connect().await?;
    let source = KubeSource::<Pod>::new(&cluster)
        .namespace("shop")
        .labels("app=cart");
    let (reflector, pods) = Reflector::with_indexer(source);
    let mirror = reflector.start();
    mirror.wait_synced(Duration::from_secs(30)).await?;
    print(&pods.list());

    let running = json!({"status": {"phase": "Running"}});
    server
        .storage()
        .merge_patch("pods", "shop/cart-1", running)?;
    pods.wait_for(&server.storage().revision().into()).await?;
    print(&pods.list());

    mirror.shutdown().await;
    server.shutdown().await;
    Ok(())
}

fn print(pods: &[heliostat::Entry<Pod>]) {
    for pod in pods {
        let status = pod.object.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        let version = &pod.header.resource_version;
        println!(
            "{} is {} at version {version}",
            pod.key(),
            phase.unwrap_or("new")
        );
    }
}

/// A server with a few pods, in place of a cluster.
async fn stand_in() -> Result<RunningServer, Box<dyn std::error::Error>> {
    let server = ApiServer::builder().build();
    let pod = |name: &str, app: &str| json!({"metadata": {"name": name, "namespace": "shop", "labels": {"app": app}}});
    let pods = [
        pod("cart-1", "cart"),
        pod("cart-2", "cart"),
        pod("web-1", "web"),
    ];
    server.storage().load("pods", pods)?;
    Ok(server.serve_local().await?)
}

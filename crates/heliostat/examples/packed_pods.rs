//! Mirrors a few thousand pods packed: what they take, an index over their bytes, and one of them decoded.
//!
//! `cargo run --example packed_pods` runs against a server in process. Leave `.server(..)` out, and it
//! is the cluster of your kubeconfig.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::time::Duration;

use heliostat::source::kube::{Connection, KubeSource};
use heliostat::{IndexFunc, Indexer, Packed, Packing, Reflector, ReflectorHandle};
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

const BY_NODE: &str = "spec.nodeName";

/// How many pods the server in process has.
pub const PODS: usize = 3_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = stand_in().await?;
    // At most a megabyte for pods that are kept decoded.
    let packing = Packing::<Pod>::new().memory_budget(1 << 20);
    let (mirror, pods) = mirror(&server.url(), &packing).await?;

    let stats = packing.stats();
    println!(
        "{} pods: {} bytes of protobuf in {} bytes",
        stats.objects, stats.raw_bytes, stats.packed_bytes
    );
    let on_node = pods.by_index(BY_NODE, "node-7")?;
    println!("{} of them run on node-7", on_node.len());
    if let Some(entry) = on_node.first() {
        // Decoded now, and kept for the next who asks.
        let pod = entry.object.get()?;
        let image = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.containers.first()?.image.as_deref());
        println!("{} runs {}", entry.key(), image.unwrap_or("nothing"));
    }

    mirror.shutdown().await;
    server.shutdown().await;
    Ok(())
}

/// Mirrors the pods of a server, with an index that reads the node's name out of their bytes.
pub async fn mirror(
    url: &str,
    packing: &Packing<Pod>,
) -> Result<(ReflectorHandle, Indexer<Packed<Pod>>), Box<dyn Error>> {
    let cluster = Connection::new().server(url).connect().await?;
    let source = KubeSource::<Pod>::new(&cluster)
        .without_managed_fields()
        .packed(packing);
    let (reflector, pods) = Reflector::with_indexer(source);
    pods.add_index(BY_NODE, IndexFunc::by_field(BY_NODE.parse()?))?;
    let mirror = reflector.start();
    mirror.wait_synced(Duration::from_secs(30)).await?;
    Ok((mirror, pods))
}

/// A server with many pods, in place of a cluster.
pub async fn stand_in() -> Result<RunningServer, Box<dyn Error>> {
    let server = ApiServer::builder().build();
    server.storage().load("pods", (0..PODS).map(pod))?;
    Ok(server.serve_local().await?)
}

fn pod(number: usize) -> Value {
    let app = ["cart", "till", "bank"][number % 3];
    json!({
        "metadata": {
            "name": format!("{app}-{number}"),
            "namespace": "shop",
            "labels": {"app": app, "tier": "backend", "version": format!("v{}", number % 5)},
        },
        "spec": {
            "nodeName": format!("node-{}", number % 50),
            "containers": [{
                "name": app,
                "image": format!("example.com/{app}:1.{}", number % 7),
                "env": [{"name": "SHARD", "value": number.to_string()}],
            }],
        },
        "status": {"phase": "Running", "podIP": format!("10.0.{}.{}", number / 250, number % 250)},
    })
}

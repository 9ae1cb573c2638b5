//! Pods out of the etcd of a Kubernetes cluster, without its API server: for tools that must see a cluster
//! whose API is down, and for authors of API servers.
//!
//! `cargo run --features etcd --example registry_pods` reads the etcd that `ETCDCTL_ENDPOINTS`,
//! `ETCDCTL_CACERT`, `ETCDCTL_CERT` and `ETCDCTL_KEY` name. What is stored is not what the API shows: see
//! `heliostat::source::etcd::Registry`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::time::Duration;

use heliostat::source::etcd::{Cluster, Connection, Registry};
use heliostat::{IndexFunc, Indexer, Packed, Packing, Reflector, ReflectorHandle};
use k8s_openapi::api::core::v1::Pod;

/// The index of pods by the node that they run on.
pub const BY_NODE: &str = "node";

/// A mirror of all pods, packed, with an index by node.
pub async fn mirror(
    cluster: &Cluster,
) -> Result<(ReflectorHandle, Indexer<Packed<Pod>>), Box<dyn Error>> {
    let packing = Packing::<Pod>::new().memory_budget(16 << 20);
    let pods = Registry::new(cluster).without_managed_fields();
    let pods = pods.raw("", "pods").packed(&packing);
    let (reflector, pods) = Reflector::with_indexer(pods);
    pods.add_index(BY_NODE, IndexFunc::by_field("spec.nodeName".parse()?))?;
    let mirror = reflector.start();
    mirror.wait_synced(Duration::from_secs(30)).await?;
    Ok((mirror, pods))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Connection::from_env()?.connect().await?;
    let (mirror, pods) = mirror(&cluster).await?;
    println!(
        "{} pods at revision {}",
        pods.len(),
        pods.resource_version()
    );
    for node in pods.index_values(BY_NODE) {
        let names = pods.index_keys(BY_NODE, &node)?;
        println!("{node}: {} pods", names.len());
    }
    for entry in pods.in_namespace("kube-system") {
        let pod = entry.object.get()?;
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        println!("{} {}", entry.key(), phase.unwrap_or("Unknown"));
    }
    mirror.shutdown().await;
    Ok(())
}

//! Service discovery over a plain etcd: instances write their addresses under leases, and clients keep a
//! list of them that follows every change.
//!
//! `cargo run --features etcd --example service_discovery` follows the etcd that `ETCDCTL_ENDPOINTS` names.
//! Try it with `etcdctl put --lease=.. /services/web/1 '{"address":"10.0.0.1:80"}'`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::time::Duration;

use heliostat::source::etcd::{Cluster, Connection, EtcdSource};
use heliostat::{HandlerFuncs, Indexer, Reflector, ReflectorHandle, SharedInformer};
use serde::Deserialize;

/// Where instances write what they are.
pub const PREFIX: &str = "/services/";

/// What an instance writes under `/services/NAME/INSTANCE`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Instance {
    /// Where it is.
    pub address: String,
}

/// The instances of all services.
#[derive(Debug)]
pub struct Directory {
    instances: Indexer<Instance>,
    /// Keeps the mirror running.
    pub mirror: ReflectorHandle,
}

impl Directory {
    /// Returns once the directory holds every instance that is there.
    pub async fn follow(cluster: &Cluster) -> Result<Self, Box<dyn Error>> {
        let source = EtcdSource::<Instance>::json(cluster, PREFIX);
        let (reflector, instances) = Reflector::with_indexer(source);
        let mirror = reflector.start();
        mirror.wait_synced(Duration::from_secs(30)).await?;
        Ok(Self { instances, mirror })
    }

    /// The addresses of a service, sorted. Asking costs no request.
    pub fn addresses(&self, service: &str) -> Vec<String> {
        let instances = self.instances.in_namespace(service);
        let addresses = instances
            .iter()
            .map(|instance| instance.object.address.clone());
        let mut addresses: Vec<String> = addresses.collect();
        addresses.sort_unstable();
        addresses
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Connection::from_env()?.connect().await?;
    let directory = Directory::follow(&cluster).await?;
    println!("web is at {:?}", directory.addresses("web"));

    // A second mirror, to be called with each change: the end of a lease is a deletion like any other.
    let informer = SharedInformer::new(EtcdSource::<Instance>::json(&cluster, PREFIX));
    let handler = HandlerFuncs::<Instance>::new()
        .on_add(|instance, _| println!("+ {} at {}", instance.key(), instance.object.address))
        .on_delete(|instance, _| println!("- {}", instance.key()));
    let _registration = informer.add_handler(handler)?;
    informer.start();
    tokio::signal::ctrl_c().await?;
    Ok(())
}

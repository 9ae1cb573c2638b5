//! A configuration that follows a ConfigMap: the newest one that is valid, for as long as the program
//! runs. A bad edit, or the end of the ConfigMap, leaves the last good one in force.
//!
//! `cargo run --example config_reloader` runs against a server in process. Leave `.server(..)` out,
//! and it is the cluster of your kubeconfig.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks"
)]

use std::error::Error;
use std::time::Duration;

use heliostat::informer::Registration;
use heliostat::source::kube::{Connection, KubeSource};
use heliostat::{Entry, EventHandler, SharedInformer};
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use tokio::sync::watch;

/// What the program is configured with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// How many workers it has.
    pub workers: usize,
}

impl Config {
    /// Reads a ConfigMap; nothing is left out of it silently.
    fn read(map: &ConfigMap) -> Result<Self, String> {
        let data = map.data.as_ref().ok_or("there is no data")?;
        let workers = data.get("workers").ok_or("`workers` is missing")?;
        match workers.parse() {
            Ok(0) | Err(_) => Err(format!("`workers` is {workers:?}, want a number above 0")),
            Ok(workers) => Ok(Self { workers }),
        }
    }
}

/// Hands every valid state of the ConfigMap on.
struct Reloader {
    current: watch::Sender<Option<Config>>,
}

impl Reloader {
    fn load(&self, map: &Entry<ConfigMap>) {
        match Config::read(&map.object) {
            Ok(config) => {
                self.current.send_replace(Some(config));
            }
            Err(reason) => eprintln!("{} is not used: {reason}", map.key()),
        }
    }
}

impl EventHandler<ConfigMap> for Reloader {
    async fn on_add(&mut self, map: &Entry<ConfigMap>, _is_in_initial_list: bool) {
        self.load(map);
    }

    async fn on_update(&mut self, _old: &Entry<ConfigMap>, new: &Entry<ConfigMap>) {
        self.load(new);
    }

    async fn on_delete(&mut self, last: &Entry<ConfigMap>, _tombstone: bool) {
        eprintln!("{} is gone; its last state stays in force", last.key());
    }
}

/// Follows one ConfigMap. The registration keeps the mirror running.
pub async fn follow(
    url: &str,
    namespace: &str,
    name: &str,
) -> Result<(watch::Receiver<Option<Config>>, Registration<ConfigMap>), Box<dyn Error>> {
    let cluster = Connection::new().server(url).connect().await?;
    // The server sends this one object and no other.
    let source = KubeSource::<ConfigMap>::new(&cluster)
        .namespace(namespace)
        .fields(&format!("metadata.name={name}"));
    let informer = SharedInformer::new(source);
    let (current, config) = watch::channel(None);
    let registration = informer.add_handler(Reloader { current })?;
    informer.start();
    registration.wait_synced(Duration::from_secs(30)).await?;
    Ok((config, registration))
}

/// A server with one ConfigMap, in place of a cluster.
pub async fn stand_in() -> Result<RunningServer, Box<dyn Error>> {
    let server = ApiServer::builder().build();
    let map = json!({"metadata": {"name": "app", "namespace": "shop"}, "data": {"workers": "2"}});
    server.storage().create("configmaps", map)?;
    Ok(server.serve_local().await?)
}

/// Edits the ConfigMap.
pub fn edit(server: &RunningServer, workers: &str) -> Result<(), Box<dyn Error>> {
    let patch = json!({"data": {"workers": workers}});
    server
        .storage()
        .merge_patch("configmaps", "shop/app", patch)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = stand_in().await?;
    let (mut config, registration) = follow(&server.url(), "shop", "app").await?;
    println!("{:?}", config.borrow_and_update().clone());

    // A bad edit, and then a good one.
    edit(&server, "many")?;
    edit(&server, "8")?;
    config.changed().await?;
    println!("{:?}", config.borrow_and_update().clone());

    registration.shutdown().await;
    server.shutdown().await;
    Ok(())
}

//! The same small controller as `controller_kube_rs`, with Heliostat: it greets every ConfigMap that
//! has the label `greet`.
//!
//! `cargo run --example controller_heliostat` runs against a server in process, until Ctrl-C.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use heliostat::source::kube::KubeSource;
use heliostat::{Action, Controller};
use heliostat_server::ApiServer;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::api::{Patch, PatchParams};
use kube_client::{Api, Client, Config};
use kube_core::ResourceExt as _;
use serde_json::json;

async fn reconcile(map: Arc<ConfigMap>, client: Client) -> Result<Action, kube_client::Error> {
    if is_greeted(&map) {
        return Ok(Action::Done);
    }
    let namespace = map.namespace().unwrap_or_default();
    let api = Api::<ConfigMap>::namespaced(client, &namespace);
    let patch = Patch::Merge(json!({"data": {"greeting": greeting(&map.name_any())}}));
    api.patch(&map.name_any(), &PatchParams::default(), &patch)
        .await?;
    Ok(Action::Done)
}

fn on_error(_: &ConfigMap, _: &kube_client::Error, _attempt: u32) -> Action {
    Action::After(Duration::from_secs(5))
}

/// Runs the controller until `stop` ends.
pub async fn run(
    client: Client,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    let maps = KubeSource::<ConfigMap>::new(&client).labels("greet");
    Controller::new(maps)
        .on_error(on_error)
        .shutdown_on(stop)
        .run(reconcile, client)
        .await?;
    Ok(())
}

fn greeting(name: &str) -> String {
    format!("hello {name}")
}

fn is_greeted(map: &ConfigMap) -> bool {
    map.data
        .as_ref()
        .is_some_and(|data| data.contains_key("greeting"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = ApiServer::builder().build().serve_local().await?;
    let map =
        json!({"metadata": {"name": "world", "namespace": "shop", "labels": {"greet": "yes"}}});
    server.storage().create("configmaps", map)?;
    let client = Client::try_from(Config::new(server.url().parse()?))?;
    println!(
        "kubectl --server {} get configmaps -A -o yaml",
        server.url()
    );
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    run(client, interrupted).await?;
    server.shutdown().await;
    Ok(())
}

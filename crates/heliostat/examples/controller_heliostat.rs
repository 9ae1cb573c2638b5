//! The same small controller as `controller_kube_rs`, with Heliostat: it greets every ConfigMap that
//! has the label `greet`.
//!
//! `cargo run --example controller_heliostat` runs against a server in process, until Ctrl-C.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;

use heliostat::core::object::ObjectKey;
use heliostat::informer::{HandlerFuncs, SharedInformer};
use heliostat::queue::{Action, WorkQueue};
use heliostat::source::kube::KubeSource;
use heliostat_server::ApiServer;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::api::{Patch, PatchParams};
use kube_client::{Api, Client, Config};
use serde_json::json;

/// Runs the controller until `stop` ends.
pub async fn run(client: Client, stop: impl Future<Output = ()>) -> Result<(), Box<dyn Error>> {
    let cluster = client.clone().into();
    let maps = SharedInformer::new(KubeSource::<ConfigMap>::all(&cluster).labels("greet"));
    let queue = WorkQueue::new();
    let (added, updated) = (queue.clone(), queue.clone());
    let handler = maps.add_handler(
        HandlerFuncs::new()
            .on_add(move |map, _| added.add(map.key().clone()))
            .on_update(move |_, map| updated.add(map.key().clone())),
    )?;
    maps.start();
    handler.wait_synced().await?;

    let reader = maps.indexer().clone();
    let reconcile = move |key: ObjectKey| {
        let (client, map) = (client.clone(), reader.get(&key));
        async move {
            // It may be gone by now, or have been greeted.
            let Some(map) = map.filter(|map| !is_greeted(&map.object)) else {
                return Ok(Action::Done);
            };
            let api = Api::<ConfigMap>::namespaced(client, key.namespace().unwrap_or_default());
            let patch = Patch::Merge(json!({"data": {"greeting": greeting(map.key().name())}}));
            api.patch(key.name(), &PatchParams::default(), &patch)
                .await?;
            // On an error the key comes back later and later; nothing needs to be said of it here.
            Ok::<_, kube_client::Error>(Action::Done)
        }
    };
    tokio::select! {
        () = queue.process(2, reconcile) => {}
        () = stop => {}
    }
    maps.stop().await;
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

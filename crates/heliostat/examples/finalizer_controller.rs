//! A controller with a finalizer and owned objects.
//!
//! For every ConfigMap with the label `publish` it keeps a copy of its data under the name that the
//! label says. The original owns the copy. Before the original goes, the copy is taken down: a
//! finalizer holds the original until that is done.
//!
//! `cargo run --example finalizer_controller` runs against a server in process. Give it a client
//! of your own, and it is that cluster.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use heliostat::controller::{FinalizerError, FinalizerEvent, finalizer};
use heliostat::source::kube::KubeSource;
use heliostat::{Action, Controller};
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube_client::{Api, Client};
use kube_core::{ObjectMeta, Resource as _, ResourceExt as _};
use serde_json::json;

/// Holds an original until its copy is gone.
pub const FINALIZER: &str = "example.com/unpublish";

/// Says that a ConfigMap is to be published, and as what.
pub const PUBLISH: &str = "publish";

async fn reconcile(
    original: Arc<ConfigMap>,
    client: Client,
) -> Result<Action, FinalizerError<kube_client::Error>> {
    let namespace = original.namespace().unwrap_or_default();
    let api = Api::<ConfigMap>::namespaced(client, &namespace);
    finalizer(&api, FINALIZER, original, async |event| match event {
        FinalizerEvent::Apply(original) => publish(&api, &original).await,
        FinalizerEvent::Cleanup(original) => unpublish(&api, &original).await,
    })
    .await
}

/// Makes the copy as the original wants it. Does the same again if it is called again.
async fn publish(api: &Api<ConfigMap>, original: &ConfigMap) -> Result<Action, kube_client::Error> {
    let name = &original.labels()[PUBLISH];
    let copy = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            owner_references: original.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: original.data.clone(),
        ..ConfigMap::default()
    };
    let data = Patch::Merge(json!({ "data": original.data }));
    match api.patch(name, &PatchParams::default(), &data).await {
        Err(kube_client::Error::Api(status)) if status.is_not_found() => {
            api.create(&PostParams::default(), &copy).await?;
        }
        patched => drop(patched?),
    }
    // Changes that no event reports are mended this often.
    Ok(Action::After(Duration::from_secs(600)))
}

async fn unpublish(
    api: &Api<ConfigMap>,
    original: &ConfigMap,
) -> Result<Action, kube_client::Error> {
    let name = &original.labels()[PUBLISH];
    match api.delete(name, &DeleteParams::default()).await {
        Err(kube_client::Error::Api(status)) if status.is_not_found() => {}
        deleted => drop(deleted?),
    }
    Ok(Action::Done)
}

/// Runs the controller until `stop` ends.
pub async fn run(
    client: Client,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    Controller::new(KubeSource::<ConfigMap>::new(&client).labels(PUBLISH))
        .owns(KubeSource::<ConfigMap>::new(&client))
        .concurrency(4)
        .shutdown_on(stop)
        .run(reconcile, client)
        .await?;
    Ok(())
}

/// A server with one original, in place of a cluster.
pub async fn stand_in() -> Result<RunningServer, Box<dyn Error>> {
    let server = ApiServer::builder().build();
    let original = json!({
        "metadata": {"name": "draft", "namespace": "shop", "labels": {PUBLISH: "news"}},
        "data": {"headline": "open on sundays"},
    });
    server.storage().create("configmaps", original)?;
    Ok(server.serve_local().await?)
}

/// A client of the server. For your own cluster: `Client::try_default()`.
pub fn client_of(server: &RunningServer) -> Result<Client, Box<dyn Error>> {
    let config = kube_client::Config::new(server.url().parse()?);
    Ok(Client::try_from(config)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = stand_in().await?;
    let client = client_of(&server)?;
    println!(
        "kubectl --server {} get configmaps -A --watch",
        server.url()
    );
    let interrupted = async {
        // Without a way to be interrupted it runs on.
        let _ = tokio::signal::ctrl_c().await;
    };
    run(client, interrupted).await?;
    server.shutdown().await;
    Ok(())
}

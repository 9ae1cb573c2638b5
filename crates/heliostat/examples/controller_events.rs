//! A controller that publishes Kubernetes events, with the recorder of kube-rs: one for each ConfigMap
//! with the label `greet`.
//!
//! `cargo run --example controller_events --features kube-runtime` runs against a server in process,
//! until Ctrl-C.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::sync::Arc;

use heliostat::controller::predicates;
use heliostat::source::kube::KubeSource;
use heliostat::{Action, Controller};
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::{Client, Config};
use kube_core::Resource as _;
use kube_runtime::events::{Event, EventType, Recorder};
use serde_json::json;

async fn reconcile(map: Arc<ConfigMap>, recorder: Recorder) -> Result<Action, kube_client::Error> {
    let event = Event {
        type_: EventType::Normal,
        reason: "Greeted".into(),
        note: Some("hello".into()),
        action: "Greeting".into(),
        secondary: None,
    };
    recorder.publish(&event, &map.object_ref(&())).await?;
    Ok(Action::Done)
}

/// Runs the controller until `stop` ends.
pub async fn run(
    client: Client,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    let recorder = Recorder::new(client.clone(), "greeter".into());
    Controller::new(KubeSource::<ConfigMap>::new(&client).labels("greet"))
        .filter(predicates::labels)
        .shutdown_on(stop)
        .run(reconcile, recorder)
        .await?;
    Ok(())
}

/// A server with one ConfigMap that wants to be greeted, in place of a cluster.
pub async fn stand_in() -> Result<RunningServer, Box<dyn Error>> {
    let server = ApiServer::builder().build();
    // A cluster has this kind.
    let events = json!({
        "metadata": {"name": "events.events.k8s.io"},
        "spec": {
            "group": "events.k8s.io",
            "scope": "Namespaced",
            "names": {"kind": "Event", "plural": "events"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    });
    server
        .storage()
        .create("customresourcedefinitions.apiextensions.k8s.io", events)?;
    let map =
        json!({"metadata": {"name": "world", "namespace": "shop", "labels": {"greet": "yes"}}});
    server.storage().create("configmaps", map)?;
    Ok(server.serve_local().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = stand_in().await?;
    let client = Client::try_from(Config::new(server.url().parse()?))?;
    println!("kubectl --server {} get events -A", server.url());
    let interrupted = async {
        // Without a way to be interrupted it continues.
        let _ = tokio::signal::ctrl_c().await;
    };
    run(client, interrupted).await?;
    server.shutdown().await;
    Ok(())
}

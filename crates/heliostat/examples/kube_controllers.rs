//! Runs two controllers of `kube-runtime` over one mirror, with one watch and one copy of every pod.
//!
//! `cargo run --example kube_controllers --features kube-runtime` runs against a server in process.
//! Leave `.server(..)` out, and it is the cluster of your kubeconfig.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use heliostat::informer::InformerStopped;
use heliostat::kube_runtime::{Shared, watcher_events};
use heliostat::source::kube::{Connection, Scope};
use heliostat::{SharedInformer, SharedInformerFactory};
use heliostat_server::ApiServer;
use k8s_openapi::api::core::v1::Pod;
use kube_core::ResourceExt;
use kube_runtime::controller::{Action, Controller};
use kube_runtime::{WatchStreamExt, reflector};
use serde_json::json;
use tokio::sync::mpsc;

/// What the controllers work with.
struct World {
    controller: &'static str,
    reports: mpsc::UnboundedSender<(&'static str, String)>,
}

/// A `Shared<Pod>` is used as a `Pod` is.
async fn reconcile(pod: Arc<Shared<Pod>>, world: Arc<World>) -> Result<Action, Infallible> {
    let app = pod.labels().get("app").map_or("no app", String::as_str);
    println!("{} looks at {} of {app}", world.controller, pod.name_any());
    // Nobody listens any more at the end.
    let _ = world.reports.send((world.controller, app.to_owned()));
    Ok(Action::await_change())
}

/// A controller of all pods of this informer, for as long as that runs.
async fn run(pods: SharedInformer<Pod>, world: World) -> Result<(), InformerStopped> {
    let (reader, writer) = reflector::store::<Shared<Pod>>();
    let changed = watcher_events(pods.subscribe()?)
        .reflect(writer)
        .applied_objects();
    let error_policy = |_: Arc<Shared<Pod>>, _: &Infallible, _: Arc<World>| Action::await_change();
    Controller::for_stream(changed, reader)
        .run(reconcile, error_policy, Arc::new(world))
        .for_each(async |_| {})
        .await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = ApiServer::builder().build().serve_local().await?;
    let pod = json!({"metadata": {"name": "cart-1", "namespace": "shop"}});
    server.storage().create("pods", pod)?;

    let cluster = Connection::new().server(server.url()).connect().await?;
    let factory = SharedInformerFactory::of_cluster(cluster);
    let pods = factory.kube::<Pod>(&Scope::all().namespace("shop"))?;
    let (reports, mut reported) = mpsc::unbounded_channel();
    let controllers = ["one", "other"].map(|controller| {
        let reports = reports.clone();
        let world = World {
            controller,
            reports,
        };
        tokio::spawn(run(pods.clone(), world))
    });
    factory.start();
    factory.wait_synced(Duration::from_secs(30)).await?;

    let labelled = json!({"metadata": {"labels": {"app": "cart"}}});
    server
        .storage()
        .merge_patch("pods", "shop/cart-1", labelled)?;
    let mut satisfied = Vec::new();
    while satisfied.len() < controllers.len() {
        match reported.recv().await {
            Some((who, app)) if app == "cart" && !satisfied.contains(&who) => satisfied.push(who),
            Some(_) => {}
            None => break,
        }
    }

    // The end of the informers is the end of the controllers.
    factory.shutdown().await;
    for controller in controllers {
        controller.await??;
    }
    server.shutdown().await;
    Ok(())
}

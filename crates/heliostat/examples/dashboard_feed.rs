//! A feed for a dashboard: the pods and the services of a cluster as server-sent events. Each client
//! is told first what is there, then what changes; one that reads slowly costs bounded memory.
//!
//! `cargo run --example dashboard_feed` runs against a server in process, until Ctrl-C. Leave
//! `.server(..)` out, and it is the cluster of your kubeconfig.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::convert::Infallible;
use std::error::Error;

use futures_util::stream::{self, BoxStream, StreamExt};
use heliostat::source::kube::{Cluster, Connection, Scope};
use heliostat::{HandlerOptions, Notification, SharedInformer, SharedInformerFactory};
use heliostat_server::{ApiServer, RunningServer};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::json;
use tokio::net::TcpListener;

/// How many changes may wait for a client. Beyond it only the newest state of each object does, and
/// no deletion is lost.
const WAITING_MAX: usize = 256;

/// What is shown. The factory mirrors each kind once, however many clients there are.
#[derive(Clone, Debug)]
pub struct Dashboard {
    pods: SharedInformer<Pod>,
    services: SharedInformer<Service>,
}

impl Dashboard {
    /// Mirrors what is shown.
    pub async fn of(cluster: Cluster) -> Result<Self, Box<dyn Error>> {
        let factory = SharedInformerFactory::of_cluster(cluster);
        let this = Self {
            pods: factory.kube(&Scope::all())?,
            services: factory.kube(&Scope::all())?,
        };
        factory.start();
        Ok(this)
    }

    /// The events of one client; they end with the mirrors.
    fn events(&self) -> BoxStream<'static, String> {
        stream::select(
            events("pods", &self.pods),
            events("services", &self.services),
        )
        .boxed()
    }
}

fn events<T: Send + Sync + 'static>(
    kind: &'static str,
    informer: &SharedInformer<T>,
) -> BoxStream<'static, String> {
    let options = HandlerOptions::new()
        .name("dashboard")
        .coalescing(WAITING_MAX);
    match informer.subscribe_with(&options) {
        Ok(subscription) => subscription
            .map(move |notification| event(kind, &notification))
            .boxed(),
        // It has been stopped: there is nothing to tell.
        Err(_) => stream::empty().boxed(),
    }
}

/// One event as browsers read it: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
fn event<T>(kind: &str, notification: &Notification<T>) -> String {
    let word = match notification {
        Notification::Added { .. } => "added",
        Notification::Updated { .. } => "updated",
        Notification::Deleted { .. } => "deleted",
        Notification::Synced => "synced",
    };
    let data = match notification.entry() {
        Some(entry) => json!({
            "kind": kind,
            "key": entry.key().as_str(),
            "version": entry.header.resource_version.to_string(),
        }),
        None => json!({ "kind": kind }),
    };
    format!("event: {word}\ndata: {data}\n\n")
}

/// Serves the feed at every path.
pub async fn serve(listener: TcpListener, dashboard: Dashboard) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let dashboard = dashboard.clone();
        tokio::spawn(async move {
            let service = service_fn(|_| {
                let frames = dashboard
                    .events()
                    .map(|event| Ok::<_, Infallible>(Frame::data(Bytes::from(event))));
                let mut answer = Response::new(StreamBody::new(frames));
                let sse = HeaderValue::from_static("text/event-stream");
                answer.headers_mut().insert(CONTENT_TYPE, sse);
                async move { Ok::<_, Infallible>(answer) }
            });
            // A client that goes takes its subscriptions along.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A server with a pod and a service, in place of a cluster.
pub async fn stand_in() -> Result<RunningServer, Box<dyn Error>> {
    let server = ApiServer::builder().build();
    let object = |name: &str| json!({"metadata": {"name": name, "namespace": "shop"}});
    server.storage().create("pods", object("cart-1"))?;
    server.storage().create("services", object("cart"))?;
    Ok(server.serve_local().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = stand_in().await?;
    let cluster = Connection::new().server(server.url()).connect().await?;
    let dashboard = Dashboard::of(cluster).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("try: curl -N http://{}/", listener.local_addr()?);
    tokio::select! {
        served = serve(listener, dashboard) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    server.shutdown().await;
    Ok(())
}

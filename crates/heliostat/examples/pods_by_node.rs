//! An index server: `GET /nodes/NAME/pods` gives the names of the pods of a node, from an index.
//!
//! `cargo run --example pods_by_node` runs against a server in process, until Ctrl-C. Leave
//! `.server(..)` out, and it is the cluster of your kubeconfig.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use heliostat::source::kube::{Connection, Scope};
use heliostat::{Entry, IndexFunc, Lister, SharedInformerFactory};
use heliostat_server::{ApiServer, RunningServer};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use tokio::net::TcpListener;

/// The index: which node a pod runs on. One that runs on none is not in it.
const BY_NODE: &str = "spec.nodeName";

/// Mirrors the pods of a server, with the index. The mirror runs for as long as the lister is there.
pub async fn mirror(url: &str) -> Result<Lister<Pod>, Box<dyn Error>> {
    let cluster = Connection::new().server(url).connect().await?;
    let factory = SharedInformerFactory::of_cluster(cluster);
    let pods = factory.kube::<Pod>(&Scope::all())?;
    let node = |pod: &Entry<Pod>| pod.object.spec.as_ref()?.node_name.clone();
    pods.indexer().add_index(BY_NODE, IndexFunc::new(node))?;
    factory.start();
    factory.wait_synced(Duration::from_secs(30)).await?;
    Ok(pods.lister("pods"))
}

/// The answer to a path. No pod is looked at but those of the node.
pub fn answer(pods: &Lister<Pod>, path: &str) -> Response<Full<Bytes>> {
    let node = path
        .strip_prefix("/nodes/")
        .and_then(|path| path.strip_suffix("/pods"));
    let found = node.and_then(|node| pods.by_index(BY_NODE, node).ok());
    let (code, text) = match found {
        Some(found) => {
            let names: Vec<_> = found.iter().map(|pod| pod.key().as_str()).collect();
            (StatusCode::OK, json!({ "pods": names }).to_string())
        }
        None => (StatusCode::NOT_FOUND, "try /nodes/NAME/pods".to_owned()),
    };
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = code;
    answer
}

/// Answers whoever asks.
pub async fn serve(listener: TcpListener, pods: Lister<Pod>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let pods = pods.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let answer = answer(&pods, request.uri().path());
                async move { Ok::<_, Infallible>(answer) }
            });
            // One connection that breaks is nobody else's business.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A server with a few pods, in place of a cluster.
pub async fn stand_in() -> Result<RunningServer, Box<dyn Error>> {
    let server = ApiServer::builder().build();
    let pod = |name: &str, node: &str| json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"nodeName": node}});
    let pods = [pod("cart-1", "n1"), pod("cart-2", "n2"), pod("web-1", "n1")];
    server.storage().load("pods", pods)?;
    Ok(server.serve_local().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = stand_in().await?;
    let pods = mirror(&server.url()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("try: curl http://{}/nodes/n1/pods", listener.local_addr()?);
    tokio::select! {
        served = serve(listener, pods) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    server.shutdown().await;
    Ok(())
}

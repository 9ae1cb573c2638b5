//! The endpoint for operators: `/metrics` for Prometheus, `/healthz`, `/readyz`.
//!
//! Everything that a client may hold open has a deadline and a limit: see [`connections`].

mod connections;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::failure::Failure;

use connections::Connections;

/// The upper bounds of durations, in seconds: from a list on loopback to the longest watch.
const SECONDS_BUCKETS: &[f64] = &[
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0,
];

/// The upper bounds of counts of objects.
const ITEMS_BUCKETS: &[f64] = &[
    1.0, 10.0, 50.0, 100.0, 500.0, 1e3, 5e3, 1e4, 5e4, 1e5, 5e5, 1e6,
];

/// How often the recorder tidies up what it has collected: its own suggestion.
pub(crate) const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// How long a client may take to send its request, also the next one on the same connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is used. What is under way then may end within [`LAST_ANSWER`].
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);

/// How long the last answer on a connection may take: a client that does not read does not keep it.
const LAST_ANSWER: Duration = Duration::from_secs(10);

/// The pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The recorder and its listener. Made before the first mirror is started, since metrics that are
/// registered earlier go nowhere.
pub(crate) struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    recorder: PrometheusHandle,
}

/// Records all metrics from now on.
pub(crate) fn install_recorder() -> Result<PrometheusHandle, Failure> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Prefix("reflector_items".to_owned()), ITEMS_BUCKETS)?
        .install_recorder()?;
    Ok(recorder)
}

impl Endpoint {
    /// Listens and records; nothing is served yet.
    pub(crate) async fn bind(address: &str) -> Result<Self, Failure> {
        let failed = |error| Failure::Listen {
            address: address.to_owned(),
            error,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let recorder = install_recorder()?;
        Ok(Self {
            listener,
            address: bound,
            recorder,
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self, ready: impl Fn() -> bool + Send + Sync + 'static) {
        let shared = Shared {
            recorder: self.recorder,
            ready: Box::new(ready),
            header_timeout: HEADER_TIMEOUT,
        };
        serve(self.listener, Arc::new(shared)).await;
    }
}

struct Shared {
    recorder: PrometheusHandle,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
    header_timeout: Duration,
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut open: Connections<AbortHandle> = Connections::new();
    let mut tasks = JoinSet::new();
    let mut upkeep = tokio::time::interval(UPKEEP_PERIOD);
    loop {
        tokio::select! {
            _ = upkeep.tick() => shared.recorder.run_upkeep(),
            Some(_) = tasks.join_next() => open.retain(|task| !task.is_finished()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let task = tasks.spawn(serve_connection(stream, Arc::clone(&shared)));
                    if let Some(oldest) = open.add(peer.ip(), task) {
                        oldest.abort();
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "could not accept a connection for metrics");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    let header_timeout = shared.header_timeout;
    let service = service_fn(|request| {
        let answer = shared.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let served = match timeout(CONNECTION_LIFETIME, &mut connection).await {
        Ok(served) => served,
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection for metrics ended early");
    }
}

impl Shared {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here\n");
            answer
                .headers_mut()
                .insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match request.uri().path() {
            "/metrics" => text(StatusCode::OK, self.recorder.render()),
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if (self.ready)() => text(StatusCode::OK, "ok\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not synced yet\n"),
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz and /readyz\n",
            ),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    // The version of the text format that Prometheus asks for.
    let plain = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::connections::{CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX};
    use super::*;

    /// Bounds a test that would otherwise hang.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_oldest_silent_connections_are_closed_and_the_newest_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            recorder: PrometheusBuilder::new().build_recorder().handle(),
            ready: Box::new(|| true),
            // Only a new connection closes a silent one.
            header_timeout: Duration::from_secs(24 * 60 * 60),
        };
        let server = tokio::spawn(serve(listener, Arc::new(shared)));
        let mut connections = Vec::new();
        for _ in 0..2 * CONNECTIONS_MAX {
            connections.push(TcpStream::connect(address).await.unwrap());
        }
        let newest = connections.split_off(connections.len() - CONNECTIONS_PER_PEER_MAX);
        for mut silent in connections {
            let closed = timeout(PATIENCE, silent.read(&mut [0])).await;
            // A reset is an end as well.
            assert_eq!(closed.expect("it is closed").unwrap_or(0), 0);
        }
        for mut connection in newest {
            let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            connection.write_all(request).await.unwrap();
            let mut answer = String::new();
            let read = connection.read_to_string(&mut answer);
            timeout(PATIENCE, read).await.unwrap().unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        server.abort();
    }
}

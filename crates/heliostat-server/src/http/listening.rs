//! Listening, connections and the end of them.
//!
//! One task accepts, one task serves each connection. Both are owned by [`Listening`]: shutting down
//! ends every watch, lets answers finish for a moment, closes what is left and waits for all of it.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder as ConnectionBuilder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::faults::Injected;
use crate::handle::StorageHandle;
use crate::served::Served;

use super::config::{Config, Documents};
use super::gauge::WatchGauge;
use super::log::RequestLog;
use super::service::serve;
use super::state::ServerState;

/// How long answers may take to finish once the server stops.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);
/// The pause after a connection that could not be accepted: when descriptors run out, trying at
/// once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the headers of a request may take, and how long a connection may be without a request,
/// as kube-apiserver has it for headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(32);
/// How often an HTTP/2 client that sends nothing is asked whether it is still there, and how long it
/// may take to answer: Go's HTTP/2 transport as Kubernetes sets it.
const PING_PERIOD: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// Streams on one HTTP/2 connection, as kube-apiserver allows.
const STREAMS_MAX: u32 = 100;
/// Frame size for HTTP/2, as kube-apiserver has it.
const FRAME_BYTES_MAX: u32 = 256 * 1024;

/// What is served, and how.
pub(crate) struct Settings {
    pub(crate) served: Arc<dyn Served>,
    pub(crate) writes: Result<StorageHandle, String>,
    pub(crate) faults: Injected,
    pub(crate) config: Config,
    pub(crate) documents: Documents,
}

/// A server that listens. Dropping it stops it without waiting.
pub(crate) struct Listening {
    state: Arc<ServerState>,
    shutdown: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Listening {
    /// Serves on a listener.
    ///
    /// # Errors
    /// If the listener does not know its own address.
    pub(crate) fn start(listener: TcpListener, settings: Settings) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (shutdown, stops) = watch::channel(false);
        let state = Arc::new(ServerState {
            served: settings.served,
            writes: settings.writes,
            faults: settings.faults,
            gauge: WatchGauge::new(),
            log: RequestLog::default(),
            shutdown: stops,
            config: settings.config,
            documents: settings.documents,
            address,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            state,
            shutdown,
            accepting,
        })
    }

    pub(crate) fn state(&self) -> &ServerState {
        &self.state
    }

    /// Ends every watch, lets answers finish for half a second, closes all connections and the
    /// listener, and returns when all of that is done.
    pub(crate) async fn shutdown(mut self) {
        self.shutdown.send_replace(true);
        // The task only ends by itself or by a panic, which has been reported.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.shutdown.send_replace(true);
    }
}

async fn accept(listener: TcpListener, state: Arc<ServerState>) {
    let mut connections = JoinSet::new();
    let mut shutdown = state.shutdown.clone();
    loop {
        // The end comes first; finished connections are taken out so that the set stays small.
        let accepted = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stops| *stops) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&state)));
            }
            Err(error) => {
                debug!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(SHUTDOWN_GRACE, all).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, state: Arc<ServerState>) {
    // Events are small and must not wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "could not switch off delays");
    }
    let mut shutdown = state.shutdown.clone();
    let mut builder = ConnectionBuilder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_PERIOD)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_frame_size(FRAME_BYTES_MAX);
    let requested = Notify::new();
    let service = service_fn(|request| {
        requested.notify_one();
        serve(Arc::clone(&state), request)
    });
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let finished = tokio::select! {
        biased;
        _ = shutdown.wait_for(|stops| *stops) => None,
        result = serving.as_mut() => Some(result),
        () = is_silent(&requested) => {
            debug!("a connection sent no request in time");
            return;
        }
    };
    let result = match finished {
        Some(result) => result,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    // Clients go away whenever they like, and faults make connections fail: neither is an error.
    if let Err(error) = result {
        debug!(%error, "a connection ended early");
    }
}

/// Returns if the first request of a connection does not come in time; what hyper reads before it
/// knows the protocol has no deadline of its own.
async fn is_silent(requested: &Notify) {
    if timeout(HEADERS_TIMEOUT, requested.notified()).await.is_ok() {
        pending::<()>().await;
    }
}

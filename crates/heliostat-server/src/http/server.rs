//! Listening, connections and the end of them.
//!
//! One task accepts, one task serves each connection. Both are owned by the [`RunningServer`]:
//! shutting down ends every watch, lets answers finish for a moment, closes what is left and waits
//! for all of it.

use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder as ConnectionBuilder;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::api_server::storage::Storage;
use crate::collection::kind::Kind;
use crate::faults::Faults;
use crate::handle::{Clock, StorageHandle};

use super::gauge::WatchGauge;
use super::log::{RequestLog, RequestRecord};
use super::service::{ServerState, serve};

/// Events kept for each kind unless said otherwise. With two events a second it is more than an
/// hour, with a hundred more than the minute between two bookmarks, so that an idle watcher can
/// always resume.
const EVENT_WINDOW: usize = 8_192;
/// Time between bookmarks, as kube-apiserver has it.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// How long before its deadline a watch gets one more bookmark, as kube-apiserver does.
const LAST_BOOKMARK_LEAD: Duration = Duration::from_secs(2);
/// The least time a watch lasts that does not ask for one: `--min-request-timeout`.
const WATCH_TIMEOUT: Duration = Duration::from_secs(1_800);
/// How long a request waits for a version that is not there yet, as the watch cache does.
const TOO_LARGE_WAIT: Duration = Duration::from_secs(3);
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

/// The settings that requests look at.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) bookmark_period: Duration,
    pub(crate) last_bookmark_lead: Duration,
    pub(crate) watch_timeout: Duration,
    pub(crate) too_large_wait: Duration,
    pub(crate) watch_list: bool,
}

/// An API server that does not listen yet: storage, faults and settings.
#[derive(Clone, Debug)]
pub struct ApiServer {
    storage: StorageHandle,
    faults: Faults,
    config: Config,
}

/// Settings of an [`ApiServer`]; every one has a default.
#[must_use]
pub struct ApiServerBuilder {
    kinds: Vec<Kind>,
    event_window: usize,
    config: Config,
    seed: Option<u64>,
    clock: Clock,
}

impl fmt::Debug for ApiServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServerBuilder")
            .field("kinds", &self.kinds)
            .field("event_window", &self.event_window)
            .field("config", &self.config)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl ApiServerBuilder {
    /// Serves one more kind beside the built-in ones.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// How many events of each kind are kept for watches and exact lists; the default is 8,192.
    /// Every event keeps one object alive. At least 1.
    pub fn event_window(mut self, events: usize) -> Self {
        self.event_window = events;
        self
    }

    /// The time between bookmarks on a watch that allows them; the default is 60 s.
    pub fn bookmark_period(mut self, period: Duration) -> Self {
        self.config.bookmark_period = period;
        self
    }

    /// The least time that a watch lasts which does not ask for one; the default is 30 minutes.
    /// Each watch gets between once and twice this time.
    pub fn watch_timeout(mut self, least: Duration) -> Self {
        self.config.watch_timeout = least;
        self
    }

    /// How long a request waits for a version that the server has not reached before it gets a 504;
    /// the default is 3 s.
    pub fn too_large_wait(mut self, wait: Duration) -> Self {
        self.config.too_large_wait = wait;
        self
    }

    /// Whether watches may ask for their initial state (`sendInitialEvents`); the default is yes.
    /// A server that does not refuses such watches with a 422.
    pub fn watch_list(mut self, enabled: bool) -> Self {
        self.config.watch_list = enabled;
        self
    }

    /// Makes uids and generated names the same on every run; the default is others on every run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Where creation times and ages come from; the default is the system's clock.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The server, ready to be filled and served.
    pub fn build(self) -> ApiServer {
        let mut storage = Storage::new(self.event_window);
        for kind in self.kinds {
            storage.register(kind);
        }
        let storage = StorageHandle::new(storage, self.clock, self.seed);
        ApiServer {
            faults: Faults::new(storage.clone()),
            storage,
            config: self.config,
        }
    }
}

impl ApiServer {
    /// Starts with every setting at its default.
    pub fn builder() -> ApiServerBuilder {
        ApiServerBuilder {
            kinds: Vec::new(),
            event_window: EVENT_WINDOW,
            config: Config {
                bookmark_period: BOOKMARK_PERIOD,
                last_bookmark_lead: LAST_BOOKMARK_LEAD,
                watch_timeout: WATCH_TIMEOUT,
                too_large_wait: TOO_LARGE_WAIT,
                watch_list: true,
            },
            seed: None,
            clock: Arc::new(Timestamp::now),
        }
    }

    /// The storage, to fill before serving and to change while it goes on.
    pub fn storage(&self) -> &StorageHandle {
        &self.storage
    }

    /// Faults, to inject before serving and while it goes on.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Serves on a listener until [`RunningServer::shutdown`]. The same server may be served again
    /// afterwards, as after a restart, and keeps its storage.
    ///
    /// # Errors
    /// If the listener does not know its own address.
    pub fn serve(&self, listener: TcpListener) -> io::Result<RunningServer> {
        let address = listener.local_addr()?;
        let (shutdown, stops) = watch::channel(false);
        let state = Arc::new(ServerState {
            storage: self.storage.clone(),
            faults: self.faults.clone(),
            gauge: WatchGauge::new(),
            log: RequestLog::default(),
            shutdown: stops,
            config: self.config.clone(),
            address,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(RunningServer {
            state,
            shutdown,
            accepting,
        })
    }

    /// Serves on a free port of the loopback address.
    ///
    /// # Errors
    /// If there is none to listen on.
    pub async fn serve_local(&self) -> io::Result<RunningServer> {
        self.serve(TcpListener::bind(("127.0.0.1", 0)).await?)
    }
}

/// A server that listens. Dropping it stops it without waiting; [`shutdown`](Self::shutdown)
/// waits.
#[must_use = "dropping it stops the server"]
pub struct RunningServer {
    state: Arc<ServerState>,
    shutdown: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer")
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}

impl RunningServer {
    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.state.address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The storage behind it.
    pub fn storage(&self) -> &StorageHandle {
        &self.state.storage
    }

    /// Faults on demand.
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// How many watches of a resource are open.
    pub fn open_watches(&self, resource: &str) -> usize {
        self.state.gauge.count(resource)
    }

    /// Waits until at least `count` watches of a resource are open.
    ///
    /// # Cancel safety
    /// Nothing is lost when this is dropped.
    pub async fn wait_for_watches(&self, resource: &str, count: usize) {
        self.state
            .gauge
            .wait_for(resource, |open| open >= count)
            .await;
    }

    /// Waits until no watch of a resource is open.
    ///
    /// # Cancel safety
    /// Nothing is lost when this is dropped.
    pub async fn wait_for_no_watches(&self, resource: &str) {
        self.state.gauge.wait_for(resource, |open| open == 0).await;
    }

    /// The last requests for resources, oldest first; at most 4,096.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.log.all()
    }

    /// The same, and forgets them.
    pub fn take_requests(&self) -> Vec<RequestRecord> {
        self.state.log.take()
    }

    /// Ends every watch, lets answers finish for half a second, closes all connections and the
    /// listener, and returns when all of that is done.
    pub async fn shutdown(mut self) {
        self.shutdown.send_replace(true);
        // The task only ends by itself or by a panic, which has been reported.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for RunningServer {
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

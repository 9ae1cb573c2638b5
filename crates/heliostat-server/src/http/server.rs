//! The embedded API server: its settings, and the handle of one that listens.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::api_server::storage::Storage;
use crate::collection::kind::Kind;
use crate::faults::Faults;
use crate::handle::{Clock, StorageHandle};

use super::config::{Config, Documents};
use super::listening::{Listening, Settings};
use super::log::RequestRecord;

/// Events kept for each kind unless said otherwise. With two events a second it is more than an
/// hour, with a hundred more than the minute between two bookmarks, so that an idle watcher can
/// always resume.
const EVENT_WINDOW: usize = 8_192;
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
            config: Config::default(),
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
        let settings = Settings {
            served: Arc::new(self.storage.clone()),
            writes: Ok(self.storage.clone()),
            faults: self.faults.injected().clone(),
            config: self.config.clone(),
            documents: Documents::default(),
        };
        Ok(RunningServer {
            listening: Listening::start(listener, settings)?,
            storage: self.storage.clone(),
            faults: self.faults.clone(),
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
    listening: Listening,
    storage: StorageHandle,
    faults: Faults,
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
        self.listening.state().address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The storage behind it.
    pub fn storage(&self) -> &StorageHandle {
        &self.storage
    }

    /// Faults on demand.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How many watches of a resource are open.
    pub fn open_watches(&self, resource: &str) -> usize {
        self.listening.state().gauge.count(resource)
    }

    /// Waits until at least `count` watches of a resource are open.
    ///
    /// # Cancel safety
    /// Nothing is lost when this is dropped.
    pub async fn wait_for_watches(&self, resource: &str, count: usize) {
        self.listening
            .state()
            .gauge
            .wait_for(resource, |open| open >= count)
            .await;
    }

    /// Waits until no watch of a resource is open.
    ///
    /// # Cancel safety
    /// Nothing is lost when this is dropped.
    pub async fn wait_for_no_watches(&self, resource: &str) {
        self.listening
            .state()
            .gauge
            .wait_for(resource, |open| open == 0)
            .await;
    }

    /// The last requests for resources, oldest first; at most 4,096.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.listening.state().log.all()
    }

    /// The same, and forgets them.
    pub fn take_requests(&self) -> Vec<RequestRecord> {
        self.listening.state().log.take()
    }

    /// Ends every watch, lets answers finish for half a second, closes all connections and the
    /// listener, and returns when all of that is done.
    pub async fn shutdown(self) {
        self.listening.shutdown().await;
    }
}

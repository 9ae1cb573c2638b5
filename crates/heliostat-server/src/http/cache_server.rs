//! A server over watch caches: a mirror for other clients, read-only.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::net::TcpListener;

use crate::faults::Injected;
use crate::watch_cache::{Caches, WatchCache};

use super::config::{Config, Documents, Fetch, Metrics};
use super::listening::{Listening, Settings};

/// Serves watch caches: get, list and watch, discovery and health, to unmodified clients of Kubernetes.
///
/// It takes no writes, and nothing authenticates its clients: it listens on loopback addresses alone.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use heliostat_server::{CacheServer, Kind, WatchCache};
///
/// let pods = WatchCache::new(Kind::known("", "v1", "Pod", "pods"));
/// let server = CacheServer::builder().cache(pods).build();
/// let running = server.serve_local().await?;
/// println!("kubectl --server {} get pods --watch", running.url());
/// running.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CacheServer {
    caches: Arc<Caches>,
    write_to: String,
    config: Config,
    documents: Documents,
}

/// Settings of a [`CacheServer`]; every one has a default.
#[must_use]
pub struct CacheServerBuilder {
    caches: Vec<WatchCache>,
    write_to: String,
    config: Config,
    version: Option<Bytes>,
    metrics: Option<Metrics>,
    openapi: Option<Fetch>,
}

impl CacheServer {
    /// Starts with every setting at its default.
    pub fn builder() -> CacheServerBuilder {
        CacheServerBuilder {
            caches: Vec::new(),
            write_to: "its source".to_owned(),
            config: Config::default(),
            version: None,
            metrics: None,
            openapi: None,
        }
    }

    /// Serves on a listener until [`RunningCacheServer::shutdown`].
    ///
    /// # Errors
    /// If the listener is not on a loopback address.
    pub fn serve(&self, listener: TcpListener) -> io::Result<RunningCacheServer> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            let message = format!(
                "{address} is no loopback address: without TLS and authentication, anyone who reaches it \
                 can read everything that is mirrored"
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        let settings = Settings {
            served: Arc::clone(&self.caches) as _,
            writes: Err(self.write_to.clone()),
            faults: Injected::default(),
            config: self.config.clone(),
            documents: self.documents.clone(),
        };
        Ok(RunningCacheServer {
            listening: Listening::start(listener, settings)?,
        })
    }

    /// Serves on a free port of the loopback address.
    ///
    /// # Errors
    /// If there is none to listen on.
    pub async fn serve_local(&self) -> io::Result<RunningCacheServer> {
        self.serve(TcpListener::bind(("127.0.0.1", 0)).await?)
    }
}

impl CacheServerBuilder {
    /// Serves one more cache. A second one of the same kind takes the place of the first.
    pub fn cache(mut self, cache: WatchCache) -> Self {
        self.caches.push(cache);
        self
    }

    /// Where clients are sent that want to write: an address or a name, for the message that refuses
    /// them. The default is `its source`.
    pub fn write_to(mut self, place: impl Into<String>) -> Self {
        self.write_to = place.into();
        self
    }

    /// What `/version` answers, as JSON: the document of the source. The default is this server's own.
    pub fn version(mut self, document: impl Into<Vec<u8>>) -> Self {
        self.version = Some(Bytes::from(document.into()));
        self
    }

    /// What `/metrics` answers, in the text format of Prometheus. By default there is no such path.
    pub fn metrics(mut self, write: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Some(Arc::new(write));
        self
    }

    /// Where the documents under `/openapi/v3` come from, which `kubectl explain` reads: called with the path
    /// and the query, it returns a document in JSON. Where it returns none, and by default, the documents
    /// name the kinds without their fields.
    pub fn openapi<F>(mut self, fetch: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<String>> + Send + 'static,
    {
        self.openapi = Some(Arc::new(move |path| fetch(path).boxed()));
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

    /// How long a request waits until the cache is as new as it asks for, before it gets a 504; the
    /// default is 3 s.
    pub fn freshness_wait(mut self, wait: Duration) -> Self {
        self.config.too_large_wait = wait;
        self
    }

    /// The server, ready to be served.
    #[must_use]
    pub fn build(self) -> CacheServer {
        CacheServer {
            caches: Arc::new(Caches::new(self.caches)),
            write_to: self.write_to,
            config: self.config,
            documents: Documents {
                version: self.version,
                metrics: self.metrics,
                openapi: self.openapi,
            },
        }
    }
}

/// A server over watch caches that listens. Dropping it stops it without waiting;
/// [`shutdown`](Self::shutdown) waits.
#[must_use = "dropping it stops the server"]
pub struct RunningCacheServer {
    listening: Listening,
}

impl RunningCacheServer {
    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.listening.state().address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
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
        let gauge = &self.listening.state().gauge;
        gauge.wait_for(resource, |open| open >= count).await;
    }

    /// Sends a last bookmark to every watch that takes bookmarks and ends it, lets answers finish for half
    /// a second, closes all connections and the listener, and returns when all of that is done.
    pub async fn shutdown(self) {
        self.listening.shutdown().await;
    }
}

impl fmt::Debug for CacheServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheServer")
            .field("caches", &self.caches)
            .field("write_to", &self.write_to)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CacheServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheServerBuilder")
            .field("caches", &self.caches)
            .field("write_to", &self.write_to)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunningCacheServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningCacheServer")
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}

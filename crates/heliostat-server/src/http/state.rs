//! `ServerState`: what all requests of a server share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::faults::Injected;
use crate::handle::StorageHandle;
use crate::served::Served;

use super::config::{Config, Documents};
use super::gauge::WatchGauge;
use super::log::RequestLog;

/// What all requests of a server share.
pub(crate) struct ServerState {
    pub(crate) served: Arc<dyn Served>,
    /// The storage that takes writes, or why none are taken.
    pub(crate) writes: Result<StorageHandle, String>,
    pub(crate) faults: Injected,
    pub(crate) gauge: WatchGauge,
    pub(crate) log: RequestLog,
    pub(crate) shutdown: watch::Receiver<bool>,
    pub(crate) config: Config,
    pub(crate) documents: Documents,
    pub(crate) address: SocketAddr,
}

impl ServerState {
    /// How long a watch lasts that does not say: between once and twice the configured time.
    pub(crate) fn default_watch_timeout(&self) -> Duration {
        let least = self.config.watch_timeout;
        let spread = u64::try_from(least.as_millis()).unwrap_or(u64::MAX);
        least + Duration::from_millis(self.served.random_below(spread.saturating_add(1)))
    }
}

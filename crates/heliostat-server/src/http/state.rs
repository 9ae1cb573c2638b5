//! `ServerState`: what all requests of a server share.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

use crate::faults::Faults;
use crate::handle::StorageHandle;

use super::gauge::WatchGauge;
use super::log::RequestLog;

/// What all requests of a server share.
pub(crate) struct ServerState {
    pub(crate) storage: StorageHandle,
    pub(crate) faults: Faults,
    pub(crate) gauge: WatchGauge,
    pub(crate) log: RequestLog,
    pub(crate) shutdown: watch::Receiver<bool>,
    pub(crate) config: Config,
    pub(crate) address: SocketAddr,
}

impl ServerState {
    /// How long a watch lasts that does not say: between once and twice the configured time.
    pub(crate) fn default_watch_timeout(&self) -> Duration {
        let least = self.config.watch_timeout;
        let spread = u64::try_from(least.as_millis()).unwrap_or(u64::MAX);
        least + Duration::from_millis(self.storage.random_below(spread.saturating_add(1)))
    }
}

/// The settings that requests look at.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) bookmark_period: Duration,
    pub(crate) last_bookmark_lead: Duration,
    pub(crate) watch_timeout: Duration,
    pub(crate) too_large_wait: Duration,
    pub(crate) watch_list: bool,
}

//! The settings that requests look at, whatever is served.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Time between bookmarks, as kube-apiserver has it.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// How long before its deadline a watch gets one more bookmark, as kube-apiserver does.
const LAST_BOOKMARK_LEAD: Duration = Duration::from_secs(2);
/// The least time a watch lasts that does not ask for one: `--min-request-timeout`.
const WATCH_TIMEOUT: Duration = Duration::from_secs(1_800);
/// How long a request waits for a version that is not there yet, as the watch cache does.
const TOO_LARGE_WAIT: Duration = Duration::from_secs(3);

/// The settings that requests look at.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) bookmark_period: Duration,
    pub(crate) last_bookmark_lead: Duration,
    pub(crate) watch_timeout: Duration,
    pub(crate) too_large_wait: Duration,
    pub(crate) watch_list: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bookmark_period: BOOKMARK_PERIOD,
            last_bookmark_lead: LAST_BOOKMARK_LEAD,
            watch_timeout: WATCH_TIMEOUT,
            too_large_wait: TOO_LARGE_WAIT,
            watch_list: true,
        }
    }
}

/// Writes what `/metrics` answers.
pub(crate) type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Fetches a document by its path and query; `None` if there is none.
pub(crate) type Fetch = Arc<dyn Fn(String) -> BoxFuture<'static, Option<String>> + Send + Sync>;

/// Documents that are not made of the kinds that are served.
#[derive(Clone, Default)]
pub(crate) struct Documents {
    /// `/version` of the server behind a mirror; the default is this server's own.
    pub(crate) version: Option<Bytes>,
    /// `/metrics`; by default there is no such path.
    pub(crate) metrics: Option<Metrics>,
    /// What is under `/openapi/v3`; the default is what the served kinds need at least.
    pub(crate) openapi: Option<Fetch>,
}

//! What the HTTP room serves: kinds and their collections, of either owner.
//!
//! The storage of an API server and the watch caches of a mirror both implement [`Served`]. Writing is not
//! part of it: only a storage can be written to.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::collection::kind::Kind;
use crate::collection::log::Read;
use crate::collection::object::StoredObject;
use crate::collection::options::{Freshness, ListPlan, WatchPlan};
use crate::collection::reading::{Opening, Page, Place};
use crate::collection::registry::Registry;
use crate::collection::scope::Scope;
use crate::collection::status::Status;

/// A wait until a collection is new enough, or why it does not become so.
pub(crate) type Wait = BoxFuture<'static, Result<(), Status>>;

/// Whether one part of a server works; for `/readyz`.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    /// Why it does not.
    pub(crate) failure: Option<String>,
}

/// Kinds and their collections, to be read.
pub(crate) trait Served: Send + Sync + 'static {
    /// The kinds that are served now.
    fn registry(&self) -> Arc<Registry>;

    /// The version up to which the collection of a kind is complete.
    fn version(&self, kind: &Kind) -> u64;

    /// Fails with a 429 while the collection of a kind is being loaded for the first time.
    ///
    /// # Errors
    /// The `Status` that a client gets.
    fn check_loaded(&self, kind: &Kind) -> Result<(), Status>;

    /// Waits until the collection of a kind is new enough, for `patience` at most; `None` if it is.
    fn wait_fresh(&self, kind: &Kind, freshness: Freshness, patience: Duration) -> Option<Wait>;

    /// One object by its storage key.
    fn get(&self, kind: &Kind, key: &str) -> Option<Arc<StoredObject>>;

    /// Answers a list.
    ///
    /// # Errors
    /// As [`Collection::list`](crate::collection::state::Collection::list), or 404 if the kind is no longer
    /// served.
    fn list(&self, kind: &Kind, plan: &ListPlan) -> Result<Page, Status>;

    /// Opens a watch.
    ///
    /// # Errors
    /// As [`Collection::open_watch`](crate::collection::state::Collection::open_watch), or 404 if the kind is
    /// no longer served.
    fn open_watch(&self, kind: &Kind, plan: &WatchPlan) -> Result<Opening, Status>;

    /// The next events for a watch.
    fn read(&self, kind: &Arc<Kind>, place: &Place, max: usize) -> Read;

    /// A signal that fires at every event of a scope. Subscribe, then read.
    fn subscribe(&self, kind: &Kind, scope: &Scope) -> watch::Receiver<u64>;

    /// What `/readyz` looks at.
    fn checks(&self) -> Vec<Check>;

    /// The time of day.
    fn now(&self) -> Timestamp;

    /// A number below `bound`, or 0.
    fn random_below(&self, bound: u64) -> u64;
}

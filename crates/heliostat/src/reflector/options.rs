//! What a user sets on a reflector, and what the owner of its handle asks of it later.

use std::sync::Arc;
use std::time::Duration;

use heliostat_core::object::Header;
use heliostat_core::reflector::{AttemptId, Phase, ReflectorConfig, RoundError};
use tokio::time::Instant;

use crate::budget::RequestBudget;

/// All that a user may set besides the machine's options.
pub(crate) struct Options<T> {
    pub(crate) name: String,
    pub(crate) config: ReflectorConfig,
    pub(crate) budget: Option<RequestBudget>,
    pub(crate) seed: Option<u64>,
    pub(crate) transform: Option<Transform<T>>,
    pub(crate) on_error: WatchErrorHandler,
    pub(crate) should_resync: Option<Box<dyn FnMut(Instant) -> bool + Send>>,
}

/// Changes an object before it is stored, or returns why it must not be.
pub(crate) type Transform<T> = Box<dyn FnMut(Arc<T>, &Header) -> Result<Arc<T>, String> + Send>;

type WatchErrorHandler = Box<dyn FnMut(&WatchError<'_>) + Send>;

/// A failed round, as the watch error handler sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WatchError<'a> {
    /// The reflector's name.
    pub reflector: &'a str,
    /// What the source asked and where; none for a source without an address.
    pub request: Option<&'a str>,
    /// The number of the request that failed.
    pub attempt: Option<AttemptId>,
    /// What was going on.
    pub phase: Phase,
    /// Why it failed. A new round begins after a delay, whatever the handler does.
    pub error: &'a RoundError,
    /// How often the mirror failed since its last progress, this failure included.
    pub failures: u64,
    /// The delay before the next round; none if there is none.
    pub retry_in: Option<Duration>,
}

/// What the owner of the handle asks of the mirror. Once the handle is dropped, the last request counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LifeRequest {
    /// Run for as long as there is a handle.
    Run,
    /// Run without a handle.
    RunOn,
    /// Shut down.
    Shutdown,
}

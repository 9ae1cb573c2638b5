//! One limit of log lines for the whole process, for places that no task of a mirror looks after.

use std::sync::{LazyLock, Mutex, PoisonError};

use heliostat_core::log_limit::LogLimit;
use heliostat_core::time::Time;
use tokio::time::Instant;

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

static LIMIT: LazyLock<Mutex<LogLimit<&'static str>>> = LazyLock::new(Mutex::default);

/// Returns whether a line of this kind is to be logged; if so, with the number of lines of its kind that
/// were held back before it.
pub(crate) fn admit(kind: &'static str) -> Option<u64> {
    let now = Instant::now();
    let now = Time::since_start(now.saturating_duration_since(*STARTED));
    let mut limit = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    limit.admit_with_summary(now, kind)
}

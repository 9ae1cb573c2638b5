//! Limits of log lines, for places outside the task of a mirror.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use heliostat_core::log_limit::LogLimit;
use heliostat_core::time::Time;
use tokio::time::Instant;

static PROCESS: LazyLock<LineLimit> = LazyLock::new(|| LineLimit::new(None));

/// Returns whether a line of this kind is to be logged; if so, with the number of lines of its kind that
/// were held back before it. The limit is that of the whole process.
pub(crate) fn admit(kind: &'static str) -> Option<u64> {
    PROCESS.admit(kind)
}

/// A limit for the lines of one owner, such as a queue, shared by its tasks. Lines that are held back
/// when it is dropped are counted in a last line.
pub(crate) struct LineLimit {
    owner: Option<Arc<str>>,
    started: Instant,
    limit: Mutex<LogLimit<&'static str>>,
}

impl LineLimit {
    /// Creates a limit; the last line names the owner.
    pub(crate) fn new(owner: Option<Arc<str>>) -> Self {
        Self {
            owner,
            started: Instant::now(),
            limit: Mutex::default(),
        }
    }

    pub(crate) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// See [`admit`].
    pub(crate) fn admit(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now().saturating_duration_since(self.started);
        self.lock().admit_with_summary(Time::since_start(now), kind)
    }

    fn lock(&self) -> MutexGuard<'_, LogLimit<&'static str>> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LineLimit {
    fn drop(&mut self) {
        let end = Time::since_start(Duration::MAX);
        let mut limit = self.lock();
        while let Some((kind, lines)) = limit.poll_summary(end) {
            let owner = self.owner();
            tracing::warn!(owner, kind, lines, "more lines of this kind were held back");
        }
    }
}

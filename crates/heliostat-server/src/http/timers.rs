//! When a watch says something of itself: bookmarks and its end.

use std::time::Duration;

use tokio::time::Instant;

use crate::collection::options::WatchPlan;

use super::state::ServerState;

/// The longest a watch may be asked to last: beyond any use, and far from where clocks overflow.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// When the stream says something of itself.
#[derive(Debug)]
pub(super) struct Timers {
    pub(super) deadline: Instant,
    next_bookmark: Option<Instant>,
    /// The bookmark shortly before the deadline.
    last_bookmark: Option<Instant>,
    period: Duration,
}

impl Timers {
    pub(super) fn new(state: &ServerState, plan: &WatchPlan) -> Self {
        let now = Instant::now();
        let timeout = plan
            .timeout
            .unwrap_or_else(|| state.default_watch_timeout());
        // tidy: allow(instants): a year at most
        let deadline = now + timeout.min(TIMEOUT_MAX);
        let period = state.config.bookmark_period;
        Self {
            deadline,
            next_bookmark: now.checked_add(period),
            last_bookmark: timeout
                .min(TIMEOUT_MAX)
                .checked_sub(state.config.last_bookmark_lead)
                .and_then(|after| now.checked_add(after)),
            period,
        }
    }

    pub(super) fn bookmark_due(&self, now: Instant) -> bool {
        self.next_bookmark.is_some_and(|at| at <= now)
            || self.last_bookmark.is_some_and(|at| at <= now)
    }

    pub(super) fn sent_bookmark(&mut self) {
        let now = Instant::now();
        self.next_bookmark = now.checked_add(self.period);
        self.last_bookmark = self.last_bookmark.filter(|at| *at > now);
    }

    pub(super) fn next(&self, bookmarks: bool) -> Instant {
        let due = [self.next_bookmark, self.last_bookmark];
        let first = due.into_iter().flatten().min().filter(|_| bookmarks);
        first.map_or(self.deadline, |at| at.min(self.deadline))
    }
}

//! How long a change takes from the server's storage to the mirror's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Over how long the recent lag is taken.
const RECENT: Duration = Duration::from_secs(2);

/// How many changes may be on their way before the oldest are given up as folded into others by a
/// list.
const UNDER_WAY_MAX: usize = 100_000;

/// Both ends of every change. A clone is another handle to the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Lag {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// When each version was written, or when it arrived: whichever was told first.
    written: BTreeMap<u64, Instant>,
    arrived: BTreeMap<u64, Instant>,
    recent: VecDeque<(Instant, Duration)>,
    worst: Duration,
}

/// The lag of the last moments.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct RecentLag {
    pub(super) changes: usize,
    pub(super) median: Duration,
    pub(super) worst: Duration,
    /// The worst since the start.
    pub(super) worst_ever: Duration,
}

impl Lag {
    /// The change that made this version was begun at that time.
    pub(super) fn written(&self, version: u64, at: Instant) {
        let mut shared = self.lock();
        match shared.arrived.remove(&version) {
            Some(arrived) => shared.add(arrived, arrived.saturating_duration_since(at)),
            None => {
                shared.written.insert(version, at);
                if shared.written.len() > UNDER_WAY_MAX {
                    shared.written.pop_first();
                }
            }
        }
    }

    /// The mirror has this version of some object.
    pub(super) fn arrived(&self, version: u64) {
        let now = Instant::now();
        let mut shared = self.lock();
        match shared.written.remove(&version) {
            Some(at) => shared.add(now, now.saturating_duration_since(at)),
            None => {
                shared.arrived.insert(version, now);
                // Versions from before the start are never written here.
                if shared.arrived.len() > UNDER_WAY_MAX {
                    shared.arrived.pop_first();
                }
            }
        }
    }

    /// The lag of the last moments.
    pub(super) fn recent(&self) -> RecentLag {
        let now = Instant::now();
        let mut shared = self.lock();
        while let Some((at, _)) = shared.recent.front() {
            if now.saturating_duration_since(*at) <= RECENT {
                break;
            }
            shared.recent.pop_front();
        }
        let mut lags: Vec<Duration> = shared.recent.iter().map(|(_, lag)| *lag).collect();
        lags.sort_unstable();
        RecentLag {
            changes: lags.len(),
            median: lags.get(lags.len() / 2).copied().unwrap_or_default(),
            worst: lags.last().copied().unwrap_or_default(),
            worst_ever: shared.worst,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn add(&mut self, at: Instant, lag: Duration) {
        self.recent.push_back((at, lag));
        self.worst = self.worst.max(lag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_may_be_told_in_any_order() {
        let lag = Lag::default();
        let start = Instant::now();
        lag.written(1, start);
        lag.arrived(1);
        lag.arrived(2);
        lag.written(2, start);
        lag.arrived(7);
        let recent = lag.recent();
        assert_eq!(recent.changes, 2);
        assert!(recent.median <= recent.worst && recent.worst == recent.worst_ever);
    }
}

//! The machine's deadlines: one small table of named timers, and what they are measured with.

use std::time::Duration;

use crate::time::Time;

/// A watch that lasts less than this and brings nothing is an error: `client-go`'s one second.
pub(super) const VERY_SHORT: Duration = Duration::from_secs(1);

/// What a deadline is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Timer {
    /// The delay before the next request is over.
    Backoff,
    /// The next list of a polled source is due.
    Poll,
    /// No part of a list came for too long.
    ListIdle,
    /// No sign of life came on a watch for too long.
    Silence,
    /// The server should have ended the watch by now.
    WatchEnd,
    /// The store is to deliver again what it knows.
    Resync,
    /// No event came on a watch-list for too long.
    WatchListIdle,
    /// The end mark of a watch-list should have come by now.
    WatchListEnd,
    /// Somebody should be told that the end mark is still missing.
    WatchListWarning,
}

const COUNT: usize = 9;

/// All deadlines that are set.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers([Option<Time>; COUNT]);

impl Timers {
    const ALL: [Timer; COUNT] = [
        Timer::Backoff,
        Timer::Poll,
        Timer::ListIdle,
        Timer::Silence,
        Timer::WatchEnd,
        Timer::Resync,
        Timer::WatchListIdle,
        Timer::WatchListEnd,
        Timer::WatchListWarning,
    ];

    pub(super) const fn set(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize] = Some(at);
    }

    pub(super) fn set_or_clear(&mut self, timer: Timer, at: Option<Time>) {
        self.0[timer as usize] = at;
    }

    pub(super) const fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// Clears all but the resync timer, which belongs to the watch phase as a whole.
    pub(super) fn clear_request(&mut self) {
        let resync = self.0[Timer::Resync as usize];
        self.0 = [None; COUNT];
        self.0[Timer::Resync as usize] = resync;
    }

    /// How long it is until a deadline that is set.
    pub(super) fn left(&self, timer: Timer, now: Time) -> Option<Duration> {
        self.0[timer as usize].map(|at| at - now)
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes the earliest deadline that has passed; of two at the same time the first in the table.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Timer> {
        let due = |timer: &Timer| self.0[*timer as usize].filter(|at| *at <= now);
        let timer = Self::ALL
            .into_iter()
            .filter(|t| due(t).is_some())
            .min_by_key(due)?;
        self.clear(timer);
        Some(timer)
    }
}

/// The wire takes whole seconds; a part of one is cut off.
pub(super) fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

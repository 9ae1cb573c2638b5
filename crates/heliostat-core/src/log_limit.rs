//! `LogLimit`: a limit for log lines of one kind.
//!
//! A server that sends 500,000 broken objects must not fill a disk with 500,000 warnings. The first
//! lines of a kind are written; then they are held back until a period is over, and a summary with
//! their number takes their place.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Time;

/// Number of lines of a kind that are written in a period by default.
pub const LINES_MAX: u32 = 5;

/// Length of a period by default.
pub const PERIOD: Duration = Duration::from_secs(5);

/// Decides which log lines are written. `K` is the kind of a line; there should be few of them,
/// because each takes a place for as long as the limit lives.
///
/// Call [`admit`](Self::admit) before a line is written, and [`poll_summary`](Self::poll_summary) at
/// [`poll_timeout`](Self::poll_timeout) or before the next line.
///
/// ```
/// use std::time::Duration;
/// use heliostat_core::log_limit::{LINES_MAX, LogLimit, PERIOD};
/// use heliostat_core::time::Time;
///
/// let mut limit = LogLimit::default();
/// for _ in 0..LINES_MAX {
///     assert!(limit.admit(Time::ZERO, "rejected"));
/// }
/// assert!(!limit.admit(Time::ZERO, "rejected"));
/// assert_eq!(limit.poll_summary(Time::ZERO + PERIOD), Some(("rejected", 1)));
/// ```
#[derive(Clone, Debug)]
pub struct LogLimit<K> {
    lines_max: u32,
    period: Duration,
    windows: BTreeMap<K, Window>,
}

/// What has happened to the lines of one kind since a period began.
#[derive(Clone, Copy, Debug)]
struct Window {
    end: Time,
    written: u32,
    /// Lines that no summary has reported yet, of this period and those before.
    held_back: u64,
    /// When their summary is due: the end of the period of the first of them.
    summary_due: Option<Time>,
}

impl Window {
    /// Returns the number of lines that were held back, which counts as reported then.
    const fn take_held_back(&mut self) -> u64 {
        self.summary_due = None;
        std::mem::replace(&mut self.held_back, 0)
    }
}

impl<K: Copy + Ord> Default for LogLimit<K> {
    /// [`LINES_MAX`] lines in each [`PERIOD`].
    fn default() -> Self {
        Self::new(LINES_MAX, PERIOD)
    }
}

impl<K: Copy + Ord> LogLimit<K> {
    /// Writes at most `lines_max` lines of a kind in each `period`.
    #[must_use]
    pub const fn new(lines_max: u32, period: Duration) -> Self {
        Self {
            lines_max,
            period,
            windows: BTreeMap::new(),
        }
    }

    /// Returns true if a line of this kind is to be written now; a line that is not is counted.
    pub fn admit(&mut self, now: Time, kind: K) -> bool {
        let fresh = Window {
            end: now + self.period,
            written: 0,
            held_back: 0,
            summary_due: None,
        };
        let window = self.windows.entry(kind).or_insert(fresh);
        if window.end <= now {
            // Lines that no summary has reported yet stay counted, and their summary stays due.
            window.end = fresh.end;
            window.written = 0;
        }
        if window.written < self.lines_max {
            window.written += 1;
            return true;
        }
        window.held_back += 1;
        window.summary_due.get_or_insert(window.end);
        false
    }

    /// [`admit`](Self::admit) without a deadline to look after: the number of lines that were held back
    /// before an admitted line is returned with it.
    pub fn admit_with_summary(&mut self, now: Time, kind: K) -> Option<u64> {
        let is_admitted = self.admit(now, kind);
        let window = self.windows.get_mut(&kind).filter(|_| is_admitted)?;
        Some(window.take_held_back())
    }

    /// Returns a kind with lines that were held back in a period that is over, and the number of its
    /// lines that were held back until now; call it until it returns `None`.
    pub fn poll_summary(&mut self, now: Time) -> Option<(K, u64)> {
        let mut windows = self.windows.iter_mut();
        let (kind, window) =
            windows.find(|(_, window)| window.summary_due.is_some_and(|due| due <= now))?;
        Some((*kind, window.take_held_back()))
    }

    /// Returns when the next summary is due; `None` if no line is held back.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let windows = self.windows.values();
        windows.filter_map(|window| window.summary_due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::since_start(Duration::from_secs(seconds))
    }

    fn written(limit: &mut LogLimit<&'static str>, now: Time, lines: u32) -> usize {
        (0..lines).filter(|_| limit.admit(now, "a")).count()
    }

    #[test]
    fn lines_beyond_the_limit_are_counted_and_told_when_the_period_is_over() {
        let mut limit = LogLimit::new(2, Duration::from_secs(5));
        assert_eq!(written(&mut limit, at(0), 500_000), 2);
        assert_eq!(limit.poll_timeout(), Some(at(5)));
        assert_eq!(limit.poll_summary(at(4)), None);
        assert_eq!(limit.poll_summary(at(5)), Some(("a", 499_998)));
        assert_eq!(limit.poll_summary(at(5)), None);
        assert_eq!(limit.poll_timeout(), None);
    }

    #[test]
    fn the_next_period_has_lines_of_its_own() {
        let mut limit = LogLimit::new(2, Duration::from_secs(5));
        assert_eq!(written(&mut limit, at(0), 3), 2);
        assert_eq!(written(&mut limit, at(6), 3), 2);
        assert_eq!(
            limit.poll_summary(at(11)),
            Some(("a", 2)),
            "of both periods"
        );
    }

    #[test]
    fn a_line_that_comes_before_the_summary_does_not_put_it_off() {
        let mut limit = LogLimit::new(1, Duration::from_secs(5));
        for start in [0, 5, 10] {
            assert_eq!(written(&mut limit, at(start), 3), 1);
            assert_eq!(limit.poll_timeout(), Some(at(5)), "{start}");
        }
        assert_eq!(limit.poll_summary(at(10)), Some(("a", 6)));
        assert_eq!(
            (limit.poll_summary(at(20)), limit.poll_timeout()),
            (None, None)
        );
        assert_eq!(written(&mut limit, at(12), 1), 0);
        assert_eq!(limit.poll_timeout(), Some(at(15)));
        assert!(limit.admit(at(15), "a"));
        assert_eq!(limit.poll_summary(at(15)), Some(("a", 1)));
    }

    #[test]
    fn an_admitted_line_brings_the_number_of_those_before() {
        let mut limit = LogLimit::new(2, Duration::from_secs(5));
        let admitted = [0, 0, 0, 0, 5, 5, 5].map(|now| limit.admit_with_summary(at(now), "a"));
        assert_eq!(
            admitted,
            [Some(0), Some(0), None, None, Some(2), Some(0), None]
        );
    }

    #[test]
    fn kinds_do_not_hold_each_other_back() {
        let mut limit = LogLimit::new(1, Duration::from_secs(5));
        assert!(limit.admit(at(0), "a") && limit.admit(at(0), "b"));
        assert!(!limit.admit(at(1), "a"));
        assert_eq!(limit.poll_summary(at(5)), Some(("a", 1)));
        assert_eq!(limit.poll_summary(at(5)), None);
    }

    #[test]
    fn a_period_without_end_is_never_over() {
        let mut limit = LogLimit::new(1, Duration::MAX);
        assert_eq!(written(&mut limit, at(3), 3), 1);
        assert_eq!(limit.poll_summary(at(1_000_000)), None);
    }
}

//! For how long a failing watch may be retried in place.

use std::time::Duration;

use crate::time::Time;

/// A quiet time of this length closes a window: the next failure opens a new one. One minute, as the
/// reference reflector has it.
const QUIET: Duration = Duration::from_secs(60);

/// A window that opens at the first failure and lasts a fixed time.
#[derive(Clone, Debug)]
pub(super) struct RetryWindow {
    lasts: Duration,
    first: Option<Time>,
    last: Option<Time>,
}

impl RetryWindow {
    /// A closed window that will last so long; zero never allows a retry.
    pub(super) const fn new(lasts: Duration) -> Self {
        Self {
            lasts,
            first: None,
            last: None,
        }
    }

    /// A retriable failure happened now.
    pub(super) fn failed(&mut self, now: Time) {
        if self.last.is_some_and(|last| now - last >= QUIET) {
            self.first = None;
        }
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// Whether a failure may be retried in place now. Once it may not, the window is closed.
    pub(super) fn allows(&mut self, now: Time) -> bool {
        let open = self.first.is_some_and(|first| now - first <= self.lasts);
        if self.lasts.is_zero() {
            return false;
        }
        if !open {
            self.first = None;
            self.last = None;
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::since_start(Duration::from_secs(seconds))
    }

    #[test]
    fn h_20_a_window_of_zero_never_allows() {
        let mut window = RetryWindow::new(Duration::ZERO);
        window.failed(at(1));
        assert!(!window.allows(at(1)));
    }

    #[test]
    fn h_20_the_window_counts_from_its_first_failure() {
        let mut window = RetryWindow::new(Duration::from_secs(1));
        assert!(!window.allows(at(0)), "nothing failed yet");
        for (now, allowed) in [(1, true), (2, true), (3, false)] {
            window.failed(at(now));
            assert_eq!(window.allows(at(now)), allowed, "at {now} s");
        }
        window.failed(at(4));
        assert!(
            window.allows(at(4)),
            "after exhaustion the next failure opens a new window"
        );
    }

    #[test]
    fn h_20_a_quiet_minute_opens_a_new_window() {
        let mut window = RetryWindow::new(Duration::from_secs(30));
        window.failed(at(0));
        window.failed(at(29));
        window.failed(at(89));
        assert!(window.allows(at(100)));
    }
}

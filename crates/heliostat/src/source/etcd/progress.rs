//! Progress: whether a server can be asked how far a watch is, and when it is asked.

use std::time::Duration;

use tokio::time::Instant;

/// How often a watch that was silent asks how far it is. A reflector gives a watch up that is silent for
/// 90 s.
pub(super) const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// How often a watch may ask: shorter and longer intervals are taken for these.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_hours(1);

/// Number of intervals, of [`PROGRESS_INTERVAL`] at least, after which no answer is expected any more.
const UNANSWERED_MAX: u32 = 3;

/// The first versions in which an answer to a progress request can be trusted and always comes
/// (etcd issues 15220 and 17507); kube-apiserver has the same rule.
const FIRST_OF_3_4: Version = Version(3, 4, 31);
const FIRST_OF_3_5: Version = Version(3, 5, 13);

/// A version of etcd.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Version(u32, u32, u32);

impl Version {
    /// Reads `3.5.16`, also with something behind it, as in `3.6.0-rc.1`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_start_matches('v').splitn(3, '.');
        let (major, minor) = (parts.next()?, parts.next()?);
        let patch = parts.next()?;
        let digits = patch.find(|it: char| !it.is_ascii_digit());
        let patch = patch.get(..digits.unwrap_or(patch.len()))?;
        Some(Self(
            major.parse().ok()?,
            minor.parse().ok()?,
            patch.parse().ok()?,
        ))
    }
}

/// True if a server of this version can be asked for the progress of a watch.
pub(super) fn answers_progress_requests(version: &str) -> bool {
    match Version::parse(version) {
        Some(version) if version < Version(3, 5, 0) => version >= FIRST_OF_3_4,
        Some(version) => version >= FIRST_OF_3_5,
        None => false,
    }
}

/// When one watch asks for its progress.
#[derive(Debug)]
pub(super) struct Asking {
    interval: Duration,
    due: Option<Instant>,
    /// When the first request was sent that is not answered.
    unanswered_since: Option<Instant>,
}

/// What to do when the time has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// Send a request.
    Ask,
    /// No request was answered: report it, and ask no more.
    GiveUp,
}

impl Asking {
    /// For a watch that asks at this interval; or not at all.
    pub(super) fn new(interval: Option<Duration>) -> Self {
        let clamped = interval.map(|interval| interval.clamp(INTERVAL_MIN, INTERVAL_MAX));
        Self {
            interval: clamped.unwrap_or_default(),
            due: clamped.and_then(|interval| Instant::now().checked_add(interval)),
            unanswered_since: None,
        }
    }

    /// When the watch asks next.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Notes a response of the watch.
    pub(super) fn heard(&mut self) {
        self.unanswered_since = None;
        if self.due.is_some() {
            self.due = Instant::now().checked_add(self.interval);
        }
    }

    /// Decides what to do at the time that is due.
    pub(super) fn elapsed(&mut self) -> Due {
        let now = Instant::now();
        let since = *self.unanswered_since.get_or_insert(now);
        if now - since >= self.interval.max(PROGRESS_INTERVAL) * UNANSWERED_MAX {
            self.due = None;
            return Due::GiveUp;
        }
        self.due = now.checked_add(self.interval);
        Due::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_not_asked() {
        for version in [
            "3.4.31",
            "3.4.40",
            "3.5.13",
            "3.5.30",
            "3.6.0-rc.1",
            "4.0.0",
        ] {
            assert!(answers_progress_requests(version), "{version}");
        }
        for version in [
            "3.3.99", "3.4.23", "3.4.30", "3.5.0", "3.5.12", "3.5", "", "x.y.z",
        ] {
            assert!(!answers_progress_requests(version), "{version}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_never_answered_is_asked_no_more() {
        for interval in [INTERVAL_MIN, PROGRESS_INTERVAL, INTERVAL_MAX] {
            let mut asking = Asking::new(Some(interval));
            let start = Instant::now();
            while let Some(due) = asking.due() {
                tokio::time::sleep_until(due).await;
                if asking.elapsed() == Due::GiveUp {
                    break;
                }
            }
            let waited = Instant::now() - start;
            assert!(waited >= PROGRESS_INTERVAL * UNANSWERED_MAX, "{waited:?}");
            assert!(waited <= INTERVAL_MAX * (UNANSWERED_MAX + 1), "{waited:?}");
            asking.heard();
            assert_eq!(asking.due(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_interval_can_be_given() {
        for (interval, expected) in [
            (Duration::ZERO, INTERVAL_MIN),
            (Duration::MAX, INTERVAL_MAX),
            (PROGRESS_INTERVAL, PROGRESS_INTERVAL),
        ] {
            let mut asking = Asking::new(Some(interval));
            assert_eq!(asking.due(), Some(Instant::now() + expected));
            asking.heard();
            assert_eq!(asking.elapsed(), Due::Ask);
            assert_eq!(asking.due(), Some(Instant::now() + expected));
        }
    }
}

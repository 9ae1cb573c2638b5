//! Progress: whether a server can be asked how far a watch is, and when it is asked.

use std::time::Duration;

use tokio::time::Instant;

/// How often a watch that was silent asks how far it is. A reflector gives a watch up that is silent for
/// 90 s.
pub(super) const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// Number of requests without an answer after which none is expected any more.
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
    unanswered: u32,
}

/// What to do when the time has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// Send a request.
    Ask,
    /// No request was answered: say so, and ask no more.
    GiveUp,
}

impl Asking {
    /// For a watch that may be asked every so often; or not at all.
    pub(super) fn new(interval: Option<Duration>) -> Self {
        Self {
            interval: interval.unwrap_or_default(),
            due: interval.and_then(next_due),
            unanswered: 0,
        }
    }

    /// When the watch is to be asked next.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Something came on the watch.
    pub(super) fn heard(&mut self) {
        self.unanswered = 0;
        if self.is_on() {
            self.due = next_due(self.interval);
        }
    }

    /// The time has come.
    pub(super) fn elapsed(&mut self) -> Due {
        if self.unanswered >= UNANSWERED_MAX {
            self.due = None;
            return Due::GiveUp;
        }
        self.unanswered += 1;
        self.due = next_due(self.interval);
        Due::Ask
    }

    /// True if requests are of use.
    pub(super) const fn is_on(&self) -> bool {
        self.due.is_some()
    }
}

/// None for an interval that does not come to an end.
fn next_due(interval: Duration) -> Option<Instant> {
    Instant::now().checked_add(interval)
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
        let mut asking = Asking::new(Some(PROGRESS_INTERVAL));
        for _ in 0..UNANSWERED_MAX {
            assert_eq!(asking.elapsed(), Due::Ask);
        }
        asking.heard();
        for _ in 0..UNANSWERED_MAX {
            assert_eq!(asking.elapsed(), Due::Ask);
        }
        assert_eq!(asking.elapsed(), Due::GiveUp);
        assert!(!asking.is_on());
        asking.heard();
        assert_eq!(asking.due(), None);
    }
}

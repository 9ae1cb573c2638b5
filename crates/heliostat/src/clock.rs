//! The one place where the times of a machine become instants of the runtime's clock.
//!
//! A machine adds durations without overflow, so an option of `Duration::MAX` gives a time that never
//! comes; an instant cannot hold it, and `+` panics. `cargo xtask tidy` refuses `+` on an [`Instant`].

use heliostat_core::time::Time;
use tokio::time::Instant;

/// A clock that counts from an instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// The present time.
    pub(crate) fn now(self) -> Time {
        self.time(Instant::now())
    }

    /// The time of an instant; zero for one before the start.
    pub(crate) fn time(self, instant: Instant) -> Time {
        Time::since_start(instant.saturating_duration_since(self.started))
    }

    /// The instant of a time, or none if it never comes.
    pub(crate) fn instant(self, time: Time) -> Option<Instant> {
        self.started.checked_add(time.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_time_that_never_comes_has_no_instant() {
        let clock = Clock::start();
        let second = Duration::from_secs(1);
        let soon = clock.instant(Time::ZERO + second).unwrap();
        assert_eq!(clock.time(soon), Time::ZERO + second);
        assert_eq!(clock.instant(Time::ZERO + Duration::MAX), None);
    }
}

//! The only time the engine knows: the time since some start that the caller chose.
//!
//! A driver takes it from a monotonic clock, a simulation from a counter. Times are never compared
//! across two starts.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment, counted from the start of the clock that the caller owns.
///
/// ```
/// use std::time::Duration;
/// use heliostat_core::time::Time;
///
/// let later = Time::ZERO + Duration::from_secs(3);
/// assert_eq!(later - Time::ZERO, Duration::from_secs(3));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(Duration);

impl Time {
    /// The start of the clock.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment `elapsed` after the start of the clock.
    #[must_use]
    pub const fn since_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the start of the clock this moment is.
    #[must_use]
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s", self.0.as_secs_f64())
    }
}

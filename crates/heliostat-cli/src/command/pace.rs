//! So many steps a second, in small batches.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// How often a batch comes: often enough to look steady, seldom enough to cost nothing.
const BATCH_PERIOD: Duration = Duration::from_millis(20);

/// How much may be caught up after a pause: a tenth of a second, then the steps are given up.
const BACKLOG_MAX: f64 = 0.1;

/// Says how many steps are due.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: f64,
    due: f64,
    last: Instant,
    batches: Interval,
}

impl Pace {
    /// `rate` steps a second, from now on.
    pub(crate) fn new(rate: f64) -> Self {
        let mut batches = interval(BATCH_PERIOD);
        batches.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            rate,
            due: 0.0,
            last: Instant::now(),
            batches,
        }
    }

    /// Waits for the next batch and gives its size. Cancel safe.
    pub(crate) async fn tick(&mut self) -> u64 {
        let now = self.batches.tick().await;
        let elapsed = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        self.due = (self.due + elapsed * self.rate).min((self.rate * BACKLOG_MAX).max(1.0));
        let steps = self.due.floor();
        self.due -= steps;
        // Rates are at most a million, so this is exact.
        steps as u64
    }
}

/// Reads a rate: a number of steps a second, more than none and at most a million.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err(format!(
            "{text:?} is no rate, want a number of changes a second, for example 20 or 0.5"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_positive_numbers() {
        assert_eq!(parse_rate("20"), Ok(20.0));
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "NaN", "inf", "x", "", "1e9"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}

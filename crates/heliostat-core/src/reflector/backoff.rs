//! How long to wait before the next try.
//!
//! A delay is the present base plus a random part of it; the base then grows by a factor up to a cap.
//! When it starts over is a choice: the present rule of the reference system counts from the last
//! start, the older one from the last draw.

use std::time::Duration;

use crate::rng::Rng;
use crate::time::Time;

/// When a backoff starts over at its base.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BackoffReset {
    /// When more than this has passed since it last started over, or since it was made.
    ///
    /// The reference system's present rule: even in one long outage the delays start over every now
    /// and then, so that a recovered server is found soon.
    SinceStart(Duration),
    /// When more than this has passed without a draw. The rule of that system up to Kubernetes 1.35.
    AfterQuiet(Duration),
    /// Never.
    Never,
}

/// The numbers of a backoff. The default is the reference reflector's.
#[derive(Clone, Debug, PartialEq)]
pub struct BackoffConfig {
    base: Duration,
    factor: f64,
    cap: Duration,
    jitter: f64,
    reset: BackoffReset,
}

impl Default for BackoffConfig {
    /// 800 ms doubling to 30 s, jitter 1.0, starting over every 2 minutes: `client-go`'s reflector,
    /// where these numbers keep a thousand clients of a restarting server below its limits.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(800),
            factor: 2.0,
            cap: Duration::from_secs(30),
            jitter: 1.0,
            reset: BackoffReset::SinceStart(Duration::from_secs(120)),
        }
    }
}

impl BackoffConfig {
    /// A backoff that begins at `base`, doubles up to `cap`, and is otherwise as the default.
    #[must_use]
    pub fn exponential(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            ..Self::default()
        }
    }

    /// The factor by which the base grows after each draw; at or below 0 the base is constant.
    /// Default 2.
    #[must_use]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// The part of the base that is added at random at most: a delay lies in
    /// `[base, base * (1 + jitter))`. Default 1.
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// When it starts over. Default: 2 minutes since it last started over.
    #[must_use]
    pub const fn reset(mut self, reset: BackoffReset) -> Self {
        self.reset = reset;
        self
    }
}

/// The present state of a backoff.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    current: Duration,
    /// At the cap the base no longer changes, even if the factor would shrink it.
    capped: bool,
    /// Since when the reset is counted: the last start, or the last draw.
    counted_since: Time,
}

impl Backoff {
    /// A backoff at its base.
    #[must_use]
    pub const fn new(config: BackoffConfig, now: Time) -> Self {
        let current = config.base;
        Self {
            config,
            current,
            capped: false,
            counted_since: now,
        }
    }

    /// The next delay.
    pub fn draw(&mut self, now: Time, rng: &mut Rng) -> Duration {
        self.reset_if_due(now);
        let base = self.current;
        self.grow();
        base.saturating_add(jitter(base, self.config.jitter, rng))
    }

    fn reset_if_due(&mut self, now: Time) {
        let passed = now - self.counted_since;
        let due = match self.config.reset {
            // A factor of 0 or below is the plain constant sequence, which has nothing to reset.
            BackoffReset::SinceStart(after) => self.config.factor > 0.0 && passed > after,
            BackoffReset::AfterQuiet(after) => {
                self.counted_since = now;
                passed > after
            }
            BackoffReset::Never => false,
        };
        if due {
            self.current = self.config.base;
            self.capped = false;
            self.counted_since = now;
        }
    }

    fn grow(&mut self) {
        if self.capped || self.config.factor <= 0.0 {
            return;
        }
        // The cap limits the base after multiplication: a base above it is used once as it is.
        let grown = self.current.as_secs_f64() * self.config.factor;
        if !self.config.cap.is_zero() && grown > self.config.cap.as_secs_f64() {
            self.current = self.config.cap;
            self.capped = true;
        } else {
            self.current = Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX);
        }
    }
}

fn jitter(base: Duration, part: f64, rng: &mut Rng) -> Duration {
    let most = base.as_secs_f64() * part.max(0.0);
    Duration::try_from_secs_f64(most * rng.unit()).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: f64) -> Duration {
        Duration::from_secs_f64(number)
    }

    fn draws(config: BackoffConfig, at: &[f64]) -> Vec<f64> {
        let mut backoff = Backoff::new(config, Time::ZERO);
        let mut rng = Rng::seeded(1);
        at.iter()
            .map(|&now| {
                backoff
                    .draw(Time::since_start(seconds(now)), &mut rng)
                    .as_secs_f64()
            })
            .collect()
    }

    #[test]
    fn b_01_b_02_the_default_bases_double_to_the_cap() {
        let config = BackoffConfig::default().jitter(0.0);
        assert_eq!(
            draws(config, &[0.0; 8]),
            [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
        );
    }

    #[test]
    fn b_02_jitter_adds_at_most_the_base() {
        let bases = [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0];
        for (delay, base) in draws(BackoffConfig::default(), &[0.0; 8])
            .into_iter()
            .zip(bases)
        {
            assert!(
                delay >= base && delay < 2.0 * base,
                "{delay} for base {base}"
            );
        }
    }

    #[test]
    fn b_02_a_factor_of_zero_keeps_the_base() {
        let config = BackoffConfig::default().jitter(0.0).factor(0.0);
        assert_eq!(draws(config, &[0.0, 0.0, 500.0]), [0.8, 0.8, 0.8]);
    }

    #[test]
    fn b_03_a_base_above_the_cap_is_used_once() {
        let config = BackoffConfig::exponential(seconds(50.0), seconds(30.0)).jitter(0.0);
        assert_eq!(draws(config, &[0.0, 0.0, 0.0]), [50.0, 30.0, 30.0]);
    }

    #[test]
    fn b_04_it_starts_over_strictly_after_two_minutes_since_the_last_start() {
        let config = BackoffConfig::default().jitter(0.0);
        // Draws at 60 s and 120 s do not postpone the reset; 120 s is not yet more than 120 s.
        assert_eq!(
            draws(config, &[0.0, 60.0, 120.0, 120.1, 121.0]),
            [0.8, 1.6, 3.2, 0.8, 1.6]
        );
    }

    #[test]
    fn b_10_the_older_rule_starts_over_only_after_quiet() {
        let reset = BackoffReset::AfterQuiet(seconds(120.0));
        let config = BackoffConfig::default().jitter(0.0).reset(reset);
        assert_eq!(
            draws(config, &[0.0, 60.0, 120.1, 240.3]),
            [0.8, 1.6, 3.2, 0.8]
        );
    }

    #[test]
    fn b_11_a_constant_delay_with_jitter() {
        let config = BackoffConfig::exponential(seconds(1.0), Duration::ZERO).factor(0.0);
        for delay in draws(config, &[0.0; 20]) {
            assert!((1.0..2.0).contains(&delay));
        }
    }
}

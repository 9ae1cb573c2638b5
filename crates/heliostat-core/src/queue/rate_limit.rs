//! Rate limiters: how long a key should wait before it is worked again.
//!
//! A limiter keeps a number for each key that failed, from its first failure until it is forgotten:
//! call [`forget`](RateLimiter::forget) for a key that is done, or its number is kept for ever. None of
//! them draws randomness: keys that failed together come back together, and the bucket of the
//! default spreads them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::time::Time;

/// Decides how long a key waits before it is worked again.
///
/// A limiter runs while its queue is locked, so it must be quick and must not call the queue.
pub trait RateLimiter<K>: Send {
    /// The key failed once more: how long it should wait from `now`.
    fn when(&mut self, now: Time, key: &K) -> Duration;

    /// The key is done, well or for good: its failures no longer count, and take no memory.
    fn forget(&mut self, key: &K);

    /// How often the key failed since it was last forgotten, where that is counted; else 0.
    fn failures(&self, key: &K) -> u32;
}

impl<K> RateLimiter<K> for Box<dyn RateLimiter<K>> {
    fn when(&mut self, now: Time, key: &K) -> Duration {
        (**self).when(now, key)
    }

    fn forget(&mut self, key: &K) {
        (**self).forget(key);
    }

    fn failures(&self, key: &K) -> u32 {
        (**self).failures(key)
    }
}

/// The limiter of a queue that is given none: the longer of [`PerKeyExponential::default`] and
/// [`Bucket::default`], as controllers of Kubernetes have it. The first keeps a key that fails for
/// ever from being worked for ever; the second keeps many keys that fail at once from asking a server
/// all at once.
#[must_use]
pub fn default_rate_limiter<K: Clone + Ord + Send + 'static>() -> MaxOf<K> {
    MaxOf::new([
        Box::new(PerKeyExponential::default()) as Box<dyn RateLimiter<K>>,
        Box::new(Bucket::default()),
    ])
}

/// How often each key failed.
#[derive(Clone, Debug)]
struct Failures<K> {
    counts: BTreeMap<K, u32>,
}

impl<K: Clone + Ord> Failures<K> {
    const fn new() -> Self {
        Self {
            counts: BTreeMap::new(),
        }
    }

    /// Counts a failure and returns the number of failures before it.
    fn count(&mut self, key: &K) -> u32 {
        match self.counts.get_mut(key) {
            Some(count) => {
                let before = *count;
                *count = before.saturating_add(1);
                before
            }
            None => {
                self.counts.insert(key.clone(), 1);
                0
            }
        }
    }

    fn forget(&mut self, key: &K) {
        self.counts.remove(key);
    }

    fn of(&self, key: &K) -> u32 {
        self.counts.get(key).copied().unwrap_or(0)
    }
}

/// Each key waits twice as long as the last time, up to a limit.
#[derive(Clone, Debug)]
pub struct PerKeyExponential<K> {
    base: Duration,
    max: Duration,
    failures: Failures<K>,
}

impl<K: Clone + Ord> PerKeyExponential<K> {
    /// The first failure waits `base`, each further one twice as long, none longer than `max`.
    #[must_use]
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            failures: Failures::new(),
        }
    }
}

impl<K: Clone + Ord> Default for PerKeyExponential<K> {
    /// 5 ms up to 1000 s: the numbers of Kubernetes' controllers. A conflict is over at once, and
    /// what fails for ever is looked at about four times an hour.
    fn default() -> Self {
        Self::new(Duration::from_millis(5), Duration::from_secs(1000))
    }
}

impl<K: Clone + Ord + Send> RateLimiter<K> for PerKeyExponential<K> {
    fn when(&mut self, _now: Time, key: &K) -> Duration {
        let failures = self.failures.count(key);
        doubled(self.base, failures, self.max)
    }

    fn forget(&mut self, key: &K) {
        self.failures.forget(key);
    }

    fn failures(&self, key: &K) -> u32 {
        self.failures.of(key)
    }
}

/// `base` times two to the power of `times`, at most `max`.
fn doubled(base: Duration, times: u32, max: Duration) -> Duration {
    // A nanosecond overflows a duration after 94 doublings: further ones change nothing, also not
    // where `base` is zero.
    let mut delay = base.min(max);
    for _ in 0..times.min(94) {
        delay = delay.saturating_mul(2);
        if delay >= max {
            return max;
        }
    }
    delay
}

/// All keys together: one in each interval, after a first burst that goes at once.
///
/// A token bucket: it holds `burst` tokens at first, gets one back every interval and is never fuller
/// than at first; each call takes one, and waits for it if there is none.
#[derive(Clone, Debug)]
pub struct Bucket {
    interval: Duration,
    burst: u32,
    /// When the bucket will be full again; the whole state of it (the generic cell rate algorithm).
    full_at: Time,
}

impl Bucket {
    /// One key every `interval`, and `burst` of them at once when there was quiet before. An interval
    /// of zero lets everything through.
    #[must_use]
    pub const fn new(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            burst,
            full_at: Time::ZERO,
        }
    }
}

impl Default for Bucket {
    /// Ten a second after a burst of 100: the numbers of Kubernetes' controllers.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), 100)
    }
}

impl<K> RateLimiter<K> for Bucket {
    fn when(&mut self, now: Time, _key: &K) -> Duration {
        self.full_at = self.full_at.max(now) + self.interval;
        let depth = self.interval.saturating_mul(self.burst);
        (self.full_at - now).saturating_sub(depth)
    }

    fn forget(&mut self, _key: &K) {}

    fn failures(&self, _key: &K) -> u32 {
        0
    }
}

/// A key waits a short time for its first failures, and a long one for all later.
#[derive(Clone, Debug)]
pub struct FastSlow<K> {
    fast: Duration,
    slow: Duration,
    fast_attempts: u32,
    failures: Failures<K>,
}

impl<K: Clone + Ord> FastSlow<K> {
    /// The first `fast_attempts` failures wait `fast`, all later ones `slow`.
    #[must_use]
    pub const fn new(fast: Duration, slow: Duration, fast_attempts: u32) -> Self {
        Self {
            fast,
            slow,
            fast_attempts,
            failures: Failures::new(),
        }
    }
}

impl<K: Clone + Ord + Send> RateLimiter<K> for FastSlow<K> {
    fn when(&mut self, _now: Time, key: &K) -> Duration {
        if self.failures.count(key) < self.fast_attempts {
            self.fast
        } else {
            self.slow
        }
    }

    fn forget(&mut self, key: &K) {
        self.failures.forget(key);
    }

    fn failures(&self, key: &K) -> u32 {
        self.failures.of(key)
    }
}

/// The longest delay of several limiters; each of them counts.
pub struct MaxOf<K> {
    limiters: Vec<Box<dyn RateLimiter<K>>>,
}

impl<K> MaxOf<K> {
    /// Creates the longest of these; without any, no key waits.
    #[must_use]
    pub fn new(limiters: impl IntoIterator<Item = Box<dyn RateLimiter<K>>>) -> Self {
        Self {
            limiters: limiters.into_iter().collect(),
        }
    }
}

impl<K> RateLimiter<K> for MaxOf<K> {
    fn when(&mut self, now: Time, key: &K) -> Duration {
        let delays = self.limiters.iter_mut().map(|it| it.when(now, key));
        delays.max().unwrap_or_default()
    }

    fn forget(&mut self, key: &K) {
        for limiter in &mut self.limiters {
            limiter.forget(key);
        }
    }

    fn failures(&self, key: &K) -> u32 {
        let counts = self.limiters.iter().map(|it| it.failures(key));
        counts.max().unwrap_or(0)
    }
}

impl<K> fmt::Debug for MaxOf<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaxOf")
            .field("limiters", &self.limiters.len())
            .finish()
    }
}

/// The delay of another limiter, but never longer than a given time.
#[derive(Clone, Debug)]
pub struct MaxWait<L> {
    limiter: L,
    max: Duration,
}

impl<L> MaxWait<L> {
    /// Creates a limiter with the delay of `limiter`, at most `max`.
    pub const fn new(limiter: L, max: Duration) -> Self {
        Self { limiter, max }
    }
}

impl<K, L: RateLimiter<K>> RateLimiter<K> for MaxWait<L> {
    fn when(&mut self, now: Time, key: &K) -> Duration {
        self.limiter.when(now, key).min(self.max)
    }

    fn forget(&mut self, key: &K) {
        self.limiter.forget(key);
    }

    fn failures(&self, key: &K) -> u32 {
        self.limiter.failures(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn delays<K>(limiter: &mut dyn RateLimiter<K>, key: &K, calls: usize) -> Vec<u128> {
        (0..calls)
            .map(|_| limiter.when(Time::ZERO, key).as_millis())
            .collect()
    }

    #[test]
    fn k_13_each_failure_of_a_key_waits_twice_as_long_up_to_the_limit() {
        let mut limiter = PerKeyExponential::new(MS, 12 * MS);
        assert_eq!(delays(&mut limiter, &"one", 6), [1, 2, 4, 8, 12, 12]);
        assert_eq!(limiter.failures(&"one"), 6);
        assert_eq!(delays(&mut limiter, &"two", 2), [1, 2]);
        limiter.forget(&"one");
        assert_eq!(limiter.failures(&"one"), 0);
        assert_eq!(delays(&mut limiter, &"one", 1), [1]);
    }

    #[test]
    fn k_13_no_number_of_failures_overflows() {
        for (base, max) in [
            (MS, Duration::from_secs(1000)),
            (Duration::from_nanos(1), Duration::MAX),
            (Duration::ZERO, MS),
            (Duration::MAX, MS),
        ] {
            let mut last = Duration::ZERO;
            for times in (0..200).chain([u32::MAX]) {
                let delay = doubled(base, times, max);
                assert!(last <= delay && delay <= max, "{base:?} {times} {max:?}");
                last = delay;
            }
            assert_eq!(last, if base.is_zero() { base } else { max });
        }
    }

    #[test]
    fn k_12_k_13_a_forgotten_key_takes_no_memory() {
        let mut exponential = PerKeyExponential::default();
        let mut fast_slow = FastSlow::new(MS, 10 * MS, 3);
        for key in 0..1000 {
            exponential.when(Time::ZERO, &key);
            fast_slow.when(Time::ZERO, &key);
            exponential.forget(&key);
            fast_slow.forget(&key);
        }
        assert!(exponential.failures.counts.is_empty());
        assert!(fast_slow.failures.counts.is_empty());
    }

    #[test]
    fn k_14_a_bucket_lets_a_burst_through_and_then_one_in_each_interval() {
        let mut bucket = Bucket::default();
        let burst = delays(&mut bucket, &"any", 100);
        assert!(burst.iter().all(|delay| *delay == 0), "{burst:?}");
        assert_eq!(delays(&mut bucket, &"any", 3), [100, 200, 300]);
        // A second later ten tokens came, of which three were promised.
        let later = Time::ZERO + Duration::from_secs(1);
        let delays: Vec<_> = (0..8)
            .map(|_| bucket.when(later, &"any").as_millis())
            .collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 0, 0, 100]);
        // However long the quiet, there is one burst.
        let much_later = Time::ZERO + Duration::from_secs(100_000);
        let free = (0..200).filter(|_| bucket.when(much_later, &"any").is_zero());
        assert_eq!(free.count(), 100);
        assert_eq!(RateLimiter::<&str>::failures(&bucket, &"any"), 0);
    }

    #[test]
    fn k_14_a_bucket_of_odd_numbers_still_answers() {
        let mut without_burst = Bucket::new(MS, 0);
        assert_eq!(delays(&mut without_burst, &"any", 3), [1, 2, 3]);
        let mut without_limit = Bucket::new(Duration::ZERO, 0);
        assert_eq!(delays(&mut without_limit, &"any", 3), [0, 0, 0]);
        let mut endless = Bucket::new(Duration::MAX, u32::MAX);
        assert_eq!(delays(&mut endless, &"any", 2), [0, 0]);
    }

    #[test]
    fn k_14_the_default_is_the_longer_of_the_key_and_the_bucket() {
        let mut limiter = default_rate_limiter();
        assert_eq!(delays(&mut limiter, &1000, 4), [5, 10, 20, 40]);
        // The burst has 96 left; each of these keys fails for the first time.
        for key in 0..96 {
            assert_eq!(delays(&mut limiter, &key, 1), [5]);
        }
        assert_eq!(delays(&mut limiter, &2000, 1), [100]);
        assert_eq!(delays(&mut limiter, &1000, 1), [200]);
        let mut alone = default_rate_limiter();
        assert_eq!(delays(&mut alone, &1, 30).last(), Some(&1_000_000));
        assert_eq!(alone.failures(&1), 30);
        alone.forget(&1);
        assert_eq!(alone.failures(&1), 0);
    }

    #[test]
    fn k_15_the_first_failures_are_fast_and_all_later_slow() {
        let mut limiter = FastSlow::new(5 * MS, 10_000 * MS, 3);
        assert_eq!(delays(&mut limiter, &"one", 5), [5, 5, 5, 10_000, 10_000]);
        assert_eq!(delays(&mut limiter, &"two", 1), [5]);
        assert_eq!(limiter.failures(&"one"), 5);
        limiter.forget(&"one");
        assert_eq!(delays(&mut limiter, &"one", 1), [5]);
    }

    #[test]
    fn k_16_the_longest_of_several_counts_and_all_of_them_count() {
        let mut limiter = MaxOf::new([
            Box::new(FastSlow::new(5 * MS, 3000 * MS, 3)) as Box<dyn RateLimiter<&str>>,
            Box::new(PerKeyExponential::new(MS, 1000 * MS)),
        ]);
        assert_eq!(delays(&mut limiter, &"one", 5), [5, 5, 5, 3000, 3000]);
        assert_eq!(limiter.failures(&"one"), 5);
        limiter.forget(&"one");
        assert_eq!(delays(&mut limiter, &"one", 1), [5]);
        let mut of_none = MaxOf::new([]);
        assert_eq!(delays(&mut of_none, &"one", 2), [0, 0]);
    }

    #[test]
    fn k_16_a_limited_wait_is_never_longer_than_its_limit() {
        let slow = FastSlow::new(MS, 1000 * MS, 1);
        let mut limiter = MaxWait::new(slow, 20 * MS);
        assert_eq!(delays(&mut limiter, &"one", 3), [1, 20, 20]);
        assert_eq!(limiter.failures(&"one"), 3);
        limiter.forget(&"one");
        assert_eq!(delays(&mut limiter, &"one", 1), [1]);
    }
}

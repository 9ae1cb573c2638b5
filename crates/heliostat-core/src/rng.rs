//! The only randomness the engine knows: a small generator that the caller seeds.
//!
//! It spreads delays and timeouts; nothing secret depends on it. The same seed gives the same
//! numbers on every machine, so a simulated failure replays exactly.

use std::time::Duration;

/// `SplitMix64` by Steele, Lea and Flood (OOPSLA 2014): one addition and three mixing steps a number.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A uniform number in `0..bound`; zero for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 128-bit product spreads 64 bits over the range; the bias is below
        // bound / 2^64 and does not matter for delays.
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A uniform number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        // 53 bits: all that a double holds.
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A uniform duration in `[0, bound)`; zero for a bound of zero.
    pub fn duration_below(&mut self, bound: Duration) -> Duration {
        let drawn = bound.as_secs_f64() * self.unit();
        // Rounding may go past the longest duration.
        Duration::try_from_secs_f64(drawn).unwrap_or(bound)
    }

    /// True once in `n` calls on average; never for zero.
    pub fn one_in(&mut self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_whole_sequence() {
        let draw = |seed| {
            let mut rng = Rng::seeded(seed);
            [rng.next_u64(), rng.next_u64(), rng.next_u64()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn draws_stay_below_their_bound() {
        let mut rng = Rng::seeded(1);
        for _ in 0..1000 {
            assert!(rng.below(10) < 10);
            assert!(rng.duration_below(Duration::from_secs(1)) < Duration::from_secs(1));
        }
        assert_eq!(rng.below(0), 0);
        assert!(!rng.one_in(0));
    }
}

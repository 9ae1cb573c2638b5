//! The trace of a seed: a hash of everything that happened, and on request the last steps as text.
//!
//! Two runs of a seed are the same if their hashes are. Text costs time, so it is made only when
//! somebody will read it: a failing seed is simply run again.

use std::collections::VecDeque;
use std::fmt;

use heliostat_core::time::Time;

/// How much of the story is kept as text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Detail {
    /// None of it; only the hash.
    #[default]
    Hash,
    /// The last so many lines.
    Last(usize),
}

/// What happened so far.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    steps: u64,
    detail: Detail,
    lines: VecDeque<String>,
}

impl Trace {
    /// An empty trace.
    #[must_use]
    pub const fn new(detail: Detail) -> Self {
        Self {
            hash: FNV_OFFSET,
            steps: 0,
            detail,
            lines: VecDeque::new(),
        }
    }

    /// One step: what kind, about what, when. The text is only made if it is kept.
    pub fn step<D: fmt::Display>(
        &mut self,
        now: Time,
        numbers: [u64; 3],
        text: impl FnOnce() -> D,
    ) {
        self.steps += 1;
        let nanos = u64::try_from(now.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.mix(nanos);
        for number in numbers {
            self.mix(number);
        }
        if let Detail::Last(limit) = self.detail {
            if self.lines.len() >= limit {
                self.lines.pop_front();
            }
            self.lines.push_back(format!("{now:>12} {}", text()));
        }
    }

    /// Everything so far as one number.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many steps there were.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The lines that were kept.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }

    /// FNV-1a over eight bytes at once: not the published hash, but as good at telling runs apart.
    const fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(FNV_PRIME);
        self.hash ^= self.hash >> 29;
    }
}

/// The offset basis of 64-bit FNV-1a (Fowler, Noll, Vo).
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
/// The prime of 64-bit FNV-1a.
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

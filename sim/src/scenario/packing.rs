//! What a seed decides about how mirrors keep their objects.

use std::time::Duration;

use heliostat_core::raw::Encoding;
use heliostat_core::rng::Rng;
use heliostat_core::time::Time;

use super::choose;

/// How the objects of a seed are packed, whatever mirror they are in.
#[derive(Clone, Debug)]
pub struct PackingPlan {
    /// How many bytes decoded objects may take together.
    pub budget: usize,
    /// The objects of a list are packed all at once, after they were read.
    pub defers: bool,
    /// What the server answers in at first.
    first: Encoding,
    /// When it changes over to the other encoding, and back.
    changes: Vec<Time>,
}

impl PackingPlan {
    /// The plan for a story of this length.
    pub(super) fn draw(rng: &mut Rng, story: Duration) -> Self {
        let count = choose(rng, &[0, 0, 0, 0, 1, 2]);
        let changes = (0..count).map(|_| Time::ZERO + rng.duration_below(story));
        let changes = changes.collect();
        Self {
            changes,
            budget: if rng.one_in(8) {
                choose(rng, &BUDGETS_SMALL)
            } else {
                BUDGET_LARGE
            },
            defers: rng.one_in(2),
            first: choose(rng, &[Encoding::Json, Encoding::Protobuf]),
        }
    }

    /// What the server answers in.
    #[must_use]
    pub fn encoding_at(&self, now: Time) -> Encoding {
        let passed = self.changes.iter().filter(|at| **at <= now).count();
        match (self.first, passed % 2) {
            (Encoding::Json, 0) => Encoding::Json,
            (Encoding::Json, _) => Encoding::Protobuf,
            (_, 0) => Encoding::Protobuf,
            (_, _) => Encoding::Json,
        }
    }

    /// True if the server changes over at all.
    #[must_use]
    pub const fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }
}

/// No room, room for a few widgets, and room for a mirror of them. What does not fit is decoded again
/// whenever it is asked for, which takes a seed ten times as long.
const BUDGETS_SMALL: [usize; 3] = [0, 2_000, 8_000];

/// More than any story needs.
const BUDGET_LARGE: usize = 64 << 20;

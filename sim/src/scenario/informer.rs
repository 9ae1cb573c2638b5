//! What a seed decides about what is behind a mirror: the queue, who works it off, and who listens.

use std::time::Duration;

use heliostat_core::informer::{Buffering, Recreation};
use heliostat_core::rng::Rng;
use heliostat_core::time::Time;

use super::{StoryPlan, choose, seconds};

/// The way from a mirror to its listeners.
#[derive(Clone, Debug)]
pub struct InformerPlan {
    /// The seed of all that is drawn on the way.
    pub seed: u64,
    /// Which queue it is.
    pub queue: QueueKind,
    /// How often the work fails and is put back, out of a thousand times, where the queue allows it.
    pub requeues: u64,
    /// How many changes are applied at once.
    pub batch: usize,
    /// A batch waits up to this long before it is applied.
    pub lag: Duration,
    /// What was taken out of the queue is applied up to this long after.
    pub takes: Duration,
    /// How many batches are applied one right after the other.
    pub batches: u32,
    /// Who listens.
    pub listeners: Vec<ListenerPlan>,
}

/// Which queue there is between a mirror and its informer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QueueKind {
    /// Every change in order, a replace as one.
    Atomic,
    /// Every change in order, a replace taken apart into one change for each object.
    Itemized,
    /// What happened to each object in one piece, objects in the order of their first change.
    ByKey,
}

/// One listener.
#[derive(Clone, Debug)]
pub struct ListenerPlan {
    /// When it joins; none for before the start.
    pub joins: Option<Time>,
    /// When it leaves, if it does.
    pub leaves: Option<Time>,
    /// Folds what waits beyond this many notifications.
    pub limit: Option<usize>,
    /// Is told of a recreated object that it went and came.
    pub splits: bool,
    /// How often it wants to be told everything again; none for as often as the mirror does.
    pub period: Option<Duration>,
    /// What it is told waits up to this long before it listens.
    pub delay: Duration,
    /// How many notifications it handles one right after the other.
    pub burst: u32,
    /// From when until when it does not listen at all.
    pub stall: Option<(Time, Time)>,
    /// How often it panics, out of a thousand notifications.
    pub panics: u64,
}

impl InformerPlan {
    /// The plan for a story.
    pub(super) fn draw(rng: &mut Rng, story: &StoryPlan) -> Self {
        let length = story.quiet.elapsed();
        // A state that is kept is the more interesting the further the store is behind.
        let lags: &[u64] = if story.workload.undecodable > 0 {
            &[0, 5_000, 30_000]
        } else {
            &[0, 20, 500, 5_000, 30_000]
        };
        let count = choose(rng, &[0, 1, 2, 3, 3, 4]);
        Self {
            seed: rng.next_u64(),
            queue: choose(
                rng,
                &[
                    QueueKind::Atomic,
                    QueueKind::Atomic,
                    QueueKind::Itemized,
                    QueueKind::ByKey,
                ],
            ),
            requeues: choose(rng, &[0, 50]),
            batch: choose(rng, &[1, 3, 8, 1000, 1000]),
            lag: Duration::from_millis(choose(rng, lags)),
            takes: Duration::from_millis(choose(rng, &[0, 0, 100, 3_000])),
            batches: choose(rng, &[1, 3, u32::MAX]),
            listeners: (0..count)
                .map(|_| ListenerPlan::draw(rng, length))
                .collect(),
        }
    }
}

impl ListenerPlan {
    fn draw(rng: &mut Rng, story: Duration) -> Self {
        let moment = |rng: &mut Rng, from: Time| {
            let left = story.saturating_sub(from.elapsed());
            from + rng.duration_below(left)
        };
        let joins = match rng.below(5) {
            0 | 1 => None,
            // While the first list is on its way, or right after.
            2 => Some(Time::ZERO + rng.duration_below(seconds(3))),
            _ => Some(moment(rng, Time::ZERO)),
        };
        let joined = joins.unwrap_or(Time::ZERO);
        let leaves = rng.one_in(4).then(|| moment(rng, joined));
        let stall = rng.one_in(4).then(|| {
            let from = moment(rng, joined);
            (from, moment(rng, from))
        });
        Self {
            joins,
            leaves,
            limit: choose(rng, &[None, None, Some(0), Some(1), Some(4), Some(20)]),
            splits: rng.one_in(2),
            period: choose(rng, &[None, None, Some(0), Some(7), Some(40)]).map(seconds),
            delay: Duration::from_millis(choose(rng, &[0, 10, 400, 4_000])),
            burst: choose(rng, &[1, 3, u32::MAX]),
            stall,
            panics: choose(rng, &[0, 0, 50]),
        }
    }

    /// How much is kept for it.
    #[must_use]
    pub const fn buffering(&self) -> Buffering {
        match self.limit {
            Some(limit) => Buffering::Coalescing { limit },
            None => Buffering::Unbounded,
        }
    }

    /// How it is told of a recreated object.
    #[must_use]
    pub const fn recreation(&self) -> Recreation {
        if self.splits {
            Recreation::AsDeleteAndAdd
        } else {
            Recreation::AsUpdate
        }
    }
}

//! `Listener`: one handler, what it has in hand, and what it knows by what it was told.
//!
//! It knows nothing but its notifications. The rest of what is here is for the promises.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::informer::{BufferedBatch, HandlerId, Notification};
use heliostat_core::object::ObjectKey;
use heliostat_core::rng::Rng;
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::time::Time;

use crate::kept::Kept;
use crate::scenario::ListenerPlan;
use crate::world::Widget;

/// A handler.
#[derive(Debug)]
pub struct Listener {
    /// What was decided about it.
    pub plan: ListenerPlan,
    /// Its place among the handlers, while it listens.
    pub id: Option<HandlerId>,
    /// What it knows by what it was told.
    pub known: BTreeMap<ObjectKey, Arc<Widget>>,
    /// The number of the batch after which it joined.
    pub joined_at: u64,
    /// The number of the batch after which it was to be told that it is synced, and what it was to
    /// be told before.
    pub synced_at: Option<(u64, Snapshot<Kept>)>,
    /// Whether it is due to be told again, by the rules.
    pub due: Due,
    /// True if it was due at any time since nothing was waiting for it.
    pub was_due: bool,
    /// The number of the batch after which nothing was waiting for it, the last time that was so.
    pub rested_at: u64,
    /// Since when something has been waiting for it with nothing told; none if nothing waits.
    pub waits_since: Option<Time>,
    /// What the batch that was told last belonged to; none if that is not known.
    pub reached: Option<Checkpoint>,
    /// True while it is on the agenda.
    pub(super) is_wake_planned: bool,
    /// How often something was put for it.
    pub(super) pieces: usize,
    /// How many notifications were folded into others.
    pub(super) folded: u64,
    /// How often what was put took away what was waiting.
    pub(super) voids: usize,
    pub(super) hand: VecDeque<BufferedBatch<Kept>>,
    /// One for each batch that waits or is in hand, where nothing is ever folded.
    pub(super) checkpoints: VecDeque<Checkpoint>,
    pub(super) rng: Rng,
}

/// What a listener is to know once it has been told a batch.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The store after the batch that the batch tells of.
    pub store: Snapshot<Kept>,
    /// True if the listener was due to be told again.
    pub due: bool,
}

/// When a listener is due to be told again, worked out from the rules alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Due {
    /// What it asked for, as it counts.
    pub requested: Duration,
    /// How often it is told, zero for never.
    pub effective: Duration,
    /// Not before this.
    pub next: Time,
    /// True from a look that found it due until the next look.
    pub is_due: bool,
}

impl Listener {
    pub(super) fn new(plan: ListenerPlan, seed: u64) -> Self {
        Self {
            plan,
            id: None,
            known: BTreeMap::new(),
            joined_at: 0,
            synced_at: None,
            due: Due::default(),
            was_due: false,
            rested_at: 0,
            waits_since: None,
            reached: None,
            is_wake_planned: false,
            pieces: 0,
            folded: 0,
            voids: 0,
            hand: VecDeque::new(),
            checkpoints: VecDeque::new(),
            rng: Rng::seeded(seed),
        }
    }

    /// True while it listens.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        self.id.is_some()
    }

    /// How many notifications it has taken and not been told, at most.
    #[must_use]
    pub fn in_hand(&self) -> usize {
        self.hand.iter().map(BufferedBatch::len).sum()
    }

    /// True if everything is kept for it as it came.
    #[must_use]
    pub const fn keeps_everything(&self) -> bool {
        self.plan.limit.is_none()
    }

    /// What belongs to what it is told now; none where that is not known.
    #[must_use]
    pub fn telling(&self) -> Option<&Checkpoint> {
        self.checkpoints.front()
    }

    /// When it listens next, after something was put where nothing waited, or after a burst.
    pub(super) fn wakes_at(&mut self, now: Time) -> Time {
        let at = now + self.rng.duration_below(self.plan.delay);
        match self.plan.stall {
            Some((from, to)) if from <= at && at < to => to,
            _ => at,
        }
    }

    /// True if it panics now.
    pub(super) fn panics(&mut self) -> bool {
        self.rng.below(1000) < self.plan.panics
    }

    /// Something was put for it, after a batch that left the store like this.
    pub(super) fn note(&mut self, pieces: usize, now: Time, store: &Snapshot<Kept>) {
        if pieces == 0 {
            return;
        }
        self.was_due |= self.due.is_due;
        self.waits_since.get_or_insert(now);
        if self.keeps_everything() {
            let due = self.due.is_due;
            for _ in 0..pieces {
                let store = store.clone();
                self.checkpoints.push_back(Checkpoint { store, due });
            }
        }
    }

    pub(super) fn learn(&mut self, notification: &Notification<Kept>) {
        match notification {
            Notification::Added { entry, .. } | Notification::Updated { new: entry, .. } => {
                self.known
                    .insert(entry.key().clone(), entry.object.widget());
            }
            Notification::Deleted { last, .. } => {
                self.known.remove(last.key());
            }
            Notification::Synced => {}
        }
    }

    pub(super) fn leave(&mut self) {
        self.id = None;
        self.hand.clear();
        self.checkpoints.clear();
        self.waits_since = None;
    }
}

impl Due {
    /// The rules for one who joins: `check` is how often the mirror looks.
    pub(super) fn join(&mut self, now: Time, requested: Duration, check: Duration) {
        self.requested = requested;
        self.negotiate(check);
        self.next = now + self.effective;
    }

    pub(super) fn negotiate(&mut self, check: Duration) {
        self.effective = if self.requested.is_zero() || check.is_zero() {
            Duration::ZERO
        } else {
            self.requested.max(check)
        };
    }

    pub(super) fn look(&mut self, now: Time) {
        self.is_due = !self.effective.is_zero() && self.next <= now;
        if self.is_due {
            self.next = now + self.effective;
        }
    }
}

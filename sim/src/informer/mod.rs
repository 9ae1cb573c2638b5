//! What is behind a mirror: a queue, whoever applies what is in it to a store, and the listeners that
//! are told.
//!
//! The mirror writes to the queue what it writes to its own store, so its own store shows what the
//! one behind the queue must come to. Time passes between a write and the batch that applies it, and
//! between the batch and the notification.

mod listener;
mod log;
mod queue;
mod spoil;
mod timing;
mod writer;

use std::time::Duration;

use heliostat_core::informer::apply::apply;
use heliostat_core::informer::fanout::RESYNC_PERIOD_MIN;
use heliostat_core::informer::{BufferedBatch, Fanout, HandlerBuffer, Notification, Outcome, Sink};
use heliostat_core::object::Entry;
use heliostat_core::queue::ordered_fifo::Popped;
use heliostat_core::rng::Rng;
use heliostat_core::store::StoreError;
use heliostat_core::store::indexer::IndexedObjects;
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::time::Time;

use crate::coverage::Seen;
use crate::kept::{Kept, RESIDUE_INDEX, held, residue_index};
use crate::mutant::Mutant;
use crate::scenario::InformerPlan;

pub use listener::{Checkpoint, Due, Listener};
pub use log::{Log, Past};
use queue::{FarEnd, Queue};
pub use timing::PANIC_PAUSE;

/// Everything behind a mirror.
#[derive(Debug)]
pub struct Informer {
    /// What was decided about it.
    pub plan: InformerPlan,
    /// The store behind the queue.
    pub store: IndexedObjects<Kept>,
    /// Those who listen, will, or did.
    pub listeners: Vec<Listener>,
    /// What the store went through.
    pub log: Log,
    /// How many batches were applied.
    pub works: u64,
    /// True once the first list was applied.
    pub is_synced: bool,
    /// True once a list was queued whose versions could not be trusted, or a watch without a version
    /// sent an object again: that is an update, whatever its version.
    pub doubted: bool,
    /// Since when something has been waiting in the queue with nothing applied.
    pub waits_since: Option<Time>,
    queue: Queue,
    /// What was taken out of the queue and is not applied yet.
    in_work: Option<Popped<Kept>>,
    far: FarEnd,
    fanout: Fanout<Tray>,
    /// How often they are told everything again who ask for nothing else.
    default: Duration,
    /// How often the mirror looks who is due.
    check: Duration,
    is_quiet: bool,
    is_work_planned: bool,
    now: Time,
    rng: Rng,
    mutant: Option<Mutant>,
    seen: Vec<Seen>,
}

/// What a listener does next.
#[derive(Debug)]
pub enum Next {
    /// Nothing is waiting.
    Nothing,
    /// It is told something.
    Told(Notification<Kept>),
    /// It has been told all of its batch.
    PutDown,
}

impl Informer {
    /// An informer that has not started, with those who listen from the beginning. `period` is how
    /// often it tells everything again to who asks for nothing else.
    #[must_use]
    pub fn new(plan: InformerPlan, period: Duration, mutant: Option<Mutant>) -> Self {
        let mut rng = Rng::seeded(plan.seed);
        let far = FarEnd::default();
        let mut store = IndexedObjects::new();
        let added = store.add_indexes([(RESIDUE_INDEX, residue_index())]);
        debug_assert!(added.is_ok(), "the store has no other index");
        let plans = plan.listeners.iter().cloned();
        let listeners = plans.map(|plan| Listener::new(plan, rng.next_u64()));
        let mut informer = Self {
            listeners: listeners.collect(),
            store,
            log: Log::default(),
            works: 0,
            is_synced: false,
            doubted: false,
            waits_since: None,
            queue: Queue::new(&plan, &far),
            in_work: None,
            far,
            fanout: Fanout::new(period),
            default: period,
            check: period,
            is_quiet: false,
            is_work_planned: false,
            now: Time::ZERO,
            rng,
            mutant,
            seen: Vec::new(),
            plan,
        };
        for number in 0..informer.listeners.len() {
            if informer.listeners[number].plan.joins.is_none() {
                informer.join(number);
            }
        }
        informer.fanout.start();
        informer
    }

    /// How often the mirror looks who is due, by the core.
    #[must_use]
    pub const fn check_period(&self) -> Duration {
        self.fanout.check_period()
    }

    /// How often a listener is told again, by the core.
    #[must_use]
    pub fn period_of(&self, listener: &Listener) -> Option<Duration> {
        self.fanout.period(listener.id?)
    }

    /// Sets the clock.
    pub const fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// A listener comes.
    pub fn join_late(&mut self, number: usize) {
        self.seen.push(if self.is_synced {
            Seen::JoinedLate
        } else if self.queue.is_empty() {
            Seen::JoinedBeforeList
        } else {
            Seen::JoinedDuringList
        });
        self.join(number);
    }

    fn join(&mut self, number: usize) {
        let (now, works) = (self.now, self.works);
        let splits = self.mutant != Some(Mutant::NeverSplits);
        let limits = self.mutant != Some(Mutant::ForgetsLimits);
        let listener = &mut self.listeners[number];
        let plan = &listener.plan;
        let buffering = if limits {
            plan.buffering()
        } else {
            Default::default()
        };
        let recreation = if splits {
            plan.recreation()
        } else {
            Default::default()
        };
        let tray = Tray {
            listener: number,
            buffer: HandlerBuffer::new(buffering, recreation),
            pieces: 0,
            voids: 0,
        };
        let state = self.store.snapshot();
        let is_synced = self.is_synced || self.mutant == Some(Mutant::SyncedTooSoon);
        let id = self
            .fanout
            .add_late(now, plan.period, tray, state.clone(), is_synced);
        let requested = match plan.period.unwrap_or(self.default) {
            Duration::ZERO => Duration::ZERO,
            period => period.max(RESYNC_PERIOD_MIN),
        };
        let has_started = listener.plan.joins.is_some();
        let is_shorter = !has_started && requested < self.check;
        if !requested.is_zero() && (self.check.is_zero() || is_shorter) {
            self.check = requested;
            for other in self.listeners.iter_mut().filter(|other| other.is_present()) {
                other.due.negotiate(requested);
            }
        }
        let listener = &mut self.listeners[number];
        listener.id = Some(id);
        listener.joined_at = works;
        listener.due.join(now, requested, self.check);
        // What is there, and that it is all: two pieces at one go.
        let both = !state.is_empty() && is_synced;
        listener.note(usize::from(both), now, &state);
        if self.is_synced {
            listener.synced_at = Some((works, state));
        }
        self.put(|_, _| {});
    }

    /// A listener goes, whatever is waiting for it.
    pub fn leave(&mut self, number: usize) {
        let pending = self.pending(number);
        let listener = &mut self.listeners[number];
        let Some(id) = listener.id else {
            return;
        };
        self.seen.push(if pending > 0 {
            Seen::LeftWithPending
        } else {
            Seen::Left
        });
        listener.leave();
        let removed = self.fanout.remove(id);
        debug_assert!(removed.is_some(), "it was there");
    }

    /// Looks who is due, and if anybody is, has everything told again.
    ///
    /// # Errors
    /// If the queue does not take it.
    pub fn resync(&mut self) -> Result<(), StoreError> {
        let now = self.now;
        for listener in self
            .listeners
            .iter_mut()
            .filter(|listener| listener.is_present())
        {
            listener.due.look(now);
        }
        if self.fanout.check_resync(now) {
            return self.queue.writer(now).resync();
        }
        Ok(())
    }

    /// Applies the next batch, and puts what it means into the buffers; gives the store as it was
    /// before, or nothing if nothing was waiting.
    pub fn work(&mut self) -> Option<Snapshot<Kept>> {
        if self.is_held_up() {
            return None;
        }
        self.take();
        let popped = self.in_work.take()?;
        self.works += 1;
        let before = self.store.snapshot();
        let outcome = apply(&mut self.store, popped, self.fanout.is_anyone_due());
        self.far.set(self.store.snapshot());
        self.log.note(self.works, &before, self.store.view());
        let outcome = self.spoil(outcome);
        self.count(&outcome);
        self.put(|fanout, now| fanout.notify(now, outcome));
        self.queue.processed();
        if self.queue.is_synced() && !self.is_synced {
            self.notify_synced();
        }
        self.waits_since = (!self.is_drained()).then_some(self.now);
        Some(before)
    }

    /// Takes the next batch out of the queue, if none is in work.
    fn take(&mut self) {
        if self.in_work.is_some() {
            return;
        }
        if !self.is_quiet && self.rng.below(1000) < self.plan.requeues && self.queue.requeue() {
            self.seen.push(Seen::Requeued);
        }
        self.in_work = self.queue.pop();
    }

    fn notify_synced(&mut self) {
        self.is_synced = true;
        let times = match self.mutant {
            Some(Mutant::SyncedTwice) => 2,
            Some(Mutant::ForgetsSynced) => 0,
            Some(_) | None => 1,
        };
        for _ in 0..times {
            self.put(Fanout::notify_synced);
        }
        for listener in self
            .listeners
            .iter_mut()
            .filter(|listener| listener.is_present())
        {
            listener.synced_at = Some((self.works, self.store.snapshot()));
        }
    }

    /// Puts something into the buffers, and notes into whose.
    fn put(&mut self, put: impl FnOnce(&mut Fanout<Tray>, Time)) {
        put(&mut self.fanout, self.now);
        let store = self.store.view();
        for tray in self.fanout.iter() {
            let listener = &mut self.listeners[tray.listener];
            let folded = tray.buffer.folded();
            if folded > listener.folded {
                listener.folded = folded;
                self.seen.push(Seen::Coalesced);
            }
            if tray.voids > listener.voids {
                listener.voids = tray.voids;
                self.seen.push(Seen::Voided);
            }
            let pieces = tray.pieces - listener.pieces;
            if pieces > 0 {
                listener.note(pieces, self.now, store);
                listener.pieces = tray.pieces;
            }
        }
    }

    /// What a listener does next: what it has in hand comes first.
    pub fn next_for(&mut self, number: usize) -> Next {
        let listener = &mut self.listeners[number];
        let Some(id) = listener.id else {
            return Next::Nothing;
        };
        if listener.hand.is_empty() {
            let hand = &mut listener.hand;
            let takes = 1 + usize::from(self.mutant == Some(Mutant::TellsOutOfOrder));
            self.fanout.with_sink(id, |tray| {
                for _ in 0..takes {
                    if let Some(batch) = tray.buffer.take() {
                        hand.push_front(batch);
                    }
                }
            });
        }
        let Some(batch) = listener.hand.front_mut() else {
            listener.waits_since = None;
            return Next::Nothing;
        };
        listener.waits_since = Some(self.now);
        match batch.next() {
            Some(told) => Next::Told(told.to_notification()),
            None => {
                listener.hand.pop_front();
                listener.reached = listener.checkpoints.pop_front();
                Next::PutDown
            }
        }
    }

    /// A listener takes in what it was told; true if it panics over it.
    pub fn learn(&mut self, number: usize, notification: &Notification<Kept>) -> bool {
        let listener = &mut self.listeners[number];
        let seen = match notification {
            Notification::Updated { .. } if notification.is_sync() => Some(Seen::ToldAgain),
            Notification::Updated { .. } if notification.is_recreation() => {
                Some(Seen::RecreationTold)
            }
            // The addition is told next, out of the same batch.
            Notification::Deleted { .. }
                if listener.plan.splits
                    && !listener.hand.front().is_none_or(BufferedBatch::is_empty) =>
            {
                Some(Seen::RecreationSplit)
            }
            Notification::Synced => Some(Seen::SyncedTold),
            Notification::Added { .. }
            | Notification::Updated { .. }
            | Notification::Deleted { .. } => None,
        };
        self.seen.extend(seen);
        listener.learn(notification);
        let panics = !self.is_quiet && listener.panics();
        if panics {
            self.seen.push(Seen::ListenerPanicked);
        }
        panics
    }

    /// A listener has nothing waiting and nothing in hand.
    #[must_use]
    pub fn is_at_rest(&self, number: usize) -> bool {
        self.pending(number) == 0
    }

    /// How much waits for a listener, in its buffer and in its hands.
    #[must_use]
    pub fn pending(&self, number: usize) -> usize {
        let listener = &self.listeners[number];
        if listener.is_present() {
            self.buffered(number) + listener.hand.len()
        } else {
            0
        }
    }

    /// How much waits in the buffer of a listener.
    #[must_use]
    pub fn buffered(&self, number: usize) -> usize {
        self.buffer(number).map_or(0, HandlerBuffer::len)
    }

    /// How much of that takes memory of its own: not what lies in a state that is shared.
    #[must_use]
    pub fn unshared(&self, number: usize) -> usize {
        let unshared = |buffer: &HandlerBuffer<Kept>| buffer.len() - buffer.in_first_state();
        self.buffer(number).map_or(0, unshared)
    }

    fn buffer(&self, number: usize) -> Option<&HandlerBuffer<Kept>> {
        let mut trays = self.fanout.iter();
        let tray = trays.find(|tray| tray.listener == number);
        tray.map(|tray| &tray.buffer)
    }

    /// True if everything that was written is applied.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.in_work.is_none() && self.queue.is_empty()
    }

    /// True while something is in work that must be done to its end at once.
    #[must_use]
    pub fn is_in_work(&self) -> bool {
        self.queue.is_in_work()
    }

    /// True if more waits than should.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.queue.is_congested()
    }

    /// Why it is not yet where it should be, if it is not: everybody has been told everything.
    #[must_use]
    pub fn not_yet(&self) -> Option<String> {
        if !self.is_drained() {
            return Some("changes wait in the queue".to_owned());
        }
        (0..self.listeners.len())
            .find(|number| !self.is_at_rest(*number))
            .map(|number| format!("something waits for listener {number}"))
    }

    /// What was exercised since the last time.
    pub fn take_seen(&mut self) -> std::vec::Drain<'_, Seen> {
        self.seen.drain(..)
    }

    fn count(&mut self, outcome: &Outcome<Kept>) {
        match outcome {
            Outcome::Initial(_) => self.seen.push(Seen::InitialTold),
            Outcome::Resync(_) => self.seen.push(Seen::ResyncTold),
            Outcome::Changes(changes) => {
                if changes.len() > 1 {
                    self.seen.push(Seen::BatchTold);
                }
                let tombstone = |change: &_| {
                    matches!(
                        change,
                        Notification::Deleted {
                            tombstone: true,
                            ..
                        }
                    )
                };
                if changes.iter().any(tombstone) {
                    self.seen.push(Seen::TombstoneTold);
                }
            }
        }
    }
}

/// Where what a listener is to be told is put.
#[derive(Debug)]
struct Tray {
    listener: usize,
    buffer: HandlerBuffer<Kept>,
    /// How often something was put here.
    pieces: usize,
    /// How often what was put took away what was waiting.
    voids: usize,
}

impl Sink<Kept> for Tray {
    fn put(&mut self, put: impl FnOnce(&mut HandlerBuffer<Kept>)) {
        let before = (self.buffer.len(), self.buffer.folded());
        put(&mut self.buffer);
        self.voids += usize::from(before.0 > 0 && self.buffer.is_empty());
        self.pieces += usize::from(before != (self.buffer.len(), self.buffer.folded()));
    }
}

/// A notification for people.
#[must_use]
pub fn describe(notification: &Notification<Kept>) -> String {
    let name = |entry: &Entry<Kept>| format!("{}@{}", entry.key(), entry.object.revision());
    match notification {
        Notification::Added {
            entry,
            is_in_initial_list: true,
        } => format!("of {}, which was there", name(entry)),
        Notification::Added { entry, .. } => format!("that {} came", name(entry)),
        Notification::Updated { old, new } => {
            format!("of {} after {}", name(new), old.object.revision())
        }
        Notification::Deleted { last, tombstone } => {
            format!("that {} went, tombstone: {tombstone}", name(last))
        }
        Notification::Synced => "that it is synced".to_owned(),
    }
}

/// True if two states of a store hold the same states of the same objects.
#[must_use]
pub fn is_same_content(one: &Snapshot<Kept>, other: &Snapshot<Kept>) -> bool {
    one.len() == other.len()
        && one.iter().all(|entry| {
            held(other, entry.key()).is_some_and(|other| other.is_same_state(&entry.object))
        })
}

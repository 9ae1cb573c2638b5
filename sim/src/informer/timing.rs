//! When batches are applied and listeners listen.

use std::time::Duration;

use heliostat_core::time::Time;

use super::Informer;
use crate::coverage::Seen;
use crate::mutant::Mutant;

impl Informer {
    /// When the next batch is applied, if that is not planned yet.
    pub fn plan_work(&mut self) -> Option<Time> {
        if self.is_drained() {
            // What waited can be void by now: a version that went back and forth.
            self.waits_since = None;
            return None;
        }
        if self.is_work_planned {
            return None;
        }
        self.is_work_planned = true;
        self.waits_since.get_or_insert(self.now);
        let lag = match self.in_work {
            _ if self.is_quiet => Duration::ZERO,
            Some(_) => self.plan.takes,
            None => self.plan.lag,
        };
        if self.is_held_up() {
            return Some(self.now + lag + PANIC_PAUSE);
        }
        Some(self.now + self.rng.duration_below(lag))
    }

    /// The time for a batch has come: how many may be applied. Where applying takes time, one is
    /// taken out of the queue first.
    pub fn begin_work(&mut self) -> u32 {
        self.is_work_planned = false;
        if self.in_work.is_none() && !self.plan.takes.is_zero() && !self.is_quiet {
            self.take();
            return 0;
        }
        self.plan.batches
    }

    /// When a listener listens next, if that is not planned yet and there is anything to hear.
    pub fn plan_wake(&mut self, number: usize) -> Option<Time> {
        let (now, is_quiet) = (self.now, self.is_quiet);
        let is_at_rest = self.is_at_rest(number);
        let listener = &mut self.listeners[number];
        if is_at_rest {
            // Folding can leave nothing of what was put.
            listener.waits_since = None;
        }
        if listener.is_wake_planned || is_at_rest {
            return None;
        }
        listener.is_wake_planned = true;
        if self.mutant == Some(Mutant::LosesWakes) && self.works.is_multiple_of(7) {
            return None;
        }
        let at = if is_quiet {
            now
        } else {
            listener.wakes_at(now)
        };
        if at > now + listener.plan.delay {
            self.seen.push(Seen::ListenerStalled);
        }
        Some(at)
    }

    /// A listener listens: how many notifications it may be told.
    pub fn begin_wake(&mut self, number: usize) -> u32 {
        let listener = &mut self.listeners[number];
        listener.is_wake_planned = false;
        if self.is_quiet {
            u32::MAX
        } else {
            listener.plan.burst
        }
    }

    /// A listener has listened.
    pub fn end_wake(&mut self, number: usize) {
        if self.is_at_rest(number) {
            let listener = &mut self.listeners[number];
            listener.waits_since = None;
            listener.was_due = false;
            listener.rested_at = self.works;
        }
    }

    /// A listener listens again only after a while.
    pub fn pause(&mut self, number: usize) -> Time {
        self.listeners[number].is_wake_planned = true;
        self.now + PANIC_PAUSE
    }

    /// From now on nobody is slow.
    pub fn fall_quiet(&mut self) {
        self.is_quiet = true;
        self.is_work_planned = false;
        for listener in &mut self.listeners {
            listener.is_wake_planned = false;
            listener.plan.stall = None;
            listener.waits_since = listener.waits_since.map(|_| self.now);
        }
    }
}

/// How long a listener rests after a panic. The number is client-go's; here it only has to be some.
pub const PANIC_PAUSE: Duration = Duration::from_secs(1);

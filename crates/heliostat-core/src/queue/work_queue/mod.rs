//! `WorkQueueState`: which key is worked next, and which must wait.
//!
//! A key is a request to look at the object it names, not a message: two requests before it is worked are
//! one. The queue has each key at most once in line, hands it to one worker at a time, and remembers requests
//! that come while it is being worked. Keys that failed, or that are requested for later, wait beside the line
//! until their time.
//!
//! The invariants: a key is in line or in work, never both; a key that was added before a close is
//! worked once more, whatever was happening to it; and a key that is in line, or will be as soon as its
//! work is done, waits for no retry beside that.

mod delay;
mod line;
mod priority;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::rate_limit::{RateLimiter, default_rate_limiter};
use crate::time::Time;

use delay::{Cause, Delays};
use line::Line;

pub use priority::Priority;

/// Keys to be worked: each once, by one worker at a time, some later than others.
///
/// Order of calls: [`add`](Self::add) and [`add_after`](Self::add_after) whenever there is something to
/// do; [`handle_timeout`](Self::handle_timeout) at the time that [`poll_timeout`](Self::poll_timeout)
/// returns, and before each [`take`](Self::take). For each key that was taken, at most one outcome
/// ([`settle`](Self::settle), [`add_rate_limited`](Self::add_rate_limited) or
/// [`retry_after`](Self::retry_after)), then [`done`](Self::done) once. After [`close`](Self::close),
/// `take` until [`is_finished`](Self::is_finished).
///
/// # Delays
///
/// [`add_after`](Self::add_after) asks for a time that nothing before it changes. An outcome
/// asks for a time that the next outcome replaces, and that ends as soon
/// as the key is to be worked for another reason. controller-runtime and kube-rs do the same.
///
/// # Ends
///
/// | | takes keys in | keys in line | what was asked for while it was in work |
/// |---|---|---|---|
/// | [`close`](Self::close) | no | are worked | is worked |
/// | [`drain`](Self::drain) | no | are worked, and awaited | is worked, and awaited |
/// | [`stop`](Self::stop) | no | are dropped | is dropped; what is in work is awaited |
///
/// # Order
///
/// Of two keys in line the one of the higher [`Priority`] goes first, and of one priority the one that
/// came first. But every eighth turn at the latest goes to the key that has been in line for longest,
/// whatever its priority: a key that finds `n` others in line is taken within `8 * (n + 1)` turns, however many
/// more urgent keys keep coming. A share of the turns and not an age that adds to the priority, because
/// it needs no idea of how long a turn takes, and holds for any two priorities however far apart.
///
/// # Limits
///
/// None but the number of keys, each of which is in here once; watch [`depth`](Self::depth).
///
/// ```
/// use std::time::Duration;
/// use heliostat_core::queue::{Priority, WorkQueueState};
/// use heliostat_core::time::Time;
///
/// let now = Time::ZERO;
/// let mut queue = WorkQueueState::default();
/// queue.add(now, "a", Priority::NORMAL);
/// queue.add(now, "a", Priority::NORMAL);
/// assert_eq!(queue.depth(), 1);
///
/// let taken = queue.take(now).unwrap();
/// queue.add(now, taken.key, Priority::NORMAL);
/// assert!(queue.take(now).is_none(), "it is being worked");
/// queue.done(now, &taken.key);
/// assert_eq!(queue.take(now).unwrap().key, "a");
///
/// queue.add_after(now, "b", Priority::NORMAL, Duration::from_secs(5));
/// assert_eq!(queue.poll_timeout(), Some(now + Duration::from_secs(5)));
/// ```
pub struct WorkQueueState<K> {
    line: Line<K>,
    work: BTreeMap<K, InWork>,
    delays: Delays<K>,
    limiter: Box<dyn RateLimiter<K>>,
    phase: Phase,
}

/// A key that was given out to be worked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken<K> {
    /// The key.
    pub key: K,
    /// The highest priority that it was asked for with.
    pub priority: Priority,
    /// How long ago it was first asked for since it was last given out.
    pub waited: Duration,
}

/// What came of asking for a key. Complete: there is nothing else that can come of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Addition {
    /// It came into the line: there is one key more to take.
    Queued,
    /// It is being worked, and will come into the line when that is done.
    Noted,
    /// It was asked for already, and not taken since. A higher priority raises it.
    Known,
    /// It waits for its time.
    Delayed,
    /// The queue was closed; nothing changed.
    Refused,
}

impl Addition {
    /// Returns true if this request causes one more piece of work.
    #[must_use]
    pub const fn is_new(self) -> bool {
        matches!(self, Self::Queued | Self::Noted)
    }
}

/// What was done with a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Worked {
    /// How long it was being worked.
    pub duration: Duration,
    /// True if it was asked for meanwhile: it is in line again.
    pub is_queued_again: bool,
}

#[derive(Debug)]
struct InWork {
    since: Time,
    /// It was asked for while it was being worked.
    again: Option<Again>,
}

#[derive(Debug)]
struct Again {
    priority: Priority,
    asked: Time,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Open,
    /// Takes nothing in, and nothing awaits the end.
    Closed,
    /// Takes nothing in, and the caller of the drain awaits the end of all work.
    Draining,
    /// Takes nothing in and starts nothing; the caller of the stop awaits the work under way.
    Stopping,
}

impl<K: Clone + Ord> WorkQueueState<K> {
    /// Creates an empty queue with this rate limiter.
    pub fn new(limiter: impl RateLimiter<K> + 'static) -> Self {
        Self {
            line: Line::new(),
            work: BTreeMap::new(),
            delays: Delays::new(),
            limiter: Box::new(limiter),
            phase: Phase::Open,
        }
    }

    /// Asks for a key to be worked. A key that is in line stays where it is, unless this priority is
    /// higher than the one it has. A key that waits for a retry is worked now instead, with the higher
    /// of the two priorities.
    pub fn add(&mut self, now: Time, key: K, priority: Priority) -> Addition {
        if self.is_closed() {
            return Addition::Refused;
        }
        let mut priority = priority;
        for cause in [Cause::Outcome, Cause::Debounce] {
            let waited = self.delays.end(&key, cause);
            priority = waited.map_or(priority, |waited| priority.max(waited));
        }
        let Some(work) = self.work.get_mut(&key) else {
            return if self.line.put(key, priority, now) {
                Addition::Queued
            } else {
                Addition::Known
            };
        };
        match &mut work.again {
            Some(again) => {
                again.priority = again.priority.max(priority);
                Addition::Known
            }
            again @ None => {
                let asked = now;
                *again = Some(Again { priority, asked });
                Addition::Noted
            }
        }
    }

    /// Asks for a key to be worked after `delay`; without one, at once. If a key is asked for more than
    /// once, the earliest time and the highest priority win. A key in line or in work can wait for a
    /// time as well: it is asked for at that time, whatever happens before.
    pub fn add_after(
        &mut self,
        now: Time,
        key: K,
        priority: Priority,
        delay: Duration,
    ) -> Addition {
        if self.is_closed() {
            return Addition::Refused;
        }
        if delay.is_zero() {
            return self.add(now, key, priority);
        }
        self.delays.request(key, priority, now + delay);
        Addition::Delayed
    }

    /// Asks for a key to be worked once it was not asked for in this way for `quiet`. A key that is
    /// worked before, for another reason, waits no longer.
    pub fn add_debounced(
        &mut self,
        now: Time,
        key: K,
        priority: Priority,
        quiet: Duration,
    ) -> Addition {
        if self.is_closed() {
            return Addition::Refused;
        }
        if quiet.is_zero() {
            return self.add(now, key, priority);
        }
        self.delays.debounce(key, priority, now + quiet);
        Addition::Delayed
    }

    /// An outcome: the key failed once more and is worked again after the delay that the rate limiter
    /// returns.
    pub fn add_rate_limited(&mut self, now: Time, key: K, priority: Priority) -> Addition {
        if self.is_closed() {
            return Addition::Refused;
        }
        let delay = self.limiter.when(now, &key);
        self.put_outcome(now, key, priority, delay)
    }

    /// An outcome: the key failed once more and is worked again after `delay`. The rate limiter counts
    /// the failure, its delay is not used.
    pub fn retry_after(
        &mut self,
        now: Time,
        key: K,
        priority: Priority,
        delay: Duration,
    ) -> Addition {
        if self.is_closed() {
            return Addition::Refused;
        }
        self.limiter.when(now, &key);
        self.put_outcome(now, key, priority, delay)
    }

    /// An outcome: the key is done, and is worked again after `delay` if there is one. Its failures no
    /// longer count.
    pub fn settle(
        &mut self,
        now: Time,
        key: &K,
        priority: Priority,
        delay: Option<Duration>,
    ) -> Addition {
        self.limiter.forget(key);
        self.delays.end(key, Cause::Outcome);
        match delay {
            _ if self.is_closed() => Addition::Refused,
            None => Addition::Known,
            Some(delay) => self.put_outcome(now, key.clone(), priority, delay),
        }
    }

    /// Returns how long a key still waits because its work failed or asked for a later look.
    #[must_use]
    pub fn retry_in(&self, now: Time, key: &K) -> Option<Duration> {
        self.delays.outcome(key).map(|at| at - now)
    }

    /// The key is done, whether it succeeded or not: its failures no longer count. The key stays in line if it
    /// is there.
    pub fn forget(&mut self, key: &K) {
        self.limiter.forget(key);
    }

    /// Asks for the keys whose time has come, and returns how many of them are
    /// [new](Addition::is_new).
    pub fn handle_timeout(&mut self, now: Time) -> usize {
        let mut new = 0;
        while let Some((key, priority)) = self.delays.pop_due(now) {
            new += usize::from(self.add(now, key, priority).is_new());
        }
        new
    }

    /// The key whose turn it is, to be worked; none if none is in line.
    pub fn take(&mut self, now: Time) -> Option<Taken<K>> {
        let (key, priority, asked) = self.line.take()?;
        let since = now;
        let again = None;
        let before = self.work.insert(key.clone(), InWork { since, again });
        debug_assert!(before.is_none(), "a key was in line and in work");
        Some(Taken {
            key,
            priority,
            waited: now - asked,
        })
    }

    /// The work on a key is over, well or not. None if the key was not in work: nothing changes.
    pub fn done(&mut self, now: Time, key: &K) -> Option<Worked> {
        let (key, work) = self.work.remove_entry(key)?;
        let is_queued_again = work.again.is_some();
        if let Some(again) = work.again {
            self.line.put(key, again.priority, again.asked);
        }
        Some(Worked {
            duration: now - work.since,
            is_queued_again,
        })
    }

    /// Takes no more keys in, and drops those that wait for their time. Keys in line are still
    /// returned by [`take`](Self::take), and keys that were asked for while they were in work once
    /// more. Ends the wait for a [`drain`](Self::drain). client-go's `ShutDown`.
    pub fn close(&mut self) {
        if self.phase != Phase::Stopping {
            self.end(Phase::Closed);
        }
    }

    /// Closes the queue for a caller that waits until all keys have been worked; see
    /// [`awaits_end`](Self::awaits_end). client-go's `ShutDownWithDrain`.
    pub fn drain(&mut self) {
        if self.phase != Phase::Stopping {
            self.end(Phase::Draining);
        }
    }

    /// Closes the queue and drops the keys in line, for a caller that waits until the work under way is
    /// done; see [`awaits_end`](Self::awaits_end). Nothing is taken after this.
    pub fn stop(&mut self) {
        self.end(Phase::Stopping);
        self.line = Line::new();
        for work in self.work.values_mut() {
            work.again = None;
        }
    }

    /// The next time at which [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.delays.earliest()
    }

    /// True once the queue takes no more keys in.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase != Phase::Open
    }

    /// True if the queue is closed and nothing is in line: a worker that looks now can end. Keys that
    /// are in work may be returned once more, to the worker that has them.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_closed() && self.line.len() == 0
    }

    /// True if the queue is closed and all keys have been worked.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_finished() && self.work.is_empty()
    }

    /// True while the caller of [`drain`](Self::drain) or [`stop`](Self::stop) has to wait: until
    /// nothing is in work, and after a drain nothing in line, or until a [`close`](Self::close) ends
    /// the wait for the drain.
    #[must_use]
    pub fn awaits_end(&self) -> bool {
        match self.phase {
            Phase::Open | Phase::Closed => false,
            Phase::Draining | Phase::Stopping => !self.is_drained(),
        }
    }

    /// How often the key failed since it was last forgotten, as the rate limiter counts.
    #[must_use]
    pub fn failures(&self, key: &K) -> u32 {
        self.limiter.failures(key)
    }

    /// How many keys are in line.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.line.len()
    }

    /// How many keys wait for their time.
    #[must_use]
    pub fn delayed(&self) -> usize {
        self.delays.len()
    }

    /// How many keys are being worked.
    #[must_use]
    pub fn in_work(&self) -> usize {
        self.work.len()
    }

    /// How long ago the key was asked for that has been in line for longest.
    #[must_use]
    pub fn oldest_waiting(&self, now: Time) -> Option<Duration> {
        self.line.oldest().map(|asked| now - asked)
    }

    /// How long the keys that are in work have been there, added up.
    #[must_use]
    pub fn unfinished_work(&self, now: Time) -> Duration {
        let durations = self.work.values().map(|work| now - work.since);
        durations.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// How long the key has been in work that has been there for longest.
    #[must_use]
    pub fn longest_running(&self, now: Time) -> Option<Duration> {
        self.work.values().map(|work| now - work.since).max()
    }

    fn put_outcome(&mut self, now: Time, key: K, priority: Priority, delay: Duration) -> Addition {
        // A key that is asked for is worked soon, and that work has an outcome of its own.
        let is_asked_for = match self.work.get(&key) {
            Some(work) => work.again.is_some(),
            None => self.line.contains(&key),
        };
        if delay.is_zero() || is_asked_for {
            return self.add(now, key, priority);
        }
        self.delays.put_outcome(key, priority, now + delay);
        Addition::Delayed
    }

    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.delays.clear();
    }
}

impl<K: Clone + Ord + Send + 'static> Default for WorkQueueState<K> {
    /// With [`default_rate_limiter`].
    fn default() -> Self {
        Self::new(default_rate_limiter())
    }
}

impl<K> fmt::Debug for WorkQueueState<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueueState")
            .field("depth", &self.line.len())
            .field("in_work", &self.work.len())
            .field("delayed", &self.delays.len())
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

//! `WorkQueue`: which key is worked next, and which must wait.
//!
//! A key is a promise that somebody will look at what it names, not a message: asking for it twice
//! before it is looked at is asking once. The queue holds each key at most once in line, gives it to
//! one worker at a time, and remembers that it was asked for while it was being worked. Keys that
//! failed, or that should be looked at later, wait beside the line until their time.
//!
//! The invariant: a key is in line or in work, never both; and a key that was added before the
//! shutdown is worked once more, whatever was happening to it.

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

use delay::Delays;
use line::Line;

pub use priority::Priority;

/// Keys to be worked: each once, by one worker at a time, some later than others.
///
/// Order of calls: [`add`](Self::add), [`add_after`](Self::add_after) and
/// [`add_rate_limited`](Self::add_rate_limited) whenever there is something to do;
/// [`handle_timeout`](Self::handle_timeout) at the time that [`poll_timeout`](Self::poll_timeout)
/// tells, and before each [`take`](Self::take); [`done`](Self::done) once for each key that was taken.
/// After [`shut_down`](Self::shut_down), `take` until [`is_finished`](Self::is_finished).
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
/// use heliostat_core::queue::{Priority, WorkQueue};
/// use heliostat_core::time::Time;
///
/// let now = Time::ZERO;
/// let mut queue = WorkQueue::default();
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
pub struct WorkQueue<K> {
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
    /// The queue was shut down; nothing changed.
    Refused,
}

impl Addition {
    /// True if somebody will work the key who would not have without this.
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
    /// Shut down, and somebody waits until all is worked.
    Draining,
    /// Shut down, and nobody waits.
    ShutDown,
}

impl<K: Clone + Ord> WorkQueue<K> {
    /// An empty queue that delays keys as `limiter` says.
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
    /// higher than the one it has.
    pub fn add(&mut self, now: Time, key: K, priority: Priority) -> Addition {
        if self.is_shut_down() {
            return Addition::Refused;
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

    /// Asks for a key to be worked after `delay`; without one, at once. Of several times that a key
    /// waits for, the earliest counts, with the highest of their priorities. A key in line or in work
    /// can wait for a time as well: it is then asked for at that time, whatever happened before.
    pub fn add_after(
        &mut self,
        now: Time,
        key: K,
        priority: Priority,
        delay: Duration,
    ) -> Addition {
        if self.is_shut_down() {
            return Addition::Refused;
        }
        if delay.is_zero() {
            return self.add(now, key, priority);
        }
        self.delays.put(key, priority, now + delay);
        Addition::Delayed
    }

    /// Asks for a key to be worked after the time that the rate limiter tells: it failed once more.
    pub fn add_rate_limited(&mut self, now: Time, key: K, priority: Priority) -> Addition {
        if self.is_shut_down() {
            return Addition::Refused;
        }
        let delay = self.limiter.when(now, &key);
        self.add_after(now, key, priority, delay)
    }

    /// The key is done, well or for good: its failures no longer count. It says nothing about whether
    /// the key is in line.
    pub fn forget(&mut self, key: &K) {
        self.limiter.forget(key);
    }

    /// Asks for the keys whose time has come, and tells how many of them are new as
    /// [`Addition::is_new`] says.
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

    /// Takes nothing more in, and drops the keys that wait for their time. What is in line is still
    /// given out, and what was asked for while it was in work comes into the line once more. Whoever
    /// waits for a drain need not wait any longer.
    pub fn shut_down(&mut self) {
        self.end(Phase::ShutDown);
    }

    /// The same as [`shut_down`](Self::shut_down), for who will wait until all is worked; see
    /// [`awaits_drain`](Self::awaits_drain).
    pub fn shut_down_with_drain(&mut self) {
        self.end(Phase::Draining);
    }

    /// The next time at which [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.delays.earliest()
    }

    /// True once the queue was shut down, in whichever way.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.phase != Phase::Open
    }

    /// True if the queue was shut down and nothing is in line: a worker that looks now can go. Keys
    /// that are in work may come once more, to whoever works them.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_shut_down() && self.line.len() == 0
    }

    /// True if the queue was shut down and all is worked.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_finished() && self.work.is_empty()
    }

    /// True as long as who shut the queue down with a drain has to wait: until all is worked, or until
    /// somebody shuts the queue down without a drain.
    #[must_use]
    pub fn awaits_drain(&self) -> bool {
        self.phase == Phase::Draining && !self.is_drained()
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

    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.delays.clear();
    }
}

impl<K: Clone + Ord + Send + 'static> Default for WorkQueue<K> {
    /// With [`default_rate_limiter`].
    fn default() -> Self {
        Self::new(default_rate_limiter())
    }
}

impl<K> fmt::Debug for WorkQueue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueue")
            .field("depth", &self.line.len())
            .field("in_work", &self.work.len())
            .field("delayed", &self.delays.len())
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

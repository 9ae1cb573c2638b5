//! `Work`: a key in the hands of a worker.
//!
//! Dropping it ends the work, so a worker that panics or is cancelled cannot keep a key from the others.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::queue::Priority;
use heliostat_core::queue::work_queue::Taken;

use super::{Action, Inner};

/// A key that is being worked. No other worker gets it until this is dropped.
///
/// End it with one of its outcomes. Dropping it ends the work without one: the key does not come back
/// by itself, and its failures count until a later outcome or
/// [`WorkQueue::forget`](super::WorkQueue::forget).
///
/// An outcome replaces the delay that an earlier outcome of the key asked for. It asks for none if the
/// key was added while it was being worked: it is then worked again at once.
pub struct Work<K: Clone + Ord> {
    inner: Arc<Inner<K>>,
    taken: Taken<K>,
}

impl<K: Clone + Ord> Work<K> {
    pub(super) const fn new(inner: Arc<Inner<K>>, taken: Taken<K>) -> Self {
        Self { inner, taken }
    }

    /// Ends the work with this outcome.
    pub fn settle(self, action: Action) {
        let (key, priority) = (&self.taken.key, self.taken.priority);
        match action {
            Action::Done => self.inner.ask(
                |queue, now| queue.settle(now, key, Priority::NORMAL, None),
                false,
            ),
            Action::After(delay) => self.inner.ask(
                |queue, now| queue.settle(now, key, Priority::NORMAL, Some(delay)),
                true,
            ),
            Action::Retry => self.inner.ask(
                |queue, now| queue.add_rate_limited(now, key.clone(), priority),
                true,
            ),
        }
    }

    /// The work failed: the key comes back after the delay of the rate limiter, as urgent as it is now.
    pub fn retry(self) {
        self.settle(Action::Retry);
    }

    /// The work failed: the key comes back after `delay`, as urgent as it is now. The rate limiter
    /// counts the failure.
    pub fn retry_after(self, delay: Duration) {
        let (key, priority) = (self.taken.key.clone(), self.taken.priority);
        self.inner.ask(
            |queue, now| queue.retry_after(now, key, priority, delay),
            true,
        );
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &K {
        &self.taken.key
    }

    /// The highest priority that it was asked for with.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.taken.priority
    }

    /// How long it waited for its turn.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.taken.waited
    }

    /// The work was interrupted, which is no failure: the key comes back at once.
    pub(super) fn put_back(&self) {
        let (key, priority) = (self.taken.key.clone(), self.taken.priority);
        self.inner
            .ask(|queue, now| queue.add(now, key, priority), false);
    }
}

impl<K: Clone + Ord> Deref for Work<K> {
    type Target = K;

    fn deref(&self) -> &K {
        self.key()
    }
}

impl<K: Clone + Ord> Drop for Work<K> {
    fn drop(&mut self) {
        self.inner.done(&self.taken.key);
    }
}

impl<K: Clone + Ord + fmt::Debug> fmt::Debug for Work<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Work").field(&self.taken).finish()
    }
}

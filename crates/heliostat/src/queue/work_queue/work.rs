//! `Work`: a key in the hands of a worker.
//!
//! Dropping it is being done with it, so a worker that panics or is cancelled cannot keep a key from
//! everybody else.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::queue::Priority;
use heliostat_core::queue::work_queue::Taken;

use super::{Action, Inner};

/// A key that is being worked. Nobody else gets it until this is dropped.
///
/// Dropping it says that the work is over and nothing else: a key that failed comes back only with
/// [`retry`](Self::retry), and its failures count until [`settle`](Self::settle) or
/// [`WorkQueue::forget`](super::WorkQueue::forget).
pub struct Work<K: Clone + Ord> {
    inner: Arc<Inner<K>>,
    taken: Taken<K>,
}

impl<K: Clone + Ord> Work<K> {
    pub(super) const fn new(inner: Arc<Inner<K>>, taken: Taken<K>) -> Self {
        Self { inner, taken }
    }

    /// It went well: the failures of the key no longer count, and it comes back if the action says
    /// so.
    pub fn settle(self, action: Action) {
        self.inner.shared.lock().forget(&self.taken.key);
        match action {
            Action::Done => {}
            Action::After(delay) => {
                let key = self.taken.key.clone();
                self.inner.add_after(key, Priority::NORMAL, delay);
            }
        }
    }

    /// It failed: the key comes back after the time that the rate limiter tells, as urgent as it is
    /// now.
    pub fn retry(self) {
        let key = self.taken.key.clone();
        self.inner.add_rate_limited(key, self.taken.priority);
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

    /// It was not finished, for no fault of its own: the key comes back at once.
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

//! `Shared`: the lock of a queue that tasks share, and its wake-ups.
//!
//! All that is concurrent about the queues is in here. What keeps a waiter from being missed: it is
//! on the list of those to wake before it looks at the queue, so whatever changes after its look
//! wakes it. A waiter that is woken and then dropped passes the wake-up on, which [`Notify`] does.

use std::fmt;
use std::pin::pin;

use tokio::time::Instant;

use crate::sync::{Mutex, MutexGuard, Notify, PoisonError};

/// See the module.
pub(crate) struct Shared<Q> {
    queue: Mutex<Q>,
    /// Waiters for something to take.
    takers: Notify,
    /// Waiters for the end of all work.
    watchers: Notify,
}

/// What a waiter finds when it looks.
pub(crate) enum Look<R> {
    /// What it waited for.
    Found(R),
    /// Nothing, until something changes.
    Wait,
    /// Nothing, until something changes or this moment comes.
    WaitUntil(Instant),
}

impl<Q> Shared<Q> {
    pub(crate) fn new(queue: Q) -> Self {
        Self {
            queue: Mutex::new(queue),
            takers: Notify::new(),
            watchers: Notify::new(),
        }
    }

    /// The queue, for one call of it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Q> {
        // Ranks and rate limiters of the user run under the lock before the queue changes, so a panic in
        // one of them leaves the queue intact.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is one thing more to take.
    pub(crate) fn wake_taker(&self) {
        self.takers.notify_one();
    }

    /// There may be many things more to take, or another moment to wait for, or nothing any more.
    pub(crate) fn wake_takers(&self) {
        self.takers.notify_waiters();
    }

    /// All may be over.
    pub(crate) fn wake_watchers(&self) {
        self.watchers.notify_waiters();
    }

    /// Waits until there is something to take.
    ///
    /// # Cancel safety
    /// Cancel safe: `look` takes something only in the very poll that returns it.
    pub(crate) async fn take<R>(&self, look: impl FnMut(&mut Q) -> Look<R>) -> R {
        // A task that always finds something still lets the other tasks of its thread run.
        tokio::task::coop::consume_budget().await;
        self.wait(&self.takers, look).await
    }

    /// Waits until all is over.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn watch<R>(&self, look: impl FnMut(&mut Q) -> Look<R>) -> R {
        self.wait(&self.watchers, look).await
    }

    async fn wait<R>(&self, notify: &Notify, mut look: impl FnMut(&mut Q) -> Look<R>) -> R {
        // A first look without getting on the list: under load it is the only one.
        if let Look::Found(found) = look(&mut self.lock()) {
            return found;
        }
        loop {
            let mut woken = pin!(notify.notified());
            woken.as_mut().enable();
            let looked = look(&mut self.lock());
            match looked {
                Look::Found(found) => return found,
                Look::Wait => woken.await,
                // In either order: both only lead to another look.
                Look::WaitUntil(moment) => tokio::select! {
                    biased;
                    () = woken => {}
                    () = tokio::time::sleep_until(moment) => {}
                },
            }
        }
    }
}

impl<Q: fmt::Debug> fmt::Debug for Shared<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

//! `Feed`: the queue between a reflector, which puts in, and a controller's loop, which takes out.
//!
//! Nothing is awaited under the lock, and no code of the user's runs under it but the drops of objects.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::queue::ordered_fifo::{OrderedFifo, Popped};
use heliostat_core::store::{Staging, Store, StoreError};
use heliostat_core::version::ResourceVersion;
use tokio::sync::Notify;

use crate::store::Indexer;

/// See the module. It has no limit, since a reflector cannot wait;
/// [`SerialControllerCounts::queued`](super::SerialControllerCounts::queued) is the number of waiting changes.
pub(super) struct Feed<T> {
    queue: Mutex<OrderedFifo<T>>,
    /// There is something to take, or the queue is closed.
    changed: Notify,
}

impl<T: Send + Sync + 'static> Feed<T> {
    /// A queue that gives out so many changes at once, at most.
    pub(super) fn new(batch_size: usize) -> Self {
        Self {
            queue: Mutex::new(OrderedFifo::atomic().batch_size(batch_size)),
            changed: Notify::new(),
        }
    }

    /// Waits for something to take; none when the queue is closed and empty. There is one taker.
    ///
    /// Cancel safe.
    pub(super) async fn pop(&self) -> Option<Popped<T>> {
        loop {
            {
                let mut queue = self.lock();
                if let Some(popped) = queue.pop_batch() {
                    return Some(popped);
                }
                if queue.is_closed() {
                    return None;
                }
            }
            // A word that came since the look is kept for this.
            self.changed.notified().await;
        }
    }

    /// What can be taken at once.
    pub(super) fn try_pop(&self) -> Option<Popped<T>> {
        self.lock().pop_batch()
    }

    /// What was taken last has been dealt with; true if the first complete list has been by now.
    pub(super) fn processed(&self) -> bool {
        let mut queue = self.lock();
        queue.processed();
        queue.is_synced()
    }

    /// True if nothing is left and nothing will come.
    pub(super) fn is_over(&self) -> bool {
        let queue = self.lock();
        queue.is_closed() && queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, OrderedFifo<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

/// The end of the queue that a reflector is given. Its end closes the queue.
pub(super) struct FeedWriter<T: Send + Sync + 'static> {
    feed: Arc<Feed<T>>,
    /// What a list takes the place of.
    store: Indexer<T>,
}

impl<T: Send + Sync + 'static> FeedWriter<T> {
    pub(super) const fn new(feed: Arc<Feed<T>>, store: Indexer<T>) -> Self {
        Self { feed, store }
    }

    fn put<R>(&self, put: impl FnOnce(&mut OrderedFifo<T>) -> R) -> R {
        let result = put(&mut self.feed.lock());
        // Also when nothing new is there: a look too many costs less than another lock.
        self.feed.changed.notify_one();
        result
    }
}

impl<T: Send + Sync + 'static> Store<T> for FeedWriter<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.put(|queue| queue.add(entry))
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.put(|queue| queue.update(entry))
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.put(|queue| queue.delete(key, last_state))
    }

    fn begin_replace(&mut self) -> Staging<T> {
        let queue = self.feed.lock();
        queue.begin_replace_on(&self.store.snapshot())
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        self.put(|queue| queue.commit(staging, version))
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        self.put(Store::resync)
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.put(|queue| queue.bookmark(version));
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.put(|queue| queue.update_resource_version(version));
    }

    fn object_count(&self) -> Option<usize> {
        Some(self.store.len())
    }
}

impl<T: Send + Sync + 'static> Drop for FeedWriter<T> {
    fn drop(&mut self) {
        self.put(OrderedFifo::close);
    }
}

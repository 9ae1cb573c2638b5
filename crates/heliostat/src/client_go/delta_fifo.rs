//! `DeltaFifo`: the queue of what happened to each object, shared between a reflector and consumers.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::queue::delta_fifo::Listed;
use heliostat_core::queue::{Closed, DeltaFifoState, Deltas, KnownObjects};
use heliostat_core::store::{Staging, Store, StoreError};
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;
use metrics::{Gauge, gauge};
use tokio::time::Instant;

use crate::queue::shared::{Look, Shared};
use crate::wait::synced::wait_synced;
use crate::wait::{Check, NotSynced};

/// What happened to each object since it was last looked at, in the order of their first changes. A
/// clone is another handle to the same queue.
///
/// One handle is the store of a reflector, or is fed by hand; others pop. Each object is given to one
/// popper with all that happened to it, the oldest first. See [`heliostat_core::queue::delta_fifo`].
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heliostat::{IndexerWriter, Reflector};
/// use heliostat::client_go::{Delta, DeltaFifo};
/// use heliostat::source::memory::MemorySource;
///
/// let source = MemorySource::<String>::new();
/// source.create("team/blue".parse()?, "sky".to_owned())?;
///
/// // The queue asks the store at its far end what a list no longer has.
/// let writer = IndexerWriter::<String>::new();
/// let (store, known) = (writer.indexer(), writer.indexer());
/// let queue = DeltaFifo::builder().known(move || known.snapshot()).build();
/// let mirror = Reflector::new(source, queue.clone()).start();
///
/// let popped = queue.pop().await?;
/// if let Delta::Replaced(entry) = popped.newest() {
///     writer.upsert(entry.clone());
/// }
/// drop(popped);
/// assert!(queue.is_synced());
/// assert_eq!(store.len(), 1);
/// # mirror.shutdown().await;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub struct DeltaFifo<T> {
    shared: Arc<Shared<DeltaFifoState<T>>>,
    started: Instant,
    depth: Option<Gauge>,
}

/// The options of a [`DeltaFifo`].
pub struct DeltaFifoBuilder<T> {
    queue: DeltaFifoState<T>,
    depth: Option<Gauge>,
}

impl<T: Send + Sync> DeltaFifo<T> {
    /// Creates a queue that knows no store: the deletion of an object that is not queued is left out.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns the options of a queue.
    #[must_use]
    pub fn builder() -> DeltaFifoBuilder<T> {
        DeltaFifoBuilder {
            queue: DeltaFifoState::new(),
            depth: None,
        }
    }

    /// Waits for the object whose turn it is. A closed queue gives out what is left.
    ///
    /// # Errors
    /// If the queue is closed and empty.
    ///
    /// # Cancel safety
    /// Cancel safe: a future that is dropped has taken nothing.
    pub async fn pop(&self) -> Result<PoppedDeltas<T>, Closed> {
        let look = |queue: &mut DeltaFifoState<T>| match queue.pop() {
            Some(popped) => {
                let is_over = queue.is_closed() && queue.is_empty();
                Look::Found(Ok((popped, queue.len(), is_over)))
            }
            None if queue.is_closed() && queue.is_empty() => Look::Found(Err(Closed)),
            // Nothing waits, or only for its like that is in work.
            None => Look::Wait,
        };
        let (deltas, left, is_over) = self.shared.take(look).await?;
        if is_over {
            self.shared.wake_takers();
        }
        self.measure(left);
        Ok(PoppedDeltas {
            queue: self.clone(),
            deltas: Some(deltas),
        })
    }

    /// Ends the queue: those who wait for more get an error once it is empty. It can still be fed.
    pub fn close(&self) {
        self.shared.lock().close();
        self.shared.wake_takers();
    }

    /// True once the queue was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_closed()
    }

    /// True once all that the queue was first filled with has been dealt with.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.shared.lock().is_synced()
    }

    /// Waits until all that the queue was first filled with has been processed, but no longer than `limit`.
    ///
    /// # Errors
    /// If that is not so after `limit`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced(&self, limit: Duration) -> Result<(), NotSynced> {
        let synced = async {
            self.synced().await;
            Ok::<_, Infallible>(())
        };
        wait_synced("", limit, [Check::new("the queue", synced)]).await
    }

    async fn synced(&self) {
        let look = |queue: &mut DeltaFifoState<T>| match queue.is_synced() {
            true => Look::Found(()),
            false => Look::Wait,
        };
        self.shared.watch(look).await;
    }

    /// How many objects wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long the object whose turn it is has been waiting since its first change.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let now = self.now();
        let mut queue = self.shared.lock();
        queue.set_now(now);
        queue.age()
    }

    fn now(&self) -> Time {
        Time::since_start(self.started.elapsed())
    }

    fn measure(&self, depth: usize) {
        if let Some(gauge) = &self.depth {
            gauge.set(depth as f64);
        }
    }

    /// Changes the queue, and wakes those who wait for what that brought.
    fn feed<R>(&self, change: impl FnOnce(&mut DeltaFifoState<T>) -> R) -> R {
        let now = self.now();
        let mut queue = self.shared.lock();
        let (before, was_synced) = (queue.len(), queue.is_synced());
        queue.set_now(now);
        let result = change(&mut queue);
        let (after, is_synced) = (queue.len(), queue.is_synced());
        drop(queue);
        match after.saturating_sub(before) {
            0 => {}
            1 => self.shared.wake_taker(),
            _ => self.shared.wake_takers(),
        }
        if is_synced && !was_synced {
            self.shared.wake_watchers();
        }
        self.measure(after);
        result
    }
}

impl<T: Send + Sync> DeltaFifoBuilder<T> {
    /// Sets the store that the consumer keeps: a list then queues the deletion of what it no longer
    /// has, and a resync queues every object of it again.
    #[must_use]
    pub fn known(mut self, known: impl KnownObjects<T> + 'static) -> Self {
        self.queue = self.queue.known(known);
        self
    }

    /// Sets how an object of a list is queued; [`Listed::AsReplaced`] by default.
    #[must_use]
    pub fn listed(mut self, listed: Listed) -> Self {
        self.queue = self.queue.listed(listed);
        self
    }

    /// Changes every object before it is queued. An object that `transform` refuses is not queued, and
    /// a list with such an object not at all.
    #[must_use]
    pub fn transform(
        mut self,
        transform: impl FnMut(Entry<T>) -> Result<Entry<T>, String> + Send + 'static,
    ) -> Self {
        self.queue = self.queue.transform(transform);
        self
    }

    /// Keeps the gauge `informer_queued_items` with this label `name`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        let label = [("name", name.to_owned())];
        self.depth = Some(gauge!("informer_queued_items", &label));
        self
    }

    /// Creates the queue.
    #[must_use]
    pub fn build(self) -> DeltaFifo<T> {
        DeltaFifo {
            shared: Arc::new(Shared::new(self.queue)),
            started: Instant::now(),
            depth: self.depth,
        }
    }
}

impl<T: Send + Sync> Default for DeltaFifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for DeltaFifoBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaFifoBuilder").finish_non_exhaustive()
    }
}

/// For one reflector: two that feed one queue would replace each other's lists.
impl<T: Send + Sync> Store<T> for DeltaFifo<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.feed(|queue| queue.add(entry))
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.feed(|queue| queue.update(entry))
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.feed(|queue| queue.delete(key, last_state))
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.shared.lock().begin_replace()
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        self.feed(|queue| queue.commit(staging, version))
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        self.feed(Store::resync)
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.shared.lock().bookmark(version);
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.shared.lock().update_resource_version(version);
    }
}

impl<T> Clone for DeltaFifo<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            started: self.started,
            depth: self.depth.clone(),
        }
    }
}

impl<T> fmt::Debug for DeltaFifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// What happened to an object, popped. Drop it when it has been dealt with, or
/// [`requeue`](Self::requeue) it.
pub struct PoppedDeltas<T: Send + Sync> {
    queue: DeltaFifo<T>,
    /// None once it was given back.
    deltas: Option<Deltas<T>>,
}

impl<T: Send + Sync> PoppedDeltas<T> {
    /// Has the object come again, at the end of the line, before what happened to it meanwhile.
    pub fn requeue(mut self) {
        if let Some(deltas) = self.deltas.take() {
            self.queue.feed(|queue| queue.requeue(deltas));
            // Where something newer waits already, the length does not tell that it can be popped.
            self.queue.shared.wake_taker();
        }
    }
}

impl<T: Send + Sync> Deref for PoppedDeltas<T> {
    type Target = Deltas<T>;

    fn deref(&self) -> &Deltas<T> {
        self.deltas
            .as_ref()
            .expect("only requeue and drop take it, and both own the whole")
    }
}

impl<T: Send + Sync> Drop for PoppedDeltas<T> {
    fn drop(&mut self) {
        if let Some(deltas) = self.deltas.take() {
            self.queue.feed(|queue| queue.processed(deltas.key()));
            // What happened to the object meanwhile can be popped now.
            self.queue.shared.wake_taker();
        }
    }
}

impl<T: Send + Sync + fmt::Debug> fmt::Debug for PoppedDeltas<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deltas.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, poll};
    use heliostat_core::object::Header;

    use super::*;

    fn entry(name: &str, number: u64) -> Entry<u64> {
        let header = Header {
            key: ObjectKey::cluster(name),
            resource_version: number.into(),
            uid: "u".into(),
        };
        Entry::new(header, number)
    }

    fn queue() -> DeltaFifo<u64> {
        DeltaFifo::new()
    }

    #[tokio::test(start_paused = true)]
    async fn d_12_d_17_closing_wakes_all_who_wait() {
        let queue = queue();
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.pop().await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.close();
        for task in waiting {
            assert_eq!(task.await.unwrap(), Err(Closed));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn d_20_each_object_goes_to_one_of_several_poppers() {
        let mut queue = queue();
        let poppers: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    while let Ok(popped) = queue.pop().await {
                        seen.push(popped.key().to_string());
                        tokio::task::yield_now().await;
                    }
                    seen
                })
            })
            .collect();
        for number in 0..100 {
            queue.add(entry(&format!("n{number:02}"), number)).unwrap();
            tokio::task::yield_now().await;
        }
        queue.close();
        let mut all = Vec::new();
        for popper in poppers {
            all.extend(popper.await.unwrap());
        }
        all.sort();
        let expected: Vec<_> = (0..100).map(|number| format!("n{number:02}")).collect();
        assert_eq!(all, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn d_10_d_12_synced_waits_for_what_is_tried_again() {
        let mut queue = queue();
        let mut staging = queue.begin_replace();
        staging.stage(entry("a", 1));
        queue.commit(staging, &1.into()).unwrap();
        let other = queue.clone();
        let mut synced = std::pin::pin!(other.synced());
        assert!(poll!(synced.as_mut()).is_pending());
        queue.pop().await.unwrap().requeue();
        assert!(poll!(synced.as_mut()).is_pending());
        let popped = queue.pop().now_or_never().unwrap().unwrap();
        drop(popped);
        synced.await;
    }

    #[tokio::test(start_paused = true)]
    async fn d_12_d_20_what_happens_to_an_object_in_work_waits_for_it() {
        let mut queue = queue();
        let other = queue.clone();
        queue.add(entry("a", 1)).unwrap();
        let first = queue.pop().await.unwrap();
        let mut second = std::pin::pin!(other.pop());
        assert!(poll!(second.as_mut()).is_pending());
        queue.delete(&ObjectKey::cluster("a"), None).unwrap();
        assert!(poll!(second.as_mut()).is_pending(), "a is in work");
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(second.as_slice().len(), 1);

        // What failed comes before what came meanwhile, and wakes who waits for it.
        let mut third = std::pin::pin!(other.pop());
        queue.add(entry("a", 3)).unwrap();
        assert!(poll!(third.as_mut()).is_pending(), "a is in work");
        second.requeue();
        assert_eq!(third.await.unwrap().as_slice().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn d_12_d_17_a_closed_queue_is_over_when_nothing_waits_for_what_is_in_work() {
        let mut queue = queue();
        queue.add(entry("a", 1)).unwrap();
        let first = queue.pop().await.unwrap();
        queue.update(entry("a", 2)).unwrap();
        queue.close();
        let others = [queue.clone(), queue.clone()];
        let mut waiting = others.each_ref().map(|queue| Box::pin(queue.pop()));
        for pop in &mut waiting {
            assert!(poll!(pop).is_pending(), "a waits for a");
        }
        drop(first);
        let [second, none] = waiting;
        let (second, none) = tokio::join!(second, none);
        assert_eq!(*second.unwrap().newest().entry().unwrap().object, 2);
        assert_eq!(none.err(), Some(Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_is_that_of_what_is_next() {
        let mut queue = queue();
        queue.add(entry("a", 1)).unwrap();
        tokio::time::advance(Duration::from_secs(3)).await;
        queue.update(entry("a", 2)).unwrap();
        assert_eq!(
            (queue.len(), queue.age()),
            (1, Some(Duration::from_secs(3)))
        );
    }
}

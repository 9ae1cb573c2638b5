//! `Pipeline`: from the queue that a reflector fills, through the store, to the handlers' slots.
//!
//! The task that holds the stage takes a batch from the queue, applies it and notifies the handlers.
//! Usually that is the informer's own task, beside the reflector's; when the queue is congested the
//! reflector's task does it too, which slows down a source that is faster than the store.
//!
//! Lock order: stage, then queue or slots. Nothing is awaited under a lock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::informer::{Fanout, HandlerId, apply};
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::queue::ordered_fifo::{BATCH_SIZE, OrderedFifo};
use heliostat_core::store::{Staging, Store, StoreError};
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;
use tokio::sync::watch;
use tokio::time::Instant;

use super::metrics::InformerMetrics;
use super::slot::{HandlerStatus, ListenerState, Slot, SlotSink};
use crate::store::{Indexer, IndexerWriter};
use crate::sync::{Mutex, MutexGuard, Notify, PoisonError};

/// See the module.
pub(super) struct Pipeline<T> {
    started: Instant,
    indexer: Indexer<T>,
    queue: Mutex<OrderedFifo<T>>,
    /// The queue has something, or is closed.
    queued: Notify,
    stage: Mutex<Stage<T>>,
    progress: watch::Sender<Progress>,
}

/// How far the first content has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    Filling,
    Synced,
    /// It will never be complete.
    GivenUp,
}

struct Stage<T> {
    /// None once nothing more will come.
    writer: Option<IndexerWriter<T>>,
    fanout: Fanout<SlotSink<T>>,
    is_synced: bool,
    metrics: Option<InformerMetrics>,
}

impl<T: Send + Sync + 'static> Pipeline<T> {
    pub(super) fn new(writer: IndexerWriter<T>) -> Self {
        Self {
            indexer: writer.indexer(),
            started: Instant::now(),
            queue: Mutex::new(OrderedFifo::atomic()),
            queued: Notify::new(),
            stage: Mutex::new(Stage {
                writer: Some(writer),
                fanout: Fanout::new(Duration::ZERO),
                is_synced: false,
                metrics: None,
            }),
            progress: watch::Sender::new(Progress::Filling),
        }
    }

    pub(super) const fn indexer(&self) -> &Indexer<T> {
        &self.indexer
    }

    /// True once the first complete content is in the store and has been passed to the handlers.
    pub(super) fn is_synced(&self) -> bool {
        *self.progress.borrow() == Progress::Synced
    }

    /// Waits until that is so; false if it never will be.
    pub(super) async fn synced(&self) -> bool {
        let mut progress = self.progress.subscribe();
        let reached = progress
            .wait_for(|progress| *progress != Progress::Filling)
            .await;
        reached.is_ok_and(|progress| *progress == Progress::Synced)
    }

    /// True once nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.stage().writer.is_none()
    }

    /// Fixes the mirror's name and default resync period; before there is any handler.
    pub(super) fn configure(&self, name: &str, resync_period: Duration) {
        let mut stage = self.stage();
        stage.fanout = Fanout::new(resync_period);
        stage.metrics = Some(InformerMetrics::new(name));
    }

    /// Fixes the resync period of the mirror, and returns it.
    pub(super) fn start(&self) -> Duration {
        let mut stage = self.stage();
        stage.fanout.start();
        stage.fanout.check_period()
    }

    /// How often handlers have to be checked for a resync; zero for never.
    pub(super) fn check_period(&self) -> Duration {
        self.stage().fanout.check_period()
    }

    /// Adds a handler, whose notifications begin with the current state; none if the mirror is over.
    pub(super) fn add(&self, period: Option<Duration>, slot: &Arc<Slot<T>>) -> Option<HandlerId> {
        // Notifications are made under the stage, so this is a clean cut between the state and the changes
        // after it.
        let mut stage = self.stage();
        stage.writer.as_ref()?;
        let now = self.now();
        let state = self.indexer.snapshot();
        let is_synced = stage.is_synced;
        let sink = SlotSink(Arc::clone(slot));
        Some(stage.fanout.add_late(now, period, sink, state, is_synced))
    }

    /// Removes a handler: no later change is put into its slot.
    pub(super) fn remove(&self, id: HandlerId) {
        let slot = self.stage().fanout.remove(id);
        // Dropped after the stage is released: it may own the last references to waiting objects.
        drop(slot);
    }

    /// Works until the queue is closed and all of its content has been applied.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            // Asked before the work, not after it: what is queued last is queued before the close.
            let is_last = self.queue().is_closed();
            // What is queued is not worked any more once all has ended.
            while self.gather().await && self.work() {}
            if is_last {
                // The reflector may have come to its end by itself.
                self.end(ListenerState::Finishes);
                return;
            }
            self.queued.notified().await;
        }
    }

    /// Gives the others of the thread their turn, and the reflector another one for as long as it fills
    /// the queue and not yet a batch: each batch wakes every handler. False if nothing is queued.
    async fn gather(&self) -> bool {
        let mut depth = self.queue_depth();
        while depth > 0 {
            tokio::task::yield_now().await;
            let before = std::mem::replace(&mut depth, self.queue_depth());
            if depth <= before || depth >= BATCH_SIZE {
                break;
            }
        }
        depth > 0
    }

    /// Takes one batch through; false if there was none.
    pub(super) fn work(&self) -> bool {
        let mut guard = self.stage();
        let stage = &mut *guard;
        let Some(writer) = &mut stage.writer else {
            return false;
        };
        let (popped, depth) = {
            let mut queue = self.queue();
            (queue.pop_batch(), queue.len())
        };
        let Some(popped) = popped else {
            return false;
        };
        let begun = Instant::now();
        let now = Time::since_start(begun - self.started);
        let outcome = apply(writer, popped, stage.fanout.is_anyone_due());
        stage.fanout.notify(now, outcome);
        let is_synced = {
            let mut queue = self.queue();
            queue.processed();
            queue.is_synced()
        };
        if is_synced && !stage.is_synced {
            stage.is_synced = true;
            stage.fanout.notify_synced(now);
            self.progress.send_replace(Progress::Synced);
        }
        if let Some(metrics) = &stage.metrics {
            metrics.worked(begun.elapsed(), depth);
        }
        true
    }

    /// Nothing more will come. Gives the handlers that there are, having decided their state. They stay,
    /// so that a worse state can be decided later.
    pub(super) fn end(&self, state: ListenerState) -> Vec<Arc<Slot<T>>> {
        self.close_queue();
        let mut stage = self.stage();
        // Dropping the writer ends the waits for the store.
        stage.writer = None;
        self.progress.send_if_modified(|progress| {
            let gives_up = *progress == Progress::Filling;
            if gives_up {
                *progress = Progress::GivenUp;
            }
            gives_up
        });
        let slots: Vec<_> = stage
            .fanout
            .iter()
            .map(|sink| Arc::clone(&sink.0))
            .collect();
        for slot in &slots {
            slot.decide(state);
        }
        slots
    }

    /// Looks which handlers are due for a resync; true if any is. `now` is the time of the turn in
    /// which the reflector asks: a later one would find a handler due that late the next time.
    pub(super) fn check_resync(&self, now: Instant) -> bool {
        let now = Time::since_start(now.saturating_duration_since(self.started));
        self.stage().fanout.check_resync(now)
    }

    pub(super) fn queue_depth(&self) -> usize {
        self.queue().len()
    }

    pub(super) fn queue_age(&self) -> Option<Duration> {
        let now = self.now();
        let mut queue = self.queue();
        queue.set_now(now);
        queue.age()
    }

    pub(super) fn status_of(&self, slot: &Slot<T>) -> HandlerStatus {
        slot.status(self.now())
    }

    pub(super) fn handlers(&self) -> Vec<HandlerStatus> {
        let now = self.now();
        let stage = self.stage();
        let listening = stage.fanout.iter().filter(|sink| !sink.0.is_over());
        listening.map(|sink| sink.0.status(now)).collect()
    }

    fn now(&self) -> Time {
        Time::since_start(self.started.elapsed())
    }

    // What runs under these locks is ours but for index functions, whose panics end where they are
    // called, and the drops of objects.
    fn stage(&self) -> MutexGuard<'_, Stage<T>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Pipeline<T> {
    /// Closes the queue; the task that runs the pipeline applies the rest of it.
    fn close_queue(&self) {
        self.queue().close();
        self.queued.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, OrderedFifo<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Pipeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("indexer", &self.indexer)
            .finish_non_exhaustive()
    }
}

/// The store that the reflector of an informer is given: the writing end of the queue.
pub(super) struct QueueWriter<T> {
    pipeline: Arc<Pipeline<T>>,
}

impl<T: Send + Sync + 'static> QueueWriter<T> {
    pub(super) const fn new(pipeline: Arc<Pipeline<T>>) -> Self {
        Self { pipeline }
    }

    /// Puts something into the queue.
    fn put<R>(&self, put: impl FnOnce(&mut OrderedFifo<T>) -> R) -> R {
        let now = self.pipeline.now();
        self.put_behind(|queue| {
            queue.set_now(now);
            put(queue)
        })
    }

    /// Puts something into the queue that belongs to what was put there last, and to its time.
    fn put_behind<R>(&self, put: impl FnOnce(&mut OrderedFifo<T>) -> R) -> R {
        let mut queue = self.pipeline.queue();
        let was_empty = queue.is_empty();
        let result = put(&mut queue);
        let (wakes, congested) = (was_empty && !queue.is_empty(), queue.is_congested());
        drop(queue);
        if wakes {
            self.pipeline.queued.notify_one();
        }
        if congested {
            self.pipeline.work();
        }
        result
    }
}

impl<T: Send + Sync + 'static> Store<T> for QueueWriter<T> {
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
        let queue = self.pipeline.queue();
        queue.begin_replace_on(&self.pipeline.indexer.snapshot())
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        self.put(|queue| queue.commit(staging, version))
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        self.put(OrderedFifo::resync)
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.put(|queue| queue.bookmark(version));
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.put_behind(|queue| queue.update_resource_version(version));
    }

    fn object_count(&self) -> Option<usize> {
        Some(self.pipeline.indexer.len())
    }
}

/// The reflector has ended, however it did.
impl<T> Drop for QueueWriter<T> {
    fn drop(&mut self) {
        self.pipeline.close_queue();
    }
}

impl<T> fmt::Debug for QueueWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueWriter").field(&self.pipeline).finish()
    }
}

//! `Slot`: the place between the mirror, which puts in, and one handler, which takes out.
//!
//! One lock around the buffer, held for one call of the buffer; one waker, since only the handler's
//! own task or stream ever waits here.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use heliostat_core::informer::{BufferedBatch, HandlerBuffer, Sink};
use heliostat_core::time::Time;
use tokio::sync::watch;

use super::options::HandlerOptions;
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use crate::sync::{AtomicWaker, Mutex, MutexGuard, PoisonError};

/// See the module.
pub(super) struct Slot<T> {
    name: Arc<str>,
    buffer: Mutex<HandlerBuffer<T>>,
    taker: AtomicWaker,
    state: AtomicU8,
    told: AtomicU64,
    panics: AtomicU64,
    in_hand: InHand,
    synced: watch::Sender<bool>,
    /// No task calls the handler, or no longer.
    ended: watch::Sender<bool>,
}

/// Whether a handler is still registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ListenerState {
    /// It goes on.
    Listens = 0,
    /// It is notified of what is waiting, and then ends.
    Finishes = 1,
    /// It is not notified any more.
    Ends = 2,
}

/// The notifications that the handler has taken and not handled yet.
#[derive(Default)]
struct InHand {
    /// How many notifications it will have handled in all after these.
    until: AtomicU64,
    /// Since when, in microseconds of the mirror's clock, plus one; zero for none.
    since: AtomicU64,
}

/// The status of one handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandlerStatus {
    /// Its name.
    pub name: Arc<str>,
    /// How many notifications are waiting for it.
    pub pending: usize,
    /// How long the oldest of them has been waiting; zero if none is.
    pub lag: Duration,
    /// How many it has handled.
    pub told: u64,
    /// How many were replaced by newer ones before they were delivered.
    pub folded: u64,
    /// How often it panicked.
    pub panics: u64,
    /// True once it has handled the whole initial state.
    pub synced: bool,
}

impl<T> Slot<T> {
    /// Creates an empty slot. `has_task` means that a task will call [`end`](Self::end).
    pub(super) fn new(name: Arc<str>, options: &HandlerOptions, has_task: bool) -> Self {
        Self {
            name,
            buffer: Mutex::new(HandlerBuffer::new(options.buffering, options.recreation)),
            taker: AtomicWaker::new(),
            state: AtomicU8::new(ListenerState::Listens as u8),
            told: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            in_hand: InHand::default(),
            synced: watch::Sender::new(false),
            ended: watch::Sender::new(!has_task),
        }
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Changes the state of the handler, to a later one only.
    pub(super) fn decide(&self, state: ListenerState) {
        self.state.fetch_max(state as u8, Ordering::AcqRel);
        if state == ListenerState::Ends {
            self.buffer().clear();
        }
        self.taker.wake();
    }

    /// True if the handler gets no more notifications.
    pub(super) fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) == ListenerState::Ends as u8
    }

    /// Waits until the handler gets no more notifications.
    pub(super) fn poll_over(&self, context: &Context<'_>) -> Poll<()> {
        // In the order of `poll_take`, and in its place: only the handler's own task waits here.
        self.taker.register(context.waker());
        if self.is_over() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Returns the next batch; none when the handler has ended. Without a context it only looks: the waiter
    /// stays registered.
    pub(super) fn poll_take(
        &self,
        context: Option<&Context<'_>>,
    ) -> Poll<Option<BufferedBatch<T>>> {
        // The mirror wakes after it puts something in: either this look sees it, or it sees the waker.
        if let Some(context) = context {
            self.taker.register(context.waker());
        }
        let state = self.state.load(Ordering::Acquire);
        if state == ListenerState::Ends as u8 {
            return Poll::Ready(None);
        }
        let batch = self.buffer().take();
        match batch {
            Some(batch) => {
                self.in_hand.hold(&batch, self.told());
                Poll::Ready(Some(batch))
            }
            None if state == ListenerState::Finishes as u8 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// One notification has been handled.
    pub(super) fn handled(&self) {
        // Only the handler itself writes here, so this needs no locked addition.
        let told = self.told() + 1;
        self.told.store(told, Ordering::Relaxed);
    }

    /// How many notifications have been handled.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// The batch has been delivered, or will not be delivered further.
    pub(super) fn put_down(&self) {
        self.in_hand.drop_all();
    }

    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// The handler has handled the whole initial state.
    pub(super) fn reach_synced(&self) {
        self.synced.send_replace(true);
    }

    /// The handler has ended.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    pub(super) fn synced(&self) -> watch::Receiver<bool> {
        self.synced.subscribe()
    }

    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    pub(super) fn status(&self, now: Time) -> HandlerStatus {
        let buffer = self.buffer();
        let waiting = buffer.waiting_since();
        let told = self.told();
        let held = self.in_hand.count(told);
        let since = self.in_hand.since().filter(|_| held > 0).or(waiting);
        HandlerStatus {
            name: Arc::clone(&self.name),
            pending: buffer.len() + held,
            lag: since.map_or(Duration::ZERO, |since| now.saturating_since(since)),
            told,
            folded: buffer.folded(),
            panics: self.panics.load(Ordering::Relaxed),
            synced: *self.synced.borrow(),
        }
    }

    /// Puts something in, unless the handler is coming to its end; wakes it if it had nothing to do.
    fn put(&self, put: impl FnOnce(&mut HandlerBuffer<T>)) {
        let mut buffer = self.buffer();
        if self.state.load(Ordering::Acquire) != ListenerState::Listens as u8 {
            return;
        }
        let was_empty = buffer.is_empty();
        put(&mut buffer);
        let wakes = was_empty && !buffer.is_empty();
        drop(buffer);
        if wakes {
            self.taker.wake();
        }
    }

    fn buffer(&self) -> MutexGuard<'_, HandlerBuffer<T>> {
        // No code of the user's runs under it, but for the drop of an object.
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mirror's end of a slot.
pub(super) struct SlotSink<T>(pub(super) Arc<Slot<T>>);

impl<T> Sink<T> for SlotSink<T> {
    fn put(&mut self, put: impl FnOnce(&mut HandlerBuffer<T>)) {
        self.0.put(put);
    }
}

impl InHand {
    fn hold<T>(&self, batch: &BufferedBatch<T>, told: u64) {
        let since = batch.since().elapsed().as_micros();
        let since = u64::try_from(since).unwrap_or(u64::MAX - 1);
        self.since.store(since + 1, Ordering::Relaxed);
        self.until
            .store(told + batch.len() as u64, Ordering::Relaxed);
    }

    fn drop_all(&self) {
        self.until.store(0, Ordering::Relaxed);
        self.since.store(0, Ordering::Relaxed);
    }

    /// At most: what a filter leaves out is not counted down.
    fn count(&self, told: u64) -> usize {
        let left = self.until.load(Ordering::Relaxed).saturating_sub(told);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    fn since(&self) -> Option<Time> {
        let since = self.since.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Time::since_start(Duration::from_micros(since)))
    }
}

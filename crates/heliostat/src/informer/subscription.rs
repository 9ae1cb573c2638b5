//! `Subscription`: notifications as a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use heliostat_core::informer::{BufferedBatch, HandlerId, Notification};
use tokio::task::coop;

use super::mirror::Inner;
use super::notifications::{NotificationBatch, TOLD_IN_A_ROW};
use super::slot::{HandlerStatus, ListenerState, Slot};

/// The notifications of a mirror as a stream; see [`SharedInformer::subscribe`](super::SharedInformer::subscribe).
///
/// The stream ends when the informer stops; waiting notifications are then dropped, unless the informer
/// is [drained](super::SharedInformer::drain). Dropping the stream ends the subscription.
///
/// It keeps its mirror running, as the informer itself does.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Subscription<T: Send + Sync + 'static> {
    inner: Arc<Inner<T>>,
    id: HandlerId,
    slot: Arc<Slot<T>>,
    batch: Option<BufferedBatch<T>>,
    /// Number of all notifications when the other tasks of the thread last ran.
    turn_at: u64,
}

impl<T: Send + Sync + 'static> Subscription<T> {
    pub(super) const fn new(inner: Arc<Inner<T>>, id: HandlerId, slot: Arc<Slot<T>>) -> Self {
        Self {
            inner,
            id,
            slot,
            batch: None,
            turn_at: 0,
        }
    }

    /// Returns the next notification; none when the stream has ended.
    ///
    /// # Cancel safety
    /// Cancel safe: a notification is taken only when it is returned.
    pub async fn recv(&mut self) -> Option<Notification<T>> {
        std::future::poll_fn(|context| self.poll_in_turn(context)).await
    }

    /// Returns the next notifications, borrowed; none when the stream has ended. Those that are not read
    /// are delivered again.
    ///
    /// Cheaper than [`recv`](Self::recv) for many notifications or subscribers: that clones a pointer to each
    /// object, and threads that do so at once wait for each other.
    ///
    /// ```
    /// # use heliostat::Subscription;
    /// # use heliostat::informer::NotificationRef;
    /// async fn newest(mut events: Subscription<String>) {
    ///     while let Some(mut waiting) = events.recv_many().await {
    ///         while let Some(next) = waiting.next() {
    ///             if let NotificationRef::Added { entry, .. } | NotificationRef::Updated { new: entry, .. } = next {
    ///                 println!("{} {}", entry.key(), entry.object);
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    /// Cancel safe: a notification is taken only when it is returned.
    pub async fn recv_many(&mut self) -> Option<NotificationBatch<'_, T>> {
        let in_a_row = self.slot.told() - self.turn_at;
        let mut left =
            TOLD_IN_A_ROW.saturating_sub(usize::try_from(in_a_row).unwrap_or(usize::MAX));
        if left == 0 {
            left = TOLD_IN_A_ROW;
            self.turn_at = self.slot.told();
            tokio::task::yield_now().await;
        }
        let waits = std::future::poll_fn(|context| self.poll_waiting(context)).await;
        let batch = self.batch.as_mut().filter(|_| waits)?;
        Some(NotificationBatch::new(batch, &self.slot, left))
    }

    /// Returns the next notification, if one is waiting.
    pub fn try_recv(&mut self) -> Option<Notification<T>> {
        match self.poll_notification(None) {
            Poll::Ready(notification) => notification,
            Poll::Pending => None,
        }
    }

    /// Returns the status of the subscription.
    #[must_use]
    pub fn status(&self) -> HandlerStatus {
        self.inner.pipeline.status_of(&self.slot)
    }

    /// A reader of a long backlog still lets the other tasks of its thread run.
    fn poll_in_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<Notification<T>>> {
        let turn = ready!(coop::poll_proceed(context));
        let notification = ready!(self.poll_notification(Some(context)));
        turn.made_progress();
        Poll::Ready(notification)
    }

    fn poll_notification(
        &mut self,
        context: Option<&Context<'_>>,
    ) -> Poll<Option<Notification<T>>> {
        loop {
            if self.slot.is_over() {
                self.put_down();
                return Poll::Ready(None);
            }
            if let Some(batch) = &mut self.batch {
                if let Some(told) = batch.next() {
                    let notification = told.to_notification();
                    self.slot.handled();
                    if matches!(notification, Notification::Synced) {
                        self.slot.reach_synced();
                    }
                    return Poll::Ready(Some(notification));
                }
                self.put_down();
            }
            match ready!(self.slot.poll_take(context)) {
                Some(batch) => self.batch = Some(batch),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Waits until the batch in hand has a notification; false if the stream has ended.
    fn poll_waiting(&mut self, context: &Context<'_>) -> Poll<bool> {
        loop {
            if self.slot.is_over() {
                self.put_down();
                return Poll::Ready(false);
            }
            if let Some(batch) = &mut self.batch {
                if batch.has_next() {
                    return Poll::Ready(true);
                }
                self.put_down();
            }
            match ready!(self.slot.poll_take(Some(context))) {
                Some(batch) => self.batch = Some(batch),
                None => return Poll::Ready(false),
            }
        }
    }

    /// Drops the batch, which keeps its objects alive.
    fn put_down(&mut self) {
        self.batch = None;
        self.slot.put_down();
    }
}

impl<T: Send + Sync + 'static> Stream for Subscription<T> {
    type Item = Notification<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_in_turn(context)
    }
}

impl<T: Send + Sync + 'static> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.inner.pipeline.remove(self.id);
        self.slot.decide(ListenerState::Ends);
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("name", self.slot.name())
            .finish_non_exhaustive()
    }
}

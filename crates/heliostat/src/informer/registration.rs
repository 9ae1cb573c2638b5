//! `Registration`: a registered handler, and the task that notifies it.

use std::fmt;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use heliostat_core::informer::{BufferedBatch, HandlerId};
use heliostat_core::printable::printable;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::handler::EventHandler;
use super::mirror::Inner;
use super::notifications::{NotificationBatch, TOLD_IN_A_ROW};
use super::pipeline::Pipeline;
use super::slot::{HandlerStatus, ListenerState, Slot};

/// How long a handler is left alone after it panicked, so that one that always does cannot fill the
/// logs: the time that client-go takes, too.
const PANIC_PAUSE: Duration = Duration::from_secs(1);

/// A registered handler. Dropping it removes the handler without waiting; see [`detach`](Self::detach).
///
/// It keeps its mirror running, as the informer itself does.
#[must_use = "dropping the registration removes the handler"]
pub struct Registration<T: Send + Sync + 'static> {
    pipeline: Arc<Pipeline<T>>,
    /// What keeps the mirror running.
    inner: Option<Arc<Inner<T>>>,
    id: HandlerId,
    slot: Arc<Slot<T>>,
    task: Option<JoinHandle<()>>,
}

/// The handler ended before it had handled the whole initial state.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the handler {name} ended before it was synced")]
pub struct HandlerGone {
    name: Arc<str>,
}

impl<T: Send + Sync + 'static> Registration<T> {
    /// Lets the handler's task run.
    pub(super) fn start(
        runtime: &Handle,
        inner: Arc<Inner<T>>,
        id: HandlerId,
        slot: Arc<Slot<T>>,
        handler: impl EventHandler<T>,
    ) -> Self {
        let notifier = Notifier {
            informer: Arc::clone(&inner.name),
            handler,
            slot: Arc::clone(&slot),
            in_a_row: 0,
            _ended: Ended(Arc::clone(&slot)),
        };
        let task = runtime.spawn(notifier.run());
        Self {
            pipeline: Arc::clone(&inner.pipeline),
            inner: Some(inner),
            id,
            slot,
            task: Some(task),
        }
    }

    /// The handler's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.slot.name()
    }

    /// How the handler is doing.
    #[must_use]
    pub fn status(&self) -> HandlerStatus {
        self.pipeline.status_of(&self.slot)
    }

    /// Returns true once the handler has handled the whole initial state.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        *self.slot.synced().borrow()
    }

    /// Waits until the handler has handled the whole initial state.
    pub(crate) async fn synced(&self) -> Result<(), HandlerGone> {
        synced(&self.slot).await
    }

    /// Waits until the handler gets no more notifications, because the informer has stopped.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ended(&self) {
        // An error means that the slot and its handler are gone.
        let _ = self.slot.ended().wait_for(|ended| *ended).await;
    }

    /// Removes the handler. It gets no more notifications, those that wait for it are dropped, and a call
    /// under way is not awaited. Does nothing if the handler has ended.
    pub fn remove(self) {
        drop(self);
    }

    /// Removes the handler, as [`remove`](Self::remove) does, and waits for the call under way; the handler
    /// is then dropped.
    pub async fn shutdown(mut self) {
        self.leave();
        if let Some(task) = self.task.take() {
            join(task, self.slot.name()).await;
        }
    }

    /// Keeps the handler for as long as the informer runs; it no longer keeps the informer running.
    pub fn detach(mut self) {
        self.inner = None;
        self.task = None;
    }

    fn leave(&mut self) {
        // After a detach there is nothing to leave.
        if self.inner.take().is_some() {
            self.pipeline.remove(self.id);
            self.slot.decide(ListenerState::Ends);
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Registration<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Registration<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("name", self.slot.name())
            .field("synced", &self.is_synced())
            .finish_non_exhaustive()
    }
}

async fn synced<T>(slot: &Slot<T>) -> Result<(), HandlerGone> {
    let (mut synced, mut ended) = (slot.synced(), slot.ended());
    let is_synced = tokio::select! {
        // A handler that has been synced and has ended counts as synced.
        biased;
        synced = synced.wait_for(|synced| *synced) => synced.is_ok(),
        _ = ended.wait_for(|ended| *ended) => false,
    };
    if is_synced {
        Ok(())
    } else {
        Err(HandlerGone {
            name: Arc::clone(slot.name()),
        })
    }
}

/// Waits for a task's end, and logs a task that failed, which ours do not.
pub(super) async fn join(task: JoinHandle<()>, name: &str) {
    if let Err(error) = task.await {
        tracing::error!(%name, %error, "the task failed");
    }
}

/// Calls a handler with the notifications in its slot, one after the other.
struct Notifier<T, H> {
    /// The informer's name, for logs.
    informer: Arc<str>,
    handler: H,
    slot: Arc<Slot<T>>,
    /// Number of notifications since other tasks of the thread last ran.
    in_a_row: usize,
    /// Dropped last, so that the handler is dropped when a wait for its end returns. It is here and not in
    /// the task, which a runtime may drop before its first step.
    _ended: Ended<T>,
}

impl<T: Send + Sync + 'static, H: EventHandler<T>> Notifier<T, H> {
    async fn run(mut self) {
        let slot = Arc::clone(&self.slot);
        while let Some(batch) = poll_fn(|context| slot.poll_take(Some(context))).await {
            self.notify_all(batch).await;
            slot.put_down();
        }
    }

    async fn notify_all(&mut self, mut batch: BufferedBatch<T>) {
        while batch.has_next() && !self.slot.is_over() {
            self.notify_some(&mut batch).await;
            if self.in_a_row == TOLD_IN_A_ROW {
                self.in_a_row = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Calls the handler once: a panic loses the notification in hand, and no other.
    async fn notify_some(&mut self, batch: &mut BufferedBatch<T>) {
        let limit = TOLD_IN_A_ROW - self.in_a_row;
        let mut notifications = NotificationBatch::new(batch, &self.slot, limit);
        // A panic may break the handler's own state; `EventHandler` says so.
        let call = AssertUnwindSafe(self.handler.on_notifications(&mut notifications));
        let outcome = call.catch_unwind().await;
        if notifications.given() == 0 {
            // A handler that takes nothing, or panics before it does, still comes to an end.
            notifications.next();
        }
        self.in_a_row += notifications.given();
        if let Err(panic) = outcome {
            self.slot.panicked();
            tracing::error!(
                informer = %self.informer,
                handler = %self.slot.name(),
                object = notifications.last_key().map(tracing::field::debug),
                panic = %printable(crate::contain::panic_message(&*panic)),
                resume_in = ?PANIC_PAUSE,
                "a handler panicked; it goes on with the next notification"
            );
            tokio::select! {
                // A handler that has ended needs no pause.
                biased;
                () = poll_fn(|context| self.slot.poll_over(context)) => {}
                () = tokio::time::sleep(PANIC_PAUSE) => {}
            }
        }
    }
}

/// Records that the handler has ended, however it does.
struct Ended<T>(Arc<Slot<T>>);

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        self.0.put_down();
        // Nothing must accumulate for a handler without a task.
        self.0.decide(ListenerState::Ends);
        self.0.end();
    }
}

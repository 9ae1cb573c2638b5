//! A handler that is called by the loop itself: the plain informer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use heliostat_core::event::Rejection;
use heliostat_core::informer::{Notification, Outcome, apply};
use heliostat_core::printable::printable;

use super::handle::{Control, Counters};
use super::{Running, SerialController};
use crate::contain::panic_message;
use crate::informer::EventHandler;
use crate::list_watch::ListerWatcher;

/// How long the loop waits after a panic, so that a handler that always panics cannot fill the logs: the
/// time that client-go takes, too.
const PANIC_PAUSE: Duration = Duration::from_secs(1);

/// How many changes go into the store at once: with one, it shows the very state that the handler is
/// told of.
const IN_STEP: usize = 1;

impl<S: ListerWatcher> SerialController<S> {
    /// Runs until it is [stopped](super::SerialControllerHandle::stop), with a handler that is told every
    /// change, one after the other. The next change goes into the store when the one before has been
    /// handled, so a handler that reads the store finds what it is told of and nothing newer; a list goes
    /// in as a whole.
    ///
    /// A panic of the handler is caught, logged and counted; the handler is told the next change, after a
    /// second. For the rest see [`run`](Self::run).
    ///
    /// # Panics
    /// If called outside a tokio runtime, as [`tokio::spawn`] does.
    pub async fn run_with_handler(
        self,
        mut handler: impl EventHandler<S::Object>,
    ) -> Option<Rejection> {
        let mut running = Running::start(self.reflector, self.alive, IN_STEP);
        let control = Arc::clone(&running.alive.0);
        let mut is_synced = false;
        loop {
            let popped = tokio::select! {
                // A stop comes before whatever is queued.
                biased;
                () = control.wait_for_stop() => break,
                popped = running.feed.pop() => popped,
            };
            let Some(popped) = popped else {
                break;
            };
            Counters::set(&control.counters.queued, running.feed.len());
            let is_initial = popped.is_in_initial_list;
            let outcome = apply(&mut running.store, popped, false);
            tell_all(&control, &mut handler, outcome, is_initial).await;
            if running.feed.processed() && !is_synced && !control.is_stopping() {
                is_synced = true;
                tell(&control, &mut handler, Notification::Synced).await;
                control.reach_synced();
            }
        }
        let cause = running.mirror.shutdown().await;
        drop(running.alive);
        cause
    }
}

async fn tell_all<T: Send + Sync + 'static>(
    control: &Control,
    handler: &mut impl EventHandler<T>,
    outcome: Outcome<T>,
    is_in_initial_list: bool,
) {
    let (changes, state) = match outcome {
        Outcome::Changes(changes) => (changes, None),
        Outcome::Initial(state) => (Vec::new(), Some((state, true))),
        Outcome::Resync(state) => (Vec::new(), Some((state, false))),
    };
    for change in changes {
        if control.is_stopping() {
            return;
        }
        tell(control, handler, change).await;
    }
    let Some((state, is_new)) = state else {
        return;
    };
    for entry in state.iter() {
        if control.is_stopping() {
            return;
        }
        let notification = if is_new {
            Notification::Added {
                entry: entry.clone(),
                is_in_initial_list,
            }
        } else {
            Notification::Updated {
                old: entry.clone(),
                new: entry.clone(),
            }
        };
        tell(control, handler, notification).await;
    }
}

async fn tell<T: Send + Sync + 'static>(
    control: &Control,
    handler: &mut impl EventHandler<T>,
    notification: Notification<T>,
) {
    let call = async {
        match &notification {
            Notification::Added {
                entry,
                is_in_initial_list,
            } => handler.on_add(entry, *is_in_initial_list).await,
            Notification::Updated { old, new } => handler.on_update(old, new).await,
            Notification::Deleted { last, tombstone } => handler.on_delete(last, *tombstone).await,
            Notification::Synced => handler.on_synced().await,
        }
    };
    // The handler's own state may be broken by its panic; that is its business.
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(()) => Counters::add_one(&control.counters.succeeded),
        Err(panic) => {
            Counters::add_one(&control.counters.panicked);
            tracing::error!(
                controller = %control.name(),
                object = notification.key().map(debug),
                panic = %printable(panic_message(&*panic)),
                resume_in = ?PANIC_PAUSE,
                "the handler panicked; it goes on with the next notification"
            );
            tokio::time::sleep(PANIC_PAUSE).await;
        }
    }
}

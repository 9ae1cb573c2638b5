//! `SerialControllerHandle`: a controller from outside; and what the loop and its handles share.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use heliostat_core::version::ResourceVersion;
use tokio::sync::watch;

use crate::reflector::ReflectorStatus;
use crate::wait::synced::wait_synced;
use crate::wait::{Check, NotSynced};

/// A controller, before, while and after it runs. A clone is another handle to the same controller;
/// handles keep nothing running.
#[derive(Clone)]
pub struct SerialControllerHandle {
    control: Arc<Control>,
}

/// What the loop and its handles share.
pub(super) struct Control {
    name: Arc<str>,
    life: watch::Sender<Life>,
    mirror: OnceLock<watch::Receiver<ReflectorStatus>>,
    pub(super) counters: Counters,
}

#[derive(Clone, Copy, Debug, Default)]
struct Life {
    /// Somebody wants it to stop.
    stops: bool,
    /// The first complete list has been processed.
    synced: bool,
    /// It has come to its end, or will never run.
    over: bool,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) panicked: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) queued: AtomicU64,
    pub(super) waiting: AtomicU64,
}

/// What a controller has done so far, and what is left for it to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SerialControllerCounts {
    /// Calls that went well.
    pub succeeded: u64,
    /// Calls that gave an error.
    pub failed: u64,
    /// Calls that panicked.
    pub panicked: u64,
    /// Changes that were dropped, because too many of one object waited behind a failed one.
    pub dropped: u64,
    /// How much waited for its first try when the loop last looked.
    pub queued: u64,
    /// How many objects wait for another try.
    pub waiting: u64,
}

/// The controller came to its end before it was synced, or will never run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the controller {name} stopped before it was synced")]
pub struct SerialControllerStopped {
    name: Arc<str>,
}

impl SerialControllerHandle {
    pub(super) const fn new(control: Arc<Control>) -> Self {
        Self { control }
    }

    /// The name in logs, status and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.control.name
    }

    /// True once the first complete list has been processed: each of its objects had its turn, whether
    /// or not that went well.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.control.life.borrow().synced
    }

    /// Waits until the first complete list has been processed, but no longer than `limit`.
    ///
    /// # Errors
    /// If that is not so after `limit`, or the controller stops before or is dropped without having run
    /// ([`SerialControllerStopped`]).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced(&self, limit: Duration) -> Result<(), NotSynced> {
        let check = Check::new(&**self.control.name(), self.synced());
        wait_synced("", limit, [check]).await
    }

    async fn synced(&self) -> Result<(), SerialControllerStopped> {
        if self
            .wait_until(|life| life.synced || life.over)
            .await
            .synced
        {
            return Ok(());
        }
        Err(SerialControllerStopped {
            name: Arc::clone(&self.control.name),
        })
    }

    /// How the mirror is doing; idle before the controller runs.
    #[must_use]
    pub fn status(&self) -> ReflectorStatus {
        match self.control.mirror.get() {
            Some(status) => status.borrow().clone(),
            None => ReflectorStatus::new(),
        }
    }

    /// The version that the mirror has reached; unset before the controller runs. What is queued or
    /// waits for another try is older.
    #[must_use]
    pub fn last_sync_resource_version(&self) -> ResourceVersion {
        self.status().resource_version
    }

    /// What has been done so far, and what is left.
    #[must_use]
    pub fn counts(&self) -> SerialControllerCounts {
        let counters = &self.control.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SerialControllerCounts {
            succeeded: get(&counters.succeeded),
            failed: get(&counters.failed),
            panicked: get(&counters.panicked),
            dropped: get(&counters.dropped),
            queued: get(&counters.queued),
            waiting: get(&counters.waiting),
        }
    }

    /// Stops the controller: the call that is under way is the last. Does not wait; see
    /// [`stopped`](Self::stopped).
    pub fn stop(&self) {
        self.control.life.send_modify(|life| life.stops = true);
    }

    /// Waits until the controller has come to its end.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn stopped(&self) {
        self.wait_until(|life| life.over).await;
    }

    async fn wait_until(&self, reached: impl FnMut(&Life) -> bool) -> Life {
        let mut life = self.control.life.subscribe();
        // The sender is in reach of this very handle.
        let reached = life.wait_for(reached).await.map(|life| *life);
        reached.unwrap_or_default()
    }
}

impl fmt::Debug for SerialControllerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerialControllerHandle")
            .field("name", &self.control.name)
            .field("life", &*self.control.life.borrow())
            .finish_non_exhaustive()
    }
}

impl Control {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            life: watch::Sender::default(),
            mirror: OnceLock::new(),
            counters: Counters::default(),
        }
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The mirror runs from now on.
    pub(super) fn begin(&self, mirror: watch::Receiver<ReflectorStatus>) {
        // A controller runs once.
        let _ = self.mirror.set(mirror);
    }

    pub(super) fn reach_synced(&self) {
        self.life
            .send_if_modified(|life| !std::mem::replace(&mut life.synced, true));
    }

    /// True if the controller is to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.life.borrow().stops
    }

    /// Resolves when the controller is to stop.
    pub(super) async fn wait_for_stop(&self) {
        let mut life = self.life.subscribe();
        let _ = life.wait_for(|life| life.stops).await;
    }
}

impl Counters {
    pub(super) fn add_one(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set(counter: &AtomicU64, number: usize) {
        Self::set_total(counter, number as u64);
    }

    pub(super) fn set_total(counter: &AtomicU64, number: u64) {
        counter.store(number, Ordering::Relaxed);
    }
}

/// Says that the controller is over when it goes, however it does.
pub(super) struct Alive(pub(super) Arc<Control>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.life.send_modify(|life| life.over = true);
    }
}

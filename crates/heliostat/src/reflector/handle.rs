//! `ReflectorHandle`: the handle of a running mirror.

use std::sync::Arc;
use std::time::Duration;

use heliostat_core::event::Rejection;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::options::LifeRequest;
use super::status::ReflectorStatus;

/// A running mirror. Dropping it stops the mirror without waiting for its end.
#[derive(Debug)]
#[must_use = "dropping the handle stops the mirror"]
pub struct ReflectorHandle {
    pub(super) name: Arc<str>,
    pub(super) request: watch::Sender<LifeRequest>,
    /// Zero until it is changed.
    pub(super) resync_period: watch::Sender<Duration>,
    pub(super) status: watch::Receiver<ReflectorStatus>,
    pub(super) task: Option<JoinHandle<Option<Rejection>>>,
}

impl ReflectorHandle {
    /// The reflector's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the mirror is doing now.
    #[must_use]
    pub fn status(&self) -> ReflectorStatus {
        self.status.borrow().clone()
    }

    /// The status as a value that can be awaited for changes.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<ReflectorStatus> {
        self.status.clone()
    }

    /// Waits until the store holds the whole collection for the first time.
    pub(crate) async fn synced(&self) -> Result<(), MirrorStopped> {
        let mut status = self.status.clone();
        match status.wait_for(|status| status.synced).await {
            Ok(_) => Ok(()),
            Err(_) => Err(MirrorStopped {
                name: Arc::clone(&self.name),
            }),
        }
    }

    /// Stops the mirror and waits until its task has ended. The store keeps its objects.
    ///
    /// Returns the rejected object that stopped the mirror before, if one did: see
    /// [`RejectPolicy::Stop`](crate::reflector::RejectPolicy::Stop).
    pub async fn shutdown(mut self) -> Option<Rejection> {
        self.request.send_replace(LifeRequest::Shutdown);
        self.join().await
    }

    /// Waits until the mirror stops by itself, which it does only under
    /// [`RejectPolicy::Stop`](crate::reflector::RejectPolicy::Stop). Returns the object that stopped it.
    pub async fn stopped(mut self) -> Option<Rejection> {
        self.join().await
    }

    /// Changes how often the store resyncs. Nothing happens for the period that was set last.
    pub(crate) fn set_resync_period(&self, period: Duration) {
        self.resync_period
            .send_if_modified(|present| std::mem::replace(present, period) != period);
    }

    /// Lets the mirror run for as long as the runtime does.
    pub fn detach(self) {
        self.request.send_replace(LifeRequest::RunOn);
    }

    async fn join(&mut self) -> Option<Rejection> {
        let result = self.task.as_mut()?.await;
        self.task = None;
        match result {
            Ok(cause) => cause,
            Err(error) => {
                tracing::error!(reflector = %self.name, %error, "the reflector's task failed");
                None
            }
        }
    }
}

/// The mirror stopped before it held the whole collection.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the mirror of {name} stopped before it was synced")]
pub struct MirrorStopped {
    name: Arc<str>,
}

//! `Inner`: the running mirror that all handles of an informer share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::pipeline::Pipeline;
use super::slot::ListenerState;
use crate::reflector::{ReflectorHandle, ReflectorStatus};

/// What all handles share. Its end is the end of the mirror.
pub(crate) struct Inner<T: Send + Sync + 'static> {
    pub(super) name: Arc<str>,
    pub(super) pipeline: Arc<Pipeline<T>>,
    pub(super) life: Mutex<Life>,
}

/// A mirror is started once and stopped once.
pub(super) enum Life {
    Created(Starter),
    Running {
        mirror: ReflectorHandle,
        worker: JoinHandle<()>,
    },
    /// With the last status, if it ever ran.
    Stopped(Option<watch::Receiver<ReflectorStatus>>),
}

impl Life {
    /// Stops the mirror and returns its previous state.
    pub(super) fn stop(&mut self) -> Self {
        let status = self.status();
        std::mem::replace(self, Self::Stopped(status))
    }

    pub(super) fn status(&self) -> Option<watch::Receiver<ReflectorStatus>> {
        match self {
            Self::Created(_) => None,
            Self::Running { mirror, .. } => Some(mirror.watch_status()),
            Self::Stopped(status) => status.clone(),
        }
    }
}

/// Starts the reflector, given the mirror's resync period.
pub(super) type Starter = Box<dyn FnOnce(Duration) -> ReflectorHandle + Send>;

impl<T: Send + Sync + 'static> Inner<T> {
    pub(super) fn life(&self) -> MutexGuard<'_, Life> {
        // What runs under it starts a task at most.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops the mirror without waiting for it: the last handle, registration and subscription is gone.
impl<T: Send + Sync + 'static> Drop for Inner<T> {
    fn drop(&mut self) {
        // Dropping its handle stops the reflector; closing the queue ends the worker.
        drop(self.life().stop());
        self.pipeline.end(ListenerState::Ends);
    }
}

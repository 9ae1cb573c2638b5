//! `AnyInformer`: an informer without its type, and a reference that does not keep it running.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::informer::{HandlerStatus, SharedInformer, WeakInformer};
use crate::reflector::ReflectorStatus;
use crate::wait::{Check, NotSynced};

/// A [`SharedInformer`] of any type: for health checks, metrics and views of all mirrors of a program. It is
/// implemented by informers alone.
pub trait AnyInformer: fmt::Debug + Send + Sync + sealed::Sealed {
    /// The name in logs, status and metrics.
    fn name(&self) -> &str;

    /// See [`SharedInformer::status`].
    fn status(&self) -> ReflectorStatus;

    /// See [`SharedInformer::watch_status`].
    fn watch_status(&self) -> Option<watch::Receiver<ReflectorStatus>>;

    /// How many objects the store holds.
    fn object_count(&self) -> usize;

    /// See [`SharedInformer::queue_depth`].
    fn queue_depth(&self) -> usize;

    /// See [`SharedInformer::queue_age`].
    fn queue_age(&self) -> Option<Duration>;

    /// See [`SharedInformer::handlers`].
    fn handlers(&self) -> Vec<HandlerStatus>;

    /// See [`SharedInformer::is_started`].
    fn is_started(&self) -> bool;

    /// See [`SharedInformer::is_synced`].
    fn is_synced(&self) -> bool;

    /// See [`SharedInformer::is_stopped`].
    fn is_stopped(&self) -> bool;

    /// See [`SharedInformer::start`].
    fn start(&self);

    /// See [`SharedInformer::wait_synced`].
    fn wait_synced(&self, limit: Duration) -> BoxFuture<'_, Result<(), NotSynced>>;

    /// Returns what [`wait_synced`](crate::wait_synced) waits for.
    fn check(&self) -> Check<'_>;

    /// See [`SharedInformer::shutdown`].
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

impl<T: Send + Sync + 'static> AnyInformer for SharedInformer<T> {
    fn name(&self) -> &str {
        self.name()
    }

    fn status(&self) -> ReflectorStatus {
        self.status()
    }

    fn watch_status(&self) -> Option<watch::Receiver<ReflectorStatus>> {
        self.watch_status()
    }

    fn object_count(&self) -> usize {
        self.indexer().len()
    }

    fn queue_depth(&self) -> usize {
        self.queue_depth()
    }

    fn queue_age(&self) -> Option<Duration> {
        self.queue_age()
    }

    fn handlers(&self) -> Vec<HandlerStatus> {
        self.handlers()
    }

    fn is_started(&self) -> bool {
        self.is_started()
    }

    fn is_synced(&self) -> bool {
        self.is_synced()
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped()
    }

    fn start(&self) {
        self.start();
    }

    fn wait_synced(&self, limit: Duration) -> BoxFuture<'_, Result<(), NotSynced>> {
        self.wait_synced(limit).boxed()
    }

    fn check(&self) -> Check<'_> {
        self.into()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        self.shutdown().boxed()
    }
}

mod sealed {
    #[expect(
        unnameable_types,
        reason = "that is what keeps others from implementing it"
    )]
    pub trait Sealed {}

    impl<T: Send + Sync + 'static> Sealed for super::SharedInformer<T> {}
}

/// An informer that a factory finds again while it is in use.
pub(super) trait Known: Send + Sync {
    /// Returns the informer, if it is in use.
    fn upgrade(&self) -> Option<Box<dyn AnyInformer>>;

    /// A [`WeakInformer`] of the type of its objects.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Send + Sync + 'static> Known for WeakInformer<T> {
    fn upgrade(&self) -> Option<Box<dyn AnyInformer>> {
        let informer = self.upgrade()?;
        Some(Box::new(informer))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

//! `IntoInformer`: what a controller can be given as a source; and the inputs of a run, without their
//! types.

use std::fmt;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use heliostat_core::object::ObjectKey;

use super::follow::{Rule, follow};
use crate::informer::{InformerStopped, Registration, SharedInformer};
use crate::list_watch::ListerWatcher;
use crate::queue::WorkQueue;

/// A source of objects for a controller: a [`ListerWatcher`] or a [`SharedInformer`].
pub trait IntoInformer {
    /// The objects.
    type Object: Send + Sync + 'static;

    /// True if other code has the informer as well. A controller does not stop such an informer.
    const IS_SHARED: bool;

    /// The informer. The controller starts it when it runs.
    fn into_informer(self) -> SharedInformer<Self::Object>;
}

/// A mirror of the controller's own.
impl<S: ListerWatcher> IntoInformer for S {
    type Object = S::Object;

    const IS_SHARED: bool = false;

    #[track_caller]
    fn into_informer(self) -> SharedInformer<S::Object> {
        SharedInformer::new(self)
    }
}

/// A mirror that other code uses as well.
impl<T: Send + Sync + 'static> IntoInformer for SharedInformer<T> {
    type Object = T;

    const IS_SHARED: bool = true;

    fn into_informer(self) -> Self {
        self
    }
}

/// A mirror that other code uses as well.
impl<T: Send + Sync + 'static> IntoInformer for &SharedInformer<T> {
    type Object = T;

    const IS_SHARED: bool = true;

    fn into_informer(self) -> SharedInformer<T> {
        self.clone()
    }
}

/// Fills a work queue from a mirror.
pub(super) struct Input<T: Send + Sync + 'static> {
    pub(super) informer: SharedInformer<T>,
    pub(super) is_shared: bool,
    pub(super) rule: Rule<T>,
}

/// An [`Input`] of some type.
pub(super) trait Follow: Send {
    /// Starts the mirror and lets it fill the queue.
    fn follow(
        self: Box<Self>,
        queue: &WorkQueue<ObjectKey>,
        quiet: Duration,
    ) -> Result<Box<dyn Following>, InformerStopped>;
}

/// An input that fills the queue. Dropping it ends that.
pub(super) trait Following: Send + Sync {
    /// Waits until all objects of the first list are in the queue.
    fn synced(&self) -> BoxFuture<'_, Result<(), InformerStopped>>;

    /// Waits until the mirror has stopped.
    fn ended(&self) -> BoxFuture<'_, InformerStopped>;

    /// Ends the mirror, if it is the controller's own.
    fn end(self: Box<Self>) -> BoxFuture<'static, ()>;
}

struct Followed<T: Send + Sync + 'static> {
    informer: SharedInformer<T>,
    is_shared: bool,
    registration: Registration<T>,
}

impl<T: Send + Sync + 'static> Follow for Input<T> {
    fn follow(
        self: Box<Self>,
        queue: &WorkQueue<ObjectKey>,
        quiet: Duration,
    ) -> Result<Box<dyn Following>, InformerStopped> {
        let Self {
            informer,
            is_shared,
            rule,
        } = *self;
        let registration = follow(queue, &informer, rule, quiet)?;
        informer.start();
        Ok(Box::new(Followed {
            informer,
            is_shared,
            registration,
        }))
    }
}

impl<T: Send + Sync + 'static> Followed<T> {
    fn stopped(&self) -> InformerStopped {
        InformerStopped::new(self.informer.name())
    }
}

impl<T: Send + Sync + 'static> Following for Followed<T> {
    fn synced(&self) -> BoxFuture<'_, Result<(), InformerStopped>> {
        let synced = async {
            let synced = self.registration.synced().await;
            synced.map_err(|_| self.stopped())
        };
        synced.boxed()
    }

    fn ended(&self) -> BoxFuture<'_, InformerStopped> {
        let ended = async {
            self.registration.ended().await;
            self.stopped()
        };
        ended.boxed()
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        let end = async move {
            self.registration.remove();
            if !self.is_shared {
                self.informer.shutdown().await;
            }
        };
        end.boxed()
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Input<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Input").field(&self.informer).finish()
    }
}

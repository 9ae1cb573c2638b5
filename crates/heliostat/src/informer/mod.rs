//! The details of a [`SharedInformer`]: its builder, its handlers and what they
//! are notified of, and the options of its factory.
//!
//! | | |
//! |---|---|
//! | [`InformerBuilder`] | the options of the mirror |
//! | [`Filtered`] | a handler for some of the objects |
//! | [`Registration`], [`HandlerStatus`] | a handler that has been added |
//! | [`NotificationRef`], [`NotificationBatch`] | borrowed notifications, for handlers that take many at once |
//! | [`Buffering`], [`Recreation`] | values of [`HandlerOptions`] |
//! | [`FactoryOptions`], [`InformerKey`], [`AnyInformer`] | details of a [`SharedInformerFactory`](crate::SharedInformerFactory) |
//!
//! # Ways to react to a change
//!
//! | to | use | calls |
//! |---|---|---|
//! | make the world as an object wants it | [`Controller`](crate::Controller) | once for many changes of an object, with its current state; retries |
//! | the same in a loop of your own | [`WorkQueue::follow`](crate::WorkQueue::follow), [`follow_owners`](crate::WorkQueue::follow_owners), [`follow_mapped`](crate::WorkQueue::follow_mapped) | the same, with keys |
//! | call functions with each change | [`HandlerFuncs`](crate::HandlerFuncs) | once for each change, in order |
//! | the same with state, with `.await`, or for many changes at once | [`EventHandler`] | the same, or once for a batch |
//! | read changes in a task of your own | [`Subscription`](crate::Subscription) | none: a stream of owned notifications, or borrowed batches |
//! | act before the mirror goes on | [`ChangeStream`](crate::store::ChangeStream) | in the mirror's task, once for each change of the store |
//! | feed a controller of `kube-runtime` | [`kube_runtime`](crate::kube_runtime) | its stream of events |
//! | move code from client-go | [`client_go`](crate::client_go) | as `DeltaFIFO` and `Controller` do |
//!
//! Handlers, subscriptions and controllers share one mirror and its objects; the others have a reflector each.

pub(crate) mod factory;
pub(crate) mod handler;
mod handles;
mod metrics;
mod mirror;
mod notifications;
pub(crate) mod options;
mod pipeline;
mod registration;
#[cfg(test)]
mod resync_tests;
pub(crate) mod shared_informer;
mod slot;
pub(crate) mod subscription;
mod synced;

pub use factory::{AnyInformer, FactoryOptions, FactoryShutDown, InformerKey};
pub use handler::Filtered;
pub use heliostat_core::informer::{Buffering, NotificationRef, Recreation};
pub use notifications::NotificationBatch;
pub use registration::{HandlerGone, Registration};
pub use shared_informer::{InformerBuilder, InformerStopped};
pub use slot::HandlerStatus;

pub(crate) use handler::EventHandler;
pub(crate) use handles::WeakInformer;
pub(crate) use options::HandlerOptions;
pub(crate) use shared_informer::SharedInformer;

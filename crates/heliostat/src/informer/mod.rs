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

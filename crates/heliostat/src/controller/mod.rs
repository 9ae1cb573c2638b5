//! The details of a [`Controller`](crate::Controller): mirrors, a work queue and a function that
//! reconciles one object.
//!
//! | | |
//! |---|---|
//! | [`Controller`](crate::Controller) | all of it in one, as in kube-rs and controller-runtime |
//! | [`WorkQueue::follow`](crate::WorkQueue::follow), [`WorkQueue::follow_owners`](crate::WorkQueue::follow_owners) | the pieces: an informer that fills a work queue |
//! | [`predicates`] | which changes count |
//! | [`finalizer`](fn@finalizer) | a finalizer around a reconciler *(feature `kube`)* |
//!
//! # Metrics
//!
//! Names and meanings are those of controller-runtime, so its dashboards work. Each metric has the label
//! `controller`, the controller's [name](crate::Controller::name).
//!
//! | metric | type | what |
//! |---|---|---|
//! | `controller_runtime_reconcile_total` | counter | calls that ended, by the label `result`: `success`, `requeue_after`, `requeue` or `error` |
//! | `controller_runtime_reconcile_errors_total` | counter | calls that returned an error or panicked |
//! | `controller_runtime_reconcile_panics_total` | counter | calls that panicked |
//! | `controller_runtime_reconcile_time_seconds` | histogram | duration of a call |
//! | `controller_runtime_max_concurrent_reconciles` | gauge | [`Controller::concurrency`](crate::Controller::concurrency) |
//! | `controller_runtime_active_workers` | gauge | calls under way |
//!
//! The work queue adds the metrics of [`WorkQueueBuilder::name`](crate::queue::WorkQueueBuilder::name)
//! under the same name.

pub(crate) mod builder;

mod follow;

mod input;

mod metrics;

mod policy;

pub mod predicates;

#[cfg(feature = "kube")]
mod finalizer;

#[cfg(feature = "kube")]
mod owners;

mod run;

mod signal;

#[cfg(feature = "kube")]
pub use finalizer::{FinalizerError, FinalizerEvent, finalizer};
pub use input::IntoInformer;
pub use policy::{Backoff, ErrorPolicy, OnError};

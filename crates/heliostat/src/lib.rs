//! A mirror that stays true: list a collection, watch it, keep a store faithful to it through every
//! loss, expiry and restart.
//!
//! A mirror of pods from your kubeconfig, or from within a pod:
//!
//! ```no_run
//! # #[cfg(feature = "kube")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::time::Duration;
//! # use heliostat::Reflector;
//! # use heliostat::source::kube::{Connection, KubeSource};
//! # use k8s_openapi::api::core::v1::Pod;
//! let cluster = Connection::new().connect().await?;
//! let source = KubeSource::<Pod>::new(&cluster).namespace("shop").labels("app=cart");
//! let (reflector, pods) = Reflector::with_indexer(source);
//! let mirror = reflector.start();
//! mirror.wait_synced(Duration::from_secs(30)).await?;
//! println!("{} pods in shop", pods.in_namespace("shop").len());
//! # Ok(())
//! # }
//! ```
//!
//! One mirror, and a handler that is called with its changes:
//!
//! ```no_run
//! # #[cfg(feature = "kube")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::time::Duration;
//! # use heliostat::{HandlerFuncs, SharedInformer};
//! # use heliostat::source::kube::{Connection, KubeSource};
//! # use k8s_openapi::api::core::v1::Pod;
//! let cluster = Connection::new().connect().await?;
//! let pods = SharedInformer::new(KubeSource::<Pod>::new(&cluster));
//! let handler = HandlerFuncs::<Pod>::new()
//!     .on_add(|pod, _is_in_initial_list| println!("+ {}", pod.key()))
//!     .on_delete(|pod, _tombstone| println!("- {}", pod.key()));
//! let registration = pods.add_handler(handler)?;
//! pods.start();
//! registration.wait_synced(Duration::from_secs(30)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! | | |
//! |---|---|
//! | [`Reflector`], [`Indexer`] | a mirror, and the store that it keeps |
//! | [`SharedInformer`], [`SharedInformerFactory`] | one mirror with many handlers and streams; one informer for each kind and scope |
//! | [`Controller`], [`WorkQueue`] | a function that reconciles one object; keys to be worked, with retries |
//! | [`source`] | [Kubernetes](source::kube), [memory](source::memory), or a [`ListerWatcher`] of your own |
//! | [`Packing`], [`RawObject`] | a mirror in little memory: objects compressed, decoded while they are read |
//! | [`client_go`], [`kube_runtime`] | code that is moved over from Go; the controllers of `kube-runtime` *(feature)* |
//! | [`testing`] | a source that fails as you say |
//!
//! # Guarantees
//!
//! - The store shows the old set or the new set of a list, never a half. A list after a gap replaces every
//!   object and reports each as updated: after a restored backup, equal versions prove nothing.
//! - A delete is never lost: an object that vanished during a gap is removed by the next list.
//! - The version never goes back unless the source's own did, and then that is reported.
//! - No failure empties the store: only a complete list, the end-of-initial-events bookmark of a
//!   watch-list or a delete removes objects.
//! - A mirror never hangs: every wait has a deadline, and every failure has a next step.
//!
//! With the feature `kube`, name the Kubernetes version in your program:
//! `k8s-openapi = { version = "0.29", features = ["latest"] }`.
#![deny(missing_docs)]

pub mod source;

pub mod object;

pub mod store;

pub mod reflector;

pub mod informer;

pub mod controller;

pub mod queue;

pub mod wait;

pub mod client_go;

#[cfg(feature = "kube-runtime")]
pub mod kube_runtime;

pub mod metrics;

#[cfg(feature = "memory")]
pub mod testing;

mod budget;

mod clock;

mod contain;

mod list_watch;

mod log_limit;

mod sync;

#[cfg(test)]
#[path = "../tests/recorder/mod.rs"]
mod recorder;

pub use budget::RequestBudget;
pub use controller::builder::Controller;
pub use heliostat_core::error::SourceError;
pub use heliostat_core::informer::Notification;
pub use heliostat_core::object::{Entry, Header, ObjectKey, Uid};
pub use heliostat_core::packed::{Packed, Packing};
pub use heliostat_core::raw::RawObject;
pub use heliostat_core::reflector::ReflectorConfig;
pub use heliostat_core::selector::LabelSelector;
pub use heliostat_core::status::Status;
pub use heliostat_core::store::Store;
pub use heliostat_core::store::index::IndexFunc;
pub use heliostat_core::store::snapshot::Snapshot;
pub use heliostat_core::version::ResourceVersion;
pub use informer::factory::SharedInformerFactory;
pub use informer::handler::{EventHandler, HandlerFuncs};
pub use informer::options::HandlerOptions;
pub use informer::shared_informer::SharedInformer;
pub use informer::subscription::Subscription;
pub use list_watch::ListerWatcher;
pub use queue::work_queue::{Action, WorkQueue};
pub use reflector::builder::Reflector;
pub use reflector::handle::ReflectorHandle;
pub use reflector::status::ReflectorStatus;
pub use store::indexer::Indexer;
pub use store::lister::Lister;
pub use store::writer::IndexerWriter;
pub use wait::NotSynced;
pub use wait::synced::wait_synced;

#[cfg(all(doctest, feature = "kube"))]
#[doc = include_str!("../../../README.md")]
mod readme {}

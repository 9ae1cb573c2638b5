//! A mirror that stays true: list a collection, watch it, keep a store faithful to it through every
//! loss, expiry and restart.
//!
//! ```no_run
//! # #[cfg(feature = "kube")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use heliostat::Reflector;
//! use heliostat::source::kube::{Connection, KubeSource};
//! use k8s_openapi::api::core::v1::Pod;
//!
//! let cluster = Connection::new().connect().await?;
//! let source = KubeSource::<Pod>::new(&cluster).namespace("shop").labels("app=cart");
//! let (reflector, pods) = Reflector::with_indexer(source);
//! let mirror = reflector.start();
//! mirror.wait_synced().await?;
//!
//! for pod in pods.in_namespace("shop") {
//!     println!("{} at version {}", pod.key(), pod.header.resource_version);
//! }
//! mirror.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! | | |
//! |---|---|
//! | [`Reflector`], [`ReflectorHandle`] | a source and a store put together; the running mirror |
//! | [`Indexer`] | the store: by key, by namespace, by your own indexes; snapshots; `wait_for` |
//! | [`informer`] | one mirror that many listen to: handlers and streams |
//! | [`factory`] | one informer for each thing that is mirrored, shared by all who ask |
//! | [`controller`] | mirrors, a work queue and a function that reconciles one object |
//! | [`client_go`] | types for code that is moved over from client-go |
//! | [`adapter`] | an informer under the controllers of `kube-runtime` *(feature `kube-runtime`)* |
//! | [`store`] | a store that tells every change ([`store::tap`]), one that several namespaces share; expiry, own writes laid over |
//! | [`queue`] | keys to be worked, with retries and delays; newest states; priorities |
//! | [`lister`] | a store by label selectors, namespaces and names |
//! | [`wait`], [`lazy`] | waiting for several mirrors; values derived from them |
//! | [`source::kube`] | a Kubernetes API: typed, dynamic, metadata-only *(feature `kube`)* |
//! | [`source::memory`] | a collection in process, with faults on demand *(feature `memory`)* |
//! | [`Packed`], [`Packing`], [`source::packed`] | a mirror in little memory: objects compressed, decoded while they are read |
//! | [`ListerWatcher`] | the trait of a source of your own |
//! | [`budget`] | one limit for the lists of all mirrors of a process |
//! | [`status`], [`metrics`] | how a mirror is doing |
//! | [`core`] | the engine underneath, as pure state machines; [`core::reflector::ReflectorConfig`] has the options |
//!
//! # What is promised
//!
//! - The store shows the old set or the new set of a list, never a half. An object that a list finds
//!   unchanged is kept, not replaced.
//! - A delete is never lost: what vanished during a gap is gone after the next list.
//! - The version never goes back unless the source's own did, and then it is reported.
//! - No failure empties the store: only a complete list, a watch-list's end mark or a delete takes
//!   objects away.
//! - A mirror never hangs: every wait has a deadline, and every failure has a next step.
//!
//! With the feature `kube`, name the Kubernetes version in your program:
//! `k8s-openapi = { version = "0.29", features = ["latest"] }`.
#![deny(missing_docs)]

pub mod list_watch;

pub mod source;

pub mod store;

pub mod budget;

pub mod reflector;

pub mod informer;

pub mod factory;

pub mod controller;

pub mod client_go;

pub mod status;

pub mod metrics;

pub mod lister;

pub mod wait;

pub mod lazy;

pub mod queue;

pub mod adapter;

mod clock;

mod contain;

mod driver;

mod log_limit;

mod sync;

pub use heliostat_core as core;
pub use heliostat_core::packed::{Packed, Packing};
pub use heliostat_core::raw::RawObject;
pub use list_watch::ListerWatcher;
pub use lister::Lister;
pub use reflector::{Reflector, ReflectorHandle};
pub use store::Indexer;

//! An embedded Kubernetes-style API server: real list/watch semantics over an in-memory storage
//! with revisions, in the process of whoever needs it.
//!
//! kubectl, kube-rs, client-go and any other client talk to it over HTTP/1.1 or HTTP/2 with prior
//! knowledge. Built-in kinds are there from the start, custom ones come through
//! [`ApiServerBuilder::with_kind`] or by creating a CustomResourceDefinition. Objects are stored as
//! they are sent: there is no defaulting, no validation of values, no admission, no controllers.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use heliostat_server::{ApiServer, Fault, FaultRule, Verb};
//! use serde_json::json;
//!
//! let server = ApiServer::builder().event_window(1_000).build();
//! server.storage().load("pods", [json!({"metadata": {"name": "web", "namespace": "default"}})])?;
//!
//! let running = server.serve_local().await?;
//! println!("kubectl --server {} get pods", running.url());
//!
//! // Change things in process; every watch sees it.
//! running.storage().merge_patch("pods", "default/web", json!({"status": {"phase": "Running"}}))?;
//! assert_eq!(running.storage().versions("pods")?.len(), 1);
//!
//! // Make things fail.
//! running.faults().inject(FaultRule::new(Fault::DropConnection).on(Verb::Watch).once());
//!
//! running.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! | | |
//! |---|---|
//! | [`ApiServer`], [`ApiServerBuilder`], [`RunningServer`] | settings; listening; the end of it |
//! | [`StorageHandle`] | reading and writing in process, bulk loads, the exact current state |
//! | [`Faults`], [`Fault`], [`FaultRule`] | failures on demand, for requests and for open streams |
//! | [`WatchCache`], [`CacheServer`] | a mirror of a source that a reflector feeds, and a read-only server over such mirrors |
//! | [`Kind`] | what is served |
//! | [`Status`] | what a client gets instead of an object |
//!
//! # What it is not
//!
//! - No admission, defaulting or controllers: a namespace need not exist, deleting one
//!   leaves its objects, pods go at once, `propagationPolicy` is ignored. Pods start as `Pending`.
//! - Built-in kinds are read and written in JSON, YAML and protobuf, custom resources in JSON and YAML; CBOR
//!   gets a 406 or a 415. Objects of built-in kinds that clients send pass through the schema of their
//!   kind: unknown fields are dropped, with a warning, and values of a wrong type refused. What is
//!   written in process is stored as it is; if it does not fit its kind, protobuf has no form of it.
//! - No server-side apply: it gets a 415 (`helm --server-side=false` does without).
//! - No authentication: whoever can connect can write.
//! - Of a CustomResourceDefinition the stored version is served, without conversion.
//! - Subresources other than `status` do not exist.
//!
//! Inside, `collection` and `api_server` are pure (no socket, no clock) and decide everything; `http` is the only
//! room that knows hyper; `handle` puts one lock around the storage, `watch_cache` one around each mirror,
//! and `served` is what `http` knows of both.
#![deny(missing_docs)]

mod api_server;
mod collection;
mod faults;
mod handle;
mod http;
mod served;
mod signals;
mod watch_cache;

pub use api_server::fault::{Fault, FaultId, FaultRule, Verb};
pub use api_server::storage::Backup;
pub use api_server::view::INITIAL_EVENTS_END;
pub use collection::kind::{Kind, Scope};
pub use collection::status::Status;
pub use faults::Faults;
pub use handle::{StorageHandle, Written};
pub use http::{
    ApiServer, ApiServerBuilder, CacheServer, CacheServerBuilder, RequestRecord,
    RunningCacheServer, RunningServer,
};
pub use watch_cache::{CacheStats, CacheWriter, WatchCache};

//! etcd: any prefix of any cluster, and what kube-apiserver stores in it.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use heliostat::source::etcd::{Connection, EtcdSource};
//! use heliostat::Reflector;
//!
//! let cluster = Connection::new()
//!     .endpoints(["http://10.0.0.1:2379", "http://10.0.0.2:2379", "http://10.0.0.3:2379"])
//!     .connect()
//!     .await?;
//! let (reflector, settings) = Reflector::with_indexer(EtcdSource::text(&cluster, "/my/app/"));
//! let mirror = reflector.start();
//! mirror.wait_synced(Duration::from_secs(30)).await?;
//! println!("{} keys", settings.len());
//! # Ok(())
//! # }
//! ```
//!
//! [`EtcdSource`] makes objects of the keys under a prefix, [`Registry`] of what kube-apiserver stores.
//!
//! # How etcd's terms are mapped
//!
//! | etcd | here |
//! |---|---|
//! | revision of the store | `resourceVersion` of a list and of a bookmark |
//! | `mod_revision` of a key | `resourceVersion` of an object; of a deleted one, the revision of the deletion |
//! | `create_revision` | uid of an object |
//! | put of a new key; of a known one; delete, also by a lease that ends | `Added`; `Modified`; `Deleted` with the last state |
//! | progress notification | bookmark |
//! | compacted; future revision | 410 `Expired`; 504 with the cause `ResourceVersionTooLarge` |
//!
//! # Endpoints
//!
//! A list asks the next endpoint when one fails, page by page, at the same revision. A watch that breaks
//! ends with an error; the reflector proves that the history is the same and watches on from its last
//! version, at the next endpoint. Neither lists again. A member without a leader is left, too.

mod connection;

mod cluster;

mod source;

mod registry;

mod packed;

mod window;

mod list;

mod watch;

mod assembly;

mod progress;

mod followed;

mod token;

mod decode;

mod document;

mod keys;

mod failure;

mod grpc;

mod message;

pub use cluster::Cluster;
pub use connection::{ConnectError, Connection};
pub use decode::KeyValue;
pub use heliostat_core::etcd::{EncryptionConfig, EncryptionConfigError};
pub use registry::Registry;
pub use source::EtcdSource;

//! The stores, ready to be shared between threads.
//!
//! [`heliostat_core::store`] decides what a store holds and how it changes; here are the locks around
//! it, and the waiting for its content.
//!
//! A store of your own implements three methods of [`Store`] and is fed by a
//! [`Reflector`](crate::Reflector):
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! use heliostat::core::object::{Entry, ObjectKey};
//! use heliostat::core::version::ResourceVersion;
//! use heliostat::store::{Staging, Store, StoreError};
//!
//! #[derive(Clone, Default)]
//! struct Colours(Arc<Mutex<BTreeMap<ObjectKey, Entry<String>>>>);
//!
//! impl Store<String> for Colours {
//!     fn add(&mut self, entry: Entry<String>) -> Result<(), StoreError> {
//!         self.0.lock().unwrap().insert(entry.key().clone(), entry);
//!         Ok(())
//!     }
//!
//!     fn delete(&mut self, key: &ObjectKey, _: Option<Entry<String>>) -> Result<(), StoreError> {
//!         self.0.lock().unwrap().remove(key);
//!         Ok(())
//!     }
//!
//!     fn commit(&mut self, staging: Staging<String>, _: &ResourceVersion) -> Result<(), StoreError> {
//!         let mut colours = self.0.lock().unwrap();
//!         let entries = staging.into_entries(|key| colours.get(key).cloned());
//!         *colours = entries.map(|entry| (entry.key().clone(), entry)).collect();
//!         Ok(())
//!     }
//! }
//!
//! # #[cfg(feature = "memory")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use heliostat::Reflector;
//! use heliostat::source::memory::MemorySource;
//!
//! let source = MemorySource::<String>::new();
//! source.create("team/blue".parse()?, "sky".to_owned())?;
//!
//! let colours = Colours::default();
//! let mirror = Reflector::new(source, colours.clone()).start();
//! mirror.wait_synced().await?;
//! assert_eq!(*colours.0.lock().unwrap()[&"team/blue".parse()?].object, "sky");
//! # mirror.stop().await;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```

pub mod indexer;

mod by_key;

mod namespaces;

pub mod tap;

pub mod expiring;

pub mod overlay;

#[cfg(feature = "kube")]
pub mod typed_index;

mod waiters;

#[cfg(test)]
mod tests;

pub use expiring::{ExpiringIndexer, ExpiringWriter};
pub use heliostat_core::store::expiring::Ttl;
pub use heliostat_core::store::index::{
    IndexError, IndexFailure, IndexFailures, IndexFunc, NAMESPACE_INDEX,
};
pub use heliostat_core::store::overlay::OverlayConfig;
pub use heliostat_core::store::snapshot::Snapshot;
pub use heliostat_core::store::transaction::Op;
pub use heliostat_core::store::undelta::UndeltaStore;
pub use heliostat_core::store::{History, SnapshotStore, Staging, Store, StoreError};
pub use indexer::{Indexer, IndexerWriter};
pub use namespaces::{NamespaceWriter, NamespacesError};
pub use overlay::MutationOverlay;
pub use tap::{Change, Tap};
pub use waiters::WriterGone;

//! The details of stores: what an author of one needs, and the parts of an
//! [`Indexer`], a [`Snapshot`] and a [`Lister`].
//!
//! # Ways to read one object
//!
//! | to have | use |
//! |---|---|
//! | the object with its header | [`Indexer::get`] |
//! | the object alone, at the least cost | [`Indexer::get_object`] |
//! | a packed object, decoded | [`Indexer::get_decoded`] |
//! | several answers of one state | [`Snapshot::get`](crate::Snapshot::get) |
//! | Kubernetes' `not found` | [`Lister::get`], [`NamespaceLister::get`] |
//!
//! # A store of your own
//!
//! A store of your own implements three methods of [`Store`] and is fed by a
//! [`Reflector`](crate::Reflector):
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//!
//! use heliostat::{Entry, ObjectKey, ResourceVersion, Store};
//! use heliostat::store::{Staging, StoreError};
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
//! mirror.wait_synced(Duration::from_secs(30)).await?;
//! assert_eq!(*colours.0.lock().unwrap()[&ObjectKey::namespaced("team", "blue")].object, "sky");
//! # mirror.shutdown().await;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```

mod by_key;

mod change_stream;

pub(crate) mod indexer;

pub(crate) mod lister;

mod namespaces;

#[cfg(feature = "kube")]
pub mod typed_index;

mod shared;

mod synced;

mod waiters;

pub(crate) mod writer;

#[cfg(test)]
mod tests;

pub use change_stream::{Change, ChangeStream};
pub use heliostat_core::store::index::{IndexError, IndexFailure, IndexFailures, NAMESPACE_INDEX};
pub use heliostat_core::store::transaction::Op;
pub use heliostat_core::store::{History, SnapshotStore, Staging, StoreError};
pub use lister::{
    ByBytes, ByLabels, GroupResource, HasLabels, NamespaceLister, NotFound, Selectable,
};
pub use namespaces::{NamespaceWriter, NamespacesError};
pub use waiters::WriterGone;

pub(crate) use heliostat_core::store::Store;
pub(crate) use heliostat_core::store::index::IndexFunc;
pub(crate) use heliostat_core::store::snapshot::Snapshot;
pub(crate) use indexer::Indexer;
pub(crate) use lister::Lister;
pub(crate) use writer::IndexerWriter;

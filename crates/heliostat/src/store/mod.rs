//! The stores, ready to be shared between threads.
//!
//! What a store holds and how it changes is decided in [`heliostat_core::store`]; here are the locks
//! around it, and the waiting for what it will hold.

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
pub use heliostat_core::store::{SnapshotStore, Store, StoreError};
pub use indexer::{Indexer, IndexerWriter};
pub use namespaces::NamespaceWriter;
pub use overlay::MutationOverlay;
pub use tap::{Change, Tap};
pub use waiters::WriterGone;

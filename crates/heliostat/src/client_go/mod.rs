//! The rest of client-go's `tools/cache`, for code that is moved over from Go.
//!
//! New code uses [`SharedInformer`](crate::SharedInformer), [`Controller`](crate::Controller) and
//! [`WorkQueue`](crate::WorkQueue).
//!
//! | client-go, `tools/cache` | here |
//! |---|---|
//! | `Reflector`, `ReflectorOptions`, `ListerWatcher` | [`Reflector`](crate::Reflector), [`ReflectorConfig`](crate::ReflectorConfig), [`ListerWatcher`](crate::ListerWatcher) |
//! | `Store`, `Indexer`, `ThreadSafeStore` | [`Indexer`](crate::Indexer) to read, [`IndexerWriter`](crate::IndexerWriter) to write, [`Store`](crate::Store) for a store of your own |
//! | `IndexFunc`, `Indexers`, `MetaNamespaceIndexFunc` | [`IndexFunc`](crate::IndexFunc), [`NAMESPACE_INDEX`](crate::store::NAMESPACE_INDEX) |
//! | `KeyFunc`, `MetaNamespaceKeyFunc`, `SplitMetaNamespaceKey`, `ObjectName` | [`ObjectKey`](crate::ObjectKey) |
//! | `DeletedFinalStateUnknown` | `tombstone` of [`Notification::Deleted`](crate::Notification::Deleted), [`Deletion::Tombstone`] |
//! | `SharedInformer`, `SharedIndexInformer`, `NewSharedIndexInformer` | [`SharedInformer`](crate::SharedInformer), [`InformerBuilder`](crate::informer::InformerBuilder) |
//! | `ResourceEventHandler`, `ResourceEventHandlerFuncs`, `FilteringResourceEventHandler` | [`EventHandler`](crate::EventHandler), [`HandlerFuncs`](crate::HandlerFuncs), [`Filtered`](crate::informer::Filtered) |
//! | `ResourceEventHandlerRegistration` | [`Registration`](crate::informer::Registration) |
//! | `WaitForCacheSync`, `WaitFor` | [`wait_synced`](crate::wait_synced) |
//! | `TransformFunc`, `WatchErrorHandler` | [`InformerBuilder::transform`](crate::informer::InformerBuilder::transform), [`InformerBuilder::on_error`](crate::informer::InformerBuilder::on_error) |
//! | `GenericLister`, `GenericNamespaceLister`, `ListAll` | [`Lister`](crate::Lister), [`NamespaceLister`](crate::store::NamespaceLister) |
//! | `DeltaFIFO`, `DeltaFIFOOptions`, `Delta`, `Deltas` | [`DeltaFifo`], [`DeltaFifoBuilder`], [`Delta`], [`PoppedDeltas`] |
//! | `KeyListerGetter`, `KnownObjects` | [`KnownObjects`] |
//! | `RealFIFO` | inside [`SharedInformer`](crate::SharedInformer) and [`SerialController`] |
//! | `FIFO`, `Queue` | [`Fifo`] |
//! | `Heap` | [`PriorityFifo`] |
//! | `UndeltaStore` | [`UndeltaStore`] |
//! | `NewTTLStore`, `ExpirationCache`, `ExpirationPolicy` | [`TtlIndexer`] to read, [`TtlWriter`] to write, [`Ttl`] |
//! | `MutationCache` | [`MutationOverlay`], [`OverlayConfig`] |
//! | `Controller`, `Config`, `NewInformer`, `NewTransformingInformer` | [`SerialController`] |
//! | `Config.Process`, `Config.RetryOnError` | [`SerialController::run`], [`SerialController::retry`] |
//! | `Controller.HasSynced`, `LastSyncResourceVersion` | [`SerialControllerHandle`] |
//! | `synctrack.Lazy` | [`Lazy`] |
//!
//! What the original does, a reflector that fills a [`DeltaFifo`] whose consumer keeps an
//! [`Indexer`](crate::Indexer), is the example `delta_fifo`.

mod delta_fifo;
mod fifo;
mod lazy;
mod overlay;
mod priority_fifo;
mod serial_controller;
mod ttl;

pub use delta_fifo::{DeltaFifo, DeltaFifoBuilder, PoppedDeltas};
pub use fifo::{Fifo, PoppedEntry};
pub use heliostat_core::queue::delta_fifo::{Deltas, Listed};
pub use heliostat_core::queue::{Deletion, Delta, KnownObjects};
pub use heliostat_core::store::expiring::Ttl;
pub use heliostat_core::store::overlay::OverlayConfig;
pub use heliostat_core::store::undelta::UndeltaStore;
pub use lazy::Lazy;
pub use overlay::MutationOverlay;
pub use priority_fifo::PriorityFifo;
pub use serial_controller::{
    SerialController, SerialControllerCounts, SerialControllerHandle, SerialControllerStopped,
    WAITING_CHANGES_MAX,
};
pub use ttl::{TtlIndexer, TtlWriter};

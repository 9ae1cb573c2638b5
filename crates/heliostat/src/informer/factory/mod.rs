//! `SharedInformerFactory`: one informer for each collection, shared by all of its users.
//!
//! The factory does not keep its informers running: an informer runs for as long as there is a handle, a
//! registration, a subscription or a lister of it. When the last of those is dropped its mirror stops, and
//! the next request creates a new one.

mod any;

mod key;

#[cfg(feature = "kube")]
mod kube;

mod options;

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::informer::{InformerBuilder, SharedInformer, WeakInformer};
use crate::list_watch::ListerWatcher;
use crate::wait::{NotSynced, SharedError, TimedOut, wait_until};

use any::Known;

pub use any::AnyInformer;
pub use key::InformerKey;
pub use options::FactoryOptions;

/// Creates informers and returns the same one for the same type of object and key. A clone is another
/// handle to the same factory.
///
/// `C` is where sources come from: with the feature `kube`, a factory of a
/// [`Cluster`](crate::source::kube::Cluster) creates informers by type and
/// [`Scope`](crate::source::kube::Scope); without a cluster, the caller passes each source.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use heliostat::SharedInformerFactory;
/// use heliostat::source::memory::MemorySource;
///
/// let colours = MemorySource::<String>::new();
/// let factory = SharedInformerFactory::new();
///
/// // Two parts of a program need the same collection.
/// let one = factory.informer_for("colours", || colours.clone())?;
/// let other = factory.informer_for("colours", || colours.clone())?;
///
/// factory.start();
/// factory.wait_synced(Duration::from_secs(30)).await?;
/// assert!(one.is_synced() && other.is_synced());
/// assert_eq!(colours.open_watches(), 1);
/// factory.shutdown().await;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
///
/// # How long informers live
///
/// | | |
/// |---|---|
/// | handles, registrations, subscriptions, listers | keep their informer running |
/// | the factory, or dropping it | changes nothing: informers in use go on |
/// | [`remove`](Self::remove) | stops one informer for all of its users |
/// | [`shutdown`](Self::shutdown) | stops all informers and creates no more |
#[derive(Clone)]
pub struct SharedInformerFactory<C = ()> {
    shared: Arc<Shared>,
    #[cfg_attr(
        not(feature = "kube"),
        expect(dead_code, reason = "only clusters are asked for anything")
    )]
    cluster: C,
}

struct Shared {
    options: FactoryOptions,
    registry: Mutex<Registry>,
    /// How far the shutdown is.
    phase: watch::Sender<Phase>,
}

/// The type of object is part of the identity: one key can name a kind in more than one form.
type Identity = (InformerKey, TypeId);

#[derive(Default)]
struct Registry {
    known: BTreeMap<Identity, Box<dyn Known>>,
    shuts_down: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Open,
    ShuttingDown,
    /// All informers have ended.
    Over,
}

/// The factory has been shut down and creates no more informers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the informer factory has been shut down")]
pub struct FactoryShutDown;

impl SharedInformerFactory {
    /// Creates a factory with the default options, for sources of any kind.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(FactoryOptions::new())
    }

    /// Creates a factory for sources of any kind.
    #[must_use]
    pub fn with_options(options: FactoryOptions) -> Self {
        Self::of((), options)
    }
}

impl<C> SharedInformerFactory<C> {
    fn of(cluster: C, options: FactoryOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                registry: Mutex::default(),
                phase: watch::Sender::new(Phase::Open),
            }),
            cluster,
        }
    }

    /// Returns the informer of this key, or a new one over `source`, not started. Two sources under one key
    /// must be of the same collection.
    ///
    /// # Errors
    /// If the factory has been shut down.
    #[track_caller]
    pub fn informer_for<S: ListerWatcher>(
        &self,
        key: impl Into<InformerKey>,
        source: impl FnOnce() -> S,
    ) -> Result<SharedInformer<S::Object>, FactoryShutDown> {
        self.informer_with(key, source, |builder| builder)
    }

    /// As [`informer_for`](Self::informer_for); `setup` sets the options of a new informer, on top of those of
    /// the factory. An existing informer stays as it is.
    ///
    /// # Errors
    /// If the factory has been shut down.
    #[track_caller]
    pub fn informer_with<S: ListerWatcher>(
        &self,
        key: impl Into<InformerKey>,
        source: impl FnOnce() -> S,
        setup: impl FnOnce(InformerBuilder<S>) -> InformerBuilder<S>,
    ) -> Result<SharedInformer<S::Object>, FactoryShutDown> {
        let identity = (key.into(), TypeId::of::<S::Object>());
        if let Some(informer) = self.shared.find(&identity)? {
            return Ok(informer);
        }
        // Created outside the lock: the functions of the caller may request another informer.
        let builder = self
            .shared
            .options
            .set_up(SharedInformer::builder(source()));
        self.shared.insert(identity, setup(builder).build())
    }

    /// Starts every informer that has not been started, without waiting. Call it again when there are new
    /// ones. After a shutdown it does nothing.
    ///
    /// # Panics
    /// If called outside a tokio runtime, as [`tokio::spawn`] does.
    pub fn start(&self) {
        if self.is_shut_down() {
            tracing::debug!("the informer factory has been shut down; nothing is started");
            return;
        }
        for informer in self.informers() {
            if !informer.is_started() {
                informer.start();
            }
        }
    }

    /// Waits until every informer that is started by now is synced, but no longer than `limit`.
    ///
    /// # Errors
    /// If one of them is not synced after `limit` or stops before, or if the factory is shut down; with the
    /// names of all that are not synced, sorted.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced(&self, limit: Duration) -> Result<(), NotSynced> {
        let mut phase = self.shared.phase.subscribe();
        let stop = async {
            tokio::select! {
                biased;
                // The sender is in reach of this very factory.
                _ = phase.wait_for(|phase| *phase != Phase::Open) => {
                    Arc::new(FactoryShutDown) as SharedError
                }
                () = tokio::time::sleep(limit) => Arc::new(TimedOut(limit)),
            }
        };
        let mut informers = self.informers();
        informers.retain(|informer| informer.is_started());
        let checks = informers.iter().map(|informer| informer.check());
        wait_until("informers", stop, checks).await
    }

    /// Returns every informer in use, in the order of their keys. Each keeps its mirror running.
    #[must_use]
    pub fn informers(&self) -> Vec<Box<dyn AnyInformer>> {
        let mut registry = self.shared.registry();
        let mut informers = Vec::with_capacity(registry.known.len());
        registry.known.retain(|_, known| match known.upgrade() {
            Some(informer) => {
                informers.push(informer);
                true
            }
            None => false,
        });
        // The lock is released before an informer can be dropped: this may be its last handle.
        drop(registry);
        informers
    }

    /// Stops the informer of this key for all of its users and waits for its end. The next request for the
    /// key creates a new one. Returns false if there was none.
    ///
    /// Use it for a kind that is no longer served; other informers go on.
    pub async fn remove<T: Send + Sync + 'static>(&self, key: &InformerKey) -> bool {
        let identity = (key.clone(), TypeId::of::<T>());
        let known = self.shared.registry().known.remove(&identity);
        match known.and_then(|known| known.upgrade()) {
            Some(informer) => {
                informer.shutdown().await;
                true
            }
            None => false,
        }
    }

    /// Stops every informer and waits until their mirrors and handlers have ended. The factory then creates
    /// and starts no more. A second call waits, too.
    ///
    /// A handler that calls it waits for itself.
    ///
    /// # Cancel safety
    /// Cancel safe: the shutdown goes on by itself.
    pub async fn shutdown(&self) {
        let mut phase = self.shared.phase.subscribe();
        if self.shared.begin_shutdown() {
            let informers = self.informers();
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                join_all(informers.iter().map(|informer| informer.shutdown())).await;
                drop(informers);
                shared.phase.send_replace(Phase::Over);
            });
        }
        // The sender is in reach of this very factory.
        let _ = phase.wait_for(|phase| *phase == Phase::Over).await;
    }

    /// Returns true once a shutdown has begun.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.shared.registry().shuts_down
    }
}

impl Default for SharedInformerFactory {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> fmt::Debug for SharedInformerFactory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = self.shared.registry();
        f.debug_struct("SharedInformerFactory")
            .field(
                "informers",
                &registry
                    .known
                    .keys()
                    .map(|(key, _)| key)
                    .collect::<Vec<_>>(),
            )
            .field("shuts_down", &registry.shuts_down)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Returns the informer, unless it has been stopped.
    fn find<T: Send + Sync + 'static>(
        &self,
        identity: &Identity,
    ) -> Result<Option<SharedInformer<T>>, FactoryShutDown> {
        let found = self.registry().upgrade(identity)?;
        Ok(found.filter(|informer: &SharedInformer<T>| !informer.is_stopped()))
    }

    /// Registers an informer and returns it, or the one that another caller registered first.
    fn insert<T: Send + Sync + 'static>(
        &self,
        identity: Identity,
        made: SharedInformer<T>,
    ) -> Result<SharedInformer<T>, FactoryShutDown> {
        // Declared before the lock, so dropped after it: this may be its last handle, and dropping it drops
        // objects of the user.
        let found: Option<SharedInformer<T>>;
        let mut registry = self.registry();
        found = registry.upgrade(&identity)?;
        match found.as_ref().filter(|informer| !informer.is_stopped()) {
            Some(faster) => Ok(faster.clone()),
            None => {
                let known = Box::new(made.downgrade());
                registry.known.insert(identity, known);
                Ok(made)
            }
        }
    }

    /// Ends the creation of informers. False if that was done before.
    fn begin_shutdown(&self) -> bool {
        let mut registry = self.registry();
        if registry.shuts_down {
            return false;
        }
        registry.shuts_down = true;
        drop(registry);
        self.phase.send_replace(Phase::ShuttingDown);
        true
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // No code of the user runs under it.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Returns the informer if it is in use, stopped or not.
    fn upgrade<T: Send + Sync + 'static>(
        &self,
        identity: &Identity,
    ) -> Result<Option<SharedInformer<T>>, FactoryShutDown> {
        if self.shuts_down {
            return Err(FactoryShutDown);
        }
        let known = self.known.get(identity).map(|known| known.as_any());
        let known = known.and_then(|known| known.downcast_ref::<WeakInformer<T>>());
        Ok(known.and_then(WeakInformer::upgrade))
    }
}

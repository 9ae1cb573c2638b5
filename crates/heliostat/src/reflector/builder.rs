//! `Reflector`: a source and a store put together, with their options.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::reflector::ReflectorConfig;
use heliostat_core::store::Store;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::budget::RequestBudget;
use crate::list_watch::ListerWatcher;
use crate::store::{Indexer, IndexerWriter, NamespaceWriter, NamespacesError};

use super::driver::{self, Driver};
use super::handle::ReflectorHandle;
use super::options::{LifeRequest, Options, WatchError};
use super::status::ReflectorStatus;

/// Lists a source, watches it from the version the list ended at, and keeps a store faithful to it.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use heliostat::Reflector;
/// use heliostat::source::memory::MemorySource;
///
/// let source = MemorySource::<String>::new();
/// source.create("team/blue".parse()?, "sky".to_owned())?;
///
/// let (reflector, store) = Reflector::with_indexer(source.clone());
/// let mirror = reflector.start();
/// mirror.wait_synced(Duration::from_secs(30)).await?;
/// assert_eq!(*store.get(&"team/blue".parse()?).unwrap().object, "sky");
/// mirror.shutdown().await;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub struct Reflector<S: ListerWatcher, W> {
    pub(crate) source: S,
    pub(crate) store: W,
    pub(crate) options: Options<S::Object>,
}

impl<S: ListerWatcher> Reflector<S, IndexerWriter<S::Object>> {
    /// Creates a reflector with a store of its own, and returns a read handle of that store. The store
    /// has the index by namespace.
    #[track_caller]
    pub fn with_indexer(source: S) -> (Self, Indexer<S::Object>) {
        let writer = IndexerWriter::with_namespace_index();
        let indexer = writer.indexer();
        (Self::new(source, writer), indexer)
    }
}

impl<S: ListerWatcher> Reflector<S, NamespaceWriter<S::Object>> {
    /// Creates a reflector for each of several namespaces, and returns a read handle of the one store
    /// that they keep true together.
    ///
    /// Each namespace fails and recovers for itself; the store is synced when all have been listed,
    /// and its version is the oldest of theirs.
    ///
    /// # Errors
    /// If a namespace is given twice or has an empty name.
    #[track_caller]
    pub fn with_namespaces<N: AsRef<str>>(
        sources: impl IntoIterator<Item = (N, S)>,
    ) -> Result<(Vec<Self>, Indexer<S::Object>), NamespacesError> {
        let (names, sources): (Vec<N>, Vec<S>) = sources.into_iter().unzip();
        let writer = IndexerWriter::with_namespace_index();
        let indexer = writer.indexer();
        let writers = writer.by_namespace(names.iter().map(AsRef::as_ref))?;
        let reflectors = sources
            .into_iter()
            .zip(writers)
            .map(|(source, writer)| Self::new(source, writer));
        Ok((reflectors.collect(), indexer))
    }
}

impl<S: ListerWatcher, W: Store<S::Object> + 'static> Reflector<S, W> {
    /// Creates a reflector that keeps `store` faithful to `source`: an
    /// [`IndexerWriter`], which [`with_indexer`](Self::with_indexer) creates for you, or any other
    /// [`Store`].
    ///
    /// Its name is the description of the source, or the place of this call if that is empty.
    #[track_caller]
    pub fn new(source: S, store: W) -> Self {
        let mut name = source.description();
        if name.is_empty() {
            name = Location::caller().to_string();
        }
        let options = Options {
            name,
            config: ReflectorConfig::default(),
            budget: None,
            seed: None,
            transform: None,
            on_error: Box::new(driver::log_watch_error),
            should_resync: None,
        };
        Self {
            source,
            store,
            options,
        }
    }

    /// The name in logs, status and metrics. Two reflectors of one name share their counters.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = name.into();
        self
    }

    /// The options of the machine: page size, timeouts, watch-list, backoff, resync.
    #[must_use]
    pub fn config(mut self, config: ReflectorConfig) -> Self {
        self.options.config = config;
        self
    }

    /// Shares one budget for lists and watch-lists with other reflectors of the process.
    #[must_use]
    pub fn budget(mut self, budget: RequestBudget) -> Self {
        self.options.budget = Some(budget);
        self
    }

    /// Fixes the seed of delays and timeouts, which is otherwise different for every reflector.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(seed);
        self
    }

    /// Changes every object before it comes in: cut away what nobody reads.
    ///
    /// Each object passes once, whether it comes by a list, a watch or a watch-list; last states of
    /// deleted objects pass too. The key, version and uid are those of the object before the change.
    /// An object that the transform refuses is treated as one that could not be understood: see
    /// [`RejectPolicy`](crate::reflector::RejectPolicy).
    #[must_use]
    pub fn transform<E: fmt::Display>(
        mut self,
        mut transform: impl FnMut(S::Object) -> Result<S::Object, E> + Send + 'static,
    ) -> Self
    where
        S::Object: Clone,
    {
        self.options.transform = Some(Box::new(move |object, _| {
            // A source that has just decoded the object gives it away, so nothing is cloned.
            let object = Arc::unwrap_or_clone(object);
            transform(object)
                .map(Arc::new)
                .map_err(|error| error.to_string())
        }));
        self
    }

    /// Is told of every failed round, in place of the default, which logs by the kind of failure.
    /// What happens next does not depend on it.
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(&WatchError<'_>) + Send + 'static) -> Self {
        self.options.on_error = Box::new(handler);
        self
    }

    /// Is asked before every resync; `false` skips it.
    #[must_use]
    pub fn should_resync(self, mut ask: impl FnMut() -> bool + Send + 'static) -> Self {
        self.should_resync_at(move |_| ask())
    }

    /// As [`should_resync`](Self::should_resync), with the time at which the resync is due.
    pub(crate) fn should_resync_at(
        mut self,
        ask: impl FnMut(Instant) -> bool + Send + 'static,
    ) -> Self {
        self.options.should_resync = Some(Box::new(ask));
        self
    }

    /// Starts the mirror on the present tokio runtime.
    ///
    /// # Panics
    /// If called outside a tokio runtime, as [`tokio::spawn`] does.
    pub fn start(self) -> ReflectorHandle {
        let name: Arc<str> = self.options.name.as_str().into();
        let (request, requests) = watch::channel(LifeRequest::Run);
        let (resync_period, resync_periods) = watch::channel(Duration::ZERO);
        let (status_sender, status) = watch::channel(ReflectorStatus::new());
        let driver = Driver::new(
            self.source,
            self.store,
            self.options,
            status_sender,
            requests,
            resync_periods,
        );
        let task = tokio::spawn(driver.run());
        ReflectorHandle {
            name,
            request,
            resync_period,
            status,
            task: Some(task),
        }
    }
}

impl<S: ListerWatcher, W> fmt::Debug for Reflector<S, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reflector")
            .field("name", &self.options.name)
            .field("config", &self.options.config)
            .finish_non_exhaustive()
    }
}

//! `SharedInformer`: one mirror with many handlers and subscriptions.
//!
//! There is one reflector and one store, however many handlers and subscriptions there are. Each has a
//! buffer of its own, so a slow one delays no other, and each can be added and removed at any time. A
//! late one is notified of the current state first. After a gap, handlers are notified of every object
//! that vanished meanwhile, with its last known state.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heliostat_core::reflector::ReflectorConfig;
use heliostat_core::version::ResourceVersion;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::budget::RequestBudget;
use crate::list_watch::ListerWatcher;
use crate::reflector::{Reflector, ReflectorStatus, WatchError};
use crate::store::{IndexError, IndexFunc, Indexer, IndexerWriter};

use super::handler::EventHandler;
use super::mirror::{Inner, Life, Starter};
use super::options::HandlerOptions;
use super::pipeline::{Pipeline, QueueWriter};
use super::registration::Registration;
use super::slot::{HandlerStatus, ListenerState, Slot};
use super::subscription::Subscription;

/// One mirror with many handlers and subscriptions. A clone is another handle to the same mirror; the mirror
/// stops when the last handle, registration and subscription is dropped.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heliostat::{Notification, SharedInformer};
/// use heliostat::source::memory::MemorySource;
///
/// let source = MemorySource::<String>::new();
/// source.create("team/blue".parse()?, "sky".to_owned())?;
///
/// let informer = SharedInformer::new(source.clone());
/// let mut events = informer.subscribe()?;
/// informer.start();
///
/// let Some(Notification::Added { entry, is_in_initial_list: true }) = events.recv().await else {
///     panic!("expected the object that was there");
/// };
/// assert_eq!(*entry.object, "sky");
/// assert!(matches!(events.recv().await, Some(Notification::Synced)));
///
/// source.delete(&"team/blue".parse()?)?;
/// assert!(matches!(events.recv().await, Some(Notification::Deleted { .. })));
/// assert!(informer.indexer().is_empty());
/// informer.shutdown().await;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub struct SharedInformer<T: Send + Sync + 'static> {
    pub(super) inner: Arc<Inner<T>>,
}

/// The informer has been stopped: nothing can be added to it, and it cannot be waited for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the informer {name} has stopped")]
pub struct InformerStopped {
    name: Arc<str>,
}

impl InformerStopped {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into() }
    }
}

impl<T: Send + Sync + 'static> SharedInformer<T> {
    /// Creates an informer with the default options, not started.
    #[track_caller]
    pub fn new<S: ListerWatcher<Object = T>>(source: S) -> Self {
        Self::builder(source).build()
    }

    /// Creates a builder, to set options.
    #[track_caller]
    pub fn builder<S: ListerWatcher<Object = T>>(source: S) -> InformerBuilder<S> {
        let pipeline = Arc::new(Pipeline::new(IndexerWriter::with_namespace_index()));
        let writer = QueueWriter::new(Arc::clone(&pipeline));
        InformerBuilder {
            reflector: Reflector::new(source, writer),
            pipeline,
            resync_period: Duration::ZERO,
        }
    }

    /// Starts the mirror on the current tokio runtime. Does nothing if the informer was started before or
    /// has been stopped.
    ///
    /// # Panics
    /// If called outside a tokio runtime, as [`tokio::spawn`] does.
    pub fn start(&self) {
        // Outside a runtime this panics, and must do so while nothing has been begun.
        let runtime = Handle::current();
        let mut life = self.inner.life();
        match std::mem::replace(&mut *life, Life::Stopped(None)) {
            Life::Created(start) => {
                let mirror = start(self.inner.pipeline.start());
                let worker = runtime.spawn(Arc::clone(&self.inner.pipeline).run());
                *life = Life::Running { mirror, worker };
            }
            other => {
                tracing::debug!(informer = %self.inner.name, "started before; nothing is done");
                *life = other;
            }
        }
    }

    /// Adds a handler, which is notified of the current state first. See [`HandlerOptions`] for the defaults.
    ///
    /// # Errors
    /// If the informer has been stopped.
    ///
    /// # Panics
    /// If called outside a tokio runtime: the handler gets a task of its own.
    pub fn add_handler<H: EventHandler<T>>(
        &self,
        handler: H,
    ) -> Result<Registration<T>, InformerStopped> {
        self.add_handler_with(handler, &HandlerOptions::new())
    }

    /// Adds a handler with options. The same options may be used for several handlers.
    ///
    /// # Errors
    /// If the informer has been stopped.
    ///
    /// # Panics
    /// If called outside a tokio runtime: the handler gets a task of its own.
    pub fn add_handler_with<H: EventHandler<T>>(
        &self,
        handler: H,
        options: &HandlerOptions,
    ) -> Result<Registration<T>, InformerStopped> {
        let name = match &options.name {
            Some(name) => name,
            None => std::any::type_name::<H>(),
        };
        // Outside a runtime this panics, and must do so before anything is kept for the handler.
        let runtime = Handle::current();
        let slot = Arc::new(Slot::new(name.into(), options, true));
        let id = self.join(options, &slot)?;
        let inner = Arc::clone(&self.inner);
        Ok(Registration::start(&runtime, inner, id, slot, handler))
    }

    /// Returns a stream of notifications, which begins with the current state. Its buffer is unbounded: see
    /// [`subscribe_with`](Self::subscribe_with) for a bounded one.
    ///
    /// # Errors
    /// If the informer has been stopped.
    pub fn subscribe(&self) -> Result<Subscription<T>, InformerStopped> {
        self.subscribe_with(&HandlerOptions::new())
    }

    /// Returns a stream of notifications with options.
    ///
    /// # Errors
    /// If the informer has been stopped.
    pub fn subscribe_with(
        &self,
        options: &HandlerOptions,
    ) -> Result<Subscription<T>, InformerStopped> {
        let name = options.name.as_deref().unwrap_or("subscription");
        let slot = Arc::new(Slot::new(name.into(), options, false));
        let id = self.join(options, &slot)?;
        Ok(Subscription::new(Arc::clone(&self.inner), id, slot))
    }

    /// Returns the store, to read and to add indexes.
    #[must_use]
    pub fn indexer(&self) -> &Indexer<T> {
        self.inner.pipeline.indexer()
    }

    /// The name in logs, status and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns true once the informer has been started, also after it has stopped.
    #[must_use]
    pub fn is_started(&self) -> bool {
        !matches!(*self.inner.life(), Life::Created(_))
    }

    /// Returns true once the mirror has been stopped, or has stopped by itself, which it does only for
    /// [`RejectPolicy::Stop`](crate::reflector::RejectPolicy::Stop).
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(*self.inner.life(), Life::Stopped(_)) || self.inner.pipeline.is_over()
    }

    /// Returns true once the store has had its first complete content. Handlers may be behind it: see
    /// [`Registration::is_synced`].
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.inner.pipeline.is_synced()
    }

    /// Waits until the store has had its first complete content.
    pub(crate) async fn synced(&self) -> Result<(), InformerStopped> {
        if self.inner.pipeline.synced().await {
            Ok(())
        } else {
            Err(self.stopped())
        }
    }

    /// Returns the status of the mirror. It is idle before the start, and the last one after the stop.
    #[must_use]
    pub fn status(&self) -> ReflectorStatus {
        let status = self.inner.life().status();
        let mut status = status.map_or_else(ReflectorStatus::new, |status| status.borrow().clone());
        // The reflector counts when it has queued a change, which is before the store has it.
        status.objects = Some(self.indexer().len());
        status
    }

    /// Returns the status as a value that can be awaited for changes; none unless the mirror is running.
    #[must_use]
    pub fn watch_status(&self) -> Option<watch::Receiver<ReflectorStatus>> {
        match &*self.inner.life() {
            Life::Running { mirror, .. } => Some(mirror.watch_status()),
            Life::Created(_) | Life::Stopped(_) => None,
        }
    }

    /// Returns the version that the mirror has reached at the source; unset before the start. The store may
    /// be a little behind it: see [`Indexer::resource_version`].
    #[must_use]
    pub fn last_sync_resource_version(&self) -> ResourceVersion {
        self.status().resource_version
    }

    /// Returns the number of changes that wait between the reflector and the store.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.inner.pipeline.queue_depth()
    }

    /// Returns how long the oldest of them has been waiting; none if none waits.
    #[must_use]
    pub fn queue_age(&self) -> Option<Duration> {
        self.inner.pipeline.queue_age()
    }

    /// Returns the status of each handler and subscription, in the order in which they were added.
    #[must_use]
    pub fn handlers(&self) -> Vec<HandlerStatus> {
        self.inner.pipeline.handlers()
    }

    /// Stops the mirror and waits for the calls of handlers that are under way. Notifications that wait are
    /// dropped; the store keeps its objects. Does nothing if the informer has stopped.
    ///
    /// A handler that calls it waits for itself.
    pub async fn shutdown(&self) {
        self.end(ListenerState::Ends).await;
    }

    /// Stops the mirror and waits until every handler has handled all notifications. Streams end after their
    /// last notification.
    ///
    /// A handler that calls it waits for itself.
    pub async fn drain(&self) {
        self.end(ListenerState::Finishes).await;
    }

    fn join(
        &self,
        options: &HandlerOptions,
        slot: &Arc<Slot<T>>,
    ) -> Result<heliostat_core::informer::HandlerId, InformerStopped> {
        let pipeline = &self.inner.pipeline;
        let before = pipeline.check_period();
        let joined = pipeline.add(options.resync_period, slot);
        let period = pipeline.check_period();
        // The first handler that asks for resyncs sets the period, also after the start.
        if period != before
            && let Life::Running { mirror, .. } = &*self.inner.life()
        {
            mirror.set_resync_period(period);
        }
        joined.ok_or_else(|| self.stopped())
    }

    async fn end(&self, state: ListenerState) {
        let life = self.inner.life().stop();
        let pipeline = &self.inner.pipeline;
        if state == ListenerState::Ends {
            pipeline.end(state);
        }
        if let Life::Running { mirror, worker } = life {
            // Its end closes the queue, and that, when all is worked off, ends the worker: also when
            // this wait is dropped.
            mirror.shutdown().await;
            super::registration::join(worker, &self.inner.name).await;
        }
        for slot in pipeline.end(state) {
            // An error means that the slot and its handler are gone.
            let _ = slot.ended().wait_for(|ended| *ended).await;
        }
    }

    fn stopped(&self) -> InformerStopped {
        InformerStopped {
            name: Arc::clone(&self.inner.name),
        }
    }
}

impl<T: Send + Sync + 'static> Clone for SharedInformer<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for SharedInformer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedInformer")
            .field("name", &self.inner.name)
            .field("indexer", self.indexer())
            .finish_non_exhaustive()
    }
}

/// The options of a [`SharedInformer`].
pub struct InformerBuilder<S: ListerWatcher> {
    reflector: Reflector<S, QueueWriter<S::Object>>,
    pipeline: Arc<Pipeline<S::Object>>,
    resync_period: Duration,
}

impl<S: ListerWatcher> InformerBuilder<S> {
    /// Sets the name in logs, status and metrics; by default the description of the source.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.reflector = self.reflector.name(name);
        self
    }

    /// Sets the options of the reflector: page size, timeouts, watch-list, backoff. A resync period in them is
    /// ignored; see [`resync_period`](Self::resync_period).
    #[must_use]
    pub fn config(mut self, config: ReflectorConfig) -> Self {
        self.reflector = self.reflector.config(config);
        self
    }

    /// Sets how often all objects are delivered again to handlers without a period of their own; zero, the
    /// default, for never.
    #[must_use]
    pub const fn resync_period(mut self, period: Duration) -> Self {
        self.resync_period = period;
        self
    }

    /// See [`Reflector::budget`].
    #[must_use]
    pub fn budget(mut self, budget: RequestBudget) -> Self {
        self.reflector = self.reflector.budget(budget);
        self
    }

    /// See [`Reflector::seed`].
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.reflector = self.reflector.seed(seed);
        self
    }

    /// Changes every object before it is stored: the store and all handlers see the changed one. See
    /// [`Reflector::transform`].
    #[must_use]
    pub fn transform<E: fmt::Display>(
        mut self,
        transform: impl FnMut(S::Object) -> Result<S::Object, E> + Send + 'static,
    ) -> Self
    where
        S::Object: Clone,
    {
        self.reflector = self.reflector.transform(transform);
        self
    }

    /// Sets a function that is called for every failed round; see [`Reflector::on_error`].
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(&WatchError<'_>) + Send + 'static) -> Self {
        self.reflector = self.reflector.on_error(handler);
        self
    }

    /// Adds an index to the store. More can be added at any time: [`Indexer::add_index`].
    ///
    /// # Errors
    /// If the name is taken.
    pub fn index(
        self,
        name: impl Into<Arc<str>>,
        func: IndexFunc<S::Object>,
    ) -> Result<Self, IndexError> {
        self.pipeline.indexer().add_index(name, func)?;
        Ok(self)
    }

    /// Creates the informer, not started.
    #[must_use]
    pub fn build(self) -> SharedInformer<S::Object> {
        let Self {
            reflector,
            pipeline,
            resync_period,
        } = self;
        let name: Arc<str> = reflector.options.name.as_str().into();
        pipeline.configure(&name, resync_period);
        let checks = Arc::downgrade(&pipeline);
        let start: Starter = Box::new(move |resync_period| {
            let config = reflector.options.config.clone();
            reflector
                .config(config.resync_period(resync_period))
                .should_resync_at(move |now| {
                    checks.upgrade().is_some_and(|it| it.check_resync(now))
                })
                .start()
        });
        SharedInformer {
            inner: Arc::new(Inner {
                name,
                pipeline,
                life: Mutex::new(Life::Created(start)),
            }),
        }
    }
}

impl<S: ListerWatcher> fmt::Debug for InformerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InformerBuilder")
            .field("reflector", &self.reflector)
            .finish_non_exhaustive()
    }
}

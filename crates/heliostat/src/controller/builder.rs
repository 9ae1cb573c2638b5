//! `Controller`: its inputs and options.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt};
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::queue::rate_limit::{RateLimiter, default_rate_limiter};

use crate::informer::SharedInformer;
use crate::queue::Action;
#[cfg(doc)]
use crate::queue::WorkQueue;
use crate::store::Indexer;

use super::follow::{Admits, Rule};
use super::input::{Follow, Input, IntoInformer};
#[cfg(feature = "kube")]
use super::owners;
use super::policy::{Backoff, OnError};
use super::predicates;
use super::signal::{Trigger, interrupted};

/// Mirrors, a work queue and a function that reconciles one object.
///
/// [`run`](Self::run) calls the function for each object that is new or has changed, with the current
/// state. An object is reconciled by one call at a time; a change during the call leads to one more.
/// An object that is gone is not reconciled: use a [finalizer](fn@super::finalizer) for work that its deletion
/// needs. An error or a panic leads to another call after a delay that grows with each failure of that
/// object.
///
/// ```
/// # #[cfg(all(feature = "memory", feature = "kube"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::convert::Infallible;
/// use std::sync::Arc;
///
/// use heliostat::{Action, Controller};
/// use heliostat::source::memory::MemorySource;
/// use tokio::sync::mpsc::{Sender, channel};
///
/// async fn reconcile(color: Arc<String>, seen: Sender<String>) -> Result<Action, Infallible> {
///     // Make the world as the object wants it. Here: report it.
///     let _ = seen.send((*color).clone()).await;
///     Ok(Action::Done)
/// }
///
/// let source = MemorySource::<String>::new();
/// source.create("team/blue".parse()?, "sky".to_owned())?;
///
/// let (seen, mut reconciled) = channel(10);
/// let stop = async move {
///     assert_eq!(reconciled.recv().await.as_deref(), Some("sky"));
/// };
/// Controller::new(source).shutdown_on(stop).run(reconcile, seen).await?;
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "memory", feature = "kube")))]
/// # fn main() {}
/// ```
#[must_use = "a controller does nothing until it runs"]
pub struct Controller<K: Send + Sync + 'static, P = Backoff> {
    pub(super) name: Option<String>,
    pub(super) main: SharedInformer<K>,
    pub(super) is_shared: bool,
    pub(super) filter: Option<Admits<K>>,
    pub(super) inputs: Vec<Box<dyn Follow>>,
    pub(super) stores: Vec<Box<dyn Any + Send>>,
    pub(super) triggers: Vec<BoxStream<'static, Trigger>>,
    pub(super) concurrency: usize,
    pub(super) quiet: Duration,
    pub(super) limiter: Box<dyn RateLimiter<ObjectKey>>,
    pub(super) policy: P,
    pub(super) shutdown: BoxFuture<'static, ()>,
}

impl<K: Send + Sync + 'static> Controller<K> {
    /// A controller of the objects of `source`: a [`ListerWatcher`](crate::ListerWatcher) such as
    /// `KubeSource`, or a [`SharedInformer`] that other code uses as well.
    #[track_caller]
    pub fn new<S: IntoInformer<Object = K>>(source: S) -> Self {
        Self {
            name: None,
            main: source.into_informer(),
            is_shared: S::IS_SHARED,
            filter: None,
            inputs: Vec::new(),
            stores: Vec::new(),
            triggers: Vec::new(),
            concurrency: 1,
            quiet: Duration::ZERO,
            limiter: Box::new(default_rate_limiter()),
            policy: Backoff,
            shutdown: std::future::pending().boxed(),
        }
    }
}

impl<K: Send + Sync + 'static, P> Controller<K, P> {
    /// The name in logs and metrics; by default the name of the informer of the reconciled objects.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Number of objects that are reconciled at a time, one at least; by default 1, as in
    /// controller-runtime.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// Reconciles an object only for the changes that `admits` returns true for: see [`predicates`].
    /// It gets the state before, none for a new object, and the state now. With several filters, all
    /// have to admit a change. Does not apply to owned and watched objects, triggers and retries.
    pub fn filter(
        mut self,
        admits: impl Fn(Option<&Entry<K>>, &Entry<K>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.filter = Some(match self.filter {
            None => Box::new(admits),
            Some(before) => Box::new(predicates::all_of(before, admits)),
        });
        self
    }

    /// Reconciles the owners of the objects of `source` when these are new, change or are deleted: all
    /// objects of the kind `K` among their owner references. For dynamic kinds, use
    /// [`watches`](Self::watches).
    #[cfg(feature = "kube")]
    #[track_caller]
    pub fn owns<W>(self, source: impl IntoInformer<Object = W>) -> Self
    where
        K: kube_core::Resource<DynamicType: Default, Scope: 'static>,
        W: kube_core::Resource + Send + Sync + 'static,
    {
        self.watches(source, owners::owner_keys::<K, W>)
    }

    /// Reconciles the objects whose keys `mapper` returns for an object of `source`, when that is new,
    /// changes or is deleted. For a change it is called with the state before and the state now.
    #[track_caller]
    pub fn watches<S, I>(
        mut self,
        source: S,
        mapper: impl Fn(&Entry<S::Object>) -> I + Send + Sync + 'static,
    ) -> Self
    where
        S: IntoInformer,
        I: IntoIterator<Item = ObjectKey>,
    {
        let informer = source.into_informer();
        self.stores.push(Box::new(informer.indexer().clone()));
        let input = Input {
            informer,
            is_shared: S::IS_SHARED,
            rule: Rule::mapped(mapper),
        };
        self.inputs.push(Box::new(input));
        self
    }

    /// Reconciles the objects whose keys come from `keys`.
    pub fn reconcile_on(mut self, keys: impl Stream<Item = ObjectKey> + Send + 'static) -> Self {
        self.triggers.push(keys.map(Trigger::One).boxed());
        self
    }

    /// Reconciles all objects for each item of `signals`, after those that have changed.
    pub fn reconcile_all_on<X>(mut self, signals: impl Stream<Item = X> + Send + 'static) -> Self {
        self.triggers.push(signals.map(|_| Trigger::All).boxed());
        self
    }

    /// Waits until nothing has asked for an object for `quiet` before it is reconciled; each change
    /// begins the wait anew. Default zero: at once. An object that changes more often than that is not
    /// reconciled while it does. Does not apply to retries, [`Action::After`] and triggers.
    pub const fn debounce(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// Decides what follows from an error, given the object, the error and the number of the attempt,
    /// from 1. By default [`Action::Retry`].
    ///
    /// [`Action::After`] keeps the number of attempts, [`Action::Done`] gives up until the next change
    /// and resets it.
    ///
    /// ```
    /// # #[cfg(feature = "memory")]
    /// # {
    /// use std::io::Error;
    /// use std::time::Duration;
    /// use heliostat::{Action, Controller};
    /// use heliostat::source::memory::MemorySource;
    ///
    /// let controller = Controller::new(MemorySource::<String>::new()).on_error(
    ///     |object: &String, error: &Error, attempt| match attempt {
    ///         1..=5 => Action::Retry,
    ///         _ => Action::After(Duration::from_secs(300)),
    ///     },
    /// );
    /// # let _ = controller;
    /// # }
    /// ```
    pub fn on_error<E, F>(self, decide: F) -> Controller<K, OnError<F>>
    where
        F: Fn(&K, &E, u32) -> Action + Send + Sync + 'static,
    {
        Controller {
            name: self.name,
            main: self.main,
            is_shared: self.is_shared,
            filter: self.filter,
            inputs: self.inputs,
            stores: self.stores,
            triggers: self.triggers,
            concurrency: self.concurrency,
            quiet: self.quiet,
            limiter: self.limiter,
            policy: OnError(decide),
            shutdown: self.shutdown,
        }
    }

    /// The delays of [`Action::Retry`]. Default: [`default_rate_limiter`], 5 ms up to 1000 s for each
    /// object, and ten a second over all objects after a burst of 100.
    pub fn rate_limiter(mut self, limiter: impl RateLimiter<ObjectKey> + 'static) -> Self {
        self.limiter = Box::new(limiter);
        self
    }

    /// Ends the run when `signal` resolves: calls under way end, no more are started, and
    /// [`run`](Self::run) returns. By default it never ends by itself.
    pub fn shutdown_on(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = signal.boxed();
        self
    }

    /// [`shutdown_on`](Self::shutdown_on) Ctrl-C and, on Unix, SIGTERM.
    pub fn shutdown_on_signal(self) -> Self {
        self.shutdown_on(interrupted())
    }

    /// The mirror of the reconciled objects, to read.
    #[must_use]
    pub fn store(&self) -> Indexer<K> {
        self.main.indexer().clone()
    }

    /// The mirror of the first owned or watched source whose objects are of the type `W`, to read.
    #[must_use]
    pub fn store_of<W: Send + Sync + 'static>(&self) -> Option<Indexer<W>> {
        let mut stores = self.stores.iter();
        stores.find_map(|store| store.downcast_ref::<Indexer<W>>().cloned())
    }
}

impl<K: Send + Sync + 'static, P> fmt::Debug for Controller<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("name", &self.name)
            .field("main", &self.main)
            .field("inputs", &self.inputs.len())
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

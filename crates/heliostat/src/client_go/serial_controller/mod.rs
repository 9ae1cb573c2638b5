//! `SerialController`: a mirror, and a loop that calls a function with the changes of one object at a time.
//!
//! client-go's `Controller`: a reflector, its store and one loop in the caller's own task. The store
//! changes first, as a whole list or change by change, and continues to change while a call is under
//! way.

mod feed;

mod handle;

mod with_handler;

#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use heliostat_core::event::Rejection;
use heliostat_core::informer::{Notification, Outcome, apply};
use heliostat_core::object::ObjectKey;
use heliostat_core::printable::printable;
use heliostat_core::queue::backlog::{Backlog, Work};
use heliostat_core::queue::ordered_fifo::{BATCH_SIZE, Popped, Work as Element};
use heliostat_core::queue::rate_limit::{RateLimiter, default_rate_limiter};
use heliostat_core::queue::{Deletion, Delta};
use heliostat_core::time::Time;
use tokio::time::Instant;

use crate::contain::panic_message;
use crate::list_watch::ListerWatcher;
use crate::log_limit::LineLimit;
use crate::reflector::{Reflector, ReflectorHandle};
use crate::store::{Indexer, IndexerWriter};

use feed::{Feed, FeedWriter};
use handle::{Alive, Control, Counters};

pub use handle::{SerialControllerCounts, SerialControllerHandle, SerialControllerStopped};
pub use heliostat_core::queue::backlog::WAITING_CHANGES_MAX;

/// How many calls that never wait are made in a row before others of the thread get their turn.
const CALLS_IN_A_ROW: usize = 256;

/// A mirror, and a loop that calls a function with the changes of one object at a time.
///
/// For a controller in the sense of kube-rs and controller-runtime, see
/// [`Controller`](crate::Controller).
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heliostat::client_go::SerialController;
/// use heliostat::source::memory::MemorySource;
///
/// let source = MemorySource::<String>::new();
/// source.create("team/blue".parse()?, "sky".to_owned())?;
///
/// let controller = SerialController::new(source);
/// let (store, handle) = (controller.store(), controller.handle());
/// let mut seen = Vec::new();
/// controller
///     .run(async |deltas, _is_in_initial_list| {
///         for delta in deltas {
///             seen.push(delta.key().to_string());
///         }
///         handle.stop();
///         Ok::<(), std::io::Error>(())
///     })
///     .await;
/// assert_eq!(seen, ["team/blue"]);
/// assert_eq!(store.len(), 1);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
///
/// # Two ways to run it
///
/// | | [`run`](Self::run) | [`run_with_handler`](Self::run_with_handler) |
/// |---|---|---|
/// | is called | for each object, with all its changes since the last call | for each change |
/// | order | of an object's changes | of all changes |
/// | an error or a panic | the changes come again, after a delay | a panic is passed over |
/// | the store | is at least as new as the changes | is as new as the change |
pub struct SerialController<S: ListerWatcher> {
    reflector: Reflector<S, IndexerWriter<S::Object>>,
    limiter: Box<dyn RateLimiter<ObjectKey>>,
    alive: Alive,
}

impl<S: ListerWatcher> SerialController<S> {
    /// A controller of this source, with a reflector as it is by default.
    #[track_caller]
    pub fn new(source: S) -> Self {
        let (reflector, _) = Reflector::with_indexer(source);
        Self::over(reflector)
    }

    /// A controller over a reflector that has been set up, and its store:
    ///
    /// ```
    /// # #[cfg(feature = "memory")]
    /// # {
    /// use std::time::Duration;
    ///
    /// use heliostat::{Reflector, ReflectorConfig};
    /// use heliostat::client_go::SerialController;
    /// use heliostat::source::memory::MemorySource;
    ///
    /// let (reflector, store) = Reflector::with_indexer(MemorySource::<String>::new());
    /// let config = ReflectorConfig::default().resync_period(Duration::from_secs(600));
    /// let controller = SerialController::over(reflector.name("texts").config(config));
    /// # let _ = (store, controller);
    /// # }
    /// ```
    #[must_use]
    pub fn over(reflector: Reflector<S, IndexerWriter<S::Object>>) -> Self {
        let control = Arc::new(Control::new(&reflector.options.name));
        Self {
            reflector,
            limiter: Box::new(default_rate_limiter()),
            alive: Alive(control),
        }
    }

    /// How long an object waits whose processing failed. By default 5 ms, doubling up to 1000 s, and
    /// ten tries a second over all objects: see [`default_rate_limiter`].
    #[must_use]
    pub fn retry(mut self, limiter: impl RateLimiter<ObjectKey> + 'static) -> Self {
        self.limiter = Box::new(limiter);
        self
    }

    /// The store, to read.
    #[must_use]
    pub fn store(&self) -> Indexer<S::Object> {
        self.reflector.store.indexer()
    }

    /// A handle, to stop the controller and to see how it is doing.
    #[must_use]
    pub fn handle(&self) -> SerialControllerHandle {
        SerialControllerHandle::new(Arc::clone(&self.alive.0))
    }

    /// Runs until it is [stopped](SerialControllerHandle::stop). `process` is called for one object at a
    /// time, with its changes since the last call, the oldest first, and whether they belong to the
    /// first list.
    ///
    /// What the changes are follows from the store: [`Delta::Added`] and [`Delta::Updated`] for what was
    /// new in it or not; [`Delta::Replaced`] for what a list brought that is new or changed;
    /// [`Delta::Deleted`], as a tombstone if a list no longer had the object; [`Delta::Sync`] for every
    /// object, at a resync.
    ///
    /// If `process` gives an error or panics, that is logged and counted, and it is called again with the
    /// same changes after a [delay](Self::retry); newer changes of the object then follow them, at most
    /// [`WAITING_CHANGES_MAX`] in all. Other objects go on meanwhile.
    ///
    /// A stop lets the call that is under way come to its end; what is still queued is not processed.
    /// When this returns, the mirror has come to its end, too. Gives the object that stopped the mirror
    /// by itself, if one did: see
    /// [`RejectPolicy::Stop`](crate::reflector::RejectPolicy::Stop). What was queued is then
    /// processed first.
    ///
    /// Dropping the future stops everything without waiting for it. It may be spawned if `process` is
    /// an `async move` closure.
    ///
    /// # Panics
    /// If called outside a tokio runtime, as [`tokio::spawn`] does.
    pub async fn run<E: fmt::Display>(
        self,
        mut process: impl AsyncFnMut(&[Delta<S::Object>], bool) -> Result<(), E>,
    ) -> Option<Rejection> {
        let limiter = self.limiter;
        let running = Running::start(self.reflector, self.alive, BATCH_SIZE);
        let mut worker = Worker {
            feed: Arc::clone(&running.feed),
            store: running.store,
            backlog: Backlog::new(limiter),
            lines: LineLimit::new(Some(Arc::clone(running.alive.0.name()))),
            control: Arc::clone(&running.alive.0),
            started: Instant::now(),
            is_fed: false,
        };
        let mut in_a_row = 0;
        while let Some(work) = worker.next_work().await {
            let call = async { process(&work.deltas, work.is_in_initial_list).await };
            let result = worker
                .take_in_during(AssertUnwindSafe(call).catch_unwind())
                .await;
            worker.finish(work, result);
            in_a_row += 1;
            if in_a_row == CALLS_IN_A_ROW {
                in_a_row = 0;
                tokio::task::yield_now().await;
            }
        }
        let cause = running.mirror.shutdown().await;
        drop(running.alive);
        cause
    }
}

impl<S: ListerWatcher> fmt::Debug for SerialController<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerialController")
            .field("reflector", &self.reflector)
            .finish_non_exhaustive()
    }
}

/// A controller whose mirror has been started.
struct Running<T: Send + Sync + 'static> {
    mirror: ReflectorHandle,
    feed: Arc<Feed<T>>,
    store: IndexerWriter<T>,
    alive: Alive,
}

impl<T: Send + Sync + 'static> Running<T> {
    /// Puts a queue between the reflector and its store, and starts the mirror.
    fn start<S: ListerWatcher<Object = T>>(
        reflector: Reflector<S, IndexerWriter<T>>,
        alive: Alive,
        batch_size: usize,
    ) -> Self {
        let Reflector {
            source,
            store,
            options,
        } = reflector;
        let feed = Arc::new(Feed::new(batch_size));
        let mirror = Reflector {
            source,
            store: FeedWriter::new(Arc::clone(&feed), store.indexer()),
            options,
        };
        let mirror = mirror.start();
        alive.0.begin(mirror.watch_status());
        Self {
            mirror,
            feed,
            store,
            alive,
        }
    }
}

/// Where changes come in and become work.
struct Worker<T: Send + Sync + 'static> {
    feed: Arc<Feed<T>>,
    store: IndexerWriter<T>,
    backlog: Backlog<T>,
    control: Arc<Control>,
    /// Limits the lines about changes that failed: as many objects can fail as there are.
    lines: LineLimit,
    started: Instant,
    /// The first complete list has come in.
    is_fed: bool,
}

impl<T: Send + Sync + 'static> Worker<T> {
    /// Waits for something to do; none when it is to stop, or nothing more will come.
    async fn next_work(&mut self) -> Option<Work<T>> {
        let (feed, control) = (Arc::clone(&self.feed), Arc::clone(&self.control));
        loop {
            while let Some(popped) = feed.try_pop() {
                self.take_in(popped);
            }
            self.publish();
            if control.is_stopping() {
                return None;
            }
            if let Some(work) = self.backlog.poll_work(self.now()) {
                return Some(work);
            }
            // What failed is not tried again when nothing can come of waiting but that.
            if feed.is_over() {
                return None;
            }
            let due = self.backlog.poll_timeout();
            let due = due.and_then(|due| self.started.checked_add(due.elapsed()));
            tokio::select! {
                // All of them only lead to another look, but for what is taken in.
                biased;
                () = control.wait_for_stop() => {}
                () = tokio::time::sleep_until(due.unwrap_or(self.started)), if due.is_some() => {}
                popped = feed.pop() => if let Some(popped) = popped { self.take_in(popped) },
            }
        }
    }

    /// Waits for a call, and keeps the store new meanwhile.
    async fn take_in_during<R>(&mut self, call: impl Future<Output = R>) -> R {
        let mut call = pin!(call);
        let feed = Arc::clone(&self.feed);
        let mut is_open = true;
        loop {
            tokio::select! {
                // The call first: it is what is waited for.
                biased;
                result = &mut call => return result,
                popped = feed.pop(), if is_open => match popped {
                    Some(popped) => self.take_in(popped),
                    None => is_open = false,
                },
            }
        }
    }

    /// The store first, and then the backlog.
    fn take_in(&mut self, popped: Popped<T>) {
        let is_initial = popped.is_in_initial_list;
        let is_list = matches!(popped.work, Element::ReplacedAll(_));
        match apply(&mut self.store, popped, false) {
            Outcome::Changes(changes) => {
                // A list may have found what was queued while it was collected, and applied since.
                let deltas = changes
                    .into_iter()
                    .filter(|change| !(is_list && change.is_sync()))
                    .filter_map(|change| delta(change, is_list));
                for delta in deltas {
                    self.backlog.handle_change(delta, is_initial);
                }
            }
            Outcome::Initial(state) => {
                for entry in state.iter() {
                    let delta = Delta::Replaced(entry.clone());
                    self.backlog.handle_change(delta, is_initial);
                }
            }
            Outcome::Resync(state) => {
                for entry in state.iter() {
                    self.backlog
                        .handle_change(Delta::Sync(entry.clone()), false);
                }
            }
        }
        self.is_fed = self.feed.processed();
    }

    fn finish(
        &mut self,
        work: Work<T>,
        result: std::thread::Result<Result<(), impl fmt::Display>>,
    ) {
        let counters = &self.control.counters;
        let (kind, reason) = match result {
            Ok(Ok(())) => {
                Counters::add_one(&counters.succeeded);
                self.backlog.handle_success(&work);
                return;
            }
            Ok(Err(error)) => {
                Counters::add_one(&counters.failed);
                ("failed", error.to_string())
            }
            Err(panic) => {
                Counters::add_one(&counters.panicked);
                ("panicked", panic_message(&*panic))
            }
        };
        let key = work.key.clone();
        let delay = self.backlog.handle_failure(self.now(), work);
        if let Some(held_back) = self.lines.admit(kind) {
            tracing::warn!(
                controller = %self.control.name(),
                key = %printable(&key),
                attempt = self.backlog.failures(&key),
                retry_in = ?delay,
                held_back,
                error = %printable(&reason),
                "processing {kind}; retrying"
            );
        }
    }

    fn publish(&self) {
        let counters = &self.control.counters;
        Counters::set(&counters.queued, self.backlog.in_line() + self.feed.len());
        Counters::set(&counters.waiting, self.backlog.delayed());
        Counters::set_total(&counters.dropped, self.backlog.dropped());
        if self.is_fed && self.backlog.is_initial_done() {
            self.control.reach_synced();
        }
    }

    fn now(&self) -> Time {
        Time::since_start(self.started.elapsed())
    }
}

/// What a change of the store is for a processor.
fn delta<T>(change: Notification<T>, is_list: bool) -> Option<Delta<T>> {
    match change {
        Notification::Added { entry, .. } | Notification::Updated { new: entry, .. } if is_list => {
            Some(Delta::Replaced(entry))
        }
        Notification::Added { entry, .. } => Some(Delta::Added(entry)),
        Notification::Updated { new, .. } => Some(Delta::Updated(new)),
        Notification::Deleted {
            last,
            tombstone: true,
        } => Some(Delta::Deleted(Deletion::Tombstone {
            key: last.key().clone(),
            last: Some(last),
        })),
        Notification::Deleted { last, .. } => Some(Delta::Deleted(Deletion::Observed(last))),
        Notification::Synced => None,
    }
}

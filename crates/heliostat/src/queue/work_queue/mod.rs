//! `WorkQueue`: keys to be worked, shared between producers and workers.
//!
//! [`heliostat_core::queue::work_queue`] decides what is worked next; this module waits. Workers that wait
//! for a key sleep until the next delayed key is due, so the queue has no task of its own.

mod metrics;
mod process;
mod work;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::queue::Priority;
use heliostat_core::queue::rate_limit::{RateLimiter, default_rate_limiter};
use heliostat_core::queue::work_queue::{self as machine, Addition};
use heliostat_core::time::Time;
use tokio::time::Instant;

use super::shared::{Look, Shared};
use crate::log_limit::LineLimit;
use metrics::WorkQueueMetrics;

pub use process::Action;
pub(crate) use process::Failure;
pub use work::Work;

/// Keys to be worked: each once, by one worker at a time. A clone is another handle to the same
/// queue.
///
/// Add the key of an object that changed, as often as you like: it is worked once. The worker reads the
/// current state of the object; a key that is added meanwhile is worked again afterwards. A key that fails
/// is worked again after a growing delay, see [`rate_limit`]; other keys do not wait for it. Urgent keys go
/// first, and every eighth turn goes to the key that has waited longest; see
/// [`heliostat_core::queue::WorkQueueState`] for the order.
///
/// The queue holds each key once, so its size is that of what can change.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::convert::Infallible;
/// use std::time::Duration;
///
/// use heliostat::{Action, Entry, Header, IndexerWriter, ObjectKey, WorkQueue};
///
/// // What a reflector or an informer does: fill the store, and add what changed.
/// let writer = IndexerWriter::<String>::new();
/// let pods = writer.indexer();
/// let queue = WorkQueue::builder().name("pods").build();
/// for name in ["web", "db", "web"] {
///     let key = ObjectKey::namespaced("shop", name);
///     let header = Header { key: key.clone(), resource_version: "1".into(), uid: "u".into() };
///     writer.upsert(Entry::new(header, format!("pod {name}")));
///     queue.add(key);
/// }
///
/// // Four workers, until the queue is closed and empty.
/// let workers = tokio::spawn({
///     let queue = queue.clone();
///     async move {
///         let reconcile = move |key: ObjectKey| {
///             let pod = pods.get(&key);
///             async move {
///                 let Some(pod) = pod else {
///                     return Ok(Action::Done); // It has been deleted.
///                 };
///                 // Make the world as the pod wants it; on an error the key comes back later.
///                 println!("{} is {}", pod.key(), pod.object);
///                 // Look again in an hour, even if nothing changes.
///                 Ok::<_, Infallible>(Action::After(Duration::from_secs(3600)))
///             }
///         };
///         queue.process(4, reconcile).await;
///     }
/// });
///
/// queue.shutdown_with_drain().await;
/// workers.await.unwrap();
/// assert!(queue.is_empty());
/// # }
/// ```
///
/// [`rate_limit`]: crate::queue
pub struct WorkQueue<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    shared: Shared<machine::WorkQueueState<K>>,
    name: Option<Arc<str>>,
    metrics: Option<WorkQueueMetrics>,
    /// Limits the lines about work that failed: as many keys can fail as there are.
    lines: LineLimit,
    started: Instant,
}

impl<K: Clone + Ord + Send + 'static> WorkQueue<K> {
    /// Creates an empty queue without a name, with the default rate limiter.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Creates a builder, to set options.
    pub fn builder() -> WorkQueueBuilder<K> {
        WorkQueueBuilder {
            name: None,
            limiter: None,
        }
    }
}

impl<K: Clone + Ord> WorkQueue<K> {
    /// Asks for a key to be worked. A key in line stays where it is; a key that is being worked is
    /// worked again afterwards; a key that waits for a retry is worked now instead.
    ///
    /// After a close this and all other ways to add do nothing.
    pub fn add(&self, key: K) {
        self.add_with_priority(key, Priority::NORMAL);
    }

    /// Asks for a key to be worked. One that waits already with a lower priority is raised.
    pub fn add_with_priority(&self, key: K, priority: impl Into<Priority>) {
        let priority = priority.into();
        self.inner
            .ask(|queue, now| queue.add(now, key, priority), false);
    }

    /// Asks for a key to be worked after a delay. If a key is delayed more than once, the earliest
    /// deadline wins. Working the key earlier does not end the delay.
    pub fn add_after(&self, key: K, delay: Duration) {
        self.inner.ask(
            |queue, now| queue.add_after(now, key, Priority::NORMAL, delay),
            true,
        );
    }

    /// Asks for a key to be worked once it was not asked for in this way for `quiet`: each call restarts the
    /// wait. A key that changes more often than that is not worked while it does.
    pub fn add_debounced(&self, key: K, priority: impl Into<Priority>, quiet: Duration) {
        let priority = priority.into();
        self.inner.ask(
            |queue, now| queue.add_debounced(now, key, priority, quiet),
            false,
        );
    }

    /// Asks for a key that failed to be worked again, after the delay of the rate limiter. The delay
    /// ends if the key is worked before. The caller [forgets](Self::forget) the key when it is done.
    pub fn add_rate_limited(&self, key: K) {
        self.inner.ask(
            |queue, now| queue.add_rate_limited(now, key, Priority::NORMAL),
            true,
        );
    }

    /// Lets the failures of a key no longer count, and takes no memory for them.
    pub fn forget(&self, key: &K) {
        self.inner.shared.lock().forget(key);
    }

    /// Waits for a key to work. None when the queue is closed and nothing is in line: the worker can
    /// end.
    ///
    /// Within a tokio runtime whose time is enabled.
    ///
    /// # Cancel safety
    /// Cancel safe: a future that is dropped has taken nothing.
    pub async fn take(&self) -> Option<Work<K>> {
        let inner = &self.inner;
        let taken = inner.shared.take(|queue| inner.look(queue)).await?;
        Some(Work::new(Arc::clone(inner), taken))
    }

    /// Takes no more keys in and drops those that wait for their time. Workers still get what is in
    /// line, and then end. Does not wait, and ends the wait of
    /// [`shutdown_with_drain`](Self::shutdown_with_drain).
    pub fn close(&self) {
        self.inner.end(machine::WorkQueueState::close);
    }

    /// Lets the work under way end and starts nothing more: keys in line and keys that wait are dropped,
    /// and [`process`](Self::process) returns. This is what most programs want at their end.
    ///
    /// | | keys in line | work under way |
    /// |---|---|---|
    /// | `shutdown` | are dropped | ends, and is awaited |
    /// | [`shutdown_with_drain`](Self::shutdown_with_drain) | are worked | ends, and is awaited |
    /// | [`close`](Self::close) | are worked | ends |
    /// | dropping [`process`](Self::process) | remain | is cancelled, its keys return to the line |
    ///
    /// # Cancel safety
    /// The queue stays shut down if the future is dropped after its first poll.
    pub async fn shutdown(&self) {
        self.inner.end(machine::WorkQueueState::stop);
        self.wait_end().await;
    }

    /// [Closes](Self::close) the queue and waits until all keys in line have been worked. Without
    /// workers that is never; [`close`](Self::close) and [`shutdown`](Self::shutdown) end the wait.
    ///
    /// # Cancel safety
    /// The queue stays closed if the future is dropped after its first poll.
    pub async fn shutdown_with_drain(&self) {
        self.inner.end(machine::WorkQueueState::drain);
        self.wait_end().await;
    }

    /// True once the queue takes no more keys in.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.shared.lock().is_closed()
    }

    /// How often a key failed since it was last forgotten, as the rate limiter counts.
    #[must_use]
    pub fn failures(&self, key: &K) -> u32 {
        self.inner.shared.lock().failures(key)
    }

    /// How many keys are in line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.shared.lock().depth()
    }

    /// True if no key is in line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys wait for their time.
    #[must_use]
    pub fn delayed(&self) -> usize {
        self.inner.shared.lock().delayed()
    }

    /// How many keys are being worked.
    #[must_use]
    pub fn in_work(&self) -> usize {
        self.inner.shared.lock().in_work()
    }

    /// How long ago the key was asked for that has been in line for longest.
    #[must_use]
    pub fn oldest_waiting(&self) -> Option<Duration> {
        let queue = self.inner.shared.lock();
        queue.oldest_waiting(self.inner.now())
    }

    /// How long a key still waits because its work failed: not at all where it is in line, none where it
    /// does not come back.
    fn retry_in(&self, key: &K) -> Option<Duration> {
        let queue = self.inner.shared.lock();
        let retry_in = queue.retry_in(self.inner.now(), key);
        (!queue.is_closed()).then(|| retry_in.unwrap_or_default())
    }

    async fn wait_end(&self) {
        let look = |queue: &mut machine::WorkQueueState<K>| match queue.awaits_end() {
            true => Look::Wait,
            false => Look::Found(()),
        };
        self.inner.shared.watch(look).await;
    }
}

impl<K: Clone + Ord> Inner<K> {
    /// Asks for a key in some way, and wakes whom that concerns.
    fn ask(
        &self,
        add: impl FnOnce(&mut machine::WorkQueueState<K>, Time) -> Addition,
        is_retry: bool,
    ) {
        let mut queue = self.shared.lock();
        let now = self.now();
        let timeout = queue.poll_timeout();
        let addition = add(&mut queue, now);
        // Waiting workers sleep until the first key is due: they must know if that is sooner now.
        let is_sooner = match (queue.poll_timeout(), timeout) {
            (Some(new), Some(old)) => new < old,
            (new, _) => new.is_some(),
        };
        if let Some(metrics) = &self.metrics {
            metrics.added(usize::from(addition.is_new()));
            if is_retry && addition != Addition::Refused {
                metrics.retried();
            }
            metrics.state(&queue, now);
        }
        drop(queue);
        if addition == Addition::Queued {
            self.shared.wake_taker();
        }
        if is_sooner {
            self.shared.wake_takers();
        }
    }

    /// What a worker finds that looks for a key.
    fn look(&self, queue: &mut machine::WorkQueueState<K>) -> Look<Option<machine::Taken<K>>> {
        let now = self.now();
        // No word to others about the keys that are due: they all sleep until then at the latest.
        let due = queue.handle_timeout(now);
        let taken = queue.take(now);
        if let Some(metrics) = &self.metrics {
            metrics.added(due);
            if let Some(taken) = &taken {
                metrics.taken(taken.waited);
            }
            metrics.state(queue, now);
        }
        if taken.is_some() || queue.is_finished() {
            return Look::Found(taken);
        }
        let timeout = queue.poll_timeout();
        // A time beyond all clocks is not waited for.
        match timeout.and_then(|time| self.started.checked_add(time.elapsed())) {
            Some(moment) => Look::WaitUntil(moment),
            None => Look::Wait,
        }
    }

    fn done(&self, key: &K) {
        let mut queue = self.shared.lock();
        let now = self.now();
        let worked = queue.done(now, key);
        if let (Some(metrics), Some(worked)) = (&self.metrics, worked) {
            metrics.worked(worked.duration);
            metrics.state(&queue, now);
        }
        let is_over = queue.is_drained();
        drop(queue);
        if worked.is_some_and(|worked| worked.is_queued_again) {
            self.shared.wake_taker();
        }
        if is_over {
            self.shared.wake_watchers();
        }
    }

    fn end(&self, end: impl FnOnce(&mut machine::WorkQueueState<K>)) {
        end(&mut self.shared.lock());
        self.shared.wake_takers();
        self.shared.wake_watchers();
    }

    /// Updates the metrics that grow with time.
    fn refresh(&self) {
        if let Some(metrics) = &self.metrics {
            let queue = self.shared.lock();
            metrics.state(&queue, self.now());
        }
    }

    fn now(&self) -> Time {
        Time::since_start(self.started.elapsed())
    }
}

impl<K> Clone for WorkQueue<K> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K: Clone + Ord + Send + 'static> Default for WorkQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> fmt::Debug for WorkQueue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueue")
            .field("name", &self.inner.name)
            .field("queue", &self.inner.shared)
            .finish_non_exhaustive()
    }
}

/// The options of a [`WorkQueue`].
#[must_use = "it does nothing until it is built"]
pub struct WorkQueueBuilder<K> {
    name: Option<Arc<str>>,
    limiter: Option<Box<dyn RateLimiter<K>>>,
}

impl<K: Clone + Ord + Send + 'static> WorkQueueBuilder<K> {
    /// A name, for logs and metrics. Default none: the queue then has no metrics. No two queues of a
    /// process should have one name, since their metrics would be mixed up. The metrics are
    /// `workqueue_depth`, `workqueue_adds_total`, `workqueue_queue_duration_seconds`,
    /// `workqueue_work_duration_seconds`, `workqueue_unfinished_work_seconds`,
    /// `workqueue_longest_running_processor_seconds` and `workqueue_retries_total`, as Kubernetes'
    /// controllers have them, with the label `name`. The two that grow with time are updated every half
    /// second as long as [`WorkQueue::process`] runs.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How long a key waits that failed. Default: [`default_rate_limiter`], from 5 ms up to 1000 s
    /// per key, and ten a second of all keys after a burst of 100. It runs while the queue is locked.
    pub fn rate_limiter(mut self, limiter: impl RateLimiter<K> + 'static) -> Self {
        self.limiter = Some(Box::new(limiter));
        self
    }

    /// The queue.
    #[must_use]
    pub fn build(self) -> WorkQueue<K> {
        let limiter = self
            .limiter
            .unwrap_or_else(|| Box::new(default_rate_limiter()));
        WorkQueue {
            inner: Arc::new(Inner {
                shared: Shared::new(machine::WorkQueueState::new(limiter)),
                metrics: self.name.as_deref().map(WorkQueueMetrics::new),
                lines: LineLimit::new(self.name.clone()),
                name: self.name,
                started: Instant::now(),
            }),
        }
    }
}

impl<K> fmt::Debug for WorkQueueBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueueBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

//! Workers: tasks that take a key, let the user's code work it, and settle the outcome.
//!
//! The user's code can fail, panic and be cancelled. In every case the work ends and the key is worked
//! again: after the delay of the rate limiter for a failure or a panic, at once for a cancellation.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use heliostat_core::printable::printable;
use tokio::task::JoinSet;

use super::metrics::REFRESH_PERIOD;
use super::{Work, WorkQueue};
use crate::contain::panic_message;
use crate::sync::atomic::{AtomicBool, Ordering};

/// What happens next with a key whose work has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Nothing until the key is added again; its failures no longer count. kube-rs:
    /// `Action::await_change()`.
    Done,
    /// The key is worked again after this time, if it is not added before; its failures no longer count.
    /// kube-rs: `Action::requeue(duration)`.
    After(Duration),
    /// The key is worked again after the delay of the rate limiter, which grows with each failure.
    Retry,
}

/// An error of the user's code, and what follows from it.
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) then: Action,
}

impl<K: Clone + Ord + fmt::Debug + Send + Sync + 'static> WorkQueue<K> {
    /// Works the keys of the queue with `workers` tasks (one at least), until the queue is closed and
    /// nothing is in line.
    ///
    /// `reconcile` gets a key and reads the current state of what the key names. If it fails or panics,
    /// that is logged, and the key comes back after the delay of the rate limiter. No key is worked by
    /// two tasks at once, also not by several calls of this method.
    ///
    /// To stop, call [`shutdown`](Self::shutdown), which lets the work under way end, or
    /// [`shutdown_with_drain`](Self::shutdown_with_drain).
    ///
    /// # Cancel safety
    /// Dropping the future cancels the work under way at its next `.await` and starts nothing more. The
    /// keys that were being worked return to the line.
    ///
    /// # Panics
    /// If the rate limiter or the order of the keys panics. Outside a tokio runtime.
    pub async fn process<F, R, E>(&self, workers: usize, reconcile: F)
    where
        F: Fn(K) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Action, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let work = move |key, _| {
            let call = reconcile(key);
            async move {
                call.await.map_err(|error| Failure {
                    message: error.to_string(),
                    then: Action::Retry,
                })
            }
        };
        self.run_workers(workers, work).await;
    }

    /// [`process`](Self::process) with a function that gets the number of the attempt, from 1, and
    /// decides what follows from an error.
    pub(crate) async fn run_workers<F, R>(&self, workers: usize, work: F)
    where
        F: Fn(K, u32) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Action, Failure>> + Send + 'static,
    {
        let work = Arc::new(work);
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..workers.max(1) {
            let worker = Worker {
                queue: self.clone(),
                work: Arc::clone(&work),
                is_cancelled: Arc::clone(&is_cancelled),
            };
            tasks.spawn(worker.run());
        }
        // Dropped before the tasks: none of them starts a key that another one puts back.
        let _cancel = Cancel(is_cancelled);
        let mut refresh = tokio::time::interval(REFRESH_PERIOD);
        loop {
            tokio::select! {
                biased;
                ended = tasks.join_next() => match ended {
                    None => return,
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        // Tasks are aborted only by the drop of this future, so it is a panic.
                        if let Ok(panic) = error.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                },
                _ = refresh.tick(), if self.inner.metrics.is_some() => self.inner.refresh(),
            }
        }
    }
}

/// Makes the workers start nothing more when it is dropped.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

struct Worker<K, F> {
    queue: WorkQueue<K>,
    work: Arc<F>,
    is_cancelled: Arc<AtomicBool>,
}

impl<K, F, R> Worker<K, F>
where
    K: Clone + Ord + fmt::Debug + Send + Sync + 'static,
    F: Fn(K, u32) -> R,
    R: Future<Output = Result<Action, Failure>>,
{
    async fn run(self) {
        while let Some(work) = self.queue.take().await {
            let attempt = Attempt(Some(work));
            if self.is_cancelled.load(Ordering::Acquire) {
                return;
            }
            let Some(key) = attempt.key() else { continue };
            let number = self.queue.failures(key).saturating_add(1);
            // The call itself can panic as well as the future.
            let result = AssertUnwindSafe(async { (self.work)(key.clone(), number).await })
                .catch_unwind()
                .await;
            self.settle(attempt, number, result);
        }
    }

    fn settle(
        &self,
        attempt: Attempt<K>,
        number: u32,
        result: std::thread::Result<Result<Action, Failure>>,
    ) {
        let inner = &self.queue.inner;
        let queue = inner.name.as_deref();
        let Some(key) = attempt.key().cloned() else {
            return;
        };
        match result {
            Ok(Ok(action)) => attempt.settle(|work| work.settle(action)),
            Ok(Err(Failure { message, then })) => {
                attempt.settle(|work| match then {
                    Action::Done | Action::Retry => work.settle(then),
                    Action::After(delay) => work.retry_after(delay),
                });
                let Some(held_back) = inner.lines.admit("failed") else {
                    return;
                };
                let retry_in = match then {
                    Action::Done => None,
                    Action::After(_) | Action::Retry => self.queue.retry_in(&key),
                };
                let error = printable(message);
                tracing::warn!(
                    queue,
                    ?key,
                    attempt = number,
                    retry_in = retry_in.map(debug),
                    held_back,
                    ?error,
                    "work failed"
                );
            }
            Err(panic) => {
                attempt.settle(Work::retry);
                let Some(held_back) = inner.lines.admit("panicked") else {
                    return;
                };
                let retry_in = self.queue.retry_in(&key);
                let panic = printable(panic_message(&*panic));
                tracing::error!(
                    queue,
                    ?key,
                    attempt = number,
                    retry_in = retry_in.map(debug),
                    held_back,
                    ?panic,
                    "work panicked"
                );
            }
        }
    }
}

/// Work without an outcome yet: dropped before it has one, the key is put back.
struct Attempt<K: Clone + Ord>(Option<Work<K>>);

impl<K: Clone + Ord> Attempt<K> {
    fn key(&self) -> Option<&K> {
        self.0.as_ref().map(Work::key)
    }

    fn settle(mut self, settle: impl FnOnce(Work<K>)) {
        if let Some(work) = self.0.take() {
            settle(work);
        }
    }
}

impl<K: Clone + Ord> Drop for Attempt<K> {
    fn drop(&mut self) {
        if let Some(work) = &self.0 {
            work.put_back();
        }
    }
}

//! Workers: several loops that take a key, let the user's code work it, and say what comes of that.
//!
//! The user's code can fail, panic and be cancelled. In every case the key is done and comes back:
//! after a failure or a panic as the rate limiter says, after a cancellation at once.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::metrics::REFRESH_PERIOD;
use super::{Work, WorkQueue};
use crate::driver::panic_message;

/// What should happen with a key that was worked well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Nothing, until somebody asks for it again.
    Done,
    /// It should be worked again after this time, even if nobody asks.
    After(Duration),
}

impl<K: Clone + Ord + fmt::Debug + Send + Sync + 'static> WorkQueue<K> {
    /// Works the keys of the queue with `workers` tasks (one at least), until the queue is shut down
    /// and nothing is in line.
    ///
    /// `reconcile` gets a key and looks up itself what the key names. When it fails or panics, that
    /// is logged, and the key comes back after the time that the rate limiter tells; when it succeeds,
    /// the failures of the key are forgotten. No key is worked by two at once, also not by several
    /// calls of this.
    ///
    /// # Cancel safety
    /// Dropping the future stops the workers at their next `.await`. Keys that they were at are not
    /// lost: they come back into the line at once.
    ///
    /// # Panics
    /// If the rate limiter or the order of the keys panics. Outside a tokio runtime.
    pub async fn process<F, R, E>(&self, workers: usize, reconcile: F)
    where
        F: Fn(K) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Action, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let reconcile = Arc::new(reconcile);
        let mut tasks = JoinSet::new();
        for _ in 0..workers.max(1) {
            tasks.spawn(work(self.clone(), Arc::clone(&reconcile)));
        }
        let mut refresh = tokio::time::interval(REFRESH_PERIOD);
        loop {
            tokio::select! {
                biased;
                ended = tasks.join_next() => match ended {
                    None => return,
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        // Nobody but this aborts a task, so it can only have panicked.
                        if let Ok(panic) = error.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                },
                _ = refresh.tick(), if self.inner.metrics.is_some() => self.inner.refresh(),
            }
        }
    }

    fn failed(&self, key: &K, error: &dyn fmt::Display) {
        let queue = self.inner.name.as_deref();
        let failures = self.failures(key);
        tracing::warn!(queue, ?key, failures, %error, "work failed, and is tried again later");
    }

    fn panicked(&self, key: &K, panic: &str) {
        let queue = self.inner.name.as_deref();
        let failures = self.failures(key);
        tracing::error!(
            queue,
            ?key,
            failures,
            panic,
            "work panicked, and is tried again later"
        );
    }
}

/// One worker.
async fn work<K, F, R, E>(queue: WorkQueue<K>, reconcile: Arc<F>)
where
    K: Clone + Ord + fmt::Debug + Send + Sync + 'static,
    F: Fn(K) -> R,
    R: Future<Output = Result<Action, E>>,
    E: fmt::Display,
{
    while let Some(work) = queue.take().await {
        let attempt = Attempt(Some(work));
        let Some(key) = attempt.key() else { continue };
        // The call itself can panic as well as the future.
        let result = AssertUnwindSafe(async { reconcile(key.clone()).await })
            .catch_unwind()
            .await;
        match &result {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => queue.failed(key, error),
            Err(panic) => queue.panicked(key, &panic_message(&**panic)),
        }
        match result {
            Ok(Ok(action)) => attempt.settle(|work| work.settle(action)),
            Ok(Err(_)) | Err(_) => attempt.settle(Work::retry),
        }
    }
}

/// Work that is not over until something has come of it: given up before, the key is put back.
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

//! The run of a controller: from the start of its mirrors to the end of the last call.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::{join_all, select_all, try_join_all};
use futures_util::stream::{self, BoxStream};
use heliostat_core::object::ObjectKey;
use heliostat_core::queue::Priority;

use super::builder::Controller;
use super::follow::Rule;
use super::input::{Follow as _, Following, Input};
use super::metrics::ControllerMetrics;
use super::policy::ErrorPolicy;
use super::signal::Trigger;
use crate::informer::InformerStopped;
use crate::queue::{Action, Failure, WorkQueue};
use crate::store::Indexer;

impl<K: Send + Sync + 'static, P> Controller<K, P> {
    /// Runs the controller until the [shutdown](Self::shutdown_on): starts all mirrors, waits until
    /// they are synced, and calls `reconcile` for each object with its current state and a clone of
    /// `context`.
    ///
    /// `reconcile` is an `async fn`, or a closure that returns an `async move` block. Each call is a
    /// task of its own worker, so its future has to be `Send + 'static`: an async closure that uses
    /// variables around it is refused, because its future borrows from the closure. Pass such values
    /// in `context`. Errors are logged as [text](fmt::Display).
    ///
    /// A panic of `reconcile` is contained, logged and counted, and leads to [`Action::Retry`].
    ///
    /// # Cancel safety
    /// Dropping the future cancels the calls under way at their next `.await`, starts nothing more and
    /// ends the mirrors of the controller's own.
    ///
    /// # Errors
    /// If a [`SharedInformer`](crate::SharedInformer) that the controller uses is stopped
    /// before the shutdown, or a mirror stops by itself, which only
    /// [`RejectPolicy::Stop`](crate::reflector::RejectPolicy::Stop) leads to. Calls under way
    /// end before this returns.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub async fn run<C, F, R, E>(self, reconcile: F, context: C) -> Result<(), InformerStopped>
    where
        C: Clone + Send + Sync + 'static,
        F: Fn(Arc<K>, C) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Action, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
        P: ErrorPolicy<K, E>,
    {
        let name = self.name.unwrap_or_else(|| self.main.name().to_owned());
        let queue = WorkQueue::builder()
            .name(name.as_str())
            .rate_limiter(self.limiter)
            .build();
        let store = self.main.indexer().clone();
        let worker = Worker {
            store: store.clone(),
            reconcile,
            context,
            policy: self.policy,
            metrics: ControllerMetrics::new(&name, self.concurrency),
        };
        let mut rule = Rule::own_key();
        rule.admits = self.filter;
        let main = Input {
            informer: self.main,
            is_shared: self.is_shared,
            rule,
        };
        let mut inputs = vec![Box::new(main).follow(&queue, self.quiet)?];
        for input in self.inputs {
            inputs.push(input.follow(&queue, self.quiet)?);
        }
        let end = {
            let mut triggers = pin!(trigger(self.triggers, queue.clone(), store));
            let mut stop = pin!(stop(self.shutdown, &inputs));
            let work = async {
                try_join_all(inputs.iter().map(|input| input.synced())).await?;
                tracing::info!(controller = name, "all mirrors are synced; reconciling");
                let worker = Arc::new(worker);
                let work = move |key: ObjectKey, attempt| {
                    let worker = Arc::clone(&worker);
                    async move { worker.work(&key, attempt).await }
                };
                queue.run_workers(self.concurrency, work).await;
                Ok(())
            };
            let mut work = pin!(work);
            let end = tokio::select! {
                // The stop first: nothing is started after it.
                biased;
                end = &mut stop => end,
                () = &mut triggers => Ok(()),
                end = &mut work => end,
            };
            tracing::info!(controller = name, "stopping; calls under way end");
            // The workers are tasks of their own.
            queue.shutdown().await;
            end
        };
        join_all(inputs.into_iter().map(Following::end)).await;
        end
    }
}

/// Resolves when the controller has to end: with an error if that is not what the caller asked for.
async fn stop(
    shutdown: impl Future<Output = ()>,
    inputs: &[Box<dyn Following>],
) -> Result<(), InformerStopped> {
    let ended = select_all(inputs.iter().map(|input| input.ended()));
    tokio::select! {
        biased;
        () = shutdown => Ok(()),
        (stopped, ..) = ended => Err(stopped),
    }
}

/// Adds what the caller's streams ask for. Does not end.
async fn trigger<K>(
    triggers: Vec<BoxStream<'static, Trigger>>,
    queue: WorkQueue<ObjectKey>,
    store: Indexer<K>,
) {
    let mut triggers = stream::select_all(triggers);
    while let Some(trigger) = triggers.next().await {
        match trigger {
            Trigger::One(key) => queue.add(key),
            Trigger::All => {
                for key in store.snapshot().keys() {
                    queue.add_with_priority(key.clone(), Priority::LOW);
                }
            }
        }
        // A stream that is always ready lets the other tasks have their turn.
        tokio::task::coop::consume_budget().await;
    }
    std::future::pending::<()>().await;
}

/// What the calls share.
struct Worker<K, C, F, P> {
    store: Indexer<K>,
    reconcile: F,
    context: C,
    policy: P,
    metrics: ControllerMetrics,
}

impl<K, C: Clone, F, P> Worker<K, C, F, P> {
    /// Reconciles one object. One that is gone is done.
    async fn work<R, E>(&self, key: &ObjectKey, attempt: u32) -> Result<Action, Failure>
    where
        F: Fn(Arc<K>, C) -> R,
        R: Future<Output = Result<Action, E>>,
        E: fmt::Display,
        P: ErrorPolicy<K, E>,
    {
        let Some(object) = self.store.get_object(key) else {
            return Ok(Action::Done);
        };
        let call = self.metrics.begin();
        let result = (self.reconcile)(Arc::clone(&object), self.context.clone()).await;
        call.returned(result.as_ref().ok().copied());
        result.map_err(|error| Failure {
            message: error.to_string(),
            then: self.policy.decide(&object, &error, attempt),
        })
    }
}

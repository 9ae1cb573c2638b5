//! Ours: a `SharedInformer` over the replayed pods.

use std::sync::Arc;

use heliostat::informer::NotificationRef;
use heliostat::{Entry, EventHandler, Notification, SharedInformer};
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::Notify;

use crate::prepared::{Goal, Tally};
use crate::process::{Spent, Stopwatch};
use crate::replay::{Replay, Script};

type Failure = Box<dyn std::error::Error>;

pub(super) async fn handlers(
    script: Script<Entry<Pod>>,
    listeners: usize,
    goal: &Arc<Goal>,
) -> Result<Spent, Failure> {
    let begin = Arc::new(Notify::new());
    let informer = SharedInformer::new(Replay::new(script, Arc::clone(&begin)));
    for _ in 0..listeners {
        informer.add_handler(Counter(Tally::new(goal)))?.detach();
    }
    measure(&informer, &begin, goal).await
}

pub(super) async fn subscriptions(
    script: Script<Entry<Pod>>,
    listeners: usize,
    goal: &Arc<Goal>,
) -> Result<Spent, Failure> {
    let begin = Arc::new(Notify::new());
    let informer = SharedInformer::new(Replay::new(script, Arc::clone(&begin)));
    for _ in 0..listeners {
        let mut notifications = informer.subscribe()?;
        let mut tally = Tally::new(goal);
        tokio::spawn(async move {
            while let Some(notification) = notifications.recv().await {
                if !matches!(notification, Notification::Synced) {
                    tally.count();
                }
            }
        });
    }
    measure(&informer, &begin, goal).await
}

pub(super) async fn borrowed(
    script: Script<Entry<Pod>>,
    listeners: usize,
    goal: &Arc<Goal>,
) -> Result<Spent, Failure> {
    let begin = Arc::new(Notify::new());
    let informer = SharedInformer::new(Replay::new(script, Arc::clone(&begin)));
    for _ in 0..listeners {
        let mut notifications = informer.subscribe()?;
        let mut tally = Tally::new(goal);
        tokio::spawn(async move {
            while let Some(mut waiting) = notifications.recv_many().await {
                while let Some(told) = waiting.next() {
                    if !matches!(told, NotificationRef::Synced) {
                        tally.count();
                    }
                }
            }
        });
    }
    measure(&informer, &begin, goal).await
}

async fn measure(
    informer: &SharedInformer<Pod>,
    begin: &Notify,
    goal: &Goal,
) -> Result<Spent, Failure> {
    informer.start();
    goal.synced().await;
    let stopwatch = Stopwatch::start()?;
    begin.notify_one();
    goal.updated().await;
    let spent = stopwatch.stop()?;
    informer.shutdown().await;
    Ok(spent)
}

/// Counts what it is told.
struct Counter(Tally);

impl EventHandler<Pod> for Counter {
    async fn on_add(&mut self, _entry: &Entry<Pod>, _is_in_initial_list: bool) {
        self.0.count();
    }

    async fn on_update(&mut self, _old: &Entry<Pod>, _new: &Entry<Pod>) {
        self.0.count();
    }
}

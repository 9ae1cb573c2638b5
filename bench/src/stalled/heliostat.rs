//! Ours: two handlers of one `SharedInformer`, of which one never returns from its first update.

use std::sync::Arc;

use heliostat::{Entry, EventHandler, HandlerOptions, SharedInformer};
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::Notify;

use super::{Cost, Options, Seen, measured};
use crate::replay::{Replay, Script};

/// With a limit, what waits for the stalled handler is folded beyond it.
pub(super) async fn run(
    script: Script<Entry<Pod>>,
    options: &Options,
    limit: Option<usize>,
) -> Result<Cost, Box<dyn std::error::Error>> {
    let begin = Arc::new(Notify::new());
    let informer = SharedInformer::new(Replay::new(script, Arc::clone(&begin)));
    let (healthy, stalled) = (Seen::default(), Seen::default());
    let unbounded = HandlerOptions::new();
    let bounded = limit.map_or_else(HandlerOptions::new, |limit| {
        unbounded.clone().coalescing(limit)
    });
    let _healthy = informer.add_handler(Healthy(healthy.clone()))?;
    let waiting = informer.add_handler_with(Stalled(stalled.clone()), &bounded)?;
    informer.start();
    let pending = || waiting.status().pending;
    measured(options, &begin, &healthy, &stalled, pending).await
}

/// Counts what it is told.
struct Healthy(Seen);

impl EventHandler<Pod> for Healthy {
    async fn on_add(&mut self, _entry: &Entry<Pod>, _is_in_initial_list: bool) {
        self.0.one();
    }

    async fn on_update(&mut self, _old: &Entry<Pod>, _new: &Entry<Pod>) {
        self.0.one();
    }
}

/// Counts the first state, and never returns from an update.
struct Stalled(Seen);

impl EventHandler<Pod> for Stalled {
    async fn on_add(&mut self, _entry: &Entry<Pod>, _is_in_initial_list: bool) {
        self.0.one();
    }

    async fn on_update(&mut self, _old: &Entry<Pod>, _new: &Entry<Pod>) {
        std::future::pending::<()>().await;
    }
}

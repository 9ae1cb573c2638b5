//! The peer: `reflect_shared` into a shared store, and its subscribers, each on a task of its own.

use std::sync::Arc;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube_runtime::{WatchStreamExt, reflector};
use tokio::sync::Notify;

use crate::prepared::{Goal, Tally};
use crate::process::{Spent, Stopwatch};
use crate::replay::Script;

pub(super) async fn subscribers(
    script: Script<Pod>,
    listeners: usize,
    goal: &Arc<Goal>,
    buffer: usize,
) -> Result<Spent, Box<dyn std::error::Error>> {
    let begin = Arc::new(Notify::new());
    let (_reader, writer) = reflector::store_shared(buffer);
    for _ in 0..listeners {
        let mut objects = writer.subscribe().ok_or("the store is not shared")?;
        let mut tally = Tally::new(goal);
        tokio::spawn(async move {
            while objects.next().await.is_some() {
                tally.count();
            }
        });
    }
    let events = script.events(Arc::clone(&begin)).reflect_shared(writer);
    let root = tokio::spawn(events.for_each(|event| async move {
        drop(event);
    }));
    goal.synced().await;
    let stopwatch = Stopwatch::start()?;
    begin.notify_one();
    goal.updated().await;
    let spent = stopwatch.stop()?;
    root.await?;
    Ok(spent)
}

//! The peer: two subscribers of one shared store, of which one asks for nothing after the first
//! state.

use std::sync::Arc;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube_runtime::{WatchStreamExt, reflector};
use tokio::sync::Notify;

use super::{Cost, Options, Seen, measured};
use crate::replay::Script;

pub(super) async fn run(
    script: Script<Pod>,
    options: &Options,
) -> Result<Cost, Box<dyn std::error::Error>> {
    let begin = Arc::new(Notify::new());
    let (_reader, writer) = reflector::store_shared(options.buffer);
    let (healthy, stalled) = (Seen::default(), Seen::default());
    let mut objects = writer.subscribe().ok_or("the store is not shared")?;
    let seen = healthy.clone();
    tokio::spawn(async move {
        while objects.next().await.is_some() {
            seen.one();
        }
    });
    let mut objects = writer.subscribe().ok_or("the store is not shared")?;
    let (seen, first) = (stalled.clone(), options.pods);
    tokio::spawn(async move {
        while objects.next().await.is_some() {
            if seen.one() == first {
                // As if its work for the last object never returned.
                std::future::pending::<()>().await;
            }
        }
    });
    let events = script.events(Arc::clone(&begin)).reflect_shared(writer);
    tokio::spawn(events.for_each(|event| async move {
        drop(event);
    }));
    // At most the buffer waits for the stalled subscriber; the peer does not say how much does.
    let pending = || (healthy.count() - options.pods).min(options.buffer);
    measured(options, &begin, &healthy, &stalled, pending).await
}

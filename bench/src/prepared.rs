//! Decoded pods and updates of them: what the benchmarks without a network begin with.
//!
//! Every update is a pod of its own, as a decoder makes it, for both sides alike; nothing is shared
//! between two of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use heliostat::{Entry, Header, ObjectKey, ResourceVersion};
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::Notify;

use crate::data::{LIST_VERSION, Pods};

/// Spreads consecutive updates over the collection, as in the served data.
pub(crate) const STRIDE: usize = 7919;

/// The recorded pods, grown to `count` and decoded, without managed fields: with them 100,000
/// prepared updates would take more memory than most machines have.
pub(crate) fn pods(count: usize) -> Result<Vec<Pod>, Box<dyn std::error::Error>> {
    let pods = Pods::grown_to(count)?;
    let mut text = BytesMut::new();
    let decode = |index| {
        text.clear();
        pods.push(&mut text, index, pods.listed_version(index));
        let mut pod: Pod = serde_json::from_slice(&text)?;
        pod.metadata.managed_fields = None;
        Ok(pod)
    };
    (0..count).map(decode).collect()
}

/// Leaves only the metadata, which is what a mirror of metadata holds.
pub(crate) fn shrink(pod: &mut Pod) {
    pod.spec = None;
    pod.status = None;
}

/// `count` updates, in which every pod has its turn.
pub(crate) fn updates(pods: Vec<Pod>, count: usize) -> impl Iterator<Item = Pod> + Send + 'static {
    (0..count).map(move |number| {
        let index = number.wrapping_mul(STRIDE) % pods.len();
        let mut pod = pods[index].clone();
        pod.metadata.resource_version = Some((LIST_VERSION + 1 + number as u64).to_string());
        pod
    })
}

/// The pod as a decoder of this project gives it.
pub(crate) fn entry(pod: Pod) -> Entry<Pod> {
    let metadata = &pod.metadata;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let header = Header {
        key: ObjectKey::namespaced(&text(&metadata.namespace), &text(&metadata.name)),
        resource_version: ResourceVersion::from(&*text(&metadata.resource_version)),
        uid: (&*text(&metadata.uid)).into(),
    };
    Entry::new(header, pod)
}

/// How many listeners are to get how much, and who has.
pub(crate) struct Goal {
    first: usize,
    all: usize,
    synced: Finish,
    updated: Finish,
}

impl Goal {
    pub(crate) fn new(listeners: usize, objects: usize, updates: usize) -> Arc<Self> {
        Arc::new(Self {
            first: objects,
            all: objects + updates,
            synced: Finish::of(listeners),
            updated: Finish::of(listeners),
        })
    }

    /// Waits until every listener has got the first state.
    pub(crate) async fn synced(&self) {
        self.synced.wait().await;
    }

    /// Waits until every listener has got every update.
    pub(crate) async fn updated(&self) {
        self.updated.wait().await;
    }
}

/// What one listener has got.
pub(crate) struct Tally {
    goal: Arc<Goal>,
    got: usize,
}

impl Tally {
    pub(crate) fn new(goal: &Arc<Goal>) -> Self {
        Self {
            goal: Arc::clone(goal),
            got: 0,
        }
    }

    pub(crate) fn count(&mut self) {
        self.got += 1;
        if self.got == self.goal.first {
            self.goal.synced.one();
        }
        if self.got == self.goal.all {
            self.goal.updated.one();
        }
    }
}

/// Waits for several to be done.
struct Finish {
    left: AtomicUsize,
    done: Notify,
}

impl Finish {
    fn of(count: usize) -> Self {
        Self {
            left: AtomicUsize::new(count),
            done: Notify::new(),
        }
    }

    fn one(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }

    async fn wait(&self) {
        self.done.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pod_is_updated_as_often_as_the_others() {
        let mut counts = std::collections::BTreeMap::new();
        for pod in updates(pods(1_000).unwrap(), 3_000) {
            *counts.entry(entry(pod).header.key).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 1_000);
        assert!(counts.into_values().all(|count| count == 3));
    }
}

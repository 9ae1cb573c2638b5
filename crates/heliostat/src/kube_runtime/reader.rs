//! `StoreReader`: our store under the names of `kube_runtime`'s.

use std::sync::Arc;

use heliostat_core::object::{Entry, ObjectKey};
use kube_core::{Resource, Selector, SelectorExt};
use kube_runtime::reflector::ObjectRef;

use super::object_key;
use crate::informer::{InformerStopped, SharedInformer};

/// What `kube_runtime::reflector::Store` is asked, answered by the mirror's own store: for code that
/// reads such a store and runs no `Controller`. It keeps no copy, and keeps the mirror running.
///
/// What the store here can do beyond that (indexes, snapshots, waiting for a version) is at
/// [`SharedInformer::indexer`].
#[derive(Clone, Debug)]
pub struct StoreReader<K: Send + Sync + 'static> {
    informer: SharedInformer<K>,
}

impl<K: Resource + Send + Sync + 'static> StoreReader<K> {
    /// Reads the store of this informer.
    #[must_use]
    pub fn new(informer: &SharedInformer<K>) -> Self {
        Self {
            informer: informer.clone(),
        }
    }

    /// The informer behind it.
    #[must_use]
    pub const fn informer(&self) -> &SharedInformer<K> {
        &self.informer
    }

    /// Waits until the mirror has had its first complete content.
    ///
    /// # Errors
    /// If the informer is stopped before that.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_until_ready(&self) -> Result<(), InformerStopped> {
        self.informer.synced().await
    }

    /// The object that is referred to. The namespace does not matter for one that lives in none.
    #[must_use]
    pub fn get(&self, reference: &ObjectRef<K>) -> Option<Arc<K>> {
        let store = self.informer.indexer();
        store
            .get_object(&object_key(reference))
            .or_else(|| store.get_object(&ObjectKey::cluster(&reference.name)))
    }

    /// All objects, in the order of their keys.
    #[must_use]
    pub fn state(&self) -> Vec<Arc<K>> {
        self.state_filter(|_| true)
    }

    /// The first object that the predicate accepts, in the order of the keys. No lock is held while it
    /// is asked.
    #[must_use]
    pub fn find(&self, predicate: impl Fn(&K) -> bool) -> Option<Arc<K>> {
        let snapshot = self.informer.indexer().snapshot();
        let found = snapshot.iter().find(|entry| predicate(&entry.object));
        found.map(object)
    }

    /// The objects that the predicate accepts, in the order of their keys. No lock is held while it is
    /// asked.
    #[must_use]
    pub fn state_filter(&self, predicate: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let snapshot = self.informer.indexer().snapshot();
        let accepted = snapshot.iter().filter(|entry| predicate(&entry.object));
        accepted.map(object).collect()
    }

    /// The objects whose labels match, in the order of their keys.
    #[must_use]
    pub fn state_filter_selector(&self, selector: &Selector) -> Vec<Arc<K>> {
        self.state_filter(|object| match &object.meta().labels {
            Some(labels) => selector.matches(labels),
            None => selector.matches(&Default::default()),
        })
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.informer.indexer().len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.informer.indexer().is_empty()
    }
}

fn object<K>(entry: &Entry<K>) -> Arc<K> {
    Arc::clone(&entry.object)
}

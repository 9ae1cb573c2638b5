//! Handles that keep a mirror running, and one that does not.

use std::fmt;
use std::sync::{Arc, Weak};

use super::mirror::Inner;
use super::shared_informer::SharedInformer;
use crate::store::{GroupResource, Lister};

impl<T: Send + Sync + 'static> SharedInformer<T> {
    /// Returns a lister, which reads the store by label selectors and names; the objects are of this
    /// resource: `pods`, `deployments.apps`. A lister keeps the mirror running.
    #[must_use]
    pub fn lister(&self, resource: impl Into<GroupResource>) -> Lister<T> {
        Lister::new(self.indexer(), resource).keep_alive(self.clone())
    }

    /// A handle that does not keep the mirror running.
    pub(crate) fn downgrade(&self) -> WeakInformer<T> {
        WeakInformer {
            inner: Arc::downgrade(&self.inner),
        }
    }
}

/// A handle to an informer that does not keep it running.
pub(crate) struct WeakInformer<T: Send + Sync + 'static> {
    inner: Weak<Inner<T>>,
}

impl<T: Send + Sync + 'static> WeakInformer<T> {
    /// Returns the informer, if there is still a handle that keeps it running.
    pub(crate) fn upgrade(&self) -> Option<SharedInformer<T>> {
        let inner = self.inner.upgrade()?;
        Some(SharedInformer { inner })
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for WeakInformer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakInformer").finish_non_exhaustive()
    }
}

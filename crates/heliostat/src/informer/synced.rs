//! Waiting for informers and handlers with a deadline.

use std::time::Duration;

use super::registration::Registration;
use super::shared_informer::SharedInformer;
use crate::wait::synced::wait_synced;
use crate::wait::{Check, NotSynced};

/// An informer is done when its store is synced.
impl<'a, T: Send + Sync + 'static> From<&'a SharedInformer<T>> for Check<'a> {
    fn from(informer: &'a SharedInformer<T>) -> Self {
        Self::new(informer.name(), informer.synced())
    }
}

/// A handler is done when it has handled the whole initial state.
impl<'a, T: Send + Sync + 'static> From<&'a Registration<T>> for Check<'a> {
    fn from(handler: &'a Registration<T>) -> Self {
        Self::new(handler.name(), handler.synced())
    }
}

impl<T: Send + Sync + 'static> SharedInformer<T> {
    /// Waits until the store has had its first complete content, but no longer than `limit`.
    ///
    /// # Errors
    /// If the store is not synced after `limit`, or the informer stops before
    /// ([`InformerStopped`](super::InformerStopped)).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced(&self, limit: Duration) -> Result<(), NotSynced> {
        wait_synced("", limit, [self.into()]).await
    }
}

impl<T: Send + Sync + 'static> Registration<T> {
    /// Waits until the handler has handled the whole initial state, but no longer than `limit`.
    ///
    /// # Errors
    /// If the handler is not synced after `limit`, or ends before ([`HandlerGone`](super::HandlerGone)).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced(&self, limit: Duration) -> Result<(), NotSynced> {
        wait_synced("", limit, [self.into()]).await
    }
}

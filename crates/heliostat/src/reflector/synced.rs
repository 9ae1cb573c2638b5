//! Waiting for a mirror with a deadline.

use std::time::Duration;

use super::ReflectorHandle;
use crate::wait::synced::wait_synced;
use crate::wait::{Check, NotSynced};

/// A mirror is done when it is synced.
impl<'a> From<&'a ReflectorHandle> for Check<'a> {
    fn from(mirror: &'a ReflectorHandle) -> Self {
        Self::new(mirror.name(), mirror.synced())
    }
}

impl ReflectorHandle {
    /// Waits until the store holds the whole collection for the first time, but no longer than `limit`.
    ///
    /// # Errors
    /// If the mirror is not synced after `limit`, or stops before
    /// ([`MirrorStopped`](super::MirrorStopped)).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced(&self, limit: Duration) -> Result<(), NotSynced> {
        wait_synced("", limit, [self.into()]).await
    }
}

//! Waiting for a store with a deadline. Beside `indexer.rs`, which is also compiled without a clock.

use std::time::Duration;

use super::Indexer;
use crate::wait::synced::wait_synced;
use crate::wait::{Check, NotSynced};

impl<T: Send + Sync> Indexer<T> {
    /// Waits until the store has had its first complete content, but no longer than `limit`.
    ///
    /// # Errors
    /// If that is not so after `limit`, or the writer is dropped before
    /// ([`WriterGone`](super::WriterGone)).
    ///
    /// # Cancel safety
    /// Cancel safe: a future that is dropped leaves nothing behind.
    pub async fn wait_synced(&self, limit: Duration) -> Result<(), NotSynced> {
        wait_synced("", limit, [Check::new("the store", self.synced())]).await
    }
}

//! `Waiters`: the callers that wait for a state of a store, and the number of its writers.
//!
//! Waiting is registered and resolved under one lock, so a version that the store holds for a moment
//! only is never missed by a waiter that was there before it.

use std::collections::BTreeMap;
use std::fmt;

use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::version::ResourceVersion;
use tokio::sync::oneshot;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The store has no writer any more and never reached the state that was waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the writer of the store is gone")]
pub struct WriterGone;

/// The state that a caller waits for.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// The first complete content.
    Synced,
    /// A state at this version or a later one.
    Version(ResourceVersion),
}

impl Wanted {
    /// An unset version and `0` ask for no state in particular: any complete content will do.
    pub(super) fn version(version: &ResourceVersion) -> Self {
        if version.is_real() {
            Self::Version(version.clone())
        } else {
            Self::Synced
        }
    }

    fn is_met(&self, version: &ResourceVersion, synced: bool) -> bool {
        match self {
            Self::Synced => synced,
            Self::Version(wanted) => version
                .compare(wanted)
                .is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

/// The callers that wait for a state of one store.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<u64, (Wanted, oneshot::Sender<()>)>,
    next_id: u64,
    writers: usize,
}

impl Waiters {
    /// Waits until the store holds what is wanted; `present` reads it.
    ///
    /// # Cancel safety
    /// A future that is dropped leaves nothing behind.
    pub(super) async fn wait<T>(
        &self,
        wanted: Wanted,
        present: impl FnOnce() -> Snapshot<T>,
    ) -> Result<(), WriterGone> {
        let (registered, met) = {
            let mut inner = self.lock();
            // Writers change the store before they come here for the lock: either this look sees
            // the change, or the writer will see this waiter.
            let present = present();
            if wanted.is_met(present.resource_version(), present.is_synced()) {
                return Ok(());
            }
            if inner.writers == 0 {
                return Err(WriterGone);
            }
            let (sender, met) = oneshot::channel();
            let id = inner.next_id;
            inner.next_id += 1;
            inner.waiting.insert(id, (wanted, sender));
            (Registered { waiters: self, id }, met)
        };
        let met = met.await;
        drop(registered);
        met.map_err(|_| WriterGone)
    }

    /// The store has moved to this version.
    pub(super) fn moved(&self, version: &ResourceVersion, synced: bool) {
        let mut inner = self.lock();
        let met = inner
            .waiting
            .extract_if(.., |_, (wanted, _)| wanted.is_met(version, synced));
        let met: Vec<_> = met.map(|(_, (_, sender))| sender).collect();
        // Waking runs code of an executor; it need not run under the lock.
        drop(inner);
        for sender in met {
            // An error says that the waiter has given up.
            let _ = sender.send(());
        }
    }

    pub(super) fn writer_came(&self) {
        self.lock().writers += 1;
    }

    pub(super) fn writer_went(&self) {
        let mut inner = self.lock();
        inner.writers = inner.writers.saturating_sub(1);
        if inner.writers == 0 {
            let waiting = std::mem::take(&mut inner.waiting);
            drop(inner);
            // Dropping the senders tells the waiters.
            drop(waiting);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a waiter out again, however its waiting ends.
struct Registered<'a> {
    waiters: &'a Waiters,
    id: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.waiters.lock().waiting.remove(&self.id);
    }
}

impl fmt::Debug for Registered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered").field("id", &self.id).finish()
    }
}

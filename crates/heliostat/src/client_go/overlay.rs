//! `MutationOverlay`: reading one's own writes from a mirror that has not seen them yet.
//!
//! The lock of the overlay is taken before the mirror is read, and a write is only forgotten after the
//! mirror has it; so what one reader was shown is never shown older to the next.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heliostat_core::informer::Notification;
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::index::IndexError;
use heliostat_core::store::overlay::{Overlay, OverlayConfig};
use heliostat_core::time::Time;
use tokio::time::Instant;

use crate::store::Indexer;

#[cfg(test)]
mod tests;

/// An [`Indexer`] with the program's own writes laid over it. A clone is another handle to the same
/// overlay.
///
/// Tell it each write that succeeded, with the state that the server answered, and feed it the
/// notifications of the mirror's informer. [`Indexer::wait_for`] is the other way to read one's own
/// writes: it waits for the mirror, and needs no overlay.
///
/// Own writes are remembered for a while only: see [`OverlayConfig`]. Versions are compared where both
/// are decimal numbers; where two cannot be compared the mirror's state counts, so nothing is ever
/// shown that is older than what the mirror has.
///
/// ```
/// use heliostat::{Entry, Header, IndexerWriter, ObjectKey};
/// use heliostat::client_go::MutationOverlay;
///
/// let key = ObjectKey::namespaced("default", "web");
/// let state = |version: u64, text| {
///     let header = Header { key: key.clone(), resource_version: version.into(), uid: "u".into() };
///     Entry::new(header, text)
/// };
/// let mirror = IndexerWriter::<&'static str>::new();
/// mirror.upsert(state(7, "old"));
///
/// let overlay = MutationOverlay::new(&mirror.indexer());
/// overlay.written(state(8, "new"));
/// assert_eq!(*overlay.get(&key).unwrap().object, "new");
///
/// mirror.upsert(state(9, "newer"));
/// assert_eq!(*overlay.get(&key).unwrap().object, "newer");
/// ```
pub struct MutationOverlay<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    overlay: Mutex<Overlay<T>>,
    mirror: Indexer<T>,
    start: Instant,
}

impl<T> MutationOverlay<T> {
    /// An overlay that remembers a hundred writes for five minutes, without creates.
    #[must_use]
    pub fn new(mirror: &Indexer<T>) -> Self {
        Self::with_config(mirror, OverlayConfig::new())
    }

    /// An overlay with these options.
    #[must_use]
    pub fn with_config(mirror: &Indexer<T>, config: OverlayConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                overlay: Mutex::new(Overlay::new(config)),
                mirror: mirror.clone(),
                start: Instant::now(),
            }),
        }
    }

    /// The program's own write has succeeded; `entry` is what the server answered.
    ///
    /// Ignored if something newer is known, or if the object is known to have gone since.
    pub fn written(&self, entry: Entry<T>) {
        self.lock().written(self.now(), entry);
    }

    /// The program's own deletion has succeeded; `last` is the object's last state. Call it when the
    /// object is really gone: while finalizers hold it, its deletion is a write like any other.
    pub fn deleted(&self, last: &Entry<T>) {
        self.lock().deleted(self.now(), last);
    }

    /// The mirror has told this to its handlers: register the overlay as one of them. Without it,
    /// own writes are forgotten when they are read and the mirror has caught up, or after a while.
    pub fn observe(&self, notification: &Notification<T>) {
        self.lock().observe(self.now(), notification);
    }

    /// The newest state that is known of the object of this key.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Entry<T>> {
        let mut overlay = self.lock();
        let mirrored = self.shared.mirror.get(key);
        overlay.newest(self.now(), key, mirrored.as_ref())
    }

    /// The objects that have this value in the index `name`, in the order of their keys, each in the
    /// newest state that is known and filed under the values of that state.
    ///
    /// # Errors
    /// If there is no such index.
    pub fn by_index(&self, name: &str, value: &str) -> Result<Vec<Entry<T>>, IndexError> {
        let mut overlay = self.lock();
        let mirror = self.shared.mirror.snapshot();
        overlay.by_index(self.now(), &mirror, name, value)
    }

    /// The mirror below.
    #[must_use]
    pub fn mirror(&self) -> &Indexer<T> {
        &self.shared.mirror
    }

    /// Of how many objects something is remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True if nothing is remembered: then the mirror is all there is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn now(&self) -> Time {
        Time::since_start(self.shared.start.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Overlay<T>> {
        // The only code of the user's that runs under it are index functions, whose panics are
        // caught where they are called.
        let overlay = self.shared.overlay.lock();
        overlay.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for MutationOverlay<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for MutationOverlay<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutationOverlay")
            .field("overlay", &self.lock())
            .field("mirror", &self.shared.mirror)
            .finish()
    }
}

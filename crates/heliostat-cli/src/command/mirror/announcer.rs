//! `Announcer`: listens to a mirror, counts what changes, and hands it to the printer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use heliostat::object::RawView;
use heliostat::{Entry, EventHandler, HandlerOptions, Indexer, Notification};

use crate::command::fleet::Mirror;
use crate::output::printer::Outlet;
use crate::output::{Kind, Message, Reading, Stored};

/// How many notifications may wait for the printer before they are folded together.
const WAITING_MAX: usize = 10_000;

/// How much has changed since the first state was complete.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) added: AtomicU64,
    pub(super) updated: AtomicU64,
    pub(super) deleted: AtomicU64,
}

/// See the module.
pub(super) struct Announcer {
    name: Arc<str>,
    kind: Arc<Kind>,
    store: Indexer<Stored>,
    outlet: Outlet,
    /// How often the format reads an object that changes.
    reading: Reading,
    tally: Arc<Tally>,
    /// Says nothing of the first state.
    watch_only: bool,
    complete: bool,
}

impl Announcer {
    pub(super) fn new(
        mirror: &Mirror,
        outlet: &Outlet,
        reading: Reading,
        tally: &Arc<Tally>,
        watch_only: bool,
    ) -> (Self, HandlerOptions) {
        let announcer = Self {
            name: Arc::clone(&mirror.name),
            kind: Arc::clone(&mirror.kind),
            store: mirror.informer.indexer().clone(),
            outlet: outlet.clone(),
            reading,
            tally: Arc::clone(tally),
            watch_only,
            complete: false,
        };
        let options = HandlerOptions::new()
            .name("printer")
            .coalescing(WAITING_MAX);
        (announcer, options)
    }

    fn tell(&self, notification: Notification<Stored>) {
        if self.complete {
            self.tally.count(&notification);
        } else if self.watch_only {
            return;
        }
        if let Some(message) = Message::of(&self.kind, notification, self.reading) {
            self.outlet.put(message);
        }
    }
}

/// Returns true if a list brought the same state again, byte for byte. The library reports that as a
/// change where the history of the source is unknown: the same version may be another state there.
///
/// A resync is not meant: it delivers the very object that is in the store. The bytes are compared only
/// where the versions are equal, so ordinary changes cost nothing.
fn is_repeated(old: &Entry<Stored>, new: &Entry<Stored>) -> bool {
    if old.is_unchanged(new) || !old.header.is_same_state(&new.header) {
        return false;
    }
    let equal = old.object.inspect(|old| {
        let is_equal =
            |new: RawView<'_>| old.encoding() == new.encoding() && old.bytes() == new.bytes();
        new.object.inspect(is_equal)
    });
    // What cannot be unpacked is reported when it is printed.
    matches!(equal, Ok(Ok(true)))
}

impl EventHandler<Stored> for Announcer {
    async fn on_add(&mut self, entry: &Entry<Stored>, is_in_initial_list: bool) {
        self.tell(Notification::Added {
            entry: entry.clone(),
            is_in_initial_list,
        });
    }

    async fn on_update(&mut self, old: &Entry<Stored>, new: &Entry<Stored>) {
        if is_repeated(old, new) {
            return;
        }
        self.tell(Notification::Updated {
            old: old.clone(),
            new: new.clone(),
        });
    }

    async fn on_delete(&mut self, last: &Entry<Stored>, tombstone: bool) {
        self.tell(Notification::Deleted {
            last: last.clone(),
            tombstone,
        });
    }

    async fn on_synced(&mut self) {
        self.complete = true;
        self.outlet.put(Message::Synced {
            kind: Arc::clone(&self.kind),
            source: Arc::clone(&self.name),
            version: self.store.resource_version(),
        });
    }
}

impl Tally {
    fn count(&self, notification: &Notification<Stored>) {
        let counter = match notification {
            Notification::Added { .. } => &self.added,
            Notification::Updated { .. } if notification.is_sync() => return,
            Notification::Updated { .. } => &self.updated,
            Notification::Deleted { .. } => &self.deleted,
            Notification::Synced => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

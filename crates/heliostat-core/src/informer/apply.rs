//! Applies changes of the source to a store and returns the notifications for handlers.
//!
//! The store is always changed first: a handler that is notified of a change finds it, or a newer one, in
//! the store.

use std::sync::Arc;

use super::coalesced::is_other_life;
use super::fanout::Outcome;
use crate::notification::Notification;
use crate::object::{Entry, ObjectKey};
use crate::queue::ordered_fifo::{Popped, ReplacedAll, Work};
use crate::queue::{Deletion, Delta};
use crate::store::Staging;
use crate::store::difference::Difference;
use crate::store::indexer::IndexedObjects;
use crate::store::snapshot::Snapshot;
use crate::version::ResourceVersion;

/// A store that changes are applied to.
pub trait Target<T> {
    /// Adds or replaces an object and returns its previous state.
    fn upsert(&mut self, entry: Entry<T>) -> Option<Entry<T>>;

    /// Removes an object and returns its last state.
    fn remove(&mut self, key: &ObjectKey) -> Option<Entry<T>>;

    /// Replaces all objects by the staged ones in one step, and returns the previous state.
    fn replace(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Snapshot<T>;

    /// Moves the version of the store.
    fn move_version(&mut self, version: &ResourceVersion);

    /// Returns the current state.
    fn snapshot(&self) -> Snapshot<T>;
}

/// Applies an element of a queue to a store. `reports_unchanged` includes objects that a list found
/// unchanged.
pub fn apply<T>(
    target: &mut impl Target<T>,
    popped: Popped<T>,
    reports_unchanged: bool,
) -> Outcome<T> {
    let is_in_initial_list = popped.is_in_initial_list;
    let outcome = match popped.work {
        Work::Changes(deltas) => Outcome::Changes(
            deltas
                .into_iter()
                .filter_map(|delta| apply_delta(target, delta, is_in_initial_list))
                .collect(),
        ),
        Work::ReplacedAll(ReplacedAll { staging, version }) => {
            let before = target.replace(staging, &version);
            let after = target.snapshot();
            if before.is_empty() && is_in_initial_list {
                Outcome::Initial(after)
            } else {
                Outcome::Changes(differences(
                    &before,
                    &after,
                    is_in_initial_list,
                    reports_unchanged,
                ))
            }
        }
        Work::SyncAll => Outcome::Resync(target.snapshot()),
        Work::Bookmark(version) => {
            target.move_version(&version);
            Outcome::Changes(Vec::new())
        }
    };
    if let Some(version) = popped.reached {
        target.move_version(&version);
    }
    outcome
}

/// Applies one change. The deletion of an object that the store does not have is not reported.
fn apply_delta<T>(
    target: &mut impl Target<T>,
    delta: Delta<T>,
    is_in_initial_list: bool,
) -> Option<Notification<T>> {
    match delta {
        Delta::Added(entry)
        | Delta::Updated(entry)
        | Delta::Replaced(entry)
        | Delta::Sync(entry) => Some(match target.upsert(entry.clone()) {
            Some(old) => Notification::Updated { old, new: entry },
            None => Notification::Added {
                entry,
                is_in_initial_list,
            },
        }),
        Delta::Deleted(deletion) => {
            let known = target.remove(deletion.key())?;
            let tombstone = deletion.is_tombstone();
            let last = match deletion {
                Deletion::Observed(last) => last,
                Deletion::Tombstone { last, .. } => last.unwrap_or_else(|| known.clone()),
            };
            Some(if is_other_life(&known, &last) {
                // The deletion is of a later object of this name; that of the known one was not observed.
                Notification::Deleted {
                    last: known,
                    tombstone: true,
                }
            } else {
                Notification::Deleted { last, tombstone }
            })
        }
    }
}

/// How two states of a store differ: first what went, then what is there, each in the order of the
/// keys.
#[must_use]
pub fn differences<T>(
    before: &Snapshot<T>,
    after: &Snapshot<T>,
    is_in_initial_list: bool,
    reports_unchanged: bool,
) -> Vec<Notification<T>> {
    let mut gone = Vec::new();
    let mut here = Vec::new();
    let mut sort = |difference: Difference<'_, T>| match difference {
        Difference::Removed(last) => gone.push(Notification::Deleted {
            last: (**last).clone(),
            tombstone: true,
        }),
        Difference::Added(entry) => here.push(Notification::Added {
            entry: (**entry).clone(),
            is_in_initial_list,
        }),
        Difference::Changed { old, new } => here.push(updated(old, new)),
        Difference::Unchanged(entry) => here.push(updated(entry, entry)),
    };
    if reports_unchanged {
        before.compare(after).for_each(&mut sort);
    } else {
        before.differences(after).for_each(&mut sort);
    }
    gone.append(&mut here);
    gone
}

fn updated<T>(old: &Entry<T>, new: &Entry<T>) -> Notification<T> {
    Notification::Updated {
        old: old.clone(),
        new: new.clone(),
    }
}

impl<T> Target<T> for IndexedObjects<T> {
    fn upsert(&mut self, entry: Entry<T>) -> Option<Entry<T>> {
        let change = self.prepare_upsert(entry);
        self.apply(change).map(Arc::unwrap_or_clone)
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Entry<T>> {
        let change = self.prepare_delete(key);
        self.apply(change).map(Arc::unwrap_or_clone)
    }

    fn replace(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Snapshot<T> {
        let replacement = self.prepare_replace(staging, version);
        self.swap(replacement)
    }

    fn move_version(&mut self, version: &ResourceVersion) {
        self.set_resource_version(version);
    }

    fn snapshot(&self) -> Snapshot<T> {
        Self::snapshot(self)
    }
}

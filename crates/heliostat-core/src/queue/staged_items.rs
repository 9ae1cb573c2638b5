//! `StagedItems`: a list while it is being collected, for a queue that takes it apart.

use std::collections::BTreeSet;

use super::delta::{Deletion, Delta};
use super::known::KnownObjects;
use crate::object::{Entry, ObjectKey};
use crate::store::StoreError;

/// The objects of a list, in its order; one that comes twice is there twice.
pub(super) struct StagedItems<T> {
    pub(super) entries: Vec<Entry<T>>,
    /// They exist, and cannot be understood: neither told nor told as gone.
    kept: BTreeSet<ObjectKey>,
}

impl<T> StagedItems<T> {
    pub(super) fn stage(&mut self, entry: Entry<T>) {
        self.entries.push(entry);
    }

    pub(super) fn unstage(&mut self, key: &ObjectKey) {
        self.entries.retain(|entry| entry.key() != key);
        self.kept.remove(key);
    }

    pub(super) fn keep(&mut self, key: &ObjectKey) {
        self.kept.insert(key.clone());
    }

    /// What the list says to be there.
    pub(super) fn keys(&self) -> BTreeSet<ObjectKey> {
        let staged = self.entries.iter().map(|entry| entry.key().clone());
        self.kept.iter().cloned().chain(staged).collect()
    }
}

impl<T> Default for StagedItems<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            kept: BTreeSet::new(),
        }
    }
}

/// The end of every known object that the list does not have and that is not queued.
pub(super) fn vanished<T>(
    known: &dyn KnownObjects<T>,
    is_elsewhere: impl Fn(&ObjectKey) -> bool,
) -> Result<Vec<Delta<T>>, StoreError> {
    let keys = known.known_keys()?;
    let gone = keys.into_iter().filter(|key| !is_elsewhere(key));
    Ok(gone
        .map(|key| {
            // A store that cannot say costs the last state, not the deletion.
            let last = known.known(&key).ok().flatten();
            tombstone(key, last)
        })
        .collect())
}

/// Every known object of which nothing is queued: what is queued is newer.
pub(super) fn syncs<T>(
    known: &dyn KnownObjects<T>,
    is_queued: impl Fn(&ObjectKey) -> bool,
) -> Result<Vec<Delta<T>>, StoreError> {
    let keys = known.known_keys()?;
    let untouched = keys.iter().filter(|key| !is_queued(key));
    Ok(untouched
        .filter_map(|key| known.known(key).ok().flatten())
        .map(Delta::Sync)
        .collect())
}

/// The end of an object that was not seen.
pub(super) const fn tombstone<T>(key: ObjectKey, last: Option<Entry<T>>) -> Delta<T> {
    Delta::Deleted(Deletion::Tombstone { key, last })
}

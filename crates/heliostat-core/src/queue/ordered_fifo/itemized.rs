//! A list taken apart into one change for each object.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Element, Item};
use crate::object::{Entry, ObjectKey};
use crate::queue::delta::{Deletion, Delta};
use crate::queue::known::KnownObjects;
use crate::store::StoreError;

/// The objects of a list, in its order; one that comes twice is told twice.
pub(super) struct StagedItems<T> {
    entries: Vec<Entry<T>>,
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

    /// First what is queued and no longer there, in the order in which it was queued, then what is
    /// known and no longer there, then what is there.
    pub(super) fn into_deltas(
        self,
        known: &dyn KnownObjects<T>,
        queued: &VecDeque<Element<T>>,
    ) -> Result<Vec<Delta<T>>, StoreError> {
        let mut there = self.kept;
        there.extend(self.entries.iter().map(|entry| entry.key().clone()));
        let (order, newest) = newest_queued(queued);
        let mut deltas: Vec<_> = order
            .iter()
            .filter(|key| !there.contains(**key))
            .filter_map(|key| newest.get(*key))
            .filter(|newest| !matches!(newest, Delta::Deleted(_)))
            .map(|newest| tombstone(newest.key().clone(), newest.entry().cloned()))
            .collect();
        for key in known.known_keys()? {
            if !there.contains(&key) && !newest.contains_key(&key) {
                let last = known.known(&key).ok().flatten();
                deltas.push(tombstone(key, last));
            }
        }
        deltas.extend(self.entries.into_iter().map(Delta::Replaced));
        Ok(deltas)
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

/// Every known object of which nothing is queued: what is queued is newer.
pub(super) fn syncs<T>(
    known: &dyn KnownObjects<T>,
    queued: &VecDeque<Element<T>>,
) -> Result<Vec<Delta<T>>, StoreError> {
    let (_, newest) = newest_queued(queued);
    let keys = known.known_keys()?;
    let untouched = keys.iter().filter(|key| !newest.contains_key(*key));
    Ok(untouched
        .filter_map(|key| known.known(key).ok().flatten())
        .map(Delta::Sync)
        .collect())
}

/// The keys of what is queued in the order of their first appearance, and the newest change of each.
fn newest_queued<T>(
    queued: &VecDeque<Element<T>>,
) -> (Vec<&ObjectKey>, BTreeMap<&ObjectKey, &Delta<T>>) {
    let mut order = Vec::new();
    let mut newest = BTreeMap::new();
    for element in queued {
        if let Item::Change(delta) = &element.item
            && newest.insert(delta.key(), delta).is_none()
        {
            order.push(delta.key());
        }
    }
    (order, newest)
}

const fn tombstone<T>(key: ObjectKey, last: Option<Entry<T>>) -> Delta<T> {
    Delta::Deleted(Deletion::Tombstone { key, last })
}

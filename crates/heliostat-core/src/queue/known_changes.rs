//! What a list or a resync means for the objects that a queue knows of.

use super::delta::{Deletion, Delta};
use super::known::KnownObjects;
use crate::object::{Entry, ObjectKey};
use crate::store::{History, StoreError};

/// The end of every known object that the list does not have and that is not queued.
pub(super) fn vanished<T>(
    known: &dyn KnownObjects<T>,
    is_elsewhere: impl Fn(&ObjectKey) -> bool,
) -> Result<Vec<Delta<T>>, StoreError> {
    let keys = known.known_keys()?;
    let gone = keys.into_iter().filter(|key| !is_elsewhere(key));
    Ok(gone
        .map(|key| {
            // If the store cannot be read, the last state is missing, not the deletion.
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

/// Returns the listed object, or the one that is queued or known if it is unchanged: its memory is then
/// shared, and its notification is a sync.
pub(super) fn unless_unchanged<T>(
    listed: Entry<T>,
    history: History,
    newest: Option<&Delta<T>>,
    known: Option<&dyn KnownObjects<T>>,
) -> Entry<T> {
    if history == History::Unknown {
        return listed;
    }
    let found = match newest {
        Some(Delta::Deleted(_)) => None,
        Some(newest) => newest.entry().cloned(),
        None => known.and_then(|known| known.known(listed.key()).ok().flatten()),
    };
    let unchanged = found.filter(|found| found.header.is_same_state(&listed.header));
    unchanged.unwrap_or(listed)
}

//! `Listed`: staged objects in the order in which the list has them.

use std::collections::BTreeMap;
use std::fmt;

use crate::object::{Entry, ObjectKey};

/// The objects of a list; one that is listed twice is in it twice.
pub(super) struct Listed<T> {
    entries: Vec<Entry<T>>,
    /// Objects that were removed: their entries before this position do not count.
    removed: BTreeMap<ObjectKey, usize>,
}

impl<T> Listed<T> {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            removed: BTreeMap::new(),
        }
    }

    pub(super) fn stage(&mut self, entry: Entry<T>) {
        self.entries.push(entry);
    }

    pub(super) fn unstage(&mut self, key: &ObjectKey) {
        self.removed.insert(key.clone(), self.entries.len());
    }

    pub(super) fn into_entries(self) -> Vec<Entry<T>> {
        let Self {
            mut entries,
            removed,
        } = self;
        if !removed.is_empty() {
            let mut position = 0..;
            entries.retain(|entry| {
                let first = removed.get(entry.key()).copied().unwrap_or_default();
                position.next() >= Some(first)
            });
        }
        entries
    }
}

impl<T> fmt::Debug for Listed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("entries", &self.entries.len())
            .field("removed", &self.removed.len())
            .finish()
    }
}

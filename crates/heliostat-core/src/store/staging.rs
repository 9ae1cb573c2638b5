//! A replace while it is being collected: the set aside.
//!
//! It begins as a share of the present set and takes memory only for what differs from it, so that a
//! relist of a million unchanged objects collects a million keys and no second map. What the list
//! did not name is taken out at the end.

use std::fmt;
use std::sync::Arc;

use super::compact::{InOrder, compact_map};
use super::snapshot::{Objects, Snapshot};
use crate::object::{Entry, ObjectKey};

/// The set aside. Dropping it gives the replace up.
pub struct Staging<T> {
    /// The set that was present at the start; never changed.
    base: Objects<T>,
    /// The set to be: `base` with what was staged, still with what the list will not have named.
    next: Objects<T>,
    /// Every key that was staged or kept, in the order it came; lists come sorted, so sorting them
    /// at the end is cheap. Not needed, and left empty, if there was nothing at the start.
    named: Vec<ObjectKey>,
    /// Objects that came in the order of their keys, after all that `next` has; used only if there was
    /// nothing at the start. What does not come in order has `next` built anew at the end.
    in_order: InOrder<Entry<T>>,
    last: Option<ObjectKey>,
    is_in_order: bool,
    /// What is there and cannot be understood: it stays in the state that it has at the end, which
    /// may be another one than at the start.
    kept: Vec<ObjectKey>,
}

impl<T> Staging<T> {
    /// Begins on a state of the store that it will be put into.
    #[must_use]
    pub fn on(base: &Snapshot<T>) -> Self {
        Self::new(base.objects.clone())
    }

    pub(super) fn new(base: Objects<T>) -> Self {
        Self {
            next: base.clone(),
            base,
            named: Vec::new(),
            in_order: InOrder::new(),
            last: None,
            is_in_order: true,
            kept: Vec::new(),
        }
    }

    /// Adds an object; a later one of the same key wins. An object that is in the same state as at
    /// the start is kept as it was, and `entry` dropped.
    pub fn stage(&mut self, entry: Entry<T>) {
        if self.base.is_empty() && self.last.as_ref().is_none_or(|last| last < entry.key()) {
            self.last = Some(entry.key().clone());
            let next = &mut self.next;
            self.in_order.push(entry, |entry| insert(next, entry));
            return;
        }
        self.let_in();
        self.is_in_order = false;
        let unchanged = |old: &Entry<T>| old.header.is_same_state(&entry.header);
        let staged = self.next.get(entry.key());
        if let Some(staged) = staged.filter(|old| unchanged(old)) {
            let key = staged.key().clone();
            self.name(key);
            return;
        }
        let entry = match self.base.get(entry.key()) {
            Some(old) if unchanged(old) => Arc::clone(old),
            Some(old) => Arc::new(with_key_of(entry, old)),
            None => Arc::new(entry),
        };
        self.name(entry.key().clone());
        self.next.insert(entry.key().clone(), entry);
    }

    /// Takes an object out.
    pub fn unstage(&mut self, key: &ObjectKey) {
        self.let_in();
        self.next.remove(key);
        self.kept.retain(|kept| kept != key);
    }

    /// Carries the present state of the object over, if it has one; what was staged of it is newer and
    /// stays.
    pub fn keep(&mut self, key: &ObjectKey) {
        self.kept.push(key.clone());
    }

    /// The new set, in the place of the present one, which may have moved on since the start.
    pub(super) fn finish(mut self, present: &Objects<T>) -> Objects<T> {
        self.let_in();
        self.named.sort_unstable();
        self.named.dedup();
        if !self.base.is_empty() {
            self.drop_unnamed();
        }
        for key in &self.kept {
            if !self.next.contains_key(key)
                && let Some((key, entry)) = present.get_key_value(key)
            {
                self.next.insert(key.clone(), Arc::clone(entry));
            }
        }
        if self.base.is_empty() && !self.is_in_order {
            compact_map(self.next)
        } else {
            self.next
        }
    }

    /// From here on `next` has everything that was staged.
    fn let_in(&mut self) {
        let next = &mut self.next;
        self.in_order.flush(|entry| insert(next, entry));
    }

    /// Takes out what was there at the start and was not named since.
    fn drop_unnamed(&mut self) {
        let mut named = self.named.iter().peekable();
        let mut unnamed = Vec::new();
        for key in self.next.keys() {
            while named.next_if(|name| *name < key).is_some() {}
            if named.peek() != Some(&key) {
                unnamed.push(key.clone());
            }
        }
        for key in &unnamed {
            self.next.remove(key);
        }
    }

    fn name(&mut self, key: ObjectKey) {
        if !self.base.is_empty() {
            self.named.push(key);
        }
    }
}

impl<T> fmt::Debug for Staging<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging")
            .field("base", &self.base.len())
            .field("next", &self.next.len())
            .field("named", &self.named.len())
            .finish()
    }
}

fn insert<T>(objects: &mut Objects<T>, entry: Entry<T>) {
    objects.insert(entry.key().clone(), Arc::new(entry));
}

/// The new state of an object under the text of its key that is in memory already: map, header and
/// indexes then share it for the whole life of the object.
pub(super) fn with_key_of<T>(mut new: Entry<T>, old: &Entry<T>) -> Entry<T> {
    new.header.key = old.header.key.clone();
    new
}

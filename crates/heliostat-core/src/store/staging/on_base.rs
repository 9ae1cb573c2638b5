//! `OnBase`: a staging that begins as a share of the present content.
//!
//! It takes memory only for what differs from the base. What the list did not name is removed at the
//! end.

use std::fmt;
use std::sync::Arc;

use super::History;
use crate::object::{Entry, ObjectKey};
use crate::store::compact::{InOrder, compact_map};
use crate::store::objects::Objects;

/// The content to be, on the content at the start.
pub(super) struct OnBase<T> {
    /// The content at the start; never changed.
    base: Objects<T>,
    /// The content to be: `base` with the staged objects, still with those that the list does not name.
    next: Objects<T>,
    /// Every key that was staged, in the order of the list; lists are sorted, so sorting the keys at
    /// the end is cheap. Not needed, and left empty, if the base is empty.
    named: Vec<ObjectKey>,
    /// Objects in the order of their keys, after all that `next` has; used only if the base is empty.
    /// If the list is not in order, `next` is built anew at the end.
    in_order: InOrder<Entry<T>>,
    last: Option<ObjectKey>,
    is_in_order: bool,
}

impl<T> OnBase<T> {
    pub(super) fn new(base: Objects<T>) -> Self {
        Self {
            next: base.clone(),
            base,
            named: Vec::new(),
            in_order: InOrder::new(),
            last: None,
            is_in_order: true,
        }
    }

    /// Adds an object. If it is unchanged since the start, the object of the base stays and `entry` is
    /// dropped.
    pub(super) fn stage(&mut self, entry: Entry<T>, history: History) {
        if self.base.is_empty() && self.last.as_ref().is_none_or(|last| last < entry.key()) {
            self.last = Some(entry.key().clone());
            let next = &mut self.next;
            self.in_order.push(entry, |entry| insert(next, entry));
            return;
        }
        self.let_in();
        self.is_in_order = false;
        let unchanged =
            |old: &Entry<T>| history == History::Same && old.header.is_same_state(&entry.header);
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

    pub(super) fn unstage(&mut self, key: &ObjectKey) {
        self.let_in();
        self.next.remove(key);
    }

    /// Returns true if this content is the base.
    pub(super) fn has_base(&self, content: &Objects<T>) -> bool {
        self.base.ptr_eq(content)
    }

    /// Returns the staged objects.
    pub(super) fn finish(mut self) -> Objects<T> {
        self.let_in();
        self.named.sort_unstable();
        self.named.dedup();
        if !self.base.is_empty() {
            self.drop_unnamed();
        }
        if self.base.is_empty() && !self.is_in_order {
            compact_map(self.next)
        } else {
            self.next
        }
    }

    /// Moves everything that was staged into `next`.
    fn let_in(&mut self) {
        let next = &mut self.next;
        self.in_order.flush(|entry| insert(next, entry));
    }

    /// Removes the objects of the base that were not staged.
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

impl<T> fmt::Debug for OnBase<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnBase")
            .field("base", &self.base.len())
            .field("next", &self.next.len())
            .field("named", &self.named.len())
            .finish()
    }
}

fn insert<T>(objects: &mut Objects<T>, entry: Entry<T>) {
    objects.insert(entry.key().clone(), Arc::new(entry));
}

/// Returns the new state with the text of its key that is in memory already: map, header and indexes
/// share that text for the whole life of the object.
pub(in crate::store) fn with_key_of<T>(mut new: Entry<T>, old: &Entry<T>) -> Entry<T> {
    new.header.key = old.header.key.clone();
    new
}

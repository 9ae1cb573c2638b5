//! How two states of a store differ: the one comparison behind indexes, notifications and taps.

use std::cmp::Ordering;
use std::sync::Arc;

use super::objects::Objects;
use crate::object::Entry;

/// One object in two states of a store.
#[derive(Debug)]
pub enum Difference<'a, T> {
    /// Only the later state has it.
    Added(&'a Arc<Entry<T>>),
    /// Both states have it, and not the same.
    Changed {
        /// In the earlier state.
        old: &'a Arc<Entry<T>>,
        /// In the later state.
        new: &'a Arc<Entry<T>>,
    },
    /// Only the earlier state has it.
    Removed(&'a Arc<Entry<T>>),
    /// Both states have the same.
    Unchanged(&'a Arc<Entry<T>>),
}

impl<'a, T> Difference<'a, T> {
    fn of(old: &'a Arc<Entry<T>>, new: &'a Arc<Entry<T>>) -> Self {
        if Arc::ptr_eq(old, new) || old.is_unchanged(new) {
            Self::Unchanged(new)
        } else {
            Self::Changed { old, new }
        }
    }
}

/// Compares every object of two states, in the order of the keys.
pub(super) fn compare<'a, T>(
    before: &'a Objects<T>,
    after: &'a Objects<T>,
) -> impl Iterator<Item = Difference<'a, T>> {
    let mut before = before.values().peekable();
    let mut after = after.values().peekable();
    std::iter::from_fn(move || {
        let order = match (before.peek(), after.peek()) {
            (Some(old), Some(new)) => old.key().cmp(new.key()),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => before.next().map(Difference::Removed),
            Ordering::Greater => after.next().map(Difference::Added),
            Ordering::Equal => Some(Difference::of(before.next()?, after.next()?)),
        }
    })
}

/// Compares two states and leaves out what is unchanged; at once if nothing was changed between them.
pub(super) fn differences<'a, T>(
    before: &'a Objects<T>,
    after: &'a Objects<T>,
) -> impl Iterator<Item = Difference<'a, T>> {
    let differs = !before.ptr_eq(after);
    let all = differs.then(|| compare(before, after));
    all.into_iter()
        .flatten()
        .filter(|difference| !matches!(difference, Difference::Unchanged(_)))
}

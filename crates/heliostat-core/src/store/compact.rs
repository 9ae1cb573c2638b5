//! Building persistent maps and sets from sorted input without wasting half of their memory.
//!
//! Input that comes in order leaves every leaf of a B-tree half full: a full leaf is split in the
//! middle, and its left half is never met again. Here every second item goes in first, and the items
//! between follow as soon as the split that made room for them is past, so that leaves end up full.

use std::collections::VecDeque;

use imbl::{OrdMap, OrdSet};

/// How many items stay back before they go in. A leaf of `imbl` holds 16 and splits in the middle, so
/// a leaf is past its split once 17 more of the first kind came; any number from there on does.
const LAG: usize = 24;

/// Items that come in order, on their way into a map or set.
#[derive(Debug)]
pub(super) struct InOrder<A> {
    held_back: VecDeque<A>,
    /// The next one is held back.
    is_second: bool,
}

impl<A> InOrder<A> {
    pub(super) const fn new() -> Self {
        Self {
            held_back: VecDeque::new(),
            is_second: false,
        }
    }

    /// Takes the next item, which goes in at once or a few items later.
    pub(super) fn push(&mut self, item: A, mut insert: impl FnMut(A)) {
        if self.is_second {
            self.held_back.push_back(item);
            if self.held_back.len() > LAG
                && let Some(item) = self.held_back.pop_front()
            {
                insert(item);
            }
        } else {
            insert(item);
        }
        self.is_second = !self.is_second;
    }

    /// Lets in what is held back.
    pub(super) fn flush(&mut self, insert: impl FnMut(A)) {
        self.is_second = false;
        self.held_back.drain(..).for_each(insert);
    }
}

/// A map with full leaves, from entries in the order of their keys.
pub(super) fn compact_map<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> OrdMap<K, V>
where
    K: Clone + Ord,
    V: Clone,
{
    let mut map = OrdMap::new();
    insert_compactly(entries, |(key, value)| {
        map.insert(key, value);
    });
    map
}

/// A set with full leaves, from items in order.
pub(super) fn compact_set<A: Clone + Ord>(items: impl IntoIterator<Item = A>) -> OrdSet<A> {
    let mut set = OrdSet::new();
    insert_compactly(items, |item| {
        set.insert(item);
    });
    set
}

fn insert_compactly<A>(items: impl IntoIterator<Item = A>, mut insert: impl FnMut(A)) {
    let mut in_order = InOrder::new();
    for item in items {
        in_order.push(item, &mut insert);
    }
    in_order.flush(insert);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_map_holds_what_went_in() {
        for size in [0u32, 1, 2, 15, 16, 17, 47, 48, 49, 500] {
            let map = compact_map((0..size).map(|key| (key, key * 2)));
            assert_eq!(map.len(), size as usize);
            assert!(map.iter().map(|(key, _)| *key).eq(0..size));
            let set = compact_set(0..size);
            assert!(set.iter().copied().eq(0..size));
        }
    }
}

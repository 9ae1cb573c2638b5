//! `PriorityFifoState`: keyed items, the smallest first.
//!
//! Client-go calls this a heap. The order is that of a rank which a function reads off an item, once,
//! when the item comes: a rank that changed afterwards could not tear the queue apart, and a function
//! that panics leaves it as it was.

use std::collections::BTreeMap;
use std::fmt;

/// Keyed items in the order of their ranks, the smallest first; items of one rank in the order in
/// which their keys came. Every operation takes logarithmic time.
///
/// For an order that the type of the rank does not have, rank by a type that has it:
/// [`std::cmp::Reverse`] puts the largest first, a tuple breaks ties.
///
/// There is no limit but the number of keys: each waits once.
///
/// ```
/// use std::cmp::Reverse;
/// use heliostat_core::queue::PriorityFifoState;
///
/// let mut largest_first = PriorityFifoState::new(|size: &u64| Reverse(*size));
/// largest_first.upsert("a", 1)?;
/// largest_first.upsert("b", 2)?;
/// largest_first.upsert("a", 3)?;
/// assert_eq!(largest_first.pop(), Some(("a", 3)));
/// assert_eq!(largest_first.pop(), Some(("b", 2)));
/// assert_eq!(largest_first.pop(), None);
/// # Ok::<(), heliostat_core::queue::Closed>(())
/// ```
pub struct PriorityFifoState<K, T, R> {
    items: BTreeMap<K, Ranked<T, R>>,
    /// The keys in the order of their turns.
    turns: BTreeMap<(R, u64), K>,
    rank: Box<dyn Fn(&T) -> R + Send>,
    next_number: u64,
    is_closed: bool,
}

struct Ranked<T, R> {
    item: T,
    rank: R,
    /// Counts the keys as they come; an item that changes keeps its number.
    number: u64,
}

/// A queue is closed: it accepts nothing, and all of its items have been popped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the queue is closed")]
pub struct Closed;

impl<K: Clone + Ord, T, R: Clone + Ord> PriorityFifoState<K, T, R> {
    /// Creates an empty queue, ordered by the results of `rank`.
    pub fn new(rank: impl Fn(&T) -> R + Send + 'static) -> Self {
        Self {
            items: BTreeMap::new(),
            turns: BTreeMap::new(),
            rank: Box::new(rank),
            next_number: 0,
            is_closed: false,
        }
    }

    /// Adds an item or replaces the one of the same key, and returns that; its turn follows from its new
    /// rank.
    ///
    /// # Errors
    /// If the queue is closed.
    pub fn upsert(&mut self, key: K, item: T) -> Result<Option<T>, Closed> {
        if self.is_closed {
            return Err(Closed);
        }
        let rank = (self.rank)(&item);
        let old = self.take_out(&key);
        let number = match &old {
            Some(old) => old.number,
            None => {
                self.next_number += 1;
                self.next_number
            }
        };
        self.turns.insert((rank.clone(), number), key.clone());
        self.items.insert(key, Ranked { item, rank, number });
        Ok(old.map(|old| old.item))
    }

    /// Adds an item unless there is one of the same key, and returns true if it did.
    ///
    /// # Errors
    /// If the queue is closed.
    pub fn add_if_absent(&mut self, key: K, item: T) -> Result<bool, Closed> {
        if self.is_closed {
            return Err(Closed);
        }
        if self.items.contains_key(&key) {
            return Ok(false);
        }
        self.upsert(key, item).map(|_| true)
    }

    /// Puts several items in, each as [`upsert`](Self::upsert) does.
    ///
    /// # Errors
    /// If the queue is closed.
    pub fn bulk_add(&mut self, items: impl IntoIterator<Item = (K, T)>) -> Result<(), Closed> {
        if self.is_closed {
            return Err(Closed);
        }
        items
            .into_iter()
            .try_for_each(|(key, item)| self.upsert(key, item).map(drop))
    }

    /// Takes the item of this key out, wherever it is; none if there is none.
    pub fn delete(&mut self, key: &K) -> Option<T> {
        self.take_out(key).map(|ranked| ranked.item)
    }

    /// Takes the smallest item; none if there is none. A closed queue returns the rest.
    pub fn pop(&mut self) -> Option<(K, T)> {
        let (_, key) = self.turns.pop_first()?;
        let ranked = self.items.remove(&key)?;
        Some((key, ranked.item))
    }

    /// Lets nothing more in.
    pub const fn close(&mut self) {
        self.is_closed = true;
    }

    /// True once the queue was closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The smallest item, left where it is.
    #[must_use]
    pub fn peek(&self) -> Option<(&K, &T)> {
        let (_, key) = self.turns.first_key_value()?;
        self.items.get(key).map(|ranked| (key, &ranked.item))
    }

    /// The item of this key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&T> {
        self.items.get(key).map(|ranked| &ranked.item)
    }

    /// All items with their keys, in the order of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &T)> {
        self.items.iter().map(|(key, ranked)| (key, &ranked.item))
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
        self.items.keys()
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn take_out(&mut self, key: &K) -> Option<Ranked<T, R>> {
        let ranked = self.items.remove(key)?;
        self.turns.remove(&(ranked.rank.clone(), ranked.number));
        Some(ranked)
    }
}

impl<K, T, R> fmt::Debug for PriorityFifoState<K, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PriorityFifoState")
            .field("len", &self.items.len())
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Queue = PriorityFifoState<&'static str, i64, i64>;

    fn queue(items: &[(&'static str, i64)]) -> Queue {
        let mut queue = PriorityFifoState::new(|item: &i64| *item);
        for (key, item) in items {
            queue.upsert(*key, *item).unwrap();
        }
        queue
    }

    fn pop(queue: &mut Queue) -> Option<i64> {
        queue.pop().map(|(_, item)| item)
    }

    #[test]
    fn h_30_the_smallest_comes_first_in_whatever_order_they_came() {
        let mut queue = PriorityFifoState::new(|item: &i64| *item);
        for number in 0..500 {
            queue.upsert(format!("up{number}"), number).unwrap();
            queue.upsert(format!("down{number}"), 500 - number).unwrap();
        }
        let popped: Vec<i64> = std::iter::from_fn(|| queue.pop()).map(|it| it.1).collect();
        assert_eq!(popped.len(), 1000);
        assert!(popped.is_sorted());
    }

    #[test]
    fn h_30_adding_a_key_again_puts_it_where_it_belongs_now() {
        let mut queue = queue(&[
            ("foo", 10),
            ("bar", 1),
            ("baz", 11),
            ("zab", 30),
            ("foo", 13),
        ]);
        assert_eq!(pop(&mut queue), Some(1));
        assert_eq!(pop(&mut queue), Some(11));
        assert_eq!(queue.delete(&"baz"), None);
        assert_eq!(queue.upsert("foo", 14), Ok(Some(13)));
        assert_eq!(pop(&mut queue), Some(14));
        assert_eq!(pop(&mut queue), Some(30));
        assert_eq!(pop(&mut queue), None);
    }

    #[test]
    fn h_30_a_change_moves_an_item_both_ways() {
        let mut queue = queue(&[("foo", 10), ("bar", 1), ("bal", 31), ("baz", 11)]);
        queue.upsert("baz", 0).unwrap();
        assert_eq!(queue.peek(), Some((&"baz", &0)));
        assert_eq!(pop(&mut queue), Some(0));
        queue.upsert("bar", 100).unwrap();
        assert_eq!(queue.peek(), Some((&"foo", &10)));
    }

    #[test]
    fn h_30_items_added_in_bulk_come_out_in_order() {
        let mut queue = PriorityFifoState::new(|item: &i64| *item);
        queue.bulk_add((0..500).rev().map(|it| (it, it))).unwrap();
        let popped: Vec<i64> = std::iter::from_fn(|| queue.pop()).map(|it| it.1).collect();
        assert!(popped.into_iter().eq(0..500));
    }

    #[test]
    fn h_30_add_if_absent_keeps_the_old_item() {
        let mut queue = queue(&[("foo", 10), ("bar", 1), ("baz", 11), ("zab", 30)]);
        assert_eq!(queue.add_if_absent("foo", 13), Ok(false));
        assert_eq!(queue.len(), 4);
        assert_eq!(queue.get(&"foo"), Some(&10));
        assert_eq!(pop(&mut queue), Some(1));
        assert_eq!(pop(&mut queue), Some(10));
        assert_eq!(queue.add_if_absent("bar", 14), Ok(true));
        assert_eq!(pop(&mut queue), Some(11));
        assert_eq!(pop(&mut queue), Some(14));
    }

    #[test]
    fn h_30_an_item_is_deleted_by_its_key_wherever_it_is() {
        let mut queue = queue(&[("foo", 10), ("bar", 1), ("bal", 31), ("baz", 11)]);
        assert_eq!(queue.delete(&"bar"), Some(1));
        assert_eq!(pop(&mut queue), Some(10));
        queue.upsert("zab", 30).unwrap();
        queue.upsert("faz", 30).unwrap();
        let before = queue.len();
        assert_eq!(queue.delete(&"nobody"), None);
        assert_eq!(queue.len(), before);
        queue.delete(&"bal");
        queue.delete(&"zab");
        assert_eq!(pop(&mut queue), Some(11));
        assert_eq!(pop(&mut queue), Some(30));
        assert!(queue.is_empty());
        assert!(queue.turns.is_empty());
    }

    #[test]
    fn h_30_get_list_and_keys_leave_everything_in_place() {
        let items = [
            ("bal", 31),
            ("bar", 1),
            ("baz", 11),
            ("faz", 30),
            ("foo", 30),
        ];
        let queue = queue(&items);
        assert_eq!(queue.get(&"baz"), Some(&11));
        assert_eq!(queue.get(&"nobody"), None);
        assert!(queue.iter().map(|(key, item)| (*key, *item)).eq(items));
        assert!(queue.keys().copied().eq(items.map(|it| it.0)));
        assert_eq!(queue.len(), 5);
        let empty = Queue::new(|item| *item);
        assert_eq!((empty.iter().len(), empty.keys().len()), (0, 0));
    }

    #[test]
    fn h_31_a_closed_queue_takes_nothing_and_gives_out_what_is_left() {
        let mut queue = queue(&[("a", 2), ("b", 1)]);
        assert!(!queue.is_closed());
        queue.close();
        assert!(queue.is_closed());
        assert_eq!(queue.upsert("c", 3), Err(Closed));
        assert_eq!(queue.add_if_absent("c", 3), Err(Closed));
        assert_eq!(queue.add_if_absent("a", 3), Err(Closed));
        assert_eq!(queue.bulk_add([("c", 3)]), Err(Closed));
        assert_eq!(queue.bulk_add([]), Err(Closed));
        assert_eq!(pop(&mut queue), Some(1));
        assert_eq!(pop(&mut queue), Some(2));
        assert_eq!(pop(&mut queue), None);
        assert_eq!(Closed.to_string(), "the queue is closed");
    }

    #[test]
    fn a_rank_function_that_panics_changes_nothing() {
        let mut queue = PriorityFifoState::new(|item: &i64| {
            assert!(*item >= 0, "no rank");
            *item
        });
        queue.upsert("a", 1).unwrap();
        let upsert = std::panic::AssertUnwindSafe(|| queue.upsert("a", -1));
        assert!(std::panic::catch_unwind(upsert).is_err());
        assert_eq!(queue.pop(), Some(("a", 1)));
        assert_eq!(queue.pop(), None);
    }

    #[derive(Clone, Debug)]
    enum Call {
        Upsert(u8, i64),
        AddIfAbsent(u8, i64),
        Delete(u8),
        Pop,
    }

    fn call() -> impl Strategy<Value = Call> {
        let key = 0..8u8;
        // Few ranks, so that many are equal.
        let item = 0..4i64;
        prop_oneof![
            4 => (key.clone(), item.clone()).prop_map(|(key, item)| Call::Upsert(key, item)),
            1 => (key.clone(), item).prop_map(|(key, item)| Call::AddIfAbsent(key, item)),
            1 => key.prop_map(Call::Delete),
            2 => Just(Call::Pop),
        ]
    }

    proptest! {
        /// A list in the order of arrival, searched for its first smallest item.
        #[test]
        fn the_queue_does_what_a_naive_one_does(calls in prop::collection::vec(call(), 0..80)) {
            let mut queue = PriorityFifoState::new(|item: &i64| *item);
            let mut model: Vec<(u8, i64)> = Vec::new();
            for call in calls {
                match call {
                    Call::Upsert(key, item) => {
                        let old = queue.upsert(key, item).unwrap();
                        match model.iter_mut().find(|it| it.0 == key) {
                            Some(known) => {
                                prop_assert_eq!(old, Some(known.1));
                                known.1 = item;
                            }
                            None => model.push((key, item)),
                        }
                    }
                    Call::AddIfAbsent(key, item) => {
                        let absent = model.iter().all(|it| it.0 != key);
                        prop_assert_eq!(queue.add_if_absent(key, item), Ok(absent));
                        if absent {
                            model.push((key, item));
                        }
                    }
                    Call::Delete(key) => {
                        let place = model.iter().position(|it| it.0 == key);
                        let old = place.map(|place| model.remove(place).1);
                        prop_assert_eq!(queue.delete(&key), old);
                    }
                    Call::Pop => {
                        let smallest = model.iter().map(|it| it.1).min();
                        let place = model.iter().position(|it| Some(it.1) == smallest);
                        prop_assert_eq!(queue.pop(), place.map(|place| model.remove(place)));
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.turns.len(), model.len());
            }
        }
    }
}

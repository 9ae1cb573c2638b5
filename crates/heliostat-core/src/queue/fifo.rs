//! `FifoState`: the newest state of each object that has changed, in the order in which they first did.
//!
//! For consumers that need the latest state, not the history: however often an object changes before its turn,
//! it is returned once, in its latest state. A deleted object is not returned at all; consumers that need
//! deletions use a queue of deltas.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::object::{Entry, ObjectKey};
use crate::store::{History, Staging, Store, StoreError};
use crate::version::ResourceVersion;

/// The number of empty places in the line, beyond the number of waiting objects, at which they are removed.
/// Small beside any mirror, large enough that a sweep is rare.
const HOLES_MAX: usize = 1024;

/// The newest state of each object, in the order of their first change.
///
/// A reflector or another owner writes to it as a [`Store`]. [`pop`](Self::pop) returns the next object;
/// [`processed`](Self::processed) reports that it has been processed.
///
/// There is no limit but the number of objects: each waits once.
///
/// ```
/// use heliostat_core::object::{Entry, Header, ObjectKey};
/// use heliostat_core::queue::FifoState;
/// use heliostat_core::store::Store;
///
/// let state = |name: &str, object: &'static str| {
///     let header = Header {
///         key: ObjectKey::cluster(name),
///         resource_version: "1".into(),
///         uid: "u".into(),
///     };
///     Entry::new(header, object)
/// };
/// let mut queue = FifoState::<&str>::new();
/// queue.add(state("a", "old"))?;
/// queue.add(state("b", "other"))?;
/// queue.update(state("a", "new"))?;
///
/// let popped = queue.pop().unwrap();
/// assert_eq!(*popped.entry.object, "new");
/// queue.processed();
/// # Ok::<(), heliostat_core::store::StoreError>(())
/// ```
pub struct FifoState<T> {
    waiting: BTreeMap<ObjectKey, Entry<T>>,
    /// The keys in the order of their turns. A waiting key has its turn at its first place; every
    /// other place of it, and every place of a key that does not wait, is a hole.
    line: VecDeque<ObjectKey>,
    population: Population,
    is_closed: bool,
}

/// What [`FifoState::pop`] returned.
#[derive(Debug)]
pub struct Popped<T> {
    /// The object.
    pub entry: Entry<T>,
    /// True if the queue was not synced yet: the object belongs to the first list.
    pub is_in_initial_list: bool,
}

impl<T> FifoState<T> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            line: VecDeque::new(),
            population: Population::Unset,
            is_closed: false,
        }
    }

    /// Puts an object at the end of the line, unless one of its key waits, and returns true if it did. Use it
    /// to put back an object that could not be processed: a newer state that came meanwhile wins.
    pub fn add_if_absent(&mut self, entry: Entry<T>) -> bool {
        self.population.fed();
        let is_absent = !self.waiting.contains_key(entry.key());
        if is_absent {
            self.put(entry);
        }
        is_absent
    }

    /// Returns the next object; none if none waits. A closed queue returns the rest.
    pub fn pop(&mut self) -> Option<Popped<T>> {
        while let Some(key) = self.line.pop_front() {
            let Some(entry) = self.waiting.remove(&key) else {
                self.population.forgot(&key);
                continue;
            };
            return Some(Popped {
                is_in_initial_list: self.population.popped(&key),
                entry,
            });
        }
        None
    }

    /// Reports that a popped object has been processed. Call it once for each [`pop`](Self::pop) that returned
    /// one: the queue is synced when the last object of the first list has been processed.
    pub fn processed(&mut self) {
        self.population.processed();
    }

    /// Closes the queue, which ends all waits for it. Objects that are added afterwards are still returned.
    pub const fn close(&mut self) {
        self.is_closed = true;
    }

    /// True once the queue was closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// True once all objects of the first list have been dealt with, or went before their turn; from
    /// the start if the first that came was a single object. It stays true.
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        matches!(self.population, Population::Delivered)
    }

    /// The state of this object that waits.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<&Entry<T>> {
        self.waiting.get(key)
    }

    /// All objects that wait, in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry<T>> {
        self.waiting.values()
    }

    /// The keys of all objects that wait, in their order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &ObjectKey> {
        self.waiting.keys()
    }

    /// How many objects wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn put(&mut self, entry: Entry<T>) {
        let key = entry.key().clone();
        if self.line_up(entry) {
            self.population.came(&key);
        }
    }

    /// Adds a state; true if no state of the object was waiting.
    fn line_up(&mut self, entry: Entry<T>) -> bool {
        let key = entry.key().clone();
        let is_new = self.waiting.insert(key.clone(), entry).is_none();
        if is_new {
            self.line.push_back(key);
        }
        is_new
    }

    /// Removes empty places from the line when they are many, so that adding and deleting without a consumer
    /// does not grow it.
    fn sweep(&mut self) {
        if self.line.len() <= 2 * self.waiting.len() + HOLES_MAX {
            return;
        }
        let mut placed = BTreeSet::new();
        let waiting = &self.waiting;
        self.line
            .retain(|key| waiting.contains_key(key) && placed.insert(key.clone()));
    }
}

impl<T: Send + Sync> Store<T> for FifoState<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.population.fed();
        self.put(entry);
        Ok(())
    }

    /// The object is not given out any more. Its place in the line stays, and serves it again if it
    /// comes back before that place is reached, or before there are so many empty places that they
    /// are swept out.
    fn delete(&mut self, key: &ObjectKey, _last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.population.fed();
        if self.waiting.remove(key).is_some() {
            self.population.went(key);
            self.sweep();
        }
        Ok(())
    }

    /// The listed objects wait in the order of the list, also those that were popped before in the same
    /// state.
    fn commit(
        &mut self,
        staging: Staging<T>,
        _version: &ResourceVersion,
    ) -> Result<(), StoreError> {
        let history = staging.history();
        let (entries, kept) = staging.into_parts();
        let mut before = std::mem::take(&mut self.waiting);
        self.line.clear();
        for new in entries {
            let unchanged = before
                .get(new.key())
                .filter(|old| history == History::Same && old.header.is_same_state(&new.header));
            self.line_up(unchanged.cloned().unwrap_or(new));
        }
        for key in kept {
            if !self.waiting.contains_key(&key)
                && let Some(entry) = before.remove(&key)
            {
                self.line_up(entry);
            }
        }
        self.population.replaced(self.waiting.keys());
        Ok(())
    }

    /// Nothing to do: whatever the queue knows waits in the line already.
    fn resync(&mut self) -> Result<(), StoreError> {
        debug_assert!(
            {
                let placed: BTreeSet<_> = self.line.iter().collect();
                self.waiting.keys().all(|key| placed.contains(key))
            },
            "a waiting object without a place in the line"
        );
        Ok(())
    }
}

impl<T> Default for FifoState<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for FifoState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FifoState")
            .field("waiting", &self.waiting.len())
            .field("line", &self.line.len())
            .field("population", &self.population)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

/// How far the first list has been dealt with.
#[derive(Debug)]
enum Population {
    /// Nothing has come yet.
    Unset,
    /// The first list is being dealt with.
    Initial {
        /// Its keys whose turn has not come, also those that went before it.
        ahead: BTreeSet<ObjectKey>,
        /// How many of them wait.
        waiting: usize,
        /// How many objects were popped and not yet dealt with.
        in_work: usize,
    },
    /// It has been dealt with.
    Delivered,
}

impl Population {
    /// A single change came: if it is the first that comes, there is no list to wait for.
    fn fed(&mut self) {
        if matches!(self, Self::Unset) {
            *self = Self::Delivered;
        }
    }

    /// A list came. One that comes before the first was dealt with takes its place.
    fn replaced<'a>(&mut self, keys: impl ExactSizeIterator<Item = &'a ObjectKey>) {
        let in_work = match self {
            Self::Unset => 0,
            Self::Initial { in_work, .. } => *in_work,
            Self::Delivered => return,
        };
        *self = Self::Initial {
            waiting: keys.len(),
            ahead: keys.cloned().collect(),
            in_work,
        };
        self.settle();
    }

    /// An object came into the line.
    fn came(&mut self, key: &ObjectKey) {
        if let Self::Initial { ahead, waiting, .. } = self
            && ahead.contains(key)
        {
            *waiting += 1;
        }
    }

    /// An object went before its turn.
    fn went(&mut self, key: &ObjectKey) {
        if let Self::Initial { ahead, waiting, .. } = self
            && ahead.contains(key)
        {
            *waiting -= 1;
        }
        self.settle();
    }

    /// A hole was reached.
    fn forgot(&mut self, key: &ObjectKey) {
        if let Self::Initial { ahead, .. } = self {
            ahead.remove(key);
        }
    }

    /// An object was popped; returns true if it belongs to the first list.
    fn popped(&mut self, key: &ObjectKey) -> bool {
        let Self::Initial {
            ahead,
            waiting,
            in_work,
        } = self
        else {
            return false;
        };
        if ahead.remove(key) {
            *waiting -= 1;
        }
        *in_work += 1;
        true
    }

    fn processed(&mut self) {
        if let Self::Initial { in_work, .. } = self {
            *in_work = in_work.saturating_sub(1);
        }
        self.settle();
    }

    fn settle(&mut self) {
        if let Self::Initial {
            waiting: 0,
            in_work: 0,
            ..
        } = self
        {
            *self = Self::Delivered;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::Header;

    fn entry(name: &str, number: u64) -> Entry<u64> {
        let header = Header {
            key: ObjectKey::cluster(name),
            resource_version: number.into(),
            uid: "u".into(),
        };
        Entry::new(header, number)
    }

    fn replace(queue: &mut FifoState<u64>, entries: &[(&str, u64)]) {
        let mut staging = queue.begin_replace();
        for (name, number) in entries {
            staging.stage(entry(name, *number));
        }
        queue.commit(staging, &1.into()).unwrap();
    }

    fn add(queue: &mut FifoState<u64>, entries: &[(&str, u64)]) {
        for (name, number) in entries {
            queue.add(entry(name, *number)).unwrap();
        }
    }

    fn delete(queue: &mut FifoState<u64>, name: &str) {
        queue.delete(&ObjectKey::cluster(name), None).unwrap();
    }

    fn pop(queue: &mut FifoState<u64>) -> Option<u64> {
        let popped = queue.pop();
        queue.processed();
        popped.map(|popped| *popped.entry.object)
    }

    fn drain(queue: &mut FifoState<u64>) -> Vec<u64> {
        std::iter::from_fn(|| pop(queue)).collect()
    }

    #[test]
    fn q_01_of_each_key_only_the_newest_is_given_out_once() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("foo", 10)]);
        queue.update(entry("foo", 15)).unwrap();
        let list: Vec<u64> = queue.iter().map(|entry| *entry.object).collect();
        assert_eq!(list, [15]);
        assert_eq!(
            queue.keys().collect::<Vec<_>>(),
            [&ObjectKey::cluster("foo")]
        );
        assert_eq!(drain(&mut queue), [15]);
        assert!(queue.get(&ObjectKey::cluster("foo")).is_none());
    }

    #[test]
    fn q_01_a_change_keeps_the_place_in_line() {
        let mut queue = FifoState::new();
        let states = [
            ("foo", 10),
            ("bar", 1),
            ("foo", 11),
            ("foo", 13),
            ("zab", 30),
        ];
        add(&mut queue, &states);
        assert_eq!(pop(&mut queue), Some(13));
        add(&mut queue, &[("foo", 14)]);
        assert_eq!(drain(&mut queue), [1, 30, 14]);
    }

    /// What every store must do, asked of the queue.
    #[test]
    fn q_01_q_03_the_queue_reads_as_a_store() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("foo", 1)]);
        assert_eq!(*queue.get(&ObjectKey::cluster("foo")).unwrap().object, 1);
        queue.update(entry("foo", 2)).unwrap();
        assert_eq!(*queue.get(&ObjectKey::cluster("foo")).unwrap().object, 2);
        delete(&mut queue, "foo");
        assert!(queue.get(&ObjectKey::cluster("foo")).is_none());
        add(&mut queue, &[("a", 1), ("b", 2), ("c", 3)]);
        assert_eq!(queue.len(), 3);
        replace(&mut queue, &[("foo", 7), ("bar", 8)]);
        assert_eq!(queue.iter().map(|entry| *entry.object).sum::<u64>(), 15);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn q_02_a_deleted_object_is_skipped_and_an_unknown_one_is_no_error() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("a", 1), ("b", 2)]);
        delete(&mut queue, "a");
        delete(&mut queue, "nobody");
        assert_eq!(queue.len(), 1);
        assert_eq!(drain(&mut queue), [2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn q_02_an_object_that_comes_back_is_given_out_once_at_its_first_place() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("a", 1), ("b", 2)]);
        delete(&mut queue, "a");
        add(&mut queue, &[("c", 3), ("a", 4)]);
        assert_eq!(drain(&mut queue), [4, 2, 3]);
    }

    #[test]
    fn q_02_coming_and_going_without_a_consumer_takes_no_memory() {
        let mut queue = FifoState::new();
        replace(&mut queue, &[("first", 1), ("second", 2)]);
        for number in 0..10_000 {
            let name = format!("n{number}");
            add(&mut queue, &[(&name, number)]);
            delete(&mut queue, &name);
            delete(&mut queue, "first");
            add(&mut queue, &[("first", 10)]);
        }
        assert!(queue.line.len() <= 2 * queue.len() + HOLES_MAX);
        let mut left = drain(&mut queue);
        left.sort_unstable();
        assert_eq!(left, [2, 10]);
        assert!(queue.line.is_empty());
        assert!(queue.is_synced());
    }

    #[test]
    fn q_03_a_replace_takes_the_place_of_what_waits() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("foo", 10), ("gone", 11)]);
        replace(&mut queue, &[("foo", 15)]);
        assert_eq!(drain(&mut queue), [15]);
    }

    #[test]
    fn q_03_a_replace_is_seen_whole_or_not_at_all() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("a", 1), ("b", 2), ("c", 3)]);
        let mut staging = queue.begin_replace();
        staging.stage(entry("x", 9));
        assert_eq!(queue.len(), 3);
        drop(staging);
        assert_eq!(queue.len(), 3);

        let kept = queue.get(&ObjectKey::cluster("b")).unwrap().clone();
        let mut staging = queue.begin_replace();
        staging.stage(entry("x", 9));
        staging.stage(entry("y", 8));
        staging.stage(entry("b", 2));
        staging.keep(&ObjectKey::cluster("b"));
        staging.keep(&ObjectKey::cluster("a"));
        staging.keep(&ObjectKey::cluster("nobody"));
        staging.unstage(&ObjectKey::cluster("x"));
        staging.unstage(&ObjectKey::cluster("y"));
        staging.stage(entry("y", 7));
        queue.commit(staging, &1.into()).unwrap();
        let now = queue.get(&ObjectKey::cluster("b")).unwrap();
        assert!(
            std::sync::Arc::ptr_eq(&kept.object, &now.object),
            "not kept but replaced"
        );
        assert_eq!(drain(&mut queue), [2, 7, 1]);
    }

    #[test]
    fn q_03_in_an_unknown_history_the_listed_object_wins() {
        for (history, expected) in [(History::Same, 10), (History::Unknown, 11)] {
            let mut queue = FifoState::new();
            add(&mut queue, &[("foo", 10)]);
            let mut staging = queue.begin_replace().in_history(history);
            staging.stage(Entry::new(entry("foo", 10).header, 11));
            queue.commit(staging, &1.into()).unwrap();
            assert_eq!(drain(&mut queue), [expected]);
        }
    }

    #[test]
    fn q_04_an_object_is_of_the_initial_list_until_the_queue_is_synced() {
        let mut queue = FifoState::new();
        replace(&mut queue, &[("a", 1), ("b", 2)]);
        add(&mut queue, &[("c", 3)]);
        assert!(queue.pop().unwrap().is_in_initial_list);
        queue.processed();
        assert!(!queue.is_synced());
        assert!(queue.pop().unwrap().is_in_initial_list);
        assert!(
            !queue.is_synced(),
            "synced before the last object was dealt with"
        );
        queue.processed();
        assert!(queue.is_synced());
        assert!(!queue.pop().unwrap().is_in_initial_list);
    }

    #[test]
    fn q_04_the_queue_is_synced_when_the_last_consumer_is_done() {
        let mut queue = FifoState::new();
        replace(&mut queue, &[("a", 1), ("b", 2)]);
        assert!(queue.pop().is_some());
        assert!(queue.pop().is_some());
        queue.processed();
        assert!(!queue.is_synced(), "one object is still being dealt with");
        queue.processed();
        assert!(queue.is_synced());
    }

    #[test]
    fn q_04_an_object_that_went_before_its_turn_is_not_waited_for() {
        let mut queue = FifoState::new();
        replace(&mut queue, &[("a", 1), ("b", 2)]);
        assert_eq!(pop(&mut queue), Some(1));
        delete(&mut queue, "b");
        assert!(queue.is_synced());

        let mut queue = FifoState::new();
        replace(&mut queue, &[("a", 1), ("b", 2)]);
        delete(&mut queue, "a");
        add(&mut queue, &[("a", 3)]);
        delete(&mut queue, "b");
        assert!(
            !queue.is_synced(),
            "an object of the first list came back and waits"
        );
        assert_eq!(pop(&mut queue), Some(3));
        assert!(queue.is_synced());
        assert_eq!(pop(&mut queue), None);
    }

    #[test]
    fn q_04_a_second_list_takes_the_place_of_a_first_that_was_not_dealt_with() {
        let mut queue = FifoState::new();
        replace(&mut queue, &[("a", 1), ("b", 2), ("c", 3)]);
        assert_eq!(pop(&mut queue), Some(1));
        replace(&mut queue, &[("d", 4)]);
        assert!(!queue.is_synced());
        assert_eq!(pop(&mut queue), Some(4));
        assert!(queue.is_synced());
    }

    #[test]
    fn q_05_synced_follows_the_first_that_comes() {
        let queue = FifoState::<u64>::new();
        assert!(!queue.is_synced());

        let mut queue = FifoState::new();
        add(&mut queue, &[("a", 1)]);
        assert!(queue.is_synced());

        let mut queue = FifoState::<u64>::new();
        delete(&mut queue, "a");
        assert!(queue.is_synced());

        let mut queue = FifoState::new();
        replace(&mut queue, &[]);
        assert!(queue.is_synced());

        let mut queue = FifoState::new();
        replace(&mut queue, &[("a", 1), ("b", 2)]);
        assert!(!queue.is_synced());
        pop(&mut queue);
        assert!(!queue.is_synced());
        pop(&mut queue);
        assert!(queue.is_synced());
        replace(&mut queue, &[("c", 3)]);
        assert!(queue.is_synced(), "synced is for good");
    }

    #[test]
    fn q_05_resync_queues_nothing_twice() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("a", 1), ("b", 2)]);
        queue.resync().unwrap();
        assert_eq!(drain(&mut queue), [1, 2]);
    }

    #[test]
    fn q_05_a_closed_queue_still_takes_and_gives() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("a", 1)]);
        assert!(!queue.is_closed());
        queue.close();
        assert!(queue.is_closed());
        add(&mut queue, &[("b", 2)]);
        assert_eq!(drain(&mut queue), [1, 2]);
    }

    /// The reference had an `AddIfNotPresent` until 0.32.
    #[test]
    fn an_object_that_is_put_back_yields_to_a_newer_state() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("b", 3), ("c", 4)]);
        assert_eq!(drain(&mut queue), [3, 4]);
        add(&mut queue, &[("a", 1), ("b", 2)]);
        assert!(!queue.add_if_absent(entry("b", 3)));
        assert!(queue.add_if_absent(entry("c", 4)));
        assert_eq!(drain(&mut queue), [1, 2, 4]);
    }

    /// Until 0.32 the reference put an object back on request of the consumer.
    #[test]
    fn an_object_that_is_put_back_is_given_out_again() {
        let mut queue = FifoState::new();
        add(&mut queue, &[("foo", 10)]);
        let popped = queue.pop().unwrap();
        assert!(queue.add_if_absent(popped.entry));
        queue.processed();
        assert!(queue.get(&ObjectKey::cluster("foo")).is_some());
        assert_eq!(drain(&mut queue), [10]);
        assert!(queue.get(&ObjectKey::cluster("foo")).is_none());
    }

    #[derive(Clone, Debug)]
    enum Call {
        Add(u8),
        Delete(u8),
        Replace(Vec<u8>),
        Pop,
    }

    fn call() -> impl Strategy<Value = Call> {
        let name = 0..5u8;
        prop_oneof![
            4 => name.clone().prop_map(Call::Add),
            2 => name.clone().prop_map(Call::Delete),
            1 => prop::collection::vec(name, 0..6).prop_map(Call::Replace),
            3 => Just(Call::Pop),
        ]
    }

    /// What waits, as a list of places that is searched from end to end.
    #[derive(Default)]
    struct Model {
        line: Vec<u8>,
        waiting: BTreeMap<u8, u64>,
    }

    impl Model {
        fn add(&mut self, name: u8, number: u64) {
            if self.waiting.insert(name, number).is_none() {
                self.line.push(name);
            }
        }

        fn pop(&mut self) -> Option<u64> {
            while !self.line.is_empty() {
                let name = self.line.remove(0);
                if let Some(number) = self.waiting.remove(&name) {
                    return Some(number);
                }
            }
            None
        }
    }

    proptest! {
        #[test]
        fn the_queue_does_what_a_naive_one_does(calls in prop::collection::vec(call(), 0..60)) {
            let mut queue = FifoState::new();
            let mut model = Model::default();
            let mut was_synced = false;
            for (step, call) in calls.into_iter().enumerate() {
                let number = step as u64 + 1;
                let name = |name: u8| format!("n{name}");
                match call {
                    Call::Add(key) => {
                        add(&mut queue, &[(&name(key), number)]);
                        model.add(key, number);
                    }
                    Call::Delete(key) => {
                        delete(&mut queue, &name(key));
                        model.waiting.remove(&key);
                    }
                    Call::Replace(keys) => {
                        let names: Vec<String> = keys.iter().map(|key| name(*key)).collect();
                        let list: Vec<_> = names.iter().map(|name| (name.as_str(), number)).collect();
                        replace(&mut queue, &list);
                        model = Model::default();
                        for key in keys {
                            model.add(key, number);
                        }
                    }
                    Call::Pop => prop_assert_eq!(pop(&mut queue), model.pop()),
                }
                prop_assert_eq!(queue.len(), model.waiting.len());
                prop_assert!(queue.is_synced() || !was_synced);
                was_synced = queue.is_synced();
            }
            let rest: Vec<u64> = std::iter::from_fn(|| model.pop()).collect();
            prop_assert_eq!(drain(&mut queue), rest);
        }
    }
}

//! `Delays`: the keys that wait for their time.

use std::collections::BTreeMap;

use super::Priority;
use crate::time::Time;

/// Keys with the times that they wait for; each once. The two maps hold the same keys.
#[derive(Debug)]
pub(super) struct Delays<K> {
    delayed: BTreeMap<K, Delayed>,
    /// Those of one time in the order in which they were given it.
    times: BTreeMap<(Time, u64), K>,
    next_number: u64,
}

#[derive(Debug)]
struct Delayed {
    at: Time,
    number: u64,
    priority: Priority,
}

impl<K: Clone + Ord> Delays<K> {
    pub(super) const fn new() -> Self {
        Self {
            delayed: BTreeMap::new(),
            times: BTreeMap::new(),
            next_number: 0,
        }
    }

    /// Lets a key wait for a time. The earliest of its times counts, and the highest of its
    /// priorities.
    pub(super) fn put(&mut self, key: K, priority: Priority, at: Time) {
        let mut priority = priority;
        if let Some(known) = self.delayed.get_mut(&key) {
            known.priority = known.priority.max(priority);
            if known.at <= at {
                return;
            }
            priority = known.priority;
            self.times.remove(&(known.at, known.number));
        }
        let number = self.next_number;
        self.next_number += 1;
        self.times.insert((at, number), key.clone());
        let delayed = Delayed {
            at,
            number,
            priority,
        };
        self.delayed.insert(key, delayed);
    }

    /// Takes the key out whose time came first, if it has come.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(K, Priority)> {
        let next = self.times.first_entry()?;
        if next.key().0 > now {
            return None;
        }
        let key = next.remove();
        let delayed = self.delayed.remove(&key)?;
        Some((key, delayed.priority))
    }

    pub(super) fn clear(&mut self) {
        self.delayed.clear();
        self.times.clear();
    }

    /// The first time that a key waits for.
    pub(super) fn earliest(&self) -> Option<Time> {
        self.times.first_key_value().map(|((at, _), _)| *at)
    }
}

impl<K> Delays<K> {
    pub(super) fn len(&self) -> usize {
        self.delayed.len()
    }
}

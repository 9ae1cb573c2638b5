//! `Delays`: the keys that wait for their time.

use std::collections::BTreeMap;

use super::Priority;
use crate::time::Time;

/// The origin of a delay. A key can wait for one of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// The caller asked for the key at a later time. Only that time ends the wait.
    Request,
    /// Work on the key ended in a retry or with a time to look again. The next work ends the wait.
    Outcome,
    /// The caller waits for the key to be quiet. Asking again restarts the wait; the next work ends it.
    Debounce,
}

/// Keys with the times that they wait for. The two maps hold the same delays.
#[derive(Debug)]
pub(super) struct Delays<K> {
    keys: BTreeMap<K, OfKey>,
    /// Delays with the same time are in the order in which they were put.
    times: BTreeMap<(Time, u64), (K, Cause)>,
    next_number: u64,
}

/// The delays of one key; never none.
#[derive(Debug, Default)]
struct OfKey {
    request: Option<Delay>,
    outcome: Option<Delay>,
    debounce: Option<Delay>,
}

#[derive(Clone, Copy, Debug)]
struct Delay {
    at: Time,
    number: u64,
    priority: Priority,
}

impl OfKey {
    const fn of(&mut self, cause: Cause) -> &mut Option<Delay> {
        match cause {
            Cause::Request => &mut self.request,
            Cause::Outcome => &mut self.outcome,
            Cause::Debounce => &mut self.debounce,
        }
    }

    const fn is_empty(&self) -> bool {
        self.request.is_none() && self.outcome.is_none() && self.debounce.is_none()
    }
}

impl<K: Clone + Ord> Delays<K> {
    pub(super) const fn new() -> Self {
        Self {
            keys: BTreeMap::new(),
            times: BTreeMap::new(),
            next_number: 0,
        }
    }

    /// Delays a key by request. If it is delayed by request more than once, the earliest time and the
    /// highest priority win.
    pub(super) fn request(&mut self, key: K, priority: Priority, at: Time) {
        let mut priority = priority;
        if let Some(known) = self.keys.get_mut(&key).and_then(|it| it.request.as_mut()) {
            known.priority = known.priority.max(priority);
            if known.at <= at {
                return;
            }
            priority = known.priority;
        }
        self.put(key, Cause::Request, priority, at);
    }

    /// Delays a key as the outcome of its work, in place of what an earlier outcome asked for.
    pub(super) fn put_outcome(&mut self, key: K, priority: Priority, at: Time) {
        self.put(key, Cause::Outcome, priority, at);
    }

    /// Delays a key until it has been quiet: what is left of such a wait is replaced.
    pub(super) fn debounce(&mut self, key: K, priority: Priority, at: Time) {
        let known = self.keys.get(&key).and_then(|it| it.debounce);
        let priority = known.map_or(priority, |known| known.priority.max(priority));
        self.put(key, Cause::Debounce, priority, at);
    }

    /// Ends a wait; returns its priority.
    pub(super) fn end(&mut self, key: &K, cause: Cause) -> Option<Priority> {
        let of_key = self.keys.get_mut(key)?;
        let delay = of_key.of(cause).take()?;
        if of_key.is_empty() {
            self.keys.remove(key);
        }
        self.times.remove(&(delay.at, delay.number));
        Some(delay.priority)
    }

    /// Takes out the key whose time is first, if that has come.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(K, Priority)> {
        let next = self.times.first_entry()?;
        if next.key().0 > now {
            return None;
        }
        let (key, cause) = next.remove();
        let of_key = self.keys.get_mut(&key)?;
        let delay = of_key.of(cause).take()?;
        if of_key.is_empty() {
            self.keys.remove(&key);
        }
        Some((key, delay.priority))
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.times.clear();
    }

    /// The time that a key waits for as the outcome of its work.
    pub(super) fn outcome(&self, key: &K) -> Option<Time> {
        Some(self.keys.get(key)?.outcome?.at)
    }

    /// The first time that a key waits for.
    pub(super) fn earliest(&self) -> Option<Time> {
        self.times.first_key_value().map(|((at, _), _)| *at)
    }

    fn put(&mut self, key: K, cause: Cause, priority: Priority, at: Time) {
        let number = self.next_number;
        self.next_number += 1;
        let delay = Delay {
            at,
            number,
            priority,
        };
        self.times.insert((at, number), (key.clone(), cause));
        let before = self.keys.entry(key).or_default().of(cause).replace(delay);
        if let Some(before) = before {
            self.times.remove(&(before.at, before.number));
        }
    }
}

impl<K> Delays<K> {
    /// Number of keys that wait.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

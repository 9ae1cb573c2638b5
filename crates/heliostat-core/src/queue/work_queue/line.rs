//! `Line`: the keys that can be worked now, and whose turn it is.
//!
//! [`WorkQueueState`](super::WorkQueueState) documents the rule of turns.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Priority;
use crate::time::Time;

/// How many turns in a row may pass over the key that has been in line for longest. One in eight is little
/// enough that urgent keys hardly notice, and much enough that a backlog of the others goes away.
pub(super) const PASSED_OVER_MAX: u32 = 7;

/// Keys in line. The three maps hold the same keys.
#[derive(Debug)]
pub(super) struct Line<K> {
    places: BTreeMap<K, Place>,
    turns: BTreeMap<(Reverse<Priority>, u64), K>,
    /// In the order in which they came into the line.
    arrivals: BTreeMap<u64, K>,
    next_number: u64,
    /// How many turns in a row went to a more urgent key than the one at the head of the arrivals.
    passed_over: u32,
}

#[derive(Debug)]
struct Place {
    priority: Priority,
    asked: Time,
    /// Counts the keys as they come into the line.
    number: u64,
}

impl<K: Clone + Ord> Line<K> {
    pub(super) const fn new() -> Self {
        Self {
            places: BTreeMap::new(),
            turns: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            next_number: 0,
            passed_over: 0,
        }
    }

    /// Puts a key at the end of its priority's part of the line; one that is there is raised if
    /// `priority` is higher, and keeps its number among those of the higher one. Tells whether it is
    /// new.
    pub(super) fn put(&mut self, key: K, priority: Priority, asked: Time) -> bool {
        if let Some(place) = self.places.get_mut(&key) {
            if place.priority < priority {
                self.turns.remove(&(Reverse(place.priority), place.number));
                place.priority = priority;
                self.turns.insert((Reverse(priority), place.number), key);
            }
            return false;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.turns.insert((Reverse(priority), number), key.clone());
        self.arrivals.insert(number, key.clone());
        let place = Place {
            priority,
            asked,
            number,
        };
        self.places.insert(key, place);
        true
    }

    /// Takes the key out whose turn it is, with its priority and when it was asked for.
    pub(super) fn take(&mut self) -> Option<(K, Priority, Time)> {
        let turn = if self.passed_over < PASSED_OVER_MAX {
            self.turns.first_key_value()?.1
        } else {
            self.arrivals.first_key_value()?.1
        };
        let (key, place) = self.places.remove_entry(turn)?;
        let (oldest, _) = self.arrivals.first_key_value()?;
        self.passed_over = if *oldest == place.number {
            0
        } else {
            self.passed_over + 1
        };
        self.turns.remove(&(Reverse(place.priority), place.number));
        self.arrivals.remove(&place.number);
        Some((key, place.priority, place.asked))
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.places.contains_key(key)
    }

    /// When the key was asked for that has been in line for longest.
    pub(super) fn oldest(&self) -> Option<Time> {
        let (_, key) = self.arrivals.first_key_value()?;
        self.places.get(key).map(|place| place.asked)
    }
}

impl<K> Line<K> {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

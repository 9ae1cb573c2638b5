//! `Coalesced`: the waiting notifications of a handler, folded into one slot for each object.
//!
//! A slot has the last state that the handler knows of the object, and the current one. Changes replace only
//! the second, so a slot takes the same memory after one change and after a million. The slot of a deleted
//! object that the handler does not know is removed.

use std::collections::BTreeMap;
use std::collections::btree_map;

use crate::notification::Notification;
use crate::object::{Entry, ObjectKey};
use crate::time::Time;

/// One slot for each object with a waiting notification, in the order of their first change.
pub(super) struct Coalesced<T> {
    slots: BTreeMap<ObjectKey, Slot<T>>,
    /// The order of delivery; each slot is in here once.
    order: BTreeMap<u64, Turn>,
    next_turn: u64,
    folded: u64,
}

/// An element of the order.
enum Turn {
    Object(ObjectKey),
    Synced(Time),
}

struct Slot<T> {
    turn: u64,
    since: Time,
    /// The last state that was delivered to the handler; none if it does not know the object.
    believed: Option<Entry<T>>,
    truth: Truth<T>,
}

enum Truth<T> {
    Here {
        entry: Entry<T>,
        is_in_initial_list: bool,
    },
    Gone {
        last: Entry<T>,
        tombstone: bool,
    },
}

impl<T> Coalesced<T> {
    pub(super) fn push(&mut self, since: Time, notification: Notification<T>) {
        let (believed, truth) = match notification {
            Notification::Added {
                entry,
                is_in_initial_list,
            } => (
                None,
                Truth::Here {
                    entry,
                    is_in_initial_list,
                },
            ),
            Notification::Updated { old, new } => (
                Some(old),
                Truth::Here {
                    entry: new,
                    is_in_initial_list: false,
                },
            ),
            Notification::Deleted { last, tombstone } => {
                (Some(last.clone()), Truth::Gone { last, tombstone })
            }
            Notification::Synced => {
                let turn = self.turn();
                self.order.insert(turn, Turn::Synced(since));
                return;
            }
        };
        let key = truth.key().clone();
        match self.slots.entry(key) {
            btree_map::Entry::Occupied(mut slot) => {
                self.folded += 1;
                slot.get_mut().learn(truth);
                if slot.get().is_void() {
                    let slot = slot.remove();
                    self.order.remove(&slot.turn);
                    self.folded += 1;
                }
            }
            btree_map::Entry::Vacant(vacant) => {
                let turn = self.next_turn;
                self.next_turn += 1;
                self.order.insert(turn, Turn::Object(vacant.key().clone()));
                vacant.insert(Slot {
                    turn,
                    since,
                    believed,
                    truth,
                });
            }
        }
    }

    /// Returns the next notification, and since when it has been waiting.
    pub(super) fn pop(&mut self) -> Option<(Time, Notification<T>)> {
        let (_, turn) = self.order.pop_first()?;
        let key = match turn {
            Turn::Synced(since) => return Some((since, Notification::Synced)),
            Turn::Object(key) => key,
        };
        let slot = self.slots.remove(&key);
        debug_assert!(slot.is_some(), "every turn has its slot");
        slot.map(|slot| (slot.since, slot.into_notification()))
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) const fn folded(&self) -> u64 {
        self.folded
    }

    pub(super) fn waiting_since(&self) -> Option<Time> {
        let (_, turn) = self.order.first_key_value()?;
        match turn {
            Turn::Synced(since) => Some(*since),
            Turn::Object(key) => self.slots.get(key).map(|slot| slot.since),
        }
    }

    const fn turn(&mut self) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        turn
    }
}

impl<T> Slot<T> {
    /// Takes a newer state. An object of the initial list that changes before it is delivered is delivered in
    /// its new state, and still belongs to that list.
    fn learn(&mut self, newer: Truth<T>) {
        let was_initial = matches!(
            self.truth,
            Truth::Here {
                is_in_initial_list: true,
                ..
            }
        );
        self.truth = match newer {
            Truth::Here {
                entry,
                is_in_initial_list,
            } => Truth::Here {
                entry,
                is_in_initial_list: is_in_initial_list || was_initial,
            },
            gone @ Truth::Gone { .. } => gone,
        };
    }

    /// True if the handler knows nothing of the object and never needs to.
    const fn is_void(&self) -> bool {
        self.believed.is_none() && matches!(self.truth, Truth::Gone { .. })
    }

    fn into_notification(self) -> Notification<T> {
        match (self.believed, self.truth) {
            // An object that was created and deleted meanwhile was not delivered, and its deletion is not.
            (Some(believed), Truth::Gone { last, .. }) if is_other_life(&believed, &last) => {
                Notification::Deleted {
                    last: believed,
                    tombstone: true,
                }
            }
            (_, Truth::Gone { last, tombstone }) => Notification::Deleted { last, tombstone },
            (Some(old), Truth::Here { entry: new, .. }) => Notification::Updated { old, new },
            (
                None,
                Truth::Here {
                    entry,
                    is_in_initial_list,
                },
            ) => Notification::Added {
                entry,
                is_in_initial_list,
            },
        }
    }
}

/// True if the two are objects of one name, of which the one went before the other came.
pub(super) fn is_other_life<T>(one: &Entry<T>, other: &Entry<T>) -> bool {
    !one.header.uid.is_unset() && one.header.uid != other.header.uid
}

impl<T> Truth<T> {
    const fn key(&self) -> &ObjectKey {
        match self {
            Self::Here { entry, .. } | Self::Gone { last: entry, .. } => entry.key(),
        }
    }
}

impl<T> Default for Coalesced<T> {
    fn default() -> Self {
        Self {
            slots: BTreeMap::new(),
            order: BTreeMap::new(),
            next_turn: 0,
            folded: 0,
        }
    }
}

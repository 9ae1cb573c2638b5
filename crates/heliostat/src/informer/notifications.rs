//! `Notifications`: those that wait for a listener, one after the other, where they lie.

use std::fmt;

use heliostat_core::informer::{Portion, Told};
use heliostat_core::object::ObjectKey;

use super::slot::Slot;

/// How many notifications a listener that never waits is told in a row before others of its thread
/// get their turn.
pub(super) const TOLD_IN_A_ROW: usize = 256;

/// Some of the notifications that wait for a listener, in their order. What they tell of is looked at
/// in memory that all listeners share, so one that does not concern the listener costs next to nothing.
///
/// One counts as handled when the next is asked for, or when this is dropped; what was never asked for
/// is told again.
pub struct Notifications<'a, T> {
    portion: &'a mut Portion<T>,
    slot: &'a Slot<T>,
    /// How many may be given, and how many of them have not been.
    limit: usize,
    left: usize,
    in_hand: InHand,
}

/// What has been given last.
#[derive(Clone, Copy, PartialEq)]
enum InHand {
    Nothing,
    Change,
    Synced,
}

impl<'a, T> Notifications<'a, T> {
    /// At most `limit` of what is left in the portion.
    pub(super) const fn new(portion: &'a mut Portion<T>, slot: &'a Slot<T>, limit: usize) -> Self {
        Self {
            portion,
            slot,
            limit,
            left: limit,
            in_hand: InHand::Nothing,
        }
    }

    /// The next notification; none when these have all been told, or the listener is to be told nothing
    /// more.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it gives is borrowed from here"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Told<'_, T>> {
        self.settle();
        if self.left == 0 || self.slot.is_over() {
            return None;
        }
        let told = self.portion.next()?;
        self.left -= 1;
        self.in_hand = match told {
            Told::Synced => InHand::Synced,
            Told::Added { .. } | Told::Updated { .. } | Told::Deleted { .. } => InHand::Change,
        };
        Some(told)
    }

    /// How many have been given.
    pub(super) const fn given(&self) -> usize {
        self.limit - self.left
    }

    /// The object of what was given last; none if nothing was, or it was of no object.
    pub(super) fn last_key(&self) -> Option<&ObjectKey> {
        match self.in_hand {
            InHand::Change => self.portion.last_key(),
            InHand::Nothing | InHand::Synced => None,
        }
    }

    /// What was given last has been handled.
    #[inline]
    fn settle(&mut self) {
        let in_hand = std::mem::replace(&mut self.in_hand, InHand::Nothing);
        if in_hand == InHand::Nothing {
            return;
        }
        self.slot.handled();
        if in_hand == InHand::Synced {
            self.slot.reach_synced();
        }
    }
}

impl<T> Drop for Notifications<'_, T> {
    fn drop(&mut self) {
        self.settle();
    }
}

impl<T> fmt::Debug for Notifications<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("portion", &self.portion)
            .field("given", &self.given())
            .finish_non_exhaustive()
    }
}

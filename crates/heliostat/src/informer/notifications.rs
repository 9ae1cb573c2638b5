//! `NotificationBatch`: the notifications that wait for a listener, borrowed one after the other.

use std::fmt;

use heliostat_core::informer::{BufferedBatch, NotificationRef};
use heliostat_core::object::ObjectKey;

use super::slot::Slot;

/// Number of notifications that a listener which never waits handles in a row before other tasks of its
/// thread run.
pub(super) const TOLD_IN_A_ROW: usize = 256;

/// A run of the notifications that wait for a listener, in order. Each is borrowed from memory that all
/// listeners share, so one that the listener ignores costs next to nothing.
///
/// A notification counts as handled when the next is requested, or when the batch is dropped.
/// Notifications that are not read are delivered again.
pub struct NotificationBatch<'a, T> {
    batch: &'a mut BufferedBatch<T>,
    slot: &'a Slot<T>,
    /// How many may be returned, and how many of them have not been.
    limit: usize,
    left: usize,
    in_hand: InHand,
}

/// The notification that was returned last.
#[derive(Clone, Copy, PartialEq)]
enum InHand {
    Nothing,
    Change,
    Synced,
}

impl<'a, T> NotificationBatch<'a, T> {
    /// At most `limit` of what is left in the batch.
    pub(super) const fn new(
        batch: &'a mut BufferedBatch<T>,
        slot: &'a Slot<T>,
        limit: usize,
    ) -> Self {
        Self {
            batch,
            slot,
            limit,
            left: limit,
            in_hand: InHand::Nothing,
        }
    }

    /// Returns the next notification; none when all have been returned, or the listener has ended.
    #[expect(
        clippy::should_implement_trait,
        reason = "the notification is borrowed from here"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<NotificationRef<'_, T>> {
        self.settle();
        if self.left == 0 || self.slot.is_over() {
            return None;
        }
        let next = self.batch.next()?;
        self.left -= 1;
        self.in_hand = match next {
            NotificationRef::Synced => InHand::Synced,
            NotificationRef::Added { .. }
            | NotificationRef::Updated { .. }
            | NotificationRef::Deleted { .. } => InHand::Change,
        };
        Some(next)
    }

    /// Number of notifications that have been returned.
    pub(super) const fn given(&self) -> usize {
        self.limit - self.left
    }

    /// The object of the last notification; none if there was none, or it has no object.
    pub(super) fn last_key(&self) -> Option<&ObjectKey> {
        match self.in_hand {
            InHand::Change => self.batch.last_key(),
            InHand::Nothing | InHand::Synced => None,
        }
    }

    /// Counts the last notification as handled.
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

impl<T> Drop for NotificationBatch<'_, T> {
    fn drop(&mut self) {
        self.settle();
    }
}

impl<T> fmt::Debug for NotificationBatch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationBatch")
            .field("batch", &self.batch)
            .field("given", &self.given())
            .finish_non_exhaustive()
    }
}

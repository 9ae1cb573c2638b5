//! `BufferedBatch`: a run of notifications taken from the buffer of one handler.

use std::fmt;
use std::sync::Arc;

use crate::notification::{Notification, NotificationRef};
use crate::object::{Entry, ObjectKey};
use crate::store::snapshot::Snapshot;
use crate::time::Time;

/// A run of notifications for one handler, in order. Their objects are shared with the mirror and with
/// all other handlers until they are delivered.
pub struct BufferedBatch<T> {
    since: Time,
    content: Content<T>,
    /// True to report a recreated object as deleted and added, not as updated.
    splits_recreations: bool,
    /// The deletion of a recreated object has been delivered, its addition has not.
    half_told: bool,
    /// The batch is delivered unchanged.
    is_plain: bool,
}

/// Where the notifications are stored.
pub(super) enum Content<T> {
    /// In a batch.
    Changes(ChangesCursor<T>),
    /// In a state of the mirror, of which every object is delivered.
    State(StateCursor<T>),
}

/// A walk through a batch, which other handlers may share.
pub(super) struct ChangesCursor<T> {
    batch: Arc<[Notification<T>]>,
    next: usize,
    /// False to leave out notifications of unchanged objects.
    with_syncs: bool,
}

/// A walk through a state, a few objects at a time, so that objects that wait for a handler take no memory
/// of their own.
pub(super) struct StateCursor<T> {
    snapshot: Snapshot<T>,
    telling: Telling,
    left: usize,
    chunk: Vec<Entry<T>>,
    next: usize,
}

/// How the objects of a state are delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Telling {
    /// As additions: the current state, for a handler that is added.
    Initial,
    /// As unchanged: a resync.
    Sync,
}

/// Number of objects read from the snapshot per step: finding the place in the tree costs about as
/// much as walking over some ten objects.
const STATE_CHUNK: usize = 256;

impl<T> BufferedBatch<T> {
    pub(super) const fn new(since: Time, content: Content<T>, splits_recreations: bool) -> Self {
        let is_plain = match &content {
            Content::Changes(cursor) => cursor.with_syncs && !splits_recreations,
            Content::State(_) => false,
        };
        Self {
            since,
            content,
            splits_recreations,
            half_told: false,
            is_plain,
        }
    }

    /// Returns the next notification; none when all have been delivered.
    #[expect(
        clippy::should_implement_trait,
        reason = "the notification is borrowed from the batch"
    )]
    // Called often by many handlers: only the common case is inlined.
    #[inline]
    pub fn next(&mut self) -> Option<NotificationRef<'_, T>> {
        if !self.is_plain {
            return self.next_with_care();
        }
        match &mut self.content {
            Content::Changes(cursor) => cursor.advance_plainly().map(Notification::as_ref),
            Content::State(_) => None,
        }
    }

    #[inline(never)]
    fn next_with_care(&mut self) -> Option<NotificationRef<'_, T>> {
        match &mut self.content {
            Content::State(cursor) => cursor.next(),
            Content::Changes(cursor) => {
                let splits = self.splits_recreations && cursor.peek()?.is_recreation();
                if splits && !self.half_told {
                    self.half_told = true;
                    return cursor.peek().map(Notification::as_ref).map(gone);
                }
                self.half_told = false;
                let told = cursor.advance().map(Notification::as_ref);
                if splits { told.map(come) } else { told }
            }
        }
    }

    /// Returns true if [`next`](Self::next) returns a notification.
    #[inline]
    pub fn has_next(&mut self) -> bool {
        match &mut self.content {
            Content::State(cursor) => cursor.left > 0,
            Content::Changes(cursor) => cursor.peek().is_some(),
        }
    }

    /// Returns the key of the object of the last notification.
    #[must_use]
    pub fn last_key(&self) -> Option<&ObjectKey> {
        match &self.content {
            Content::State(cursor) => {
                let given = cursor.next.checked_sub(1)?;
                cursor.chunk.get(given).map(Entry::key)
            }
            Content::Changes(cursor) => {
                let given = match self.half_told {
                    true => cursor.next,
                    false => cursor.next.checked_sub(1)?,
                };
                cursor.batch.get(given)?.key()
            }
        }
    }

    /// At most how many notifications are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content.len()
    }

    /// True if nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Since when the first of them was waiting.
    #[must_use]
    pub const fn since(&self) -> Time {
        self.since
    }
}

impl<T> Content<T> {
    pub(super) const fn changes(batch: Arc<[Notification<T>]>, with_syncs: bool) -> Self {
        Self::Changes(ChangesCursor {
            batch,
            next: 0,
            with_syncs,
        })
    }

    pub(super) fn state(snapshot: Snapshot<T>, telling: Telling) -> Self {
        Self::State(StateCursor {
            left: snapshot.len(),
            snapshot,
            telling,
            chunk: Vec::new(),
            next: 0,
        })
    }

    pub(super) const fn is_state(&self) -> bool {
        matches!(self, Self::State(_))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Changes(cursor) => cursor.batch.len() - cursor.next,
            Self::State(cursor) => cursor.left,
        }
    }
}

impl<T> ChangesCursor<T> {
    fn peek(&mut self) -> Option<&Notification<T>> {
        if !self.with_syncs {
            while self.batch.get(self.next).is_some_and(Notification::is_sync) {
                self.next += 1;
            }
        }
        self.batch.get(self.next)
    }

    fn advance(&mut self) -> Option<&Notification<T>> {
        self.peek()?;
        self.advance_plainly()
    }

    /// Whatever is next, whether or not it is wanted.
    #[inline]
    fn advance_plainly(&mut self) -> Option<&Notification<T>> {
        let notification = self.batch.get(self.next)?;
        self.next += 1;
        Some(notification)
    }
}

impl<T> StateCursor<T> {
    fn next(&mut self) -> Option<NotificationRef<'_, T>> {
        if self.next == self.chunk.len() {
            self.refill();
        }
        let entry = self.chunk.get(self.next)?;
        self.next += 1;
        self.left = self.left.saturating_sub(1);
        Some(match self.telling {
            Telling::Initial => NotificationRef::Added {
                entry,
                is_in_initial_list: true,
            },
            Telling::Sync => NotificationRef::Updated {
                old: entry,
                new: entry,
            },
        })
    }

    fn refill(&mut self) {
        let after = self.chunk.last().map(|entry| entry.key().clone());
        let chunk = self.snapshot.after(after.as_ref()).take(STATE_CHUNK);
        self.chunk = chunk.cloned().collect();
        self.next = 0;
        if self.chunk.is_empty() {
            // Whoever holds on to a finished walk must not hold on to the state.
            self.snapshot = Snapshot::default();
        }
    }
}

/// Of a recreated object: that the old one is gone.
const fn gone<T>(told: NotificationRef<'_, T>) -> NotificationRef<'_, T> {
    match told {
        NotificationRef::Updated { old: last, .. } => NotificationRef::Deleted {
            last,
            tombstone: true,
        },
        other => other,
    }
}

/// Of a recreated object: that the new one has come.
const fn come<T>(told: NotificationRef<'_, T>) -> NotificationRef<'_, T> {
    match told {
        NotificationRef::Updated { new: entry, .. } => NotificationRef::Added {
            entry,
            is_in_initial_list: false,
        },
        other => other,
    }
}

impl<T> fmt::Debug for BufferedBatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedBatch")
            .field("since", &self.since)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

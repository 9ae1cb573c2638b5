//! `HandlerBuffer`: the notifications that wait for one handler.
//!
//! They are stored in batches and states that the handler shares with the mirror and all other handlers, so a
//! handler that keeps up takes almost no memory. The buffer of a slow one keeps everything, or, with a limit,
//! folds its notifications into one slot for each object.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::batch::{BufferedBatch, Content, Telling};
use super::coalesced::Coalesced;
use crate::notification::Notification;
use crate::store::snapshot::Snapshot;
use crate::time::Time;

/// How much is kept for a handler that does not keep up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Buffering {
    /// Everything. Memory grows for as long as the handler falls behind; the depth is measured.
    #[default]
    Unbounded,
    /// Everything up to a number of notifications, and beyond it the newest state of each object.
    ///
    /// At most `limit` changes wait, or a single batch of them, or one change for each object that is
    /// in the mirror or that the handler still knows. A whole state of the mirror that is delivered first,
    /// to a new handler or at a resync, does not count: its memory is the mirror's. A deletion is never lost,
    /// and an object that was created and deleted before its delivery is not delivered at all. The
    /// notifications of one object stay in order, and objects are delivered in the order of their first
    /// change.
    Coalescing {
        /// How many changes may wait before they are folded together.
        limit: usize,
    },
}

/// How an object is delivered that was deleted and created again under its name: same key, other uid.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Recreation {
    /// As one update, with two states whose uids differ.
    #[default]
    AsUpdate,
    /// As the deletion of the one and the addition of the other.
    AsDeleteAndAdd,
}

/// The notifications that wait for one handler, in the order of their delivery.
///
/// The mirror calls [`changes`](Self::changes), [`initial`](Self::initial),
/// [`resync`](Self::resync) and [`synced`](Self::synced); the handler's task calls
/// [`take`](Self::take) and delivers the batch before it takes the next.
pub struct HandlerBuffer<T> {
    buffering: Buffering,
    recreation: Recreation,
    pieces: VecDeque<Piece<T>>,
    /// Number of notifications in `pieces`.
    pending: usize,
    coalesced: Coalesced<T>,
}

/// Notifications that wait unfolded.
struct Piece<T> {
    since: Time,
    content: Content<T>,
}

impl<T> HandlerBuffer<T> {
    /// Creates an empty buffer.
    #[must_use]
    pub fn new(buffering: Buffering, recreation: Recreation) -> Self {
        Self {
            buffering,
            recreation,
            pieces: VecDeque::new(),
            pending: 0,
            coalesced: Coalesced::default(),
        }
    }

    /// Adds changes, in this order. `with_syncs` includes notifications of unchanged objects.
    pub fn changes(&mut self, now: Time, batch: Arc<[Notification<T>]>, with_syncs: bool) {
        self.push(now, Content::changes(batch, with_syncs));
    }

    /// Adds the current state; delivered to the handler as additions.
    pub fn initial(&mut self, now: Time, state: Snapshot<T>) {
        self.push(now, Content::state(state, Telling::Initial));
    }

    /// Adds the current state; delivered to the handler as a resync.
    pub fn resync(&mut self, now: Time, state: Snapshot<T>) {
        self.push(now, Content::state(state, Telling::Sync));
    }

    /// Adds the end of the initial state.
    pub fn synced(&mut self, now: Time) {
        self.push(
            now,
            Content::changes(Arc::new([Notification::Synced]), false),
        );
    }

    /// Takes the next notifications; none if none waits.
    pub fn take(&mut self) -> Option<BufferedBatch<T>> {
        let splits = self.recreation == Recreation::AsDeleteAndAdd;
        if let Some((since, notification)) = self.coalesced.pop() {
            let content = Content::changes(Arc::new([notification]), true);
            return Some(BufferedBatch::new(since, content, splits));
        }
        let piece = self.pieces.pop_front()?;
        self.pending -= piece.content.len();
        Some(BufferedBatch::new(piece.since, piece.content, splits))
    }

    /// Drops all notifications.
    pub fn clear(&mut self) {
        self.pieces = VecDeque::new();
        self.pending = 0;
        self.coalesced = Coalesced::default();
    }

    /// Returns the number of waiting notifications, or of slots where they are folded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending + self.coalesced.len()
    }

    /// Returns true if no notification waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of notifications that were folded into others since the start.
    #[must_use]
    pub const fn folded(&self) -> u64 {
        self.coalesced.folded()
    }

    /// Returns since when the next notification has been waiting.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Time> {
        let piece = self.pieces.front().map(|piece| piece.since);
        self.coalesced.waiting_since().or(piece)
    }

    /// Returns how many of the waiting notifications are in a state of the mirror that is delivered first: they
    /// take no memory of their own.
    #[must_use]
    pub fn in_first_state(&self) -> usize {
        match self.pieces.front() {
            Some(piece) if piece.content.is_state() => piece.content.len(),
            _ => 0,
        }
    }

    fn push(&mut self, since: Time, content: Content<T>) {
        if content.len() == 0 {
            return;
        }
        if !self.coalesced.is_empty() {
            self.fold(Piece { since, content });
            return;
        }
        self.pending += content.len();
        self.pieces.push_back(Piece { since, content });
        let Buffering::Coalescing { limit } = self.buffering else {
            return;
        };
        // A single batch is as small as it is, and folding a state would cost what sharing it saves.
        if self.pieces.len() > 1 && self.pending - self.in_first_state() > limit {
            self.pending = 0;
            for piece in std::mem::take(&mut self.pieces) {
                self.fold(piece);
            }
        }
    }

    fn fold(&mut self, piece: Piece<T>) {
        let mut batch = BufferedBatch::new(piece.since, piece.content, false);
        while let Some(told) = batch.next() {
            self.coalesced.push(piece.since, told.to_notification());
        }
    }
}

impl<T> fmt::Debug for HandlerBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBuffer")
            .field("buffering", &self.buffering)
            .field("recreation", &self.recreation)
            .field("len", &self.len())
            .field("folded", &self.folded())
            .finish_non_exhaustive()
    }
}

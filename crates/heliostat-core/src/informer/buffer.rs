//! `HandlerBuffer`: what one handler has not been told yet.
//!
//! What is waiting lies in batches and states that the handler shares with the mirror and with all
//! other handlers, so a handler that keeps up costs next to nothing. One that does not either keeps
//! everything, or, with a limit, folds what waits into one slot for each object.

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
    /// in the mirror or that the handler still believes to be. A whole state of the mirror that is to
    /// be told first, because the handler has just come or a resync is due, does not count: its memory
    /// is the mirror's. A deletion is never lost, and an object that came and went before the handler
    /// was told of it is not told at all. The order of one object's notifications stands, and objects
    /// are told in the order in which they first changed.
    Coalescing {
        /// How many changes may wait before they are folded together.
        limit: usize,
    },
}

/// How an object is told that went and came again under its name: same key, other uid.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Recreation {
    /// As one update, with two states whose uids differ.
    #[default]
    AsUpdate,
    /// As the deletion of the one and the addition of the other.
    AsDeleteAndAdd,
}

/// What one handler has not been told yet, in the order in which it will be.
///
/// Whoever distributes calls [`changes`](Self::changes), [`initial`](Self::initial),
/// [`resync`](Self::resync) and [`synced`](Self::synced); the handler's task calls
/// [`take`](Self::take) and tells what is in the batch before it takes the next.
pub struct HandlerBuffer<T> {
    buffering: Buffering,
    recreation: Recreation,
    pieces: VecDeque<Piece<T>>,
    /// How many notifications lie in `pieces`.
    pending: usize,
    coalesced: Coalesced<T>,
}

/// Something that waits as it came.
struct Piece<T> {
    since: Time,
    content: Content<T>,
}

impl<T> HandlerBuffer<T> {
    /// Nothing is waiting.
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

    /// These changes were made, in this order. `with_syncs` tells whether the handler wants those that
    /// only say that nothing changed.
    pub fn changes(&mut self, now: Time, batch: Arc<[Notification<T>]>, with_syncs: bool) {
        self.push(now, Content::changes(batch, with_syncs));
    }

    /// This is what is there; the handler is to be told all of it as new.
    pub fn initial(&mut self, now: Time, state: Snapshot<T>) {
        self.push(now, Content::state(state, Telling::Initial));
    }

    /// This is what is there; the handler is to be told all of it again.
    pub fn resync(&mut self, now: Time, state: Snapshot<T>) {
        self.push(now, Content::state(state, Telling::Sync));
    }

    /// All of the initial state has been handed over before this.
    pub fn synced(&mut self, now: Time) {
        self.push(
            now,
            Content::changes(Arc::new([Notification::Synced]), false),
        );
    }

    /// What the handler is to be told next; none if nothing is waiting.
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

    /// Drops all that is waiting.
    pub fn clear(&mut self) {
        self.pieces = VecDeque::new();
        self.pending = 0;
        self.coalesced = Coalesced::default();
    }

    /// How many notifications are waiting, or slots where they were folded together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending + self.coalesced.len()
    }

    /// True if nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many notifications were folded into others since the start.
    #[must_use]
    pub const fn folded(&self) -> u64 {
        self.coalesced.folded()
    }

    /// Since when the one has been waiting that is told next.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Time> {
        let piece = self.pieces.front().map(|piece| piece.since);
        self.coalesced.waiting_since().or(piece)
    }

    /// How many of those that wait lie in a state of the mirror that is told first: they take no memory
    /// of their own.
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

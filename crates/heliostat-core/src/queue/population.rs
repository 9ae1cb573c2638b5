//! `Population`: has what a queue was first filled with been processed?

/// Counts the first filling of a queue down.
#[derive(Clone, Debug)]
pub(super) struct Population {
    is_populated: bool,
    /// How much of the first filling has not been processed.
    left: usize,
    is_synced: bool,
}

impl Population {
    /// Nothing has come.
    pub(super) const EMPTY: Self = Self {
        is_populated: false,
        left: 0,
        is_synced: false,
    };

    /// Something came that is no list: there is no first filling to wait for.
    pub(super) const fn begin(&mut self) {
        self.is_populated = true;
        self.settle();
    }

    /// A list came; if it is the first thing at all, it and what is queued with it is the first
    /// filling. Tells whether it is.
    pub(super) const fn fill(&mut self, queued: usize) -> bool {
        let is_first = !self.is_populated;
        if is_first {
            self.is_populated = true;
            self.left = queued;
        }
        self.settle();
        is_first
    }

    /// So much of the queue has been processed.
    pub(super) const fn processed(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.settle();
    }

    /// How much of the first filling has not been processed; zero once it all has.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// True once the first filling has been processed; it stays true.
    pub(super) const fn is_synced(&self) -> bool {
        self.is_synced
    }

    const fn settle(&mut self) {
        if self.is_populated && self.left == 0 {
            self.is_synced = true;
        }
    }
}

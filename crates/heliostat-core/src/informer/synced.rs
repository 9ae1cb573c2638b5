//! `SyncTracker`: whether all of the initial list has been handled.
//!
//! True once the source has announced the end of its initial list and all elements handed out before have
//! been handled. It stays true: a later relist does not reset it.

/// Counts the elements that were handed out in order and not yet handled.
///
/// Announce the end of the initial list after its last object was counted as
/// [`started`](Self::started): an object that is counted later is not part of it.
///
/// ```
/// use heliostat_core::informer::synced::SyncTracker;
///
/// let mut tracker = SyncTracker::new();
/// tracker.started(2);
/// tracker.upstream_synced();
/// tracker.finished(1);
/// assert!(!tracker.is_synced());
/// tracker.finished(1);
/// assert!(tracker.is_synced());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SyncTracker {
    outstanding: usize,
    upstream_synced: bool,
    synced: bool,
}

impl SyncTracker {
    /// Nothing given out, nothing announced.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            outstanding: 0,
            upstream_synced: false,
            synced: false,
        }
    }

    /// `n` more were given out.
    pub const fn started(&mut self, n: usize) {
        self.outstanding = self.outstanding.saturating_add(n);
    }

    /// `n` of those that were given out have been handled.
    ///
    /// # Panics
    /// In a debug build, if more are reported than were given out; elsewhere that counts as none
    /// outstanding.
    pub fn finished(&mut self, n: usize) {
        debug_assert!(
            n <= self.outstanding,
            "finished {n} of {}",
            self.outstanding
        );
        self.outstanding = self.outstanding.saturating_sub(n);
        self.latch();
    }

    /// The source has announced that its initial list is complete.
    pub const fn upstream_synced(&mut self) {
        self.upstream_synced = true;
        self.latch();
    }

    /// True once all of the initial list has been handled, and ever after.
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        self.synced
    }

    /// How many were given out and not yet handled.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.outstanding
    }

    const fn latch(&mut self) {
        self.synced |= self.upstream_synced && self.outstanding == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_25_synced_once_the_initial_list_is_announced_and_handled() {
        let mut tracker = SyncTracker::new();
        assert!(!tracker.is_synced());
        tracker.started(2);
        tracker.finished(2);
        assert!(!tracker.is_synced(), "the source has announced nothing");
        tracker.started(3);
        tracker.upstream_synced();
        assert_eq!(tracker.outstanding(), 3);
        tracker.finished(2);
        assert!(!tracker.is_synced(), "one is still being handled");
        tracker.finished(1);
        assert!(tracker.is_synced());
    }

    #[test]
    fn h_25_an_empty_initial_list_is_synced_when_it_is_announced() {
        let mut tracker = SyncTracker::new();
        tracker.upstream_synced();
        assert!(tracker.is_synced());
    }

    #[test]
    fn h_25_synced_is_never_taken_back() {
        let mut tracker = SyncTracker::new();
        tracker.upstream_synced();
        tracker.started(5);
        assert!(tracker.is_synced());
        assert_eq!(tracker.outstanding(), 5);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "finished 2 of 1")]
    fn h_25_finishing_more_than_was_started_is_found_in_a_debug_build() {
        let mut tracker = SyncTracker::new();
        tracker.started(1);
        tracker.finished(2);
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn h_25_finishing_more_than_was_started_saturates() {
        let mut tracker = SyncTracker::new();
        tracker.started(1);
        tracker.finished(2);
        assert_eq!(tracker.outstanding(), 0);
    }
}

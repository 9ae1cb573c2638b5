//! What a source remembers between its requests.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Number of revisions that are remembered as cut; each belongs to a watch that was given up.
const CUT_MAX: usize = 64;

/// Which cluster a source follows, and where its watches were cut.
#[derive(Debug, Default)]
pub(super) struct Followed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    cluster_id: Option<u64>,
    has_begun: bool,
    /// Number of demands for progress that were passed on.
    demands: u64,
    /// Revisions of which some events were delivered, and others not.
    cut: BTreeSet<u64>,
}

impl Followed {
    /// Notes which cluster answered a request.
    ///
    /// # Errors
    /// The cluster that the source followed so far, if it is another one. The request must fail, so that
    /// the state is listed again; the source follows the new cluster from then on.
    pub(super) fn follow(&self, cluster_id: u64) -> Result<(), u64> {
        let mut state = self.lock();
        match state.cluster_id.replace(cluster_id) {
            Some(before) if before != cluster_id => {
                state.cut.clear();
                Err(before)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns true if a whole list was delivered.
    pub(super) fn has_begun(&self) -> bool {
        self.lock().has_begun
    }

    /// Notes that a whole list was delivered.
    pub(super) fn begin(&self) {
        self.lock().has_begun = true;
    }

    /// Returns true if there were more demands for progress than were passed on to a server.
    pub(super) fn has_demand(&self, demands: u64) -> bool {
        self.lock().demands < demands
    }

    /// Notes that a server was asked for its progress, after this number of demands.
    pub(super) fn note_demand(&self, demands: u64) {
        self.lock().demands = demands;
    }

    /// A watch ends in the middle of a revision.
    pub(super) fn cut(&self, revision: u64) {
        let mut state = self.lock();
        state.cut.insert(revision);
        while state.cut.len() > CUT_MAX {
            state.cut.pop_first();
        }
    }

    /// The first revision that a watch after this version must deliver: that of the version itself, if
    /// not all of its events were delivered.
    pub(super) fn start_after(&self, version: u64) -> u64 {
        match self.lock().cut.contains(&version) {
            true => version,
            false => version.saturating_add(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_that_was_cut_is_delivered_again_whole() {
        let followed = Followed::default();
        assert_eq!(followed.start_after(7), 8);
        followed.cut(7);
        assert_eq!((followed.start_after(7), followed.start_after(8)), (7, 9));
        assert_eq!(followed.follow(1), Ok(()));
        assert_eq!(followed.start_after(7), 7);
        assert_eq!(followed.follow(2), Err(1));
        assert_eq!(followed.follow(2), Ok(()));
        assert_eq!(
            followed.start_after(7),
            8,
            "another cluster has other revisions"
        );
    }

    #[test]
    fn a_demand_is_kept_until_it_is_passed_on() {
        let followed = Followed::default();
        assert!(!followed.has_demand(0));
        assert!(followed.has_demand(2));
        followed.note_demand(2);
        assert!(!followed.has_demand(2) && followed.has_demand(3));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let followed = Followed::default();
        (0..10_000).for_each(|revision| followed.cut(revision));
        assert_eq!(followed.lock().cut.len(), CUT_MAX);
        assert_eq!(followed.start_after(9_999), 9_999);
    }
}

//! The habits of etcd, and what a source that reads etcd remembers for its mirror.
//!
//! A source like this one is in the same process as the mirror: it remembers which cluster it follows
//! and in which revisions its watches were cut, goes from one member to another without a word, and
//! refuses what would be wrong in another cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use heliostat_core::event::WatchEvent;

use super::{Answer, Carried, ConnectionId, Server, Surroundings};
use crate::agenda::Happening;
use crate::coverage::Seen;
use crate::mutant::Mutant;
use crate::scenario::EtcdPlan;

/// What the source of one mirror remembers between its requests.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The cluster that it follows.
    cluster: usize,
    /// Revisions of which some changes were delivered, and others not.
    cut: BTreeSet<u64>,
}

/// A member stays behind for so long at most; then the source goes to another one.
const BEHIND_MAX: Duration = Duration::from_secs(15);

/// A compaction follows a page within this time.
const COMPACTION_AFTER_PAGE: Duration = Duration::from_secs(1);

impl Server {
    /// True if another cluster answers than the one that the source of the mirror follows: the request is
    /// refused, whatever it is, and the source follows that cluster once it has heard so.
    ///
    /// A list is refused as well, since it may be the proof of the history before a watch: the mirror would
    /// go on watching another cluster from a version that is not of it.
    pub(super) fn is_another_cluster(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
    ) -> bool {
        let (Some(_), Some(connection)) = (&self.plan.etcd, self.connections.get_mut(&id)) else {
            return false;
        };
        let cluster = around.world.cluster_of(around.world.current());
        let remembered = self.remembered.entry(connection.client).or_default();
        if remembered.cluster == cluster || self.mutant == Some(Mutant::IgnoresClusters) {
            return false;
        }
        around.coverage.count(Seen::OtherClusterRefused);
        connection.other_cluster = Some(cluster);
        true
    }

    /// After which revision a watch must begin to go on after this version, and up to which revision it
    /// then delivers again what the mirror may have.
    pub(super) fn resumes_after(
        &mut self,
        around: &mut Surroundings<'_>,
        client: usize,
        version: u64,
    ) -> (u64, u64) {
        let remembered = self.remembered.entry(client).or_default();
        if !remembered.cut.contains(&version) {
            return (version, 0);
        }
        around.coverage.count(Seen::RevisionRepeated);
        (version - 1, version)
    }

    /// Notes whether an answer leaves a revision in the middle.
    pub(super) fn note_delivery(&mut self, id: ConnectionId, carried: &Carried) {
        let is_change = matches!(
            carried.answer,
            Answer::Event(
                WatchEvent::Added(_)
                    | WatchEvent::Modified(_)
                    | WatchEvent::Deleted(_)
                    | WatchEvent::Rejected(_)
            )
        );
        if !is_change {
            return;
        }
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.aborted
        {
            let origin = carried.origin;
            connection.within = origin.is_inner.then_some(origin.revision);
        }
    }

    /// The source has heard the last answer of a connection.
    pub(super) fn follow_cluster(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(&id)
            && let Some(cluster) = connection.other_cluster.filter(|_| !connection.aborted)
        {
            let cut = BTreeSet::new();
            self.remembered
                .insert(connection.client, Remembered { cluster, cut });
        }
    }

    /// A connection is over for its client.
    pub(super) fn note_cut(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let (client, within) = (connection.client, connection.within.take());
        if let Some(revision) = within
            && self.mutant != Some(Mutant::ForgetsCutRevisions)
        {
            self.remembered
                .entry(client)
                .or_default()
                .cut
                .insert(revision);
        }
    }

    /// Now and then a compaction comes between two pages.
    pub(super) fn compact_between_pages(&mut self, around: &mut Surroundings<'_>) {
        let compacts = self
            .plan
            .etcd
            .as_ref()
            .is_some_and(|etcd| etcd.compacts_pages);
        if compacts && !self.quiet && self.rng.one_in(4) {
            let after = self.rng.duration_below(COMPACTION_AFTER_PAGE);
            around.agenda.plan(around.now + after, Happening::Compact);
        }
    }

    /// The revision at which the member that serves a watch stays for a while, if it is behind.
    pub(super) fn draw_member(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
    ) -> Option<u64> {
        let lag = self
            .plan
            .etcd
            .as_ref()
            .map(|etcd: &EtcdPlan| etcd.member_lag)?;
        if lag == 0 || self.quiet || !self.rng.one_in(3) {
            return None;
        }
        around.coverage.count(Seen::MemberBehind);
        let after = self.rng.duration_below(BEHIND_MAX);
        around
            .agenda
            .plan(around.now + after, Happening::FailOver(id));
        let behind = self.rng.below(lag + 1);
        Some(around.world.revision().saturating_sub(behind))
    }

    /// The source goes on at another member, which is not behind.
    pub(super) fn fail_over(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        let mutant = self.mutant;
        let present = around.world.revision();
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if stream.member.take().is_none() {
            return;
        }
        if mutant == Some(Mutant::FailsOverTooFar) {
            stream.position = stream.position.max(present);
        }
        around.coverage.count(Seen::FailedOver);
        self.pump(around, id);
    }
}

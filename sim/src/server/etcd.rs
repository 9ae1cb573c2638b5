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
    /// The lowest revision of a list from that cluster: no version of the mirror is older.
    since: u64,
    /// Revisions of which some changes were delivered, and others not.
    cut: BTreeSet<u64>,
}

/// A member stays behind for so long at most; then the source goes to another one.
const BEHIND_MAX: Duration = Duration::from_secs(15);

/// A compaction follows a page within this time.
const COMPACTION_AFTER_PAGE: Duration = Duration::from_secs(1);

impl Server {
    /// The source of a mirror has a whole list from the present cluster.
    pub(super) fn adopt_cluster(
        &mut self,
        around: &mut Surroundings<'_>,
        client: usize,
        revision: u64,
    ) {
        let cluster = around.world.cluster_of(around.world.current());
        let remembered = self.remembered.entry(client).or_default();
        if remembered.cluster != cluster {
            around.coverage.count(Seen::OtherClusterAdopted);
            *remembered = Remembered {
                cluster,
                since: revision,
                cut: BTreeSet::new(),
            };
        }
        // The cluster may have been restored from a backup.
        remembered.since = remembered.since.min(revision);
    }

    /// True if a mirror's version is not one of the cluster that would be watched.
    pub(super) fn is_of_another_cluster(
        &mut self,
        around: &mut Surroundings<'_>,
        client: usize,
        version: u64,
    ) -> bool {
        let cluster = around.world.cluster_of(around.world.current());
        let remembered = self.remembered.entry(client).or_default();
        let is_other = remembered.cluster != cluster || version < remembered.since;
        if is_other {
            around.coverage.count(Seen::OtherClusterRefused);
        }
        is_other && self.mutant != Some(Mutant::IgnoresClusters)
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

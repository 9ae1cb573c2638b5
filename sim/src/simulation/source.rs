//! What happens to the source: writes, a restore, and the end of all faults.

use heliostat_core::time::Time;

use super::Simulation;
use crate::agenda::{Agenda, Happening};
use crate::client::Seat;
use crate::coverage::Seen;
use crate::scenario::Scenario;
use crate::world::{World, Write};

/// Puts on the agenda what a scenario says will happen.
pub(super) fn plan_story(scenario: &Scenario, agenda: &mut Agenda) {
    let story = &scenario.story;
    agenda.plan(Time::ZERO, Happening::Write);
    for at in &story.compactions {
        agenda.plan(*at, Happening::Compact);
    }
    for at in &story.restarts {
        agenda.plan(*at, Happening::Restart);
    }
    for at in &story.restores {
        agenda.plan(*at, Happening::Restore);
    }
    for at in &story.replacements {
        agenda.plan(*at, Happening::ReplaceCluster);
    }
    for (number, client) in scenario.clients.iter().enumerate() {
        if let Some(at) = client.stops {
            agenda.plan(at, Happening::Stop(number));
        }
    }
    agenda.plan(story.quiet, Happening::Quiet);
}

/// The revision at which the first cluster begins; no other is below it.
pub(super) const FIRST_REVISION: u64 = 100;

impl Simulation {
    /// Somebody writes, and all watches hear of it.
    pub(super) fn write(&mut self) {
        if self.quiet {
            return;
        }
        let mean = self.scenario.story.write_every;
        let next = self.now + self.writer.duration_below(mean * 2);
        self.agenda.plan(next, Happening::Write);
        let write = self
            .scenario
            .story
            .workload
            .next(&self.world, &mut self.writer);
        let write = self.spare_the_evidence(write);
        let recreated = write.parts().iter().any(|part| {
            matches!(part, Write::Put { key, .. } if !self.world.present().contains_key(key))
        });
        let overtaken = self.foreign_seats().any(|seat| {
            let version = seat.position.version.unwrap_or_default();
            self.world.revision() + 1 == version
        });
        if self.world.is_held_back() {
            self.coverage.count(Seen::WriteHeldBack);
        } else if self.world.write(&write) {
            self.coverage.count(Seen::Write);
            if overtaken {
                self.coverage.count(Seen::Overtaken);
            }
            if recreated {
                self.coverage.count(Seen::Recreated);
            }
            let mut parts = write.parts().iter();
            if parts.any(|part| matches!(part, Write::Put { decodable, .. } if !decodable)) {
                self.coverage.count(Seen::Undecodable);
            }
            if let Write::Together(_) = write {
                self.coverage.count(Seen::Transaction);
            }
            let (server, mut around) = self.server();
            server.pump_all(&mut around);
        }
    }

    /// The source goes back by some of its recent changes.
    pub(super) fn restore(&mut self) {
        self.coverage.count(Seen::Restore);
        let revision = self.world.revision();
        let depth = 1 + self.writer.below(25);
        self.world
            .restore(revision.saturating_sub(depth).max(FIRST_REVISION));
        let (server, mut around) = self.server();
        server.restored(&mut around);
    }

    /// Another cluster answers under the address of the source: a new one, with some objects.
    pub(super) fn replace_cluster(&mut self) {
        self.coverage.count(Seen::OtherCluster);
        let newest = self.world.revision();
        let revision = FIRST_REVISION + self.writer.below(2 * (newest - FIRST_REVISION) + 10);
        self.world.set_ceiling(None);
        self.world.replace_cluster(revision);
        for _ in 0..self.writer.below(10) {
            let workload = &self.scenario.story.workload;
            let write = workload.next(&self.world, &mut self.writer);
            self.world.write(&write);
        }
        let (server, mut around) = self.server();
        server.replaced(&mut around);
    }

    /// The faults stop, and nobody writes any more.
    pub(super) fn fall_quiet(&mut self) {
        self.quiet = true;
        self.server.quiet();
        for seat in &mut self.seats {
            seat.stop_store_faults();
            seat.informer.set_now(self.now);
            seat.informer.fall_quiet();
        }
        for seat in 0..self.seats.len() {
            self.attend(seat);
        }
        self.liveness.begin(self.now);
    }

    /// After a restore the source must not write past the version of a mirror that has not noticed,
    /// unless the mirror can still tell the histories apart.
    pub(super) fn hold_writes_back(&mut self) {
        let world = &self.world;
        let overtakes = self.scenario.story.overtakes;
        let positions = self.seats.iter().flat_map(|seat| {
            let position = seat.position;
            let stands = position.version.map(|version| (position.timeline, version));
            let stands = stands.filter(|_| !overtakes || !can_notice(world, seat));
            stands.into_iter().chain(seat.collecting)
        });
        // A source notices another cluster by its name.
        let cluster = world.cluster_of(world.current());
        let foreign = positions.filter(|(timeline, version)| {
            world.is_foreign(*timeline, *version) && world.cluster_of(*timeline) == cluster
        });
        let ceiling = foreign.map(|(_, version)| version).min();
        self.world.set_ceiling(ceiling);
    }

    /// The mirrors that stand in a history that is no more.
    fn foreign_seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| {
            let position = seat.position;
            let version = position.version.unwrap_or_default();
            self.world.is_foreign(position.timeline, version)
        })
    }

    /// What changed last in a mirror of another history stays as the restore left it: the mirror
    /// tells the histories apart by nothing else.
    fn spare_the_evidence(&self, write: Write) -> Write {
        let is_evidence = self.scenario.story.overtakes
            && self.foreign_seats().any(|seat| {
                let evidence = seat.machine.last_change().map(|(key, _)| key);
                let mut parts = write.parts().iter();
                evidence.is_some() && parts.any(|part| part.key() == evidence)
            });
        if is_evidence { Write::Elsewhere } else { write }
    }
}

/// True if the source shows the object that changed last in the mirror otherwise than the mirror's
/// history does.
fn can_notice(world: &World, seat: &Seat) -> bool {
    let Some((key, version)) = seat.machine.last_change() else {
        return false;
    };
    let changed_at = version.as_decimal().unwrap_or_default();
    let known = world.state_at(seat.position.timeline, changed_at).get(key);
    let present = world.present().get(key);
    match (known, present) {
        (Some(known), Some(present)) => known.revision != present.revision,
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    }
}

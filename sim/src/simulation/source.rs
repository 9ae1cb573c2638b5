//! What happens to the source: writes, a restore, and the end of all faults.

use heliostat_core::time::Time;

use super::Simulation;
use crate::agenda::{Agenda, Happening};
use crate::coverage::Seen;
use crate::scenario::Scenario;
use crate::world::Write;

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
    for (number, client) in scenario.clients.iter().enumerate() {
        if let Some(at) = client.stops {
            agenda.plan(at, Happening::Stop(number));
        }
    }
    agenda.plan(story.quiet, Happening::Quiet);
}

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
        let recreated =
            matches!(&write, Write::Put { key, .. } if !self.world.present().contains_key(key));
        if self.world.is_held_back() {
            self.coverage.count(Seen::WriteHeldBack);
        } else if self.world.write(&write) {
            self.coverage.count(Seen::Write);
            if recreated {
                self.coverage.count(Seen::Recreated);
            }
            if matches!(
                &write,
                Write::Put {
                    decodable: false,
                    ..
                }
            ) {
                self.coverage.count(Seen::Undecodable);
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
        self.world.restore(revision.saturating_sub(depth).max(100));
        let (server, mut around) = self.server();
        server.restored(&mut around);
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

    /// After a restore the source must not write past the version of a mirror that has not noticed:
    /// nobody could then tell the histories apart.
    pub(super) fn hold_writes_back(&mut self) {
        let world = &self.world;
        let positions = self.seats.iter().flat_map(|seat| {
            let position = seat.position;
            let stands = position.version.map(|version| (position.timeline, version));
            stands.into_iter().chain(seat.collecting)
        });
        let foreign = positions.filter(|(timeline, version)| world.is_foreign(*timeline, *version));
        let ceiling = foreign.map(|(_, version)| version).min();
        self.world.set_ceiling(ceiling);
    }
}

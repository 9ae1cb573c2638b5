//! The server with the network in front of it: requests arrive, answers are sent, and what can go
//! wrong on the way does.
//!
//! The answers of one connection arrive in their order; those of two connections in any. Every
//! answer carries its [`Origin`], which no client sees: a checker compares with it.

mod end;
mod etcd;
mod list;
mod open;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use heliostat_core::error::SourceError;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::reflector::AttemptId;
use heliostat_core::rng::Rng;
use heliostat_core::time::Time;

use crate::agenda::{Agenda, Happening};
use crate::coverage::{Coverage, Seen};
use crate::faults::{FaultPlan, RequestFault, draw};
use crate::mutant::Mutant;
use crate::scenario::{Scenario, ServerPlan};
use crate::world::World;

use crate::connection::{Answer, Ask, Carried, ConnectionId, Origin};
use etcd::Remembered;
use open::{Connection, Stream};

/// What is at hand while the server does something.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The present time.
    pub now: Time,
    /// The source behind the server.
    pub world: &'a World,
    /// What is going to happen.
    pub agenda: &'a mut Agenda,
    /// The counters.
    pub coverage: &'a mut Coverage,
}

/// The server and the network.
#[derive(Debug)]
pub struct Server {
    plan: ServerPlan,
    faults: FaultPlan,
    outages: Vec<crate::scenario::Outage>,
    rng: Rng,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    /// The oldest version that a watch may begin at.
    window: u64,
    /// The oldest version that a list can be answered at.
    compacted: u64,
    down_until: Time,
    endless_until: Time,
    quiet: bool,
    /// What a source that reads etcd remembers, for each mirror.
    remembered: BTreeMap<usize, Remembered>,
    /// The bug that was put in, if it is one of a source.
    mutant: Option<Mutant>,
}

impl Server {
    /// A server of this scenario.
    #[must_use]
    pub fn new(scenario: &Scenario, world: &World, seed: u64, mutant: Option<Mutant>) -> Self {
        Self {
            plan: scenario.server.clone(),
            faults: scenario.faults.clone(),
            outages: scenario.story.outages.clone(),
            rng: Rng::seeded(seed),
            connections: BTreeMap::new(),
            next_connection: 0,
            window: world.revision().saturating_sub(20).max(1),
            compacted: world.revision().saturating_sub(20).max(1),
            down_until: Time::ZERO,
            endless_until: Time::ZERO,
            quiet: false,
            remembered: BTreeMap::new(),
            mutant,
        }
    }

    /// A client asks for a page of a list.
    pub fn ask_list(
        &mut self,
        around: &mut Surroundings<'_>,
        who: (usize, AttemptId),
        options: ListOptions,
    ) -> ConnectionId {
        self.connect(around, who, Ask::List(options))
    }

    /// A client asks for a watch.
    pub fn ask_watch(
        &mut self,
        around: &mut Surroundings<'_>,
        who: (usize, AttemptId),
        options: WatchOptions,
    ) -> ConnectionId {
        self.connect(around, who, Ask::Watch(options))
    }

    fn connect(
        &mut self,
        around: &mut Surroundings<'_>,
        (client, attempt): (usize, AttemptId),
        ask: Ask,
    ) -> ConnectionId {
        self.next_connection += 1;
        let id = ConnectionId(self.next_connection);
        let arrives = around.now + self.delay();
        self.connections.insert(
            id,
            Connection::new(client, attempt, ask, around.world.current()),
        );
        around.agenda.plan(arrives, Happening::Arrive(id));
        id
    }

    /// A client gives a request up. What is on its way may still arrive.
    pub fn abort(&mut self, id: ConnectionId) {
        self.note_cut(id);
        if self.rng.one_in(2) {
            self.connections.remove(&id);
        } else if let Some(connection) = self.connections.get_mut(&id) {
            connection.stream = None;
            connection.aborted = true;
        }
    }

    /// Who gets what was sent on a connection; nobody, if it is gone or this was dropped.
    pub fn deliver(&mut self, id: ConnectionId, carried: &Carried) -> Option<(usize, AttemptId)> {
        let connection = self.connections.get(&id)?;
        if connection.generation != carried.generation {
            return None;
        }
        let who = (connection.client, connection.attempt);
        self.note_delivery(id, carried);
        if carried.answer.is_last() {
            self.note_cut(id);
            self.follow_cluster(id);
            self.connections.remove(&id);
        }
        Some(who)
    }

    /// A request reaches the server.
    fn arrive(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.aborted {
            self.connections.remove(&id);
            return;
        }
        connection.timeline = around.world.current();
        let ask = connection.ask.clone();
        if let Some(fault) = self.request_fault(around) {
            let error = fault.error(&mut self.rng);
            self.refuse(around, id, error);
            return;
        }
        match ask {
            Ask::List(options) => self.answer_list(around, id, &options),
            Ask::Watch(options) => self.answer_watch(around, id, &options),
        }
    }

    /// Something is due on a connection.
    pub fn happen(&mut self, around: &mut Surroundings<'_>, happening: &Happening) {
        match happening {
            Happening::Arrive(id) => self.arrive(around, *id),
            Happening::Bookmark(id) => self.bookmark(around, *id),
            Happening::EndMark(id) => self.end_mark(around, *id),
            Happening::WatchTimeout(id) => self.watch_timeout(around, *id),
            Happening::IdleCheck(id) => self.idle_check(around, *id),
            Happening::Doom(id) => self.doom(around, *id),
            Happening::FailOver(id) => self.fail_over(around, *id),
            Happening::Write
            | Happening::Compact
            | Happening::Restart
            | Happening::Restore
            | Happening::ReplaceCluster
            | Happening::Quiet
            | Happening::Stop(_)
            | Happening::Work(_)
            | Happening::Listen(..)
            | Happening::Join(..)
            | Happening::Leave(..)
            | Happening::Deliver(..) => {}
        }
    }

    fn request_fault(&mut self, around: &mut Surroundings<'_>) -> Option<RequestFault> {
        let now = around.now;
        if now < self.down_until {
            around.coverage.count(Seen::Refused);
            return Some(RequestFault::Refused);
        }
        if self.quiet {
            return None;
        }
        let outage = self
            .outages
            .iter()
            .find(|outage| outage.from <= now && now < outage.to);
        if let Some(outage) = outage {
            around.coverage.count(Seen::Outage);
            return Some(outage.fault);
        }
        let fault = draw(
            &self.faults.request,
            self.faults.request_chance,
            &mut self.rng,
        )?;
        around.coverage.count(fault.seen());
        Some(fault)
    }

    /// Ends a request with an error, or leaves it without an answer for ever.
    fn refuse(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        error: Option<SourceError>,
    ) {
        let Some(error) = error else {
            return;
        };
        let origin = Origin::default();
        self.send(around, id, Answer::Failed(error), origin);
    }

    /// Sends an answer; it arrives after what was sent on the same connection before.
    fn send(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        answer: Answer,
        origin: Origin,
    ) {
        let delay = self.delay_with_faults(around);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let arrives = (around.now + delay).max(connection.last_arrival);
        connection.last_arrival = arrives;
        connection.last_sent = around.now;
        let carried = Carried {
            answer,
            origin: Origin {
                timeline: connection.timeline,
                ..origin
            },
            generation: connection.generation,
        };
        around
            .agenda
            .plan(arrives, Happening::Deliver(id, Box::new(carried)));
    }

    /// Drops what is still on its way on a connection.
    fn drop_in_flight(&mut self, now: Time, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.generation += 1;
            connection.last_arrival = now;
        }
    }

    /// The source forgets what is older than a random recent version.
    pub fn compact(&mut self, world: &World) {
        let revision = world.revision();
        let kept = self.rng.below(15);
        self.compacted = self.compacted.max(revision.saturating_sub(kept));
        self.window = self.window.max(self.compacted);
    }

    /// The server restarts: connections break, the window is lost, nobody listens for a while.
    pub fn restart(&mut self, around: &mut Surroundings<'_>) {
        self.down_until = around.now + Duration::from_secs(1) + self.draw_down_time();
        self.break_connections(around);
        self.window = around.world.revision();
    }

    /// The server serves another timeline from now on. The world has been restored already.
    pub fn restored(&mut self, around: &mut Surroundings<'_>) {
        self.restart(around);
        self.compacted = around.world.revision();
    }

    /// Another cluster serves from now on, with all of its history.
    pub fn replaced(&mut self, around: &mut Surroundings<'_>) {
        self.restart(around);
        self.window = 1;
        self.compacted = 1;
    }

    fn draw_down_time(&mut self) -> Duration {
        self.rng.duration_below(Duration::from_secs(15))
    }

    fn break_connections(&mut self, around: &mut Surroundings<'_>) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            self.drop_in_flight(around.now, id);
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.stream = None;
            }
            // Some connections break, the others stay half-open: nobody tells the client.
            if self.rng.below(4) > 0 {
                let error = RequestFault::Closed.error(&mut self.rng);
                self.refuse(around, id, error);
            } else {
                around.coverage.count(Seen::StreamStalled);
            }
        }
    }

    /// From now on nothing goes wrong any more. What is half-open stays so.
    pub fn quiet(&mut self) {
        self.quiet = true;
        self.endless_until = Time::ZERO;
    }

    fn delay(&mut self) -> Duration {
        Duration::from_micros(100) + self.rng.duration_below(self.plan.latency)
    }

    fn delay_with_faults(&mut self, around: &mut Surroundings<'_>) -> Duration {
        let slow = !self.quiet && self.rng.below(1000) < self.faults.slow_chance;
        if slow {
            around.coverage.count(Seen::SlowAnswer);
            return self.rng.duration_below(Duration::from_secs(9));
        }
        self.delay()
    }
}

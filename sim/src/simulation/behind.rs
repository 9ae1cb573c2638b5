//! What is behind the mirrors: batches are applied, listeners listen, join and leave.

use super::{Simulation, view};
use crate::agenda::Happening;
use crate::connection::Origin;
use crate::coverage::Seen;
use crate::informer::Next;
use crate::scenario::Scenario;

/// Puts on the agenda who joins and leaves.
pub(super) fn plan_listeners(scenario: &Scenario, agenda: &mut crate::agenda::Agenda) {
    for (seat, informer) in scenario.informers.iter().enumerate() {
        for (number, listener) in informer.listeners.iter().enumerate() {
            if let Some(at) = listener.joins {
                agenda.plan(at, Happening::Join(seat, number));
            }
            if let Some(at) = listener.leaves {
                agenda.plan(at, Happening::Leave(seat, number));
            }
        }
    }
}

impl Simulation {
    /// Plans what follows from what was put into a queue or a buffer. A mirror whose queue is
    /// congested applies a batch itself before it writes on.
    pub(super) fn attend(&mut self, number: usize) {
        if self.seats[number].informer.is_congested() {
            self.coverage.count(Seen::Congested);
            self.work_once(number);
        }
        let informer = &mut self.seats[number].informer;
        informer.set_now(self.now);
        if let Some(at) = informer.plan_work() {
            self.agenda.plan(at, Happening::Work(number));
        }
        for listener in 0..informer.listeners.len() {
            if let Some(at) = informer.plan_wake(listener) {
                self.agenda.plan(at, Happening::Listen(number, listener));
            }
        }
        for seen in informer.take_seen() {
            self.coverage.count(seen);
        }
    }

    /// What waits is applied, as much at once as was decided.
    pub(super) fn work(&mut self, number: usize) {
        let batches = self.seats[number].informer.begin_work();
        let mut left = batches;
        while (left > 0 || self.seats[number].informer.is_in_work()) && self.work_once(number) {
            left = left.saturating_sub(1);
        }
        self.attend(number);
        self.settle(number, Origin::default());
    }

    /// Applies one batch; false if nothing was waiting.
    fn work_once(&mut self, number: usize) -> bool {
        let informer = &mut self.seats[number].informer;
        informer.set_now(self.now);
        let Some(before) = informer.work() else {
            return false;
        };
        let (works, store) = (informer.works, informer.store.view());
        let (objects, version) = (store.len() as u64, store.resource_version());
        self.trace.step(self.now, [6, works, objects], || {
            format!("seat {number}: applied batch {works}: {objects} objects at {version}")
        });
        let view = view(
            &self.world,
            &self.seats[number],
            self.now,
            Origin::default(),
        );
        self.guards[number].ask(&mut self.broken, |promise| promise.worked(view, &before));
        true
    }

    /// A listener hears something of what waits for it.
    pub(super) fn listen(&mut self, number: usize, listener: usize) {
        self.seats[number].informer.set_now(self.now);
        let mut left = self.seats[number].informer.begin_wake(listener);
        while left > 0 {
            match self.seats[number].informer.next_for(listener) {
                Next::Nothing => break,
                Next::PutDown => self.ask_rested(number, listener),
                Next::Told(notification) => {
                    left -= 1;
                    let key = notification
                        .key()
                        .map_or(0, |key| key.as_str().len() as u64);
                    let revision = notification
                        .entry()
                        .map_or(0, |entry| entry.object.revision());
                    self.trace
                        .step(self.now, [7 + key, listener as u64, revision], || {
                            format!(
                                "seat {number}: listener {listener} is told {}",
                                crate::informer::describe(&notification)
                            )
                        });
                    let seat = &self.seats[number];
                    let view = view(&self.world, seat, self.now, Origin::default());
                    self.guards[number].ask(&mut self.broken, |promise| {
                        promise.told(view, listener, &notification)
                    });
                    if self.seats[number].informer.learn(listener, &notification) {
                        let at = self.seats[number].informer.pause(listener);
                        self.agenda.plan(at, Happening::Listen(number, listener));
                        break;
                    }
                }
            }
        }
        self.seats[number].informer.end_wake(listener);
        self.attend(number);
        self.settle(number, Origin::default());
    }

    fn ask_rested(&mut self, number: usize, listener: usize) {
        let view = view(
            &self.world,
            &self.seats[number],
            self.now,
            Origin::default(),
        );
        self.guards[number].ask(&mut self.broken, |promise| promise.rested(view, listener));
    }

    /// A listener joins.
    pub(super) fn join(&mut self, number: usize, listener: usize) {
        let seat = &mut self.seats[number];
        seat.informer.set_now(self.now);
        let period = seat.informer.check_period();
        seat.informer.join_late(listener);
        // The first listener that asks for resyncs sets the period, as the informer does it.
        let asked = seat.informer.check_period();
        if asked != period {
            seat.machine.set_resync_period(self.now, Some(asked));
        }
        let view = view(
            &self.world,
            &self.seats[number],
            self.now,
            Origin::default(),
        );
        self.guards[number].ask(&mut self.broken, |promise| promise.joined(view, listener));
        self.attend(number);
    }

    /// A listener leaves.
    pub(super) fn leave(&mut self, number: usize, listener: usize) {
        let informer = &mut self.seats[number].informer;
        informer.set_now(self.now);
        informer.leave(listener);
        self.attend(number);
    }
}

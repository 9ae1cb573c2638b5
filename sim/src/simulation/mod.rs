//! One seed from beginning to end: the loop over virtual time, and after every step the promises.

mod behind;
mod packing;
mod permits;
mod seen;
mod source;

use std::time::Duration;

use heliostat_core::budget::{RequestBudgetState, RequestId};
use heliostat_core::event::ListPart;
use heliostat_core::reflector::{Activity, AttemptId, Input, Output};
use heliostat_core::rng::Rng;
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;

use crate::agenda::{Agenda, Happening};
use crate::bug::Bug;
use crate::client::{Said, Seat};
use crate::connection::{Answer, Carried, ConnectionId, Origin};
use crate::coverage::{Coverage, Seen};
use crate::invariants::{Guards, Heard, View, Violation};
use crate::kept::{Intake, Kept};
use crate::liveness::Liveness;
use crate::mutant::Mutant;
use crate::scenario::Scenario;
use crate::server::{Server, Surroundings};
use crate::trace::{Detail, Trace};
use crate::world::{Widget, World};

use behind::plan_listeners;
use source::{FIRST_REVISION, plan_story};

/// How a seed went.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The promises that were broken in the first step in which one was, in that order.
    pub violations: Vec<Violation>,
    /// Everything that happened, as one number.
    pub trace_hash: u64,
    /// How many steps there were.
    pub steps: u64,
    /// How much virtual time passed.
    pub lasted: Duration,
    /// What was exercised.
    pub coverage: Coverage,
    /// The last steps, if they were asked for.
    pub lines: Vec<String>,
}

/// Runs a seed.
#[must_use]
pub fn run(seed: u64, mutant: Option<Mutant>, detail: Detail) -> Outcome {
    Simulation::new(seed, Scenario::draw(seed), mutant, detail).tell_outcome(seed)
}

/// Runs a seed with its objects kept as they are decoded, whatever it decides.
#[must_use]
pub fn run_unpacked(seed: u64, detail: Detail) -> Outcome {
    let mut scenario = Scenario::draw(seed);
    scenario.packing = None;
    Simulation::new(seed, scenario, None, detail).tell_outcome(seed)
}

struct Simulation {
    now: Time,
    scenario: Scenario,
    world: World,
    server: Server,
    agenda: Agenda,
    seats: Vec<Seat>,
    guards: Vec<Guards>,
    budget: Option<RequestBudgetState>,
    permit_requests: Vec<(RequestId, usize, AttemptId)>,
    liveness: Liveness,
    quiet: bool,
    writer: Rng,
    coverage: Coverage,
    trace: Trace,
    /// The promises that were broken in the present step.
    broken: Vec<Violation>,
}

/// More steps than any story has: a loop without progress.
const STEPS_MAX: u64 = 2_000_000;

/// How often a machine may be woken at one moment before that counts as a loop.
const WAKES_AT_ONCE_MAX: u32 = 16;

impl Simulation {
    fn new(seed: u64, scenario: Scenario, mutant: Option<Mutant>, detail: Detail) -> Self {
        let mut writer = Rng::seeded(seed ^ 0x3a11);
        let mut world = World::new(FIRST_REVISION);
        for _ in 0..scenario.story.written_before {
            let write = scenario.story.workload.next(&world, &mut writer);
            world.write(&write);
        }
        let server = Server::new(&scenario, &world, seed ^ 0x05e7_7e70, mutant);
        let chances = (scenario.faults.commit_chance, scenario.faults.change_chance);
        let intake = Intake::new(scenario.packing.clone(), mutant);
        let plans = scenario.clients.iter().cloned();
        let plans = plans.zip(scenario.informers.iter().cloned()).enumerate();
        let seats: Vec<_> = plans
            .map(|(number, (plan, behind))| {
                let bug = Bug::new(mutant);
                Seat::new(number, plan, behind, chances, bug, intake.clone())
            })
            .collect();
        let budget = scenario
            .budget
            .map(|limit| RequestBudgetState::new(scenario.budget_config(limit), Rng::seeded(seed)));
        let mut agenda = Agenda::default();
        plan_story(&scenario, &mut agenda);
        plan_listeners(&scenario, &mut agenda);
        Self {
            now: Time::ZERO,
            guards: seats.iter().map(|_| Guards::new()).collect(),
            liveness: Liveness::new(&scenario),
            scenario,
            world,
            server,
            agenda,
            seats,
            budget,
            permit_requests: Vec::new(),
            quiet: false,
            writer,
            coverage: Coverage::default(),
            trace: Trace::new(detail),
            broken: Vec::new(),
        }
    }

    fn tell_outcome(mut self, seed: u64) -> Outcome {
        let violations = match self.run() {
            Ok(()) if self.broken.is_empty() => {
                self.note_packing();
                self.leave_nothing().err().into_iter().collect()
            }
            Ok(()) => std::mem::take(&mut self.broken),
            Err(violation) => vec![violation],
        };
        Outcome {
            seed,
            violations,
            trace_hash: self.trace.hash(),
            steps: self.trace.steps(),
            lasted: self.now.elapsed(),
            coverage: self.coverage,
            lines: self.trace.into_lines(),
        }
    }

    fn run(&mut self) -> Result<(), Violation> {
        for seat in 0..self.seats.len() {
            self.tell(seat, Input::Start, Origin::default());
        }
        while self.broken.is_empty() && !self.is_over()? {
            self.grant()?;
            self.hold_writes_back();
            let Some(next) = self.next_time() else {
                return Err(broken("wedged", "nothing will ever happen again"));
            };
            self.now = self.now.max(next);
            if self.trace.steps() > STEPS_MAX {
                return Err(broken("wedged", "the story does not end"));
            }
            self.step()?;
        }
        if !self.broken.is_empty() {
            return Ok(());
        }
        for seat in 0..self.seats.len() {
            self.tell(seat, Input::Stop, Origin::default());
        }
        match &self.budget {
            Some(budget) if budget.under_way() + budget.waiting() > 0 => Err(broken(
                "permits",
                "all mirrors have stopped and permits are out",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Does everything that is due at one moment first on the agenda, then on the timers.
    fn step(&mut self) -> Result<(), Violation> {
        if self.agenda.next_time().is_some_and(|at| at <= self.now)
            && let Some(happening) = self.agenda.take_next()
        {
            self.happen(happening);
            return Ok(());
        }
        for seat in 0..self.seats.len() {
            self.wake(seat)?;
        }
        Ok(())
    }

    fn wake(&mut self, number: usize) -> Result<(), Violation> {
        for _ in 0..WAKES_AT_ONCE_MAX {
            let seat = &mut self.seats[number];
            if seat.wakes().is_none_or(|at| at > self.now) {
                return Ok(());
            }
            let clock = seat.bug.clock(self.now);
            self.trace.step(self.now, [1, number as u64, 0], || {
                format!("seat {number}: timer")
            });
            self.seats[number].machine.handle_timeout(clock);
            self.drain(number, Origin::default());
            self.settle(number, Origin::default());
        }
        Err(broken("wedged", "a timer that is handled stays due"))
    }

    fn happen(&mut self, happening: Happening) {
        if let Happening::Deliver(id, carried) = happening {
            return self.deliver(id, *carried);
        }
        let is_loud = !matches!(
            happening,
            Happening::IdleCheck(_) | Happening::Work(_) | Happening::Listen(..)
        );
        if is_loud {
            let (now, text) = (self.now, &happening);
            self.trace
                .step(now, [2, self.world.revision(), 0], || format!("{text:?}"));
        }
        match happening {
            Happening::Write => self.write(),
            Happening::Restore => self.restore(),
            Happening::ReplaceCluster => self.replace_cluster(),
            Happening::Compact => {
                self.coverage.count(Seen::Compaction);
                self.server.compact(&self.world);
            }
            Happening::Quiet => self.fall_quiet(),
            Happening::Stop(seat) => {
                self.coverage.count(Seen::Stopped);
                self.tell(seat, Input::Stop, Origin::default());
            }
            Happening::Work(seat) => self.work(seat),
            Happening::Listen(seat, listener) => self.listen(seat, listener),
            Happening::Join(seat, listener) => self.join(seat, listener),
            Happening::Leave(seat, listener) => self.leave(seat, listener),
            Happening::Deliver(..) => {}
            Happening::Restart => {
                self.coverage.count(Seen::Restart);
                let (server, mut around) = self.server();
                server.restart(&mut around);
            }
            other => {
                let (server, mut around) = self.server();
                server.happen(&mut around, &other);
            }
        }
    }

    fn deliver(&mut self, id: ConnectionId, carried: Carried) {
        let Some((number, attempt)) = self.server.deliver(id, &carried) else {
            return;
        };
        let Carried { answer, origin, .. } = carried;
        let late = self.seats[number]
            .live
            .is_none_or(|(live, _)| live != attempt);
        if late {
            self.coverage.count(Seen::LateAnswer);
        }
        self.trace
            .step(self.now, [3, number as u64, origin.revision], || {
                let word = if late { " (late)" } else { "" };
                format!("seat {number}: hears {attempt}{word} {answer:?}")
            });
        let heard = Heard {
            attempt,
            answer: &answer,
            late,
        };
        let view = view(&self.world, &self.seats[number], self.now, origin);
        self.guards[number].ask(&mut self.broken, |promise| promise.hear(view, heard));
        if !late {
            self.note_answer(number, &answer, origin);
        }
        let input = match answer {
            Answer::Part(part) => Input::ListPart { attempt, part },
            Answer::ListEnded => Input::ListEnded { attempt },
            Answer::Opened => Input::WatchOpened { attempt },
            Answer::Event(event) => Input::Event { attempt, event },
            Answer::WatchEnded => Input::WatchEnded { attempt },
            Answer::Failed(error) => Input::Failed { attempt, error },
        };
        self.tell(number, input, origin);
    }

    /// What a driver and the bookkeeping take from an answer before the machine hears it.
    fn note_answer(&mut self, number: usize, answer: &Answer, origin: Origin) {
        let seat = &mut self.seats[number];
        if answer.is_last() {
            seat.live = None;
        }
        if origin.again {
            seat.repeated = origin.revision;
        }
        let listing = seat.activity() == Activity::Listing;
        if listing && matches!(answer, Answer::Part(ListPart::Metadata(_))) {
            seat.collecting
                .get_or_insert((origin.timeline, origin.revision));
        }
    }

    fn tell(&mut self, number: usize, input: Input<Widget>, origin: Origin) {
        let seat = &mut self.seats[number];
        let clock = seat.bug.clock(self.now);
        let live = seat.live.map(|(live, _)| live);
        let last = seat.machine.last_sync_resource_version().clone();
        let activity = seat.activity();
        if let Some(input) = seat.bug.input(input, live, &last, activity) {
            let input = seat.intake.take_in(self.now, input);
            seat.machine.handle_input(clock, input);
        }
        self.drain(number, origin);
        self.settle(number, origin);
    }

    fn drain(&mut self, number: usize, origin: Origin) {
        loop {
            let machine = &mut self.seats[number].machine;
            let outputs: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
            if outputs.is_empty() {
                return;
            }
            let changes = outputs.iter().filter(|output| is_change(output)).count();
            for output in outputs {
                // A single event comes from where its answer does.
                let origin = if changes > 1 || comes_before(&output, origin) {
                    origin_of_released(&self.world, &output, origin, &self.seats[number])
                } else {
                    origin
                };
                self.spoil_and_execute(number, output, origin);
            }
        }
    }

    fn spoil_and_execute(&mut self, number: usize, output: Output<Kept>, origin: Origin) {
        if self.seats[number].bug.is_some() {
            for output in self.seats[number].bug.output(output) {
                self.execute(number, output, origin);
            }
        } else {
            self.execute(number, output, origin);
        }
    }

    fn execute(&mut self, number: usize, output: Output<Kept>, origin: Origin) {
        let said = Said::of(&output);
        self.trace
            .step(self.now, [4, number as u64, said.number()], || {
                format!("seat {number}: {said}")
            });
        let view_before = view(&self.world, &self.seats[number], self.now, origin);
        self.guards[number].ask(&mut self.broken, |promise| promise.say(view_before, &said));
        let clock = self.seats[number].bug.clock(self.now);
        self.seats[number].informer.set_now(self.now);
        self.seats[number].execute(clock, output, origin, &mut self.coverage);
        self.act(number, &said);
        self.count(number, &said);
        let view_after = view(&self.world, &self.seats[number], self.now, origin);
        self.guards[number].ask(&mut self.broken, |promise| promise.done(view_after, &said));
        self.attend(number);
    }

    /// Does what an output wants of the server and of the budget.
    fn act(&mut self, number: usize, said: &Said) {
        match said {
            Said::List(attempt, options) => {
                let (server, mut around) = self.server();
                let id = server.ask_list(&mut around, (number, *attempt), options.clone());
                self.seats[number].live = Some((*attempt, id));
            }
            Said::Watch(attempt, options) => {
                let (server, mut around) = self.server();
                let id = server.ask_watch(&mut around, (number, *attempt), options.clone());
                self.seats[number].live = Some((*attempt, id));
                self.seats[number].repeated = 0;
            }
            Said::Abort(attempt) => {
                if let Some((live, id)) = self.seats[number].live.take_if(|live| live.0 == *attempt)
                {
                    debug_assert_eq!(live, *attempt);
                    self.server.abort(id);
                }
            }
            Said::AcquirePermit(attempt) => self.acquire(number, *attempt),
            Said::ReleasePermit => self.release(number),
            _ => {}
        }
    }

    fn settle(&mut self, number: usize, origin: Origin) {
        let view = view(&self.world, &self.seats[number], self.now, origin);
        self.guards[number].ask(&mut self.broken, |promise| promise.settled(view));
    }

    fn next_time(&self) -> Option<Time> {
        let timers = self.seats.iter().filter_map(Seat::wakes);
        let budget = self
            .budget
            .as_ref()
            .and_then(RequestBudgetState::poll_timeout);
        timers.chain(budget).chain(self.agenda.next_time()).min()
    }

    fn is_over(&mut self) -> Result<bool, Violation> {
        if !self.quiet {
            return Ok(false);
        }
        let views = self
            .seats
            .iter()
            .map(|seat| view(&self.world, seat, self.now, Origin::default()));
        let over = self.liveness.is_over(self.now, views)?;
        if over {
            self.coverage.count(Seen::Converged);
        }
        Ok(over)
    }

    fn server(&mut self) -> (&mut Server, Surroundings<'_>) {
        let around = Surroundings {
            now: self.now,
            world: &self.world,
            agenda: &mut self.agenda,
            coverage: &mut self.coverage,
        };
        (&mut self.server, around)
    }
}

const fn view<'a>(world: &'a World, seat: &'a Seat, now: Time, origin: Origin) -> View<'a> {
    View {
        now,
        world,
        seat,
        origin,
    }
}

const fn is_change(output: &Output<Kept>) -> bool {
    matches!(
        output,
        Output::Apply { .. }
            | Output::Remove { .. }
            | Output::Bookmark { .. }
            | Output::Moved { .. }
    )
}

/// True if an output reaches an older version than its answer, which does not lie.
fn comes_before(output: &Output<Kept>, answer: Origin) -> bool {
    let said = Said::of(output);
    let reached = said.reaches().and_then(ResourceVersion::as_decimal);
    !answer.odd_version && reached.is_some_and(|reached| reached < answer.revision)
}

/// Where an event that was held back comes from: its version, or the first change of its object after the
/// newest revision that the mirror has received.
fn origin_of_released(world: &World, output: &Output<Kept>, answer: Origin, seat: &Seat) -> Origin {
    let high = seat.position.high;
    let said = Said::of(output);
    let key = match &said {
        Said::Apply { widget, .. } => Some(&widget.key),
        Said::Remove(key, _) => Some(key),
        _ => None,
    };
    let reached = said.reaches().and_then(ResourceVersion::as_decimal);
    let changed = || {
        let timeline = world.timeline(answer.timeline);
        let mut later = timeline.changes(high, answer.revision).iter();
        let change = later.find(|record| Some(&record.key) == key)?;
        Some(change.revision)
    };
    let revision = reached.or_else(changed).unwrap_or(answer.revision);
    Origin {
        revision,
        odd_version: answer.odd_version || (key.is_some() && reached.is_none()),
        again: revision == seat.repeated,
        ..answer
    }
}

fn broken(promise: &'static str, text: &str) -> Violation {
    Violation {
        promise,
        text: text.to_owned(),
    }
}

//! The machine that lists, watches and keeps a store true.
//!
//! [`ReflectorMachine`] is pure: tell it what happened with
//! [`handle_input`](ReflectorMachine::handle_input) or, when
//! [`poll_timeout`](ReflectorMachine::poll_timeout) has come, with
//! [`handle_timeout`](ReflectorMachine::handle_timeout); then execute what
//! [`poll_output`](ReflectorMachine::poll_output) gives until it gives nothing more.
//!
//! ```text
//!             ┌────────────── delay ◀─────────────────────────────┐
//!             ▼                                                   │ round over
//!  Idle ─▶ WatchListing ──refused, no end mark──▶ Listing ──▶ Committing ──▶ Watching ⇄ BackingOff
//!             │                                                   ▲             ▲ failure │
//!             └──────────────── end mark ─────────────────────────┘          Probing ◀────┘
//! ```
//!
//! One round is a list or a watch-list, then watches until one of them cannot simply be opened again.
//! Where a source is polled, one round is a list and the wait for the next one.
//! The transitions live by state: `list`, `watch_list`, `watch` and `proof`.

mod backoff;
mod config;
mod input;
mod list;
mod output;
mod proof;
mod recovery;
mod retry_window;
mod state;
mod timers;
mod watch;
mod watch_list;

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Rejection;
use crate::object::ObjectKey;
use crate::rng::Rng;
use crate::store::{History, StoreError};
use crate::time::Time;
use crate::version::ResourceVersion;

use proof::Proof;
use retry_window::RetryWindow;
use state::{AfterDelay, CommitSource, Committing, Expensive, State, WatchListTry};
use timers::{Timer, Timers};

pub use backoff::{Backoff, BackoffConfig, BackoffReset};
pub use config::{
    FirstList, ReflectorConfig, RejectPolicy, VersionTracking, WatchListFallback, WatchListMode,
};
pub use input::{AttemptId, Input};
pub use output::{FallBackReason, Output, Report, Rewind, RoundError};
pub use recovery::{Phase, Recovery, recovery};
pub use state::Activity;

/// A reflector as a state machine.
#[derive(Debug)]
pub struct ReflectorMachine<T> {
    config: ReflectorConfig,
    rng: Rng,
    state: State,
    timers: Timers,
    outputs: VecDeque<Output<T>>,
    attempts: u64,
    late_answers: u64,
    holds_permit: bool,
    /// The version that the store has reached.
    last_version: ResourceVersion,
    /// The last version is of no use: the next list or watch-list asks for the most recent state.
    version_unavailable: bool,
    /// A list has been committed.
    holds_list: bool,
    /// The version at which a watch expired last.
    expired_version: ResourceVersion,
    /// A list from `0` came in pages, so the server keeps no watch cache: page every list.
    always_paginate: bool,
    backoff: Backoff,
    connection_backoff: Option<Backoff>,
    retry_window: RetryWindow,
    /// When the source last proved that it is not behind the store: by an event, a bookmark, a
    /// replace or the answer to a probe.
    proved_at: Time,
    /// No watch-list is tried before this.
    watch_list_suspended_until: Option<Time>,
    resync_running: bool,
    /// When the resync period of a polled source began. Its rounds may be shorter than the period.
    polled_resync_from: Option<Time>,
    /// When a watch was last opened again without a delay.
    resumed_at: Option<Time>,
    proof: Proof<T>,
}

impl<T> ReflectorMachine<T> {
    /// A machine that has not started. The seed spreads its delays and watch timeouts.
    #[must_use]
    pub fn new(config: ReflectorConfig, now: Time, seed: u64) -> Self {
        Self {
            rng: Rng::seeded(seed),
            state: State::Idle,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            attempts: 0,
            late_answers: 0,
            holds_permit: false,
            last_version: ResourceVersion::UNSET,
            version_unavailable: false,
            holds_list: false,
            expired_version: ResourceVersion::UNSET,
            always_paginate: false,
            backoff: Backoff::new(config.backoff.clone(), now),
            connection_backoff: config
                .connection_backoff
                .clone()
                .map(|backoff| Backoff::new(backoff, now)),
            retry_window: RetryWindow::new(config.max_internal_error_retry),
            proved_at: now,
            watch_list_suspended_until: None,
            resync_running: false,
            polled_resync_from: None,
            resumed_at: None,
            proof: Proof::default(),
            config,
        }
    }

    /// Tells the machine what happened. Nothing follows from an answer to a request that is over.
    pub fn handle_input(&mut self, now: Time, input: Input<T>) {
        let state = std::mem::replace(&mut self.state, State::Stopped);
        self.state = match input {
            Input::Start => match state {
                State::Idle => self.start_round(now),
                started => started,
            },
            Input::Stop => self.stop(&state, None),
            Input::PermitGranted { attempt } => self.permit_granted(now, state, attempt),
            Input::ListPart { attempt, part } => self.list_part(now, state, attempt, part),
            Input::ListEnded { attempt } => self.list_ended(now, state, attempt),
            Input::WatchOpened { attempt } => self.watch_opened(now, state, attempt),
            Input::Event { attempt, event } => self.event(now, state, attempt, event),
            Input::WatchEnded { attempt } => self.watch_ended(now, state, attempt),
            Input::Failed { attempt, error } => self.failed(now, state, attempt, error),
            Input::Committed(result) => self.committed(now, state, result),
            Input::Resynced(result) => self.resynced(now, state, result),
        };
        if !self.state.is_watch_phase() {
            self.timers.clear(Timer::Resync);
        }
    }

    /// Lets every deadline that has passed take effect.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.take_due(now) {
            let state = std::mem::replace(&mut self.state, State::Stopped);
            self.state = match timer {
                Timer::Backoff => self.delay_over(now, state),
                Timer::Poll => self.poll_due(now, state),
                Timer::ListIdle => self.list_stalled(now, state),
                Timer::Silence => self.watch_silent(now, state),
                Timer::WatchEnd => self.watch_overdue(now, state),
                Timer::Resync => self.resync_due(state),
                Timer::WatchListIdle | Timer::WatchListEnd => self.end_mark_overdue(now, state),
                Timer::WatchListWarning => self.warn_of_missing_end_mark(now, state),
            };
            if !self.state.is_watch_phase() {
                self.timers.clear(Timer::Resync);
            }
        }
    }

    /// Changes how often the store resyncs, from now on; none for never.
    pub fn set_resync_period(&mut self, now: Time, period: Option<Duration>) {
        self.config.resync_period = period.filter(|period| !period.is_zero());
        // A resync that is under way arms the timer when it is done, and a watch phase when it begins.
        if self.state.is_watch_phase() && !self.resync_running {
            let next = self.config.resync_period.map(|period| now + period);
            self.timers.set_or_clear(Timer::Resync, next);
        }
    }

    /// What to do next, in this order; nothing if there is nothing left to do now.
    pub fn poll_output(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// What the machine is doing.
    #[must_use]
    pub const fn activity(&self) -> Activity {
        self.state.activity()
    }

    /// The version that the store has reached; unset before the first list.
    #[must_use]
    pub const fn last_sync_resource_version(&self) -> &ResourceVersion {
        &self.last_version
    }

    /// The object that changed last in the store, with its version: what a reconnect asks for to prove
    /// that the source has the same history. None if it is not known.
    #[must_use]
    pub fn last_change(&self) -> Option<(&ObjectKey, &ResourceVersion)> {
        self.proof.fence.as_ref().map(proof::Fence::change)
    }

    /// How many answers came to requests that were over.
    #[must_use]
    pub const fn late_answers(&self) -> u64 {
        self.late_answers
    }

    /// Begins a round: a watch-list if one may be tried, otherwise a list.
    fn start_round(&mut self, now: Time) -> State {
        self.drop_held_back();
        let suspended = self
            .watch_list_suspended_until
            .is_some_and(|until| now < until);
        let polled = self.config.poll_interval.is_some();
        match self.config.watch_list {
            WatchListMode::Auto if !suspended && !polled => {
                self.begin(now, Expensive::WatchList(WatchListTry::default()))
            }
            WatchListMode::Auto | WatchListMode::Off => self.begin(now, Expensive::List),
        }
    }

    /// Makes an expensive request, or asks for the permit that it needs.
    fn begin(&mut self, now: Time, request: Expensive) -> State {
        if self.config.budgeted && !self.holds_permit {
            let attempt = self.next_attempt();
            self.output(Output::AcquirePermit { attempt });
            return State::AwaitingPermit {
                attempt,
                then: request,
            };
        }
        match request {
            Expensive::List => self.start_list(now),
            Expensive::WatchList(attempt) => self.start_watch_list(now, attempt),
            Expensive::Probe => self.probe(now),
        }
    }

    fn permit_granted(&mut self, now: Time, state: State, attempt: AttemptId) -> State {
        match state {
            State::AwaitingPermit {
                attempt: mine,
                then,
            } if mine == attempt => {
                self.holds_permit = true;
                self.begin(now, then)
            }
            other => self.late(other),
        }
    }

    /// Begins a replace. Every list but the first follows a gap, in which the source may have been
    /// restored from a backup: equal versions then prove nothing.
    fn begin_replace(&mut self) {
        self.proof.staged_fence = None;
        let history = if self.holds_list {
            History::Unknown
        } else {
            History::Same
        };
        self.output(Output::BeginReplace { history });
    }

    fn release_permit(&mut self) {
        if std::mem::take(&mut self.holds_permit) {
            self.output(Output::ReleasePermit);
        }
    }

    fn failed(
        &mut self,
        now: Time,
        state: State,
        attempt: AttemptId,
        error: crate::error::SourceError,
    ) -> State {
        match state {
            State::Listing(listing) if listing.attempt == attempt => {
                self.list_failed(now, listing, error)
            }
            State::WatchListing(watch) if watch.attempt == attempt => {
                self.watch_list_failed(now, &watch, error)
            }
            State::Watching(watch) if watch.attempt == attempt => {
                self.watch_failed(now, &watch, error)
            }
            State::Probing(probe) if probe.attempt == attempt => {
                self.probe_failed(now, probe.object.as_ref(), error)
            }
            State::Committing(committing) => self.stream_lost(committing, attempt),
            other => self.late(other),
        }
    }

    /// The stream of a watch-list ended while the store was busy with its commit: the watch is then
    /// opened anew, from the committed version.
    fn stream_lost(&mut self, mut committing: Committing, attempt: AttemptId) -> State {
        match &mut committing.source {
            CommitSource::WatchList { stream } if *stream == Some(attempt) => *stream = None,
            CommitSource::WatchList { .. } | CommitSource::List => self.late_answers += 1,
        }
        State::Committing(committing)
    }

    fn committed(&mut self, now: Time, state: State, result: Result<(), StoreError>) -> State {
        let State::Committing(committing) = state else {
            return self.late(state);
        };
        if result.is_err() {
            // Whether the store still holds what it did not take is its own affair.
            self.output(Output::AbortReplace);
        }
        match (result, committing.source) {
            (Ok(()), source) => {
                let watch_list = matches!(source, CommitSource::WatchList { .. });
                let version = committing.version.clone();
                self.last_version = committing.version;
                self.holds_list = true;
                self.proof.fence = self.proof.staged_fence.take();
                self.report(Report::Synced {
                    version,
                    watch_list,
                });
                self.release_permit();
                self.enter_watch_phase(now, source)
            }
            (Err(error), CommitSource::List) => {
                self.report(Report::RoundFailed {
                    phase: Phase::List,
                    error: error.into(),
                });
                self.end_round(now, None)
            }
            (Err(error), CommitSource::WatchList { stream }) => {
                if let Some(attempt) = stream {
                    self.output(Output::Abort { attempt });
                }
                let reason = FallBackReason::Store(error);
                self.report(Report::WatchListFellBack { reason });
                self.timers.clear_request();
                self.begin(now, Expensive::List)
            }
        }
    }

    fn enter_watch_phase(&mut self, now: Time, source: CommitSource) -> State {
        self.history_proved(now);
        self.retry_window = RetryWindow::new(self.config.max_internal_error_retry);
        if let Some(interval) = self.config.poll_interval {
            return self.wait_to_poll(now, interval);
        }
        let resync = self.config.resync_period.map(|period| now + period);
        self.timers.set_or_clear(Timer::Resync, resync);
        match source {
            CommitSource::WatchList {
                stream: Some(attempt),
            } => self.adopt_stream(now, attempt),
            CommitSource::WatchList { stream: None } | CommitSource::List => self.start_watch(now),
        }
    }

    /// Waits for the next list of a source that is polled.
    fn wait_to_poll(&mut self, now: Time, interval: Duration) -> State {
        self.timers.clear_request();
        self.timers.set(Timer::Poll, now + interval);
        let from = *self.polled_resync_from.get_or_insert(now);
        let resync = self.config.resync_period.map(|period| from + period);
        self.timers.set_or_clear(Timer::Resync, resync);
        State::Polling
    }

    fn poll_due(&mut self, now: Time, state: State) -> State {
        match state {
            State::Polling => self.start_round(now),
            other => other,
        }
    }

    fn resync_due(&mut self, state: State) -> State {
        if state.is_watch_phase() && !self.resync_running {
            self.resync_running = true;
            self.output(Output::Resync);
        }
        state
    }

    fn resynced(&mut self, now: Time, state: State, result: Result<(), StoreError>) -> State {
        self.resync_running = false;
        self.polled_resync_from = Some(now);
        if !state.is_watch_phase() {
            return state;
        }
        match result {
            Ok(()) => {
                // Armed again only now, so that two resyncs never overlap.
                let next = self.config.resync_period.map(|period| now + period);
                self.timers.set_or_clear(Timer::Resync, next);
                state
            }
            Err(error) => {
                self.report(Report::ResyncFailed(error));
                self.abort_request(&state);
                // A delay that runs, perhaps as the server asked, is not made shorter by this.
                let left = self.timers.left(Timer::Backoff, now);
                self.end_round_for(now, left.unwrap_or_default())
            }
        }
    }

    /// Ends the round: a delay, which a server may ask to be longer, then the next one.
    fn end_round(&mut self, now: Time, asked: Option<Duration>) -> State {
        let at_least = self.granted_delay(asked);
        self.end_round_for(now, at_least)
    }

    fn end_round_for(&mut self, now: Time, at_least: Duration) -> State {
        self.release_permit();
        let delay = self.backoff.draw(now, &mut self.rng);
        self.back_off(now, delay.max(at_least), AfterDelay::Round)
    }

    /// Waits before the same request is made again.
    fn retry_later(&mut self, now: Time, asked: Option<Duration>, then: AfterDelay) -> State {
        self.release_permit();
        let at_least = self.granted_delay(asked);
        let backoff = self
            .connection_backoff
            .as_mut()
            .unwrap_or(&mut self.backoff);
        let delay = backoff.draw(now, &mut self.rng);
        self.back_off(now, delay.max(at_least), then)
    }

    /// How much of the delay that a server asked for is waited.
    fn granted_delay(&mut self, asked: Option<Duration>) -> Duration {
        let asked = asked.unwrap_or_default();
        let granted = asked.min(self.config.retry_after_max);
        if granted < asked {
            self.report(Report::RetryAfterShortened { asked, granted });
        }
        granted
    }

    fn back_off(&mut self, now: Time, delay: Duration, then: AfterDelay) -> State {
        self.report(Report::BackingOff { delay });
        self.timers.clear_request();
        self.timers.set(Timer::Backoff, now + delay);
        State::BackingOff(then)
    }

    fn delay_over(&mut self, now: Time, state: State) -> State {
        match state {
            State::BackingOff(AfterDelay::Round) => self.start_round(now),
            State::BackingOff(AfterDelay::Watch) => self.reconnect(now),
            State::BackingOff(AfterDelay::WatchList(attempt)) => {
                self.begin(now, Expensive::WatchList(attempt))
            }
            other => other,
        }
    }

    fn stop(&mut self, state: &State, cause: Option<Rejection>) -> State {
        if matches!(state, State::Stopped) {
            return State::Stopped;
        }
        self.abort_request(state);
        match state {
            State::Listing(_) | State::WatchListing(_) | State::Committing(_) => {
                self.output(Output::AbortReplace);
            }
            State::Idle
            | State::AwaitingPermit { .. }
            | State::Watching(_)
            | State::Probing(_)
            | State::BackingOff(_)
            | State::Polling
            | State::Stopped => {}
        }
        self.release_permit();
        self.timers = Timers::default();
        self.output(Output::Stopped { cause });
        State::Stopped
    }

    /// Cancels the request of a state, or its request for a permit.
    fn abort_request(&mut self, state: &State) {
        let attempt = match state {
            State::AwaitingPermit { .. } => return self.output(Output::ReleasePermit),
            State::Listing(listing) => Some(listing.attempt),
            State::WatchListing(watch) => Some(watch.attempt),
            State::Watching(watch) => Some(watch.attempt),
            State::Probing(probe) => Some(probe.attempt),
            State::Committing(Committing {
                source: CommitSource::WatchList { stream },
                ..
            }) => *stream,
            State::Committing(_)
            | State::Idle
            | State::BackingOff(_)
            | State::Polling
            | State::Stopped => None,
        };
        if let Some(attempt) = attempt {
            self.output(Output::Abort { attempt });
        }
    }

    /// An answer to a request that is over: normal, and of no consequence.
    const fn late(&mut self, state: State) -> State {
        self.late_answers += 1;
        state
    }

    const fn next_attempt(&mut self) -> AttemptId {
        self.attempts += 1;
        AttemptId(self.attempts)
    }

    fn output(&mut self, output: Output<T>) {
        self.outputs.push_back(output);
    }

    fn report(&mut self, report: Report) {
        self.output(Output::Report(report));
    }
}

//! Watching: events into the store, and what follows when a watch ends.

use std::time::Duration;

use crate::error::{SourceError, TransportError, TransportErrorKind};
use crate::event::{ChangeKind, Rejection, WatchEvent};
use crate::object::Entry;
use crate::options::{ListOptions, WatchOptions};
use crate::status::Status;
use crate::store::History;
use crate::time::Time;
use crate::version::ResourceVersion;

use super::config::{RejectPolicy, VersionTracking};
use super::input::AttemptId;
use super::output::{Output, Report};
use super::recovery::{Phase, Recovery, recovery};
use super::state::{AfterDelay, CommitSource, Committing, Probing, State, Watching};
use super::timers::Timer;
use super::watch_list::whole_seconds;
use super::{ReflectorMachine, RoundError};

/// A watch that lasts less than this and brings nothing is an error: `client-go`'s one second.
pub(super) const VERY_SHORT: Duration = Duration::from_secs(1);

/// The shortest time a watch is asked to last, whatever the user says: the wire takes whole seconds.
const WATCH_TIMEOUT_SHORTEST: Duration = Duration::from_secs(1);

impl<T> ReflectorMachine<T> {
    /// Opens a watch at the last version.
    pub(super) fn start_watch(&mut self, now: Time) -> State {
        let timeout = self.draw_watch_timeout();
        let attempt = self.next_attempt();
        self.timers.clear_request();
        self.timers
            .set(Timer::WatchEnd, now + timeout + self.config.watch_end_grace);
        self.sign_of_life(now);
        self.output(Output::Watch {
            attempt,
            options: WatchOptions {
                resource_version: self.last_version.clone(),
                resource_version_match: None,
                timeout_seconds: Some(whole_seconds(timeout)),
                allow_bookmarks: true,
                send_initial_events: false,
            },
        });
        State::Watching(Watching {
            attempt,
            opened: false,
            started: now,
            events: 0,
            alive: false,
            unordered: !self.last_version.is_real() && !self.config.record_initial_versions,
        })
    }

    /// Goes on with the stream of a watch-list that has come to its end mark.
    pub(super) fn adopt_stream(&mut self, now: Time, attempt: AttemptId) -> State {
        self.sign_of_life(now);
        State::Watching(Watching {
            attempt,
            opened: true,
            started: now,
            events: 0,
            alive: true,
            unordered: false,
        })
    }

    pub(super) fn draw_watch_timeout(&mut self) -> Duration {
        let (min, max) = self.config.watch_timeout;
        let timeout = min + self.rng.duration_below(max.saturating_sub(min));
        timeout.max(WATCH_TIMEOUT_SHORTEST)
    }

    fn sign_of_life(&mut self, now: Time) {
        let deadline = self.config.silence_timeout.map(|silence| now + silence);
        self.timers.set_or_clear(Timer::Silence, deadline);
    }

    pub(super) fn watch_opened(&mut self, now: Time, state: State, attempt: AttemptId) -> State {
        match state {
            State::Watching(mut watch) if watch.attempt == attempt => {
                watch.opened = true;
                self.sign_of_life(now);
                State::Watching(watch)
            }
            State::WatchListing(mut watch) if watch.attempt == attempt => {
                // No deadline is put off by this: what counts for a watch-list is its events.
                watch.opened = true;
                State::WatchListing(watch)
            }
            other => self.late(other),
        }
    }

    pub(super) fn event(
        &mut self,
        now: Time,
        state: State,
        attempt: AttemptId,
        event: WatchEvent<T>,
    ) -> State {
        match state {
            State::Watching(watch) if watch.attempt == attempt => {
                self.watch_event(now, watch, event)
            }
            State::WatchListing(watch) if watch.attempt == attempt => {
                self.watch_list_event(now, watch, event)
            }
            State::Committing(Committing {
                version,
                source: CommitSource::WatchList { stream: Some(mine) },
            }) if mine == attempt => {
                // The contract is to answer the commit first. An event that comes all the same is
                // not lost: the stream is dropped, and a new one brings it again.
                self.output(Output::Abort { attempt });
                let source = CommitSource::WatchList { stream: None };
                State::Committing(Committing { version, source })
            }
            other => self.late(other),
        }
    }

    fn watch_event(&mut self, now: Time, mut watch: Watching, event: WatchEvent<T>) -> State {
        watch.alive = true;
        watch.opened = true;
        self.sign_of_life(now);
        self.proved_at = now;
        match event {
            WatchEvent::Added(entry) => self.change(now, watch, ChangeKind::Added, entry),
            WatchEvent::Modified(entry) => self.change(now, watch, ChangeKind::Modified, entry),
            WatchEvent::Deleted(entry) => self.change(now, watch, ChangeKind::Deleted, entry),
            WatchEvent::Bookmark {
                resource_version, ..
            } => self.bookmark(now, watch, resource_version),
            WatchEvent::Unknown {
                event_type,
                resource_version,
            } => {
                self.report(Report::UnknownEvent { event_type });
                watch.events += 1;
                if !watch.unordered
                    && let Some(version) = self.move_version(&resource_version)
                {
                    self.output(Output::Moved { version });
                }
                State::Watching(watch)
            }
            WatchEvent::Rejected(rejection) => self.rejected(now, watch, rejection),
            WatchEvent::Error(status) => {
                self.output(Output::Abort {
                    attempt: watch.attempt,
                });
                self.watch_failed(now, &watch, status.into())
            }
        }
    }

    fn change(
        &mut self,
        now: Time,
        mut watch: Watching,
        change: ChangeKind,
        entry: Entry<T>,
    ) -> State {
        if change != ChangeKind::Added {
            watch.unordered = false;
        }
        let version = entry.header.resource_version.clone();
        if !watch.unordered && self.goes_back(&version) {
            return self.version_went_back(now, &watch, version);
        }
        watch.events += 1;
        let version = if watch.unordered {
            None
        } else {
            self.move_version(&version)
        };
        self.output(Output::Apply {
            change,
            entry,
            version,
        });
        State::Watching(watch)
    }

    fn bookmark(&mut self, now: Time, mut watch: Watching, version: ResourceVersion) -> State {
        watch.unordered = false;
        if self.goes_back(&version) {
            return self.version_went_back(now, &watch, version);
        }
        watch.events += 1;
        if let Some(version) = self.move_version(&version) {
            self.output(Output::Bookmark { version });
        }
        State::Watching(watch)
    }

    fn goes_back(&self, version: &ResourceVersion) -> bool {
        match self.config.version_tracking {
            VersionTracking::Strict => version.is_older_than(&self.last_version),
            VersionTracking::LastWriter => false,
        }
    }

    /// Takes a version over, if it moves the store's at all.
    fn move_version(&mut self, version: &ResourceVersion) -> Option<ResourceVersion> {
        let keeps = match self.config.version_tracking {
            VersionTracking::Strict => version.is_unset() || self.goes_back(version),
            VersionTracking::LastWriter => false,
        };
        if keeps {
            return None;
        }
        if self.is_rewind(version) {
            self.history = History::Unknown;
        }
        self.last_version = version.clone();
        Some(version.clone())
    }

    /// An event is older than the store: its order cannot be trusted. The event is not applied; a
    /// consistent list settles what is true.
    fn version_went_back(&mut self, now: Time, watch: &Watching, got: ResourceVersion) -> State {
        self.output(Output::Abort {
            attempt: watch.attempt,
        });
        self.watch_completed(now, watch);
        self.report_rewind(got, false);
        self.version_unavailable = true;
        self.end_round(now, None)
    }

    fn rejected(&mut self, now: Time, mut watch: Watching, rejection: Rejection) -> State {
        self.report(Report::Rejected(rejection.clone()));
        if !rejection.reason.is_member() {
            return State::Watching(watch);
        }
        let gone = rejection.change == Some(ChangeKind::Deleted);
        if gone || rejection.change == Some(ChangeKind::Modified) {
            watch.unordered = false;
        }
        if !watch.unordered && self.goes_back(&rejection.resource_version) {
            return self.version_went_back(now, &watch, rejection.resource_version);
        }
        watch.events += 1;
        if self.config.reject_policy == RejectPolicy::Stop && !gone {
            return self.stop(&State::Watching(watch), Some(rejection));
        }
        let version = if watch.unordered {
            None
        } else {
            self.move_version(&rejection.resource_version)
        };
        let remove = gone || self.config.reject_policy == RejectPolicy::Drop;
        match (rejection.key, version) {
            (Some(key), version) if remove => self.output(Output::Remove { key, version }),
            (_, Some(version)) => self.output(Output::Moved { version }),
            (_, None) => {}
        }
        State::Watching(watch)
    }

    pub(super) fn watch_ended(&mut self, now: Time, state: State, attempt: AttemptId) -> State {
        match state {
            State::Watching(watch) if watch.attempt == attempt => {
                self.watch_completed(now, &watch);
                if watch.events == 0 && now - watch.started < VERY_SHORT {
                    self.report(Report::VeryShortWatch);
                    return self.end_round(now, None);
                }
                self.watch_again(now, &watch)
            }
            State::WatchListing(watch) if watch.attempt == attempt => {
                self.watch_list_ended(now, &watch)
            }
            State::Committing(committing) => self.stream_lost(committing, attempt),
            other => self.late(other),
        }
    }

    pub(super) fn watch_failed(
        &mut self,
        now: Time,
        watch: &Watching,
        error: SourceError,
    ) -> State {
        let phase = if watch.opened {
            Phase::WatchStream
        } else {
            Phase::WatchRequest
        };
        if watch.opened {
            self.watch_completed(now, watch);
        }
        if error.status().is_some_and(Status::is_expired) {
            self.version_expired();
        }
        match recovery(&error, phase, self.config.watch_list_fallback) {
            Recovery::Resume => self.watch_cut_off(now, watch, error),
            Recovery::Backoff { at_least } => {
                self.report(Report::WatchFailed {
                    error,
                    relist: false,
                });
                self.retry_later(now, at_least, AfterDelay::Watch)
            }
            Recovery::RetryInPlace => {
                self.retry_window.failed(now);
                if self.retry_window.allows(now) {
                    self.report(Report::WatchFailed {
                        error,
                        relist: false,
                    });
                    return self.start_watch(now);
                }
                self.report(Report::WatchFailed {
                    error,
                    relist: true,
                });
                self.end_round(now, None)
            }
            Recovery::Relist { at_least } => {
                self.round_over(phase, error);
                self.end_round(now, at_least)
            }
            Recovery::ListConsistently | Recovery::FallBack => {
                self.round_over(phase, error);
                self.end_round(now, None)
            }
        }
    }

    /// The version has left the history. The next list asks for it all the same, since a server that
    /// answers with anything newer answers cheaply; but if the same version has expired before, that
    /// list brought nothing newer (a limit may mean exactly this version), and never would.
    fn version_expired(&mut self) {
        if self.expired_version == self.last_version {
            self.version_unavailable = true;
        }
        self.expired_version.clone_from(&self.last_version);
    }

    /// A connection that breaks is like a watch that ends, also when it was very short.
    fn watch_cut_off(&mut self, now: Time, watch: &Watching, error: SourceError) -> State {
        let very_short = watch.events == 0 && now - watch.started < VERY_SHORT;
        self.report(Report::WatchFailed {
            error,
            relist: very_short,
        });
        if very_short {
            self.report(Report::VeryShortWatch);
            return self.end_round(now, None);
        }
        self.watch_again(now, watch)
    }

    /// Only a request that failed goes to the watch error handler; the end of a stream does not.
    fn round_over(&mut self, phase: Phase, error: SourceError) {
        match phase {
            Phase::WatchRequest => {
                let error = RoundError::Source(error);
                self.report(Report::RoundFailed { phase, error });
            }
            Phase::WatchStream | Phase::List | Phase::WatchList => {
                self.report(Report::WatchFailed {
                    error,
                    relist: true,
                });
            }
        }
    }

    fn watch_completed(&mut self, now: Time, watch: &Watching) {
        self.report(Report::WatchCompleted {
            duration: now - watch.started,
            events: watch.events,
        });
    }

    /// No sign of life came for too long. A stream that was alive is simply opened again; where
    /// nothing came at all the source is first asked for its version, since a server that went back
    /// behind our version stays silent too.
    pub(super) fn watch_silent(&mut self, now: Time, state: State) -> State {
        let State::Watching(watch) = state else {
            return state;
        };
        self.output(Output::Abort {
            attempt: watch.attempt,
        });
        let silence = self.config.silence_timeout.unwrap_or_default();
        if !watch.opened {
            let message = format!("the watch was not answered for {} s", silence.as_secs_f32());
            let error = TransportError::new(TransportErrorKind::TimedOut, message);
            return self.watch_failed(now, &watch, error.into());
        }
        self.watch_completed(now, &watch);
        self.report(Report::SilentWatch { silence });
        self.watch_again(now, &watch)
    }

    /// Opens a watch after one that brought something; after one that brought nothing too, unless
    /// nothing has come for so long, over all watches, that the source is asked for its version
    /// first. A watch that always ends before the silence timeout would otherwise hide for ever that
    /// the source went back.
    fn watch_again(&mut self, now: Time, watch: &Watching) -> State {
        let long_silent = self
            .config
            .silence_timeout
            .is_some_and(|silence| now - self.proved_at >= silence);
        if watch.alive || !long_silent || !self.last_version.is_real() {
            return self.start_watch(now);
        }
        self.probe(now)
    }

    /// Asks the source for its present version.
    fn probe(&mut self, now: Time) -> State {
        let attempt = self.next_attempt();
        self.timers.clear_request();
        self.timers
            .set(Timer::ListIdle, now + self.config.list_idle_timeout);
        let options = ListOptions {
            limit: Some(1),
            ..ListOptions::default()
        };
        self.output(Output::List { attempt, options });
        State::Probing(Probing {
            attempt,
            version: None,
        })
    }

    /// The source told its present version.
    pub(super) fn probe_ended(&mut self, now: Time, probe: Probing) -> State {
        match probe.version {
            Some(version) if self.is_rewind(&version) => {
                self.report_rewind(version, false);
                self.version_unavailable = true;
                self.timers.clear_request();
                self.start_round(now)
            }
            Some(_) | None => {
                self.proved_at = now;
                self.start_watch(now)
            }
        }
    }

    pub(super) fn probe_failed(&mut self, now: Time, error: SourceError) -> State {
        match recovery(&error, Phase::WatchRequest, self.config.watch_list_fallback) {
            Recovery::Backoff { at_least } => {
                self.report(Report::WatchFailed {
                    error,
                    relist: false,
                });
                self.retry_later(now, at_least, AfterDelay::Watch)
            }
            Recovery::Relist { at_least } => {
                self.round_over(Phase::WatchRequest, error);
                self.end_round(now, at_least)
            }
            Recovery::Resume
            | Recovery::RetryInPlace
            | Recovery::ListConsistently
            | Recovery::FallBack => {
                self.round_over(Phase::WatchRequest, error);
                self.end_round(now, None)
            }
        }
    }

    /// The server should have ended the watch, and did not.
    pub(super) fn watch_overdue(&mut self, now: Time, state: State) -> State {
        match state {
            State::Watching(watch) => {
                self.output(Output::Abort {
                    attempt: watch.attempt,
                });
                self.watch_completed(now, &watch);
                self.report(Report::OverdueWatch);
                self.watch_again(now, &watch)
            }
            State::WatchListing(_) => self.end_mark_overdue(now, state),
            other => other,
        }
    }
}

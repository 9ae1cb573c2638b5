//! Watching: events into the store, and what follows when a watch ends.

use std::time::Duration;

use crate::error::{SourceError, TransportError, TransportErrorKind};
use crate::event::{ChangeKind, Rejection, WatchEvent};
use crate::object::Entry;
use crate::options::WatchOptions;
use crate::status::Status;
use crate::time::Time;
use crate::version::ResourceVersion;

use super::config::{RejectPolicy, VersionTracking};
use super::input::AttemptId;
use super::output::{Output, Report};
use super::proof::Fence;
use super::recovery::{Phase, Recovery, recovery};
use super::state::{AfterDelay, AwaitedDelete, CommitSource, Committing, State, Watching};
use super::timers::{Timer, VERY_SHORT, whole_seconds};
use super::{ReflectorMachine, RoundError};

/// The shortest time a watch is asked to last, whatever the user says: the wire takes whole seconds.
const WATCH_TIMEOUT_SHORTEST: Duration = Duration::from_secs(1);

impl<T> ReflectorMachine<T> {
    /// Opens a watch at the last version.
    pub(super) fn start_watch(&mut self, now: Time) -> State {
        self.open_watch(now, None)
    }

    /// Opens a watch at the last version, which must deliver this delete before its events count.
    pub(super) fn open_watch(&mut self, now: Time, awaited: Option<Box<AwaitedDelete>>) -> State {
        self.release_permit();
        self.drop_held_back();
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
            awaited,
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
            awaited: None,
        })
    }

    pub(super) fn draw_watch_timeout(&mut self) -> Duration {
        let (min, max) = self.config.watch_timeout;
        let timeout = min.saturating_add(self.rng.duration_below(max.saturating_sub(min)));
        timeout.max(WATCH_TIMEOUT_SHORTEST)
    }

    pub(super) fn sign_of_life(&mut self, now: Time) {
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
                self.prove_by_event(now, watch, event)
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

    pub(super) fn watch_event(
        &mut self,
        now: Time,
        mut watch: Watching,
        event: WatchEvent<T>,
    ) -> State {
        watch.opened = true;
        let news = self.is_news(&event);
        if news {
            watch.alive = true;
            self.sign_of_life(now);
            self.proved_at = now;
        }
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
                if !news {
                    return State::Watching(watch);
                }
                self.unknown_event(watch, &resource_version)
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

    /// False for an event of an unknown type whose version is known or missing: a stream of these is
    /// no progress and no sign of life, however long it is.
    fn is_news(&self, event: &WatchEvent<T>) -> bool {
        match event {
            WatchEvent::Unknown {
                resource_version, ..
            } => !resource_version.is_unset() && *resource_version != self.last_version,
            WatchEvent::Added(_)
            | WatchEvent::Modified(_)
            | WatchEvent::Deleted(_)
            | WatchEvent::Bookmark { .. }
            | WatchEvent::Error(_)
            | WatchEvent::Rejected(_) => true,
        }
    }

    /// The version of an event of an unknown type is news.
    fn unknown_event(&mut self, mut watch: Watching, version: &ResourceVersion) -> State {
        watch.events += 1;
        if !watch.unordered
            && let Some(version) = self.move_version(version)
        {
            // Which object changed is not known.
            self.proof.fence = None;
            self.output(Output::Moved { version });
        }
        State::Watching(watch)
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
        let deleted = change == ChangeKind::Deleted;
        Fence::advance(&mut self.proof.fence, entry.key(), &version, deleted);
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
        self.report_rewind(got, None, false);
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
        match &rejection.key {
            Some(key) => {
                let version = &rejection.resource_version;
                Fence::advance(&mut self.proof.fence, key, version, gone);
            }
            None => self.proof.fence = None,
        }
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
        self.doubt();
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
                    return self.resume(now);
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
        self.watch_on(now, watch)
    }

    /// Only a request that failed goes to the watch error handler; the end of a stream does not.
    pub(super) fn round_over(&mut self, phase: Phase, error: SourceError) {
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

    pub(super) fn watch_completed(&mut self, now: Time, watch: &Watching) {
        self.report(Report::WatchCompleted {
            duration: now - watch.started,
            events: watch.events,
        });
    }

    /// No sign of life came for too long: a connection that failed without a word.
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
        self.doubt();
        self.watch_again(now, &watch)
    }

    /// Opens a watch after one that ended, unless it should have brought a delete.
    fn watch_again(&mut self, now: Time, watch: &Watching) -> State {
        match &watch.awaited {
            Some(awaited) => self.delete_did_not_come(now, awaited),
            None => self.watch_on(now, watch),
        }
    }

    /// Opens a watch after one that ended. If no event has come for a long time, over all watches,
    /// the history is in doubt: watches that always end before the silence timeout would otherwise
    /// hide for ever that the source went back.
    fn watch_on(&mut self, now: Time, watch: &Watching) -> State {
        let long_silent = self
            .config
            .silence_timeout
            .is_some_and(|silence| now - self.proved_at >= silence);
        if !watch.alive && long_silent {
            self.proof.in_doubt = true;
        }
        self.resume(now)
    }

    /// Reconnects without a delay, but once a second at most. A source that ends every watch at once
    /// is asked again at the pace of the backoff, whatever its watches brought.
    fn resume(&mut self, now: Time) -> State {
        let just_resumed = self.resumed_at.is_some_and(|last| now - last < VERY_SHORT);
        if just_resumed {
            // The delay is long enough for a restart that is not noticed.
            self.doubt();
            return self.retry_later(now, None, AfterDelay::Watch);
        }
        self.resumed_at = Some(now);
        self.reconnect(now)
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
                self.doubt();
                self.watch_again(now, &watch)
            }
            State::WatchListing(_) => self.end_mark_overdue(now, state),
            other => other,
        }
    }
}

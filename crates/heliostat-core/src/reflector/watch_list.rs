//! The watch-list: the initial state streamed through a watch, closed by a bookmark that says so.

use std::time::Duration;

use crate::error::SourceError;
use crate::event::{ChangeKind, Rejection, WatchEvent};
use crate::options::{ResourceVersionMatch, WatchOptions};
use crate::time::Time;
use crate::version::ResourceVersion;

use super::output::{FallBackReason, Output, Report};
use super::proof::Fence;
use super::recovery::{Phase, Recovery, recovery};
use super::state::{
    AfterDelay, CommitSource, Committing, Expensive, State, WatchListTry, WatchListing,
};
use super::timers::{Timer, VERY_SHORT, whole_seconds};
use super::{ReflectorMachine, RoundError};

/// How often it is told that the end mark is still missing: `client-go`'s ten seconds.
const WARNING_PERIOD: Duration = Duration::from_secs(10);

impl<T> ReflectorMachine<T> {
    pub(super) fn start_watch_list(&mut self, now: Time, attempt: WatchListTry) -> State {
        let deadline = attempt
            .deadline
            .unwrap_or(now + self.config.watch_list_timeout);
        if deadline <= now {
            let waited = self.config.watch_list_timeout;
            return self.list_instead(now, FallBackReason::NoEndMark { waited });
        }
        let version = if self.version_unavailable {
            ResourceVersion::UNSET
        } else {
            self.last_version.clone()
        };
        let watch = WatchListing {
            attempt: self.next_attempt(),
            version: version.clone(),
            started: now,
            deadline,
            restarts: attempt.restarts,
            opened: false,
            tracked: ResourceVersion::UNSET,
            only_added: true,
            events: 0,
            last_event: None,
        };
        let timeout = self.draw_watch_timeout();
        self.timers.clear_request();
        self.timers.set(Timer::WatchListEnd, deadline);
        self.timers.set(
            Timer::WatchListIdle,
            now + self.config.watch_list_idle_timeout,
        );
        self.timers
            .set(Timer::WatchListWarning, now + WARNING_PERIOD);
        self.timers
            .set(Timer::WatchEnd, now + timeout + self.config.watch_end_grace);
        self.begin_replace();
        self.output(Output::Watch {
            attempt: watch.attempt,
            options: WatchOptions {
                resource_version: version,
                resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
                timeout_seconds: Some(whole_seconds(timeout)),
                allow_bookmarks: true,
                send_initial_events: true,
            },
        });
        State::WatchListing(watch)
    }

    pub(super) fn watch_list_event(
        &mut self,
        now: Time,
        mut watch: WatchListing,
        event: WatchEvent<T>,
    ) -> State {
        self.timers.set(
            Timer::WatchListIdle,
            now + self.config.watch_list_idle_timeout,
        );
        watch.opened = true;
        watch.last_event = Some(now);
        let (version, added) = match event {
            WatchEvent::Added(entry) => {
                let version = entry.header.resource_version.clone();
                self.note_staged(entry.key(), &version);
                self.output(Output::Stage(vec![entry]));
                (version, true)
            }
            WatchEvent::Modified(entry) => {
                let version = entry.header.resource_version.clone();
                self.note_staged(entry.key(), &version);
                self.output(Output::Stage(vec![entry]));
                (version, false)
            }
            WatchEvent::Deleted(entry) => {
                let staged = &mut self.proof.staged_fence;
                Fence::advance(staged, entry.key(), &entry.header.resource_version, true);
                self.output(Output::Unstage(entry.header.key));
                (entry.header.resource_version, false)
            }
            WatchEvent::Bookmark {
                resource_version,
                initial_events_end: true,
            } => {
                return self.initial_events_ended(now, &watch, resource_version);
            }
            WatchEvent::Bookmark {
                resource_version,
                initial_events_end: false,
            } => (resource_version, false),
            WatchEvent::Unknown {
                event_type,
                resource_version,
            } => {
                self.report(Report::UnknownEvent { event_type });
                if resource_version.is_unset() {
                    return State::WatchListing(watch);
                }
                // Which object changed is not known.
                self.proof.staged_fence = None;
                (resource_version, true)
            }
            WatchEvent::Rejected(rejection) => return self.watch_list_rejected(watch, rejection),
            WatchEvent::Error(status) => {
                self.output(Output::Abort {
                    attempt: watch.attempt,
                });
                return self.watch_list_failed(now, &watch, status.into());
            }
        };
        watch.events += 1;
        watch.only_added &= added;
        if !watch.only_added && !version.is_unset() {
            watch.tracked = version;
        }
        State::WatchListing(watch)
    }

    fn watch_list_rejected(&mut self, mut watch: WatchListing, rejection: Rejection) -> State {
        if rejection.reason.is_member() {
            watch.events += 1;
        }
        if rejection.change == Some(ChangeKind::Deleted) {
            // Gone is gone, whether or not its last state can be read.
            if let Some(key) = rejection
                .key
                .clone()
                .filter(|_| rejection.reason.is_member())
            {
                let staged = &mut self.proof.staged_fence;
                Fence::advance(staged, &key, &rejection.resource_version, true);
                self.output(Output::Unstage(key));
            }
            self.report(Report::Rejected(rejection));
            return State::WatchListing(watch);
        }
        match self.stage_rejected(rejection) {
            Ok(()) => State::WatchListing(watch),
            Err(rejection) => self.stop(&State::WatchListing(watch), Some(*rejection)),
        }
    }

    /// The end mark came: what was staged is the whole collection.
    fn initial_events_ended(
        &mut self,
        now: Time,
        watch: &WatchListing,
        bookmark: ResourceVersion,
    ) -> State {
        let version = if bookmark.is_unset() {
            watch.tracked.clone()
        } else {
            bookmark
        };
        let consistent = watch.version.is_unset();
        if self.is_rewind(&version) {
            self.report_rewind(version.clone(), None, consistent);
            if !consistent {
                self.output(Output::Abort {
                    attempt: watch.attempt,
                });
                self.output(Output::AbortReplace);
                self.version_unavailable = true;
                return self.begin(now, Expensive::List);
            }
        }
        self.version_unavailable = false;
        self.watch_list_suspended_until = None;
        for timer in [
            Timer::WatchListIdle,
            Timer::WatchListEnd,
            Timer::WatchListWarning,
        ] {
            self.timers.clear(timer);
        }
        self.output(Output::Commit {
            version: version.clone(),
        });
        let source = CommitSource::WatchList {
            stream: Some(watch.attempt),
        };
        State::Committing(Committing { version, source })
    }

    pub(super) fn watch_list_ended(&mut self, now: Time, watch: &WatchListing) -> State {
        if watch.events == 0 && now - watch.started < VERY_SHORT {
            self.report(Report::VeryShortWatch);
            return self.list_instead(now, FallBackReason::VeryShort);
        }
        self.start_over(now, watch, None)
    }

    pub(super) fn watch_list_failed(
        &mut self,
        now: Time,
        watch: &WatchListing,
        error: SourceError,
    ) -> State {
        match recovery(&error, Phase::WatchList, self.config.watch_list_fallback) {
            Recovery::Backoff { at_least } => {
                let cut_off = watch.opened && matches!(error, SourceError::Transport(_));
                self.report(Report::WatchFailed {
                    error,
                    relist: false,
                });
                if cut_off {
                    // A connection that breaks is like a stream that ends.
                    return self.watch_list_ended(now, watch);
                }
                self.output(Output::AbortReplace);
                self.retry_later(now, at_least, AfterDelay::WatchList(watch.next_try()))
            }
            // A version that was not asked for cannot expire: the server does not know watch-lists.
            Recovery::ListConsistently if watch.version.is_unset() => {
                self.list_instead(now, FallBackReason::Failed(error))
            }
            Recovery::ListConsistently => {
                self.report(Report::WatchFailed {
                    error,
                    relist: false,
                });
                self.version_unavailable = true;
                self.start_over(now, watch, None)
            }
            Recovery::Relist { at_least } => {
                self.output(Output::AbortReplace);
                let error = RoundError::Source(error);
                self.report(Report::RoundFailed {
                    phase: Phase::WatchList,
                    error,
                });
                self.end_round(now, at_least)
            }
            Recovery::FallBack | Recovery::Resume | Recovery::RetryInPlace => {
                self.list_instead(now, FallBackReason::Failed(error))
            }
        }
    }

    /// Once at once; from then on after a delay, so that a server that says the same again and again
    /// is not hammered.
    fn start_over(&mut self, now: Time, watch: &WatchListing, at_least: Option<Duration>) -> State {
        self.output(Output::AbortReplace);
        let attempt = WatchListTry {
            deadline: Some(watch.deadline),
            restarts: watch.restarts + 1,
        };
        if watch.restarts == 0 {
            return self.begin(now, Expensive::WatchList(attempt));
        }
        self.retry_later(now, at_least, AfterDelay::WatchList(attempt))
    }

    /// The end mark did not come in time: list, and try no watch-list of this kind for a while.
    pub(super) fn end_mark_overdue(&mut self, now: Time, state: State) -> State {
        let State::WatchListing(watch) = state else {
            return state;
        };
        self.output(Output::Abort {
            attempt: watch.attempt,
        });
        let waited = if now < watch.deadline {
            now - watch.started
        } else {
            self.config.watch_list_timeout
        };
        self.list_instead(now, FallBackReason::NoEndMark { waited })
    }

    pub(super) fn warn_of_missing_end_mark(&mut self, now: Time, state: State) -> State {
        if let State::WatchListing(watch) = &state {
            let since_event = watch.last_event.map(|last| now - last);
            if since_event.is_none_or(|quiet| quiet >= WARNING_PERIOD) {
                let waiting = now - watch.started;
                self.report(Report::WatchListWaiting {
                    waiting,
                    since_event,
                });
            }
            self.timers
                .set(Timer::WatchListWarning, now + WARNING_PERIOD);
        }
        state
    }

    fn list_instead(&mut self, now: Time, reason: FallBackReason) -> State {
        if matches!(reason, FallBackReason::NoEndMark { .. }) {
            self.watch_list_suspended_until = Some(now + self.config.watch_list_retry_after);
        }
        self.report(Report::WatchListFellBack { reason });
        self.output(Output::AbortReplace);
        self.timers.clear_request();
        self.begin(now, Expensive::List)
    }
}

impl WatchListing {
    /// What a try that failed leaves to the next one: the time for the end mark, if the server was
    /// reached at all. The time in which it could not be asked does not count.
    fn next_try(&self) -> WatchListTry {
        WatchListTry {
            deadline: self.opened.then_some(self.deadline),
            restarts: self.restarts,
        }
    }
}

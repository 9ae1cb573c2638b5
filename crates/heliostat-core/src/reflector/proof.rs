//! Proof that the source is still in the history that the store follows.
//!
//! A source that was restored from a backup continues from an older state. Once its new changes have
//! passed the version of the store, a watch from that version succeeds and skips everything that
//! differs. So a reconnect that follows a failure proves two things before it opens the watch, with
//! one small list:
//!
//! - the version of the source is not behind the version of the store;
//! - the *fence*, the object that changed last in the store, is as the store has it, or has changed
//!   after the version of the store. If it is gone, its delete must come in the watch: events are
//!   held back until it does.
//!
//! Anything else is a rewind. It is reported and settled by a list of the most recent state.

use std::cmp::Ordering;

use crate::error::{DecodeError, SourceError};
use crate::event::{Item, WatchEvent};
use crate::object::ObjectKey;
use crate::options::ListOptions;
use crate::status::Status;
use crate::time::Time;
use crate::version::ResourceVersion;

use super::ReflectorMachine;
use super::output::{Output, Report};
use super::recovery::{Phase, Recovery, recovery};
use super::state::{AfterDelay, AwaitedDelete, Probing, State, Watching};
use super::timers::Timer;

/// Number of events that are held back at most while a delete is awaited. The delete is in the
/// history between two versions, so few events come before it; a longer wait costs a list.
const HELD_BACK_MAX: usize = 1000;

/// What is known about the history of the source.
#[derive(Debug)]
pub(super) struct Proof<T> {
    /// A connection failed since the last proof.
    pub(super) in_doubt: bool,
    /// The last change that is in the store.
    pub(super) fence: Option<Fence>,
    /// The last change in the set that is being staged.
    pub(super) staged_fence: Option<Fence>,
    /// The source refused a list of one object.
    single_object_refused: bool,
    /// Events that wait for a delete.
    held_back: Vec<WatchEvent<T>>,
}

impl<T> Default for Proof<T> {
    fn default() -> Self {
        Self {
            in_doubt: false,
            fence: None,
            staged_fence: None,
            single_object_refused: false,
            held_back: Vec::new(),
        }
    }
}

/// The last change of a set of objects: the evidence that a source has the same history.
#[derive(Clone, Debug)]
pub(super) struct Fence {
    key: ObjectKey,
    version: ResourceVersion,
    deleted: bool,
}

/// What an answer says about the history.
enum Finding {
    Same,
    Other(ResourceVersion),
    Gone,
}

/// What an event says about an awaited delete.
enum Waiting {
    Over,
    Refuted,
    GoesOn,
}

impl Fence {
    pub(super) const fn change(&self) -> (&ObjectKey, &ResourceVersion) {
        (&self.key, &self.version)
    }

    /// Takes over the newer of the present fence and a change. Only decimal versions have an order.
    pub(super) fn advance(
        fence: &mut Option<Self>,
        key: &ObjectKey,
        version: &ResourceVersion,
        deleted: bool,
    ) {
        if version.as_decimal().is_none() {
            // The object changed to a version that is not known here.
            fence.take_if(|fence| fence.key == *key);
            return;
        }
        let newer = fence
            .as_ref()
            .is_none_or(|fence| !version.is_older_than(&fence.version));
        if newer {
            *fence = Some(Self {
                key: key.clone(),
                version: version.clone(),
                deleted,
            });
        }
    }

    /// Compares the object as the source has it at version `at`. The store has seen every change up
    /// to `reached`.
    fn judge(
        &self,
        found: Option<&ResourceVersion>,
        at: &ResourceVersion,
        reached: &ResourceVersion,
    ) -> Finding {
        match found {
            None if self.deleted => Finding::Same,
            // Without an order of versions there is no end to wait for.
            None if at.as_decimal().is_none() => Finding::Same,
            None => Finding::Gone,
            Some(found) if !self.deleted && *found == self.version => Finding::Same,
            Some(found) => match found.compare(reached) {
                Some(Ordering::Less | Ordering::Equal) => Finding::Other(found.clone()),
                Some(Ordering::Greater) | None => Finding::Same,
            },
        }
    }
}

impl AwaitedDelete {
    fn judge<T>(&self, event: &WatchEvent<T>) -> Waiting {
        let passed = |version: &ResourceVersion| match self.gone_at.is_older_than(version) {
            true => Waiting::Refuted,
            false => Waiting::GoesOn,
        };
        match event {
            WatchEvent::Deleted(entry) if *entry.key() == self.key => Waiting::Over,
            WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => {
                passed(&entry.header.resource_version)
            }
            WatchEvent::Rejected(rejection) if rejection.deletes(&self.key) => Waiting::Over,
            WatchEvent::Rejected(rejection) if rejection.reason.is_member() => {
                passed(&rejection.resource_version)
            }
            WatchEvent::Rejected(_) => Waiting::GoesOn,
            WatchEvent::Bookmark {
                resource_version, ..
            } if *resource_version == self.gone_at => Waiting::Refuted,
            WatchEvent::Bookmark {
                resource_version, ..
            }
            | WatchEvent::Unknown {
                resource_version, ..
            } => passed(resource_version),
            // The end of the stream proves nothing.
            WatchEvent::Error(_) => Waiting::Over,
        }
    }
}

impl<T> ReflectorMachine<T> {
    /// Opens a watch, after a proof if one is due.
    pub(super) fn reconnect(&mut self, now: Time) -> State {
        if self.proof.in_doubt && self.last_version.is_real() {
            return self.begin(now, super::state::Expensive::Probe);
        }
        self.start_watch(now)
    }

    /// A watch failed, or there is a delay before the next one: the source behind it may be another.
    pub(super) const fn doubt(&mut self) {
        self.proof.in_doubt |= self.config.verify_history;
    }

    pub(super) fn history_proved(&mut self, now: Time) {
        self.proof.in_doubt = false;
        self.proved_at = now;
    }

    /// Drops the events that wait for a delete; a watch that is opened later delivers them again.
    pub(super) fn drop_held_back(&mut self) {
        self.proof.held_back = Vec::new();
    }

    /// Asks the source for its version and the fence.
    pub(super) fn probe(&mut self, now: Time) -> State {
        let single = self.config.single_object_lists && !self.proof.single_object_refused;
        let object = self
            .proof
            .fence
            .as_ref()
            .filter(|_| single)
            .map(|fence| fence.key.clone());
        let attempt = self.next_attempt();
        self.timers.clear_request();
        self.timers
            .set(Timer::ListIdle, now + self.config.list_idle_timeout);
        let options = ListOptions {
            limit: object.is_none().then_some(1),
            object: object.clone(),
            ..ListOptions::default()
        };
        self.output(Output::List { attempt, options });
        State::Probing(Probing {
            attempt,
            object,
            version: None,
            found: None,
        })
    }

    /// The answer is complete.
    pub(super) fn probe_ended(&mut self, now: Time, probe: Probing) -> State {
        let Some(version) = probe.version else {
            return self.probe_failed(
                now,
                probe.object.as_ref(),
                DecodeError::NoListMetadata.into(),
            );
        };
        if self.is_rewind(&version) {
            return self.rewound(now, version, None);
        }
        let fence = self.proof.fence.clone().filter(|_| probe.object.is_some());
        let Some(fence) = fence else {
            self.history_proved(now);
            return self.start_watch(now);
        };
        match fence.judge(probe.found.as_ref(), &version, &self.last_version) {
            Finding::Same => {
                self.history_proved(now);
                self.start_watch(now)
            }
            Finding::Other(found) => self.rewound(now, found, Some(fence.key)),
            // All changes up to this version were seen, and none of them was a delete.
            Finding::Gone if version == self.last_version => {
                self.rewound(now, ResourceVersion::UNSET, Some(fence.key))
            }
            Finding::Gone => {
                let awaited = AwaitedDelete {
                    key: fence.key,
                    gone_at: version,
                };
                self.open_watch(now, Some(Box::new(awaited)))
            }
        }
    }

    pub(super) fn probe_failed(
        &mut self,
        now: Time,
        object: Option<&ObjectKey>,
        error: SourceError,
    ) -> State {
        let refused = |status: &Status| status.is_invalid() || status.is_bad_request();
        if object.is_some() && error.status().is_some_and(refused) {
            // Not every server selects by name; its version can still be asked for.
            self.proof.single_object_refused = true;
            return self.probe(now);
        }
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

    /// The source has another history: a new round lists its most recent state, after the backoff,
    /// since replicas that differ behind one address would rewind at every reconnect.
    fn rewound(&mut self, now: Time, got: ResourceVersion, object: Option<ObjectKey>) -> State {
        self.report_rewind(got, object, false);
        self.version_unavailable = true;
        self.timers.clear_request();
        self.end_round(now, None)
    }

    /// Passes an event on, or holds it back while the delete of the fence is awaited.
    pub(super) fn prove_by_event(
        &mut self,
        now: Time,
        mut watch: Watching,
        event: WatchEvent<T>,
    ) -> State {
        let Some(awaited) = &watch.awaited else {
            return self.watch_event(now, watch, event);
        };
        match awaited.judge(&event) {
            Waiting::GoesOn if self.proof.held_back.len() < HELD_BACK_MAX => {
                self.sign_of_life(now);
                watch.opened = true;
                watch.alive = true;
                self.proof.held_back.push(event);
                State::Watching(watch)
            }
            Waiting::GoesOn | Waiting::Refuted => {
                self.output(Output::Abort {
                    attempt: watch.attempt,
                });
                self.watch_completed(now, &watch);
                self.delete_did_not_come(now, awaited)
            }
            Waiting::Over => {
                watch.awaited = None;
                if !matches!(event, WatchEvent::Error(_)) {
                    self.history_proved(now);
                }
                self.deliver_held_back(now, watch, event)
            }
        }
    }

    /// Handles the events that were held back and the one that released them. One of them may end
    /// the watch.
    fn deliver_held_back(&mut self, now: Time, watch: Watching, last: WatchEvent<T>) -> State {
        let attempt = watch.attempt;
        let mut events = std::mem::take(&mut self.proof.held_back);
        if matches!(last, WatchEvent::Error(_)) {
            events.clear();
        }
        let mut state = State::Watching(watch);
        for event in events.into_iter().chain([last]) {
            state = match state {
                State::Watching(watch) if watch.attempt == attempt => {
                    self.watch_event(now, watch, event)
                }
                other => return other,
            };
        }
        state
    }

    /// The fence is gone, and the source does not have its delete.
    pub(super) fn delete_did_not_come(&mut self, now: Time, awaited: &AwaitedDelete) -> State {
        let object = Some(awaited.key.clone());
        self.rewound(now, ResourceVersion::UNSET, object)
    }
}

impl Probing {
    /// Looks for the fence among the items.
    pub(super) fn look_at<T>(&mut self, items: &[Item<T>]) {
        for item in items {
            let (key, version) = match item {
                Ok(entry) => (Some(entry.key()), &entry.header.resource_version),
                Err(rejection) => (rejection.key.as_ref(), &rejection.resource_version),
            };
            if key.is_some() && key == self.object.as_ref() {
                self.found = Some(version.clone());
            }
        }
    }
}

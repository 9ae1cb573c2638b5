//! Listing: pages into a staged set, and what follows when a page fails.

use crate::error::{DecodeError, SourceError, TransportError, TransportErrorKind};
use crate::event::{Item, ListPart, Rejection};
use crate::object::ObjectKey;
use crate::options::ListOptions;
use crate::time::Time;
use crate::version::ResourceVersion;

use super::ReflectorMachine;
use super::config::{FirstList, RejectPolicy};
use super::input::AttemptId;
use super::output::{Output, Report, Rewind};
use super::proof::Fence;
use super::recovery::{Phase, Recovery, recovery};
use super::state::{CommitSource, Committing, Listing, State};
use super::timers::Timer;

/// Items a page where paging costs the server nothing: `client-go`'s default.
const DEFAULT_PAGE_SIZE: u32 = 500;

impl<T> ReflectorMachine<T> {
    /// The first page of a round's list.
    pub(super) fn start_list(&mut self, now: Time) -> State {
        let version = self.list_version();
        let limit = self.page_limit(&version);
        let listing = Listing {
            attempt: self.next_attempt(),
            first_version: version.clone(),
            version,
            limit,
            token: None,
            metadata: None,
            list_version: None,
            paginated: false,
            retried: false,
            rescued: false,
            pages: 0,
            items: 0,
            started: now,
        };
        self.begin_replace();
        self.request_page(now, listing)
    }

    /// The version of the next list: none once the last one was of no use, `0` at first.
    ///
    /// A server may take a limit at a version for exactly that version. A watch then brings what is newer;
    /// a source that is polled would show the same state for ever, so it is asked for the most recent one.
    fn list_version(&self) -> ResourceVersion {
        if self.version_unavailable {
            return ResourceVersion::UNSET;
        }
        if self.last_version.is_unset() || self.config.list_from_any_always {
            return match self.config.first_list {
                FirstList::Any => ResourceVersion::ANY,
                FirstList::MostRecent => ResourceVersion::UNSET,
            };
        }
        let is_limited = self.page_limit(&self.last_version).is_some();
        if is_limited && self.config.poll_interval.is_some() {
            return ResourceVersion::UNSET;
        }
        self.last_version.clone()
    }

    /// A page of a list at a real version would be served from the version's exact state, past the
    /// server's watch cache; so such lists are not paged, unless they proved to be paged anyway.
    fn page_limit(&self, version: &ResourceVersion) -> Option<u32> {
        match self.config.page_size {
            Some(limit) => Some(limit),
            None if self.always_paginate || !version.is_real() => Some(DEFAULT_PAGE_SIZE),
            None => None,
        }
    }

    /// Asks for the page that `listing` stands before.
    fn request_page(&mut self, now: Time, listing: Listing) -> State {
        // A token pins the version already; a server refuses both together.
        let resource_version = match listing.token {
            Some(_) => ResourceVersion::UNSET,
            None => listing.version.clone(),
        };
        let options = ListOptions {
            resource_version,
            resource_version_match: None,
            limit: listing.limit,
            continue_token: listing.token.clone(),
            object: None,
        };
        self.timers.clear_request();
        self.timers
            .set(Timer::ListIdle, now + self.config.list_idle_timeout);
        self.output(Output::List {
            attempt: listing.attempt,
            options,
        });
        State::Listing(listing)
    }

    pub(super) fn list_part(
        &mut self,
        now: Time,
        state: State,
        attempt: AttemptId,
        part: ListPart<T>,
    ) -> State {
        match state {
            State::Listing(mut listing) if listing.attempt == attempt => {
                self.timers
                    .set(Timer::ListIdle, now + self.config.list_idle_timeout);
                match part {
                    ListPart::Metadata(metadata) => listing.metadata = Some(metadata),
                    ListPart::Items(items) => {
                        listing.items += items.len() as u64;
                        if let Err(rejection) = self.stage_items(items) {
                            return self.stop(&State::Listing(listing), Some(*rejection));
                        }
                    }
                }
                State::Listing(listing)
            }
            State::Probing(mut probe) if probe.attempt == attempt => {
                self.timers
                    .set(Timer::ListIdle, now + self.config.list_idle_timeout);
                match part {
                    ListPart::Metadata(metadata) => {
                        probe.version = Some(metadata.resource_version);
                    }
                    ListPart::Items(items) => probe.look_at(&items),
                }
                State::Probing(probe)
            }
            other => self.late(other),
        }
    }

    /// Stages what could be understood; gives back the rejection that stops the reflector, if the
    /// policy says so.
    fn stage_items(&mut self, items: Vec<Item<T>>) -> Result<(), Box<Rejection>> {
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Ok(entry) => {
                    self.note_staged(entry.key(), &entry.header.resource_version);
                    entries.push(entry);
                }
                Err(rejection) => {
                    self.output(Output::Stage(std::mem::take(&mut entries)));
                    self.stage_rejected(rejection)?;
                }
            }
        }
        self.output(Output::Stage(entries));
        Ok(())
    }

    pub(super) fn note_staged(&mut self, key: &ObjectKey, version: &ResourceVersion) {
        Fence::advance(&mut self.proof.staged_fence, key, version, false);
    }

    /// Applies the policy to an object of a set being staged that could not be understood.
    pub(super) fn stage_rejected(&mut self, rejection: Rejection) -> Result<(), Box<Rejection>> {
        self.report(Report::Rejected(rejection.clone()));
        if !rejection.reason.is_member() {
            return Ok(());
        }
        match &rejection.key {
            Some(key) => self.note_staged(key, &rejection.resource_version),
            // Which object changed is not known.
            None => self.proof.staged_fence = None,
        }
        match (self.config.reject_policy, rejection.key.clone()) {
            (RejectPolicy::Stop, _) => Err(Box::new(rejection)),
            (RejectPolicy::KeepLast, Some(key)) => {
                self.output(Output::Keep(key));
                Ok(())
            }
            (RejectPolicy::Drop, Some(key)) => {
                self.output(Output::Unstage(key));
                Ok(())
            }
            (RejectPolicy::KeepLast | RejectPolicy::Drop, None) => Ok(()),
        }
    }

    pub(super) fn list_ended(&mut self, now: Time, state: State, attempt: AttemptId) -> State {
        match state {
            State::Listing(listing) if listing.attempt == attempt => self.page_ended(now, listing),
            State::Probing(probe) if probe.attempt == attempt => self.probe_ended(now, probe),
            other => self.late(other),
        }
    }

    fn page_ended(&mut self, now: Time, mut listing: Listing) -> State {
        let Some(metadata) = listing.metadata.take() else {
            return self.list_failed(now, listing, DecodeError::NoListMetadata.into());
        };
        listing.pages += 1;
        self.report(Report::ListProgress {
            items: listing.items,
            remaining: metadata.remaining_item_count,
        });
        // The pages of one list share the first one's version.
        let list_version = listing
            .list_version
            .get_or_insert(metadata.resource_version)
            .clone();
        let token = metadata.continue_token.filter(|token| !token.is_empty());
        let Some(token) = token else {
            return self.whole_list_ended(now, listing, list_version);
        };
        let endless = if listing.token.as_ref() == Some(&token) {
            Some("the continue token repeats itself")
        } else if listing.pages >= self.config.list_pages_max {
            Some("too many pages")
        } else {
            None
        };
        if let Some(reason) = endless {
            let error = DecodeError::EndlessList {
                pages: listing.pages,
                reason,
            };
            return self.list_failed(now, listing, error.into());
        }
        listing.paginated = true;
        listing.token = Some(token);
        listing.attempt = self.next_attempt();
        self.request_page(now, listing)
    }

    fn whole_list_ended(&mut self, now: Time, listing: Listing, version: ResourceVersion) -> State {
        if listing.paginated && listing.first_version.is_any() {
            self.always_paginate = true;
        }
        self.report(Report::ListCompleted {
            duration: now - listing.started,
            items: listing.items,
            pages: listing.pages,
        });
        if self.is_rewind(&version) {
            let settles = listing.version.is_unset();
            self.report_rewind(version.clone(), None, settles);
            if !settles {
                return self.list_consistently(now, listing);
            }
        }
        self.version_unavailable = false;
        self.timers.clear_request();
        self.output(Output::Commit {
            version: version.clone(),
        });
        State::Committing(Committing {
            version,
            source: CommitSource::List,
        })
    }

    /// True if a version is older than what the store already holds.
    pub(super) fn is_rewind(&self, version: &ResourceVersion) -> bool {
        version.is_older_than(&self.last_version)
    }

    pub(super) fn report_rewind(
        &mut self,
        got: ResourceVersion,
        object: Option<ObjectKey>,
        confirmed: bool,
    ) {
        let seen = self.last_version.clone();
        self.report(Report::Rewind(Rewind {
            seen,
            got,
            object,
            confirmed,
        }));
    }

    /// Starts the list over, at once, for the most recent state, with the same limit.
    fn list_consistently(&mut self, now: Time, listing: Listing) -> State {
        self.version_unavailable = true;
        self.begin_replace();
        let listing = Listing {
            attempt: self.next_attempt(),
            version: ResourceVersion::UNSET,
            token: None,
            metadata: None,
            list_version: None,
            retried: true,
            pages: 0,
            items: 0,
            ..listing
        };
        self.request_page(now, listing)
    }

    pub(super) fn list_failed(
        &mut self,
        now: Time,
        mut listing: Listing,
        error: SourceError,
    ) -> State {
        let expired_midway = listing.token.is_some()
            && error
                .status()
                .is_some_and(crate::status::Status::is_resource_expired);
        if expired_midway && listing.rescued {
            // A server that pages although it is not asked to would expire the next token too.
            return self.list_given_up(now, error, None);
        }
        if expired_midway {
            // The rest of the pages is gone: the whole list in one answer, as first asked for.
            listing.rescued = true;
            self.begin_replace();
            listing.attempt = self.next_attempt();
            listing.limit = None;
            listing.token = None;
            listing.metadata = None;
            listing.list_version = None;
            listing.pages = 0;
            listing.items = 0;
            return self.request_page(now, listing);
        }
        match recovery(&error, Phase::List, self.config.watch_list_fallback) {
            Recovery::ListConsistently if !listing.retried => {
                listing.limit = self.page_limit(&listing.first_version);
                self.list_consistently(now, listing)
            }
            Recovery::Relist { at_least } => self.list_given_up(now, error, at_least),
            Recovery::ListConsistently
            | Recovery::Resume
            | Recovery::Backoff { .. }
            | Recovery::RetryInPlace
            | Recovery::FallBack => {
                let at_least = error.status().and_then(crate::status::Status::retry_after);
                self.list_given_up(now, error, at_least)
            }
        }
    }

    fn list_given_up(
        &mut self,
        now: Time,
        error: SourceError,
        at_least: Option<std::time::Duration>,
    ) -> State {
        self.output(Output::AbortReplace);
        self.report(Report::RoundFailed {
            phase: Phase::List,
            error: error.into(),
        });
        self.end_round(now, at_least)
    }

    /// No part of a list or of a probe came for too long.
    pub(super) fn list_stalled(&mut self, now: Time, state: State) -> State {
        self.abort_request(&state);
        let waited = self.config.list_idle_timeout;
        let message = format!("no part of the list came for {} s", waited.as_secs_f32());
        let error = TransportError::new(TransportErrorKind::TimedOut, message).into();
        match state {
            State::Listing(listing) => self.list_failed(now, listing, error),
            State::Probing(probe) => self.probe_failed(now, probe.object.as_ref(), error),
            other => other,
        }
    }
}

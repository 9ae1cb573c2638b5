//! What the machine reports, told to people and to metrics: logs, status, counters, hooks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use heliostat_core::error::SourceError;
use heliostat_core::event::Rejection;
use heliostat_core::reflector::{FallBackReason, Phase, Report, RoundError};
use heliostat_core::store::{Store, StoreError};
use heliostat_core::time::Time;
use tokio::time::Instant;

use crate::list_watch::ListerWatcher;
use crate::reflector::WatchError;
use crate::status::{LastError, Progress};

use super::{Driver, panic_message};

impl<S: ListerWatcher, W: Store<S::Object>> Driver<S, W> {
    fn failed(&mut self, class: &'static str, message: String) {
        self.metrics.error(class);
        self.draft.counts.failures += 1;
        self.draft.last_error = Some(LastError {
            message,
            class,
            at: Instant::now(),
        });
    }

    pub(super) fn report(&mut self, now: Time, report: &Report) {
        match report {
            Report::RoundFailed { phase, error } => self.round_failed(*phase, error),
            Report::WatchFailed { error, relist } => {
                let next = if *relist {
                    "the next request is a list"
                } else {
                    "it is opened again"
                };
                tracing::info!(%error, "a watch failed; {next}");
                self.failed(error.class(), format!("a watch failed: {error}; {next}"));
            }
            Report::BackingOff { delay } => {
                tracing::debug!(?delay, "backing off");
                self.draft.retry_at = self.clock.instant(now + *delay);
            }
            Report::ListCompleted {
                duration,
                items,
                pages,
            } => {
                log_slow_list(*duration, *items, *pages);
                self.metrics.listed(*duration, *items);
            }
            Report::ListProgress { items, remaining } => {
                self.draft.progress = Some(Progress {
                    received: *items,
                    remaining: *remaining,
                });
            }
            Report::WatchCompleted { duration, events } => self.metrics.watched(*duration, *events),
            Report::Synced {
                version,
                watch_list,
            } => {
                tracing::info!(%version, watch_list, "synced");
                self.draft.synced = true;
            }
            Report::Rejected(rejection) => self.rejected(rejection),
            Report::Rewind(rewind) => {
                let object = rewind.object.as_ref().map(tracing::field::display);
                tracing::warn!(
                    seen = %rewind.seen,
                    got = %rewind.got,
                    object,
                    rewind.confirmed,
                    "rewind"
                );
                self.metrics.rewind();
                self.draft.counts.rewinds += 1;
                self.draft.last_rewind = Some(rewind.clone());
            }
            other => self.report_watch(other),
        }
    }

    /// The reports about single watches.
    fn report_watch(&mut self, report: &Report) {
        match report {
            Report::VeryShortWatch => {
                self.metrics.short_watch();
                let message = "very short watch: it ended within a second and brought nothing";
                tracing::warn!("{message}");
                self.failed("very_short_watch", message.to_owned());
            }
            Report::SilentWatch { silence } => {
                let message = format!("a watch was silent for {silence:?}; it is opened again");
                tracing::info!("{message}");
                self.failed("silent_watch", message);
            }
            Report::OverdueWatch => {
                let message = "the server did not end a watch in time; it is opened again";
                tracing::info!("{message}");
                self.failed("overdue_watch", message.to_owned());
            }
            Report::WatchListFellBack { reason } => self.watch_list_fell_back(reason),
            Report::WatchListWaiting {
                waiting,
                since_event,
            } => {
                tracing::warn!(
                    ?waiting,
                    ?since_event,
                    "the end of the initial events is overdue"
                );
            }
            Report::UnknownEvent { event_type } => {
                self.failed(
                    "unknown_event",
                    format!("unknown watch event type {event_type:?}"),
                );
                tracing::warn!(event_type, "unknown watch event type");
            }
            Report::ResyncFailed(error) => {
                tracing::warn!(%error, "the store could not resync; the round ends");
                self.failed("resync", format!("the store could not resync: {error}"));
            }
            _ => {}
        }
    }

    fn round_failed(&mut self, phase: Phase, error: &RoundError) {
        let class = match error {
            RoundError::Source(error) => error.class(),
            RoundError::Store(_) => "store",
        };
        let what = match phase {
            Phase::List => "listing",
            Phase::WatchRequest | Phase::WatchStream => "watching",
            Phase::WatchList => "streaming the list of",
        };
        let name = &self.options.name;
        self.failed(
            class,
            format!("{what} {name} failed: {error}; it is tried again"),
        );
        let error = WatchError {
            reflector: &self.options.name,
            phase,
            error,
        };
        let on_error = &mut self.options.on_error;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| on_error(&error))) {
            tracing::error!(
                panic = panic_message(&*panic),
                "the watch error handler panicked"
            );
        }
    }

    fn rejected(&mut self, rejection: &Rejection) {
        tracing::warn!(%rejection, version = %rejection.resource_version, "object rejected");
        self.metrics.rejected();
        self.draft.counts.rejected += 1;
        self.draft.last_error = Some(LastError {
            message: rejection.to_string(),
            class: "rejected",
            at: Instant::now(),
        });
    }

    fn watch_list_fell_back(&mut self, reason: &FallBackReason) {
        let why = match reason {
            FallBackReason::Failed(error) => error.to_string(),
            FallBackReason::NoEndMark { waited } => {
                format!("the end of the initial events did not come within {waited:?}")
            }
            FallBackReason::VeryShort => "it ended within a second and brought nothing".to_owned(),
            FallBackReason::Store(error) => format!("the store did not take it: {error}"),
            _ => "it failed".to_owned(),
        };
        tracing::info!(why, "listing instead of the watch-list");
        self.metrics.watch_list_fell_back();
        self.draft.counts.watch_list_fallbacks += 1;
    }
    pub(super) fn store_failed(&mut self, error: &StoreError) {
        tracing::error!(%error, "the store did not take a change; it is lost until the next one");
        self.metrics.store_error();
        self.draft.counts.store_errors += 1;
        self.failed("store", error.to_string());
    }
}

/// The default watch error handler: logs each failure once, by its kind.
pub(crate) fn log_watch_error(failed: &WatchError<'_>) {
    let WatchError { phase, error, .. } = failed;
    match error {
        RoundError::Source(SourceError::Api(status)) if status.is_expired() => {
            tracing::debug!(?phase, %error, "the version has expired; listing again");
        }
        RoundError::Source(_) | RoundError::Store(_) => {
            tracing::warn!(?phase, %error, "failed; trying again after a delay");
        }
    }
}

/// Lists that take longer than this are worth a line: `client-go` traces them from ten seconds on.
const SLOW_LIST: Duration = Duration::from_secs(10);

fn log_slow_list(duration: Duration, items: u64, pages: u64) {
    if duration >= SLOW_LIST {
        tracing::info!(?duration, items, pages, "listed slowly");
    } else {
        tracing::debug!(?duration, items, pages, "listed");
    }
}

//! What the machine reports, for people and for metrics: logs, status, counters, hooks.
//!
//! Every line names the mirror, the request and the attempt; a line after which something is requested
//! again names the delay before it as well. Lines of one kind are limited, because the number of some of
//! them is up to the other side.

use std::sync::Arc;
use std::time::Duration;

use heliostat_core::error::SourceError;
use heliostat_core::event::Rejection;
use heliostat_core::log_limit::LogLimit;
use heliostat_core::printable::printable;
use heliostat_core::reflector::{AttemptId, FallBackReason, Phase, Report, Rewind, RoundError};
use heliostat_core::store::{Store, StoreError};
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;
use tokio::time::Instant;
use tracing::field::{DisplayValue, debug, display};

use crate::list_watch::ListerWatcher;
use crate::reflector::options::WatchError;
use crate::reflector::status::{LastError, Progress};

use super::{Driver, contain};

/// What the lines of a mirror are made of.
pub(super) struct Reporting {
    name: Arc<str>,
    /// What the source asks, if it says so.
    request: Option<Arc<str>>,
    /// The attempt under way, or the last one.
    pub(super) attempt: Option<AttemptId>,
    /// Failures since the last progress.
    failures: u64,
    /// The version that the mirror had at the last failure.
    version: ResourceVersion,
    /// Reports of failures whose delay is not known yet.
    failures_without_delay: Vec<Report>,
    limit: LogLimit<(Severity, &'static str)>,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Severity {
    Info,
    Warn,
    Error,
}

impl Reporting {
    pub(super) fn new(name: &str, request: &str) -> Self {
        Self {
            name: Arc::from(name),
            request: (!request.is_empty()).then(|| Arc::from(request)),
            attempt: None,
            failures: 0,
            version: ResourceVersion::UNSET,
            failures_without_delay: Vec::new(),
            limit: LogLimit::default(),
        }
    }

    /// When the next summary of lines that were held back is due.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.limit.poll_timeout()
    }

    /// Counts a failure of a mirror that has reached this version; the first one after progress is 1.
    fn failed(&mut self, version: &ResourceVersion) -> u64 {
        if self.version != *version {
            self.version = version.clone();
            self.failures = 0;
        }
        self.failures += 1;
        self.failures
    }

    fn attempt(&self) -> Option<DisplayValue<AttemptId>> {
        self.attempt.map(display)
    }

    /// Logs how many lines of a kind were held back, where the time for that has come.
    pub(super) fn log_summaries(&mut self, now: Time) {
        while let Some(((severity, kind), lines)) = self.limit.poll_summary(now) {
            let reflector = &*self.name;
            let request = self.request.as_deref();
            let attempt = self.attempt();
            match severity {
                Severity::Info => {
                    tracing::info!(reflector, request, attempt, kind, lines, "{HELD_BACK}");
                }
                Severity::Warn => {
                    tracing::warn!(reflector, request, attempt, kind, lines, "{HELD_BACK}");
                }
                Severity::Error => {
                    tracing::error!(reflector, request, attempt, kind, lines, "{HELD_BACK}");
                }
            }
        }
    }
}

/// Lines that are held back when the driver ends are counted at its end, however it ends.
impl Drop for Reporting {
    fn drop(&mut self) {
        self.log_summaries(Time::since_start(Duration::MAX));
    }
}

/// Logs a line with the mirror, the request and the attempt, if the limit of its kind admits it. The kind is
/// a word, the same as in metrics.
macro_rules! line {
    ($driver:ident, $severity:ident, $level:ident, $kind:expr, $($rest:tt)+) => {
        if $driver.admits(Severity::$severity, $kind) {
            tracing::$level!(
                reflector = &*$driver.reporting.name,
                request = $driver.reporting.request.as_deref(),
                attempt = $driver.reporting.attempt(),
                $($rest)+
            );
        }
    };
}

impl<S: ListerWatcher, W: Store<S::Object>> Driver<S, W> {
    fn admits(&mut self, severity: Severity, kind: &'static str) -> bool {
        let now = self.clock.now();
        self.reporting.limit.admit(now, (severity, kind))
    }

    /// Counts a failure, and returns how many there were since the last progress.
    fn failed(&mut self, class: &'static str, message: String) -> u64 {
        self.metrics.error(class);
        self.draft.counts.failures += 1;
        let failures = self
            .reporting
            .failed(self.machine.last_sync_resource_version());
        self.note_error(class, message, failures);
        failures
    }

    fn note_error(&mut self, class: &'static str, message: String, failures: u64) {
        self.draft.last_error = Some(LastError {
            message,
            class,
            request: self.reporting.request.clone(),
            attempt: self.reporting.attempt,
            failures,
            at: Instant::now(),
        });
    }

    pub(super) fn report(&mut self, now: Time, report: &Report) {
        match report {
            Report::BackingOff { delay } => {
                tracing::debug!(?delay, "backing off");
                self.draft.retry_at = self.clock.instant(now + *delay);
                self.report_failures(Some(*delay));
            }
            Report::ListCompleted {
                duration,
                items,
                pages,
            } => {
                self.log_list(*duration, *items, *pages);
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
                let version = printable(version);
                line!(self, Info, info, "synced", %version, watch_list, "synced");
                self.reporting.failures = 0;
                self.draft.synced = true;
            }
            Report::Rejected(rejection) => self.rejected(rejection),
            Report::UnknownEvent { event_type } => {
                let event_type = printable(event_type);
                let message = format!("unknown watch event type \"{event_type}\"");
                let failures = self.failed("unknown_event", message);
                line!(
                    self, Warn, warn, "unknown_event", failures, %event_type,
                    "unknown watch event type"
                );
            }
            Report::WatchListWaiting {
                waiting,
                since_event,
            } => {
                line!(
                    self,
                    Warn,
                    warn,
                    "watch_list_waiting",
                    ?waiting,
                    ?since_event,
                    "the end of the initial events is overdue"
                );
            }
            // The store follows the source in what comes next; nothing is requested again.
            Report::Rewind(rewind) if rewind.confirmed => self.rewound(rewind, None),
            failure => self.reporting.failures_without_delay.push(failure.clone()),
        }
    }

    /// Reports the failures that waited for their delay; `None` if nothing follows them.
    pub(super) fn report_failures(&mut self, retry_in: Option<Duration>) {
        for failure in std::mem::take(&mut self.reporting.failures_without_delay) {
            self.report_failure(&failure, retry_in);
        }
    }

    fn report_failure(&mut self, failure: &Report, retry_in: Option<Duration>) {
        match failure {
            Report::RoundFailed { phase, error } => self.round_failed(*phase, error, retry_in),
            Report::WatchFailed { error, relist } => {
                self.watch_failed(error, *relist, retry_in);
            }
            Report::RetryAfterShortened { asked, granted } => {
                line!(
                    self,
                    Warn,
                    warn,
                    "retry_after",
                    ?asked,
                    ?granted,
                    retry_in = retry_in.map(debug),
                    "the server asks for a longer delay than `retry_after_max` allows"
                );
            }
            Report::Rewind(rewind) => self.rewound(rewind, retry_in),
            Report::WatchListFellBack { reason } => self.watch_list_fell_back(reason, retry_in),
            Report::ResyncFailed(error) => {
                let error = printable(error);
                let message = format!("the store could not resync: {error}");
                let failures = self.failed("resync", message);
                line!(
                    self, Warn, warn, "resync", failures, retry_in = retry_in.map(debug), %error,
                    "the store could not resync; the round ends"
                );
            }
            other => self.report_ended_watch(other, retry_in),
        }
    }

    /// The watches that ended without an error of the source.
    fn report_ended_watch(&mut self, report: &Report, retry_in: Option<Duration>) {
        match report {
            Report::VeryShortWatch => {
                self.metrics.short_watch();
                let message = "very short watch: it ended within a second and brought nothing";
                let failures = self.failed("very_short_watch", message.to_owned());
                line!(
                    self,
                    Warn,
                    warn,
                    "very_short_watch",
                    failures,
                    retry_in = retry_in.map(debug),
                    "{message}"
                );
            }
            Report::SilentWatch { silence } => {
                let message = format!("a watch was silent for {silence:?}; it is opened again");
                let failures = self.failed("silent_watch", message.clone());
                line!(
                    self,
                    Info,
                    info,
                    "silent_watch",
                    failures,
                    retry_in = retry_in.map(debug),
                    "{message}"
                );
            }
            Report::OverdueWatch => {
                let message = "the server did not end a watch in time; it is opened again";
                let failures = self.failed("overdue_watch", message.to_owned());
                line!(
                    self,
                    Info,
                    info,
                    "overdue_watch",
                    failures,
                    retry_in = retry_in.map(debug),
                    "{message}"
                );
            }
            _ => {}
        }
    }

    fn watch_failed(&mut self, error: &SourceError, relist: bool, retry_in: Option<Duration>) {
        let next = match (retry_in, relist) {
            (None, _) => "",
            (Some(_), true) => "; the next request is a list",
            (Some(_), false) => "; it is opened again",
        };
        let name = &self.options.name;
        let message = format!("a watch of {name} failed: {error}{next}");
        let failures = self.failed(error.class(), message);
        line!(
            self, Info, info, error.class(), failures, retry_in = retry_in.map(debug), %error,
            "a watch failed{next}"
        );
    }

    fn rewound(&mut self, rewind: &Rewind, retry_in: Option<Duration>) {
        let (seen, got) = (printable(&rewind.seen), printable(&rewind.got));
        let object = rewind.object.as_ref().map(display);
        line!(
            self, Warn, warn, "rewind", %seen, %got, object, rewind.confirmed,
            retry_in = retry_in.map(debug), "rewind"
        );
        self.metrics.rewind();
        self.draft.counts.rewinds += 1;
        self.draft.last_rewind = Some(rewind.clone());
    }

    fn round_failed(&mut self, phase: Phase, error: &RoundError, retry_in: Option<Duration>) {
        let class = match error {
            RoundError::Source(error) => error.class(),
            RoundError::Store(_) => "store",
        };
        let name = &self.options.name;
        let message = format!("{} {name} failed: {error}", doing(phase));
        let failures = self.failed(class, message);
        let failed = WatchError {
            reflector: &self.options.name,
            request: self.reporting.request.as_deref(),
            attempt: self.reporting.attempt,
            phase,
            error,
            failures,
            retry_in,
        };
        let on_error = &mut self.options.on_error;
        if let Err(panic) = contain(|| on_error(&failed)) {
            let panic = printable(&panic);
            line!(self, Error, error, "on_error", %panic, "the watch error handler panicked");
        }
    }

    fn rejected(&mut self, rejection: &Rejection) {
        let version = printable(&rejection.resource_version);
        line!(self, Warn, warn, "rejected", %version, "{rejection}");
        self.metrics.rejected();
        self.draft.counts.rejected += 1;
        let failures = self.reporting.failures;
        self.note_error("rejected", rejection.to_string(), failures);
    }

    fn watch_list_fell_back(&mut self, reason: &FallBackReason, retry_in: Option<Duration>) {
        let why = match reason {
            FallBackReason::Failed(error) => error.to_string(),
            FallBackReason::NoEndMark { waited } => {
                format!("the end of the initial events did not come within {waited:?}")
            }
            FallBackReason::VeryShort => "it ended within a second and brought nothing".to_owned(),
            FallBackReason::Store(error) => format!("the store did not take it: {error}"),
            _ => "it failed".to_owned(),
        };
        line!(
            self, Info, info, "watch_list_fell_back", retry_in = retry_in.map(debug), %why,
            "listing instead of the watch-list"
        );
        self.metrics.watch_list_fell_back();
        self.draft.counts.watch_list_fallbacks += 1;
    }

    pub(super) fn store_failed(&mut self, error: &StoreError) {
        let error = printable(error);
        line!(
            self,
            Error,
            error,
            "store",
            %error,
            "the store did not take a change; it is lost until the next one"
        );
        self.metrics.store_error();
        self.draft.counts.store_errors += 1;
        self.failed("store", error.to_string());
    }

    fn log_list(&mut self, duration: Duration, items: u64, pages: u64) {
        if duration >= SLOW_LIST {
            line!(
                self,
                Info,
                info,
                "slow_list",
                ?duration,
                items,
                pages,
                "listed slowly"
            );
        } else {
            tracing::debug!(?duration, items, pages, "listed");
        }
    }
}

/// What was going on when a round failed.
const fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::List => "listing",
        Phase::WatchRequest | Phase::WatchStream => "watching",
        Phase::WatchList => "streaming the list of",
    }
}

/// The default watch error handler: logs each failure once, by its kind.
pub(crate) fn log_watch_error(failed: &WatchError<'_>) {
    let WatchError {
        reflector,
        request,
        phase,
        error,
        failures,
        retry_in,
        ..
    } = failed;
    let attempt = failed.attempt.map(display);
    match error {
        RoundError::Source(SourceError::Api(status)) if status.is_expired() => {
            tracing::debug!(
                reflector, request, attempt, failures, ?phase, %error,
                "the version has expired; listing again"
            );
        }
        RoundError::Source(_) | RoundError::Store(_) => {
            let next = retry_in.map_or("", |_| "; retrying");
            let retry_in = retry_in.map(debug);
            let doing = doing(*phase);
            tracing::warn!(
                reflector, request, attempt, failures, retry_in, %error,
                "{doing} {reflector} failed{next}"
            );
        }
    }
}

/// Lists that take longer than this are worth a line: `client-go` traces them from ten seconds on.
const SLOW_LIST: Duration = Duration::from_secs(10);

/// What stands in the place of lines that were held back.
const HELD_BACK: &str = "more lines of this kind were held back";

//! What is said on stderr while a mirror runs: what failed and when it is tried again, and that it
//! is true again.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use heliostat::ReflectorStatus;
use heliostat::object::FieldPath;
use heliostat::reflector::{Activity, LastError};
use heliostat_core::log_limit::LogLimit;
use heliostat_core::printable::printable;
use heliostat_core::time::Time;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::duration;
use crate::output::Message;
use crate::output::printer::Outlet;

use super::fleet::{Fleet, Mirror};

/// Failures that the library has logged as warnings itself.
const LOGGED: [&str; 5] = [
    "rejected",
    "very_short_watch",
    "unknown_event",
    "store",
    "resync",
];

/// The class of what no encoding can be agreed upon for. The library's words for it are for those who
/// write programs; before a mirror is complete it ends this one, with words of its own.
const ENCODING: &str = "encoding";

/// Number of bytes of a line that are printed: some name several resources.
const LINE_BYTES_MAX: usize = 4096;

/// Says something on stderr that is no warning.
pub(crate) fn say(text: &str) {
    let mut stderr = anstream::stderr().lock();
    for line in text.lines() {
        // If stderr is gone, there is no place to report it.
        let _ = writeln!(stderr, "{}", printable(line).bytes_max(LINE_BYTES_MAX));
    }
}

/// What came in, what is kept of it, and what is in the indexes of these fields: the last lines of a
/// summary.
pub(crate) fn costs(fleet: &Fleet, indexes: &[FieldPath]) -> String {
    let totals = fleet.totals();
    let mut lines = format!(
        "  received     {}\n  kept         {}",
        totals.wire(),
        totals.kept()
    );
    for path in indexes {
        let index = fleet.index(&path.to_string());
        let (values, objects) = (index.values, index.objects);
        lines += &format!("\n  index {path}: {values} values of {objects} objects");
        if let Some(reason) = index.last_failure.map(printable) {
            lines += &format!(", {} could not be filed: {reason}", index.failures);
        }
    }
    lines
}

/// Tells of failures and recoveries until the mirror ends, in a task of this set.
pub(crate) fn tell(
    tasks: &mut JoinSet<()>,
    mirror: &Mirror,
    outlet: Option<Outlet>,
    demands_watch_list: bool,
) {
    let Some(mut statuses) = mirror.informer.watch_status() else {
        return;
    };
    let mut teller = Teller {
        name: Arc::clone(&mirror.name),
        outlet,
        demands_watch_list,
        last_error: None,
        failing_since: None,
        fallbacks: 0,
        started: Instant::now(),
        limit: LogLimit::default(),
    };
    tasks.spawn(async move {
        while statuses.changed().await.is_ok() {
            let status = statuses.borrow_and_update().clone();
            teller.look(&status);
        }
    });
}

struct Teller {
    name: Arc<str>,
    outlet: Option<Outlet>,
    demands_watch_list: bool,
    last_error: Option<Instant>,
    failing_since: Option<Instant>,
    fallbacks: u64,
    started: Instant,
    /// Of failures of a class: how many of them come is up to the server.
    limit: LogLimit<&'static str>,
}

impl Teller {
    fn look(&mut self, status: &ReflectorStatus) {
        if status.counts.watch_list_fallbacks > self.fallbacks {
            self.fallbacks = status.counts.watch_list_fallbacks;
            if self.demands_watch_list {
                let name = &self.name;
                tracing::warn!("the server does not stream {name}: listed instead");
            }
        }
        let new_error = status.last_error.as_ref();
        if let Some(error) = new_error.filter(|error| Some(error.at) != self.last_error) {
            self.last_error = Some(error.at);
            let retry_in = status.retry_at.map(|at| at - Instant::now());
            if retry_in.is_some() {
                self.failing_since.get_or_insert(error.at);
            }
            let now = Time::since_start(self.started.elapsed());
            if let Some(held_back) = self.limit.admit_with_summary(now, error.class) {
                self.report(error, retry_in, held_back, status.synced);
            }
        }
        // A watch that was asked for is one that works when something has come since the failure.
        let alive = status.activity == Activity::Watching && status.last_event > self.last_error;
        if let Some(since) = self.failing_since.filter(|_| alive) {
            self.failing_since = None;
            let name = &self.name;
            let after = duration::show(since.elapsed());
            tracing::warn!("{name}: watching again after {after}");
        }
    }

    /// Reports a failure on stderr and, where changes are printed, there.
    fn report(
        &self,
        error: &LastError,
        retry_in: Option<Duration>,
        held_back: u64,
        is_synced: bool,
    ) {
        let ends_the_program = error.class == ENCODING && !is_synced;
        if !LOGGED.contains(&error.class) && !ends_the_program {
            log_failure(error, retry_in, held_back);
        }
        if let Some(outlet) = &self.outlet {
            outlet.put(Message::Error {
                source: Arc::clone(&self.name),
                class: error.class,
                message: error.message.clone(),
                retry_in,
            });
        }
    }
}

/// An end that is followed up at once is everyday life; one that is waited for is not.
fn log_failure(error: &LastError, retry_in: Option<Duration>, held_back: u64) {
    let LastError {
        message, failures, ..
    } = error;
    let request = error.request.as_deref();
    let attempt = error.attempt.map(tracing::field::display);
    let held_back = (held_back > 0).then_some(held_back);
    match retry_in {
        Some(retry_in) => {
            let delay = duration::show(retry_in);
            tracing::warn!(
                request,
                attempt,
                failures,
                held_back,
                "{message}; retrying in {delay}"
            );
        }
        None => tracing::info!(request, attempt, failures, held_back, "{message}"),
    }
}

//! Objects that cannot be printed: they are named and passed over, and the others are printed.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use heliostat::ObjectKey;
use heliostat_core::log_limit::{LINES_MAX, LogLimit};
use heliostat_core::printable::printable;
use heliostat_core::time::Time;

use super::Kind;

/// Why something was not printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrintError {
    /// There is no way out: nothing more can be printed.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// The object is such that it cannot be printed.
    #[error("cannot print an object")]
    Object(Box<Unprintable>),
}

/// An object that cannot be printed.
#[derive(Clone, Debug)]
pub(crate) struct Unprintable {
    pub(super) kind: Arc<Kind>,
    pub(super) key: ObjectKey,
    pub(super) reason: String,
}

impl Unprintable {
    fn log(&self) {
        let (resource, key) = (&self.kind.resource, printable(&self.key));
        tracing::warn!("cannot print {resource} {key}: {}", self.reason);
    }
}

/// The objects of a collection that were passed over.
#[derive(Debug, Default)]
pub(super) struct Skipped(u64);

impl Skipped {
    /// Notes an object that cannot be printed, and hands on what else has happened.
    pub(super) fn note<T>(&mut self, printed: Result<T, PrintError>) -> io::Result<Option<T>> {
        match printed {
            Ok(value) => Ok(Some(value)),
            Err(PrintError::Write(error)) => Err(error),
            Err(PrintError::Object(unprintable)) => {
                if self.0 < u64::from(LINES_MAX) {
                    unprintable.log();
                }
                self.0 += 1;
                Ok(None)
            }
        }
    }

    /// How many there are.
    pub(super) const fn count(&self) -> u64 {
        self.0
    }
}

/// Logs objects that cannot be printed as they come, not too many of them.
#[derive(Debug)]
pub(super) struct UnprintableLog {
    started: Instant,
    limit: LogLimit<()>,
}

impl UnprintableLog {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            limit: LogLimit::default(),
        }
    }

    pub(super) fn log(&mut self, unprintable: &Unprintable) {
        let now = Time::since_start(self.started.elapsed());
        if let Some(((), more)) = self.limit.poll_summary(now) {
            tracing::warn!("cannot print {more} more objects");
        }
        if self.limit.admit(now, ()) {
            unprintable.log();
        }
    }
}

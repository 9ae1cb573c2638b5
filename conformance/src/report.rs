//! What came of a check, and of the whole suite.

use std::fmt;

use heliostat::SourceError;

use crate::harness::HarnessError;
use crate::promise::Promise;

/// What came of one check.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The promise was kept.
    Kept,
    /// The promise could not be put to the test, for this reason.
    PassedOver(&'static str),
    /// The promise was broken.
    Broken(Breach),
}

/// How a promise was broken.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
    /// Something else came.
    #[error("expected {expected}, saw {seen}")]
    Unexpected {
        /// What should have come.
        expected: String,
        /// What came.
        seen: String,
    },
    /// Nothing came until the harness gave up.
    #[error("expected {expected}, and nothing came")]
    Silence {
        /// What should have come.
        expected: String,
    },
    /// A request that should be served was refused.
    #[error("{request} was refused: {error}")]
    Refused {
        /// What was asked for.
        request: String,
        /// How it was refused.
        error: SourceError,
    },
    /// The harness could not do its part, so nothing is known of the source.
    #[error("the harness failed: {0}")]
    Harness(#[from] HarnessError),
}

/// Why a check ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    Breach(Breach),
    PassOver(&'static str),
}

/// What a check gives.
pub(crate) type Checked<T = ()> = Result<T, Stop>;

impl Stop {
    pub(crate) fn unexpected(expected: impl fmt::Display, seen: impl fmt::Display) -> Self {
        Self::Breach(Breach::Unexpected {
            expected: expected.to_string(),
            seen: seen.to_string(),
        })
    }
}

/// Ends the check with a breach unless `is_kept`.
pub(crate) fn ensure(
    is_kept: bool,
    expected: impl fmt::Display,
    seen: impl fmt::Display,
) -> Checked {
    if is_kept {
        Ok(())
    } else {
        Err(Stop::unexpected(expected, seen))
    }
}

impl From<Breach> for Stop {
    fn from(breach: Breach) -> Self {
        Self::Breach(breach)
    }
}

impl From<HarnessError> for Stop {
    fn from(error: HarnessError) -> Self {
        Self::Breach(Breach::Harness(error))
    }
}

impl From<Checked> for Verdict {
    fn from(checked: Checked) -> Self {
        match checked {
            Ok(()) => Self::Kept,
            Err(Stop::PassOver(reason)) => Self::PassedOver(reason),
            Err(Stop::Breach(breach)) => Self::Broken(breach),
        }
    }
}

/// What came of the whole suite. Shown, it is one line for each promise.
#[derive(Clone, Debug)]
pub struct Report(Vec<(Promise, Verdict)>);

impl Report {
    pub(crate) const fn new(verdicts: Vec<(Promise, Verdict)>) -> Self {
        Self(verdicts)
    }

    /// True if no promise was broken. Those passed over do not count.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.broken().next().is_none()
    }

    /// Every promise with its verdict, in the order they were checked.
    pub fn verdicts(&self) -> impl Iterator<Item = (Promise, &Verdict)> {
        self.0.iter().map(|(promise, verdict)| (*promise, verdict))
    }

    /// The promises that were broken, and how.
    pub fn broken(&self) -> impl Iterator<Item = (Promise, &Breach)> {
        self.verdicts()
            .filter_map(|(promise, verdict)| match verdict {
                Verdict::Broken(breach) => Some((promise, breach)),
                Verdict::Kept | Verdict::PassedOver(_) => None,
            })
    }

    /// The promises that were not put to the test.
    pub fn passed_over(&self) -> impl Iterator<Item = Promise> {
        self.verdicts()
            .filter_map(|(promise, verdict)| match verdict {
                Verdict::PassedOver(_) => Some(promise),
                Verdict::Kept | Verdict::Broken(_) => None,
            })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (promise, verdict) in &self.0 {
            match verdict {
                Verdict::Kept => writeln!(f, "kept         {promise}")?,
                Verdict::PassedOver(reason) => writeln!(f, "passed over  {promise}: {reason}")?,
                Verdict::Broken(breach) => {
                    writeln!(f, "BROKEN       {promise}: {}", promise.statement())?;
                    writeln!(f, "             {breach}")?;
                }
            }
        }
        Ok(())
    }
}

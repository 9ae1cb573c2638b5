//! The details of [`wait_synced`](crate::wait_synced), which waits until all mirrors of a program are
//! synced: what it waits for, and the error that names those that are not synced at the deadline.
//!
//! Nothing is polled. A check that is done at the moment of the deadline counts as done.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

pub(crate) mod synced;

#[cfg(test)]
mod tests;

pub(crate) type SharedError = Arc<dyn Error + Send + Sync>;

/// Something that will be done, and its name.
pub struct Check<'a> {
    name: String,
    done: BoxFuture<'a, Result<(), SharedError>>,
}

impl<'a> Check<'a> {
    /// Something that is done when `done` resolves to `Ok`, and never if it resolves to an error.
    pub fn new<E: Error + Send + Sync + 'static>(
        name: impl Into<String>,
        done: impl Future<Output = Result<(), E>> + Send + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            done: Box::pin(async move { done.await.map_err(|error| Arc::new(error) as _) }),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// A mirror, an informer, a handler or a queue is not synced: the time is up, or it stopped.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}not synced: {}", prefix(.what), .unsynced.join(", "))]
pub struct NotSynced {
    what: String,
    unsynced: Vec<String>,
    #[source]
    cause: SharedError,
}

impl NotSynced {
    /// The names of what was not done, sorted.
    #[must_use]
    pub fn unsynced(&self) -> &[String] {
        &self.unsynced
    }

    /// Why the waiting came to its end: [`TimedOut`], [`CheckFailed`], or what the caller's own
    /// signal said.
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

fn prefix(what: &str) -> String {
    if what.is_empty() {
        String::new()
    } else {
        format!("{what}: ")
    }
}

/// The time was up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("timed out after {0:?}")]
pub struct TimedOut(pub Duration);

/// One of the checks cannot be done any more, so waiting for all of them makes no sense.
#[derive(Clone, Debug, thiserror::Error)]
#[error("waiting for {name} failed")]
pub struct CheckFailed {
    name: String,
    #[source]
    error: SharedError,
}

impl CheckFailed {
    /// The name of the check.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Waits until all checks are done, or until `stop` resolves; what that says is then the cause.
///
/// Otherwise as [`wait_synced`](crate::wait_synced). A check that is done at the moment of the stop counts as done.
///
/// # Errors
/// If some are not done at the stop, or as soon as one of them fails.
///
/// # Cancel safety
/// As for [`wait_synced`](crate::wait_synced).
pub async fn wait_synced_until<'a, E: Error + Send + Sync + 'static>(
    what: &str,
    stop: impl Future<Output = E>,
    checks: impl IntoIterator<Item = Check<'a>>,
) -> Result<(), NotSynced> {
    let stop = async { Arc::new(stop.await) as SharedError };
    wait_until(what, stop, checks).await
}

/// As [`wait_synced_until`], for a stop that has one of several causes.
pub(crate) async fn wait_until<'a>(
    what: &str,
    stop: impl Future<Output = SharedError>,
    checks: impl IntoIterator<Item = Check<'a>>,
) -> Result<(), NotSynced> {
    let mut names = BTreeMap::new();
    let mut checks: FuturesUnordered<_> = checks
        .into_iter()
        .enumerate()
        .map(|(id, check)| {
            names.insert(id, check.name);
            async move { (id, check.done.await) }
        })
        .collect();
    let mut stop = pin!(stop);
    let told = !what.is_empty();
    if told {
        tracing::info!(what, checks = names.len(), "waiting");
    }
    let mut failed = None;
    let cause = loop {
        tokio::select! {
            // In this order: what is done counts, though the stop may have come at the same time.
            biased;
            done = checks.next() => match done {
                None => break failed,
                Some((id, Ok(()))) => {
                    let name = names.remove(&id).unwrap_or_default();
                    if told {
                        tracing::info!(what, name, "synced");
                    }
                }
                Some((id, Err(error))) => {
                    let name = names.get(&id).cloned().unwrap_or_default();
                    failed.get_or_insert_with(|| Arc::new(CheckFailed { name, error }) as SharedError);
                }
            },
            // After a failure the others that are done already are still collected, and no more.
            () = std::future::ready(()), if failed.is_some() => break failed,
            cause = &mut stop => break Some(cause),
        }
    };
    let Some(cause) = cause else {
        return Ok(());
    };
    let mut unsynced: Vec<String> = names.into_values().collect();
    unsynced.sort_unstable();
    if told {
        tracing::warn!(what, ?unsynced, cause = &*cause as &dyn Error, "not synced");
    }
    Err(NotSynced {
        what: what.to_owned(),
        unsynced,
        cause,
    })
}

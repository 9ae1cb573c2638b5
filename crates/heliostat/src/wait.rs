//! Waiting for several things at once: all mirrors of a program to be synced, with a time limit, and
//! with the names of those that were not.
//!
//! Everything is awaited, nothing is asked again and again. Whatever is done at the moment at which
//! the waiting ends counts as done.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::informer::{Registration, SharedInformer};
use crate::reflector::ReflectorHandle;

#[cfg(test)]
mod tests;

type SharedError = Arc<dyn Error + Send + Sync>;

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

/// A mirror is done when it is synced.
impl<'a> From<&'a ReflectorHandle> for Check<'a> {
    fn from(mirror: &'a ReflectorHandle) -> Self {
        Self::new(mirror.name(), mirror.wait_synced())
    }
}

/// An informer is done when its store is synced.
impl<'a, T: Send + Sync + 'static> From<&'a SharedInformer<T>> for Check<'a> {
    fn from(informer: &'a SharedInformer<T>) -> Self {
        Self::new(informer.name(), informer.wait_synced())
    }
}

/// A handler is done when it has handled the whole initial state.
impl<'a, T: Send + Sync + 'static> From<&'a Registration<T>> for Check<'a> {
    fn from(handler: &'a Registration<T>) -> Self {
        Self::new(handler.name(), handler.wait_synced())
    }
}

impl ReflectorHandle {
    /// [`wait_synced`](Self::wait_synced) with a deadline.
    ///
    /// # Errors
    /// If the mirror is not synced after `limit`, or stops before.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced_within(&self, limit: Duration) -> Result<(), NotSynced> {
        wait_for_all("", limit, [self.into()]).await
    }
}

impl<T: Send + Sync + 'static> SharedInformer<T> {
    /// [`wait_synced`](Self::wait_synced) with a deadline.
    ///
    /// # Errors
    /// If the store is not synced after `limit`, or the informer is stopped before.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced_within(&self, limit: Duration) -> Result<(), NotSynced> {
        wait_for_all("", limit, [self.into()]).await
    }
}

impl<T: Send + Sync + 'static> Registration<T> {
    /// [`wait_synced`](Self::wait_synced) with a deadline.
    ///
    /// # Errors
    /// If the handler is not synced after `limit`, or ends before.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn wait_synced_within(&self, limit: Duration) -> Result<(), NotSynced> {
        wait_for_all("", limit, [self.into()]).await
    }
}

impl fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// Some of what was waited for was not done.
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

/// Waits until all checks are done, but no longer than `limit`.
///
/// `what` says who waits; the start, each check that is done and the end are logged under it. With an
/// empty text nothing is logged. Without checks, all are done at once.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use heliostat::Reflector;
/// use heliostat::source::memory::MemorySource;
/// use heliostat::wait::{Check, wait_for_all};
///
/// let (pods, _) = Reflector::with_indexer(MemorySource::<String>::new());
/// let (nodes, _) = Reflector::with_indexer(MemorySource::<String>::new());
/// let (pods, nodes) = (pods.start(), nodes.start());
/// let checks = [Check::from(&pods), Check::from(&nodes)];
/// wait_for_all("scheduler", Duration::from_secs(30), checks).await?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
///
/// # Errors
/// If some are not done when the time is up, or as soon as one of them fails.
///
/// # Cancel safety
/// Cancel safe: dropping it gives up the waiting, and with it the checks.
pub async fn wait_for_all<'a>(
    what: &str,
    limit: Duration,
    checks: impl IntoIterator<Item = Check<'a>>,
) -> Result<(), NotSynced> {
    let stop = async {
        tokio::time::sleep(limit).await;
        TimedOut(limit)
    };
    wait_for_all_until(what, stop, checks).await
}

/// Waits until all checks are done, or until `stop` resolves; what that says is then the cause.
///
/// Otherwise as [`wait_for_all`]. A check that is done at the moment of the stop counts as done.
///
/// # Errors
/// If some are not done at the stop, or as soon as one of them fails.
///
/// # Cancel safety
/// As for [`wait_for_all`].
pub async fn wait_for_all_until<'a, E: Error + Send + Sync + 'static>(
    what: &str,
    stop: impl Future<Output = E>,
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
            cause = &mut stop => break Some(Arc::new(cause)),
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

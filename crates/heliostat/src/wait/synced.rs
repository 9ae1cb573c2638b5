//! `wait_synced`: waits for several mirrors, with a deadline.

use std::time::Duration;

use super::{Check, NotSynced, TimedOut, wait_synced_until};

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
/// use heliostat::{Reflector, wait_synced};
/// use heliostat::source::memory::MemorySource;
/// use heliostat::wait::Check;
///
/// let (pods, _) = Reflector::with_indexer(MemorySource::<String>::new());
/// let (nodes, _) = Reflector::with_indexer(MemorySource::<String>::new());
/// let (pods, nodes) = (pods.start(), nodes.start());
/// let checks = [Check::from(&pods), Check::from(&nodes)];
/// wait_synced("scheduler", Duration::from_secs(30), checks).await?;
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
pub async fn wait_synced<'a>(
    what: &str,
    limit: Duration,
    checks: impl IntoIterator<Item = Check<'a>>,
) -> Result<(), NotSynced> {
    let stop = async {
        tokio::time::sleep(limit).await;
        TimedOut(limit)
    };
    wait_synced_until(what, stop, checks).await
}

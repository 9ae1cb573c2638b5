//! `RequestBudget`: the budget for expensive requests that reflectors share.
//!
//! Who may go and when is decided in [`heliostat_core::budget`]; here is the waiting. Every waiter
//! sleeps for itself and asks the machine when it wakes, so there is no task that could be missing,
//! and whoever gives up leaves nothing for others to wait for.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use heliostat_core::budget::BudgetConfig;
use heliostat_core::budget::{RequestBudgetState, RequestId};
use heliostat_core::rng::Rng;
use heliostat_core::time::Time;
use tokio::sync::Notify;

use crate::clock::Clock;

/// One limit for the lists and watch-lists of several reflectors. A clone is another handle to the
/// same budget: give one to each reflector of the process.
///
/// ```
/// use heliostat::RequestBudget;
///
/// # async fn example() {
/// let budget = RequestBudget::default();
/// let permit = budget.acquire().await;
/// // Ask for the list, and hold the permit until all of it has come.
/// drop(permit);
/// # }
/// ```
#[derive(Clone)]
pub struct RequestBudget {
    shared: Arc<Shared>,
}

struct Shared {
    machine: Mutex<RequestBudgetState>,
    /// Wakes all waiters: a permit came back, or a request was withdrawn.
    changed: Notify,
    clock: Clock,
}

impl RequestBudget {
    /// A budget of this configuration.
    #[must_use]
    pub fn new(config: BudgetConfig) -> Self {
        // The standard library's per-process hash keys are the entropy that is at hand.
        Self::seeded(config, RandomState::new().hash_one("list budget"))
    }

    /// A budget whose jitter follows from `seed`, for runs that must repeat.
    #[must_use]
    pub fn seeded(config: BudgetConfig, seed: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                machine: Mutex::new(RequestBudgetState::new(config, Rng::seeded(seed))),
                changed: Notify::new(),
                clock: Clock::start(),
            }),
        }
    }

    /// Waits for a permit, first come, first served.
    ///
    /// # Cancel safety
    /// Cancel safe: a future that is dropped gives up its place, and a permit that it was about to
    /// return goes to the next.
    pub async fn acquire(&self) -> RequestPermit {
        let id = self.shared.lock().request();
        // A permit from the start: dropping it is giving up, at every point from here on.
        let permit = RequestPermit {
            shared: Arc::clone(&self.shared),
            id,
        };
        loop {
            // Listening begins before looking, so nothing that changes after the look is missed.
            let changed = self.shared.changed.notified();
            let wake_at = match self.shared.look(id) {
                Look::Granted => return permit,
                Look::WaitUntil(time) => self.shared.clock.instant(time),
                Look::WaitForRoom => None,
            };
            match wake_at {
                // In either order: both only lead to another look.
                Some(wake_at) => {
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = tokio::time::sleep_until(wake_at) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// How many permits are held.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.shared.lock().under_way()
    }

    /// How many wait for a permit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting()
    }
}

impl Default for RequestBudget {
    fn default() -> Self {
        Self::new(BudgetConfig::new())
    }
}

impl fmt::Debug for RequestBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestBudget")
            .field(&*self.shared.lock())
            .finish()
    }
}

/// The right to one expensive request. It goes back when it is dropped.
#[must_use = "the permit goes back when it is dropped"]
pub struct RequestPermit {
    shared: Arc<Shared>,
    id: RequestId,
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.shared.lock().release(self.id);
        self.shared.changed.notify_waiters();
    }
}

impl fmt::Debug for RequestPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestPermit").field(&self.id).finish()
    }
}

/// What a waiter finds when it looks.
enum Look {
    Granted,
    WaitUntil(Time),
    WaitForRoom,
}

impl Shared {
    fn look(&self, id: RequestId) -> Look {
        let mut machine = self.lock();
        let now = self.clock.now();
        // Grants for others need no word to them: the next grant comes sooner only when a permit
        // comes back, which wakes everyone, and else everyone who could be next sleeps no longer.
        while machine.poll_grant(now).is_some() {}
        if machine.is_granted(id) {
            return Look::Granted;
        }
        match machine.poll_timeout() {
            Some(time) => Look::WaitUntil(time),
            None => Look::WaitForRoom,
        }
    }

    fn lock(&self) -> MutexGuard<'_, RequestBudgetState> {
        // The machine runs no code of the user's.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use futures_util::{FutureExt, poll};
    use tokio::time::Instant;

    use super::*;

    fn budget(limit: usize, spacing_ms: u64) -> RequestBudget {
        let config = BudgetConfig::new()
            .limit(NonZeroUsize::new(limit).unwrap())
            .spacing(Duration::from_millis(spacing_ms));
        RequestBudget::seeded(config, 7)
    }

    /// Time is paused: a permit that never comes fails at once, and does not hang.
    async fn soon<F: Future<Output = RequestPermit>>(permit: F) -> RequestPermit {
        let permit = tokio::time::timeout(Duration::from_secs(60), permit).await;
        permit.expect("the permit should have come")
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_that_is_dropped_goes_to_the_one_who_waits_longest() {
        let budget = budget(1, 0);
        let held = soon(budget.acquire()).await;
        let mut second = Box::pin(budget.acquire());
        let mut third = Box::pin(budget.acquire());
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        assert_eq!((budget.under_way(), budget.waiting()), (1, 2));
        drop(held);
        assert!(poll!(&mut third).is_pending(), "it came after the second");
        let second = soon(second).await;
        assert!(poll!(&mut third).is_pending());
        drop(second);
        let _third = soon(third).await;
        assert_eq!((budget.under_way(), budget.waiting()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_gives_up_takes_nothing_with_it() {
        let budget = budget(1, 0);
        let held = soon(budget.acquire()).await;
        let mut second = Box::pin(budget.acquire());
        let mut third = Box::pin(budget.acquire());
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(held);
        // The look of the third grants the second, which never gets to know.
        assert!(poll!(&mut third).is_pending());
        assert_eq!(budget.under_way(), 1);
        drop(second);
        let _third = soon(third).await;
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_first_wave_permits_keep_their_distance() {
        let budget = budget(10, 100);
        drop(soon(budget.acquire()).await);
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let budget = budget.clone();
            tasks.spawn(async move { (soon(budget.acquire()).await, start.elapsed()) });
        }
        let mut granted: Vec<_> = tasks.join_all().await;
        granted.sort_by_key(|(_, after)| *after);
        let times: Vec<_> = granted.iter().map(|(_, after)| *after).collect();
        assert_eq!(times[0], Duration::ZERO);
        for pair in times.windows(2) {
            let distance = pair[1] - pair[0];
            let bound = Duration::from_millis(100)..Duration::from_millis(202);
            assert!(bound.contains(&distance), "{times:?}");
        }
        assert_eq!(budget.under_way(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_who_slept_for_all_can_give_up() {
        let budget = budget(2, 100);
        drop(soon(budget.acquire()).await);
        let _held = soon(budget.acquire()).await;
        let mut second = Box::pin(budget.acquire());
        let mut third = Box::pin(budget.acquire());
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(second);
        let third = tokio::time::timeout(Duration::from_millis(202), third).await;
        assert!(third.is_ok());
    }

    #[test]
    fn a_permit_is_at_hand_without_a_timer_when_nobody_waits() {
        let budget = budget(1, 100);
        assert!(budget.acquire().now_or_never().is_some());
    }
}

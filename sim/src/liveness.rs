//! Liveness: when the faults have stopped and nobody writes any more, every mirror equals the source
//! and watches it, or waits for its next list, and every listener behind it has received everything, within
//! a bound of virtual time that follows from its timers.

use std::time::Duration;

use heliostat_core::reflector::Activity;
use heliostat_core::time::Time;

use crate::faults::WAIT_MAX;
use crate::invariants::{View, Violation, differs_from};
use crate::scenario::{ClientPlan, Scenario};

/// The last part of a story.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    bound: Duration,
    deadline: Option<Time>,
}

impl Liveness {
    /// The bound that follows from a scenario.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        // Behind a budget of one, each mirror may wait for all the others.
        let bound = scenario.clients.iter().map(longest_way_back).sum();
        Self {
            bound,
            deadline: None,
        }
    }

    /// The faults stop now.
    pub fn begin(&mut self, now: Time) {
        self.deadline = Some(now + self.bound);
    }

    /// True if every mirror is where it should be.
    ///
    /// # Errors
    /// If the bound is over and one is not.
    pub fn is_over<'a>(
        &self,
        now: Time,
        mut views: impl Iterator<Item = View<'a>>,
    ) -> Result<bool, Violation> {
        let Some((view, why)) = views.find_map(|view| Some((view, not_yet(view)?))) else {
            return Ok(true);
        };
        if self.deadline.is_some_and(|deadline| now <= deadline) {
            return Ok(false);
        }
        let (number, bound) = (view.seat.number, self.bound);
        Err(Violation {
            promise: "liveness",
            text: format!("{bound:?} after the faults stopped, mirror {number}: {why}"),
        })
    }
}

/// Why a mirror is not yet where it should be.
fn not_yet(view: View<'_>) -> Option<String> {
    let informer = &view.seat.informer;
    if view.seat.view().is_synced() && !informer.is_synced {
        return Some("behind it nobody is told that it is synced".to_owned());
    }
    if let Some(why) = informer.not_yet() {
        return Some(why);
    }
    if view.seat.stopped {
        return None;
    }
    let at_rest = match view.seat.plan.poll {
        Some(_) => Activity::Polling,
        None => Activity::Watching,
    };
    if view.seat.activity() != at_rest {
        return Some(view.seat.activity().as_str().to_owned());
    }
    differs_from(view)
}

/// What may lie between a mirror and the truth, one after the other: the delay that runs; a request
/// that is never answered; a watch-list that never ends, twice; two silences (the first may have had
/// signs of life) with a probe; or, without an eye on silence, a watch that nobody ends.
fn longest_way_back(plan: &ClientPlan) -> Duration {
    let backoff = plan.backoff.1 * 2 * 3;
    let watch = match plan.silence {
        Some(silence) => silence * 4,
        None => (plan.watch_timeout.1 + plan.watch_end_grace) * 2,
    };
    let watch = watch + plan.poll.unwrap_or_default() * 2;
    let watch_list = plan.watch_list_timeout * 2;
    let lag = plan.timer_lag * 20;
    lag + WAIT_MAX + backoff + plan.list_idle * 4 + watch + watch_list + Duration::from_secs(60)
}

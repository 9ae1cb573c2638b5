//! Wedged: a mirror never waits for something that need not come. Whatever it waits for, a timer
//! ends the wait within a bounded time; only a permit is waited for without one, since whoever holds
//! it has a timer.

use std::time::Duration;

use heliostat_core::reflector::Activity;

use super::{Promise, Verdict, View};
use crate::faults::WAIT_MAX;

/// See the module.
#[derive(Debug)]
pub(super) struct Wedged;

impl Promise for Wedged {
    fn name(&self) -> &'static str {
        "wedged"
    }

    fn settled(&mut self, view: View<'_>) -> Verdict {
        let seat = view.seat;
        match seat.activity() {
            Activity::Idle | Activity::Stopped | Activity::AwaitingPermit => return Ok(()),
            _ => {}
        }
        let activity = seat.activity().as_str();
        let wakes = seat
            .bug
            .wake_at(seat.machine.poll_timeout(), seat.activity());
        let Some(wakes) = wakes else {
            return Err(format!("no timer while {activity}"));
        };
        let wait = wakes.saturating_since(view.now);
        if wait > longest_wait(view) {
            return Err(format!("the next timer is {wait:?} away while {activity}"));
        }
        Ok(())
    }
}

/// The longest that any one thing may take.
fn longest_wait(view: View<'_>) -> Duration {
    let plan = &view.seat.plan;
    let waits = [
        plan.watch_timeout.1 + plan.watch_end_grace,
        plan.watch_list_timeout,
        plan.list_idle,
        plan.poll.unwrap_or_default(),
        plan.backoff.1 * 2,
        WAIT_MAX,
    ];
    waits.into_iter().max().unwrap_or_default() + Duration::from_secs(1)
}

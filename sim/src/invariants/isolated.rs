//! Isolated: whoever is slow is slow alone. However long a listener stalls, what the mirror writes is
//! applied, and every other listener hears something, within the time that each takes by itself.

use std::time::Duration;

use super::{Promise, Verdict, View};
use crate::informer::PANIC_PAUSE;

/// See the module.
#[derive(Debug)]
pub(super) struct Isolated;

impl Promise for Isolated {
    fn name(&self) -> &'static str {
        "isolated"
    }

    fn settled(&mut self, view: View<'_>) -> Verdict {
        let informer = &view.seat.informer;
        let waits = |since| view.now.saturating_since(since);
        // A mirror that applies a batch itself leaves a later one the time that was planned for it.
        if let Some(wait) = informer.waits_since.map(waits)
            && wait > informer.plan.lag + informer.plan.takes * 2 + SLACK
        {
            return Err(format!("nothing has been applied for {wait:?}"));
        }
        for (number, listener) in informer.listeners.iter().enumerate() {
            let Some(since) = listener.waits_since else {
                continue;
            };
            let (delay, stall) = (listener.plan.delay, listener.plan.stall);
            let since = match stall {
                Some((from, to)) if from <= since + delay => to.max(since),
                _ => since,
            };
            let wait = waits(since);
            if wait > delay + PANIC_PAUSE + SLACK {
                return Err(format!("listener {number} has heard nothing for {wait:?}"));
            }
        }
        Ok(())
    }
}

/// Promises are asked when something happens, and time passes in between.
const SLACK: Duration = Duration::from_millis(1);

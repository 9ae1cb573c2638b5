//! Paced: a source that cannot be watched is never asked for a watch, and is listed again no sooner than
//! the interval after the last list. That each change is seen by one of these lists is a matter of
//! [`liveness`](crate::liveness).

use heliostat_core::reflector::Report;
use heliostat_core::time::Time;

use super::{Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Paced {
    /// The next list is due then, if the last one was applied.
    due: Option<Time>,
}

impl Promise for Paced {
    fn name(&self) -> &'static str {
        "paced"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if view.seat.plan.poll.is_none() {
            return Ok(());
        }
        match said {
            Said::Watch(..) => Err(format!("{said} of a source that is polled")),
            Said::List(..) => match self.due.take() {
                Some(due) if view.now < due => {
                    Err(format!("{said} before the next is due at {due}"))
                }
                Some(_) | None => Ok(()),
            },
            // A resync that fails ends the round, here as in a watch.
            Said::Report(Report::ResyncFailed(_)) => {
                self.due = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        let interval = view.seat.plan.poll.filter(|_| view.seat.committed);
        if let (Said::Commit(_), Some(interval)) = (said, interval) {
            self.due = Some(view.now + interval);
        }
        Ok(())
    }
}

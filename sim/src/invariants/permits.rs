//! Permits: a list, a watch-list or a probe of a budgeted mirror has a permit, no permit is asked for
//! twice, and none is held by a mirror that watches, waits or has stopped.

use heliostat_core::reflector::Activity;

use super::{Promise, Verdict, View};
use crate::client::{Permit, Said};

/// See the module.
#[derive(Debug)]
pub(super) struct Permits;

impl Promise for Permits {
    fn name(&self) -> &'static str {
        "permits"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        let permit = view.seat.permit;
        let held = matches!(permit, Permit::Held(_));
        let expensive = match said {
            Said::List(..) => true,
            Said::Watch(_, options) => options.send_initial_events,
            Said::AcquirePermit(_) if permit != Permit::None => {
                return Err(format!("{said} with {permit:?}"));
            }
            Said::AcquirePermit(_) if !view.seat.plan.budgeted => {
                return Err("a permit is asked for where there is no budget".to_owned());
            }
            Said::ReleasePermit if permit == Permit::None => {
                return Err("a permit is given back that nobody has".to_owned());
            }
            _ => false,
        };
        if expensive && view.seat.plan.budgeted && !held {
            return Err(format!("{said} without a permit"));
        }
        Ok(())
    }

    fn settled(&mut self, view: View<'_>) -> Verdict {
        let permit = view.seat.permit;
        let fine = match view.seat.activity() {
            Activity::AwaitingPermit => matches!(permit, Permit::Wanted(_)),
            Activity::Listing | Activity::WatchListing | Activity::Probing => {
                !view.seat.plan.budgeted || matches!(permit, Permit::Held(_))
            }
            _ => permit == Permit::None,
        };
        if fine {
            return Ok(());
        }
        Err(format!(
            "{permit:?} while {}",
            view.seat.activity().as_str()
        ))
    }
}

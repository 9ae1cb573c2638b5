//! Resynced: the store is asked to deliver again what it knows only between two replaces, and never
//! sooner than a period after the last time.

use heliostat_core::time::Time;

use super::{Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Resynced {
    collecting: bool,
    /// Not before this.
    earliest: Time,
}

impl Promise for Resynced {
    fn name(&self) -> &'static str {
        "resynced"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        match said {
            Said::BeginReplace => self.collecting = true,
            Said::AbortReplace | Said::Commit(_) => self.collecting = false,
            Said::Resync if self.collecting => {
                return Err("a resync while a set is collected".to_owned());
            }
            Said::Resync if view.seat.view().resource_version().is_unset() => {
                return Err("a resync before the first replace".to_owned());
            }
            Said::Resync if view.now < self.earliest => {
                return Err(format!("a resync before its time at {}", self.earliest));
            }
            Said::Resync => self.earliest = view.now + view.seat.plan.resync,
            _ => {}
        }
        Ok(())
    }
}

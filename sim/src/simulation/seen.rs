//! Counts what the machine does.

use heliostat_core::reflector::{Activity, FallBackReason, Report};

use super::Simulation;
use crate::client::Said;
use crate::coverage::Seen;

impl Simulation {
    pub(super) fn count(&mut self, number: usize, said: &Said) {
        let seen = match said {
            Said::Keep(_) => Seen::Kept,
            Said::List(..) if self.seats[number].plan.poll.is_some() => Seen::Polled,
            Said::Remove(..) => Seen::Dropped,
            Said::List(..) if self.seats[number].activity() == Activity::Probing => Seen::Probed,
            Said::Report(report) => match seen_in(report) {
                Some(seen) => seen,
                None => return,
            },
            _ => return,
        };
        self.coverage.count(seen);
    }
}

fn seen_in(report: &Report) -> Option<Seen> {
    Some(match report {
        Report::RoundFailed { .. } => Seen::RoundFailed,
        Report::WatchFailed {
            error,
            relist: false,
        } if error.class() == "internal" => Seen::RetriedInPlace,
        Report::BackingOff { .. } => Seen::BackedOff,
        Report::VeryShortWatch => Seen::VeryShortWatch,
        Report::SilentWatch { .. } => Seen::Silence,
        Report::OverdueWatch => Seen::Overdue,
        Report::Synced {
            watch_list: true, ..
        } => Seen::SyncedByWatchList,
        Report::Synced {
            watch_list: false, ..
        } => Seen::Synced,
        Report::WatchListFellBack {
            reason: FallBackReason::NoEndMark { .. },
        } => Seen::NoEndMark,
        Report::WatchListFellBack { .. } => Seen::FellBack,
        Report::WatchListWaiting { .. } => Seen::WaitingForEndMark,
        Report::Rewind(rewind) if rewind.confirmed => Seen::RewindConfirmed,
        Report::Rewind(rewind) if rewind.object.is_none() => Seen::RewindRejected,
        Report::Rewind(rewind) if rewind.got.is_unset() => Seen::DeleteMissed,
        Report::Rewind(_) => Seen::RewindByObject,
        _ => return None,
    })
}

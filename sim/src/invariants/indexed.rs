//! Indexed: after every change the indexes are those that the objects would be filed in anew, of the
//! mirror's store and of the one behind the queue.

use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::client::Said;
use crate::kept::{Kept, RESIDUE_INDEX};

/// See the module.
#[derive(Debug)]
pub(super) struct Indexed;

impl Promise for Indexed {
    fn name(&self) -> &'static str {
        "indexed"
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if !said.is_of_watch() && !matches!(said, Said::Commit(_)) {
            return Ok(());
        }
        is_filed(view.seat.view())
    }

    fn worked(&mut self, view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        is_filed(view.seat.informer.store.view())
    }
}

fn is_filed(store: &Snapshot<Kept>) -> Verdict {
    let mut filed = 0;
    for value in store.index_values(RESIDUE_INDEX) {
        let entries = store.by_index(RESIDUE_INDEX, value);
        for entry in entries.map_err(|error| error.to_string())? {
            filed += 1;
            if entry.object.widget().residue() != &**value {
                return Err(format!("{} is filed under {value}", entry.key()));
            }
        }
    }
    if filed == store.len() {
        return Ok(());
    }
    Err(format!("{filed} of {} objects are filed", store.len()))
}

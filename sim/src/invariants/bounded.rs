//! Bounded: where what waits is folded together, no more of it waits than the limit says, or than
//! there are objects that are in the store or that the listener knows.
//!
//! One more may wait: that the listener is synced. What is in its hands counts as known. A state of the
//! mirror that is told first does not count: it is shared.

use std::collections::BTreeSet;

use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::kept::Kept;

/// See the module.
#[derive(Debug)]
pub(super) struct Bounded;

impl Promise for Bounded {
    fn name(&self) -> &'static str {
        "bounded"
    }

    fn joined(&mut self, view: View<'_>, number: usize) -> Verdict {
        is_within(view, number)
    }

    fn worked(&mut self, view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        (0..view.seat.informer.listeners.len()).try_for_each(|number| is_within(view, number))
    }
}

fn is_within(view: View<'_>, number: usize) -> Verdict {
    let informer = &view.seat.informer;
    let listener = &informer.listeners[number];
    let Some(limit) = listener.plan.limit else {
        return Ok(());
    };
    let waiting = informer.unshared(number);
    if waiting <= limit {
        return Ok(());
    }
    let known: BTreeSet<_> = listener.known.keys().collect();
    let new = informer
        .store
        .view()
        .keys()
        .filter(|key| !known.contains(key));
    let objects = known.len() + new.count() + listener.in_hand();
    let most = limit.max(objects) + 1;
    if waiting <= most {
        return Ok(());
    }
    Err(format!(
        "{waiting} wait for listener {number}, with a limit of {limit} and {objects} objects"
    ))
}

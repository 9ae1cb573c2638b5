//! Believed: whoever hears only its own notifications knows what the store behind the queue holds.
//!
//! A listener for whom everything is kept knows, after each portion, the store exactly as it was when
//! that portion was put; one for whom things are folded together, whenever nothing waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use heliostat_core::object::ObjectKey;
use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::kept::{Kept, held};
use crate::world::Widget;

/// See the module.
#[derive(Debug)]
pub(super) struct Believed;

impl Promise for Believed {
    fn name(&self) -> &'static str {
        "believed"
    }

    fn rested(&mut self, view: View<'_>, number: usize) -> Verdict {
        let listener = &view.seat.informer.listeners[number];
        if let Some(reached) = &listener.reached {
            compare(number, &listener.known, &reached.store)?;
        }
        at_rest(view, number)
    }

    fn worked(&mut self, view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        (0..view.seat.informer.listeners.len()).try_for_each(|number| at_rest(view, number))
    }
}

fn at_rest(view: View<'_>, number: usize) -> Verdict {
    let informer = &view.seat.informer;
    let listener = &informer.listeners[number];
    if !listener.is_present() || !informer.is_at_rest(number) {
        return Ok(());
    }
    compare(number, &listener.known, informer.store.view())
}

fn compare(
    number: usize,
    known: &BTreeMap<ObjectKey, Arc<Widget>>,
    store: &Snapshot<Kept>,
) -> Verdict {
    for (key, known) in known {
        if held(store, key).is_none_or(|held| !held.shows(known)) {
            let now = held(store, key).map(|held| held.revision());
            return Err(format!(
                "listener {number} knows {key}@{}, the store had {now:?}",
                known.revision
            ));
        }
    }
    match store.keys().find(|key| !known.contains_key(*key)) {
        Some(key) => Err(format!("listener {number} was not told of {key}")),
        None => Ok(()),
    }
}

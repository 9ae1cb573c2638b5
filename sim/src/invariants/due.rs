//! Due: what did not change is told again only to those whose time it is, by the period that each
//! asked for.

use heliostat_core::informer::Notification;
use heliostat_core::object::ObjectKey;
use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::informer::Listener;
use crate::kept::Kept;

/// See the module.
#[derive(Debug)]
pub(super) struct Due;

impl Promise for Due {
    fn name(&self) -> &'static str {
        "due"
    }

    fn joined(&mut self, view: View<'_>, _number: usize) -> Verdict {
        negotiated(view)
    }

    fn worked(&mut self, view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        negotiated(view)
    }

    fn told(&mut self, view: View<'_>, number: usize, said: &Notification<Kept>) -> Verdict {
        let listener = &view.seat.informer.listeners[number];
        let Notification::Updated { old, new } = said else {
            return Ok(());
        };
        let (was, is) = (&old.header, &new.header);
        let unset = is.resource_version.is_unset();
        let same = !unset && was.resource_version == is.resource_version && was.uid == is.uid;
        // Once versions could not be trusted, only the same object in memory is known to be unchanged.
        let same = same && (said.is_sync() || !view.seat.informer.doubted);
        if same && !may_hear_again(view, listener, new.key()) {
            return Err(format!(
                "listener {number} is not due and is told {} again",
                new.key()
            ));
        }
        Ok(())
    }
}

/// True if what is told now may be what did not change: it was put while the listener was due. Where
/// things are folded together, it is not known when each was put; and what changed and changed back,
/// as a source that is restored does, looks as if it had not.
fn may_hear_again(view: View<'_>, listener: &Listener, key: &ObjectKey) -> bool {
    match listener.telling() {
        Some(checkpoint) => checkpoint.due,
        None => {
            let last = view.seat.informer.log.of(key).last();
            listener.was_due || last.is_some_and(|past| past.work > listener.rested_at)
        }
    }
}

/// All periods are what the rules make of what was asked for.
fn negotiated(view: View<'_>) -> Verdict {
    let informer = &view.seat.informer;
    for (number, listener) in informer.listeners.iter().enumerate() {
        let period = informer.period_of(listener);
        if period.is_some_and(|period| period != listener.due.effective) {
            return Err(format!(
                "listener {number} is told every {period:?}, by the rules every {:?}",
                listener.due.effective
            ));
        }
    }
    Ok(())
}

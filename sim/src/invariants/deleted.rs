//! Deleted: each object that a listener knew and that vanished, seen or not, is told to have gone,
//! once; and where one came in its place, in the way that the listener asked for.

use heliostat_core::informer::Notification;
use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::informer::Listener;
use crate::kept::{Kept, held};

/// See the module. That nothing is told twice to have gone is in `sequenced`.
#[derive(Debug)]
pub(super) struct Deleted;

impl Promise for Deleted {
    fn name(&self) -> &'static str {
        "deleted"
    }

    fn told(&mut self, view: View<'_>, number: usize, said: &Notification<Kept>) -> Verdict {
        let listener = &view.seat.informer.listeners[number];
        let Some((key, known)) = said.key().and_then(|key| listener.known.get_key_value(key))
        else {
            return Ok(());
        };
        match said {
            Notification::Updated { new, .. }
                if listener.plan.splits && new.object.uid() != known.uid =>
            {
                Err(format!(
                    "listener {number} is told that {key} changed, and it went and came"
                ))
            }
            Notification::Deleted { last, .. }
                if listener.plan.splits && last.object.uid() != known.uid =>
            {
                Err(format!(
                    "listener {number} knows {key} as uid {}, and is told of the end of uid {}",
                    known.uid,
                    last.object.uid()
                ))
            }
            _ => Ok(()),
        }
    }

    fn rested(&mut self, view: View<'_>, number: usize) -> Verdict {
        let informer = &view.seat.informer;
        let listener = &informer.listeners[number];
        if let Some(reached) = &listener.reached {
            no_ghosts(number, listener, &reached.store)?;
        }
        if informer.is_at_rest(number) {
            no_ghosts(number, listener, informer.store.view())?;
        }
        Ok(())
    }

    fn worked(&mut self, view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        let informer = &view.seat.informer;
        for (number, listener) in informer.listeners.iter().enumerate() {
            if listener.is_present() && informer.is_at_rest(number) {
                no_ghosts(number, listener, informer.store.view())?;
            }
        }
        Ok(())
    }
}

/// A listener knows no life that is over.
fn no_ghosts(number: usize, listener: &Listener, store: &Snapshot<Kept>) -> Verdict {
    for (key, known) in &listener.known {
        if held(store, key).is_none_or(|held| held.uid() != known.uid) {
            return Err(format!(
                "listener {number} was not told that {key} (uid {}) went",
                known.uid
            ));
        }
    }
    Ok(())
}

//! Synced: each listener is told once that it has been told all that was there, after it has been,
//! and nothing belongs to its initial list from then on.

use std::collections::BTreeSet;

use heliostat_core::informer::Notification;
use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::kept::Kept;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Synced {
    /// Who has been told.
    told: BTreeSet<usize>,
}

impl Promise for Synced {
    fn name(&self) -> &'static str {
        "synced"
    }

    fn told(&mut self, view: View<'_>, number: usize, said: &Notification<Kept>) -> Verdict {
        let is_synced = self.told.contains(&number);
        match said {
            Notification::Added {
                entry,
                is_in_initial_list: true,
            } if is_synced => Err(format!(
                "listener {number} is synced and is told that {} belongs to its initial list",
                entry.key()
            )),
            Notification::Synced => {
                self.told.insert(number);
                if is_synced {
                    return Err(format!("listener {number} is told twice that it is synced"));
                }
                has_all(view, number)
            }
            Notification::Added { .. }
            | Notification::Updated { .. }
            | Notification::Deleted { .. } => Ok(()),
        }
    }

    fn rested(&mut self, view: View<'_>, number: usize) -> Verdict {
        self.not_forgotten(view, number)
    }

    fn worked(&mut self, view: View<'_>, _before: &Snapshot<Kept>) -> Verdict {
        let numbers = 0..view.seat.informer.listeners.len();
        for number in numbers {
            self.not_forgotten(view, number)?;
        }
        Ok(())
    }
}

impl Synced {
    fn not_forgotten(&self, view: View<'_>, number: usize) -> Verdict {
        let informer = &view.seat.informer;
        let forgotten = informer.is_synced
            && informer.listeners[number].is_present()
            && informer.is_at_rest(number)
            && !self.told.contains(&number);
        if forgotten {
            return Err(format!(
                "listener {number} has heard all and not that it is synced"
            ));
        }
        Ok(())
    }
}

/// A listener that is told to be synced knows all that was there, but for what has gone since.
fn has_all(view: View<'_>, number: usize) -> Verdict {
    let informer = &view.seat.informer;
    let listener = &informer.listeners[number];
    let Some((work, there)) = &listener.synced_at else {
        return Err(format!(
            "listener {number} is told to be synced, and the store is not"
        ));
    };
    let missing = there
        .keys()
        .find(|key| !listener.known.contains_key(*key) && !informer.log.went_after(key, *work));
    match missing {
        Some(key) => Err(format!(
            "listener {number} is told to be synced and was not told of {key}"
        )),
        None => Ok(()),
    }
}

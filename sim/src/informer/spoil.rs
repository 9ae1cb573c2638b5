//! Bugs of what is behind a mirror, where they change what is told.

use heliostat_core::informer::{Notification, Outcome, Sink as _};

use super::Informer;
use crate::kept::Kept;
use crate::mutant::Mutant;

impl Informer {
    /// True for a bug that waits for the slowest.
    pub(super) fn is_held_up(&self) -> bool {
        self.mutant == Some(Mutant::WaitsForSlowHandlers)
            && self.fanout.iter().any(|tray| tray.buffer.len() > 10)
    }

    /// What is told of an outcome.
    pub(super) fn spoil(&mut self, outcome: Outcome<Kept>) -> Outcome<Kept> {
        match (outcome, self.mutant) {
            (Outcome::Changes(mut changes), Some(Mutant::LosesNotifications)) => {
                if self.works.is_multiple_of(5) {
                    changes.pop();
                }
                Outcome::Changes(changes)
            }
            (Outcome::Changes(changes), Some(Mutant::TellsTwice)) => {
                let twice = changes
                    .into_iter()
                    .flat_map(|change| [change.clone(), change]);
                Outcome::Changes(twice.collect())
            }
            (Outcome::Changes(mut changes), Some(Mutant::SwallowsTombstones)) => {
                changes.retain(|change| {
                    !matches!(
                        change,
                        Notification::Deleted {
                            tombstone: true,
                            ..
                        }
                    )
                });
                Outcome::Changes(changes)
            }
            (Outcome::Resync(state), Some(Mutant::ResyncsEverybody)) => {
                let others = self
                    .listeners
                    .iter()
                    .filter(|listener| !listener.due.is_due);
                let others: Vec<_> = others.filter_map(|listener| listener.id).collect();
                self.put(|fanout, now| {
                    for id in others {
                        let state = state.clone();
                        fanout.with_sink(id, |tray| tray.put(|buffer| buffer.resync(now, state)));
                    }
                });
                Outcome::Resync(state)
            }
            (outcome, _) => outcome,
        }
    }
}

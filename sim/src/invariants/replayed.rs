//! Replayed: whoever hears only what came, changed and went ends with what the store holds. No
//! delete is lost, also not across a relist.
//!
//! The listener here works the way a delta queue does, from what the machine says alone: it collects
//! the staged set, and at a commit works out what came, what changed and what went.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heliostat_core::event::ChangeKind;
use heliostat_core::object::ObjectKey;

use super::{Promise, Verdict, View};
use crate::client::Said;
use crate::kept::held;
use crate::world::Widget;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    known: BTreeMap<ObjectKey, Arc<Widget>>,
    staged: BTreeMap<ObjectKey, Arc<Widget>>,
}

/// What a listener is told.
#[derive(Debug)]
enum Told {
    Came(Arc<Widget>),
    Changed(Arc<Widget>),
    Went(ObjectKey),
}

impl Promise for Replayed {
    fn name(&self) -> &'static str {
        "replayed"
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        match said {
            Said::BeginReplace | Said::AbortReplace => self.staged.clear(),
            Said::Stage(widgets) => {
                for widget in widgets {
                    self.staged.insert(widget.key.clone(), Arc::clone(widget));
                }
            }
            Said::Unstage(key) => {
                self.staged.remove(key);
            }
            Said::Keep(key) => {
                if let Some(known) = self.known.get(key) {
                    let known = Arc::clone(known);
                    // What was staged is newer than what is known.
                    self.staged.entry(key.clone()).or_insert(known);
                }
            }
            Said::Commit(_) => self.commit(view),
            Said::Apply { change, widget, .. } => {
                if !view.seat.refused.contains(&widget.key) {
                    let told = match change {
                        ChangeKind::Added | ChangeKind::Modified => Told::Came(Arc::clone(widget)),
                        ChangeKind::Deleted => Told::Went(widget.key.clone()),
                    };
                    self.tell(told);
                }
            }
            Said::Remove(key, _) => self.tell(Told::Went(key.clone())),
            _ => return Ok(()),
        }
        self.compare(view)
    }
}

impl Replayed {
    fn commit(&mut self, view: View<'_>) {
        let staged = std::mem::take(&mut self.staged);
        // A store that refused the replace stays as it was, and tells nothing.
        if !view.seat.committed {
            return;
        }
        let gone: BTreeSet<_> = self
            .known
            .keys()
            .filter(|key| !staged.contains_key(*key))
            .cloned()
            .collect();
        let mut told: Vec<_> = gone.into_iter().map(Told::Went).collect();
        for (key, widget) in staged {
            match self.known.get(&key) {
                Some(known) if known.is_same_state(&widget) => {}
                Some(_) => told.push(Told::Changed(widget)),
                None => told.push(Told::Came(widget)),
            }
        }
        for told in told {
            self.tell(told);
        }
    }

    fn tell(&mut self, told: Told) {
        match told {
            Told::Came(widget) | Told::Changed(widget) => {
                self.known.insert(widget.key.clone(), widget);
            }
            Told::Went(key) => {
                self.known.remove(&key);
            }
        }
    }

    fn compare(&self, view: View<'_>) -> Verdict {
        let store = view.seat.view();
        for (key, known) in &self.known {
            if held(store, key).is_none_or(|held| !held.shows(known)) {
                return Err(format!(
                    "the listener knows {key}@{}, the store does not",
                    known.revision
                ));
            }
        }
        match store.keys().find(|key| !self.known.contains_key(*key)) {
            Some(key) => Err(format!(
                "the store holds {key}, the listener was told it went"
            )),
            None => Ok(()),
        }
    }
}

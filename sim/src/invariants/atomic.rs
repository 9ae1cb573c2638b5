//! Atomic: a replace is one step. While a set is collected, readers see the old one, unchanged, and
//! nothing of the new; only a commit or a change of a watch changes what they see.

use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::client::Said;
use crate::kept::Kept;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Atomic {
    seen: Snapshot<Kept>,
    collecting: bool,
}

impl Promise for Atomic {
    fn name(&self) -> &'static str {
        "atomic"
    }

    fn say(&mut self, _view: View<'_>, said: &Said) -> Verdict {
        match said {
            Said::BeginReplace => self.collecting = true,
            Said::AbortReplace => self.collecting = false,
            Said::Commit(_) if !std::mem::take(&mut self.collecting) => {
                return Err("a commit without a begin".to_owned());
            }
            said if said.is_staging() && !self.collecting => {
                return Err(format!("{said} without a begin"));
            }
            said if said.is_of_watch() && self.collecting => {
                return Err(format!("{said} while a set is collected"));
            }
            _ => {}
        }
        Ok(())
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if said.is_of_watch() || matches!(said, Said::Commit(_)) {
            self.seen = view.seat.store.snapshot();
            return Ok(());
        }
        if said.is_staging() {
            return self.unchanged(view, &said.to_string());
        }
        Ok(())
    }

    fn settled(&mut self, view: View<'_>) -> Verdict {
        self.unchanged(view, "a step")
    }
}

impl Atomic {
    fn unchanged(&self, view: View<'_>, by: &str) -> Verdict {
        if is_same(&self.seen, view.seat.view()) {
            return Ok(());
        }
        Err(format!("{by} changed what readers see"))
    }
}

/// True if two snapshots hold the same states under the same version.
pub(super) fn is_same(one: &Snapshot<Kept>, other: &Snapshot<Kept>) -> bool {
    one.resource_version() == other.resource_version()
        && one.len() == other.len()
        && one
            .iter()
            .zip(other.iter())
            .all(|(one, other)| one.object.is_same_state(&other.object))
}

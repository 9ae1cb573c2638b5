//! Ordered: within one watch, changes come in the order in which they happened, and the versions
//! that the store goes through never fall.

use heliostat_core::reflector::{AttemptId, VersionTracking};

use super::{Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    attempt: Option<AttemptId>,
    revision: u64,
    version: u64,
}

impl Promise for Ordered {
    fn name(&self) -> &'static str {
        "ordered"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if !said.is_of_watch() {
            return Ok(());
        }
        let attempt = view.seat.live.map(|(attempt, _)| attempt);
        if self.attempt != attempt {
            *self = Self {
                attempt,
                ..Self::default()
            };
        }
        let revision = told_revision(said, view.origin.revision);
        if matches!(said, Said::Apply { .. } | Said::Remove(..)) && revision <= self.revision {
            return Err(format!(
                "{said} (revision {revision}) comes after revision {}",
                self.revision
            ));
        }
        self.revision = self.revision.max(revision);
        let version = said
            .reaches()
            .and_then(heliostat_core::version::ResourceVersion::as_decimal);
        let version = version.unwrap_or(self.version);
        if version < self.version && view.seat.plan.tracking == VersionTracking::Strict {
            return Err(format!("{said} comes after version {}", self.version));
        }
        self.version = version;
        Ok(())
    }
}

/// The revision that an output is about: its object's own where that is a state that came, since the
/// answer that is being handled may not be the one that brought it.
fn told_revision(said: &Said, origin: u64) -> u64 {
    use heliostat_core::event::ChangeKind::{Added, Modified};
    match said {
        Said::Apply {
            change: Added | Modified,
            widget,
            ..
        } => widget.revision,
        _ => origin,
    }
}

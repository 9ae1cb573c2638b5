//! Ordered: within one watch, changes come in the order in which they happened, and the versions
//! that the store goes through never fall.

use std::collections::BTreeSet;

use heliostat_core::object::ObjectKey;
use heliostat_core::reflector::{AttemptId, VersionTracking};

use super::{Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    attempt: Option<AttemptId>,
    revision: u64,
    /// The objects whose change at that revision came.
    keys: BTreeSet<ObjectKey>,
    /// A bookmark came after that revision.
    is_over: bool,
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
        if let Some(key) = said.key() {
            // A transaction changes several objects at one revision.
            let is_open = revision == self.revision && !self.is_over;
            let is_next = is_open && !self.keys.contains(key);
            if revision <= self.revision && !is_next {
                return Err(format!(
                    "{said} (revision {revision}) comes after revision {}",
                    self.revision
                ));
            }
        }
        if revision > self.revision {
            self.revision = revision;
            self.keys.clear();
            self.is_over = false;
        }
        if revision == self.revision {
            self.keys.extend(said.key().cloned());
            self.is_over |= matches!(said, Said::Bookmark(_));
        }
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

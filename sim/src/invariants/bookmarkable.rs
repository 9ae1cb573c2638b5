//! Bookmarkable: a bookmark moves the version, as far as it says, and nothing else. That all changes
//! up to it have been told is a matter of [`reliable`](super::reliable).

use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::client::Said;
use crate::kept::Kept;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bookmarkable {
    before: Snapshot<Kept>,
}

impl Promise for Bookmarkable {
    fn name(&self) -> &'static str {
        "bookmarkable"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if matches!(said, Said::Bookmark(_) | Said::Moved(_)) {
            self.before = view.seat.store.snapshot();
        }
        Ok(())
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        let (Said::Bookmark(version) | Said::Moved(version)) = said else {
            return Ok(());
        };
        let after = view.seat.view();
        let same = self.before.len() == after.len()
            && self
                .before
                .iter()
                .zip(after.iter())
                .all(|(before, after)| before.object.is_same_state(&after.object));
        if !same {
            return Err(format!("{said} changed what the store holds"));
        }
        if after.resource_version() != version {
            return Err(format!(
                "{said} left the store at {}",
                after.resource_version()
            ));
        }
        Ok(())
    }
}

//! Unique: no change comes twice. Only what the version does not cover may come again: after events
//! without a version, after a version was taken back, or where a watch was cut off in the middle of a
//! revision.

use super::{Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug)]
pub(super) struct Unique;

impl Promise for Unique {
    fn name(&self) -> &'static str {
        "unique"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if !matches!(said, Said::Apply { .. } | Said::Remove(..)) {
            return Ok(());
        }
        let version = view.seat.position.version.unwrap_or_default();
        let received = &view.seat.received;
        let revision = view.origin.revision;
        let is_rest = revision == received.revision
            && !received.is_whole
            && said.key().is_some_and(|key| !received.keys.contains(key));
        if revision > version || is_rest || view.origin.again {
            return Ok(());
        }
        Err(format!(
            "{said} (revision {}) is covered by version {version}",
            view.origin.revision
        ))
    }
}

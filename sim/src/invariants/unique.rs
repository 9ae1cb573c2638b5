//! Unique: no change comes twice. Only what the version does not cover may come again: after events
//! without a version, or after a version was taken back.

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
        if view.origin.revision > version {
            return Ok(());
        }
        Err(format!(
            "{said} (revision {}) is covered by version {version}",
            view.origin.revision
        ))
    }
}

//! The version never goes back unless the source's did, and then a rewind is reported first. An object
//! with a version that the mirror's history does not have is reported only of another history.
//!
//! Where the last writer's version counts, a watch may take the version back; a replace may not.

use heliostat_core::reflector::{Report, VersionTracking};

use super::{Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Monotonic {
    version: u64,
    timeline: usize,
    /// The version of a rewind that was reported and not followed yet.
    announced: Option<u64>,
}

impl Promise for Monotonic {
    fn name(&self) -> &'static str {
        "monotonic"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        let Said::Report(Report::Rewind(rewind)) = said else {
            return Ok(());
        };
        let position = view.seat.position;
        let version = position.version.unwrap_or_default();
        let by_object = rewind.object.is_some() && rewind.got.is_real();
        if by_object && !view.world.is_foreign(position.timeline, version) {
            return Err(format!("{rewind:?}, and the source has the same history"));
        }
        if !rewind.confirmed {
            return Ok(());
        }
        self.announced = rewind.got.as_decimal();
        if view.origin.timeline == self.timeline {
            return Err(format!(
                "a rewind from {} to {} is called confirmed, and the source did not go back",
                rewind.seen, rewind.got
            ));
        }
        Ok(())
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        let position = view.seat.position;
        let Some(version) = position.version else {
            return Ok(());
        };
        let (before, timeline) = (self.version, self.timeline);
        self.version = version;
        self.timeline = position.timeline;
        if version >= before {
            return Ok(());
        }
        let by_watch = said.is_of_watch();
        let last_writer = view.seat.plan.tracking == VersionTracking::LastWriter;
        if by_watch && last_writer {
            return Ok(());
        }
        let announced = self.announced.take() == Some(version);
        if announced && timeline != position.timeline {
            return Ok(());
        }
        Err(format!(
            "the version went from {before} back to {version}, announced: {announced}"
        ))
    }
}

//! What is to be said of packed objects at the end of a story.

use super::{Simulation, broken};
use crate::coverage::Seen;
use crate::invariants::Violation;

/// A decoded widget takes no more than this, by the estimate of its packing.
const WIDGET_BYTES_MAX: usize = 500;

impl Simulation {
    /// Counts what was exercised.
    pub(super) fn note_packing(&mut self) {
        let Some((plan, packing)) = self.seats.first().and_then(|seat| seat.intake.packing())
        else {
            return;
        };
        let stats = packing.stats();
        let seen = [
            (stats.packed_total > 0, Seen::Packed),
            (plan.defers, Seen::PackedLater),
            (plan.has_changes(), Seen::PackedInBothEncodings),
            (stats.dictionaries_trained > 0, Seen::DictionaryTrained),
            (stats.dictionaries_trained > 1, Seen::DictionaryReplaced),
            (
                stats.decoded_objects > 0 && stats.decoded_bytes + WIDGET_BYTES_MAX > plan.budget,
                Seen::BudgetFull,
            ),
            (plan.budget == 0, Seen::NothingKeptDecoded),
        ];
        for (_, seen) in seen.into_iter().filter(|(is_so, _)| *is_so) {
            self.coverage.count(seen);
        }
    }

    /// Drops all mirrors: no packed object is left, and none that is kept decoded.
    pub(super) fn leave_nothing(&mut self) -> Result<(), Violation> {
        let intake = self.seats.first().map(|seat| seat.intake.clone());
        self.guards.clear();
        self.seats.clear();
        let Some((_, packing)) = intake.as_ref().and_then(|intake| intake.packing()) else {
            return Ok(());
        };
        let stats = packing.stats();
        let left = (stats.objects, stats.decoded_objects, stats.decoded_bytes);
        if left == (0, 0, 0) && (stats.raw_bytes, stats.packed_bytes) == (0, 0) {
            return Ok(());
        }
        let text = format!("all mirrors are gone, and there are {stats:?}");
        Err(broken("frugal", &text))
    }
}

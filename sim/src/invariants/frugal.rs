//! Frugal: what is kept decoded of packed objects stays within the budget.

use super::{Promise, Verdict, View};

/// See the module.
#[derive(Debug)]
pub(super) struct Frugal;

impl Promise for Frugal {
    fn name(&self) -> &'static str {
        "frugal"
    }

    fn settled(&mut self, view: View<'_>) -> Verdict {
        let Some((plan, packing)) = view.seat.intake.packing() else {
            return Ok(());
        };
        let stats = packing.stats();
        if stats.decoded_bytes <= plan.budget && stats.decoded_objects <= stats.objects {
            return Ok(());
        }
        Err(format!(
            "{} of {} objects are kept decoded, in {} bytes of {}",
            stats.decoded_objects, stats.objects, stats.decoded_bytes, plan.budget
        ))
    }
}

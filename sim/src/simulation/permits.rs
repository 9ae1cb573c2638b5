//! The budget that the mirrors share.

use heliostat_core::reflector::{AttemptId, Input};

use super::{Simulation, broken};
use crate::client::Permit;
use crate::connection::Origin;
use crate::coverage::Seen;
use crate::invariants::Violation;

impl Simulation {
    /// A mirror wants a permit.
    pub(super) fn acquire(&mut self, number: usize, attempt: AttemptId) {
        if let Some(budget) = &mut self.budget {
            let id = budget.request();
            self.permit_requests.push((id, number, attempt));
            self.seats[number].permit = Permit::Wanted(id);
        }
    }

    /// A mirror gives its permit back, or its request up.
    pub(super) fn release(&mut self, number: usize) {
        let permit = std::mem::take(&mut self.seats[number].permit);
        if let (Some(budget), Permit::Wanted(id) | Permit::Held(id)) = (&mut self.budget, permit) {
            budget.release(id);
            self.permit_requests.retain(|(request, ..)| *request != id);
        }
    }

    /// Hands out the permits that can be handed out now.
    pub(super) fn grant(&mut self) -> Result<(), Violation> {
        while let Some(budget) = &mut self.budget
            && let Some(granted) = budget.poll_grant(self.now)
        {
            let limit = self.scenario.budget.map_or(0, std::num::NonZero::get);
            if budget.under_way() > limit {
                return Err(broken(
                    "permits",
                    "more permits are out than the budget has",
                ));
            }
            let Some(which) = self
                .permit_requests
                .iter()
                .position(|(request, ..)| *request == granted)
            else {
                return Err(broken("permits", "a permit is granted that nobody wants"));
            };
            let (id, number, attempt) = self.permit_requests.remove(which);
            self.seats[number].permit = Permit::Held(id);
            self.trace.step(self.now, [5, number as u64, 0], || {
                format!("seat {number}: permit")
            });
            self.tell(number, Input::PermitGranted { attempt }, Origin::default());
        }
        if self
            .permit_requests
            .iter()
            .any(|(id, ..)| self.budget.as_ref().is_some_and(|b| !b.is_granted(*id)))
        {
            self.coverage.count(Seen::PermitWaited);
        }
        Ok(())
    }
}

//! Late: an answer to a request that is over has no effect at all.

use heliostat_core::reflector::Activity;
use heliostat_core::time::Time;

use super::{Heard, Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// What the machine looked like when a late answer came that is being handled.
    before: Option<(Activity, Option<Time>, u64)>,
}

impl Promise for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn hear(&mut self, view: View<'_>, heard: Heard<'_>) -> Verdict {
        let machine = &view.seat.machine;
        let looks = (
            machine.activity(),
            machine.poll_timeout(),
            machine.late_answers(),
        );
        self.before = heard.late.then_some(looks);
        Ok(())
    }

    fn say(&mut self, _view: View<'_>, said: &Said) -> Verdict {
        match self.before {
            Some(_) => Err(format!("a late answer led to: {said}")),
            None => Ok(()),
        }
    }

    fn settled(&mut self, view: View<'_>) -> Verdict {
        let Some((activity, timeout, count)) = self.before.take() else {
            return Ok(());
        };
        let machine = &view.seat.machine;
        if (machine.activity(), machine.poll_timeout()) != (activity, timeout) {
            return Err("a late answer changed the state".to_owned());
        }
        if machine.late_answers() != count + 1 {
            return Err("a late answer was not counted".to_owned());
        }
        Ok(())
    }
}

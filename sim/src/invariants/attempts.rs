//! Attempts: numbers are never used twice, and one request is under way at a time.

use heliostat_core::reflector::AttemptId;

use super::{Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    last: Option<AttemptId>,
}

impl Promise for Attempts {
    fn name(&self) -> &'static str {
        "attempts"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if let Said::Stopped = said
            && let Some((live, _)) = view.seat.live
        {
            return Err(format!("stopped with {live} under way"));
        }
        let Some(attempt) = said.request() else {
            return Ok(());
        };
        if let Some((live, _)) = view.seat.live {
            return Err(format!("{said} while {live} is under way"));
        }
        if self.last.is_some_and(|last| attempt <= last) {
            return Err(format!("{said} uses an old number again"));
        }
        self.last = Some(attempt);
        Ok(())
    }
}

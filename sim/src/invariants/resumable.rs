//! Resumable: a watch goes on exactly where the store stands, and a list never asks for less than
//! what the store already has, except where the configuration says so.

use super::{Promise, Verdict, View};
use crate::client::Said;

/// See the module.
#[derive(Debug)]
pub(super) struct Resumable;

impl Promise for Resumable {
    fn name(&self) -> &'static str {
        "resumable"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        let held = view.seat.view().resource_version();
        match said {
            Said::Watch(_, options) => {
                let from = &options.resource_version;
                let fresh = options.send_initial_events && from.is_unset();
                if from == held || fresh {
                    return Ok(());
                }
                Err(format!("{said}, and the store is at {held}"))
            }
            Said::List(_, options) => {
                let from = &options.resource_version;
                let any = from.is_any() && (held.is_unset() || view.seat.plan.list_from_any_always);
                if from.is_unset() || from == held || any {
                    return Ok(());
                }
                Err(format!("{said}, and the store is at {held}"))
            }
            _ => Ok(()),
        }
    }
}

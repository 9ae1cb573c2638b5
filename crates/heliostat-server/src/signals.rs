//! Waking those who watch: a signal for each scope that is watched.

use std::sync::Arc;

use tokio::sync::watch;

use crate::collection::event::Event;
use crate::collection::scope::{Scope, Scopes};

/// The signals of one kind. Their values only count.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    scopes: Scopes<watch::Sender<u64>>,
    /// At how many scopes those are forgotten that are no longer watched.
    sweep_at: usize,
}

/// Below so many scopes none is forgotten.
const SWEEP_SCOPES: usize = 64;

impl Signals {
    /// A signal that fires at every event of a scope.
    pub(crate) fn subscribe(&mut self, scope: &Scope) -> watch::Receiver<u64> {
        if self.scopes.len() >= self.sweep_at {
            self.scopes.retain(|signal| signal.receiver_count() > 0);
            self.sweep_at = (2 * self.scopes.len()).max(SWEEP_SCOPES);
        }
        let signal = self
            .scopes
            .get_or_insert_with(scope, || watch::Sender::new(0));
        signal.subscribe()
    }

    /// Wakes those whom events concern.
    pub(crate) fn fire<'a>(&mut self, events: impl IntoIterator<Item = &'a Arc<Event>>) {
        for event in events {
            self.scopes.visit(event, count);
        }
    }

    /// Wakes everyone.
    pub(crate) fn fire_all(&mut self) {
        self.scopes.visit_all(count);
    }
}

fn count(signal: &mut watch::Sender<u64>) {
    signal.send_modify(|count| *count += 1);
}

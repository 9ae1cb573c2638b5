//! `Log`: every state that each object had in the store behind the queue, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use heliostat_core::object::ObjectKey;
use heliostat_core::store::snapshot::Snapshot;

use crate::kept::{Kept, held};

/// The states of all objects.
#[derive(Debug, Default)]
pub struct Log {
    states: BTreeMap<ObjectKey, Vec<Past>>,
}

/// What an object became, and when.
#[derive(Debug)]
pub struct Past {
    /// By which batch.
    pub work: u64,
    /// What it became; none if it went.
    pub state: Option<Arc<Kept>>,
}

impl Log {
    /// A batch took the store from one state to another.
    pub fn note(&mut self, work: u64, before: &Snapshot<Kept>, after: &Snapshot<Kept>) {
        for entry in before.iter() {
            if after.get(entry.key()).is_none() {
                self.push(entry.key(), work, None);
            }
        }
        for entry in after.iter() {
            let old = held(before, entry.key());
            if old.is_none_or(|old| !old.is_same_state(&entry.object)) {
                self.push(entry.key(), work, Some(Arc::clone(&entry.object)));
            }
        }
    }

    /// All that this object ever was.
    #[must_use]
    pub fn of(&self, key: &ObjectKey) -> &[Past] {
        self.states.get(key).map_or(&[], Vec::as_slice)
    }

    /// True if the object went at some time after this batch.
    #[must_use]
    pub fn went_after(&self, key: &ObjectKey, work: u64) -> bool {
        let mut later = self
            .of(key)
            .iter()
            .rev()
            .take_while(|past| past.work > work);
        later.any(|past| past.state.is_none())
    }

    fn push(&mut self, key: &ObjectKey, work: u64, state: Option<Arc<Kept>>) {
        let past = Past { work, state };
        match self.states.get_mut(key) {
            Some(states) => states.push(past),
            None => {
                self.states.insert(key.clone(), vec![past]);
            }
        }
    }
}

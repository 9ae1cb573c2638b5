//! One line of history: every change in order, and the state after each.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use heliostat_core::object::ObjectKey;

use super::widget::Widget;

/// All objects of the collection at one version, in the order of their keys.
pub type Objects = BTreeMap<ObjectKey, Arc<Widget>>;

/// One change of the collection.
#[derive(Clone, Debug)]
pub struct Record {
    /// The revision of the change.
    pub revision: u64,
    /// Which object changed.
    pub key: ObjectKey,
    /// Its state before, if it was there.
    pub before: Option<Arc<Widget>>,
    /// Its state after, if it is still there.
    pub after: Option<Arc<Widget>>,
    state: Rc<Objects>,
}

/// A history from the beginning of the world to one end.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// At which revision this timeline left another, if it did.
    branch: Option<u64>,
    records: Vec<Record>,
    revision: u64,
    empty: Rc<Objects>,
}

impl Timeline {
    pub(super) fn new(revision: u64) -> Self {
        Self {
            branch: None,
            records: Vec::new(),
            revision,
            empty: Rc::default(),
        }
    }

    /// The same history up to a revision, and nothing after it.
    pub(super) fn branch_at(&self, revision: u64) -> Self {
        let end = self
            .records
            .partition_point(|record| record.revision <= revision);
        Self {
            branch: Some(revision),
            records: self.records[..end].to_vec(),
            revision,
            empty: Rc::clone(&self.empty),
        }
    }

    pub(super) fn push(&mut self, key: ObjectKey, after: Option<Arc<Widget>>) {
        self.revision += 1;
        let mut state = (**self.last_state()).clone();
        let before = match &after {
            Some(widget) => state.insert(key.clone(), Arc::clone(widget)),
            None => state.remove(&key),
        };
        self.records.push(Record {
            revision: self.revision,
            key,
            before,
            after,
            state: Rc::new(state),
        });
    }

    /// A change of another collection.
    pub(super) const fn advance(&mut self) {
        self.revision += 1;
    }

    /// The newest revision.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Where this timeline left the one before it.
    #[must_use]
    pub const fn branched_at(&self) -> Option<u64> {
        self.branch
    }

    /// The collection as it was at a revision.
    #[must_use]
    pub fn state_at(&self, revision: u64) -> &Objects {
        let end = self
            .records
            .partition_point(|record| record.revision <= revision);
        end.checked_sub(1)
            .and_then(|last| self.records.get(last))
            .map_or(&self.empty, |record| &record.state)
    }

    /// The changes after one revision up to and including another.
    #[must_use]
    pub fn changes(&self, after: u64, up_to: u64) -> &[Record] {
        let start = self
            .records
            .partition_point(|record| record.revision <= after);
        let end = self
            .records
            .partition_point(|record| record.revision <= up_to);
        self.records.get(start..end).unwrap_or_default()
    }

    /// The change that a revision made.
    #[must_use]
    pub fn change_at(&self, revision: u64) -> Option<&Record> {
        self.changes(revision.saturating_sub(1), revision).first()
    }

    fn last_state(&self) -> &Rc<Objects> {
        self.records
            .last()
            .map_or(&self.empty, |record| &record.state)
    }
}

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
    /// The revision of the change. A transaction makes several changes at one.
    pub revision: u64,
    /// True unless another change of the same revision follows.
    pub is_last: bool,
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

    /// One revision with these changes, each of another object.
    pub(super) fn push(&mut self, changes: Vec<(ObjectKey, Option<Arc<Widget>>)>) {
        self.revision += 1;
        let count = changes.len();
        for (index, (key, after)) in changes.into_iter().enumerate() {
            let mut state = (**self.last_state()).clone();
            let before = match &after {
                Some(widget) => state.insert(key.clone(), Arc::clone(widget)),
                None => state.remove(&key),
            };
            self.records.push(Record {
                revision: self.revision,
                is_last: index + 1 == count,
                key,
                before,
                after,
                state: Rc::new(state),
            });
        }
    }

    /// Another source in the place of one: it shares no history with any other.
    pub(super) fn of_another_cluster(revision: u64) -> Self {
        Self {
            branch: Some(0),
            ..Self::new(revision)
        }
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

    /// The changes that a revision made.
    #[must_use]
    pub fn changes_at(&self, revision: u64) -> &[Record] {
        self.changes(revision.saturating_sub(1), revision)
    }

    /// The change that a revision made to an object.
    #[must_use]
    pub fn change_of(&self, key: &ObjectKey, revision: u64) -> Option<&Record> {
        let mut changes = self.changes_at(revision).iter();
        changes.find(|record| record.key == *key)
    }

    fn last_state(&self) -> &Rc<Objects> {
        self.records
            .last()
            .map_or(&self.empty, |record| &record.state)
    }
}

//! The source: one collection with revisions, as etcd and a Kubernetes API server keep it.
//!
//! Everything that was ever true stays here, timeline by timeline, so that a checker can ask what
//! the collection was at any version. What a *server* still knows of it is the server's business.

mod timeline;
mod widget;
mod workload;

use std::sync::Arc;

use heliostat_core::object::ObjectKey;

pub use timeline::{Objects, Record, Timeline};
pub use widget::Widget;
pub use workload::{Workload, Write};

/// The source with all its timelines. The last one is true; a restore from a backup starts another.
#[derive(Debug)]
pub struct World {
    timelines: Vec<Timeline>,
    next_uid: u64,
    /// Writes must stay below this revision.
    ceiling: Option<u64>,
    /// The first timeline of each cluster.
    clusters: Vec<usize>,
}

impl World {
    /// An empty collection at this revision: other kinds have been written before.
    #[must_use]
    pub fn new(revision: u64) -> Self {
        Self {
            timelines: vec![Timeline::new(revision)],
            next_uid: 1,
            ceiling: None,
            clusters: vec![0],
        }
    }

    /// Does what the workload wants; false if nothing was written.
    pub fn write(&mut self, write: &Write) -> bool {
        if self.is_held_back() {
            return false;
        }
        if matches!(write, Write::Elsewhere) {
            self.truth_mut().advance();
            return true;
        }
        let parts = write.parts().iter();
        let changes: Vec<_> = parts.filter_map(|part| self.change(part)).collect();
        if changes.is_empty() {
            return false;
        }
        self.truth_mut().push(changes);
        true
    }

    /// What a part of a write changes: an object, and its new state unless it goes.
    fn change(&mut self, part: &Write) -> Option<(ObjectKey, Option<Arc<Widget>>)> {
        match part {
            Write::Put { key, decodable } => {
                let uid = match self.present().get(key) {
                    Some(widget) => widget.uid,
                    None => self.draw_uid(),
                };
                let revision = self.revision() + 1;
                let widget = Widget::new(key.clone(), uid, revision, *decodable);
                let widget = widget.in_history(self.current());
                Some((key.clone(), Some(Arc::new(widget))))
            }
            Write::Delete { key } if self.present().contains_key(key) => Some((key.clone(), None)),
            Write::Delete { .. } | Write::Elsewhere | Write::Together(_) => None,
        }
    }

    /// Goes back to what was true at `revision` and begins another timeline from there.
    pub fn restore(&mut self, revision: u64) {
        let branch = self.truth().branch_at(revision);
        self.timelines.push(branch);
    }

    /// Another cluster, with nothing in it, takes the place of this one.
    pub fn replace_cluster(&mut self, revision: u64) {
        self.clusters.push(self.timelines.len());
        self.timelines.push(Timeline::of_another_cluster(revision));
    }

    /// The number of the cluster that a timeline is of.
    #[must_use]
    pub fn cluster_of(&self, timeline: usize) -> usize {
        self.clusters.partition_point(|first| *first <= timeline) - 1
    }

    /// Holds writes back that would reach this revision.
    pub const fn set_ceiling(&mut self, ceiling: Option<u64>) {
        self.ceiling = ceiling;
    }

    /// True while the next write would reach the ceiling.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.ceiling
            .is_some_and(|ceiling| self.revision() + 1 >= ceiling)
    }

    /// The number of the timeline that is true.
    #[must_use]
    pub const fn current(&self) -> usize {
        self.timelines.len() - 1
    }

    /// The timeline that is true.
    #[must_use]
    pub fn truth(&self) -> &Timeline {
        self.timelines.last().expect("there is always a timeline")
    }

    /// The present revision.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.truth().revision()
    }

    /// The present objects.
    #[must_use]
    pub fn present(&self) -> &Objects {
        self.truth().state_at(self.revision())
    }

    /// What was true at a revision of a timeline.
    #[must_use]
    pub fn state_at(&self, timeline: usize, revision: u64) -> &Objects {
        self.timeline(timeline).state_at(revision)
    }

    /// A timeline by its number.
    #[must_use]
    pub fn timeline(&self, timeline: usize) -> &Timeline {
        let last = self.timelines.len() - 1;
        &self.timelines[timeline.min(last)]
    }

    /// The highest revision up to which two timelines are the same.
    #[must_use]
    pub fn shared(&self, one: usize, other: usize) -> u64 {
        let (first, last) = (one.min(other), one.max(other));
        let branches = self.timelines.iter().skip(first + 1).take(last - first);
        branches
            .filter_map(Timeline::branched_at)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// True if this version of that timeline is nothing that the present truth ever went through.
    #[must_use]
    pub fn is_foreign(&self, timeline: usize, version: u64) -> bool {
        version > self.shared(timeline, self.current())
    }

    fn draw_uid(&mut self) -> u64 {
        self.next_uid += 1;
        self.next_uid
    }

    fn truth_mut(&mut self) -> &mut Timeline {
        self.timelines
            .last_mut()
            .expect("there is always a timeline")
    }
}

/// The key of the `number`th widget.
#[must_use]
pub fn widget_key(number: u64) -> ObjectKey {
    let namespace = if number.is_multiple_of(3) {
        "blue"
    } else {
        "green"
    };
    ObjectKey::namespaced(namespace, &format!("widget-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(number: u64) -> Write {
        Write::Put {
            key: widget_key(number),
            decodable: true,
        }
    }

    #[test]
    fn every_state_that_was_true_can_be_asked_for() {
        let mut world = World::new(10);
        assert!(world.write(&put(1)));
        assert!(world.write(&Write::Elsewhere));
        assert!(world.write(&Write::Delete { key: widget_key(1) }));
        assert!(!world.write(&Write::Delete { key: widget_key(1) }));
        let sizes: Vec<_> = (10..=13).map(|v| world.state_at(0, v).len()).collect();
        assert_eq!(sizes, [0, 1, 1, 0]);
        assert_eq!(world.revision(), 13);
    }

    #[test]
    fn a_restore_goes_back_and_tells_foreign_versions_from_shared_ones() {
        let mut world = World::new(10);
        for number in 0..4 {
            world.write(&put(number));
        }
        world.restore(12);
        assert_eq!((world.revision(), world.present().len()), (12, 2));
        assert!(world.is_foreign(0, 13) && !world.is_foreign(0, 12));
        assert!(!world.is_foreign(1, 13));
        assert_eq!(
            world.state_at(0, 14).len(),
            4,
            "the old timeline stays known"
        );
    }

    #[test]
    fn a_transaction_is_one_revision() {
        let mut world = World::new(10);
        assert!(world.write(&Write::Together(vec![put(1), put(2)])));
        let gone = Write::Delete { key: widget_key(3) };
        assert!(!world.write(&Write::Together(vec![gone.clone()])));
        let delete = Write::Delete { key: widget_key(1) };
        assert!(world.write(&Write::Together(vec![delete, gone, put(4)])));
        assert_eq!((world.revision(), world.present().len()), (12, 2));
        let changes = world.truth().changes_at(12);
        let last: Vec<_> = changes.iter().map(|record| record.is_last).collect();
        assert_eq!(last, [false, true]);
        assert_eq!(world.state_at(0, 11).len(), 2);
    }

    #[test]
    fn another_cluster_shares_nothing() {
        let mut world = World::new(10);
        world.write(&put(1));
        world.replace_cluster(50);
        assert_eq!((world.revision(), world.present().len()), (50, 0));
        assert!(world.is_foreign(0, 1));
        world.restore(50);
        let clusters = [0, 1, 2].map(|timeline| world.cluster_of(timeline));
        assert_eq!(clusters, [0, 1, 1]);
    }

    #[test]
    fn a_ceiling_holds_writes_back() {
        let mut world = World::new(10);
        world.set_ceiling(Some(12));
        assert!(world.write(&put(1)));
        assert!(!world.write(&put(2)));
        world.set_ceiling(None);
        assert!(world.write(&put(2)));
    }

    #[test]
    fn a_recreated_object_has_another_uid() {
        let mut world = World::new(10);
        world.write(&put(1));
        let first = world.present()[&widget_key(1)].uid;
        world.write(&put(1));
        assert_eq!(world.present()[&widget_key(1)].uid, first);
        world.write(&Write::Delete { key: widget_key(1) });
        world.write(&put(1));
        assert_ne!(world.present()[&widget_key(1)].uid, first);
    }
}

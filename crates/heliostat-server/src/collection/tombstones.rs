//! Deletions that have left the log, with the last states of their objects: what brings a client up to
//! date that was away for longer than the log goes back.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::Event;
use super::event_type::EventType;

/// What a deletion takes beside the object.
const TOMBSTONE_BYTES: usize = 96;

/// The deletions of a collection that are no longer in its log, oldest first, within a number of bytes.
#[derive(Debug)]
pub(crate) struct Tombstones {
    deletions: VecDeque<Arc<Event>>,
    bytes: usize,
    bytes_max: usize,
    /// Every deletion after this version is here or in the log.
    floor: u64,
}

impl Tombstones {
    /// No deletions, of a history that is known from `floor` on.
    pub(crate) fn new(floor: u64, bytes_max: usize) -> Self {
        Self {
            deletions: VecDeque::new(),
            bytes: 0,
            bytes_max,
            floor,
        }
    }

    /// Takes events that leave the log, in their order.
    pub(crate) fn bury(&mut self, events: impl IntoIterator<Item = Arc<Event>>) {
        let deletions = events.into_iter();
        for event in deletions.filter(|event| event.event_type() == EventType::Deleted) {
            self.bytes += size(&event);
            self.deletions.push_back(event);
            while self.bytes > self.bytes_max
                && let Some(oldest) = self.deletions.pop_front()
            {
                self.bytes -= size(&oldest);
                self.floor = oldest.version();
            }
        }
    }

    /// Forgets everything up to a version.
    pub(crate) fn expire(&mut self, version: u64) {
        self.deletions.clear();
        self.bytes = 0;
        self.floor = self.floor.max(version);
    }

    /// The smallest version after which every deletion is known.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// The deletions after a version, in their order.
    pub(crate) fn after(&self, version: u64) -> impl Iterator<Item = &Arc<Event>> {
        let known = self.deletions.partition_point(|it| it.version() <= version);
        self.deletions.range(known..)
    }
}

fn size(event: &Event) -> usize {
    TOMBSTONE_BYTES + event.object().size()
}

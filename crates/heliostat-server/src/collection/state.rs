//! `Collection`: the objects of one kind by key, and the log of their changes.
//!
//! Two owners have collections: a storage, whose writes take the next version of one counter, and a
//! watch cache, which takes versions from its source. Both hand in the version up to which a collection
//! is complete. Every change enters the objects and the log together.

use std::collections::VecDeque;
use std::sync::Arc;

use heliostat_core::time::Time;

use super::event::{Event, Objects};
use super::event_type::EventType;
use super::log::{Log, LogLimits, Read as LogRead};
use super::object::StoredObject;
use super::options::{ListPlan, Read, Start, WatchPlan};
use super::reading::{Opening, Page, Place, matching, page};
use super::selector::Selection;
use super::status::Status;
use super::token::{At, Continue};
use super::tombstones::Tombstones;

/// The objects of one kind, and what happened to them.
#[derive(Debug)]
pub(crate) struct Collection {
    objects: Objects,
    log: Log,
    /// Deletions that have left the log, where clients may be away for longer than it goes back.
    tombstones: Option<Tombstones>,
    /// Where what happened is only known as one step: the versions before and after.
    gaps: VecDeque<(u64, u64)>,
    /// Counts what ends every open watch: restarts and rewinds.
    epoch: u64,
}

impl Collection {
    /// A collection of these objects, of which every version from `floor` on is known.
    pub(crate) fn new(objects: Objects, floor: u64, epoch: u64, limits: LogLimits) -> Self {
        Self {
            objects,
            log: Log::new(floor, limits),
            tombstones: (limits.tombstone_bytes).map(|bytes| Tombstones::new(floor, bytes)),
            gaps: VecDeque::new(),
            epoch,
        }
    }

    /// Marks what is entered next, up to `after`, as one step from what was there at `before`.
    pub(crate) fn skip(&mut self, before: u64, after: u64) {
        let known_from = self.known_from();
        self.gaps.retain(|(_, after)| *after > known_from);
        if after > before + 1 {
            self.gaps.push_back((before, after));
        }
    }

    /// The smallest version from which a client can be brought up to date.
    fn known_from(&self) -> u64 {
        let floor = self.log.floor();
        let tombstones = self.tombstones.as_ref();
        tombstones.map_or(floor, |it| it.floor().min(floor))
    }

    /// Whether the state at a version never was known: a client that has it from elsewhere may have objects
    /// that came and went inside of a gap.
    fn is_in_gap(&self, version: u64) -> bool {
        let mut gaps = self.gaps.iter();
        gaps.any(|(before, after)| *before < version && version < *after)
    }

    /// The objects at a version; `None` if they are no longer known, or never were.
    fn at(&self, version: u64) -> Option<Objects> {
        match self.is_in_gap(version) {
            true => None,
            false => self.log.rewind(&self.objects, version),
        }
    }

    /// Enters a new state of an object.
    pub(crate) fn write(&mut self, object: Arc<StoredObject>, now: Time) {
        let key = Arc::clone(object.key());
        let previous = self.objects.insert(key, Arc::clone(&object));
        self.push(Event::written(object, previous), now);
    }

    /// Ends an object at a version of its own; returns its last state at that version.
    pub(crate) fn remove(
        &mut self,
        key: &str,
        version: u64,
        now: Time,
    ) -> Option<Arc<StoredObject>> {
        let previous = self.objects.remove(key)?;
        let event = Event::deleted(previous, version);
        let last = Arc::clone(event.object());
        self.push(event, now);
        Some(last)
    }

    /// Ends an object with the last state that its source sent.
    pub(crate) fn remove_as(&mut self, last: Arc<StoredObject>, now: Time) {
        if let Some(previous) = self.objects.remove(&**last.key()) {
            self.push(Event::deleted_as(last, previous), now);
        }
    }

    fn push(&mut self, event: Event, now: Time) {
        let evicted = self.log.push(Arc::new(event), now);
        if let Some(tombstones) = &mut self.tombstones {
            tombstones.bury(evicted);
        }
    }

    /// Forgets the events; only versions from `current` on can be asked for.
    pub(crate) fn expire(&mut self, current: u64) {
        self.log.expire(current);
        if let Some(tombstones) = &mut self.tombstones {
            tombstones.expire(current);
        }
    }

    /// Ends every watch and forgets the events, as a restart does.
    pub(crate) fn restart(&mut self, current: u64) {
        self.expire(current);
        self.epoch += 1;
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The current objects; clones share structure.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Answers a list, in a collection that is complete up to `current`.
    ///
    /// # Errors
    /// 504 if the version it asks for has not been reached, 410 if it is no longer known.
    pub(crate) fn list(&self, plan: &ListPlan, current: u64) -> Result<Page, Status> {
        let required = plan.freshness().required();
        if required > current {
            return Err(Status::too_large_version(required, current));
        }
        let (objects, version) = match &plan.read {
            Read::Current(_) | Read::Continue(Continue { at: At::Newest, .. }) => {
                (self.objects.clone(), current)
            }
            Read::Exact(version) => {
                let objects = self.at(*version);
                (objects.ok_or_else(Status::exact_expired)?, *version)
            }
            Read::Continue(
                token @ Continue {
                    at: At::Version(version),
                    ..
                },
            ) => {
                let expired = || Status::continue_expired(token.inconsistent());
                let objects = self.at(*version);
                (objects.ok_or_else(expired)?, *version)
            }
        };
        Ok(page(&objects, version, plan))
    }

    /// Opens a watch, in a collection that is complete up to `current`: no change between the initial
    /// state and the position is lost or sent twice.
    ///
    /// # Errors
    /// 504 if the version it asks for has not been reached, 410 if what is known does not go back far
    /// enough. Both belong into the stream as ERROR events.
    pub(crate) fn open_watch(&self, plan: &WatchPlan, current: u64) -> Result<Opening, Status> {
        let required = plan.freshness().required();
        if required > current {
            return Err(Status::too_large_version(required, current));
        }
        let opening = |initial, position| Opening {
            initial,
            cursor: self.log.cursor_after(position),
            position,
            not_before: if position > current { position } else { 0 },
            epoch: self.epoch,
        };
        match plan.start {
            Start::State(_) => {
                let initial = matching(&self.objects, &plan.selection).into_iter();
                let initial = initial.map(|object| (EventType::Added, object));
                Ok(opening(initial.collect(), current))
            }
            Start::Now(_) => Ok(opening(Vec::new(), current)),
            Start::After(version) => {
                let floor = self.log.floor();
                if self.is_in_gap(version) {
                    return Err(Status::too_old(version, floor));
                }
                if version >= floor {
                    return Ok(opening(Vec::new(), version));
                }
                let difference = self.difference(version, &plan.selection);
                let difference = difference.ok_or_else(|| Status::too_old(version, floor))?;
                Ok(opening(difference, current))
            }
        }
    }

    /// What a client that has the state at `version` must be sent to have the current one, in the order of
    /// versions; `None` if that is not known.
    ///
    /// Each prefix is safe: a client that goes on from the last version that it got gets the rest. Of a
    /// selection by labels or fields it is not known what the client had.
    fn difference(
        &self,
        version: u64,
        selection: &Selection,
    ) -> Option<Vec<(EventType, Arc<StoredObject>)>> {
        let tombstones = self.tombstones.as_ref()?;
        if version < tombstones.floor() || !selection.is_by_key() {
            return None;
        }
        let was_there = |object: &StoredObject| object.created() <= version;
        let written = matching(&self.objects, selection).into_iter();
        let written = written.filter(|object| object.version() > version);
        let written = written.map(|object| match was_there(&object) {
            true => (EventType::Modified, object),
            false => (EventType::Added, object),
        });
        let deleted = tombstones.after(version).chain(self.log.after(version));
        let deleted = deleted
            .filter(|event| event.event_type() == EventType::Deleted)
            .map(|event| event.object())
            .filter(|object| was_there(object) && selection.matches(object))
            .map(|object| (EventType::Deleted, Arc::clone(object)));
        let mut difference: Vec<_> = deleted.chain(written).collect();
        difference.sort_by_key(|(_, object)| object.version());
        Some(difference)
    }

    /// The next events for a watch, in a collection that is complete up to `current`.
    pub(crate) fn read(&mut self, place: &Place, current: u64, max: usize) -> LogRead {
        if place.epoch != self.epoch {
            return LogRead::Overrun;
        }
        self.log.read(&place.scope, place.cursor, current, max)
    }
}

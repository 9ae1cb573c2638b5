//! The bounded window of events of one kind: what watches read, and what takes the current state
//! back to an older version.
//!
//! Two numbers tell what was lost. A watch may *start* at `floor` or later, the rule of
//! kube-apiserver: the load's version while nothing was evicted, else one below the oldest event
//! kept. A watch that is already running has only missed something if it had not read up to
//! `evicted`, the newest event that is gone.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use imbl::OrdMap;

use super::event_type::EventType;
use super::object::StoredObject;

/// The current objects of a kind by storage key; clones share structure.
pub(crate) type Objects = OrdMap<Arc<str>, Arc<StoredObject>>;

/// One change, with the state on both sides of it.
#[derive(Debug)]
pub(crate) struct Event {
    event_type: EventType,
    /// The new state; of a deletion, the last state at the deletion's version.
    object: Arc<StoredObject>,
    previous: Option<Arc<StoredObject>>,
    /// The metadata-only frame under `event_type`, encoded when the first watcher wants it.
    partial: OnceLock<Bytes>,
}

impl Event {
    /// An object that replaced `previous`, or is new.
    pub(crate) fn written(object: Arc<StoredObject>, previous: Option<Arc<StoredObject>>) -> Self {
        let event_type = if previous.is_some() {
            EventType::Modified
        } else {
            EventType::Added
        };
        Self {
            event_type,
            object,
            previous,
            partial: OnceLock::new(),
        }
    }

    /// The end of an object at a version of its own.
    pub(crate) fn deleted(previous: Arc<StoredObject>, version: u64) -> Self {
        let object = Arc::new(previous.at(version, EventType::Deleted));
        Self {
            event_type: EventType::Deleted,
            object,
            previous: Some(previous),
            partial: OnceLock::new(),
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.object.version()
    }

    pub(crate) fn event_type(&self) -> EventType {
        self.event_type
    }

    pub(crate) fn object(&self) -> &Arc<StoredObject> {
        &self.object
    }

    pub(crate) fn previous(&self) -> Option<&Arc<StoredObject>> {
        self.previous.as_ref()
    }

    /// The metadata-only frame under the event's own type, shared by all who ask.
    pub(crate) fn partial_frame(&self) -> Bytes {
        self.partial
            .get_or_init(|| self.object.partial_frame(self.event_type))
            .clone()
    }

    fn undo(&self, objects: &mut Objects) {
        match &self.previous {
            Some(previous) => objects.insert(Arc::clone(previous.key()), Arc::clone(previous)),
            None => objects.remove(&**self.object.key()),
        };
    }
}

/// The events of one kind, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    events: VecDeque<Arc<Event>>,
    floor: u64,
    evicted: u64,
}

/// What a running watch may read next.
#[derive(Debug)]
pub(crate) enum Read {
    /// These events, in order; everything up to `up_to` has then been read.
    Events {
        /// The events, possibly none.
        events: Vec<Arc<Event>>,
        /// The version that is reached with them.
        up_to: u64,
    },
    /// Events that the watch had not read are gone.
    Overrun,
}

impl History {
    /// An empty window in which every version from `floor` on is known.
    pub(crate) fn new(floor: u64) -> Self {
        Self {
            events: VecDeque::new(),
            floor,
            evicted: floor,
        }
    }

    /// Adds the newest event and evicts the oldest beyond `capacity`.
    pub(crate) fn push(&mut self, event: Arc<Event>, capacity: usize) {
        debug_assert!(
            self.events
                .back()
                .is_none_or(|last| last.version() < event.version())
        );
        self.events.push_back(event);
        while self.events.len() > capacity {
            let gone = self.events.pop_front().map_or(0, |event| event.version());
            self.evicted = gone;
            self.floor = self
                .events
                .front()
                .map_or(gone, |oldest| oldest.version() - 1);
        }
    }

    /// Forgets every event; only versions from `current` on can be asked for.
    pub(crate) fn expire(&mut self, current: u64) {
        if let Some(last) = self.events.back() {
            self.evicted = last.version();
        }
        self.events.clear();
        self.floor = self.floor.max(current);
    }

    /// The smallest version a watch may start after, and an exact list may ask for.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Up to `max` events after `position`, in a history whose newest version is `current`.
    pub(crate) fn read(&self, position: u64, current: u64, max: usize) -> Read {
        if position < self.evicted {
            return Read::Overrun;
        }
        let first = self
            .events
            .partition_point(|event| event.version() <= position);
        let events: Vec<Arc<Event>> = self.events.range(first..).take(max).cloned().collect();
        let up_to = match events.last() {
            Some(last) if first + events.len() < self.events.len() => last.version(),
            _ => current.max(position),
        };
        Read::Events { events, up_to }
    }

    /// The objects as of `version`, from the current ones; `None` if that is no longer known.
    pub(crate) fn rewind(&self, objects: &Objects, version: u64) -> Option<Objects> {
        if version < self.floor {
            return None;
        }
        let mut objects = objects.clone();
        for event in self
            .events
            .iter()
            .rev()
            .take_while(|event| event.version() > version)
        {
            event.undo(&mut objects);
        }
        Some(objects)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    fn object(name: &str, version: u64) -> Arc<StoredObject> {
        let kind = Kind::builtin("", "v1", "Node", "nodes").cluster_scoped();
        let value = serde_json::json!({"metadata": {"name": name}});
        Arc::new(StoredObject::encode(
            &kind,
            name.into(),
            value.as_object().unwrap(),
            version,
            EventType::Added,
        ))
    }

    /// Applies an event to both the objects and the window.
    fn apply(objects: &mut Objects, history: &mut History, event: Event, capacity: usize) {
        match event.event_type() {
            EventType::Deleted => objects.remove(&**event.object().key()),
            _ => objects.insert(Arc::clone(event.object().key()), Arc::clone(event.object())),
        };
        history.push(Arc::new(event), capacity);
    }

    fn story(capacity: usize) -> (Objects, History) {
        let (mut objects, mut history) = (Objects::new(), History::new(0));
        let (a1, a3) = (object("a", 1), object("a", 3));
        let steps = [
            Event::written(Arc::clone(&a1), None),
            Event::written(object("b", 2), None),
            Event::written(Arc::clone(&a3), Some(a1)),
            Event::deleted(a3, 5),
        ];
        for event in steps {
            apply(&mut objects, &mut history, event, capacity);
        }
        (objects, history)
    }

    fn versions(objects: &Objects) -> Vec<(String, u64)> {
        objects
            .iter()
            .map(|(key, object)| (key.to_string(), object.version()))
            .collect()
    }

    #[test]
    fn rewinding_gives_every_older_state() {
        let (objects, history) = story(10);
        let at = |version| versions(&history.rewind(&objects, version).unwrap());
        let pair = |name: &str, version| (name.to_owned(), version);
        assert_eq!(at(0), vec![]);
        assert_eq!(at(1), vec![pair("a", 1)]);
        assert_eq!(at(2), vec![pair("a", 1), pair("b", 2)]);
        assert_eq!(at(3), vec![pair("a", 3), pair("b", 2)]);
        assert_eq!(at(4), at(3));
        assert_eq!(at(5), vec![pair("b", 2)]);
    }

    #[test]
    fn evicted_events_raise_the_floor_to_below_the_oldest_kept() {
        let (objects, history) = story(1);
        assert_eq!(history.floor(), 4);
        assert!(history.rewind(&objects, 3).is_none());
        assert!(history.rewind(&objects, 4).is_some());
        // A running watch that has read up to the last evicted event has missed nothing.
        assert!(matches!(history.read(2, 5, 10), Read::Overrun));
        let Read::Events { events, up_to } = history.read(3, 5, 10) else {
            panic!("overrun")
        };
        assert_eq!((events.len(), up_to), (1, 5));
    }

    #[test]
    fn a_read_goes_on_where_the_last_one_ended() {
        let (_, history) = story(10);
        let Read::Events { events, up_to } = history.read(0, 9, 3) else {
            panic!("overrun")
        };
        assert_eq!((events.len(), up_to), (3, 3));
        let Read::Events { events, up_to } = history.read(up_to, 9, 3) else {
            panic!("overrun")
        };
        assert_eq!((events.len(), up_to), (1, 9));
        let Read::Events { events, up_to } = history.read(20, 9, 3) else {
            panic!("overrun")
        };
        assert_eq!((events.len(), up_to), (0, 20));
    }

    #[test]
    fn expiry_forgets_events_but_not_watches_that_read_them() {
        let (objects, mut history) = story(10);
        history.expire(9);
        assert_eq!((history.floor(), history.len()), (9, 0));
        assert!(history.rewind(&objects, 8).is_none());
        assert!(matches!(history.read(4, 9, 10), Read::Overrun));
        assert!(matches!(history.read(5, 9, 10), Read::Events { .. }));
    }
}

//! One change of a collection, with the state on both sides of it.

use std::sync::{Arc, OnceLock};

use imbl::OrdMap;

use super::event_type::EventType;
use super::object::StoredObject;

/// What an event takes beside its objects.
const EVENT_BYTES: usize = 128;

/// The current objects of a kind by storage key; clones share structure.
pub(crate) type Objects = OrdMap<Arc<str>, Arc<StoredObject>>;

/// One change, with the state on both sides of it.
#[derive(Debug)]
pub(crate) struct Event {
    event_type: EventType,
    /// The new state; of a deletion, the last state at the deletion's version.
    object: Arc<StoredObject>,
    previous: Option<Arc<StoredObject>>,
    /// The old state at the version of the change, for those out of whose selection it goes.
    departed: OnceLock<Arc<StoredObject>>,
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
            departed: OnceLock::new(),
        }
    }

    /// The end of an object at a version of its own.
    pub(crate) fn deleted(previous: Arc<StoredObject>, version: u64) -> Self {
        let object = Arc::new(previous.at(version, EventType::Deleted));
        Self {
            event_type: EventType::Deleted,
            object,
            previous: Some(previous),
            departed: OnceLock::new(),
        }
    }

    /// The end of an object with the last state that its source sent.
    pub(crate) fn deleted_as(last: Arc<StoredObject>, previous: Arc<StoredObject>) -> Self {
        Self {
            event_type: EventType::Deleted,
            object: last,
            previous: Some(previous),
            departed: OnceLock::new(),
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

    /// The old state at the version of the change: what a watcher gets out of whose selection the
    /// object goes.
    pub(crate) fn departed(&self) -> Option<Arc<StoredObject>> {
        let previous = self.previous.as_ref()?;
        let departed = self
            .departed
            .get_or_init(|| Arc::new(previous.at(self.version(), EventType::Deleted)));
        Some(Arc::clone(departed))
    }

    /// About how many bytes of memory the event keeps.
    pub(crate) fn size(&self) -> usize {
        let previous = self.previous.as_ref().map_or(0, |it| it.size());
        EVENT_BYTES + self.object.size() + previous
    }

    /// Takes the objects back to before the event.
    pub(super) fn undo(&self, objects: &mut Objects) {
        match &self.previous {
            Some(previous) => objects.insert(Arc::clone(previous.key()), Arc::clone(previous)),
            None => objects.remove(&**self.object.key()),
        };
    }
}

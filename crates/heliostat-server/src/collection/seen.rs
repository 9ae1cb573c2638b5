//! What one watcher sees of a change: selectors are asked about both sides of it, and the type of
//! the event follows from the answers.

use std::sync::Arc;

use super::event::Event;
use super::event_type::EventType;
use super::object::StoredObject;
use super::selector::Selection;

/// The event that a watcher with this selection gets, if any: its type and its object.
///
/// An object that goes out of the selection is reported as DELETED with its *old* content at the
/// version of the change.
pub(crate) fn seen(event: &Event, selection: &Selection) -> Option<(EventType, Arc<StoredObject>)> {
    let before = event
        .previous()
        .is_some_and(|previous| selection.matches(previous));
    if event.event_type() == EventType::Deleted {
        return before.then(|| (EventType::Deleted, Arc::clone(event.object())));
    }
    let after = selection.matches(event.object());
    match (before, after) {
        (false, false) => None,
        (false, true) => Some((EventType::Added, Arc::clone(event.object()))),
        (true, true) => Some((EventType::Modified, Arc::clone(event.object()))),
        (true, false) => Some((EventType::Deleted, event.departed()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    fn kind() -> Kind {
        Kind::builtin("", "v1", "ConfigMap", "configmaps")
    }

    fn object(app: &str, version: u64) -> Arc<StoredObject> {
        let value = serde_json::json!({"metadata": {"name": "a", "labels": {"app": app}}});
        let object = value.as_object().unwrap();
        Arc::new(StoredObject::encode(
            &kind(),
            "ns/a".into(),
            object,
            version,
            EventType::Added,
        ))
    }

    fn check(event: &Event, expected: Option<(EventType, &str, u64)>) {
        let selection = Selection::parse(&kind(), Some("ns"), "app=web", "").unwrap();
        let seen = seen(event, &selection);
        let found = seen.as_ref().map(|(event_type, object)| {
            (*event_type, object.label("app").unwrap(), object.version())
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn an_event_is_what_both_sides_of_the_change_say() {
        let (web, db) = (object("web", 1), object("db", 1));
        let written = |new: &str, old: &Arc<StoredObject>| {
            Event::written(object(new, 2), Some(Arc::clone(old)))
        };
        check(
            &Event::written(object("web", 1), None),
            Some((EventType::Added, "web", 1)),
        );
        check(&Event::written(object("db", 1), None), None);
        check(&written("web", &web), Some((EventType::Modified, "web", 2)));
        check(&written("web", &db), Some((EventType::Added, "web", 2)));
        check(&written("db", &web), Some((EventType::Deleted, "web", 2)));
        check(&written("db", &db), None);
        check(
            &Event::deleted(web, 3),
            Some((EventType::Deleted, "web", 3)),
        );
        check(&Event::deleted(db, 3), None);
    }

    #[test]
    fn other_namespaces_are_not_seen() {
        let selection = Selection::parse(&kind(), Some("n"), "", "").unwrap();
        assert!(seen(&Event::written(object("web", 1), None), &selection).is_none());
    }
}

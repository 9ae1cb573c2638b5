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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::event_type::EventType;
    use crate::collection::kind::Kind;
    use crate::collection::object::StoredObject;

    fn pod(name: &str, node: &str, version: u64) -> Arc<StoredObject> {
        let kind = Kind::known("", "v1", "Pod", "pods");
        let pod = serde_json::json!({"metadata": {"name": name}, "spec": {"nodeName": node}});
        let pod = pod.as_object().unwrap();
        let key = format!("ns/{name}").into();
        Arc::new(StoredObject::encode(
            &kind,
            key,
            pod,
            version,
            EventType::Added,
        ))
    }

    #[test]
    fn an_event_wakes_those_alone_whom_it_may_concern() {
        let mut signals = Signals::default();
        let scope = |index: usize| Scope::Object(format!("ns/{index}").into());
        let mut objects: Vec<_> = (0..1_000).map(|it| signals.subscribe(&scope(it))).collect();
        let others = [
            Scope::All,
            Scope::Namespace("ns".into()),
            Scope::Field(0, "old".into()),
            Scope::Field(0, "new".into()),
            Scope::Namespace("other".into()),
            Scope::Field(0, "other".into()),
        ];
        let others: Vec<_> = others
            .iter()
            .map(|scope| signals.subscribe(scope))
            .collect();
        let event = Event::written(pod("7", "new", 2), Some(pod("7", "old", 1)));
        signals.fire(&[Arc::new(event)]);
        let woken = |it: &watch::Receiver<u64>| it.has_changed().unwrap();
        let awake = others.iter().map(woken).collect::<Vec<_>>();
        assert_eq!(awake, [true, true, true, true, false, false]);
        assert_eq!(objects.iter().filter(|it| woken(it)).count(), 1);
        assert!(woken(&objects[7]));
        // Scopes that are no longer watched go.
        objects.clear();
        drop(others);
        let _all: Vec<_> = (0..1_100).map(|_| signals.subscribe(&Scope::All)).collect();
        signals.sweep_at = 0;
        let _one = signals.subscribe(&Scope::All);
        assert_eq!(signals.scopes.len(), 1);
    }
}

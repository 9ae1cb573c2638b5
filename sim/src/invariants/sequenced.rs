//! Sequenced: of each object, a listener is told states that the store really had, in the order in
//! which it had them, none twice as new, and every step from where the last one ended.

use std::collections::BTreeMap;

use heliostat_core::informer::Notification;
use heliostat_core::object::{Entry, ObjectKey};

use super::{Promise, Verdict, View};
use crate::informer::{Informer, Listener, Past};
use crate::kept::Kept;
use crate::world::Widget;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sequenced {
    /// For each listener, how far in the log of each object it is.
    places: BTreeMap<usize, BTreeMap<ObjectKey, usize>>,
}

impl Promise for Sequenced {
    fn name(&self) -> &'static str {
        "sequenced"
    }

    fn told(&mut self, view: View<'_>, number: usize, said: &Notification<Kept>) -> Verdict {
        let informer = &view.seat.informer;
        let listener = &informer.listeners[number];
        let Some(key) = said.key() else {
            return Ok(());
        };
        let known = listener.known.get(key);
        let uid = known.map(|known| known.uid);
        match (said, known) {
            (Notification::Added { .. }, Some(known)) => {
                return Err(format!(
                    "listener {number} knows {key}@{} and is told that it is new",
                    known.revision
                ));
            }
            (Notification::Updated { old, .. }, Some(known))
                if !old.object.shows(known)
                    && !is_folded_end(informer, listener, old.object.uid(), known) =>
            {
                return Err(format!(
                    "listener {number} knows {key}@{} and is told of a change from {}",
                    known.revision,
                    old.object.revision()
                ));
            }
            (Notification::Updated { .. } | Notification::Deleted { .. }, None) => {
                return Err(format!(
                    "listener {number} does not know {key} and is told that it changed or went"
                ));
            }
            _ => {}
        }
        let log = informer.log.of(key);
        let places = self.places.entry(number).or_default();
        let place = places.entry(key.clone()).or_insert_with(|| {
            let before = |past: &Past| past.work <= listener.joined_at;
            log.partition_point(before).saturating_sub(1)
        });
        let is_it = |past: &Past| is_told_by(said, past, uid);
        match log.iter().skip(*place).position(is_it) {
            Some(steps) => {
                *place += steps;
                Ok(())
            }
            None => Err(format!(
                "listener {number} is told {}, which the store did not go through after place {place}",
                describe(said, key)
            )),
        }
    }
}

/// True for the last state of a life that the listener knew, of which the end was folded into the
/// beginning of the next, or of the same where the source went back.
fn is_folded_end(informer: &Informer, listener: &Listener, uid: u64, known: &Widget) -> bool {
    let has_ended = informer.log.went_after(&known.key, listener.rested_at);
    !listener.keeps_everything() && uid == known.uid && has_ended
}

/// True if a notification tells of this: an object went also where another came in its place.
fn is_told_by(said: &Notification<Kept>, past: &Past, uid: Option<u64>) -> bool {
    match said {
        Notification::Added { entry, .. } | Notification::Updated { new: entry, .. } => past
            .state
            .as_ref()
            .is_some_and(|state| state.is_same_state(&entry.object)),
        Notification::Deleted { .. } => {
            let state = past.state.as_ref();
            state.is_none_or(|state| Some(state.uid()) != uid)
        }
        Notification::Synced => true,
    }
}

fn describe(said: &Notification<Kept>, key: &ObjectKey) -> String {
    let revision = said
        .entry()
        .map(|entry: &Entry<Kept>| entry.object.revision());
    match said {
        Notification::Deleted { .. } => format!("that {key} went"),
        _ => format!("of {key}@{}", revision.unwrap_or_default()),
    }
}

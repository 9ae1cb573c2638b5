//! The mirror equals the source: at every moment the store holds exactly what the collection was at
//! the store's version.
//!
//! In the middle of a revision it holds the changes that have come, and no others. Three kinds of keys
//! are not judged, each for a reason that is in the contract: those of which the store itself refused a change; those that events without a version changed (the version stays
//! behind what the store holds until the next event that has one, and after a lost connection they
//! come again); and, where the last writer's version counts, those that changed after a version that
//! was taken back. An object that cannot be decoded is judged by the policy: not there, or some good
//! state that the object really had, not older than what the store held before.

use std::borrow::Cow;
use std::sync::Arc;

use heliostat_core::object::ObjectKey;
use heliostat_core::reflector::RejectPolicy;
use heliostat_core::store::snapshot::Snapshot;

use super::{Promise, Verdict, View};
use crate::client::{Position, Said};
use crate::kept::{Kept, held};
use crate::world::{Objects, Widget, World};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    before: Snapshot<Kept>,
}

impl Promise for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn done(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if !said.is_of_watch() && !matches!(said, Said::Commit(_)) {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.before, view.seat.store.snapshot());
        let position = view.seat.position;
        let Some(version) = position.version else {
            return Ok(());
        };
        let truth = view.world.state_at(position.timeline, version);
        match judge(view, &without_missing(view, truth), position, &before) {
            None => Ok(()),
            Some(text) => Err(format!(
                "at version {version} of timeline {}: {text}",
                position.timeline
            )),
        }
    }

    fn settled(&mut self, view: View<'_>) -> Verdict {
        let machine = view.seat.machine.last_sync_resource_version();
        let store = view.seat.view().resource_version();
        if machine == store {
            return Ok(());
        }
        Err(format!(
            "the machine says version {machine}, the store {store}"
        ))
    }
}

/// What was true, without the changes of the last revision that have not come yet.
fn without_missing<'a>(view: View<'a>, truth: &'a Objects) -> Cow<'a, Objects> {
    let received = &view.seat.received;
    let timeline = view.world.timeline(view.seat.position.timeline);
    let mut truth = Cow::Borrowed(truth);
    let changes = timeline.changes_at(received.revision).iter();
    for record in changes.filter(|record| received.lacks(record)) {
        match &record.before {
            Some(before) => truth
                .to_mut()
                .insert(record.key.clone(), Arc::clone(before)),
            None => truth.to_mut().remove(&record.key),
        };
    }
    truth
}

/// How a mirror differs from the present truth, if it does.
pub(crate) fn differs_from(view: View<'_>) -> Option<String> {
    let position = view.seat.position;
    if view
        .world
        .is_foreign(position.timeline, position.version.unwrap_or_default())
    {
        return Some("it shows another history".to_owned());
    }
    let before = view.seat.store.snapshot();
    judge(view, view.world.present(), position, &before)
}

fn judge(
    view: View<'_>,
    truth: &Objects,
    position: Position,
    before: &Snapshot<Kept>,
) -> Option<String> {
    let store = view.seat.view();
    let excused = |key: &ObjectKey| {
        view.seat.refused.contains(key) || is_ahead_of_version(view.world, position, key)
    };
    for (key, widget) in truth {
        let fine = match held(store, key) {
            _ if !widget.decodable => is_fine_for_policy(view, key, position, before),
            Some(held) => held.shows(widget),
            None => false,
        };
        if !fine && !excused(key) {
            return Some(describe(
                key,
                Some(widget),
                held(store, key).map(|held| held.widget()).as_ref(),
            ));
        }
    }
    for entry in store.iter() {
        let key = entry.key();
        if !truth.contains_key(key) && !excused(key) {
            return Some(describe(key, None, Some(&entry.object.widget())));
        }
    }
    None
}

/// True if the store was told of a change of this key that its version does not cover.
fn is_ahead_of_version(world: &World, position: Position, key: &ObjectKey) -> bool {
    let version = position.version.unwrap_or_default();
    if position.high <= version {
        return false;
    }
    let uncovered = world
        .timeline(position.timeline)
        .changes(version, position.high);
    uncovered.iter().any(|record| record.key == *key)
}

fn is_fine_for_policy(
    view: View<'_>,
    key: &ObjectKey,
    position: Position,
    before: &Snapshot<Kept>,
) -> bool {
    let now = held(view.seat.view(), key);
    match view.seat.plan.reject {
        RejectPolicy::Drop => now.is_none(),
        RejectPolicy::KeepLast | RejectPolicy::Stop => match (held(before, key), now) {
            (Some(_), None) => false,
            (None, None) => true,
            (earlier, Some(now)) => {
                let same = earlier.is_some_and(|earlier| earlier.is_same_state(now));
                // Of two histories, neither is newer.
                let newer = earlier.is_none_or(|earlier| {
                    earlier.revision() <= now.revision() || !was_true(view.world, position, earlier)
                });
                same || (newer && was_true(view.world, position, now))
            }
        },
    }
}

/// True if the source really had this state, at or before the version.
fn was_true(world: &World, position: Position, kept: &Kept) -> bool {
    let widget = kept.widget();
    if widget.revision > position.version.unwrap_or_default() {
        return false;
    }
    let timeline = world.timeline(position.timeline);
    let record = timeline.change_of(&widget.key, widget.revision);
    record
        .and_then(|record| record.after.as_ref())
        .is_some_and(|after| after.is_same_state(&widget))
}

fn describe(key: &ObjectKey, truth: Option<&Arc<Widget>>, held: Option<&Arc<Widget>>) -> String {
    let text = |widget: Option<&Arc<Widget>>| match widget {
        None => "nothing".to_owned(),
        Some(widget) => {
            let form = if widget.decodable {
                ""
            } else {
                ", undecodable"
            };
            format!("revision {} (uid {}{form})", widget.revision, widget.uid)
        }
    };
    format!(
        "{key}: the source has {}, the store {}",
        text(truth),
        text(held)
    )
}

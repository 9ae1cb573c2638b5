//! Reliable: a watch tells every change after its version, and nothing that did not happen.

use heliostat_core::event::ChangeKind;

use super::{Promise, Verdict, View};
use crate::client::Said;
use crate::world::Record;

/// See the module.
#[derive(Debug)]
pub(super) struct Reliable;

impl Promise for Reliable {
    fn name(&self) -> &'static str {
        "reliable"
    }

    fn say(&mut self, view: View<'_>, said: &Said) -> Verdict {
        if !said.is_of_watch() {
            return Ok(());
        }
        let (world, origin, position) = (view.world, view.origin, view.seat.position);
        let told = position.high.max(position.version.unwrap_or_default());
        if told > world.shared(position.timeline, origin.timeline) {
            return Err(format!("{said} of another history follows version {told}"));
        }
        let timeline = world.timeline(origin.timeline);
        let is_change = said.key().is_some();
        // What the event itself brings is not missing, nor the rest of its revision; a bookmark brings
        // nothing.
        let is_rejected_change = matches!(said, Said::Moved(_))
            && timeline
                .changes_at(origin.revision)
                .iter()
                .any(is_unreadable);
        let up_to = origin.revision - u64::from(is_change || is_rejected_change);
        let last = &view.seat.received;
        let rest = timeline.changes_at(last.revision).iter();
        let rest = rest.filter(|record| last.lacks(record) && record.revision <= up_to);
        let missed = rest.chain(timeline.changes(told, up_to));
        if let Some(missed) = missed.into_iter().find(|record| !is_unreadable(record)) {
            return Err(format!(
                "{said} comes from revision {} and the change of {} at {} was never told",
                origin.revision, missed.key, missed.revision
            ));
        }
        if !is_change {
            return Ok(());
        }
        let change = said
            .key()
            .and_then(|key| timeline.change_of(key, origin.revision));
        match change {
            Some(record) if tells(said, record) => Ok(()),
            Some(_) | None => Err(format!(
                "{said} is not what happened at {}",
                origin.revision
            )),
        }
    }
}

/// True if the change leaves an object that cannot be decoded: there may be nothing to say of it.
fn is_unreadable(record: &Record) -> bool {
    record.after.as_ref().is_some_and(|after| !after.decodable)
}

fn tells(said: &Said, record: &Record) -> bool {
    match said {
        Said::Apply { change, widget, .. } => {
            let expected = match (&record.before, &record.after) {
                (_, None) => ChangeKind::Deleted,
                (None, Some(_)) => ChangeKind::Added,
                (Some(_), Some(_)) => ChangeKind::Modified,
            };
            let state = record.after.as_ref().or(record.before.as_ref());
            *change == expected && state.is_some_and(|state| state.is_same_state(widget))
        }
        // A removal: of an object that is gone, or of one that cannot be decoded any more.
        Said::Remove(key, _) => {
            *key == record.key && (record.after.is_none() || is_unreadable(record))
        }
        _ => true,
    }
}

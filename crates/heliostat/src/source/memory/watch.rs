//! How a watch request is answered from a collection: what it is told at once, and from which
//! revision on it follows.

use heliostat_core::error::SourceError;
use heliostat_core::event::WatchEvent;
use heliostat_core::object::Entry;
use heliostat_core::options::{ResourceVersionMatch, WatchOptions};
use heliostat_core::status::Status;

use super::collection::Collection;
use super::refusal;

/// The beginning of a watch.
#[derive(Debug)]
pub struct Opening<T> {
    /// What is sent at once, in order.
    pub events: Vec<WatchEvent<T>>,
    /// Later changes up to this revision are not for this watch; none if the watch is over, its last
    /// event being the error that says why.
    pub follow_after: Option<u64>,
}

impl<T> Collection<T> {
    /// Begins a watch of the objects that `selects` wants.
    ///
    /// The present state comes first where it is asked for, in the order of the keys, and is closed by
    /// a bookmark if bookmarks are allowed. A version that has left the history is answered as a real
    /// server does: the watch is accepted, and its only event is an error with a 410.
    ///
    /// # Errors
    /// [`SourceError::Api`] for options that make no sense.
    pub fn watch(
        &self,
        options: &WatchOptions,
        selects: impl Fn(&Entry<T>) -> bool,
    ) -> Result<Opening<T>, SourceError> {
        validate(options)?;
        let version = &options.resource_version;
        let asked = match version.as_decimal() {
            Some(asked) => asked,
            None if version.is_unset() => 0,
            None => return Err(refusal::malformed_watch_version(version).into()),
        };
        if options.send_initial_events && asked > self.revision() {
            return Ok(over(refusal::too_large(asked, self.revision())));
        }
        if options.send_initial_events || asked == 0 {
            return Ok(self.present_state(options, selects));
        }
        if asked < self.oldest_revision() {
            return Ok(over(refusal::expired_watch(asked, self.oldest_revision())));
        }
        let missed = self.changes_after(asked);
        Ok(Opening {
            events: missed.filter_map(|change| change.event(&selects)).collect(),
            follow_after: Some(asked.max(self.revision())),
        })
    }

    fn present_state(
        &self,
        options: &WatchOptions,
        selects: impl Fn(&Entry<T>) -> bool,
    ) -> Opening<T> {
        let selected = self.entries().filter(|entry| selects(entry));
        let mut events: Vec<_> = selected.cloned().map(WatchEvent::Added).collect();
        if options.allow_bookmarks {
            events.push(WatchEvent::Bookmark {
                resource_version: self.revision().into(),
                initial_events_end: true,
            });
        }
        Opening {
            events,
            follow_after: Some(self.revision()),
        }
    }
}

fn over<T>(status: Status) -> Opening<T> {
    Opening {
        events: vec![WatchEvent::Error(status)],
        follow_after: None,
    }
}

fn validate(options: &WatchOptions) -> Result<(), SourceError> {
    match (options.send_initial_events, options.resource_version_match) {
        (true, Some(ResourceVersionMatch::NotOlderThan)) | (false, None) => Ok(()),
        (true, _) => Err(refusal::forbidden_match(
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
        .into()),
        (false, Some(_)) => Err(refusal::forbidden_match(
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )
        .into()),
    }
}

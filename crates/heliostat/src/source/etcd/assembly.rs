//! From the responses of a watch stream to whole revisions, and to what else they say. No I/O.

use super::message::{Event, Pair, WatchResponse};

/// Puts the responses of one watch together.
///
/// All events of a revision come out at once, so that nobody goes on after a part of them. A response
/// holds whole revisions unless it is a fragment; of a fragment the last revision may go on in the next.
#[derive(Debug)]
pub(super) struct Assembly {
    /// Earlier revisions were not asked for: old servers send some to a watch that starts in the future.
    first: u64,
    /// Events of the last revision of a fragment.
    unfinished: Vec<Event>,
    /// All up to this revision has come out.
    reached: u64,
}

/// What a response says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// These events, of one revision.
    Revision(u64, Vec<Event>),
    /// All up to this revision was sent.
    Progress(u64),
    /// The revision at which the watch starts is compacted; the oldest that is left is this one.
    Compacted(u64),
    /// The server ends the watch.
    Cancelled(String),
}

impl Assembly {
    /// For a watch that starts at this revision.
    pub(super) const fn new(first: u64) -> Self {
        Self {
            first,
            unfinished: Vec::new(),
            reached: first.saturating_sub(1),
        }
    }

    /// Takes a response and passes on what is complete by it.
    pub(super) fn take(&mut self, response: WatchResponse, mut say: impl FnMut(Said)) {
        if response.canceled {
            return say(match response.compact_revision {
                compacted @ 1.. => Said::Compacted(super::message::unsigned(compacted)),
                _ => Said::Cancelled(response.cancel_reason),
            });
        }
        if response.created {
            return;
        }
        let revision = response.revision();
        let is_progress = response.events.is_empty() && !response.fragment;
        for event in response.events {
            let of = event.pair.as_ref().map_or(0, Pair::mod_revision);
            if of < self.first {
                continue;
            }
            if self.unfinished_revision().is_some_and(|last| last != of) {
                self.finish(&mut say);
            }
            self.unfinished.push(event);
        }
        if !response.fragment {
            self.finish(&mut say);
        }
        // Only a response without events says how far the watch is: in others the header may be ahead. One
        // that says what is known is a sign of life.
        if is_progress && revision >= self.reached {
            self.reached = revision;
            say(Said::Progress(revision));
        }
    }

    fn finish(&mut self, say: &mut impl FnMut(Said)) {
        let Some(revision) = self.unfinished_revision() else {
            return;
        };
        self.reached = self.reached.max(revision);
        say(Said::Revision(
            revision,
            std::mem::take(&mut self.unfinished),
        ));
    }

    fn unfinished_revision(&self) -> Option<u64> {
        let pair = self.unfinished.first()?.pair.as_ref()?;
        Some(pair.mod_revision())
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::ResponseHeader;
    use super::*;

    fn event(revision: i64) -> Event {
        let pair = Pair {
            mod_revision: revision,
            ..Pair::default()
        };
        Event {
            pair: Some(pair),
            ..Event::default()
        }
    }

    fn response(header: i64, events: &[i64]) -> WatchResponse {
        let header = ResponseHeader {
            revision: header,
            ..ResponseHeader::default()
        };
        WatchResponse {
            header: Some(header),
            events: events.iter().map(|revision| event(*revision)).collect(),
            ..WatchResponse::default()
        }
    }

    fn fragment(events: &[i64]) -> WatchResponse {
        WatchResponse {
            fragment: true,
            ..response(9, events)
        }
    }

    /// What comes out, as (revision, number of events); progress as (revision, 0).
    fn said(assembly: &mut Assembly, response: WatchResponse) -> Vec<(u64, usize)> {
        let mut out = Vec::new();
        assembly.take(response, |said| match said {
            Said::Revision(revision, events) => out.push((revision, events.len())),
            Said::Progress(revision) => out.push((revision, 0)),
            Said::Compacted(_) | Said::Cancelled(_) => panic!("{said:?}"),
        });
        out
    }

    #[test]
    fn events_of_one_revision_stay_together_over_fragments() {
        let mut assembly = Assembly::new(1);
        assert_eq!(said(&mut assembly, fragment(&[5, 6, 6])), [(5, 1)]);
        assert_eq!(said(&mut assembly, fragment(&[6])), []);
        assert_eq!(said(&mut assembly, response(9, &[6, 7])), [(6, 4), (7, 1)]);
    }

    #[test]
    fn the_header_of_a_response_with_events_is_no_progress() {
        let mut assembly = Assembly::new(1);
        assert_eq!(said(&mut assembly, response(9, &[5])), [(5, 1)]);
        assert_eq!(said(&mut assembly, response(9, &[])), [(9, 0)]);
        assert_eq!(
            said(&mut assembly, response(9, &[])),
            [(9, 0)],
            "a sign of life"
        );
        assert_eq!(
            said(&mut assembly, response(8, &[])),
            [],
            "it does not go back"
        );
        assert_eq!(said(&mut assembly, response(0, &[])), []);
    }

    #[test]
    fn revisions_that_were_not_asked_for_are_dropped() {
        let mut assembly = Assembly::new(6);
        assert_eq!(said(&mut assembly, response(9, &[4, 5])), []);
        assert_eq!(said(&mut assembly, response(4, &[])), []);
        assert_eq!(said(&mut assembly, response(9, &[5, 6])), [(6, 1)]);
    }

    #[test]
    fn the_end_of_a_watch_has_a_reason() {
        let end = |response: WatchResponse| {
            let mut out = Vec::new();
            Assembly::new(1).take(response, |said| out.push(said));
            out
        };
        let cancelled = |compact_revision, cancel_reason: &str| WatchResponse {
            canceled: true,
            compact_revision,
            cancel_reason: cancel_reason.to_owned(),
            ..response(0, &[])
        };
        assert_eq!(end(cancelled(7, "compacted")), [Said::Compacted(7)]);
        assert_eq!(end(cancelled(0, "x")), [Said::Cancelled("x".to_owned())]);
        let created = WatchResponse {
            created: true,
            ..response(9, &[])
        };
        assert_eq!(end(created), []);
    }
}

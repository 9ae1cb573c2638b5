//! From the responses of a watch stream to whole revisions, and to what else they say. No I/O.

use super::message::{Event, Pair, WatchResponse};

/// Number of bytes that the events of one revision may take, which are held until all have come. A
/// revision is one request: of at most 128 operations and 1.5 MiB by default, where a deletion of many keys
/// comes with the last state of each.
const REVISION_BYTES_MAX: usize = 128 << 20;

/// Puts the responses of one watch together.
///
/// All events of a revision are passed on together, so that no watch resumes after a part of them. A response
/// holds whole revisions unless it is a fragment; of a fragment the last revision may go on in the next.
#[derive(Debug)]
pub(super) struct Assembly {
    /// Earlier revisions were not asked for: old servers send some to a watch that starts in the future.
    first: u64,
    /// Events of the last revision of a fragment.
    unfinished: Vec<Event>,
    /// About how much memory they take.
    unfinished_bytes: usize,
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
    /// The events of this revision are more than are held.
    TooLarge(u64),
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
            unfinished_bytes: 0,
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
            self.unfinished_bytes += bytes_of(&event);
            self.unfinished.push(event);
            if self.unfinished_bytes > REVISION_BYTES_MAX {
                return say(Said::TooLarge(of));
            }
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
        self.unfinished_bytes = 0;
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

/// About how much memory an event takes.
fn bytes_of(event: &Event) -> usize {
    let pairs = [&event.pair, &event.previous];
    let of = |pair: &Pair| pair.key.len() + pair.value.len();
    size_of::<Event>() + pairs.into_iter().flatten().map(of).sum::<usize>()
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
            Said::TooLarge(_) | Said::Compacted(_) | Said::Cancelled(_) => panic!("{said:?}"),
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
    fn fragments_of_one_revision_are_bounded() {
        let value = bytes::Bytes::from(vec![0; 16 << 20]);
        let mut assembly = Assembly::new(1);
        let mut out = Vec::new();
        let large = |revision: i64| {
            let mut response = fragment(&[revision]);
            for event in &mut response.events {
                event.previous = Some(Pair {
                    value: value.clone(),
                    ..Pair::default()
                });
            }
            response
        };
        for revision in 2..20 {
            assembly.take(large(revision), |said| out.push(said));
        }
        let is_whole = |said: &Said| matches!(said, Said::Revision(_, events) if events.len() == 1);
        assert!(
            out.iter().all(is_whole),
            "the bytes are those of one revision"
        );
        out.clear();
        for _ in 0..8 {
            assembly.take(large(20), |said| out.push(said));
        }
        assert_eq!(out.last(), Some(&Said::TooLarge(20)));
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

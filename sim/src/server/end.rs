//! How watches end: at their time, for being idle, or by what goes wrong with them.

use heliostat_core::error::{DecodeError, SourceError, TransportError, TransportErrorKind};
use heliostat_core::event::WatchEvent;

use super::{Server, Surroundings};
use crate::agenda::Happening;
use crate::connection::{Answer, ConnectionId, Origin};
use crate::coverage::Seen;
use crate::faults::{StreamFault, expired, stream_error, truncated};

impl Server {
    /// A watch has reached the time that it was asked to last.
    pub(super) fn watch_timeout(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        match self.stream_mut(id) {
            Some(stream) if stream.doom == Some(StreamFault::Overdue) => {
                around.coverage.count(Seen::StreamOverdue);
            }
            Some(_) => {
                around.coverage.count(Seen::WatchTimeout);
                self.end_stream(around, id, Answer::WatchEnded);
            }
            None => {}
        }
    }

    /// Closes a watch on which nothing was sent for too long.
    pub(super) fn idle_check(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        let Some(idle) = self.plan.idle_close else {
            return;
        };
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if connection.stream.is_none() {
            return;
        }
        let due = connection.last_sent + idle;
        if due > around.now {
            around.agenda.plan(due, Happening::IdleCheck(id));
            return;
        }
        around.coverage.count(Seen::IdleClosed);
        self.end_stream(around, id, Answer::WatchEnded);
    }

    /// What goes wrong with a watch goes wrong now.
    pub(super) fn doom(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        let Some(fault) = self.stream_mut(id).and_then(|stream| stream.doom) else {
            return;
        };
        // A watch that is half-open when the faults stop is found all the same; one that would only
        // now break does not.
        if self.quiet {
            return;
        }
        let transport = |kind| SourceError::from(TransportError::new(kind, "simulated"));
        let (seen, answer) = match fault {
            StreamFault::Cut => {
                let error = transport(TransportErrorKind::Closed);
                (Seen::StreamCut, Some(Answer::Failed(error)))
            }
            StreamFault::TimedOut => {
                let error = transport(TransportErrorKind::TimedOut);
                (Seen::StreamTimedOut, Some(Answer::Failed(error)))
            }
            StreamFault::Truncated => {
                let error = SourceError::from(truncated("watch frame"));
                (Seen::StreamTruncated, Some(Answer::Failed(error)))
            }
            StreamFault::ClosedEarly => (Seen::StreamClosedEarly, Some(Answer::WatchEnded)),
            StreamFault::VeryShort => (Seen::StreamVeryShort, Some(Answer::WatchEnded)),
            StreamFault::Stalled => (Seen::StreamStalled, None),
            StreamFault::Error => {
                self.open(around, id);
                let event = WatchEvent::Error(stream_error(&mut self.rng));
                self.send(around, id, Answer::Event(event), Origin::default());
                (Seen::StreamError, Some(Answer::WatchEnded))
            }
            StreamFault::BareStatus => {
                self.open(around, id);
                let event = WatchEvent::Error(expired(&mut self.rng));
                self.send(around, id, Answer::Event(event), Origin::default());
                (Seen::BareStatus, Some(Answer::WatchEnded))
            }
            StreamFault::UnknownFrame => {
                self.open(around, id);
                let error = DecodeError::UnknownEventType("HEARTBEAT".to_owned());
                (
                    Seen::UnknownFrame,
                    Some(Answer::Failed(SourceError::Decode(error))),
                )
            }
            StreamFault::Hasty => {
                self.bookmark_now(around, id);
                (Seen::HastyWatch, Some(Answer::WatchEnded))
            }
            StreamFault::Overdue => return,
        };
        around.coverage.count(seen);
        let says_something = matches!(
            fault,
            StreamFault::Error
                | StreamFault::BareStatus
                | StreamFault::UnknownFrame
                | StreamFault::Hasty
        );
        let loses_what_is_under_way = !says_something && self.rng.one_in(2);
        if loses_what_is_under_way {
            self.drop_in_flight(around.now, id);
        }
        match answer {
            Some(answer) => self.end_stream(around, id, answer),
            None => self.close_stream(id),
        }
    }

    fn end_stream(&mut self, around: &mut Surroundings<'_>, id: ConnectionId, answer: Answer) {
        self.close_stream(id);
        self.send(around, id, answer, Origin::default());
    }

    fn close_stream(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stream = None;
        }
    }
}

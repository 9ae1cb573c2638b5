//! Watches: how they begin, what is sent on them, and how they end.

use std::sync::Arc;
use std::time::Duration;

use heliostat_core::event::{ChangeKind, WatchEvent};
use heliostat_core::options::WatchOptions;
use heliostat_core::status::Status;
use heliostat_core::version::ResourceVersion;

use super::list::wrong_kind;
use super::{Server, Stream, Surroundings};
use crate::agenda::Happening;
use crate::connection::{Answer, ConnectionId, Origin};
use crate::coverage::Seen;
use crate::faults::{BodyFault, EventFault, StreamFault, draw, expired, too_large};
use crate::scenario::WatchListServing;
use crate::world::{Record, Widget};

impl Server {
    pub(super) fn answer_watch(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        options: &WatchOptions,
    ) {
        let version = &options.resource_version;
        if options.send_initial_events {
            match self.plan.watch_list {
                WatchListServing::Refused => {
                    around.coverage.count(Seen::WatchListRefused);
                    let status = Status::failure(422, "Invalid", "sendInitialEvents is forbidden");
                    return self.refuse(around, id, Some(status.into()));
                }
                WatchListServing::Ignored => around.coverage.count(Seen::WatchListIgnored),
                WatchListServing::Supported
                | WatchListServing::WithoutEndMark
                | WatchListServing::LateEndMark => {
                    return self.begin_watch_list(around, id, options);
                }
            }
        }
        if !self.plan.watches {
            let message = "the server does not allow this method on the requested resource";
            let status = Status::failure(405, "MethodNotAllowed", message);
            return self.refuse(around, id, Some(status.into()));
        }
        let present = around.world.revision();
        match version.as_decimal().filter(|asked| *asked > 0) {
            Some(asked) => self.watch_from(around, id, options, asked),
            None => {
                around.coverage.count(Seen::WatchServed);
                self.accept(around, id, options, (present, 0));
                self.send_state(around, id, present);
            }
        }
    }

    fn watch_from(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        options: &WatchOptions,
        asked: u64,
    ) {
        let Some(client) = self
            .connections
            .get(&id)
            .map(|connection| connection.client)
        else {
            return;
        };
        let reads_etcd = self.plan.etcd.is_some();
        let is_foreign = self.is_another_cluster(around, id);
        let (position, again) = match reads_etcd {
            true => self.resumes_after(around, client, asked),
            false => (asked, 0),
        };
        // etcd keeps the changes of the revision at which it is compacted.
        let oldest = self.window - u64::from(reads_etcd);
        if is_foreign || position < oldest {
            return self.refuse_expired(around, id);
        }
        if position > around.world.revision() {
            around.coverage.count(Seen::WatchFuture);
        }
        around.coverage.count(Seen::WatchServed);
        self.accept(around, id, options, (position, again));
        self.pump(around, id);
    }

    fn refuse_expired(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        around.coverage.count(Seen::WatchExpired);
        let status = expired(&mut self.rng);
        if self.plan.expired_in_stream {
            let origin = Origin::default();
            self.send(around, id, Answer::Opened, origin);
            self.send(around, id, Answer::Event(WatchEvent::Error(status)), origin);
            self.send(around, id, Answer::WatchEnded, origin);
        } else {
            self.refuse(around, id, Some(status.into()));
        }
    }

    /// Accepts a watch, and decides how it will end.
    fn accept(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        options: &WatchOptions,
        (position, again): (u64, u64),
    ) {
        let member = self.draw_member(around, id);
        let doom = if self.quiet {
            None
        } else {
            draw(
                &self.faults.stream,
                self.faults.stream_chance,
                &mut self.rng,
            )
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stream = Some(Stream {
                position,
                initial: options.send_initial_events,
                opened: false,
                asked: options.resource_version.as_decimal().unwrap_or_default(),
                doom,
                member,
                again,
            });
        }
        if !self.plan.headers_late {
            self.open(around, id);
        }
        let now = around.now;
        if let Some(seconds) = options.timeout_seconds {
            let ends = now + Duration::from_secs(u64::from(seconds));
            around.agenda.plan(ends, Happening::WatchTimeout(id));
        }
        if let Some(idle) = self.plan.idle_close {
            around.agenda.plan(now + idle, Happening::IdleCheck(id));
        }
        if let Some(period) = self.plan.bookmarks {
            let first = period.mul_f64(0.5 + self.rng.unit());
            around.agenda.plan(now + first, Happening::Bookmark(id));
        }
        let doomed = match doom {
            None | Some(StreamFault::Overdue) => return,
            Some(StreamFault::VeryShort) => Duration::from_millis(900),
            Some(StreamFault::BareStatus | StreamFault::UnknownFrame | StreamFault::Hasty) => {
                Duration::from_millis(10)
            }
            Some(_) if self.rng.one_in(2) => Duration::from_secs(5),
            Some(_) => Duration::from_secs(60),
        };
        let doomed = now + self.rng.duration_below(doomed);
        around.agenda.plan(doomed, Happening::Doom(id));
    }

    /// Sends the headers of an accepted watch, if they were not sent yet.
    pub(super) fn open(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        let opened = self
            .stream_mut(id)
            .map(|stream| std::mem::replace(&mut stream.opened, true));
        if opened == Some(false) {
            self.send(around, id, Answer::Opened, Origin::default());
        }
    }

    fn begin_watch_list(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        options: &WatchOptions,
    ) {
        let present = around.world.revision();
        let asked = options.resource_version.as_decimal();
        if asked.is_some_and(|asked| asked > present) {
            around.coverage.count(Seen::TooLarge);
            let status = too_large();
            if self.rng.one_in(2) {
                return self.refuse(around, id, Some(status.into()));
            }
            self.send(around, id, Answer::Opened, Origin::default());
            let error = Answer::Event(WatchEvent::Error(status));
            self.send(around, id, error, Origin::default());
            return self.send(around, id, Answer::WatchEnded, Origin::default());
        }
        around.coverage.count(Seen::WatchListServed);
        let position = match asked {
            Some(asked) => self.replica(around, asked),
            None => present,
        };
        self.accept(around, id, options, (position, 0));
        self.send_state(around, id, position);
        let mark = match self.plan.watch_list {
            WatchListServing::LateEndMark => {
                around.coverage.count(Seen::WatchListEndMarkLate);
                self.rng.duration_below(Duration::from_secs(60))
            }
            WatchListServing::Supported => self.rng.duration_below(Duration::from_secs(3)),
            WatchListServing::WithoutEndMark
            | WatchListServing::Ignored
            | WatchListServing::Refused => return,
        };
        around
            .agenda
            .plan(around.now + mark, Happening::EndMark(id));
    }

    /// Sends the state at a revision as `Added` events, in the order of the keys.
    fn send_state(&mut self, around: &mut Surroundings<'_>, id: ConnectionId, revision: u64) {
        let objects = around.world.truth().state_at(revision);
        for widget in objects.values() {
            let version = ResourceVersion::from(widget.revision);
            let event = if widget.decodable {
                WatchEvent::Added(widget.entry(version))
            } else {
                WatchEvent::Rejected(widget.rejection(Some(ChangeKind::Added), version))
            };
            self.open(around, id);
            self.send(around, id, Answer::Event(event), at(revision));
        }
    }

    /// The end mark of a watch-list is due.
    pub(super) fn end_mark(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        self.pump(around, id);
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        stream.initial = false;
        let (position, asked) = (stream.position, stream.asked);
        around.coverage.count(Seen::WatchListEndMark);
        let origin = self.end_mark_origin(around, position, asked);
        self.send_bookmark(around, id, origin, true);
    }

    /// The end mark tells the position; of a replica that is behind, a version older than asked for.
    fn end_mark_origin(
        &mut self,
        around: &mut Surroundings<'_>,
        position: u64,
        asked: u64,
    ) -> Origin {
        let fault = draw(&self.faults.body, self.faults.body_chance, &mut self.rng);
        if self.quiet || asked == 0 || fault != Some(BodyFault::Stale) {
            return at(position);
        }
        around.coverage.count(Seen::StaleAnswer);
        let behind = 1 + self.rng.below(5);
        Origin {
            odd_version: true,
            ..at(asked.saturating_sub(behind).max(1))
        }
    }

    /// Something was written: all watches hear of it.
    pub fn pump_all(&mut self, around: &mut Surroundings<'_>) {
        let open = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.stream.is_some());
        let ids: Vec<_> = open.map(|(id, _)| *id).collect();
        for id in ids {
            self.pump(around, id);
        }
    }

    /// Sends what has happened since the stream's position.
    pub(super) fn pump(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        let world = around.world;
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        let present = stream.reach(world.revision());
        let (position, initial, again) = (stream.position, stream.initial, stream.again);
        if present <= position {
            return;
        }
        stream.position = present;
        for record in world.truth().changes(position, present) {
            if initial {
                around.coverage.count(Seen::ChangeBeforeEndMark);
                if record.after.is_none() {
                    around.coverage.count(Seen::DeleteBeforeEndMark);
                }
            }
            if !record.is_last {
                around.coverage.count(Seen::SeveralInOneRevision);
            }
            let origin = Origin {
                is_inner: !record.is_last,
                again: record.revision <= again,
                ..at(record.revision)
            };
            self.send_change(around, id, record, initial, origin);
        }
    }

    fn send_change(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        record: &Record,
        initial: bool,
        origin: Origin,
    ) {
        let fault = if self.quiet {
            None
        } else {
            draw(&self.faults.event, self.faults.event_chance, &mut self.rng)
        };
        let before = record.revision - 1;
        self.open(around, id);
        match fault {
            Some(EventFault::Unversioned) if !initial => {
                around.coverage.count(Seen::Unversioned);
                let origin = Origin {
                    odd_version: true,
                    ..origin
                };
                let event = change_event(record, &ResourceVersion::UNSET);
                return self.send(around, id, Answer::Event(event), origin);
            }
            Some(EventFault::Unknown) => {
                around.coverage.count(Seen::UnknownEvent);
                // Where events without a version exist, this one is one of them.
                let unversioned = self.faults.event.contains(&EventFault::Unversioned);
                let resource_version = if unversioned {
                    ResourceVersion::UNSET
                } else {
                    before.into()
                };
                let event = WatchEvent::Unknown {
                    event_type: "SHUFFLED".to_owned(),
                    resource_version,
                };
                self.send(around, id, Answer::Event(event), at(before));
            }
            Some(EventFault::WrongKind) => {
                around.coverage.count(Seen::WrongKind);
                let event = WatchEvent::Rejected(wrong_kind());
                self.send(around, id, Answer::Event(event), at(before));
            }
            Some(EventFault::StaleBookmark) if !initial => {
                around.coverage.count(Seen::StaleBookmark);
                let past = before
                    .saturating_sub(1 + self.rng.below(8))
                    .max(self.window);
                let origin = Origin {
                    odd_version: true,
                    ..at(past)
                };
                self.send_bookmark(around, id, origin, false);
            }
            Some(EventFault::StrayEndMark) if !initial => {
                around.coverage.count(Seen::StrayEndMark);
                self.send_bookmark(around, id, at(before), true);
            }
            Some(_) | None => {}
        }
        let event = change_event(record, &ResourceVersion::from(record.revision));
        self.send(around, id, Answer::Event(event), origin);
    }

    /// A bookmark is due.
    pub(super) fn bookmark(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        let (Some(period), Some(_)) = (self.plan.bookmarks, self.stream_mut(id)) else {
            return;
        };
        around
            .agenda
            .plan(around.now + period, Happening::Bookmark(id));
        self.bookmark_now(around, id);
    }

    /// Sends what has happened, and a bookmark after it.
    pub(super) fn bookmark_now(&mut self, around: &mut Surroundings<'_>, id: ConnectionId) {
        self.pump(around, id);
        let present = around.world.revision();
        match self.stream_mut(id) {
            Some(stream) if !stream.initial && stream.position <= stream.reach(present) => {
                let position = stream.position;
                around.coverage.count(Seen::Bookmark);
                self.send_bookmark(around, id, at(position), false);
            }
            Some(_) | None => {}
        }
    }

    fn send_bookmark(
        &mut self,
        around: &mut Surroundings<'_>,
        id: ConnectionId,
        origin: Origin,
        initial_events_end: bool,
    ) {
        self.open(around, id);
        let bookmark = WatchEvent::Bookmark {
            resource_version: ResourceVersion::from(origin.revision),
            initial_events_end,
        };
        self.send(around, id, Answer::Event(bookmark), origin);
    }

    pub(super) fn stream_mut(&mut self, id: ConnectionId) -> Option<&mut Stream> {
        self.connections.get_mut(&id)?.stream.as_mut()
    }
}

const fn at(revision: u64) -> Origin {
    Origin {
        timeline: 0,
        revision,
        odd_version: false,
        is_inner: false,
        again: false,
    }
}

/// A change as an event, under the version that the server puts on it.
fn change_event(record: &Record, version: &ResourceVersion) -> WatchEvent<Widget> {
    let change = match (&record.before, &record.after) {
        (_, None) => ChangeKind::Deleted,
        (None, Some(_)) => ChangeKind::Added,
        (Some(_), Some(_)) => ChangeKind::Modified,
    };
    let Some(widget) = record
        .after
        .as_ref()
        .or(record.before.as_ref())
        .map(Arc::clone)
    else {
        return WatchEvent::Unknown {
            event_type: String::new(),
            resource_version: version.clone(),
        };
    };
    if !widget.decodable {
        return WatchEvent::Rejected(widget.rejection(Some(change), version.clone()));
    }
    let entry = widget.entry(version.clone());
    match change {
        ChangeKind::Added => WatchEvent::Added(entry),
        ChangeKind::Modified => WatchEvent::Modified(entry),
        ChangeKind::Deleted => WatchEvent::Deleted(entry),
    }
}

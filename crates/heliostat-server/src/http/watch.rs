//! A watch as a stream of bytes: what the pure rooms decide, at the times that the clock says.
//!
//! A watcher is a position in the shared history. It reads ahead a bounded batch, so a slow client
//! costs nothing but its position, and falls out of the window when it is too slow. There is no
//! task: the connection polls the stream, and dropping the stream ends the watch.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::api_server::fault::Fault;
use crate::api_server::view::Renderer;
use crate::collection::event_type::EventType;
use crate::collection::kind::Kind;
use crate::collection::log::Read;
use crate::collection::object::StoredObject;
use crate::collection::options::{Start, WatchPlan};
use crate::collection::reading::{Opening, Place};
use crate::collection::seen::seen;
use crate::collection::status::Status;
use crate::faults::{Order, Orders};
use crate::served::{Served, Wait};

use super::body::BodyError;
use super::gauge::WatchGuard;
use super::state::ServerState;
use super::stream_faults::StreamFaults;
use super::timers::{TIMEOUT_MAX, Timers};

/// How many events are read from the history at a time.
const BATCH_EVENTS: usize = 256;
/// How many bytes are gathered into one piece when many events wait: one write instead of many.
const BATCH_BYTES: usize = 64 * 1024;

/// Everything one open watch needs.
pub(crate) struct WatchStream {
    served: Arc<dyn Served>,
    kind: Arc<Kind>,
    plan: WatchPlan,
    renderer: Renderer,
    signal: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    orders: watch::Receiver<Orders>,
    orders_seen: u64,
    faults: StreamFaults,
    /// The stream ends once every change up to this version has been sent.
    closing: Option<u64>,
    /// Whether the last frame was a bookmark: an overdue one precedes waiting events only once.
    bookmarked: bool,
    phase: Phase,
    /// The version up to which everything has been read.
    position: u64,
    place: Place,
    /// Events up to this version are not for this watch: it began in the future.
    not_before: u64,
    events: VecDeque<(EventType, Arc<StoredObject>, Bytes)>,
    /// Why the event after those cannot be sent. It ends the watch.
    failure: Option<Status>,
    sent: usize,
    timers: Timers,
    _guard: WatchGuard,
}

/// Where the stream is in its life.
enum Phase {
    /// What is known is not yet as new as was asked for; it may become so.
    Opening(Wait),
    /// The current state is being sent.
    Initial {
        rest: std::vec::IntoIter<(EventType, Arc<StoredObject>)>,
    },
    /// The initial state is out; its end mark is due.
    EndMark,
    /// Changes are sent as they come.
    Live,
    /// One ERROR is due, then the end.
    Failing(Status),
    /// Half of a frame is due; the rest never comes.
    Cutting,
    /// Half of a frame is out; the connection breaks.
    Broken,
    /// Silent for ever.
    Stalled,
    /// Over.
    Ended,
}

/// What a step of the stream came to.
enum Step {
    Send(Bytes),
    Fail(BodyError),
    /// Nothing to send yet; there is more to read.
    Again,
    /// Nothing to send until something happens.
    Wait,
    End,
}

/// What reading from the history came to.
enum ReadAhead {
    /// Everything that there is has been read.
    Ready,
    /// There may be more behind the batch.
    More,
    /// The kind is no longer served, or events that the watch had not read are gone.
    Over,
}

impl WatchStream {
    /// Opens the watch. What can be decided at once is decided now, so that no change after the
    /// response's headers is missed.
    pub(crate) fn open(
        state: &ServerState,
        kind: Arc<Kind>,
        plan: WatchPlan,
        renderer: Renderer,
        faults: &[Fault],
    ) -> Self {
        let orders = state.faults.orders();
        let orders_seen = orders.borrow().serial();
        let mut stream = Self {
            signal: state.served.subscribe(&kind, plan.selection.scope()),
            served: Arc::clone(&state.served),
            shutdown: state.shutdown.clone(),
            orders,
            orders_seen,
            faults: StreamFaults::of(faults),
            closing: None,
            bookmarked: false,
            phase: Phase::Live,
            position: 0,
            place: Place {
                scope: plan.selection.scope().clone(),
                ..Place::default()
            },
            not_before: 0,
            events: VecDeque::new(),
            failure: None,
            sent: 0,
            timers: Timers::new(state, &plan),
            _guard: state.gauge.enter(&kind),
            kind,
            plan,
            renderer,
        };
        if stream.faults.no_bookmarks {
            stream.plan.bookmarks = false;
        }
        if stream.faults.no_initial && stream.plan.watch_list {
            stream.plan.start = Start::Now(stream.plan.freshness());
        }
        let patience = state.config.too_large_wait.min(TIMEOUT_MAX);
        let freshness = stream.plan.freshness();
        let wait = stream.served.wait_fresh(&stream.kind, freshness, patience);
        stream.phase = match wait {
            Some(wait) => Phase::Opening(wait),
            None => stream.opened(),
        };
        stream
    }

    /// The stream of frames.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
        stream::unfold(self, |mut watch| async move {
            let item = watch.next().await?;
            Some((item, watch))
        })
    }

    fn opened(&mut self) -> Phase {
        match self.served.open_watch(&self.kind, &self.plan) {
            Err(status) => Phase::Failing(status),
            Ok(Opening {
                initial,
                cursor,
                position,
                not_before,
                epoch,
            }) => {
                self.not_before = not_before;
                self.place.cursor = cursor;
                self.position = position;
                self.place.epoch = epoch;
                match self.plan.start {
                    Start::Now(_) | Start::After(_) if initial.is_empty() => Phase::Live,
                    Start::State(_) | Start::Now(_) | Start::After(_) => Phase::Initial {
                        rest: initial.into_iter(),
                    },
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            // Seen before the storage is read: a change in between wakes the wait below.
            self.signal.mark_unchanged();
            if let Some(order) = self.due() {
                self.obey(order);
            }
            match self.step() {
                Step::Send(bytes) => return Some(Ok(bytes)),
                Step::Fail(error) => {
                    // Being pending once lets the connection flush what it has: a client must see
                    // the half frame, not lose everything before it.
                    yield_now().await;
                    return Some(Err(error));
                }
                Step::End => return None,
                // Changes that this watch does not select must not hold up other tasks.
                Step::Again => yield_now().await,
                Step::Wait => self.wait().await,
            }
        }
    }

    /// The order or fault whose time has come.
    fn due(&mut self) -> Option<Order> {
        let (serial, ordered) = {
            let orders = self.orders.borrow_and_update();
            (
                orders.serial(),
                orders.after(self.orders_seen, self.kind.qualified()),
            )
        };
        self.orders_seen = serial;
        if ordered.is_some() {
            return ordered;
        }
        let at = self
            .faults
            .breaks
            .iter()
            .position(|(after, _)| *after <= self.sent)?;
        Some(self.faults.breaks.swap_remove(at).1)
    }

    fn obey(&mut self, order: Order) {
        if matches!(self.phase, Phase::Ended | Phase::Broken) {
            return;
        }
        self.phase = match order {
            Order::Close if !matches!(self.phase, Phase::Stalled) => {
                self.closing = Some(self.served.version(&self.kind));
                return;
            }
            Order::Stall => Phase::Stalled,
            Order::Cut => Phase::Cutting,
            Order::Close | Order::End => Phase::Ended,
            Order::Expire => Phase::Failing(Status::too_old(
                self.delivered(),
                self.served.version(&self.kind),
            )),
        };
    }

    /// One step: take the phase, do what is to be done in it, leave the next one.
    fn step(&mut self) -> Step {
        if *self.shutdown.borrow() {
            return self.step_shutdown();
        }
        if self.is_past_deadline() {
            return Step::End;
        }
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Opening(wait) => {
                self.phase = Phase::Opening(wait);
                Step::Wait
            }
            Phase::Initial { rest } => self.step_initial(rest),
            Phase::EndMark => {
                self.phase = Phase::Live;
                self.timers.sent_bookmark();
                let now = self.served.now();
                self.counted(|renderer, position| renderer.bookmark(position, true, now))
            }
            Phase::Live => self.step_live(),
            Phase::Failing(status) => Step::Send(self.renderer.error(&status)),
            Phase::Cutting => self.step_cut(),
            Phase::Broken => Step::Fail(BodyError::Cut),
            Phase::Stalled => {
                self.phase = Phase::Stalled;
                Step::Wait
            }
            Phase::Ended => Step::End,
        }
    }

    /// Ends the watch with a bookmark, from which the client resumes elsewhere.
    fn step_shutdown(&mut self) -> Step {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        if !matches!(phase, Phase::Live) || !self.plan.bookmarks {
            return Step::End;
        }
        let now = self.served.now();
        self.counted(|renderer, version| renderer.bookmark(version, false, now))
    }

    /// Whether the watch has lasted as long as it may, however much there is to send. What an
    /// injected fault does has no deadline.
    fn is_past_deadline(&self) -> bool {
        let serves = match self.phase {
            Phase::Opening(_) | Phase::Initial { .. } | Phase::EndMark | Phase::Live => true,
            Phase::Failing(_) | Phase::Cutting | Phase::Broken | Phase::Stalled | Phase::Ended => {
                false
            }
        };
        serves && Instant::now() >= self.timers.deadline
    }

    /// The version up to which every change has been sent.
    fn delivered(&self) -> u64 {
        let waiting = self.events.front();
        waiting.map_or(self.position, |(_, object, _)| object.version() - 1)
    }

    fn step_initial(
        &mut self,
        mut rest: std::vec::IntoIter<(EventType, Arc<StoredObject>)>,
    ) -> Step {
        let now = self.served.now();
        let mut out = Vec::new();
        while out.len() < BATCH_BYTES {
            let Some((event_type, object)) = rest.next() else {
                break;
            };
            let object = self.spoiled(object);
            let frame = match self.renderer.object_frame(event_type, &object, now) {
                Ok(frame) => frame,
                Err(status) => return self.fail_after(out, status),
            };
            self.sent += 1;
            out.extend_from_slice(&self.damaged(frame));
            if !self.faults.breaks.is_empty() {
                break;
            }
        }
        if !out.is_empty() {
            self.phase = Phase::Initial { rest };
            return Step::Send(out.into());
        }
        let is_state = matches!(self.plan.start, Start::State(_));
        let marks = is_state && self.plan.bookmarks && !self.faults.no_end_mark;
        self.phase = if marks { Phase::EndMark } else { Phase::Live };
        self.step()
    }

    /// Sends what there is, then the status.
    fn fail_after(&mut self, out: Vec<u8>, status: Status) -> Step {
        self.phase = Phase::Failing(status);
        if out.is_empty() {
            return self.step();
        }
        Step::Send(out.into())
    }

    /// Timers come before events: a watch that never pauses gets its bookmarks, too.
    fn step_live(&mut self) -> Step {
        let read = if self.events.is_empty() {
            self.read_ahead()
        } else {
            ReadAhead::Ready
        };
        if matches!(read, ReadAhead::Over) {
            return Step::End;
        }
        if self.events.is_empty()
            && let Some(status) = self.failure.take()
        {
            return self.fail_after(Vec::new(), status);
        }
        self.phase = Phase::Live;
        if self.closing.is_some_and(|end| end <= self.delivered()) {
            return Step::End;
        }
        let due = self.plan.bookmarks && self.timers.bookmark_due(Instant::now());
        if due && (self.events.is_empty() || !self.bookmarked) {
            self.timers.sent_bookmark();
            self.bookmarked = true;
            let now = self.served.now();
            return self.counted(|renderer, version| renderer.bookmark(version, false, now));
        }
        match (self.take_events(), read) {
            (Ok(Some(bytes)), _) => Step::Send(bytes),
            (Ok(None), ReadAhead::More) => Step::Again,
            (Ok(None), ReadAhead::Ready | ReadAhead::Over) => Step::Wait,
            (Err(status), _) => self.fail_after(Vec::new(), status),
        }
    }

    /// Reads the next batch of the history.
    fn read_ahead(&mut self) -> ReadAhead {
        let now = self.served.now();
        let read = (self.served).read(&self.kind, &self.place, BATCH_EVENTS);
        let Read::Events {
            events,
            next,
            up_to,
            more,
        } = read
        else {
            return ReadAhead::Over;
        };
        self.place.cursor = next;
        self.position = self.position.max(up_to);
        let not_before = self.not_before;
        let events = events.into_iter();
        for event in events.filter(|event| event.version() > not_before) {
            if let Some((event_type, object)) = seen(&event, &self.plan.selection) {
                match self.renderer.object_frame(event_type, &object, now) {
                    Ok(frame) => self.events.push_back((event_type, object, frame)),
                    Err(status) => {
                        self.failure = Some(status);
                        return ReadAhead::Ready;
                    }
                }
            }
        }
        if more {
            ReadAhead::More
        } else {
            ReadAhead::Ready
        }
    }

    /// The waiting events as one piece; one at a time while a fault counts them.
    fn take_events(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((event_type, object, frame)) = self.events.pop_front() else {
            return Ok(None);
        };
        let frame = self.changed_frame(event_type, object, frame)?;
        self.sent += 1;
        self.bookmarked = false;
        if self.events.is_empty() || !self.faults.breaks.is_empty() {
            return Ok(Some(frame));
        }
        let mut out = BytesMut::from(frame.as_ref());
        while out.len() < BATCH_BYTES {
            let Some((_, _, frame)) = self.events.pop_front() else {
                break;
            };
            self.sent += 1;
            out.extend_from_slice(&frame);
        }
        Ok(Some(out.freeze()))
    }

    /// The frame of an event, spoiled if that is a fault of this stream.
    fn changed_frame(
        &mut self,
        event_type: EventType,
        object: Arc<StoredObject>,
        frame: Bytes,
    ) -> Result<Bytes, Status> {
        if self.faults.malformed {
            let now = self.served.now();
            let object = self.spoiled(object);
            return self.renderer.object_frame(event_type, &object, now);
        }
        Ok(self.damaged(frame))
    }

    /// The first object of the stream in a wrong shape, if that is a fault of this stream.
    fn spoiled(&mut self, object: Arc<StoredObject>) -> Arc<StoredObject> {
        if std::mem::take(&mut self.faults.malformed) {
            Arc::new(object.malformed(&self.kind))
        } else {
            object
        }
    }

    /// The first frame of the stream as invalid JSON, if that is a fault of this stream.
    fn damaged(&mut self, frame: Bytes) -> Bytes {
        if std::mem::take(&mut self.faults.invalid) {
            Bytes::from([b"{".as_slice(), &frame].concat())
        } else {
            frame
        }
    }

    fn step_cut(&mut self) -> Step {
        self.phase = Phase::Broken;
        let now = self.served.now();
        let bookmark = self.renderer.bookmark(self.delivered(), false, now);
        let mut frame = bookmark.unwrap_or_default();
        frame.truncate(frame.len() / 2);
        Step::Send(frame)
    }

    fn counted(&mut self, frame: impl FnOnce(&mut Renderer, u64) -> Result<Bytes, Status>) -> Step {
        let version = self.delivered();
        match frame(&mut self.renderer, version) {
            Ok(frame) => {
                self.sent += 1;
                Step::Send(frame)
            }
            Err(status) => self.fail_after(Vec::new(), status),
        }
    }

    /// Waits until something may have changed. Which of the reasons it was does not matter: the
    /// next step looks at all of them, so the order here has no meaning.
    async fn wait(&mut self) {
        let (silent, wake) = match &self.phase {
            Phase::Stalled => (true, None),
            Phase::Opening(_) => (true, Some(self.timers.deadline)),
            _ => (false, Some(self.timers.next(self.plan.bookmarks))),
        };
        let timer = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let fresh = async {
            match &mut self.phase {
                Phase::Opening(wait) => wait.await,
                _ => pending().await,
            }
        };
        let fresh = tokio::select! {
            biased;
            _ = self.shutdown.wait_for(|stops| *stops) => None,
            _ = self.orders.changed() => None,
            fresh = fresh => Some(fresh),
            _ = self.signal.changed(), if !silent => None,
            () = timer => None,
        };
        match fresh {
            Some(Ok(())) => self.phase = self.opened(),
            Some(Err(status)) => self.phase = Phase::Failing(status),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;

//! What one open watch still has to deliver.
//!
//! The queue has no limit of its own: it holds shared objects and only what a test wrote since the
//! watch was last read. A watch that went silent takes nothing in.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use heliostat_core::error::SourceError;
use heliostat_core::event::WatchEvent;

use super::fault::WatchEnd;

/// The item of a watch stream.
pub(super) type FeedItem<T> = Result<WatchEvent<T>, SourceError>;

/// The queue of one watch, and how it is to end.
#[derive(Debug)]
pub(super) struct Feed<T> {
    queue: VecDeque<FeedItem<T>>,
    phase: Phase,
    planned_end: Option<PlannedEnd>,
    reader: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Takes events.
    Live,
    /// Takes nothing and never ends.
    Silent,
    /// Takes nothing; ends when the queue is empty.
    Ending,
    /// The reader was told of the end.
    Ended,
}

#[derive(Debug)]
struct PlannedEnd {
    events_left: usize,
    end: WatchEnd,
}

impl<T> Feed<T> {
    pub(super) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            phase: Phase::Live,
            planned_end: None,
            reader: None,
        }
    }

    /// Ends the watch once so many more events are in the queue.
    pub(super) fn end_after(&mut self, events: usize, end: WatchEnd) {
        self.planned_end = Some(PlannedEnd {
            events_left: events,
            end,
        });
        self.end_if_due();
    }

    pub(super) fn push(&mut self, event: WatchEvent<T>) {
        if self.phase != Phase::Live {
            return;
        }
        self.queue.push_back(Ok(event));
        if let Some(planned) = &mut self.planned_end {
            planned.events_left = planned.events_left.saturating_sub(1);
        }
        self.end_if_due();
    }

    /// Ends the watch after what is in the queue.
    pub(super) fn end(&mut self, end: WatchEnd) {
        if self.phase != Phase::Live {
            return;
        }
        self.phase = Phase::Ending;
        match end {
            WatchEnd::Close => {}
            WatchEnd::Error(status) => self.queue.push_back(Ok(WatchEvent::Error(status))),
            WatchEnd::Fail(error) => self.queue.push_back(Err(error)),
            WatchEnd::Silence => self.phase = Phase::Silent,
        }
    }

    /// Ends the watch at once; what is in the queue is lost.
    pub(super) fn cut(&mut self, error: SourceError) {
        if matches!(self.phase, Phase::Live | Phase::Ending) {
            self.queue.clear();
            self.queue.push_back(Err(error));
            self.phase = Phase::Ending;
        }
    }

    pub(super) fn poll(&mut self, reader: &Waker) -> Poll<Option<FeedItem<T>>> {
        if let Some(item) = self.queue.pop_front() {
            return Poll::Ready(Some(item));
        }
        if matches!(self.phase, Phase::Ending | Phase::Ended) {
            self.phase = Phase::Ended;
            return Poll::Ready(None);
        }
        self.reader = Some(reader.clone());
        Poll::Pending
    }

    /// The reader to wake, if it waits and there is something for it.
    pub(super) fn take_reader(&mut self) -> Option<Waker> {
        let has_news = !self.queue.is_empty() || self.phase == Phase::Ending;
        if has_news { self.reader.take() } else { None }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Silent)
    }

    /// True once the reader has taken everything and come back for more.
    pub(super) const fn is_settled(&self) -> bool {
        self.reader.is_some() || matches!(self.phase, Phase::Ended)
    }

    fn end_if_due(&mut self) {
        if self
            .planned_end
            .as_ref()
            .is_some_and(|planned| planned.events_left == 0)
            && let Some(planned) = self.planned_end.take()
        {
            self.end(planned.end);
        }
    }
}

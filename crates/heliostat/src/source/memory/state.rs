//! What the handles of one source share: the collection, the open watches, the faults to come and the
//! record of requests. Everything here is decided under one lock, without a runtime.
//!
//! A write and what the open watches are told of it happen in the same step, so no watch can open
//! between the two and miss or repeat a change.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use heliostat_core::error::{SourceError, TransportError, TransportErrorKind};
use heliostat_core::event::{ChangeKind, Item, ListPart, Rejection, RejectionReason, WatchEvent};
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::options::{ListOptions, WatchOptions};

use super::collection::{Change, Collection, WriteError};
use super::fault::{ListFault, WatchEnd, WatchFault, WatchListMode};
use super::feed::Feed;
use super::list::{Page, page_number};
use super::request::Request;
use super::{Activity, refusal};

/// Which objects a handle shows.
pub(super) type Filter<T> = Arc<dyn Fn(&Entry<T>) -> bool + Send + Sync>;

/// Names one open watch.
pub(super) type WatchId = u64;

pub(super) struct State<T> {
    pub(super) collection: Collection<T>,
    pub(super) list_faults: VecDeque<ListFault<T>>,
    /// Faults that wait for the request for a page of this number.
    pub(super) page_faults: Vec<(u32, ListFault<T>)>,
    pub(super) watch_faults: VecDeque<WatchFault<T>>,
    pub(super) watch_list_mode: WatchListMode,
    pub(super) rejected: BTreeMap<ObjectKey, RejectionReason>,
    /// Grows with each request: a test asks for the whole of it.
    pub(super) requests: Vec<Request>,
    watches: BTreeMap<WatchId, OpenWatch<T>>,
    next_watch: WatchId,
}

struct OpenWatch<T> {
    follow_after: u64,
    allow_bookmarks: bool,
    filter: Option<Filter<T>>,
    feed: Feed<T>,
}

/// What a list request is answered with.
pub(super) enum ListAnswer<T> {
    /// Nothing, ever.
    Stall,
    /// These parts; then the end, or nothing more.
    Parts {
        parts: Vec<Result<ListPart<T>, SourceError>>,
        ends: bool,
    },
}

/// What a watch request is answered with.
pub(super) enum WatchAnswer {
    /// Nothing, ever.
    Stall,
    /// A watch.
    Open(WatchId),
}

impl<T> State<T> {
    pub(super) const fn new() -> Self {
        Self {
            collection: Collection::new(),
            list_faults: VecDeque::new(),
            page_faults: Vec::new(),
            watch_faults: VecDeque::new(),
            watch_list_mode: WatchListMode::Served,
            rejected: BTreeMap::new(),
            requests: Vec::new(),
            watches: BTreeMap::new(),
            next_watch: 0,
        }
    }

    /// Writes, and tells the open watches.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut Collection<T>) -> Result<&Change<T>, WriteError>,
    ) -> Result<Entry<T>, WriteError> {
        let change = write(&mut self.collection)?;
        for watch in self.watches.values_mut() {
            if change.revision() <= watch.follow_after {
                continue;
            }
            if let Some(event) = change.event(|entry| selects(watch.filter.as_ref(), entry)) {
                watch.feed.push(admit(event, &self.rejected));
            }
        }
        Ok(change.entry().clone())
    }

    pub(super) fn send_bookmarks(&mut self) {
        let resource_version = self.collection.revision();
        // A watch from the future has been told nothing yet, so nothing can be confirmed to it.
        let told = |watch: &&mut OpenWatch<T>| watch.follow_after <= resource_version;
        for watch in self.watches.values_mut().filter(told) {
            if watch.allow_bookmarks {
                watch.feed.push(WatchEvent::Bookmark {
                    resource_version: resource_version.into(),
                    initial_events_end: false,
                });
            }
        }
    }

    pub(super) fn send(&mut self, event: &WatchEvent<T>) {
        for watch in self.watches.values_mut() {
            watch.feed.push(share(event));
        }
    }

    pub(super) fn end_watches(&mut self, end: &WatchEnd) {
        for watch in self.watches.values_mut() {
            watch.feed.end(end.clone());
        }
    }

    /// The connections break and the history is lost, as when the server's process dies.
    pub(super) fn restart(&mut self) {
        let lost = TransportError::new(TransportErrorKind::Closed, "the source was restarted");
        for watch in self.watches.values_mut() {
            watch.feed.cut(SourceError::Transport(lost.clone()));
        }
        self.collection.forget_history();
    }

    pub(super) fn answer_list(
        &mut self,
        options: &ListOptions,
        filter: Option<&Filter<T>>,
    ) -> Result<ListAnswer<T>, SourceError> {
        let fault = match self.take_list_fault(options) {
            Some(ListFault::Fail(error)) => return Err(error),
            Some(ListFault::Stall) => return Ok(ListAnswer::Stall),
            Some(ListFault::Answer(parts)) => return Ok(ListAnswer::Parts { parts, ends: true }),
            other => other,
        };
        let page = self
            .collection
            .list(options, |entry| selects(filter, entry))?;
        Ok(self.damage_page(page, options, fault))
    }

    fn take_list_fault(&mut self, options: &ListOptions) -> Option<ListFault<T>> {
        let page = page_number(options);
        let mut waiting = self.page_faults.iter();
        match waiting.position(|(wanted, _)| *wanted == page) {
            Some(found) => Some(self.page_faults.remove(found).1),
            None => self.list_faults.pop_front(),
        }
    }

    fn reject_item(&self, item: &mut Item<T>) {
        if let Ok(entry) = item
            && let Some(reason) = self.rejected.get(entry.key())
        {
            *item = Err(rejection(entry, None, reason));
        }
    }

    fn damage_page(
        &self,
        page: Page<T>,
        options: &ListOptions,
        fault: Option<ListFault<T>>,
    ) -> ListAnswer<T> {
        let Page {
            mut metadata,
            items,
        } = page;
        let mut items: Vec<Item<T>> = items.into_iter().map(Ok).collect();
        for item in &mut items {
            self.reject_item(item);
        }
        let mut tail = None;
        let mut ends = true;
        let mut has_metadata = true;
        match fault {
            Some(ListFault::CutAfter { items: kept, error }) => {
                items.truncate(kept);
                tail = Some(Err(error));
            }
            Some(ListFault::StallAfter { items: kept }) => {
                items.truncate(kept);
                ends = false;
            }
            Some(ListFault::Version(version)) => metadata.resource_version = version,
            Some(ListFault::OmitMetadata) => has_metadata = false,
            Some(ListFault::RepeatPage) if options.continue_token.is_some() => {
                metadata.continue_token.clone_from(&options.continue_token);
            }
            // The first page has no token of its own, so there is nothing to repeat.
            Some(ListFault::RepeatPage)
            | Some(ListFault::Fail(_) | ListFault::Stall | ListFault::Answer(_))
            | None => {}
        }
        let mut parts = Vec::with_capacity(3);
        if has_metadata {
            parts.push(Ok(ListPart::Metadata(metadata)));
        }
        if !items.is_empty() {
            parts.push(Ok(ListPart::Items(items)));
        }
        parts.extend(tail);
        ListAnswer::Parts { parts, ends }
    }

    pub(super) fn answer_watch(
        &mut self,
        options: &WatchOptions,
        filter: Option<&Filter<T>>,
    ) -> Result<WatchAnswer, SourceError> {
        let mut lose_mark = self.watch_list_mode == WatchListMode::MarkLost;
        let mut feed = Feed::new();
        match self.watch_faults.pop_front() {
            Some(WatchFault::Fail(error)) => return Err(error),
            Some(WatchFault::Stall) => return Ok(WatchAnswer::Stall),
            Some(WatchFault::Answer { events, end }) => {
                events.into_iter().for_each(|event| feed.push(event));
                feed.end(end);
                return Ok(self.open(options, filter, u64::MAX, feed));
            }
            Some(WatchFault::LoseEndMark) => lose_mark = true,
            Some(WatchFault::EndAfter { events, end }) => feed.end_after(events, end),
            None => {}
        }
        if options.send_initial_events && self.watch_list_mode == WatchListMode::Refused {
            return Err(refusal::no_watch_list().into());
        }
        let opening = self
            .collection
            .watch(options, |entry| selects(filter, entry))?;
        for event in opening.events {
            let is_mark = matches!(
                event,
                WatchEvent::Bookmark {
                    initial_events_end: true,
                    ..
                }
            );
            if !(is_mark && lose_mark) {
                feed.push(admit(event, &self.rejected));
            }
        }
        let Some(follow_after) = opening.follow_after else {
            feed.end(WatchEnd::Close);
            return Ok(self.open(options, filter, u64::MAX, feed));
        };
        Ok(self.open(options, filter, follow_after, feed))
    }

    fn open(
        &mut self,
        options: &WatchOptions,
        filter: Option<&Filter<T>>,
        follow_after: u64,
        feed: Feed<T>,
    ) -> WatchAnswer {
        let id = self.next_watch;
        self.next_watch += 1;
        self.watches.insert(
            id,
            OpenWatch {
                follow_after,
                allow_bookmarks: options.allow_bookmarks,
                filter: filter.cloned(),
                feed,
            },
        );
        WatchAnswer::Open(id)
    }

    pub(super) fn feed(&mut self, id: WatchId) -> Option<&mut Feed<T>> {
        self.watches.get_mut(&id).map(|watch| &mut watch.feed)
    }

    pub(super) fn give_up(&mut self, id: WatchId) {
        self.watches.remove(&id);
    }

    pub(super) fn take_readers(&mut self) -> Vec<Waker> {
        let watches = self.watches.values_mut();
        watches
            .filter_map(|watch| watch.feed.take_reader())
            .collect()
    }

    pub(super) fn activity(&self) -> Activity {
        let feeds = || self.watches.values().map(|watch| &watch.feed);
        Activity {
            requests: self.requests.len(),
            open_watches: feeds().filter(|feed| feed.is_open()).count(),
            is_settled: feeds().all(Feed::is_settled),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("collection", &self.collection)
            .field("requests", &self.requests)
            .field("watches", &self.watches.len())
            .finish_non_exhaustive()
    }
}

fn selects<T>(filter: Option<&Filter<T>>, entry: &Entry<T>) -> bool {
    filter.is_none_or(|filter| filter(entry))
}

/// Turns the event of an object that is to be rejected into what a decoder would make of it.
fn admit<T>(
    event: WatchEvent<T>,
    rejected: &BTreeMap<ObjectKey, RejectionReason>,
) -> WatchEvent<T> {
    let (entry, change) = match &event {
        WatchEvent::Added(entry) => (entry, ChangeKind::Added),
        WatchEvent::Modified(entry) => (entry, ChangeKind::Modified),
        WatchEvent::Deleted(entry) => (entry, ChangeKind::Deleted),
        WatchEvent::Bookmark { .. }
        | WatchEvent::Error(_)
        | WatchEvent::Unknown { .. }
        | WatchEvent::Rejected(_) => return event,
    };
    match rejected.get(entry.key()) {
        Some(reason) => WatchEvent::Rejected(rejection(entry, Some(change), reason)),
        None => event,
    }
}

fn rejection<T>(
    entry: &Entry<T>,
    change: Option<ChangeKind>,
    reason: &RejectionReason,
) -> Rejection {
    Rejection {
        key: Some(entry.key().clone()),
        resource_version: entry.header.resource_version.clone(),
        change,
        reason: reason.clone(),
    }
}

/// The same event for one more watch; the object is shared.
fn share<T>(event: &WatchEvent<T>) -> WatchEvent<T> {
    match event {
        WatchEvent::Added(entry) => WatchEvent::Added(entry.clone()),
        WatchEvent::Modified(entry) => WatchEvent::Modified(entry.clone()),
        WatchEvent::Deleted(entry) => WatchEvent::Deleted(entry.clone()),
        WatchEvent::Bookmark {
            resource_version,
            initial_events_end,
        } => WatchEvent::Bookmark {
            resource_version: resource_version.clone(),
            initial_events_end: *initial_events_end,
        },
        WatchEvent::Error(status) => WatchEvent::Error(status.clone()),
        WatchEvent::Unknown {
            event_type,
            resource_version,
        } => WatchEvent::Unknown {
            event_type: event_type.clone(),
            resource_version: resource_version.clone(),
        },
        WatchEvent::Rejected(rejection) => WatchEvent::Rejected(rejection.clone()),
    }
}

//! The source in memory with one defect put in: what a wrong implementation would do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use heliostat::source::memory::MemorySource;
use heliostat::source::{
    DecodeError, ListOptions, ListPart, ListStream, ResourceVersionMatch, WatchEvent, WatchOptions,
    WatchStream,
};
use heliostat::{Entry, ListerWatcher, ObjectKey, ResourceVersion, SourceError, Uid};

/// What is wrong with the source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Defect {
    EmptyListWithoutVersion,
    ListWithoutMetadata,
    ListVersionRunsAhead,
    ListForgetsAnObject,
    PagesMoveOn,
    PagesOverlap,
    LimitExceeded,
    OneObjectWithItsVersion,
    OneObjectWithOthers,
    PagesWithoutEnd,
    ListTooOld,
    AnyListFromThePast,
    ExactListOfThePresent,
    EventSkipped,
    EventTwice,
    EventsSwapped,
    WatchStartsTooEarly,
    WatchStartsNow,
    DeleteLost,
    DeleteWithOldVersion,
    DeleteWithOldState,
    UidsReused,
    StateLeftOut,
    StateAsModified,
    EndMarkLost,
    EndMarkTooEarly,
    EndMarkTooOld,
    ResumeSkips,
    OldVersionTakenForNow,
    OldVersionEndsSilently,
    OldTokenTakenForNow,
    FutureListTakenForNow,
    FutureWatchTakenForNow,
    BookmarkRunsAhead,
    BookmarkGoesBack,
    BookmarkUnasked,
    BadObjectFailsTheList,
    BadObjectLeftOut,
    BadEventEndsTheWatch,
    WatchesStealEvents,
    DropLeaks,
}

/// The source in memory, with a defect.
pub(crate) struct Mutant {
    source: MemorySource<u64>,
    defect: Defect,
    /// Versions that some watch delivered.
    delivered: Arc<Mutex<BTreeSet<u64>>>,
    /// Watches whose readers are gone.
    leaked: Arc<Mutex<Vec<WatchStream<u64>>>>,
}

type Event = WatchEvent<u64>;
type EventItem = Result<Event, SourceError>;

impl Mutant {
    pub(crate) fn new(source: MemorySource<u64>, defect: Defect) -> Self {
        Self {
            source,
            defect,
            delivered: Arc::default(),
            leaked: Arc::default(),
        }
    }

    fn change_list_request(&self, options: &mut ListOptions) {
        let now = self.source.revision();
        let asked = options.resource_version.as_decimal().unwrap_or(0);
        let is_exact = options.resource_version_match == Some(ResourceVersionMatch::Exact);
        match self.defect {
            Defect::PagesMoveOn | Defect::OldTokenTakenForNow => {
                if let Some(token) = &mut options.continue_token {
                    let (_, rest) = token.split_once('.').unwrap();
                    *token = format!("latest.{rest}");
                }
            }
            Defect::LimitExceeded => options.limit = options.limit.map(|limit| limit + 1),
            Defect::OneObjectWithOthers => options.object = None,
            Defect::ListTooOld if asked > 0 && !is_exact => exactly(options, asked - 1),
            Defect::AnyListFromThePast if options.resource_version.is_any() => {
                exactly(options, now - 1);
            }
            Defect::ExactListOfThePresent if is_exact => *options = ListOptions::default(),
            Defect::FutureListTakenForNow if asked > now => *options = ListOptions::default(),
            _ => {}
        }
    }

    fn change_part(&self, asked: &ListOptions, part: ListPart<u64>) -> Option<ListPart<u64>> {
        let is_exact = asked.resource_version_match == Some(ResourceVersionMatch::Exact);
        match (self.defect, part) {
            (Defect::ListWithoutMetadata, ListPart::Metadata(_)) => None,
            (defect, ListPart::Metadata(mut metadata)) => {
                let version = metadata.resource_version.as_decimal().unwrap();
                match defect {
                    Defect::EmptyListWithoutVersion if self.source.entries().is_empty() => {
                        metadata.resource_version = ResourceVersion::UNSET;
                    }
                    Defect::ListVersionRunsAhead => {
                        metadata.resource_version = (version + 1).into();
                    }
                    Defect::OneObjectWithItsVersion if asked.object.is_some() => {
                        metadata.resource_version = (version - 1).into();
                    }
                    Defect::PagesWithoutEnd if asked.continue_token.is_some() => {
                        metadata.continue_token.clone_from(&asked.continue_token);
                    }
                    Defect::AnyListFromThePast => {
                        metadata.resource_version = self.source.revision().into();
                    }
                    Defect::ExactListOfThePresent if is_exact => {
                        metadata.resource_version = asked.resource_version.clone();
                    }
                    _ => {}
                }
                Some(ListPart::Metadata(metadata))
            }
            (Defect::ListForgetsAnObject, ListPart::Items(mut items)) => {
                items.pop();
                Some(ListPart::Items(items))
            }
            (Defect::PagesOverlap, ListPart::Items(mut items)) => {
                let again = items.last().and_then(|it| it.as_ref().ok()).cloned();
                items.extend(again.filter(|_| asked.limit.is_some()).map(Ok));
                Some(ListPart::Items(items))
            }
            (Defect::BadObjectLeftOut, ListPart::Items(mut items)) => {
                items.retain(Result::is_ok);
                Some(ListPart::Items(items))
            }
            (_, items) => Some(items),
        }
    }

    fn change_watch_request(&self, options: &mut WatchOptions) {
        let now = self.source.revision();
        let asked = options.resource_version.as_decimal();
        let is_first = options.send_initial_events || asked.is_none_or(|asked| asked == 0);
        let oldest = self.source.oldest_revision();
        let start = match (self.defect, asked) {
            (Defect::StateLeftOut, _) if is_first => now,
            (Defect::WatchStartsTooEarly, Some(asked)) if asked > oldest => asked - 1,
            (Defect::WatchStartsNow, Some(asked)) if asked < now => now,
            (Defect::ResumeSkips, Some(asked)) => asked + 1,
            (Defect::OldVersionTakenForNow, Some(asked)) if asked < oldest => now,
            (Defect::FutureWatchTakenForNow, Some(asked)) if asked > now => now,
            _ => return,
        };
        if self.defect == Defect::StateLeftOut || !is_first {
            options.resource_version = start.into();
            options.send_initial_events = false;
            options.resource_version_match = None;
        }
    }

    fn change_events(&self, asked: &WatchOptions, events: WatchStream<u64>) -> WatchStream<u64> {
        let defect = self.defect;
        match defect {
            Defect::EventsSwapped => swap_pairs(events),
            Defect::EndMarkTooEarly => mark_first(events),
            Defect::BadEventEndsTheWatch => {
                let is_good = |item: &EventItem| !matches!(item, Ok(WatchEvent::Rejected(_)));
                let good = move |item: &EventItem| std::future::ready(is_good(item));
                events.take_while(good).boxed()
            }
            Defect::OldVersionEndsSilently => {
                let goes_on = |item: &EventItem| !matches!(item, Ok(WatchEvent::Error(_)));
                let take = move |item: &EventItem| std::future::ready(goes_on(item));
                events.take_while(take).boxed()
            }
            Defect::WatchesStealEvents => {
                let delivered = Arc::clone(&self.delivered);
                let is_first = move |item: &EventItem| {
                    let version = item.as_ref().ok().and_then(version_of);
                    let is_first =
                        version.is_none_or(|version| delivered.lock().unwrap().insert(version));
                    std::future::ready(is_first)
                };
                events.filter(is_first).boxed()
            }
            Defect::DropLeaks => Leaky {
                events: Some(events),
                leaked: Arc::clone(&self.leaked),
            }
            .into_stream(),
            _ => {
                let lives = Lives::default();
                let allows_bookmarks = asked.allow_bookmarks;
                let change = move |(lives, count): &mut (Lives, usize), item: EventItem| {
                    *count += 1;
                    let items = match item {
                        Ok(event) => change_event(defect, event, *count, lives),
                        Err(error) => vec![Err(error)],
                    };
                    std::future::ready(Some(stream::iter(items)))
                };
                let changed = events.scan((lives, 0), change).flatten();
                if defect == Defect::BookmarkUnasked && !allows_bookmarks {
                    let bookmark = bookmark(self.source.revision(), false);
                    return stream::iter([Ok(bookmark)]).chain(changed).boxed();
                }
                changed.boxed()
            }
        }
    }
}

impl ListerWatcher for Mutant {
    type Object = u64;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<u64>, SourceError> {
        let mut changed = options.clone();
        self.change_list_request(&mut changed);
        let parts: Vec<_> = self.source.list(changed).await?.collect().await;
        let mut answer = Vec::new();
        for part in parts {
            let part = part?;
            if let ListPart::Items(items) = &part
                && self.defect == Defect::BadObjectFailsTheList
                && items.iter().any(Result::is_err)
            {
                return Err(malformed());
            }
            answer.extend(self.change_part(&options, part).map(Ok));
        }
        Ok(stream::iter(answer).boxed())
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<u64>, SourceError> {
        let mut changed = options.clone();
        self.change_watch_request(&mut changed);
        let events = self.source.watch(changed).await?;
        Ok(self.change_events(&options, events))
    }

    fn supports_single_object(&self) -> bool {
        true
    }

    fn description(&self) -> String {
        format!("{:?}", self.defect)
    }
}

/// The uids that one watch saw of each object.
type Lives = BTreeMap<ObjectKey, Vec<Uid>>;

fn change_event(defect: Defect, event: Event, count: usize, lives: &mut Lives) -> Vec<EventItem> {
    match (defect, event) {
        (Defect::EventSkipped, _) if count == 3 => vec![],
        (Defect::EventTwice, WatchEvent::Modified(entry)) => {
            vec![
                Ok(WatchEvent::Modified(entry.clone())),
                Ok(WatchEvent::Modified(entry)),
            ]
        }
        (Defect::DeleteLost, WatchEvent::Deleted(_)) => vec![],
        (Defect::DeleteWithOldVersion, WatchEvent::Deleted(mut entry)) => {
            let version = entry.header.resource_version.as_decimal().unwrap();
            entry.header.resource_version = (version - 1).into();
            vec![Ok(WatchEvent::Deleted(entry))]
        }
        (Defect::DeleteWithOldState, WatchEvent::Deleted(mut entry)) => {
            entry.object = Arc::new(*entry.object - 1);
            vec![Ok(WatchEvent::Deleted(entry))]
        }
        (Defect::UidsReused, event) => vec![Ok(with_first_uid(event, lives))],
        (Defect::StateAsModified, WatchEvent::Added(entry)) => {
            vec![Ok(WatchEvent::Modified(entry))]
        }
        (
            Defect::EndMarkLost,
            WatchEvent::Bookmark {
                initial_events_end: true,
                ..
            },
        ) => vec![],
        (
            Defect::EndMarkTooOld,
            WatchEvent::Bookmark {
                initial_events_end: true,
                ..
            },
        ) => vec![Ok(bookmark(1, true))],
        (
            Defect::BookmarkRunsAhead,
            WatchEvent::Bookmark {
                resource_version, ..
            },
        ) => vec![Ok(bookmark(
            resource_version.as_decimal().unwrap() + 1,
            false,
        ))],
        (Defect::BookmarkGoesBack, WatchEvent::Bookmark { .. }) => vec![Ok(bookmark(1, false))],
        (_, event) => vec![Ok(event)],
    }
}

/// Gives every life of an object the uid of its first.
fn with_first_uid(event: Event, known: &mut Lives) -> Event {
    let mut same = |mut entry: Entry<u64>| {
        let lives = known.entry(entry.key().clone()).or_default();
        lives.push(entry.header.uid.clone());
        entry.header.uid = lives[0].clone();
        entry
    };
    match event {
        WatchEvent::Added(entry) => WatchEvent::Added(same(entry)),
        WatchEvent::Modified(entry) => WatchEvent::Modified(same(entry)),
        WatchEvent::Deleted(entry) => WatchEvent::Deleted(same(entry)),
        other => other,
    }
}

/// Every second event before the one it follows, where both are at hand together.
fn swap_pairs(events: WatchStream<u64>) -> WatchStream<u64> {
    let pairs = events.ready_chunks(2).map(|mut pair| {
        pair.reverse();
        stream::iter(pair)
    });
    pairs.flatten().boxed()
}

/// The end mark before the last object of the state.
fn mark_first(events: WatchStream<u64>) -> WatchStream<u64> {
    let changed = events.ready_chunks(100).map(|mut events| {
        let is_mark = |item: &EventItem| {
            matches!(
                item,
                Ok(WatchEvent::Bookmark {
                    initial_events_end: true,
                    ..
                })
            )
        };
        if let Some(mark) = events.iter().position(is_mark).filter(|mark| *mark > 0) {
            events.swap(mark - 1, mark);
        }
        stream::iter(events)
    });
    changed.flatten().boxed()
}

/// A stream that does not let go of its watch.
struct Leaky {
    events: Option<WatchStream<u64>>,
    leaked: Arc<Mutex<Vec<WatchStream<u64>>>>,
}

impl Leaky {
    fn into_stream(self) -> BoxStream<'static, EventItem> {
        stream::unfold(self, async |mut leaky| {
            let item = leaky.events.as_mut()?.next().await?;
            Some((item, leaky))
        })
        .boxed()
    }
}

impl Drop for Leaky {
    fn drop(&mut self) {
        self.leaked.lock().unwrap().extend(self.events.take());
    }
}

fn exactly(options: &mut ListOptions, version: u64) {
    options.resource_version = version.into();
    options.resource_version_match = Some(ResourceVersionMatch::Exact);
}

fn bookmark(version: u64, initial_events_end: bool) -> Event {
    WatchEvent::Bookmark {
        resource_version: version.into(),
        initial_events_end,
    }
}

fn version_of(event: &Event) -> Option<u64> {
    match event {
        WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => {
            entry.header.resource_version.as_decimal()
        }
        _ => None,
    }
}

fn malformed() -> SourceError {
    SourceError::Decode(DecodeError::Malformed {
        what: "list",
        offset: 0,
        reason: "an object does not decode".to_owned(),
    })
}

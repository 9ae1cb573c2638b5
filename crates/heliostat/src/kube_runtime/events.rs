//! `WatcherEvents`: what an informer tells, as the stream that `kube_runtime::watcher` gives.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt};
use heliostat_core::informer::Notification;
use heliostat_core::object::ObjectKey;
use kube_runtime::watcher::{self, Event};

use super::Shared;
use crate::Subscription;

/// What `subscription` gives, in the words of `kube_runtime::watcher`.
///
/// The options of the subscription stand: with [`HandlerOptions::coalescing`], say, only the newest
/// state of each object waits for a controller that is slow.
///
/// [`HandlerOptions::coalescing`]: crate::informer::HandlerOptions::coalescing
pub const fn watcher_events<K>(subscription: Subscription<K>) -> WatcherEvents<K>
where
    K: Send + Sync + 'static,
{
    WatcherEvents {
        subscription,
        translator: Translator::new(),
    }
}

/// An informer as a stream of [`Event`]s of `kube_runtime`: `Init`, an `InitApply` for each object
/// that was there, `InitDone`, and then `Apply` and `Delete`.
///
/// There is one `Init`, whatever happens to the mirror: what changed or vanished during a gap comes as
/// `Apply` and `Delete`. There are no errors: the mirror deals with them, and tells of them in its
/// status. The stream ends when the informer is stopped, and a `Controller` on top of it with it.
///
/// A resync comes as an `Apply` of the same object. Like the subscription, the stream keeps its mirror
/// running.
#[must_use = "a stream does nothing unless it is polled"]
pub struct WatcherEvents<K: Send + Sync + 'static> {
    subscription: Subscription<K>,
    translator: Translator<K>,
}

impl<K: Clone + Send + Sync + 'static> WatcherEvents<K> {
    /// The same with a copy of each object in the place of a [`Shared`] one: for reconcilers whose
    /// signature cannot change. The controller's store then holds every object a second time.
    pub fn cloned(self) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
        self.map(|result| result.map(|event| map_event(event, |object| K::clone(&object))))
    }
}

impl<K: Send + Sync + 'static> Stream for WatcherEvents<K> {
    type Item = watcher::Result<Event<Shared<K>>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.translator.poll_event() {
                return Poll::Ready(Some(Ok(event)));
            }
            match ready!(this.subscription.poll_next_unpin(context)) {
                Some(notification) => this.translator.handle_notification(notification),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<K: Send + Sync + 'static> fmt::Debug for WatcherEvents<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatcherEvents")
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

/// One notification as an event, by itself: what was there when the handler came is an `InitApply`,
/// and the word that this was all is `InitDone`.
///
/// No notification is `Init`, and `kube_runtime`'s store forgets an object that goes before `InitDone`
/// only after it; [`watcher_events`] sees to both.
#[must_use]
pub fn to_event<K>(notification: &Notification<K>) -> Event<Shared<K>> {
    match notification {
        Notification::Added {
            entry,
            is_in_initial_list: true,
        } => Event::InitApply(entry.into()),
        Notification::Added { entry, .. } | Notification::Updated { new: entry, .. } => {
            Event::Apply(entry.into())
        }
        Notification::Deleted { last, .. } => Event::Delete(last.into()),
        Notification::Synced => Event::InitDone,
    }
}

/// Turns notifications into events, in the order that `kube_runtime`'s store needs.
struct Translator<K> {
    phase: Phase<K>,
    waiting: VecDeque<Event<Shared<K>>>,
}

enum Phase<K> {
    /// Nothing has been told.
    Fresh,
    /// Between `Init` and `InitDone`, when there is no word for an object that goes. It is told as soon
    /// as there is.
    Initial(BTreeMap<ObjectKey, Shared<K>>),
    Live,
}

impl<K> Translator<K> {
    const fn new() -> Self {
        Self {
            phase: Phase::Fresh,
            waiting: VecDeque::new(),
        }
    }

    fn poll_event(&mut self) -> Option<Event<Shared<K>>> {
        if matches!(self.phase, Phase::Fresh) {
            self.phase = Phase::Initial(BTreeMap::new());
            return Some(Event::Init);
        }
        self.waiting.pop_front()
    }

    fn handle_notification(&mut self, notification: Notification<K>) {
        let Phase::Initial(gone) = &mut self.phase else {
            self.waiting.push_back(to_event(&notification));
            return;
        };
        match notification {
            Notification::Added { entry, .. } | Notification::Updated { new: entry, .. } => {
                gone.remove(entry.key());
                self.waiting.push_back(Event::InitApply((&entry).into()));
            }
            Notification::Deleted { last, .. } => {
                gone.insert(last.key().clone(), (&last).into());
            }
            Notification::Synced => {
                self.waiting.push_back(Event::InitDone);
                let gone = std::mem::take(gone).into_values();
                self.waiting.extend(gone.map(Event::Delete));
                self.phase = Phase::Live;
            }
        }
    }
}

fn map_event<A, B>(event: Event<A>, map: impl FnOnce(A) -> B) -> Event<B> {
    match event {
        Event::Apply(object) => Event::Apply(map(object)),
        Event::Delete(object) => Event::Delete(map(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(map(object)),
        Event::InitDone => Event::InitDone,
    }
}

#[cfg(test)]
mod tests {
    use heliostat_core::object::{Entry, Header, Uid};

    use super::*;

    fn entry(name: &str, version: u64) -> Entry<u64> {
        let header = Header {
            key: ObjectKey::cluster(name),
            resource_version: version.into(),
            uid: Uid::from("u"),
        };
        Entry::new(header, version)
    }

    fn words(notifications: impl IntoIterator<Item = Notification<u64>>) -> Vec<String> {
        let mut translator = Translator::new();
        let mut words = Vec::new();
        for notification in notifications {
            while let Some(event) = translator.poll_event() {
                words.push(event);
            }
            translator.handle_notification(notification);
        }
        words.extend(std::iter::from_fn(|| translator.poll_event()));
        let word = |event: Event<Shared<u64>>| match event {
            Event::Apply(object) => format!("apply {}", *object),
            Event::Delete(object) => format!("delete {}", *object),
            Event::Init => "init".to_owned(),
            Event::InitApply(object) => format!("initial {}", *object),
            Event::InitDone => "done".to_owned(),
        };
        words.into_iter().map(word).collect()
    }

    fn added(name: &str, version: u64, is_in_initial_list: bool) -> Notification<u64> {
        Notification::Added {
            entry: entry(name, version),
            is_in_initial_list,
        }
    }

    fn deleted(name: &str, version: u64) -> Notification<u64> {
        Notification::Deleted {
            last: entry(name, version),
            tombstone: false,
        }
    }

    #[test]
    fn the_initial_state_comes_between_its_marks_and_changes_after_them() {
        let told = [
            added("a", 1, true),
            added("b", 2, true),
            Notification::Synced,
            added("c", 3, false),
            Notification::Updated {
                old: entry("a", 1),
                new: entry("a", 4),
            },
            deleted("b", 5),
        ];
        assert_eq!(
            words(told),
            [
                "init",
                "initial 1",
                "initial 2",
                "done",
                "apply 3",
                "apply 4",
                "delete 5"
            ]
        );
    }

    #[test]
    fn an_empty_mirror_is_ready_at_once() {
        assert_eq!(words([Notification::Synced]), ["init", "done"]);
    }

    #[test]
    fn what_changes_before_all_is_told_is_part_of_the_initial_state() {
        let told = [
            added("a", 1, true),
            Notification::Updated {
                old: entry("a", 1),
                new: entry("a", 2),
            },
            added("b", 3, false),
            Notification::Synced,
        ];
        assert_eq!(
            words(told),
            ["init", "initial 1", "initial 2", "initial 3", "done"]
        );
    }

    #[test]
    fn an_object_that_goes_before_all_is_told_is_deleted_after_it() {
        let told = [
            added("a", 1, true),
            added("b", 2, true),
            deleted("a", 3),
            deleted("b", 4),
            added("b", 5, false),
            Notification::Synced,
        ];
        assert_eq!(
            words(told),
            [
                "init",
                "initial 1",
                "initial 2",
                "initial 5",
                "done",
                "delete 3"
            ]
        );
    }
}

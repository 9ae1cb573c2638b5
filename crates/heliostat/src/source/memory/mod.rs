//! A collection in process that behaves like an API server's: for tests of what stands on a mirror.
//!
//! [`Collection`] is the pure part: objects, revisions, an event window, pages and watches.
//! [`MemorySource`] is a handle that any number of reflectors, writers and tests can share; it
//! implements [`ListerWatcher`], records every request and takes faults for the requests to come.
//!
//! There is no task and no timer inside. Bookmarks, timeouts and restarts happen when the test says
//! so, which makes tests exact under tokio's paused time.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use heliostat::Reflector;
//! use heliostat::source::memory::MemorySource;
//!
//! let source = MemorySource::<String>::new();
//! let (reflector, store) = Reflector::with_indexer(source.clone());
//! let mirror = reflector.start();
//! mirror.wait_synced(Duration::from_secs(30)).await?;
//!
//! let sky = source.create("team/blue".parse()?, "sky".to_owned())?;
//! store.wait_for(&sky.header.resource_version).await?;
//! assert_eq!(*store.get(&"team/blue".parse()?).unwrap().object, "sky");
//!
//! // The server loses its history while the mirror is cut off: it has to list again.
//! source.close_watches();
//! source.delete(&"team/blue".parse()?)?;
//! source.expire();
//! store.wait_for(&source.revision().into()).await?;
//! assert!(store.is_empty());
//! # Ok(())
//! # }
//! ```

mod collection;
pub(crate) mod fault;
mod feed;
mod list;
mod refusal;
pub(crate) mod request;
mod state;
mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream, StreamExt};
use heliostat_core::error::SourceError;
use heliostat_core::event::{RejectionReason, WatchEvent};
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::options::{ListOptions, WatchOptions};

use crate::list_watch::{ListStream, ListerWatcher, WatchStream};

pub use collection::{Backup, Change, Collection, DEFAULT_WINDOW, FIRST_REVISION, WriteError};
pub use list::Page;
pub use watch::Opening;

use fault::{ListFault, WatchEnd, WatchFault, WatchListMode};
use feed::FeedItem;
use request::Request;
use state::{Filter, ListAnswer, State, WatchAnswer, WatchId};

/// A source in process. A clone is another handle to the same collection.
///
/// Versions and uids are given by the collection and stand in the entries' headers; the objects
/// themselves can be of any type.
///
/// `timeout_seconds` is recorded and otherwise ignored: a watch ends when
/// [`close_watches`](Self::close_watches) says so.
pub struct MemorySource<T> {
    shared: Arc<Shared<T>>,
    filter: Option<Filter<T>>,
    supports_watch_list: bool,
}

/// What tests wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Activity {
    requests: usize,
    open_watches: usize,
    is_settled: bool,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    activity: tokio::sync::watch::Sender<Activity>,
}

impl<T: Send + Sync + 'static> MemorySource<T> {
    /// An empty collection.
    #[must_use]
    pub fn new() -> Self {
        let state = State::new();
        let activity = tokio::sync::watch::Sender::new(state.activity());
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                activity,
            }),
            filter: None,
            supports_watch_list: true,
        }
    }

    /// Another handle that shows only the objects `selects` wants, as a selector does.
    ///
    /// A watch through it sees an object that comes into the selection as added and one that leaves
    /// it as deleted. `selects` runs while the collection is locked, so it must not use the source.
    #[must_use]
    pub fn filtered(&self, selects: impl Fn(&Entry<T>) -> bool + Send + Sync + 'static) -> Self {
        Self {
            filter: Some(Arc::new(selects)),
            ..self.clone()
        }
    }

    /// Another handle that says it knows no watch-lists, so that a reflector never asks for one.
    #[must_use]
    pub fn without_watch_list(&self) -> Self {
        Self {
            supports_watch_list: false,
            ..self.clone()
        }
    }

    /// Keeps the last `changes` changes; versions before them expire. [`DEFAULT_WINDOW`] by default.
    pub fn set_window(&self, changes: usize) {
        self.shared
            .with(|state| state.collection.set_window(changes));
    }
}

/// # Writing
impl<T: Send + Sync + 'static> MemorySource<T> {
    /// Creates an object.
    ///
    /// # Errors
    /// [`WriteError::AlreadyExists`] if the key is taken.
    pub fn create(
        &self,
        key: ObjectKey,
        object: impl Into<Arc<T>>,
    ) -> Result<Entry<T>, WriteError> {
        self.shared
            .with(|state| state.write(|collection| collection.create(key, object)))
    }

    /// Changes an object that is there.
    ///
    /// # Errors
    /// [`WriteError::NotFound`] if it is not.
    pub fn update(
        &self,
        key: ObjectKey,
        object: impl Into<Arc<T>>,
    ) -> Result<Entry<T>, WriteError> {
        self.shared
            .with(|state| state.write(|collection| collection.update(key, object)))
    }

    /// Creates the object, or changes it if it is there.
    pub fn apply(&self, key: ObjectKey, object: impl Into<Arc<T>>) -> Entry<T> {
        let written = self
            .shared
            .with(|state| state.write(|collection| Ok(collection.apply(key, object))));
        written.expect("an apply is never refused")
    }

    /// Deletes an object; gives its last state with the version of the deletion.
    ///
    /// # Errors
    /// [`WriteError::NotFound`] if there is nothing to delete.
    pub fn delete(&self, key: &ObjectKey) -> Result<Entry<T>, WriteError> {
        self.shared
            .with(|state| state.write(|collection| collection.delete(key)))
    }

    /// Makes these objects the whole collection: deletes the others, then applies each in turn. Every
    /// write has its own revision and is told to the watches.
    pub fn replace_all<O: Into<Arc<T>>>(&self, objects: impl IntoIterator<Item = (ObjectKey, O)>) {
        let objects: Vec<_> = objects.into_iter().collect();
        self.shared.with(|state| {
            let wanted: BTreeSet<&ObjectKey> = objects.iter().map(|(key, _)| key).collect();
            let present = state.collection.entries().map(Entry::key);
            let gone: Vec<ObjectKey> = present
                .filter(|key| !wanted.contains(key))
                .cloned()
                .collect();
            for key in &gone {
                let deleted = state.write(|collection| collection.delete(key));
                debug_assert!(deleted.is_ok(), "the key was there under the same lock");
            }
            for (key, object) in objects {
                let applied = state.write(|collection| Ok(collection.apply(key, object)));
                debug_assert!(applied.is_ok(), "an apply is never refused");
            }
        });
    }

    /// The object under this key.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Entry<T>> {
        self.shared.lock().collection.get(key).cloned()
    }

    /// All objects this handle shows, in the order of their keys.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry<T>> {
        let state = self.shared.lock();
        let shown = |entry: &&Entry<T>| self.filter.as_ref().is_none_or(|filter| filter(entry));
        state.collection.entries().filter(shown).cloned().collect()
    }

    /// The newest revision.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.shared.lock().collection.revision()
    }

    /// The oldest revision that a watch can start from.
    #[must_use]
    pub fn oldest_revision(&self) -> u64 {
        self.shared.lock().collection.oldest_revision()
    }
}

/// # What happens to servers
impl<T: Send + Sync + 'static> MemorySource<T> {
    /// Moves the revision on without a change, as a write to another kind does.
    pub fn advance(&self) -> u64 {
        self.shared.with(|state| state.collection.advance())
    }

    /// Sends a bookmark of the present revision to every open watch that allows bookmarks.
    pub fn bookmark(&self) {
        self.shared.with(State::send_bookmarks);
    }

    /// Lets every version told so far expire, by moving the revision on and forgetting the history:
    /// the next watch from any of them, and the next use of a continue token, gets a 410. Open watches
    /// go on.
    pub fn expire(&self) {
        self.shared.with(|state| state.collection.expire());
    }

    /// Ends every open watch after what it still has to deliver, as a server's timeout does.
    pub fn close_watches(&self) {
        self.end_watches(&WatchEnd::Close);
    }

    /// Ends every open watch in this way.
    pub fn end_watches(&self, end: &WatchEnd) {
        self.shared.with(|state| state.end_watches(end));
    }

    /// Breaks every watch at once, what it had not delivered being lost, and forgets the history: only
    /// a watch from the present revision is possible afterwards.
    pub fn restart(&self) {
        self.shared.with(State::restart);
    }

    /// A copy of the present state, to [restore](Self::restore) later.
    #[must_use]
    pub fn backup(&self) -> Backup<T> {
        self.shared.lock().collection.backup()
    }

    /// Restarts with an earlier state: revisions go back, and those after it are given anew to other
    /// changes. A watch from a revision not reached again yet is accepted and stays silent, as on a
    /// real server.
    pub fn restore(&self, backup: &Backup<T>) {
        self.shared.with(|state| {
            state.restart();
            state.collection.restore(backup);
        });
    }
}

/// # Faults
impl<T: Send + Sync + 'static> MemorySource<T> {
    /// Queues a fault for a list request; the requests after it are served again.
    pub fn on_next_list(&self, fault: ListFault<T>) {
        self.shared.with(|state| state.list_faults.push_back(fault));
    }

    /// Keeps a fault for the first request for this page; the first page is 1.
    pub fn on_page(&self, page: u32, fault: ListFault<T>) {
        self.shared
            .with(|state| state.page_faults.push((page, fault)));
    }

    /// Queues a fault for a watch request; the requests after it are served again.
    pub fn on_next_watch(&self, fault: WatchFault<T>) {
        self.shared
            .with(|state| state.watch_faults.push_back(fault));
    }

    /// Fails a list request with this error or `Status`.
    pub fn fail_next_list(&self, error: impl Into<SourceError>) {
        self.on_next_list(ListFault::Fail(error.into()));
    }

    /// Fails the first request for this page with this error or `Status`.
    pub fn fail_page(&self, page: u32, error: impl Into<SourceError>) {
        self.on_page(page, ListFault::Fail(error.into()));
    }

    /// Fails a watch request with this error or `Status`.
    pub fn fail_next_watch(&self, error: impl Into<SourceError>) {
        self.on_next_watch(WatchFault::Fail(error.into()));
    }

    /// How watches that ask for the initial events are treated from now on.
    pub fn set_watch_list_mode(&self, mode: WatchListMode) {
        self.shared.with(|state| state.watch_list_mode = mode);
    }

    /// Makes the object under this key undecodable, in lists and in events, until it is
    /// [accepted](Self::accept) again. Events already on their way to a watch stay as they are.
    pub fn reject(&self, key: ObjectKey) {
        self.reject_as(
            key,
            RejectionReason::Undecodable("rejected by the test".to_owned()),
        );
    }

    /// Rejects the object under this key for this reason.
    pub fn reject_as(&self, key: ObjectKey, reason: RejectionReason) {
        self.shared.with(|state| state.rejected.insert(key, reason));
    }

    /// Ends the rejection of a key.
    pub fn accept(&self, key: &ObjectKey) {
        self.shared.with(|state| state.rejected.remove(key));
    }

    /// Sends this event to every open watch, although nothing in the collection says so: an unknown
    /// type, an object without a version or with a wrong one, an untimely bookmark.
    pub fn send(&self, event: &WatchEvent<T>) {
        self.shared.with(|state| state.send(event));
    }
}

/// # Watching the requests
impl<T: Send + Sync + 'static> MemorySource<T> {
    /// Every request so far, in the order they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// How many watches are open: accepted, not ended and not given up.
    #[must_use]
    pub fn open_watches(&self) -> usize {
        self.shared.lock().activity().open_watches
    }

    /// Waits until `count` requests have come since the source was made; gives all of them.
    ///
    /// # Cancel safety
    /// Nothing is lost if this and the other `wait` methods are dropped.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        self.wait_for(|activity| activity.requests >= count).await;
        self.requests()
    }

    /// Waits until exactly `count` watches are open.
    pub async fn wait_for_open_watches(&self, count: usize) {
        self.wait_for(|activity| activity.open_watches == count)
            .await;
    }

    /// Waits until every watch has delivered all it had and its reader has come back for more, so that
    /// a reader that handles events one by one has handled them.
    pub async fn wait_until_settled(&self) {
        self.wait_for(|activity| activity.is_settled).await;
    }

    async fn wait_for(&self, is_reached: impl Fn(&Activity) -> bool) {
        let mut activity = self.shared.activity.subscribe();
        let reached = activity.wait_for(is_reached).await;
        debug_assert!(reached.is_ok(), "the sender lives in `self`");
    }
}

impl<T: Send + Sync + 'static> ListerWatcher for MemorySource<T> {
    type Object = T;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<T>, SourceError> {
        let answer = self.shared.with(|state| {
            state.requests.push(Request::List(options.clone()));
            state.answer_list(&options, self.filter.as_ref())
        })?;
        match answer {
            ListAnswer::Stall => std::future::pending().await,
            ListAnswer::Parts { parts, ends: true } => Ok(stream::iter(parts).boxed()),
            ListAnswer::Parts { parts, ends: false } => {
                Ok(stream::iter(parts).chain(stream::pending()).boxed())
            }
        }
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<T>, SourceError> {
        let answer = self.shared.with(|state| {
            state.requests.push(Request::Watch(options.clone()));
            state.answer_watch(&options, self.filter.as_ref())
        })?;
        match answer {
            WatchAnswer::Stall => std::future::pending().await,
            WatchAnswer::Open(id) => Ok(Events {
                shared: Arc::clone(&self.shared),
                id,
            }
            .boxed()),
        }
    }

    fn description(&self) -> String {
        "a collection in memory".to_owned()
    }

    fn supports_watch_list(&self) -> bool {
        self.supports_watch_list
    }

    fn supports_single_object(&self) -> bool {
        true
    }
}

impl<T: Send + Sync + 'static> Default for MemorySource<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for MemorySource<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            filter: self.filter.clone(),
            supports_watch_list: self.supports_watch_list,
        }
    }
}

impl<T> fmt::Debug for MemorySource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySource")
            .field("filtered", &self.filter.is_some())
            .field("supports_watch_list", &self.supports_watch_list)
            .finish_non_exhaustive()
    }
}

impl<T> Shared<T> {
    /// Does one step, then tells those who wait for its effects.
    fn with<R>(&self, step: impl FnOnce(&mut State<T>) -> R) -> R {
        let mut state = self.lock();
        let result = step(&mut state);
        let readers = state.take_readers();
        let now = state.activity();
        // Under the lock, so that an older activity never overwrites a newer one.
        self.activity
            .send_if_modified(|activity| std::mem::replace(activity, now) != now);
        drop(state);
        readers.into_iter().for_each(std::task::Waker::wake);
        result
    }

    /// A filter that panics fails its own test; the others that share the source go on.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of one watch. Dropping it gives the watch up.
struct Events<T> {
    shared: Arc<Shared<T>>,
    id: WatchId,
}

impl<T> Stream for Events<T> {
    type Item = FeedItem<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FeedItem<T>>> {
        self.shared.with(|state| match state.feed(self.id) {
            Some(feed) => feed.poll(context.waker()),
            None => Poll::Ready(None),
        })
    }
}

impl<T> Drop for Events<T> {
    fn drop(&mut self) {
        self.shared.with(|state| state.give_up(self.id));
    }
}

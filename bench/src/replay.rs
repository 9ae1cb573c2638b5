//! The prepared pods as a source, ours and the peer's: the first state, then, when told to begin,
//! every update as fast as it is taken.
//!
//! Both streams give their task's others a turn as often as a socket would: tokio's budget is asked
//! for every event.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::stream::{self, Stream, StreamExt};
use heliostat::source::{
    ListMetadata, ListOptions, ListPart, ListStream, WatchEvent, WatchOptions, WatchStream,
};
use heliostat::{Entry, ListerWatcher, ResourceVersion, SourceError};
use k8s_openapi::api::core::v1::Pod;
use kube_runtime::watcher;
use tokio::sync::Notify;
use tokio::task::coop;

use crate::data::LIST_VERSION;
use crate::prepared::entry;

type Updates<U> = Box<dyn Iterator<Item = U> + Send>;

/// What is replayed, once; the updates as the decoder of one side gives them.
pub(crate) struct Script<U> {
    first: Vec<Pod>,
    updates: Updates<U>,
}

impl<U: Send + 'static> Script<U> {
    pub(crate) fn new(first: Vec<Pod>, updates: impl Iterator<Item = U> + Send + 'static) -> Self {
        Self {
            first,
            updates: Box::new(updates),
        }
    }
}

impl Script<Pod> {
    /// The peer's events. The stream ends with the last update.
    pub(crate) fn events(
        self,
        begin: Arc<Notify>,
    ) -> impl Stream<Item = watcher::Result<watcher::Event<Pod>>> + Send {
        let first = self.first.into_iter().map(watcher::Event::InitApply);
        stream::iter(std::iter::once(watcher::Event::Init).chain(first))
            .chain(stream::iter([watcher::Event::InitDone]))
            .chain(after(begin, self.updates).map(watcher::Event::Apply))
            .map(Ok)
    }
}

/// A source of this project that replays a script.
pub(crate) struct Replay {
    first: Mutex<Vec<Pod>>,
    /// None once they are being watched.
    updates: Mutex<Option<Updates<Entry<Pod>>>>,
    begin: Arc<Notify>,
}

impl Replay {
    pub(crate) fn new(script: Script<Entry<Pod>>, begin: Arc<Notify>) -> Self {
        Self {
            first: Mutex::new(script.first),
            updates: Mutex::new(Some(script.updates)),
            begin,
        }
    }
}

impl ListerWatcher for Replay {
    type Object = Pod;
    type Error = SourceError;

    async fn list(&self, _options: ListOptions) -> Result<ListStream<Pod>, SourceError> {
        let first = std::mem::take(&mut *self.first.lock().unwrap_or_else(PoisonError::into_inner));
        let items = first.into_iter().map(entry).map(Ok).collect();
        let metadata = ListMetadata {
            resource_version: ResourceVersion::from(LIST_VERSION),
            ..ListMetadata::default()
        };
        let parts = [ListPart::Metadata(metadata), ListPart::Items(items)];
        Ok(stream::iter(parts.map(Ok)).boxed())
    }

    async fn watch(&self, _options: WatchOptions) -> Result<WatchStream<Pod>, SourceError> {
        let mut updates = self.updates.lock().unwrap_or_else(PoisonError::into_inner);
        let updates = updates
            .take()
            .ok_or_else(|| SourceError::Request("the script has been replayed already".into()))?;
        let events = after(Arc::clone(&self.begin), updates)
            .map(|update| Ok(WatchEvent::Modified(update)))
            // A watch stays open.
            .chain(stream::pending());
        Ok(events.boxed())
    }

    fn description(&self) -> String {
        "replayed pods".to_owned()
    }

    fn supports_watch_list(&self) -> bool {
        false
    }
}

/// The updates, from the start signal on.
fn after<U: Send + 'static>(
    begin: Arc<Notify>,
    updates: Updates<U>,
) -> impl Stream<Item = U> + Send {
    stream::once(async move {
        begin.notified().await;
        InTurn(updates)
    })
    .flatten()
}

/// An iterator as a stream that takes part in the runtime's cooperation.
struct InTurn<I>(I);

impl<I: Iterator + Unpin> Stream for InTurn<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let turn = ready!(coop::poll_proceed(context));
        turn.made_progress();
        Poll::Ready(self.0.next())
    }
}

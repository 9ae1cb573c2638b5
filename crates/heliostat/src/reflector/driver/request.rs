//! The request under way, as one stream of signals.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use heliostat_core::error::SourceError;
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::reflector::AttemptId;

use crate::contain::panic_message;
use crate::list_watch::ListerWatcher;

/// The request under way: the machine has one at a time.
pub(super) struct Request<T> {
    pub(super) attempt: AttemptId,
    pub(super) signals: BoxStream<'static, Signal<T>>,
}

/// What comes of a request.
pub(super) enum Signal<T> {
    Part(ListPart<T>),
    ListEnded,
    Opened,
    Event(WatchEvent<T>),
    WatchEnded,
    Failed(SourceError),
}

impl<T: Send + 'static> Request<T> {
    /// Asks for a page.
    pub(super) fn list<S: ListerWatcher<Object = T>>(
        source: &Arc<S>,
        attempt: AttemptId,
        options: ListOptions,
    ) -> Self {
        let source = Arc::clone(source);
        let signals = stream::once(async move { source.list(options).await.map_err(Into::into) })
            .try_flatten()
            .map(|part| part.map_or_else(Signal::Failed, Signal::Part))
            .chain(stream::once(async { Signal::ListEnded }))
            .boxed();
        Self::contained(attempt, signals)
    }

    /// The source and its codec are code of the user's: a panic there is a failure of the request.
    fn contained(attempt: AttemptId, signals: BoxStream<'static, Signal<T>>) -> Self {
        let failed = |panic: Box<dyn std::any::Any + Send>| {
            let message = format!("the source {}", panic_message(&*panic));
            Signal::Failed(SourceError::Request(message.into()))
        };
        let signals = AssertUnwindSafe(signals)
            .catch_unwind()
            .map(move |signal| signal.unwrap_or_else(failed))
            .boxed();
        Self { attempt, signals }
    }

    /// Opens a watch.
    pub(super) fn watch<S: ListerWatcher<Object = T>>(
        source: &Arc<S>,
        attempt: AttemptId,
        options: WatchOptions,
    ) -> Self {
        let source = Arc::clone(source);
        let signals = stream::once(async move { source.watch(options).await.map_err(Into::into) })
            .map_ok(|events| {
                let opened = stream::once(async { Ok(Signal::Opened) });
                opened.chain(events.map_ok(Signal::Event))
            })
            .try_flatten()
            .map(|signal: Result<_, SourceError>| signal.unwrap_or_else(Signal::Failed))
            .chain(stream::once(async { Signal::WatchEnded }))
            .boxed();
        Self::contained(attempt, signals)
    }
}

/// The next signal of the request under way; never, if there is none.
///
/// # Cancel safety
/// Cancel safe: nothing is taken from the stream before it is given back.
pub(super) async fn next_signal<T>(request: &mut Option<Request<T>>) -> Signal<T> {
    match request {
        Some(request) => request.signals.next().await.unwrap_or(Signal::WatchEnded),
        None => std::future::pending().await,
    }
}

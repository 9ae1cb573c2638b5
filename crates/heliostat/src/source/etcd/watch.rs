//! Watches: one stream for each, from the revision after a version.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use heliostat_core::error::SourceError;
use heliostat_core::event::WatchEvent;
use heliostat_core::status::Status;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::assembly::{Assembly, Said};
use super::cluster::{Answered, Cluster, Unanswered};
use super::decode::Reader;
use super::failure::{Failure, Remedy, cancelled, expired, other_cluster, refusal};
use super::followed::Followed;
use super::grpc::{Endpoint, Token, WatchCall};
use super::message::{
    Event, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse, signed,
};
use super::progress::{Asking, Due, answers_progress_requests};
use crate::list_watch::WatchStream;

/// What is watched, and how.
#[derive(Clone, Debug)]
pub(super) struct WatchQuestion {
    pub(super) first: Bytes,
    pub(super) end: Bytes,
    /// Events after this revision.
    pub(super) after: u64,
    pub(super) timeout: Option<Duration>,
    pub(super) allow_bookmarks: bool,
    pub(super) progress_interval: Option<Duration>,
}

/// An open watch.
pub(super) struct Watching<T> {
    cluster: Cluster,
    what: Arc<str>,
    endpoint: Endpoint,
    token: Option<Token>,
    call: WatchCall,
    assembly: Assembly,
    reader: Reader<T>,
    /// Whole revisions that are not delivered yet.
    ready: VecDeque<Ready>,
    /// The revision of which some events are delivered and others are not.
    within: Option<u64>,
    followed: Arc<Followed>,
    allow_bookmarks: bool,
    /// True if the server answers requests for progress.
    can_be_asked: bool,
    asking: Asking,
    /// Number of demands for progress so far.
    demand: watch::Receiver<u64>,
    end: Option<Instant>,
    is_over: bool,
}

/// What is to be delivered.
enum Ready {
    /// An event of a revision, and whether it is the last one.
    Event(Box<Event>, u64, Position),
    Bookmark(u64),
    /// A revision that is too large to be held.
    TooLarge(u64),
    Compacted(u64),
    Cancelled(String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Position {
    Inner,
    Last,
}

/// What happens first.
enum Happened {
    Response(Option<Result<WatchResponse, tonic::Status>>),
    End,
    ProgressDue,
    ProgressDemanded,
}

/// A watch that an endpoint has accepted.
struct Accepted {
    call: WatchCall,
    token: Option<Token>,
    cluster_id: Option<u64>,
    /// The server's version, if it was asked for.
    version: Option<String>,
}

impl<T: Send + Sync + 'static> Watching<T> {
    /// Opens a watch at the first endpoint that accepts it.
    pub(super) async fn open(
        cluster: &Cluster,
        what: &Arc<str>,
        question: WatchQuestion,
        reader: Reader<T>,
        followed: &Arc<Followed>,
        mut demand: watch::Receiver<u64>,
    ) -> Result<Self, SourceError> {
        // A demand that was made between two watches is for this one.
        if followed.has_demand(*demand.borrow()) {
            demand.mark_changed();
        }
        let start = followed.start_after(question.after);
        let create = question.create(start);
        let asks = question.allow_bookmarks;
        let opened = cluster.ask(what, |endpoint, token| {
            accept(endpoint, token, create.clone(), asks)
        });
        let Answered { endpoint, answer } = opened.await.map_err(Unanswered::into_watch_error)?;
        let Accepted {
            call,
            token,
            cluster_id,
            version,
        } = answer;
        follow(followed, what, &endpoint, cluster_id).map_err(|status| *status)?;
        let can_be_asked = asks && can_be_asked(&endpoint, version.as_deref());
        let interval = question.progress_interval.filter(|_| can_be_asked);
        Ok(Self {
            cluster: cluster.clone(),
            what: Arc::clone(what),
            endpoint,
            token,
            call,
            assembly: Assembly::new(start),
            reader,
            ready: VecDeque::new(),
            within: None,
            followed: Arc::clone(followed),
            allow_bookmarks: question.allow_bookmarks,
            can_be_asked,
            asking: Asking::new(interval),
            demand,
            end: question
                .timeout
                .and_then(|timeout| Instant::now().checked_add(timeout)),
            is_over: false,
        })
    }

    pub(super) fn into_stream(self) -> WatchStream<T> {
        stream::unfold(self, |mut watching| async move {
            let event = watching.next().await?;
            Some((event, watching))
        })
        .fuse()
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<WatchEvent<T>, SourceError>> {
        while !self.is_over {
            if let Some(ready) = self.ready.pop_front() {
                match self.deliver(ready) {
                    Some(delivered) => return Some(delivered),
                    None => continue,
                }
            }
            match self.happens().await {
                Happened::Response(Some(Ok(response))) => {
                    if let Some(event) = self.receive(response) {
                        return Some(event);
                    }
                }
                Happened::Response(Some(Err(status))) => {
                    self.is_over = true;
                    return Some(Err(self.broken(status)));
                }
                Happened::Response(None) => {
                    self.is_over = true;
                    let status = tonic::Status::unavailable("the server ended the stream");
                    return Some(Err(self.broken(status)));
                }
                Happened::End => self.is_over = true,
                Happened::ProgressDemanded => {
                    self.followed.note_demand(*self.demand.borrow());
                    self.ask_for_progress();
                }
                Happened::ProgressDue => match self.asking.elapsed() {
                    Due::Ask => self.ask_for_progress(),
                    Due::GiveUp => self.say_that_progress_is_swallowed(),
                },
            }
        }
        None
    }

    async fn happens(&mut self) -> Happened {
        let (end, due) = (self.end, self.asking.due());
        let can_be_asked = self.can_be_asked;
        tokio::select! {
            // The end comes first, so that a busy watch ends in time; everything that has come is delivered.
            biased;
            () = until(end) => Happened::End,
            response = self.call.responses.next() => Happened::Response(response),
            Ok(()) = self.demand.changed(), if can_be_asked => Happened::ProgressDemanded,
            () = until(due) => Happened::ProgressDue,
        }
    }

    fn receive(&mut self, response: WatchResponse) -> Option<Result<WatchEvent<T>, SourceError>> {
        self.asking.heard();
        let cluster_id = response.cluster_id();
        if let Err(status) = follow(&self.followed, &self.what, &self.endpoint, cluster_id) {
            self.is_over = true;
            return Some(Ok(WatchEvent::Error(*status)));
        }
        let ready = &mut self.ready;
        let allow_bookmarks = self.allow_bookmarks;
        self.assembly.take(response, |said| match said {
            Said::Revision(revision, events) => {
                let last = events.len().saturating_sub(1);
                for (index, event) in events.into_iter().enumerate() {
                    let position = match index == last {
                        true => Position::Last,
                        false => Position::Inner,
                    };
                    ready.push_back(Ready::Event(Box::new(event), revision, position));
                }
            }
            Said::Progress(revision) if allow_bookmarks => {
                ready.push_back(Ready::Bookmark(revision));
            }
            Said::Progress(_) => {}
            Said::TooLarge(revision) => ready.push_back(Ready::TooLarge(revision)),
            Said::Compacted(oldest) => ready.push_back(Ready::Compacted(oldest)),
            Said::Cancelled(reason) => ready.push_back(Ready::Cancelled(reason)),
        });
        None
    }

    fn deliver(&mut self, ready: Ready) -> Option<Result<WatchEvent<T>, SourceError>> {
        match ready {
            Ready::Event(event, revision, position) => {
                let event = self.reader.event(&event);
                self.within = (position == Position::Inner).then_some(revision);
                self.is_over = event.is_err();
                event.transpose()
            }
            Ready::Bookmark(revision) => Some(Ok(WatchEvent::Bookmark {
                resource_version: revision.into(),
                initial_events_end: false,
            })),
            // The state after it can be listed, page by page.
            Ready::TooLarge(revision) => {
                self.is_over = true;
                let (what, url) = (&self.what, &self.endpoint.url);
                let message =
                    format!("{what} at {url}: the events of revision {revision} are too large");
                Some(Ok(WatchEvent::Error(expired(message))))
            }
            Ready::Compacted(oldest) => {
                self.is_over = true;
                let (what, url) = (&self.what, &self.endpoint.url);
                let message = format!(
                    "{what} at {url}: the revision is compacted; the oldest that is left is {oldest}"
                );
                Some(Ok(WatchEvent::Error(expired(message))))
            }
            Ready::Cancelled(reason) => {
                self.is_over = true;
                Some(Err(self.broken(cancelled(&reason))))
            }
        }
    }

    /// The error with which the stream ends. Another endpoint may go on where this one ended.
    fn broken(&self, status: tonic::Status) -> SourceError {
        let failure = Failure::new(&self.endpoint.url, &self.what, status);
        match failure.remedy() {
            Remedy::OtherEndpoint => {
                self.cluster.leave(&self.endpoint);
                failure.into_transport_error()
            }
            Remedy::NewToken => {
                self.cluster.drop_token(self.token.as_ref());
                failure.into_transport_error()
            }
            Remedy::SmallerPage | Remedy::None => failure.into_error(),
        }
    }

    fn ask_for_progress(&self) {
        let progress = WatchRequest {
            progress: Some(WatchProgressRequest {}),
            ..WatchRequest::default()
        };
        // One that cannot be sent follows requests that are on their way.
        let _ = self.call.requests.try_send(progress);
    }

    fn say_that_progress_is_swallowed(&self) {
        tracing::warn!(
            endpoint = %self.endpoint.url,
            "{}: progress requests are not answered, as by a gRPC proxy: a watch that is silent for long may \
             have to list again; name the members themselves as endpoints",
            self.what
        );
    }
}

/// A watch that is given up in the middle of a revision must begin with all of it the next time.
impl<T> Drop for Watching<T> {
    fn drop(&mut self) {
        if let Some(revision) = self.within {
            self.followed.cut(revision);
        }
    }
}

impl WatchQuestion {
    fn create(&self, start: u64) -> WatchRequest {
        let create = WatchCreateRequest {
            key: self.first.clone(),
            range_end: self.end.clone(),
            start_revision: signed(start),
            progress_notify: self.allow_bookmarks,
            prev_kv: true,
            fragment: true,
        };
        WatchRequest {
            create: Some(create),
            progress: None,
        }
    }
}

async fn accept(
    endpoint: Endpoint,
    token: Option<Token>,
    create: WatchRequest,
    asks_version: bool,
) -> Result<Accepted, tonic::Status> {
    let mut call = endpoint.watch(token.clone(), create).await?;
    let ended = || tonic::Status::unavailable("the server ended the stream");
    let response = endpoint.answer(&mut call).await?.ok_or_else(ended)?;
    if response.canceled {
        return Err(refusal(&response));
    }
    let version = match asks_version {
        // A server that does not say its version is taken for one that cannot be asked.
        true => endpoint.version(token.clone()).await.ok(),
        false => None,
    };
    Ok(Accepted {
        call,
        token,
        cluster_id: response.cluster_id(),
        version,
    })
}

fn can_be_asked(endpoint: &Endpoint, version: Option<&str>) -> bool {
    let can = version.is_some_and(answers_progress_requests);
    if !can {
        tracing::info!(
            endpoint = %endpoint.url,
            version = version.unwrap_or("unknown"),
            "this etcd cannot be asked for the progress of a watch (3.4.31 and 3.5.13 can): doing without"
        );
    }
    can
}

/// Fails if another cluster answers than the one that the source follows. A response without a name, such
/// as a gRPC proxy makes for the second watch of a range, is of the cluster that is followed.
fn follow(
    followed: &Followed,
    what: &str,
    endpoint: &Endpoint,
    cluster_id: Option<u64>,
) -> Result<(), Box<Status>> {
    let Some(cluster_id) = cluster_id else {
        return Ok(());
    };
    followed.follow(cluster_id).map_err(|before| {
        Box::new(other_cluster(
            &format!("{what} at {}", endpoint.url),
            before,
            cluster_id,
        ))
    })
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

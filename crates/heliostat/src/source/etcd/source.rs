//! `EtcdSource`: the keys under a prefix as a source of objects.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use heliostat_core::error::SourceError;
use heliostat_core::event::{ListMetadata, ListPart, RejectionReason, WatchEvent};
use heliostat_core::options::{ListOptions, ResourceVersionMatch, WatchOptions};
use heliostat_core::raw::{Encoding, RawObject};
use heliostat_core::status::Status;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::cluster::Cluster;
use super::decode::{Decode, DecoderMaker, KeyValue, PlainDecoder, Reader, Undecoded};
use super::document::document;
use super::failure::other_cluster;
use super::followed::Followed;
use super::keys::{Keys, Prefix};
use super::list::{Listing, Question, Wanted};
use super::progress::PROGRESS_INTERVAL;
use super::token::ContinueToken;
use super::watch::{WatchQuestion, Watching};
use super::window::{is_compacted, oldest_revision};
use crate::list_watch::{ListStream, ListerWatcher, WatchStream};
use crate::source::decode_thread::{DecodeThread, Lane};

/// The keys of an etcd that begin with a prefix, as objects.
///
/// | `T` | what it is | made by |
/// |---|---|---|
/// | `Vec<u8>` | the values | [`bytes`](Self::bytes) |
/// | `String` | the values, as text | [`text`](Self::text) |
/// | what serde reads | the values, from JSON | [`json`](Self::json) |
/// | [`RawObject`] | key, value and revisions as a document | [`documents`](Self::documents) |
/// | anything | what a function of yours makes of key and value | [`decoded_with`](Self::decoded_with) |
///
/// An object is called what follows the prefix: with the prefix `/services/` the key `/services/web/1` is
/// the object `web/1`, in the namespace `web`. Its version is the revision at which it was written, its
/// uid the revision at which the key was created.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use heliostat::Reflector;
/// use heliostat::source::etcd::{Connection, EtcdSource};
///
/// let cluster = Connection::from_env()?.connect().await?;
/// let (reflector, addresses) = Reflector::with_indexer(EtcdSource::text(&cluster, "/services/"));
/// let mirror = reflector.start();
/// mirror.wait_synced(Duration::from_secs(30)).await?;
/// for entry in addresses.in_namespace("web") {
///     println!("{} is at {}", entry.key(), *entry.object);
/// }
/// # Ok(())
/// # }
/// ```
pub struct EtcdSource<T> {
    cluster: Cluster,
    keys: Keys,
    make: DecoderMaker<T>,
    followed: Arc<Followed>,
    /// Counts demands for progress.
    demand: Arc<watch::Sender<u64>>,
    received: Arc<AtomicU64>,
    progress_interval: Option<Duration>,
    window: Window,
    thread: DecodeThread,
}

/// Where a mirror begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Window {
    /// At the present state.
    Present,
    /// At the oldest state that is left.
    Oldest,
}

/// How often the oldest state is looked for again when it is compacted meanwhile. Compactions come minutes
/// apart.
const OLDEST_TRIES: u32 = 5;

impl EtcdSource<Vec<u8>> {
    /// The values as they are.
    #[must_use]
    pub fn bytes(cluster: &Cluster, prefix: impl AsRef<[u8]>) -> Self {
        Self::plain(cluster, prefix, |pair| Ok(pair.value.to_vec()))
    }
}

impl EtcdSource<String> {
    /// The values as text. A value that is no UTF-8 is rejected; one that kube-apiserver encrypted makes
    /// every request fail.
    #[must_use]
    pub fn text(cluster: &Cluster, prefix: impl AsRef<[u8]>) -> Self {
        Self::plain(cluster, prefix, |pair| {
            let text = str::from_utf8(readable(pair.value)?);
            text.map(str::to_owned).map_err(|error| rejected(&error))
        })
    }
}

impl EtcdSource<RawObject> {
    /// Key, value and revisions as a document in JSON, with the metadata that a Kubernetes object has:
    /// what the program `heliostat` prints. A value that is JSON is in the document as it is, another
    /// text as a string, and bytes that are no text in base64, as `valueBase64`. A value that kube-apiserver
    /// encrypted makes every request fail; a [`Registry`](super::Registry) decrypts it.
    #[must_use]
    pub fn documents(cluster: &Cluster, prefix: impl AsRef<[u8]>) -> Self {
        let prefix = Prefix::new(prefix);
        let names = prefix.clone();
        Self::new(
            cluster,
            Keys::Prefix(prefix),
            plain(move |pair| {
                let name = names.object_key(pair.key);
                let name = name.ok_or_else(|| rejected("the key is not under the prefix"))?;
                readable(pair.value)?;
                let document = document(&name, &pair).into_bytes();
                Ok(RawObject::new(Encoding::Json, None, document.into()))
            }),
        )
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> EtcdSource<T> {
    /// What serde reads from the values, which are JSON. A value that it cannot read is rejected.
    #[must_use]
    pub fn json(cluster: &Cluster, prefix: impl AsRef<[u8]>) -> Self {
        Self::decoded_with(cluster, prefix, |pair| serde_json::from_slice(pair.value))
    }
}

impl<T: Send + Sync + 'static> EtcdSource<T> {
    /// What `decode` makes of keys and values. An object for which it fails is rejected, with the error
    /// as the reason.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use heliostat::source::etcd::{Connection, EtcdSource};
    ///
    /// let cluster = Connection::new().connect().await?;
    /// let ports = EtcdSource::decoded_with(&cluster, "/ports/", |pair| {
    ///     String::from_utf8_lossy(pair.value).parse::<u16>()
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn decoded_with<E: fmt::Display>(
        cluster: &Cluster,
        prefix: impl AsRef<[u8]>,
        decode: impl Fn(KeyValue<'_>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        Self::plain(cluster, prefix, move |pair| {
            decode(pair).map_err(|error| rejected(&error))
        })
    }

    fn plain(
        cluster: &Cluster,
        prefix: impl AsRef<[u8]>,
        decode: impl Fn(KeyValue<'_>) -> Result<T, Undecoded> + Send + Sync + 'static,
    ) -> Self {
        Self::new(cluster, Keys::Prefix(Prefix::new(prefix)), plain(decode))
    }

    pub(super) fn new(cluster: &Cluster, keys: Keys, make: DecoderMaker<T>) -> Self {
        Self {
            cluster: cluster.clone(),
            keys,
            make,
            followed: Arc::default(),
            demand: Arc::default(),
            received: Arc::default(),
            progress_interval: Some(PROGRESS_INTERVAL),
            window: Window::Present,
            thread: DecodeThread::next(),
        }
    }

    /// The same keys, decoded by what `wrap` makes of the decoder.
    pub(super) fn decoded_by<U: Send + Sync + 'static>(
        self,
        wrap: impl Fn(Box<dyn Decode<T>>) -> Box<dyn Decode<U>> + Send + Sync + 'static,
    ) -> EtcdSource<U> {
        let make = self.make;
        EtcdSource {
            cluster: self.cluster,
            keys: self.keys,
            make: Arc::new(move || wrap(make())),
            followed: Arc::default(),
            demand: self.demand,
            received: Arc::default(),
            progress_interval: self.progress_interval,
            window: self.window,
            thread: self.thread.clone(),
        }
    }

    /// Begins at the oldest state that etcd has, from which the watch replays all changes up to the present:
    /// a consumer gets a history that is older than itself. The history is what was not compacted; with
    /// kube-apiserver that is the last five to ten minutes. Relists after a gap list the present state.
    #[must_use]
    pub const fn with_history(mut self) -> Self {
        self.window = Window::Oldest;
        self
    }

    /// Bytes of the keys and values that this source and its clones have received.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// How often a watch without events asks how far it is, so that its version follows the cluster's.
    /// Default 10 s, at least 100 ms, at most 1 h. `None` waits for what the server sends by itself, by
    /// default every ten minutes, and for what is [requested](Self::request_progress).
    ///
    /// A server that cannot be asked (etcd before 3.4.31 and 3.5.13, a gRPC proxy) is noticed.
    #[must_use]
    pub const fn progress_interval(mut self, interval: Option<Duration>) -> Self {
        self.progress_interval = interval;
        self
    }

    /// Asks now how far an open watch is; between two watches, the next one. The answer is a bookmark,
    /// once the watch has delivered everything before it.
    pub fn request_progress(&self) {
        self.demand.send_modify(|demands| *demands += 1);
    }

    /// The endpoints.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn reader(&self) -> Reader<T> {
        Reader {
            keys: self.keys.clone(),
            decoder: (self.make)(),
            received: Arc::clone(&self.received),
        }
    }

    /// The decoder of a list, beside the runtime.
    fn lane<R: Send + 'static>(&self) -> Lane<Reader<T>, R> {
        self.thread.lane(self.reader())
    }

    fn what(&self, verb: &str) -> Arc<str> {
        Arc::from(format!("{verb} {}", self.keys.text()))
    }

    /// The request for a page; none if there can be no object of the key that is asked for.
    fn question(&self, options: &ListOptions) -> Result<Option<Question>, SourceError> {
        let version = &options.resource_version;
        let asked = match version.as_decimal() {
            Some(asked) => asked,
            None if version.is_unset() => 0,
            None => return Err(bad_request(format!("the version {version} is no revision"))),
        };
        // As from a watch cache: a list of any state comes whole.
        let limit = options
            .limit
            .filter(|limit| *limit > 0 && !version.is_any());
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let (first, end) = self.keys.range();
        let mut question = Question {
            first,
            end,
            limit,
            state: match options.resource_version_match {
                Some(ResourceVersionMatch::Exact) if asked > 0 => Wanted::Exactly(asked),
                _ => Wanted::NotOlderThan(asked),
            },
        };
        if let Some(token) = &options.continue_token {
            let Some(token) = ContinueToken::parse(token) else {
                return Err(bad_request(
                    "the continue token is none of this source".to_owned(),
                ));
            };
            question.first = token.key;
            question.state = Wanted::Pinned(token.pin);
        }
        if let Some(object) = &options.object {
            let Some(key) = self.keys.etcd_key(object) else {
                return Ok(None);
            };
            question.first = key;
            question.end = bytes::Bytes::new();
        }
        Ok(Some(question))
    }

    async fn open_list(&self, options: &ListOptions) -> Result<Listing<T>, SourceError> {
        let what = self.what("listing");
        let question = match self.question(options)? {
            Some(question) => question,
            // No key has such a name. The version is asked for all the same.
            None => self.nothing(),
        };
        let is_whole = options.object.is_none() && options.continue_token.is_none();
        let is_first = is_whole && !options.resource_version.is_real() && options.limit != Some(1);
        let listing = match self.window {
            Window::Oldest if is_first && !self.followed.has_begun() => {
                self.open_oldest(&what, question).await?
            }
            Window::Oldest | Window::Present => {
                Listing::open(&self.cluster, &what, question, self.lane()).await?
            }
        };
        // A list may be the proof of the history before a watch, so it is refused as a watch is.
        let cluster_id = listing.pin().cluster_id;
        match self.followed.follow(cluster_id) {
            Ok(()) => Ok(listing),
            Err(before) => Err(other_cluster(&what, before, cluster_id).into()),
        }
    }

    /// The parts of a list. The mirror has begun with the last one: a list that fails before begins again
    /// with the oldest state.
    fn parts(&self, listing: Listing<T>, options: &ListOptions) -> ListStream<T> {
        if options.object.is_some() || options.limit == Some(1) {
            return listing.into_stream();
        }
        let followed = Arc::clone(&self.followed);
        let note = move |part: &Result<ListPart<T>, SourceError>| {
            if let Ok(ListPart::Metadata(metadata)) = part
                && metadata.continue_token.is_none()
            {
                followed.begin();
            }
        };
        listing.into_stream().inspect(note).boxed()
    }

    /// The list of the oldest state. If that is compacted before it is listed, there is a newer one.
    async fn open_oldest(
        &self,
        what: &Arc<str>,
        mut question: Question,
    ) -> Result<Listing<T>, SourceError> {
        let mut tries = 0;
        loop {
            let (first, end) = (&question.first, &question.end);
            let oldest = oldest_revision(&self.cluster, what, first, end).await?;
            question.state = Wanted::Exactly(oldest);
            let question = question.clone();
            match Listing::open(&self.cluster, what, question, self.lane()).await {
                Err(error) if is_compacted(&error) && tries < OLDEST_TRIES => tries += 1,
                listed => return listed,
            }
        }
    }

    fn nothing(&self) -> Question {
        let (first, end) = self.keys.empty_range();
        Question {
            first,
            end,
            state: Wanted::NotOlderThan(0),
            limit: None,
        }
    }

    async fn open_watch(
        &self,
        options: &WatchOptions,
        after: u64,
    ) -> Result<WatchStream<T>, SourceError> {
        let (first, end) = self.keys.range();
        let question = WatchQuestion {
            first,
            end,
            after,
            timeout: options
                .timeout_seconds
                .map(|seconds| Duration::from_secs(u64::from(seconds))),
            allow_bookmarks: options.allow_bookmarks,
            progress_interval: self.progress_interval,
        };
        let what = self.what("watching");
        let (cluster, reader) = (&self.cluster, self.reader());
        let watching = Watching::open(
            cluster,
            &what,
            question,
            reader,
            &self.followed,
            self.demand.subscribe(),
        );
        Ok(watching.await?.into_stream())
    }

    /// The present state as events, then what changes after it.
    async fn watch_from_state(&self, options: WatchOptions) -> Result<WatchStream<T>, SourceError> {
        let list = ListOptions {
            resource_version: options.resource_version.clone(),
            ..ListOptions::default()
        };
        let listing = self.open_list(&list).await?;
        let revision = listing.pin().revision;
        let has_mark = options.send_initial_events && options.allow_bookmarks;
        let state = self.parts(listing, &list).map(move |part| match part {
            Ok(part) => stream::iter(events(part, has_mark)).map(Ok).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        });
        let source = Self {
            followed: Arc::clone(&self.followed),
            ..self.clone()
        };
        let changes = stream::once(async move { source.open_watch(&options, revision).await });
        Ok(until_error(
            state.flatten().chain(changes.try_flatten()).boxed(),
        ))
    }
}

impl<T: Send + Sync + 'static> ListerWatcher for EtcdSource<T> {
    type Object = T;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<T>, SourceError> {
        let listing = self.open_list(&options).await?;
        Ok(self.parts(listing, &options))
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<T>, SourceError> {
        let version = &options.resource_version;
        if options.send_initial_events || !version.is_real() {
            return self.watch_from_state(options).await;
        }
        match version.as_decimal() {
            Some(after) => self.open_watch(&options, after).await,
            None => Err(bad_request(format!("the version {version} is no revision"))),
        }
    }

    fn description(&self) -> String {
        format!("etcd keys under {}", self.keys.text())
    }

    fn request_line(&self) -> String {
        let endpoints: Vec<&str> = self.cluster.endpoints().collect();
        format!("range of {} at {}", self.keys.text(), endpoints.join(", "))
    }

    /// etcd has no such request: a list and a watch are as good.
    fn supports_watch_list(&self) -> bool {
        false
    }

    fn supports_single_object(&self) -> bool {
        true
    }
}

/// A clone uses the same connections. Which cluster it follows it finds out by itself: each reflector has
/// versions of its own.
impl<T> Clone for EtcdSource<T> {
    fn clone(&self) -> Self {
        Self {
            cluster: self.cluster.clone(),
            keys: self.keys.clone(),
            make: Arc::clone(&self.make),
            followed: Arc::default(),
            demand: Arc::clone(&self.demand),
            received: Arc::clone(&self.received),
            progress_interval: self.progress_interval,
            window: self.window,
            thread: self.thread.clone(),
        }
    }
}

impl<T> fmt::Debug for EtcdSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdSource")
            .field("cluster", &self.cluster)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

fn plain<T: Send + Sync + 'static>(
    decode: impl Fn(KeyValue<'_>) -> Result<T, Undecoded> + Send + Sync + 'static,
) -> DecoderMaker<T> {
    let decode = Arc::new(decode);
    Arc::new(move || Box::new(PlainDecoder(Arc::clone(&decode))))
}

/// A part of a list as the events of a watch.
fn events<T>(part: ListPart<T>, has_mark: bool) -> Vec<WatchEvent<T>> {
    match part {
        ListPart::Items(items) => {
            let items = items.into_iter();
            let event = |item| match item {
                Ok(entry) => WatchEvent::Added(entry),
                Err(rejection) => WatchEvent::Rejected(rejection),
            };
            items.map(event).collect()
        }
        ListPart::Metadata(ListMetadata {
            resource_version, ..
        }) if has_mark => vec![WatchEvent::Bookmark {
            resource_version,
            initial_events_end: true,
        }],
        ListPart::Metadata(_) => Vec::new(),
    }
}

/// The stream up to its first error.
fn until_error<T: Send + Sync + 'static>(events: WatchStream<T>) -> WatchStream<T> {
    stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        let event = events.next().await?;
        let rest = event.is_ok().then_some(events);
        Some((event, rest))
    })
    .fuse()
    .boxed()
}

fn rejected(reason: &(impl fmt::Display + ?Sized)) -> Undecoded {
    Undecoded::Rejected(RejectionReason::Undecodable(reason.to_string()))
}

/// What every value begins with that kube-apiserver encrypted (`k8s.io/apiserver`,
/// pkg/server/options/encryptionconfig).
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// The value, unless kube-apiserver encrypted it: as it is stored it is of no use to a reader.
fn readable(value: &[u8]) -> Result<&[u8], Undecoded> {
    if value.starts_with(ENCRYPTED) {
        let why = "kube-apiserver encrypted it; mirror the resource with its keys, not the prefix";
        return Err(Undecoded::Unready(why.to_owned()));
    }
    Ok(value)
}

fn bad_request(message: String) -> SourceError {
    Status::failure(400, "BadRequest", message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_value_is_not_shown() {
        let encrypted = b"k8s:enc:aescbc:v1:key1:\x00\x01";
        assert!(matches!(readable(encrypted), Err(Undecoded::Unready(_))));
        assert_eq!(readable(b"k8s\0").unwrap(), b"k8s\0");
    }
}

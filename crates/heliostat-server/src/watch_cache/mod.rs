//! A watch cache: a [`Store`] that a reflector feeds, and that many clients list and watch.
//!
//! `state` is pure and decides everything; [`WatchCache`] is the shared handle; `proof` asks the source
//! for consistent reads; `caches` is what a server serves of several.

mod caches;
mod proof;
mod state;

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::raw::ReadRaw;
use heliostat_core::store::{Staging, Store, StoreError};
use heliostat_core::time::Time;
use heliostat_core::version::{ResourceVersion, VersionProgress};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::collection::kind::Kind;
use crate::collection::log::LogLimits;
use crate::collection::representations::RepresentationCache;
use crate::collection::source::SourceKind;
use crate::signals::Signals;

use proof::{Proofs, Proven, Questions};
use state::{Arrival, CacheState, Replaced};

pub(crate) use caches::Caches;

/// How long events are kept at least: kube-apiserver's `EventsHistoryWindow`, which is longer than the
/// time between two bookmarks, so that an idle watch can always resume.
const EVENT_AGE: Duration = Duration::from_secs(75);

/// Beyond so many bytes, events that are old enough are dropped: several minutes of a busy kind.
const LOG_BYTES: usize = 32 << 20;

/// Never more bytes of events than this, however young they are.
const LOG_BYTES_MAX: usize = 128 << 20;

/// How many bytes of deletions are kept beyond the log, for clients that were away for long.
const TOMBSTONE_BYTES_MAX: usize = 32 << 20;

/// Never more events than this: as in kube-apiserver.
const EVENTS_MAX: usize = 102_400;

/// How many bytes of objects in the encodings of clients are kept.
const REPRESENTATION_BYTES_MAX: usize = 64 << 20;

/// The mirror of one kind of objects for many clients. Clones are handles to the same cache.
///
/// A reflector feeds it through its [`writer`](Self::writer), and a [`CacheServer`](crate::CacheServer)
/// serves it. It keeps what the source sends as it comes, and the events of at least 75 s; JSON, protobuf and
/// metadata alone are made of it when the first client asks for them, and shared by all.
///
/// ```
/// use heliostat_server::{CacheServer, Kind, WatchCache};
///
/// let widgets = WatchCache::new(Kind::custom("example.com", "v1", "Widget", "widgets"));
/// // heliostat::Reflector::new(source, widgets.writer()).start();
/// let server = CacheServer::builder().cache(widgets).build();
/// ```
#[derive(Clone)]
pub struct WatchCache {
    shared: Arc<Shared>,
    proofs: Option<Arc<Proofs>>,
    why_not_loaded: Option<Arc<WhyNotLoaded>>,
}

/// Says why the first list has not come.
type WhyNotLoaded = dyn Fn() -> Option<String> + Send + Sync;

struct Shared {
    kind: Arc<Kind>,
    state: Mutex<CacheState>,
    /// The version up to which the cache is complete.
    version: watch::Sender<u64>,
    signals: Mutex<Signals>,
    representations: Arc<RepresentationCache>,
    started: Instant,
}

impl WatchCache {
    /// An empty cache of a kind, which answers clients once its first list has come.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let kind = Arc::new(kind);
        let representations = Arc::new(RepresentationCache::new(REPRESENTATION_BYTES_MAX));
        let source = SourceKind::new(Arc::clone(&kind), Arc::clone(&representations));
        let limits = LogLimits {
            events_max: EVENTS_MAX,
            bytes: LOG_BYTES,
            bytes_max: LOG_BYTES_MAX,
            age: EVENT_AGE,
            tombstone_bytes: Some(TOMBSTONE_BYTES_MAX),
        };
        Self {
            shared: Arc::new(Shared {
                kind,
                state: Mutex::new(CacheState::new(Arc::new(source), limits)),
                version: watch::Sender::new(0),
                signals: Mutex::default(),
                representations,
                started: Instant::now(),
            }),
            proofs: None,
            why_not_loaded: None,
        }
    }

    /// Answers consistent reads, those that name no version: `newest` returns the newest version of the
    /// source, read after the call; `progress` returns up to where the changes after a version are
    /// complete. Without it such reads are refused after a wait, since nothing proves that the cache is as
    /// new as its source. This is a setting of the returned handle: serve that one.
    #[must_use]
    pub fn consistent_reads<N, P, E>(
        mut self,
        newest: impl Fn() -> N + Send + Sync + 'static,
        progress: impl Fn(u64) -> P + Send + Sync + 'static,
    ) -> Self
    where
        N: Future<Output = Result<u64, E>> + Send + 'static,
        P: Future<Output = Result<VersionProgress, E>> + Send + 'static,
        E: fmt::Display + 'static,
    {
        self.proofs = Some(Arc::new(Proofs::new(Questions::new(newest, progress))));
        self
    }

    /// Says why the first list has not come, for `/readyz?verbose`: what failed last. This is a setting of
    /// the returned handle.
    #[must_use]
    pub fn explained_by(
        mut self,
        why: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.why_not_loaded = Some(Arc::new(why));
        self
    }

    fn failure(&self) -> Option<String> {
        if self.is_loaded() {
            return None;
        }
        let why = self.why_not_loaded.as_ref().and_then(|why| why());
        let why = why.unwrap_or_else(|| "the first list has not come yet".to_owned());
        // A check is a line.
        Some(why.replace(['\n', '\r'], " "))
    }

    /// The store that a reflector feeds; one reflector for each cache.
    #[must_use]
    pub fn writer(&self) -> CacheWriter {
        CacheWriter {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The kind of the objects.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.shared.kind
    }

    /// True once the first list has come.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.shared.lock().is_loaded()
    }

    /// The version up to which the cache is complete; 0 before the first list.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.lock().version()
    }

    /// What the cache holds at the moment.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let state = self.shared.lock();
        let collection = state.collection();
        CacheStats {
            objects: collection.objects().len(),
            events: collection.log().len(),
            event_bytes: collection.log().bytes(),
            representation_bytes: self.shared.representations.bytes(),
        }
    }
}

/// What a [`WatchCache`] holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CacheStats {
    /// How many objects there are.
    pub objects: usize,
    /// How many events are kept for watches that resume.
    pub events: usize,
    /// About how many bytes those keep.
    pub event_bytes: usize,
    /// How many bytes of objects in the encodings of clients are kept.
    pub representation_bytes: usize,
}

impl fmt::Debug for WatchCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchCache")
            .field("kind", &self.shared.kind.qualified())
            .field("version", &self.version())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The writing end of a [`WatchCache`]: a [`Store`] of objects whose bytes can be read.
pub struct CacheWriter {
    shared: Arc<Shared>,
}

impl fmt::Debug for CacheWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CacheWriter")
            .field(&self.shared.kind.qualified())
            .finish()
    }
}

impl<T: ReadRaw + Send + Sync + 'static> Store<T> for CacheWriter {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let now = self.shared.now();
        self.shared
            .change(|state| state.write(&arrival(entry), now))
            .map_err(StoreError::new)
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        let now = self.shared.now();
        let last = last_state.map(arrival);
        self.shared
            .change(|state| state.delete(key.as_str(), last.as_ref(), now));
        Ok(())
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let version = number(version)?;
        let mut kept = BTreeSet::new();
        let listed = staging.into_entries(|key| {
            kept.insert(key.as_str().into());
            None
        });
        let listed: Vec<Arrival> = listed.map(arrival).collect();
        let (now, kind) = (self.shared.now(), self.shared.kind.qualified());
        let replaced = self
            .shared
            .change(|state| state.replace(&listed, &kept, version, now));
        match replaced.map_err(StoreError::new)? {
            Replaced::Loaded => debug!(kind, version, "the watch cache is loaded"),
            Replaced::Continued(events) => {
                debug!(
                    kind,
                    version, events, "the watch cache was brought up to date"
                );
            }
            Replaced::Rewound => {
                warn!(
                    kind,
                    version, "the source went back in time; every watch ends"
                );
            }
        }
        Ok(())
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.update_version(version);
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.update_version(version);
    }

    fn object_count(&self) -> Option<usize> {
        Some(self.shared.lock().collection().objects().len())
    }
}

impl CacheWriter {
    fn update_version(&self, version: &ResourceVersion) {
        if let Some(version) = version.as_decimal() {
            self.shared.advance(version);
        }
    }
}

fn arrival<T: ReadRaw + Send + Sync + 'static>(entry: Entry<T>) -> Arrival {
    Arrival {
        header: entry.header,
        content: entry.object,
    }
}

fn number(version: &ResourceVersion) -> Result<u64, StoreError> {
    let error = || StoreError::new(format!("the version {version} of the list is not a number"));
    version.as_decimal().ok_or_else(error)
}

impl Shared {
    /// The time since the cache was made.
    fn now(&self) -> Time {
        Time::since_start(self.started.elapsed())
    }

    /// Changes the state and wakes those who watch.
    fn change<T>(&self, change: impl FnOnce(&mut CacheState) -> T) -> T {
        let mut state = self.lock();
        let (epoch, end) = (state.collection().epoch(), state.collection().log().end());
        let result = change(&mut state);
        self.version.send_replace(state.version());
        let collection = state.collection();
        let mut signals = self.lock_signals();
        match collection.epoch() == epoch {
            true => signals.fire(collection.log().from(end)),
            false => signals.fire_all(),
        }
        result
    }

    /// Locked after the state, or alone.
    fn lock_signals(&self) -> MutexGuard<'_, Signals> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        // No operation leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proven for Shared {
    fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn advance(&self, version: u64) {
        let mut state = self.lock();
        state.advance(version);
        self.version.send_replace(state.version());
    }
}

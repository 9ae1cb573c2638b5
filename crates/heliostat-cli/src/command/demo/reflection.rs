//! The mirror's side of the demo: a typed mirror of all pods, as any program would have it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use heliostat::reflector::{Activity, BackoffConfig, BackoffReset, Counts};
use heliostat::source::kube::{Cluster, KubeSource};
use heliostat::store::Change;
use heliostat::{
    Indexer, IndexerWriter, Reflector, ReflectorConfig, ReflectorHandle, ResourceVersion,
};
use k8s_openapi::api::core::v1::Pod;

use super::lag::Lag;

/// After how long without an event or a bookmark a watch is taken for dead: three bookmarks of the
/// demo's server.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(3);

/// The shortest and the longest pause after a failure, before jitter. Shorter than the defaults, and
/// starting over for each fault: the server of the demo has one client, who has somebody looking on.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(4));

/// A mirror of all pods, with what it told.
pub(super) struct Reflection {
    store: Indexer<Pod>,
    handle: ReflectorHandle,
    told: Arc<Told>,
}

#[derive(Debug, Default)]
struct Told {
    added: AtomicU64,
    updated: AtomicU64,
    deleted: AtomicU64,
    vanished: AtomicU64,
    lists: AtomicU64,
}

/// How the mirror is.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) activity: Activity,
    /// How many objects of the list under way have come.
    pub(super) received: Option<u64>,
    pub(super) version: Option<u64>,
    pub(super) objects: usize,
    /// Changes told: all kinds, and the kinds.
    pub(super) events: u64,
    pub(super) added: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
    /// Those of the deleted whose end the mirror did not see itself.
    pub(super) vanished: u64,
    /// Whole states that came in: lists and watch-lists.
    pub(super) wholes: u64,
    pub(super) counts: Counts,
}

impl Reflection {
    /// Starts it.
    pub(super) fn start(cluster: &Cluster, seed: u64, lag: Lag) -> Self {
        let writer = IndexerWriter::with_namespace_index();
        let store = writer.indexer();
        let told = Arc::new(Told::default());
        let listener = {
            let told = Arc::clone(&told);
            move |change: Change<Pod>| told.hear(&change, &lag)
        };
        let backoff = BackoffConfig::exponential(PAUSES.0, PAUSES.1)
            .reset(BackoffReset::AfterQuiet(SILENCE_TIMEOUT));
        let config = ReflectorConfig::default()
            .silence_timeout(Some(SILENCE_TIMEOUT))
            .backoff(backoff);
        let handle = Reflector::new(
            KubeSource::<Pod>::new(cluster),
            writer.change_stream(listener),
        )
        .config(config)
        .seed(seed)
        // Failures are what the demo shows, on the screen.
        .on_error(|failed| tracing::info!(error = %failed.error, "the round failed"))
        .start();
        Self {
            store,
            handle,
            told,
        }
    }

    /// How it is now.
    pub(super) fn state(&self) -> State {
        let status = self.handle.status();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let told = &self.told;
        let (added, updated, deleted) =
            (read(&told.added), read(&told.updated), read(&told.deleted));
        State {
            activity: status.activity,
            received: status.progress.map(|progress| progress.received),
            version: self.store.resource_version().as_decimal(),
            objects: self.store.len(),
            events: added + updated + deleted,
            added,
            updated,
            deleted,
            vanished: read(&told.vanished),
            wholes: read(&told.lists),
            counts: status.counts,
        }
    }

    /// Key and version of every object.
    pub(super) fn versions(&self) -> BTreeMap<String, String> {
        let snapshot = self.store.snapshot();
        let pairs = snapshot.iter().map(|entry| {
            let version = entry.header.resource_version.to_string();
            (entry.key().to_string(), version)
        });
        pairs.collect()
    }

    /// Waits until it holds all changes up to this version.
    pub(super) async fn wait_for(&self, version: u64) {
        // An error says that the mirror has ended, which the comparison will tell.
        let _ = self.store.wait_for(&version.into()).await;
    }

    /// Ends it.
    pub(super) async fn shutdown(self) {
        self.handle.shutdown().await;
    }
}

impl Told {
    fn hear(&self, change: &Change<Pod>, lag: &Lag) {
        let counter = match change {
            Change::Added(_) => &self.added,
            Change::Updated { .. } => &self.updated,
            Change::Deleted { tombstone, .. } => {
                if *tombstone {
                    self.vanished.fetch_add(1, Ordering::Relaxed);
                }
                &self.deleted
            }
            Change::Replaced { .. } => &self.lists,
            Change::Resynced(_) => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let version = change.entry().map(|entry| &entry.header.resource_version);
        if let Some(version) = version.and_then(ResourceVersion::as_decimal) {
            lag.arrived(version);
        }
    }
}

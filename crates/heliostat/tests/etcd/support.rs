//! A mirror of a prefix, and the comparison with what etcd has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use heliostat::reflector::{BackoffConfig, Counts};
use heliostat::source::etcd::{Cluster, Connection, EtcdSource};
use heliostat::source::{ListOptions, ListStream, WatchOptions, WatchStream};
use heliostat::{
    Indexer, ListerWatcher, Reflector, ReflectorConfig, ReflectorHandle, ResourceVersion,
    SourceError,
};
use tokio::time::timeout;

use super::etcd_server::{EtcdClient, Member, PATIENCE};

/// The prefix that tests mirror.
pub(crate) const PREFIX: &str = "/app/";

/// A mirror of the values under [`PREFIX`].
pub(crate) struct Mirror {
    pub(crate) handle: ReflectorHandle,
    pub(crate) objects: Indexer<Vec<u8>>,
    whole_lists: Arc<AtomicU32>,
}

/// Counts lists of the whole collection. A reconnect asks for one object, to prove that the history is the
/// same; that is no relist.
struct Counting {
    source: EtcdSource<Vec<u8>>,
    whole_lists: Arc<AtomicU32>,
}

impl ListerWatcher for Counting {
    type Object = Vec<u8>;
    type Error = SourceError;

    async fn list(&self, options: ListOptions) -> Result<ListStream<Vec<u8>>, SourceError> {
        if options.object.is_none() && options.limit != Some(1) {
            self.whole_lists.fetch_add(1, Ordering::Relaxed);
        }
        self.source.list(options).await
    }

    async fn watch(&self, options: WatchOptions) -> Result<WatchStream<Vec<u8>>, SourceError> {
        self.source.watch(options).await
    }

    fn description(&self) -> String {
        self.source.description()
    }

    fn supports_watch_list(&self) -> bool {
        self.source.supports_watch_list()
    }

    fn supports_single_object(&self) -> bool {
        self.source.supports_single_object()
    }
}

/// A connection to these members that gives up soon.
pub(crate) async fn connect<'a>(members: impl IntoIterator<Item = &'a Member>) -> Cluster {
    let connection = Connection::new()
        .endpoints(members.into_iter().map(Member::url))
        .request_timeout(Duration::from_secs(3));
    connection.connect().await.unwrap()
}

/// Retries soon, so that tests need not wait.
pub(crate) fn impatient() -> ReflectorConfig {
    let backoff = BackoffConfig::exponential(Duration::from_millis(50), Duration::from_millis(500));
    ReflectorConfig::default().backoff(backoff)
}

impl Mirror {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        Self::of(EtcdSource::bytes(cluster, PREFIX)).await
    }

    pub(crate) async fn of(source: EtcdSource<Vec<u8>>) -> Self {
        let whole_lists = Arc::default();
        let source = Counting {
            source,
            whole_lists: Arc::clone(&whole_lists),
        };
        let (reflector, objects) = Reflector::with_indexer(source);
        let handle = reflector.config(impatient()).start();
        let synced = handle.wait_synced(PATIENCE).await;
        synced.unwrap_or_else(|_| panic!("{:?}", handle.status()));
        Self {
            handle,
            objects,
            whole_lists,
        }
    }

    /// Waits until the mirror has reached a revision.
    pub(crate) async fn wait_for(&self, revision: u64) {
        let version = ResourceVersion::from(revision);
        let reached = timeout(PATIENCE, self.objects.wait_for(&version)).await;
        if reached.is_err() {
            let status = self.handle.status();
            panic!("revision {revision} is not reached: {status:?}");
        }
    }

    /// Waits for a revision, then compares every key, value and revision with the source.
    pub(crate) async fn equals_after(&self, client: &EtcdClient, revision: u64) {
        self.wait_for(revision).await;
        let expected = client.all(PREFIX).await;
        let expected: BTreeMap<String, (Vec<u8>, u64)> = expected
            .into_iter()
            .map(|pair| (name(&pair.key), (pair.value, pair.mod_revision)))
            .collect();
        let mirrored = self.objects.list().into_iter().map(|entry| {
            let version = entry.header.resource_version.as_decimal();
            let state = (entry.object.to_vec(), version.unwrap_or_default());
            (entry.key().to_string(), state)
        });
        assert_eq!(mirrored.collect::<BTreeMap<_, _>>(), expected);
    }

    /// How often the whole collection was listed again.
    pub(crate) fn relists(&self) -> u32 {
        self.whole_lists.load(Ordering::Relaxed) - 1
    }

    pub(crate) fn counts(&self) -> Counts {
        self.handle.status().counts
    }
}

/// The name of an object, for keys that are text.
fn name(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    text.strip_prefix(PREFIX).unwrap().to_owned()
}

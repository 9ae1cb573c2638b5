//! A mirror of a prefix, and the comparison with what etcd has.

use std::collections::BTreeMap;
use std::time::Duration;

use heliostat::reflector::{BackoffConfig, Counts};
use heliostat::source::etcd::{Cluster, Connection, EtcdSource};
use heliostat::{Indexer, Reflector, ReflectorConfig, ReflectorHandle, ResourceVersion};
use tokio::time::timeout;

use super::etcd_server::{EtcdClient, Member, PATIENCE};

/// The prefix that tests mirror.
pub(crate) const PREFIX: &str = "/app/";

/// A mirror of the values under [`PREFIX`].
pub(crate) struct Mirror {
    pub(crate) handle: ReflectorHandle,
    pub(crate) objects: Indexer<Vec<u8>>,
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
        let (reflector, objects) = Reflector::with_indexer(source);
        let handle = reflector.config(impatient()).start();
        let synced = timeout(PATIENCE, handle.wait_synced()).await;
        synced.expect("a mirror that syncs").unwrap();
        Self { handle, objects }
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
            .map(|(key, value, revision)| (name(&key), (value, revision)))
            .collect();
        let mirrored = self.objects.list().into_iter().map(|entry| {
            let version = entry.header.resource_version.as_decimal();
            let state = (entry.object.to_vec(), version.unwrap_or_default());
            (entry.key().to_string(), state)
        });
        assert_eq!(mirrored.collect::<BTreeMap<_, _>>(), expected);
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

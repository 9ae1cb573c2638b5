//! The mirror of this project: typed pods in an `Indexer`, by a list in pages as the peer's, or by a
//! watch-list; over protobuf, or over JSON.

use std::time::Duration;

use heliostat::reflector::WatchListMode;
use heliostat::source::kube::{KubeSource, WireEncoding};
use heliostat::{Reflector, ReflectorConfig, ResourceVersion};
use heliostat_bench::replay_server::{Encoding, connect, drive};
use k8s_openapi::api::core::v1::Pod;

use crate::client::{Cost, Initial, ManagedFields, Meter, Options};

pub(crate) async fn run(
    options: &Options,
) -> Result<Cost, Box<dyn std::error::Error + Send + Sync>> {
    let client = connect(&options.server)?;
    drive(&client, "/reset").await?;
    let mut meter = Meter::begin()?;
    let mut source = KubeSource::<Pod>::new(client.clone());
    if options.encoding == Encoding::Json {
        source = source.encoding(WireEncoding::Json);
    }
    if options.managed_fields == ManagedFields::Cleared {
        source = source.without_managed_fields();
    }
    let (reflector, store) = Reflector::with_indexer(source);
    let config = match options.initial {
        Initial::List => ReflectorConfig::default()
            .watch_list(WatchListMode::Off)
            .page_size(500),
        Initial::WatchList => ReflectorConfig::default().watch_list(WatchListMode::Auto),
    };
    let mirror = reflector.config(config).start();
    mirror.wait_synced(Duration::MAX).await?;
    meter.synced()?;
    assert_eq!(store.len(), options.pods, "the mirror is not whole");

    meter.updates_begin()?;
    let version = drive(&client, "/updates").await?;
    store.wait_for(&ResourceVersion::from(version)).await?;
    let cost = meter.updated()?;
    assert_eq!(store.len(), options.pods, "the mirror is not whole");
    mirror.shutdown().await;
    Ok(cost)
}

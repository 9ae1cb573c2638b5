//! Ours: packed pods in an `Indexer`, managed fields cut, everything else as it is by default.

use std::time::Duration;

use heliostat::source::kube::{Cluster, Connection, KubeSource, WireEncoding};
use heliostat::{Indexer, Packed, Packing, RawObject, Reflector, ResourceVersion};
use heliostat_bench::replay_server::{Encoding, Target, drive};
use heliostat_bench::stages::{Failure, Meter, Stage, Stages};
use k8s_openapi::api::core::v1::Pod;
use kube_client::Client;
use kube_core::{ApiResource, DynamicObject};

pub(super) type PackedPods = Indexer<Packed<RawObject>>;

pub(super) async fn run(target: &Target, encoding: Encoding) -> Result<Stages, Failure> {
    let cluster = Connection::new().server(&target.server).connect().await?;
    let client = cluster.client();
    drive(client, "/reset").await?;
    let mut meter = Meter::new(target.sampled);
    meter.begin()?;
    let (reflector, store) = Reflector::with_indexer(source(&cluster, encoding));
    let mirror = reflector.start();
    mirror.wait_synced(Duration::MAX).await?;
    let sync = meter.end().await?;
    assert_eq!(store.len(), target.pods, "the mirror is not whole");
    let updates = stage(&mut meter, client, &store, "/updates").await?;
    let relist = stage(&mut meter, client, &store, "/expire").await?;
    let changed = stage(&mut meter, client, &store, "/expire?changed").await?;
    assert_eq!(store.len(), target.pods, "the mirror is not whole");
    mirror.shutdown().await;
    Ok(Stages {
        sync,
        updates,
        relist,
        changed,
        samples: meter.samples(),
    })
}

/// Pods as a source of packed objects.
pub(super) fn source(cluster: &Cluster, encoding: Encoding) -> KubeSource<Packed<RawObject>> {
    let encoding = match encoding {
        Encoding::Json => WireEncoding::Json,
        Encoding::Protobuf => WireEncoding::Auto,
    };
    // The type is only the way to the collection: nothing is ever decoded into it, and its decoder is
    // the smallest.
    KubeSource::<DynamicObject>::of(cluster, &ApiResource::erase::<Pod>(&()))
        .without_managed_fields()
        .packed(&Packing::raw())
        .encoding(encoding)
}

async fn stage(
    meter: &mut Meter,
    client: &Client,
    store: &PackedPods,
    path: &str,
) -> Result<Stage, Failure> {
    meter.begin()?;
    let version = drive(client, path).await?;
    store.wait_for(&ResourceVersion::from(version)).await?;
    meter.end().await
}

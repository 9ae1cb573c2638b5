//! A collection as large as anybody's: one sync, then reads by an index.

use std::time::Duration;
use std::time::Instant;

use heliostat::source::kube::Connection;
use heliostat::{IndexFunc, Reflector};
use heliostat_bench::process;
use heliostat_bench::replay_server::{Encoding, Target, drive};
use heliostat_bench::stages::{Failure, Many, Meter};

use super::mirror::{PackedPods, source};

const BY_NODE: &str = "node";

/// How many reads there are.
const READS: usize = 20_000;

/// Takes the nodes in another order than that of the index; a prime.
const STRIDE: usize = 7919;

pub(super) async fn run(target: &Target, encoding: Encoding) -> Result<Many, Failure> {
    let cluster = Connection::new().server(&target.server).connect().await?;
    drive(cluster.client(), "/reset").await?;
    let mut meter = Meter::new(false);
    meter.begin()?;
    let (reflector, store) = Reflector::with_indexer(source(&cluster, encoding));
    let mirror = reflector.start();
    mirror.wait_synced(Duration::MAX).await?;
    let sync = meter.end().await?;
    assert_eq!(store.len(), target.pods, "the mirror is not whole");
    store.add_index(BY_NODE, IndexFunc::by_field("spec.nodeName".parse()?))?;
    let indexed = process::memory()?.resident;
    let (by_index, found) = read(&store)?;
    mirror.shutdown().await;
    Ok(Many {
        sync,
        indexed,
        by_index,
        found,
    })
}

/// Reads the pods of one node after the other: the median time, and how many a node has at the most.
fn read(store: &PackedPods) -> Result<(f64, f64), Failure> {
    let nodes = store.index_values(BY_NODE);
    let mut times = Vec::with_capacity(READS);
    let mut most = 0;
    for number in 0..READS {
        let node = &nodes[number * STRIDE % nodes.len()];
        let begun = Instant::now();
        let pods = store.by_index(BY_NODE, node)?;
        let text = |pod: &_| text_of(pod);
        std::hint::black_box(pods.iter().map(text).sum::<usize>());
        most = most.max(pods.len());
        drop(pods);
        times.push(begun.elapsed().as_nanos() as f64);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(READS / 2).copied().unwrap_or(f64::NAN);
    Ok((median, most as f64))
}

/// Touches all of a header.
fn text_of<T>(pod: &heliostat::Entry<T>) -> usize {
    let header = &pod.header;
    header.key.name().len() + usize::from(header.resource_version.is_real())
}

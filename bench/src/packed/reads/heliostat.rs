//! Ours: an `Indexer` of packed pods, in protobuf and without managed fields, as a mirror holds them.

use bytes::BytesMut;
use heliostat::Indexer;
use heliostat::core::object::{Entry, GroupVersionKind, ObjectKey};
use heliostat::core::packed::{DEFAULT_MEMORY_BUDGET, Packed, PackedCodec, Packing};
use heliostat::core::raw::{FieldPath, RawCodec, RawObject};
use heliostat::core::wire::Codec;
use k8s_pb::api::core::v1::Pod;

use super::{
    Beside, Ours, PODS_WITHIN, SCANS, SLOW_READS, STRIDE, beside_writer, percentile, times,
};
use heliostat_bench::replay_server::Encoding;

use crate::packed::pods::Pods;

type Failure = Box<dyn std::error::Error>;

pub(super) fn run(count: usize) -> Result<Ours, Failure> {
    let pods = Pods::recorded(Encoding::Protobuf)?;
    let raw = Packing::<RawObject>::raw().memory_budget(0);
    let typed = Packing::<Pod>::protobuf().memory_budget(0);
    Ok(Ours {
        within: within(&pods, PODS_WITHIN, 2 * DEFAULT_MEMORY_BUDGET)?,
        large: within(&pods, count, usize::MAX)?,
        raw: beyond(&packed(&pods, count, 1, &raw)?)?,
        typed: beyond(&packed(&pods, count, 1, &typed)?)?,
        scan: scan(&packed(&pods, count, 1, &raw)?)?,
    })
}

/// The pods with these versions, packed.
fn packed<T: Send + Sync + 'static>(
    pods: &Pods,
    count: usize,
    version: u64,
    packing: &Packing<T>,
) -> Result<Vec<Entry<Packed<T>>>, Failure> {
    let codec = RawCodec::protobuf().without_managed_fields();
    let mut codec = PackedCodec::new(codec, packing);
    let kind = GroupVersionKind {
        api_version: "v1".into(),
        kind: "Pod".into(),
    };
    let mut bytes = BytesMut::new();
    let mut entries = Vec::with_capacity(count);
    for index in 0..count {
        bytes.clear();
        pods.push(&mut bytes, index, version);
        let entry = codec.decode(&bytes, Some(&kind));
        entries.push(entry.map_err(|reason| format!("pod {index}: {reason}"))?);
    }
    Ok(entries)
}

/// Everything is kept decoded. So is what is written, which is there beforehand, and counts against the
/// same budget: that is as large again as a store's alone would be.
fn within(pods: &Pods, count: usize, budget: usize) -> Result<Beside, Failure> {
    let packing = Packing::<Pod>::protobuf().memory_budget(budget);
    let store = filled(packed(pods, count, 1, &packing)?);
    let updates = packed(pods, count, 2, &packing)?;
    let entries = store.list();
    for entry in entries.iter().chain(&updates) {
        entry.object.get()?;
    }
    let is_kept = |entry: &Entry<Packed<Pod>>| entry.object.kept().is_some();
    if !entries.iter().chain(&updates).all(is_kept) {
        return Err("the budget is too small".into());
    }
    let keys = keys(&entries);
    drop(entries);
    let beside = beside_writer(
        count,
        |number| {
            store.update(updates[number * STRIDE % count].clone());
        },
        |number| read(&store, &keys, number),
    )?;
    Ok(beside)
}

fn beyond<T: Send + Sync + 'static>(entries: &[Entry<Packed<T>>]) -> Result<f64, Failure> {
    let keys = keys(entries);
    let store = filled(entries.to_vec());
    let times = times(SLOW_READS, |number| read(&store, &keys, number))?;
    Ok(percentile(&times, 50))
}

fn scan(entries: &[Entry<Packed<RawObject>>]) -> Result<f64, Failure> {
    let store = filled(entries.to_vec());
    let node: FieldPath = "spec.nodeName".parse()?;
    let first = entries.first().ok_or("no pods")?.object.unpack()?;
    let wanted = first.text(&node)?.ok_or("no node")?.into_owned();
    let times = times(SCANS, |_| {
        let pods = store.snapshot();
        let found = pods.iter().filter(|pod| {
            let is_wanted = |pod: heliostat::core::raw::RawView<'_>| {
                pod.text(&node)
                    .is_ok_and(|text| text.as_deref() == Some(&*wanted))
            };
            pod.object.inspect(is_wanted).unwrap_or(false)
        });
        found.count() > 0
    })?;
    Ok(percentile(&times, 50))
}

fn filled<T: Send + Sync + 'static>(entries: Vec<Entry<Packed<T>>>) -> Indexer<Packed<T>> {
    let store = Indexer::new();
    for entry in entries {
        store.add(entry);
    }
    store
}

fn keys<T>(entries: &[Entry<T>]) -> Vec<ObjectKey> {
    entries.iter().map(|entry| entry.key().clone()).collect()
}

fn read<T: Send + Sync + 'static>(
    store: &Indexer<Packed<T>>,
    keys: &[ObjectKey],
    number: usize,
) -> bool {
    let object = store.get_decoded(&keys[number * STRIDE % keys.len()]);
    object.is_ok_and(|object| object.is_some())
}

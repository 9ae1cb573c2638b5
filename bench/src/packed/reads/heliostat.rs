//! Ours: an `Indexer` of packed pods, in protobuf and without managed fields, as a mirror holds them.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use heliostat::object::{
    DEFAULT_MEMORY_BUDGET, FieldPath, GroupVersionKind, PackedCodec, RawCodec,
};
use heliostat::source::Codec;
use heliostat::{Entry, Indexer, IndexerWriter, ObjectKey, Packed, Packing, RawObject};
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
    let typed = Packing::<Pod>::prost().memory_budget(0);
    Ok(Ours {
        within: within(&pods, PODS_WITHIN, DEFAULT_MEMORY_BUDGET)?,
        large: within(&pods, count, usize::MAX)?,
        raw: beyond(&packed(&pods, count, &raw)?)?,
        typed: beyond(&packed(&pods, count, &typed)?)?,
        scan: scan(&packed(&pods, count, &raw)?)?,
    })
}

/// Packs pods from the bytes that a socket brings.
struct Packer<'a, T> {
    pods: &'a Pods,
    codec: PackedCodec<T>,
    kind: GroupVersionKind,
    bytes: BytesMut,
}

impl<'a, T: Send + Sync + 'static> Packer<'a, T> {
    fn new(pods: &'a Pods, packing: &Packing<T>) -> Self {
        let codec = RawCodec::protobuf().without_managed_fields();
        Self {
            pods,
            codec: PackedCodec::new(codec, packing),
            kind: GroupVersionKind {
                api_version: "v1".into(),
                kind: "Pod".into(),
            },
            bytes: BytesMut::new(),
        }
    }

    fn pack(&mut self, index: usize, version: u64) -> Result<Entry<Packed<T>>, String> {
        self.bytes.clear();
        self.pods.push(&mut self.bytes, index, version);
        let entry = self.codec.decode(&self.bytes, Some(&self.kind));
        entry.map_err(|reason| format!("pod {index}: {reason}"))
    }
}

/// So many pods, packed.
fn packed<T: Send + Sync + 'static>(
    pods: &Pods,
    count: usize,
    packing: &Packing<T>,
) -> Result<Vec<Entry<Packed<T>>>, String> {
    let mut packer = Packer::new(pods, packing);
    (0..count).map(|index| packer.pack(index, 1)).collect()
}

/// Everything is kept decoded. Each write packs a pod from its bytes and decodes it, as a handler that
/// looks at it does; the pod that it replaces is freed.
fn within(pods: &Pods, count: usize, budget: usize) -> Result<Beside, Failure> {
    let packing = Packing::<Pod>::prost().memory_budget(budget);
    let mut packer = Packer::new(pods, &packing);
    let first: Result<Vec<_>, _> = (0..count).map(|index| packer.pack(index, 1)).collect();
    let writer = filled(first?);
    let store = writer.indexer();
    let entries = store.list();
    for entry in &entries {
        entry.object.get()?;
    }
    if !entries.iter().all(|entry| entry.object.kept().is_some()) {
        return Err("the budget is too small".into());
    }
    let keys = keys(&entries);
    drop(entries);
    let failed = AtomicU64::new(0);
    let beside = beside_writer(
        count,
        |number| {
            let written = packer.pack(number * STRIDE % count, 2 + number as u64);
            match written {
                Ok(entry) if entry.object.get().is_ok() => {
                    writer.upsert(entry);
                }
                Ok(_) | Err(_) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        },
        |number| read(&store, &keys, number),
    )?;
    match failed.into_inner() {
        0 => Ok(beside),
        failed => Err(format!("{failed} pods could not be written").into()),
    }
}

fn beyond<T: Send + Sync + 'static>(entries: &[Entry<Packed<T>>]) -> Result<f64, Failure> {
    let keys = keys(entries);
    let store = filled(entries.to_vec()).indexer();
    let times = times(SLOW_READS, |number| read(&store, &keys, number))?;
    Ok(percentile(&times, 50))
}

fn scan(entries: &[Entry<Packed<RawObject>>]) -> Result<f64, Failure> {
    let store = filled(entries.to_vec()).indexer();
    let node: FieldPath = "spec.nodeName".parse()?;
    let first = entries.first().ok_or("no pods")?.object.unpack()?;
    let wanted = first.text(&node)?.ok_or("no node")?.into_owned();
    let times = times(SCANS, |_| {
        let pods = store.snapshot();
        let found = pods.iter().filter(|pod| {
            let is_wanted = |pod: heliostat::object::RawView<'_>| {
                pod.text(&node)
                    .is_ok_and(|text| text.as_deref() == Some(&*wanted))
            };
            pod.object.inspect(is_wanted).unwrap_or(false)
        });
        found.count() > 0
    })?;
    Ok(percentile(&times, 50))
}

fn filled<T: Send + Sync + 'static>(entries: Vec<Entry<Packed<T>>>) -> IndexerWriter<Packed<T>> {
    let writer = IndexerWriter::new();
    for entry in entries {
        writer.upsert(entry);
    }
    writer
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

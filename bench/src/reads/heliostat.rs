//! Ours: an `Indexer` with an index on the node.

use heliostat::{Entry, IndexFunc, IndexerWriter};
use k8s_openapi::api::core::v1::Pod;

use super::{Options, Reads, beside_writer};
use crate::prepared::{self, STRIDE};

/// The name of the index.
const BY_NODE: &str = "node";

pub(super) fn run(options: &Options, pods: Vec<Pod>) -> Result<Reads, Box<dyn std::error::Error>> {
    let writer = IndexerWriter::new();
    let store = writer.indexer();
    store.add_index(
        BY_NODE,
        IndexFunc::new(|pod: &Entry<Pod>| node(&pod.object)),
    )?;
    let updates: Vec<_> = prepared::updates(pods.clone(), 2 * pods.len()).collect();
    let nodes: Vec<String> = pods.iter().filter_map(node).collect();
    let entries: Vec<_> = pods.into_iter().map(prepared::entry).collect();
    let keys: Vec<_> = entries.iter().map(|entry| entry.key().clone()).collect();
    for entry in entries {
        writer.upsert(entry);
    }
    beside_writer(
        options,
        |number| {
            // A pod of its own, as the peer makes one for each event that it applies.
            writer.upsert(prepared::entry(updates[number % updates.len()].clone()));
        },
        |number| usize::from(store.get(&keys[number * STRIDE % keys.len()]).is_some()),
        |number| {
            let node = &nodes[number * STRIDE % nodes.len()];
            store.by_index(BY_NODE, node).map_or(0, |pods| pods.len())
        },
    )
}

fn node(pod: &Pod) -> Option<String> {
    pod.spec.as_ref()?.node_name.clone()
}

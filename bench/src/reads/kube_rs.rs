//! The peer: a reflector's store. It has no indexes, so the pods of a node are a filtered scan, by
//! the store's own `state_filter`, which clones only what it finds.

use k8s_openapi::api::core::v1::Pod;
use kube_runtime::reflector::{self, ObjectRef};
use kube_runtime::watcher::Event;

use super::{Options, Reads, beside_writer};
use crate::prepared::{self, STRIDE};

pub(super) fn run(options: &Options, pods: Vec<Pod>) -> Result<Reads, Box<dyn std::error::Error>> {
    let (store, mut writer) = reflector::store();
    let updates: Vec<_> = prepared::updates(pods.clone(), 2 * pods.len())
        .map(Event::Apply)
        .collect();
    let nodes: Vec<String> = pods.iter().filter_map(node).map(str::to_owned).collect();
    let keys: Vec<_> = pods.iter().map(ObjectRef::from_obj).collect();
    writer.apply_watcher_event(&Event::Init);
    for pod in pods {
        writer.apply_watcher_event(&Event::InitApply(pod));
    }
    writer.apply_watcher_event(&Event::InitDone);
    beside_writer(
        options,
        |number| writer.apply_watcher_event(&updates[number % updates.len()]),
        |number| usize::from(store.get(&keys[number * STRIDE % keys.len()]).is_some()),
        |number| {
            let wanted = Some(&*nodes[number * STRIDE % nodes.len()]);
            store.state_filter(|pod| node(pod) == wanted).len()
        },
    )
}

fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

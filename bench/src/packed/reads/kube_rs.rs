//! The peer: a reflector's store of typed pods.

use bytes::BytesMut;
use k8s_openapi::api::core::v1::Pod;
use kube_runtime::reflector::{self, ObjectRef};
use kube_runtime::watcher::Event;

use super::{Beside, PODS_WITHIN, STRIDE, Theirs, beside_writer};
use heliostat_bench::replay_server::Encoding;

use crate::packed::pods::Pods;

type Failure = Box<dyn std::error::Error>;

pub(super) fn run(count: usize) -> Result<Theirs, Failure> {
    let pods = Pods::recorded(Encoding::Json)?;
    Ok(Theirs {
        within: within(&pods, PODS_WITHIN)?,
        large: within(&pods, count)?,
    })
}

fn within(pods: &Pods, count: usize) -> Result<Beside, Failure> {
    let (store, mut writer) = reflector::store();
    let first = decoded(pods, count, 1)?;
    let keys: Vec<_> = first.iter().map(ObjectRef::from_obj).collect();
    writer.apply_watcher_event(&Event::Init);
    for pod in first {
        writer.apply_watcher_event(&Event::InitApply(pod));
    }
    writer.apply_watcher_event(&Event::InitDone);
    let updates: Vec<_> = decoded(pods, count, 2)?
        .into_iter()
        .map(Event::Apply)
        .collect();
    let beside = beside_writer(
        count,
        |number| writer.apply_watcher_event(&updates[number * STRIDE % count]),
        |number| store.get(&keys[number * STRIDE % count]).is_some(),
    )?;
    Ok(beside)
}

fn decoded(pods: &Pods, count: usize, version: u64) -> Result<Vec<Pod>, serde_json::Error> {
    let mut text = BytesMut::new();
    let decode = |index| {
        text.clear();
        pods.push(&mut text, index, version);
        let mut pod: Pod = serde_json::from_slice(&text)?;
        pod.metadata.managed_fields = None;
        Ok(pod)
    };
    (0..count).map(decode).collect()
}

//! The data: 1,000 recorded pods in both encodings, grown to any number.
//!
//! A grown pod is a recorded one byte for byte, but for what is another pod's own: namespace, uid and
//! version, the hash of its template, its owner, its node, its address, the ids of its containers. So
//! sizes, nesting and the order of fields are those of a real API server, keys come in a list's order,
//! and nodes have twenty pods each. The pod at an index is the same at any time, in both encodings, and
//! takes no memory.

mod facts;

mod identity;

pub(crate) mod protobuf;

mod template;

use std::io::Read;

use bytes::BytesMut;
use flate2::read::GzDecoder;
use heliostat_bench::replay_server::Encoding;
use serde::Deserialize;
use serde_json::value::RawValue;

use facts::Facts;
use identity::Identity;
use template::Template;

/// One page of 1,000 pods with status and managed fields, recorded from kube-apiserver 1.36.2 in JSON.
const JSON: &[u8] = include_bytes!("../../../data/pods-1000.json.gz");

/// The same page in protobuf.
const PROTOBUF: &[u8] = include_bytes!("../../../data/pods-1000.pb.gz");

/// The pods in one encoding.
pub(crate) struct Pods {
    templates: Vec<Template>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

impl Pods {
    /// The recorded pods, to be grown.
    pub(crate) fn recorded(encoding: Encoding) -> Result<Self, Box<dyn std::error::Error>> {
        let text = unzip(JSON)?;
        let items = serde_json::from_slice::<List<'_>>(&text)?.items;
        let facts = items.iter().map(|item| Facts::of(item.get()));
        let facts: Vec<Facts> = facts.collect::<Result<_, _>>()?;
        let templates = match encoding {
            Encoding::Json => {
                let cut = |(item, facts): (&&RawValue, _)| Template::json(item.get(), facts);
                items.iter().zip(facts).map(cut).collect()
            }
            Encoding::Protobuf => {
                let page = unzip(PROTOBUF)?;
                let items = protobuf::items(&page).ok_or("the recorded page is broken")?;
                let cut = |(item, facts)| Template::protobuf(item, facts);
                let templates: Option<_> = items.into_iter().zip(facts).map(cut).collect();
                templates.ok_or("a recorded pod is broken")?
            }
        };
        Ok(Self { templates })
    }

    /// Appends the pod at `index`, in the state of `version`.
    pub(crate) fn push(&self, out: &mut BytesMut, index: usize, version: u64) {
        let (template, identity) = self.pod(index, version);
        template.push(out, &identity);
    }

    /// How many bytes [`push`](Self::push) appends.
    pub(crate) fn len(&self, index: usize, version: u64) -> usize {
        let (template, identity) = self.pod(index, version);
        template.len(&identity)
    }

    fn pod(&self, index: usize, version: u64) -> (&Template, Identity) {
        let template = &self.templates[index % self.templates.len()];
        let generation = index / self.templates.len();
        let identity = Identity::new(&template.facts, index, generation, version);
        (template, identity)
    }
}

fn unzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use super::*;

    fn json(pods: &Pods, index: usize, version: u64) -> k8s_openapi::api::core::v1::Pod {
        let mut out = BytesMut::new();
        pods.push(&mut out, index, version);
        assert_eq!(out.len(), pods.len(index, version));
        serde_json::from_slice(&out).unwrap()
    }

    fn protobuf(pods: &Pods, index: usize, version: u64) -> k8s_pb::api::core::v1::Pod {
        let mut out = BytesMut::new();
        pods.push(&mut out, index, version);
        assert_eq!(out.len(), pods.len(index, version));
        Message::decode(out).unwrap()
    }

    #[test]
    fn a_pod_is_the_same_in_both_encodings() {
        let texts = Pods::recorded(Encoding::Json).unwrap();
        let messages = Pods::recorded(Encoding::Protobuf).unwrap();
        for index in (0..1_000).chain([1_000, 54_321, 999_999]) {
            let text = json(&texts, index, 17);
            let message = protobuf(&messages, index, 17);
            let (left, right) = (text.metadata, message.metadata.unwrap());
            assert_eq!(left.name, right.name);
            assert_eq!(left.namespace, right.namespace);
            assert_eq!(left.uid, right.uid);
            assert_eq!(left.labels.unwrap(), right.labels.into_iter().collect());
            assert_eq!(left.resource_version.as_deref(), Some("17"));
            assert_eq!(right.resource_version.as_deref(), Some("17"));
            let owner = &left.owner_references.unwrap()[0];
            assert_eq!(owner.uid, right.owner_references[0].uid());
            assert_eq!(owner.name, right.owner_references[0].name());
            let managed = left.managed_fields.unwrap();
            assert_eq!(managed.len(), right.managed_fields.len());
            assert_eq!(
                text.spec.unwrap().node_name,
                message.spec.unwrap().node_name
            );
            let (left, right) = (text.status.unwrap(), message.status.unwrap());
            assert_eq!(left.pod_ip, right.pod_ip);
            assert_eq!(left.pod_ips.unwrap()[0].ip, right.pod_ips[0].ip());
            let left = left.container_statuses.unwrap_or_default();
            for (left, right) in left.iter().zip(&right.container_statuses) {
                assert_eq!(left.container_id, right.container_id);
            }
            assert_eq!(left.len(), right.container_statuses.len());
        }
    }

    #[test]
    fn pods_come_in_the_order_of_their_keys_and_share_nothing_that_is_their_own() {
        let pods = Pods::recorded(Encoding::Protobuf).unwrap();
        let mut keys = Vec::new();
        let mut own = BTreeSet::new();
        for index in 0..3_000 {
            let pod = protobuf(&pods, index, 1);
            let metadata = pod.metadata.unwrap();
            assert!(own.insert(metadata.uid().to_owned()), "uids repeat");
            let owner = metadata.owner_references[0].uid();
            assert!(own.insert(owner.to_owned()), "owners repeat");
            for status in pod.status.unwrap().container_statuses {
                if let Some(id) = status.container_id {
                    assert!(own.insert(id), "containers repeat");
                }
            }
            keys.push((metadata.namespace().to_owned(), metadata.name().to_owned()));
        }
        assert!(keys.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn a_node_has_twenty_pods() {
        let pods = Pods::recorded(Encoding::Protobuf).unwrap();
        let mut nodes = std::collections::BTreeMap::new();
        for index in 0..3_000 {
            let node = protobuf(&pods, index, 1).spec.unwrap().node_name;
            *nodes.entry(node).or_insert(0) += 1;
        }
        assert!(nodes.into_values().all(|pods| pods == 20));
    }
}

//! The data: a page of 1,000 recorded pods, grown to any number, and updates of them.
//!
//! A grown pod is a recorded one byte for byte, but for its name, uid and version. So sizes, nesting
//! and the order of keys are those of a real API server.

use std::io::Read;
use std::path::Path;

use bytes::{BufMut, BytesMut};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One page of 1,000 pods with status and managed fields, recorded from kube-apiserver 1.36.2.
const RECORDED: &[u8] = include_bytes!("../data/pods-1000.json.gz");

/// The versions of the first states end here; updates go on from it.
pub(crate) const LIST_VERSION: u64 = 1_000_000;

/// A pod, cut where its name, uid and version stand.
struct Template {
    pieces: Vec<Piece>,
    name: String,
}

enum Piece {
    Text(Vec<u8>),
    Name,
    Uid,
    Version,
}

/// The collection.
pub(crate) struct Pods {
    templates: Vec<Template>,
    count: usize,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    uid: String,
    resource_version: String,
}

impl Pods {
    /// The recorded pods, grown to `count`.
    pub(crate) fn grown_to(count: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let mut text = String::new();
        GzDecoder::new(RECORDED).read_to_string(&mut text)?;
        let list: List<'_> = serde_json::from_str(&text)?;
        let templates = list.items.iter().map(|item| Template::cut(item.get()));
        Ok(Self {
            templates: templates.collect::<Result<_, _>>()?,
            count,
        })
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Appends the pod at `index`, in the state of `version`.
    pub(crate) fn push(&self, out: &mut BytesMut, index: usize, version: u64) {
        let template = &self.templates[index % self.templates.len()];
        template.push(out, index / self.templates.len(), version);
    }

    /// The version of a pod in the list.
    pub(crate) const fn listed_version(&self, index: usize) -> u64 {
        LIST_VERSION - self.count as u64 + index as u64
    }
}

impl Template {
    fn cut(raw: &str) -> Result<Self, serde_json::Error> {
        let Metadata {
            name,
            uid,
            resource_version,
        } = serde_json::from_str::<Item>(raw)?.metadata;
        let marks = [
            (format!("\"name\":\"{name}\""), Piece::Name),
            (format!("\"uid\":\"{uid}\""), Piece::Uid),
            (
                format!("\"resourceVersion\":\"{resource_version}\""),
                Piece::Version,
            ),
        ];
        let mut found: Vec<_> = marks
            .into_iter()
            .filter_map(|(mark, piece)| Some((raw.find(&mark)?, mark.len(), piece)))
            .collect();
        found.sort_by_key(|(at, ..)| *at);
        let mut pieces = Vec::new();
        let mut end = 0;
        for (at, length, piece) in found {
            pieces.push(Piece::Text(raw.as_bytes()[end..at].to_vec()));
            pieces.push(piece);
            end = at + length;
        }
        pieces.push(Piece::Text(raw.as_bytes()[end..].to_vec()));
        Ok(Self { pieces, name })
    }

    fn push(&self, out: &mut BytesMut, generation: usize, version: u64) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.put_slice(text),
                Piece::Name => {
                    let name = format!("\"name\":\"{}-{generation}\"", self.name);
                    out.put_slice(name.as_bytes());
                }
                Piece::Uid => {
                    let hash = fingerprint(&self.name, generation);
                    let uid = format!("\"uid\":\"{hash:08x}-1000-4000-8000-{generation:012x}\"");
                    out.put_slice(uid.as_bytes());
                }
                Piece::Version => {
                    out.put_slice(format!("\"resourceVersion\":\"{version}\"").as_bytes());
                }
            }
        }
    }
}

/// FNV-1a: enough to give every pod a uid of its own.
fn fingerprint(name: &str, generation: usize) -> u32 {
    let bytes = name.bytes().chain(generation.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Writes the pods to a file, one a line.
pub(crate) fn write(pods: usize, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let pods = Pods::grown_to(pods)?;
    let mut out = BytesMut::new();
    for index in 0..pods.len() {
        pods.push(&mut out, index, pods.listed_version(index));
        out.put_slice(b"\n");
    }
    std::fs::write(path, out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grown_pods_are_valid_and_have_names_uids_and_versions_of_their_own() {
        let pods = Pods::grown_to(2_500).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..pods.len() {
            let mut out = BytesMut::new();
            pods.push(&mut out, index, 7 + index as u64);
            let item: Item = serde_json::from_slice(&out).unwrap();
            assert_eq!(item.metadata.resource_version, (7 + index).to_string());
            assert!(seen.insert(item.metadata.name), "names repeat");
            assert!(seen.insert(item.metadata.uid), "uids repeat");
        }
    }
}

//! The registry of a live kube-apiserver, object by object, against what that server's API showed at the
//! same moment.
//!
//! `testdata/etcd/registry.jsonl.gz` has the keys and values of its etcd, `registry-api.jsonl.gz` one list
//! of the API for each resource, both recorded from Kubernetes 1.36.2. Objects print byte for byte as the
//! API shows them, but for the differences that `docs/etcd.md` lists.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use heliostat_core::etcd::{RegistryCollection, ValueReader};
use heliostat_core::object::ObjectKey;
use heliostat_core::raw::{Encoding, RawCodec, RawView, ReadRaw};
use heliostat_core::wire::Codec;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// A key of etcd.
#[derive(Deserialize)]
struct Stored {
    key: String,
    value: String,
    mod_revision: u64,
}

impl Stored {
    fn value(&self) -> Vec<u8> {
        STANDARD.decode(&self.value).unwrap()
    }
}

/// An answer of the API.
#[derive(Deserialize)]
struct Listed {
    path: String,
    list: List,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    api_version: String,
    kind: String,
    items: Vec<Box<RawValue>>,
}

impl Listed {
    /// Where the resource is stored.
    fn collection(&self) -> RegistryCollection {
        let group = self.list.api_version.split_once('/');
        let group = group.map_or("", |(group, _)| group);
        RegistryCollection::new("/registry", group, self.path.rsplit('/').next().unwrap())
    }

    fn kind(&self) -> &str {
        self.list.kind.strip_suffix("List").unwrap()
    }

    fn items(&self) -> BTreeMap<ObjectKey, &str> {
        let items = self.list.items.iter().map(|item| {
            let RawItem { metadata } = serde_json::from_str(item.get()).unwrap();
            let key = ObjectKey::namespaced(&metadata.namespace, &metadata.name);
            (key, item.get())
        });
        items.collect()
    }
}

#[derive(Deserialize)]
struct RawItem {
    metadata: RawMetadata,
}

#[derive(Deserialize)]
struct RawMetadata {
    #[serde(default)]
    namespace: String,
    name: String,
}

fn lines<T: DeserializeOwned>(packed: &[u8]) -> Vec<T> {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn stored() -> Vec<Stored> {
    lines(include_bytes!("../testdata/etcd/registry.jsonl.gz"))
}

fn listed() -> Vec<Listed> {
    lines(include_bytes!("../testdata/etcd/registry-api.jsonl.gz"))
}

/// What the API shows otherwise: kind and API version of the API, API version in etcd, field, value in
/// etcd, value of the API.
type Difference = [String; 5];

/// The rows of the table in the documentation, without their reasons.
fn documented() -> BTreeSet<Difference> {
    let text = include_str!("../../../docs/etcd.md");
    let table = text.split("| Kind |").nth(1).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let rows = rows.map(|row| {
        let mut cells = row.trim_matches('|').split(" | ");
        let mut cell = || cells.next().unwrap().trim().replace('`', "");
        [cell(), cell(), cell(), cell(), cell()]
    });
    rows.collect()
}

#[test]
fn stored_objects_print_as_the_api_shows_them_but_for_the_documented_fields() {
    let stored = stored();
    let mut differences = BTreeSet::new();
    let mut equal = 0;
    for listed in listed() {
        let collection = listed.collection();
        let mut items = listed.items();
        let mut reader = ValueReader::default();
        for stored in &stored {
            let Some(key) = collection.object_key(stored.key.as_bytes()) else {
                continue;
            };
            let item = items.remove(&key);
            let item = item.unwrap_or_else(|| panic!("{} is not in the API", stored.key));
            let value = stored.value();
            let object = reader.read(stored.key.as_bytes(), &value, stored.mod_revision);
            let object = object.unwrap();
            let found = compare(&listed, object, item);
            equal += usize::from(found.is_empty());
            differences.extend(found);
        }
        assert!(items.is_empty(), "not in etcd: {items:?}");
    }
    assert_eq!(differences, documented());
    assert_eq!(equal, 418);
}

/// The differences between the stored object and the item of a list.
fn compare(listed: &Listed, object: RawView<'_>, item: &str) -> Vec<Difference> {
    let kind = object.kind().unwrap();
    let text = object.to_json_string().unwrap();
    // Items of lists of built-in kinds do not repeat their kind.
    let head = format!(
        "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",",
        kind.kind, kind.api_version
    );
    let without_head = text.strip_prefix(&head).map(|rest| format!("{{{rest}"));
    if text == item || without_head.as_deref() == Some(item) {
        return Vec::new();
    }
    let [mut stored, shown] = [&text, item].map(|text| serde_json::from_str(text).unwrap());
    let fields: &mut serde_json::Map<_, _> = Value::as_object_mut(&mut stored).unwrap();
    fields.remove("kind");
    fields.remove("apiVersion");
    let mut differences = Vec::new();
    differ("", &stored, &shown, &mut |field, stored, shown| {
        differences.push([
            format!("{} of {}", listed.kind(), listed.list.api_version),
            kind.api_version.clone(),
            field.to_owned(),
            cell(stored),
            cell(shown),
        ]);
    });
    assert!(
        !differences.is_empty(),
        "the order is another: {text}, {item}"
    );
    differences
}

/// Visits the smallest parts that differ.
fn differ(path: &str, stored: &Value, shown: &Value, visit: &mut impl FnMut(&str, &Value, &Value)) {
    match (stored, shown) {
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for name in names {
                let path = if path.is_empty() {
                    name
                } else {
                    &format!("{path}.{name}")
                };
                let of = |object: &serde_json::Map<_, _>| object.get(name).cloned();
                let [left, right] = [left, right].map(|side| of(side).unwrap_or_default());
                differ(path, &left, &right, visit);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differ(&format!("{path}[{index}]"), left, right, visit);
            }
        }
        _ if stored != shown => visit(path, stored, shown),
        _ => {}
    }
}

/// A value as the table has it: lists and maps are not repeated.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        Value::Array(_) | Value::Object(_) => "present".to_owned(),
        value => value.to_string(),
    }
}

#[test]
fn every_key_is_an_object_of_one_resource_or_known_to_be_none() {
    let collections: Vec<_> = listed().iter().map(Listed::collection).collect();
    let mut others = Vec::new();
    for stored in stored() {
        let is_in = |collection: &&RegistryCollection| {
            collection.object_key(stored.key.as_bytes()).is_some()
        };
        let mut of: Vec<_> = collections.iter().filter(is_in).collect();
        of.dedup();
        match of.len() {
            0 => others.push(stored.key),
            1 => {}
            _ => panic!("{} is in {of:?}", stored.key),
        }
    }
    let leases = RegistryCollection::new("/registry", "coordination.k8s.io", "leases");
    others.retain(|key| leases.object_key(key.as_bytes()).is_none());
    assert_eq!(others, ["/registry/ranges/servicenodeports"]);
}

#[test]
fn a_codec_reads_the_stored_objects_with_their_key_and_revision() {
    let codecs = [RawCodec::json(), RawCodec::protobuf()];
    let [mut json, mut protobuf] = codecs.map(RawCodec::without_managed_fields);
    let collections: Vec<_> = listed().iter().map(Listed::collection).collect();
    let mut reader = ValueReader::default();
    for stored in stored() {
        let mut keys = collections
            .iter()
            .filter_map(|collection| collection.object_key(stored.key.as_bytes()));
        let Some(key) = keys.next() else {
            continue;
        };
        let value = stored.value();
        let object = reader.read(stored.key.as_bytes(), &value, stored.mod_revision);
        let object = object.unwrap();
        let codec = match object.encoding() {
            Encoding::Json => &mut json,
            _ => &mut protobuf,
        };
        let entry = codec.decode(object.bytes(), object.kind()).unwrap();
        assert_eq!(entry.key(), &key);
        let version = entry.header.resource_version.as_decimal();
        assert_eq!(version, Some(stored.mod_revision));
        assert_eq!(entry.object.kind(), object.kind());
        let mut text = Vec::new();
        ReadRaw::to_json(&*entry.object, &mut text).unwrap();
        let shown: Value = serde_json::from_slice(&text).unwrap();
        let version = &shown["metadata"]["resourceVersion"];
        assert_eq!(version, &stored.mod_revision.to_string());
    }
}

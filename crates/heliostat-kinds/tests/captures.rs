//! What a server recorded in both encodings: the JSON of the one is the other.

use std::io::Read as _;

use flate2::read::GzDecoder;
use heliostat_kinds::{Object, from_protobuf, schema, to_json, to_protobuf};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use serde_json::Value;

macro_rules! captured {
    ($name:literal) => {
        include_bytes!(concat!("../testdata/captures/", $name)).as_slice()
    };
}

fn json_of(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    to_json(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn text(body: &[u8]) -> &str {
    str::from_utf8(body).unwrap().trim_end()
}

#[test]
fn objects_and_lists_are_the_json_of_the_server() {
    let pairs = [
        (captured!("get-protobuf.body"), captured!("get-json.body")),
        (captured!("list-protobuf.body"), captured!("list-json.body")),
        (
            captured!("list-protobuf-page1.body"),
            captured!("list-json-page1.body"),
        ),
        (
            captured!("list-metadata-protobuf.body"),
            captured!("list-metadata-json.body"),
        ),
    ];
    for (protobuf, json) in pairs {
        // The two were recorded one after the other.
        let version = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            value["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let written = json_of(protobuf);
        // In JSON alone the server names the kind of partial items.
        let item = r#""kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","#;
        let json = text(json).replace(item, "");
        let expected = json.replacen(&version(&json), &version(&written), 1);
        assert_eq!(written, expected);
    }
}

/// The events of a watch as lines of JSON.
fn lines_of(mut body: &[u8]) -> Vec<String> {
    let event = schema::kind("v1", "WatchEvent").unwrap().message();
    let mut lines = Vec::new();
    while let Some((len, rest)) = body.split_first_chunk::<4>() {
        let (frame, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        body = rest;
        let object = Object::of_message(event, frame);
        let mut line = Vec::new();
        object.to_json(&mut line).unwrap();
        let value: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(object.decode::<Value>().unwrap(), value);
        lines.push(String::from_utf8(line).unwrap());
    }
    lines
}

/// Leaves out what is another in each recording: versions, identities and times.
fn without_moments(text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["resourceVersion", "uid", "creationTimestamp", "time"] {
        let mark = format!("\"{name}\":\"");
        let mut parts = text.split(mark.as_str());
        let first = parts.next().unwrap_or_default().to_owned();
        let rest = parts.map(|part| part.split_once('"').unwrap().1);
        text = std::iter::once(&*first)
            .chain(rest)
            .collect::<Vec<_>>()
            .join(&mark);
    }
    text
}

#[test]
fn events_of_a_watch_are_the_json_of_the_server() {
    for (protobuf, json) in [
        (
            captured!("watch-protobuf.body"),
            captured!("watch-json.body"),
        ),
        (
            captured!("watch-list-protobuf.body"),
            captured!("watch-list-json.body"),
        ),
        (
            captured!("watch-protobuf-too-old.body"),
            captured!("watch-json-too-old.body"),
        ),
        (
            captured!("watch-protobuf-expired.body"),
            captured!("watch-json-expired.body"),
        ),
    ] {
        let lines = lines_of(protobuf);
        let expected: Vec<&str> = text(json).lines().collect();
        assert_eq!(lines.len(), expected.len());
        for (line, expected) in lines.iter().zip(expected) {
            assert_eq!(without_moments(line), without_moments(expected));
        }
    }
}

#[test]
fn recorded_pods_are_the_same_in_both_encodings() {
    let unpacked = |packed: &[u8]| {
        let mut bytes = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        bytes
    };
    let protobuf = unpacked(include_bytes!(
        "../../heliostat-core/testdata/wire/pods-1000.pb.gz"
    ));
    let json = unpacked(include_bytes!(
        "../../heliostat/testdata/captures/pods-1000.json.gz"
    ));
    assert!(json_of(&protobuf) == text(&json));
    let mut written = Vec::new();
    to_protobuf(&json, &mut written).unwrap();
    assert!(json_of(&written) == text(&json));
}

#[test]
fn values_of_etcd_are_objects() {
    let map: ConfigMap = from_protobuf(captured!("etcd-value-configmap.bin")).unwrap();
    assert_eq!(map.metadata.name.as_deref(), Some("cm-1"));
    // Only the key has the version.
    assert_eq!(map.metadata.resource_version, None);
    let pod: Pod = from_protobuf(captured!("etcd-value-pod.bin")).unwrap();
    let expected: Pod = serde_json::from_str(&json_of(captured!("etcd-value-pod.bin"))).unwrap();
    assert_eq!(pod, expected);
    assert_eq!(pod.spec.unwrap().containers.len(), 2);
}

//! What a server recorded in both encodings: the JSON of the one is the other.

use heliostat_kinds::{Object, from_protobuf, schema, to_json};
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

#[test]
fn events_of_a_watch_are_the_json_of_the_server() {
    let event = schema::kind("v1", "WatchEvent").unwrap().message();
    let mut body = captured!("watch-protobuf.body");
    let mut names = Vec::new();
    while let Some((len, rest)) = body.split_first_chunk::<4>() {
        let (frame, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        body = rest;
        let object = Object::of_message(event, frame);
        let mut line = Vec::new();
        object.to_json(&mut line).unwrap();
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(object.decode::<Value>().unwrap(), line);
        assert_eq!(line["object"]["kind"], "ConfigMap");
        let name = &line["object"]["metadata"]["name"];
        names.push(format!(
            "{} {}",
            line["type"].as_str().unwrap(),
            name.as_str().unwrap_or("")
        ));
    }
    // The two were recorded at the same time.
    let lines = text(captured!("watch-json.body")).lines();
    let expected: Vec<String> = lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let name = &line["object"]["metadata"]["name"];
            format!(
                "{} {}",
                line["type"].as_str().unwrap(),
                name.as_str().unwrap_or("")
            )
        })
        .collect();
    assert_eq!(names, expected);
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

//! Raw objects against `serde_json` and a plain reading of protobuf: recorded objects in both
//! encodings, every path that the schema knows, and any bytes.

use std::io::Read;
use std::sync::OnceLock;

use heliostat_kinds::schema::{self, Message, Shape, ValueType};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{ListPart, RejectionReason, WatchEvent};
use crate::object::Entry;
use crate::wire::protobuf::naive::{self, Naive};
use crate::wire::{Codec, DecodeLimits, json as wire_json, protobuf as wire_protobuf};

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/wire/", $name)).as_slice()
    };
}

type Entries = Vec<Entry<RawObject>>;

fn items(parts: Vec<ListPart<RawObject>>) -> Entries {
    let items = parts.into_iter().filter_map(|part| match part {
        ListPart::Items(items) => Some(items),
        ListPart::Metadata(_) => None,
    });
    items.flatten().map(|item| item.unwrap()).collect()
}

fn json_list(codec: RawCodec, body: &[u8]) -> Entries {
    let mut decoder = wire_json::ListDecoder::new(codec, DecodeLimits::default());
    let mut parts = Vec::new();
    decoder.push(body, &mut parts).unwrap();
    decoder.finish().unwrap();
    items(parts)
}

fn protobuf_list(codec: RawCodec, body: &[u8]) -> Entries {
    let mut decoder = wire_protobuf::ListDecoder::new(codec, DecodeLimits::default());
    let mut parts = Vec::new();
    decoder.push(body, &mut parts).unwrap();
    decoder.finish().unwrap();
    items(parts)
}

fn unzipped(zipped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(zipped);
    decoder.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A page of 1,000 pods of a real server, in JSON and in protobuf.
fn pods() -> &'static (Vec<u8>, Vec<u8>) {
    static PODS: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    PODS.get_or_init(|| {
        let json = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../bench/data/pods-1000.json.gz"
        );
        let json = std::fs::read(json).unwrap();
        (unzipped(&json), unzipped(recorded!("pods-1000.pb.gz")))
    })
}

fn path(text: &str) -> FieldPath {
    text.parse().unwrap()
}

fn kind(api_version: &str, kind: &str) -> Option<Arc<GroupVersionKind>> {
    Some(Arc::new(GroupVersionKind::new(api_version, kind)))
}

fn json_object(value: &Value) -> RawObject {
    RawObject::new(Encoding::Json, None, value.to_string().into_bytes().into())
}

/// Every path that leads to values in the message, as text.
fn known_paths(message: &'static Message, before: &str, out: &mut Vec<String>) {
    // Schemas of custom resources contain themselves.
    let is_schema = message.name().ends_with(".JSONSchemaProps") && before.contains("Schema.");
    for field in message.fields().iter().filter(|_| !is_schema) {
        let inner = field.message();
        if field.is_inline() {
            let inner = inner.filter(|inner| !inner.is_type_meta());
            inner
                .into_iter()
                .for_each(|inner| known_paths(inner, before, out));
            continue;
        }
        let mut here = match before {
            "" => field.name().to_owned(),
            before => format!("{before}.{}", field.name()),
        };
        if field.shape() != Shape::Singular {
            here.push_str("[*]");
        }
        match field.value_type() {
            ValueType::Message(inner) => known_paths(inner, &here, out),
            // Objects in JSON, which are no values.
            ValueType::FieldsV1 | ValueType::RawExtension | ValueType::Json => {}
            ValueType::JsonSchemaPropsOrArray
            | ValueType::JsonSchemaPropsOrBool
            | ValueType::JsonSchemaPropsOrStringArray => {}
            ValueType::StringList => out.push(format!("{here}[*]")),
            _ => out.push(here),
        }
    }
}

fn message_of(kind: Option<&GroupVersionKind>) -> &'static Message {
    let built_in = kind.and_then(|kind| schema::kind(&kind.api_version, &kind.kind));
    let any = || schema::kind("meta.k8s.io/v1", "PartialObjectMetadata");
    built_in.or_else(any).unwrap().message()
}

/// The values at a path, as `serde_json` reads the object.
fn values_of(value: &Value, steps: &[Step], out: &mut Vec<Value>) {
    match (value, steps) {
        (Value::Null, []) => {}
        (value, []) => out.push(value.clone()),
        (Value::Object(members), [Step::Name(name), rest @ ..]) => {
            if let Some(member) = members.get(&**name) {
                values_of(member, rest, out);
            }
        }
        (Value::Object(members), [Step::Each, rest @ ..]) => {
            members
                .values()
                .for_each(|member| values_of(member, rest, out));
        }
        (Value::Array(elements), [Step::Each, rest @ ..]) => {
            elements
                .iter()
                .for_each(|element| values_of(element, rest, out));
        }
        (Value::Array(elements), [Step::Index(index), rest @ ..]) => {
            if let Some(element) = elements.get(*index) {
                values_of(element, rest, out);
            }
        }
        _ => {}
    }
}

fn as_json(value: FieldValue<'_>) -> Value {
    match value {
        FieldValue::Text(text) => Value::from(text.into_owned()),
        FieldValue::Integer(number) => Value::from(number),
        FieldValue::Float(number) => Value::from(number),
        FieldValue::Bool(truth) => Value::from(truth),
    }
}

fn field(object: &RawObject, path: &FieldPath) -> Vec<Value> {
    let values = object.field(path).unwrap();
    values.into_iter().map(as_json).collect()
}

/// Holds both encodings of the same objects against each other and against `serde_json`, at every path
/// that is known of their kind; gives how many values were compared.
fn compare(json: &Entries, protobuf: &Entries, except: &[&str]) -> usize {
    let mut paths = Vec::new();
    known_paths(message_of(protobuf[0].object.kind()), "", &mut paths);
    let paths = paths.iter().filter(|path| !except.contains(&path.as_str()));
    let paths: Vec<FieldPath> = paths.map(|text| path(text)).collect();
    assert_eq!(json.len(), protobuf.len());
    let mut compared = 0;
    for (json, protobuf) in json.iter().zip(protobuf) {
        assert_eq!(json.header, protobuf.header);
        assert_eq!(json.object.kind(), protobuf.object.kind());
        let whole: Value = json.object.decode().unwrap();
        for path in &paths {
            let mut expected = Vec::new();
            values_of(&whole, path.steps(), &mut expected);
            assert_eq!(field(&json.object, path), expected, "{path}");
            assert_eq!(
                field(&protobuf.object, path),
                expected,
                "{path} in protobuf"
            );
            compared += expected.len();
        }
    }
    compared
}

/// What the metadata of both tells, against `serde_json`.
fn compare_metadata(json: &Entries, protobuf: &Entries) {
    for (json, protobuf) in json.iter().zip(protobuf) {
        let whole: Value = json.object.decode().unwrap();
        let pairs = |name: &str| -> Vec<(String, String)> {
            let map = whole["metadata"][name].as_object();
            let pairs = map.into_iter().flatten();
            pairs
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect()
        };
        let owned = |pairs: Pairs<'_>| -> Vec<(String, String)> {
            let pairs = pairs.into_iter();
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect()
        };
        for metadata in [json.object.metadata(), protobuf.object.metadata()] {
            assert_eq!(owned(metadata.labels()), pairs("labels"));
            assert_eq!(owned(metadata.annotations()), pairs("annotations"));
            for (key, value) in pairs("labels") {
                assert_eq!(metadata.label(&key).as_deref(), Some(&*value));
            }
            for (key, value) in pairs("annotations") {
                assert_eq!(metadata.annotation(&key).as_deref(), Some(&*value));
            }
            assert_eq!(metadata.label("no such label"), None);
            let owners = whole["metadata"]["ownerReferences"].as_array();
            let expected: Vec<_> = owners.into_iter().flatten().collect();
            let actual = metadata.owner_references();
            assert_eq!(actual.len(), expected.len());
            for (actual, expected) in actual.iter().zip(expected) {
                let told = json!({
                    "apiVersion": actual.api_version, "kind": actual.kind, "name": actual.name,
                    "uid": actual.uid, "controller": actual.controller,
                    "blockOwnerDeletion": actual.block_owner_deletion,
                });
                assert_eq!(&told, expected);
            }
        }
    }
}

#[test]
fn a_thousand_pods_tell_the_same_in_both_encodings_at_every_known_path() {
    let (json, protobuf) = pods();
    let json = json_list(RawCodec::json(), json);
    let protobuf = protobuf_list(RawCodec::protobuf(), protobuf);
    assert_eq!(json.len(), 1000);
    compare_metadata(&json, &protobuf);
    let some = |entries: &Entries| -> Entries { entries.iter().step_by(100).cloned().collect() };
    let compared = compare(&some(&json), &some(&protobuf), &[]);
    assert!(compared > 1_000, "{compared} values");
    for (json, protobuf) in json.iter().zip(&protobuf) {
        assert_eq!(json.header, protobuf.header);
        assert_eq!(json.object.phase(), protobuf.object.phase());
        assert!(json.object.phase().unwrap().is_some());
    }
}

#[test]
fn config_maps_tell_the_same_in_both_encodings_at_every_known_path() {
    let json = json_list(RawCodec::json(), recorded!("list-json.json"));
    let protobuf = protobuf_list(RawCodec::protobuf(), recorded!("list-protobuf.pb"));
    compare_metadata(&json, &protobuf);
    assert!(compare(&json, &protobuf, &[]) > 50);
    for (json, protobuf) in json.iter().zip(&protobuf) {
        let whole: Value = json.object.decode().unwrap();
        let data = whole["data"].as_object().unwrap();
        let expected: Vec<&str> = data.keys().map(String::as_str).collect();
        assert_eq!(json.object.keys(&path("data")).unwrap(), expected);
        assert_eq!(protobuf.object.keys(&path("data")).unwrap(), expected);
    }
}

#[test]
fn objects_of_a_metadata_only_list_are_of_no_kind_but_have_metadata() {
    let json = json_list(RawCodec::json(), recorded!("list-metadata-json.json"));
    let protobuf = protobuf_list(RawCodec::protobuf(), recorded!("list-metadata-protobuf.pb"));
    assert!(compare(&json, &protobuf, &[]) > 50);
}

#[test]
fn watches_give_objects_with_their_kind() {
    let mut json = wire_json::WatchDecoder::new(RawCodec::json(), DecodeLimits::default());
    let mut protobuf =
        wire_protobuf::WatchDecoder::new(RawCodec::protobuf(), DecodeLimits::default());
    let (mut expected, mut events) = (Vec::new(), Vec::new());
    json.push(recorded!("watch-json.json"), &mut expected)
        .unwrap();
    protobuf
        .push(recorded!("watch-protobuf.pb"), &mut events)
        .unwrap();
    let objects = |events: Vec<WatchEvent<RawObject>>| -> Entries {
        let objects = events.into_iter().filter_map(|event| match event {
            WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => {
                Some(entry)
            }
            _ => None,
        });
        objects.collect()
    };
    let (expected, events) = (objects(expected), objects(events));
    assert!(!events.is_empty() && !expected.is_empty());
    for entry in expected.iter().chain(&events) {
        let kind = entry.object.kind();
        assert_eq!(kind, Some(&GroupVersionKind::new("v1", "ConfigMap")));
        assert_eq!(
            entry.object.text(&path("kind")).unwrap().unwrap(),
            "ConfigMap"
        );
        assert_eq!(
            entry.object.text(&path("apiVersion")).unwrap().unwrap(),
            "v1"
        );
    }
    // One name for all of a watch.
    let kinds = |entries: &Entries| {
        entries
            .iter()
            .map(|entry| entry.object.kind.clone().unwrap())
            .collect::<Vec<_>>()
    };
    assert!(
        kinds(&events)
            .windows(2)
            .all(|pair| Arc::ptr_eq(&pair[0], &pair[1]))
    );
    assert!(
        kinds(&expected)
            .windows(2)
            .all(|pair| Arc::ptr_eq(&pair[0], &pair[1]))
    );
}

#[test]
fn managed_fields_are_cut_out_if_wanted() {
    let (json, protobuf) = pods();
    let managed = path("metadata.managedFields[*].manager");
    let full = protobuf_list(RawCodec::protobuf(), protobuf);
    let json = json_list(RawCodec::json().without_managed_fields().unchecked(), json);
    let protobuf = protobuf_list(RawCodec::protobuf().without_managed_fields(), protobuf);
    for ((full, json), protobuf) in full.iter().zip(&json).zip(&protobuf) {
        assert!(!full.object.field(&managed).unwrap().is_empty());
        assert!(json.object.field(&managed).unwrap().is_empty());
        assert!(protobuf.object.field(&managed).unwrap().is_empty());
        assert!(protobuf.object.bytes().len() < full.object.bytes().len());
        assert_eq!(protobuf.header, full.header);
        let labels = full.object.metadata().labels();
        assert_eq!(protobuf.object.metadata().labels(), labels);
        assert_eq!(json.object.metadata().labels(), labels);
    }
    compare(&json[..5].to_vec(), &protobuf[..5].to_vec(), &[]);
}

#[test]
fn a_place_that_is_not_known_is_never_told_as_absent() {
    let pod = RawObject::new(Encoding::Protobuf, kind("v1", "Pod"), Box::default());
    for text in [
        "spec.volumez[*].name",
        "spec.volumes[*].nfs.paths",
        "spec.volumes[*].volumeSource",
        "spec.tolerations[*].key.x",
        "spec.nodename",
        "spec.nodeName.x",
        "spec.containers.image",
        "spec[*].nodeName",
        "metadata.labels[0]",
        "spec.containers.a",
        "[*]",
    ] {
        let error = pod.field(&path(text)).unwrap_err();
        let expected = FieldError::UnknownPath {
            path: text.to_owned(),
            kind: GroupVersionKind::new("v1", "Pod"),
        };
        assert_eq!(error, expected);
        assert!(pod.keys(&path(text)).is_err());
    }
    assert_eq!(pod.field(&path("spec.nodeName")), Ok(Vec::new()));
    let widget = RawObject::new(
        Encoding::Protobuf,
        kind("e.io/v1", "Widget"),
        Box::default(),
    );
    let error = widget.phase().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the place of status.phase in the protobuf encoding of e.io/v1, Kind=Widget is not known"
    );
    assert_eq!(widget.text(&path("metadata.name")), Ok(None));
}

#[test]
fn what_is_no_value_and_what_is_no_map_is_said() {
    let (_, protobuf) = pods();
    let pod = &protobuf_list(RawCodec::protobuf(), protobuf)[0].object;
    let json = json_object(
        &json!({"spec":{"nodeName":"n","containers":[{"name":"a"}]},"metadata":{"labels":{"a":"b"}}}),
    );
    for text in [
        "spec",
        "spec.containers",
        "spec.containers[*]",
        "metadata.labels",
    ] {
        for object in [pod, &json] {
            let error = object.field(&path(text)).unwrap_err();
            assert_eq!(
                error,
                FieldError::NotAValue {
                    path: text.to_owned()
                }
            );
        }
    }
    for text in ["spec.nodeName", "spec.containers"] {
        for object in [pod, &json] {
            let error = object.keys(&path(text)).unwrap_err();
            assert_eq!(
                error,
                FieldError::NotAMap {
                    path: text.to_owned()
                }
            );
        }
    }
}

/// Objects of every built-in kind, as Go encodes them: the kind, the envelope and the JSON.
fn every_kind() -> Vec<(GroupVersionKind, Vec<u8>, String)> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../heliostat-kinds/testdata/encodings.jsonl.gz"
    );
    let rows = String::from_utf8(unzipped(&std::fs::read(path).unwrap())).unwrap();
    let row = |row: &str| {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text("protobuf"));
        let bytes = bytes.unwrap();
        let envelope = heliostat_kinds::Envelope::parse(&bytes).unwrap();
        let kind = GroupVersionKind::new(envelope.api_version(), envelope.kind());
        (kind, envelope.raw().to_vec(), text("json"))
    };
    rows.lines().map(row).collect()
}

#[test]
fn every_path_of_every_kind_gives_what_json_shows() {
    let mut compared = 0;
    // Three rows a kind: every other one is of every kind, and of every sort.
    for (kind, bytes, text) in every_kind().into_iter().step_by(2) {
        let kind = Arc::new(kind);
        let mut paths = Vec::new();
        known_paths(message_of(Some(&kind)), "", &mut paths);
        let whole: Value = serde_json::from_str(&text).unwrap();
        let encodings = [
            (Encoding::Json, text.as_bytes()),
            (Encoding::Protobuf, &bytes[..]),
        ];
        for path in paths.iter().map(|text| path(text)) {
            let mut expected = Vec::new();
            values_of(&whole, path.steps(), &mut expected);
            for (encoding, bytes) in encodings {
                let object = RawView::new(encoding, Some(&kind), bytes);
                let values = object.field(&path);
                let values = values.unwrap_or_else(|error| panic!("{kind}: {error}"));
                let values: Vec<Value> = values.into_iter().map(as_json).collect();
                assert_eq!(values, expected, "{path} of {kind} in {encoding:?}");
            }
            compared += expected.len();
        }
    }
    assert!(compared > 5_000, "{compared} values");
}

#[test]
fn every_kind_is_shown_whole_and_decoded_the_same_from_both_encodings() {
    for (kind, bytes, text) in every_kind() {
        let kind = Arc::new(kind);
        let protobuf = RawView::new(Encoding::Protobuf, Some(&kind), &bytes);
        let json = RawView::new(Encoding::Json, Some(&kind), text.as_bytes());
        assert_eq!(protobuf.to_json_string().unwrap(), text, "{kind}");
        assert_eq!(json.to_json_string().unwrap(), text, "{kind}");
        let expected: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(protobuf.decode::<Value>().unwrap(), expected, "{kind}");
        assert_eq!(json.decode::<Value>().unwrap(), expected, "{kind}");
    }
}

#[test]
fn items_of_lists_are_shown_whole_with_their_kind_in_both_encodings() {
    let (json, protobuf) = pods();
    let json = json_list(RawCodec::json().without_managed_fields(), json);
    let protobuf = protobuf_list(RawCodec::protobuf().without_managed_fields(), protobuf);
    for (json, protobuf) in json.iter().zip(&protobuf) {
        let text = protobuf.object.to_json_string().unwrap();
        assert!(text.starts_with(r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"#));
        assert_eq!(json.object.to_json_string().unwrap(), text);
        let decoded: Value = json.object.decode().unwrap();
        assert_eq!(decoded, protobuf.object.decode::<Value>().unwrap());
        assert_eq!(decoded["kind"], "Pod");
    }
}

#[test]
fn json_gets_the_kind_only_where_it_has_none() {
    let kind = kind("v1", "Pod");
    for (bytes, expected) in [
        ("{}", r#"{"kind":"Pod","apiVersion":"v1"}"#),
        (" { } ", r#"{"kind":"Pod","apiVersion":"v1" } "#),
        (r#"{"a":1}"#, r#"{"kind":"Pod","apiVersion":"v1","a":1}"#),
        (r#"{"kind":"X"}"#, r#"{"apiVersion":"v1","kind":"X"}"#),
        (
            r#"{"a":1,"kind":"X","apiVersion":"y"}"#,
            r#"{"a":1,"kind":"X","apiVersion":"y"}"#,
        ),
        ("[1]", "[1]"),
        ("", ""),
    ] {
        let object = RawObject::new(Encoding::Json, kind.clone(), bytes.as_bytes().into());
        assert_eq!(object.to_json_string().unwrap(), expected);
        let object = RawObject::new(Encoding::Json, None, bytes.as_bytes().into());
        assert_eq!(object.to_json_string().unwrap(), bytes);
    }
}

#[test]
fn whole_objects_that_cannot_be_read_are_named() {
    let whole = |kind: Option<Arc<GroupVersionKind>>, bytes: &[u8]| {
        let object = RawObject::new(Encoding::Protobuf, kind, bytes.into());
        let mut out = b"before".to_vec();
        let error = object.to_json(&mut out).unwrap_err();
        assert_eq!(out, b"before");
        assert_eq!(
            object.decode::<Value>().unwrap_err().to_string(),
            error.to_string()
        );
        error.to_string()
    };
    assert!(whole(None, b"").contains("its kind is not known"));
    let custom = whole(kind("e.io/v1", "Widget"), b"");
    assert!(
        custom.contains("e.io/v1, Kind=Widget is not built in"),
        "{custom}"
    );
    assert!(whole(kind("v1", "Pod"), &[10, 200]).contains("cut off"));
    assert!(whole(kind("meta.k8s.io/v1", "Table"), b"").contains("no encoding in protobuf"));
    let json = RawObject::new(Encoding::Json, None, b"{".as_slice().into());
    assert!(matches!(json.decode::<Value>(), Err(WholeError::Json(_))));
    let json = RawObject::new(Encoding::Json, None, b"\xff".as_slice().into());
    assert!(matches!(json.to_json_string(), Err(WholeError::Json(_))));
}

#[test]
fn paths_lead_into_json_that_protobuf_carries() {
    let data = message(&[(1, br#"{"spec":{"replicas":3},"list":[1]}"#)]);
    let revision = message(&[(2, &data)]);
    let kind = kind("apps/v1", "ControllerRevision");
    let revision = RawObject::new(Encoding::Protobuf, kind.clone(), revision.into());
    let replicas = revision.field(&path("data.spec.replicas"));
    assert_eq!(replicas, Ok(vec![FieldValue::Integer(3)]));
    assert_eq!(revision.keys(&path("data")).unwrap(), ["spec", "list"]);
    assert_eq!(revision.field(&path("data.absent.x")), Ok(Vec::new()));
    for not_a_value in ["data", "data.list"] {
        let error = revision.field(&path(not_a_value)).unwrap_err();
        assert!(matches!(error, FieldError::NotAValue { .. }));
    }
    for broken in [&b"{"[..], b"k8s\0"] {
        let data = message(&[(2, &message(&[(1, broken)]))]);
        let revision = RawObject::new(Encoding::Protobuf, kind.clone(), data.into());
        let error = revision.field(&path("data.spec")).unwrap_err();
        assert!(matches!(error, FieldError::Malformed { .. }));
    }
}

#[test]
fn lists_of_numbers_are_read_packed_and_not() {
    let context = [&[32, 1][..], &message(&[(4, &[2, 3])]), &[32, 4]].concat();
    let spec = message(&[(14, &context)]);
    let pod = RawObject::new(
        Encoding::Protobuf,
        kind("v1", "Pod"),
        message(&[(2, &spec)]).into(),
    );
    let groups = pod.field(&path("spec.securityContext.supplementalGroups[*]"));
    let expected = [1, 2, 3, 4].map(FieldValue::Integer).to_vec();
    assert_eq!(groups, Ok(expected));
    let third = pod.text(&path("spec.securityContext.supplementalGroups[2]"));
    assert_eq!(third.unwrap().as_deref(), Some("3"));
    let text = pod.to_json_string().unwrap();
    assert!(text.contains(r#""supplementalGroups":[1,2,3,4]"#), "{text}");
}

#[test]
fn a_selector_is_asked_without_a_copy() {
    let (json, protobuf) = pods();
    let json = json_list(RawCodec::json().unchecked(), json);
    let protobuf = protobuf_list(RawCodec::protobuf(), protobuf);
    let label = json[0].object.metadata().labels().swap_remove(0);
    let selector: LabelSelector = format!("{}={}", label.0, label.1).parse().unwrap();
    let selected = |entries: &Entries| {
        let selected = entries
            .iter()
            .filter(|entry| entry.object.is_selected_by(&selector));
        selected.count()
    };
    let expected = json
        .iter()
        .filter(|entry| entry.object.label(&label.0) == Some(label.1.clone()));
    let expected = expected.count();
    assert!((1..1000).contains(&expected), "{expected}");
    assert_eq!((selected(&json), selected(&protobuf)), (expected, expected));
    for entries in [&json, &protobuf] {
        let value = entries[0].object.label(&label.0);
        assert!(matches!(value, Some(Cow::Borrowed(_))));
    }
    let escaped = br#"{"metadata":{"labels":{"a\u0070p":"w\u0065b"}}}"#;
    let escaped = RawObject::new(Encoding::Json, None, escaped.as_slice().into());
    assert!(escaped.is_selected_by(&"app=web".parse().unwrap()));
    assert!(!escaped.is_selected_by(&"app!=web".parse().unwrap()));
}

/// A message of fields, each with its tag and length.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let field =
        |(number, bytes): &(u8, &[u8])| [&[number << 3 | 2, bytes.len() as u8], *bytes].concat();
    fields.iter().map(field).collect::<Vec<_>>().concat()
}

#[test]
fn messages_in_pieces_are_merged() {
    let first = message(&[(8, b"account"), (10, b"first")]);
    let second = message(&[(10, b"second"), (2, &message(&[(1, b"a")]))]);
    let labels = |value: &[u8]| message(&[(1, b"x"), (11, &message(&[(1, b"app"), (2, value)]))]);
    let bytes = message(&[
        (2, &first),
        (1, &labels(b"old")),
        (2, &second),
        (1, &labels(b"new")),
        (2, &message(&[(2, &message(&[(1, b"b")]))])),
    ]);
    let pod = RawObject::new(Encoding::Protobuf, kind("v1", "Pod"), bytes.into());
    let text = |text: &str| pod.text(&path(text)).unwrap().map(Cow::into_owned);
    assert_eq!(text("spec.nodeName").as_deref(), Some("second"));
    assert_eq!(text("spec.serviceAccountName").as_deref(), Some("account"));
    assert_eq!(text("spec.containers[1].name").as_deref(), Some("b"));
    assert_eq!(text("spec.containers[2].name"), None);
    assert_eq!(text("metadata.labels.app").as_deref(), Some("new"));
    assert_eq!(pod.label("app").as_deref(), Some("new"));
    assert_eq!(pod.metadata().labels(), [("app".into(), "new".into())]);
}

#[test]
fn what_json_leaves_out_when_empty_is_not_told_of_protobuf_either() {
    let spec = [message(&[(10, b"")]), vec![4 << 3, 0, 11 << 3, 0]].concat();
    let pod = RawObject::new(
        Encoding::Protobuf,
        kind("v1", "Pod"),
        message(&[(2, &spec)]).into(),
    );
    assert_eq!(pod.field(&path("spec.nodeName")), Ok(Vec::new()));
    assert_eq!(pod.field(&path("spec.hostNetwork")), Ok(Vec::new()));
    let grace = pod.field(&path("spec.terminationGracePeriodSeconds"));
    assert_eq!(grace, Ok(vec![FieldValue::Integer(0)]));
    let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let spec = [&[1 << 3][..], &minus_one].concat();
    let deployment = RawObject::new(
        Encoding::Protobuf,
        kind("apps/v1", "Deployment"),
        message(&[(2, &spec)]).into(),
    );
    let replicas = deployment.field(&path("spec.replicas"));
    assert_eq!(replicas, Ok(vec![FieldValue::Integer(-1)]));
}

#[test]
fn bytes_times_and_amounts_are_told_as_json_tells_them() {
    let secret = message(&[
        (1, &message(&[(9, &[8, 0x80, 0xa3, 0x05, 16, 0])])),
        (2, &message(&[(1, b"key"), (2, b"\xff\xef\xbe")])),
        (3, b"Opaque"),
    ]);
    let secret = RawObject::new(Encoding::Protobuf, kind("v1", "Secret"), secret.into());
    assert_eq!(secret.text(&path("data.key")).unwrap().unwrap(), "/+++");
    assert_eq!(secret.text(&path("type")).unwrap().unwrap(), "Opaque");
    assert_eq!(secret.keys(&path("data")).unwrap(), ["key"]);
    let deleted = secret.metadata().deletion_timestamp();
    assert_eq!(deleted.as_deref(), Some("1970-01-02T00:00:00Z"));
    assert_eq!(
        secret.text(&path("metadata.deletionTimestamp")).unwrap(),
        deleted
    );
    let event = message(&[
        (2, &message(&[(1, b"Pod"), (3, b"web-0")])),
        (10, &[8, 1, 16, 0xe8, 7]),
    ]);
    let event = RawObject::new(Encoding::Protobuf, kind("v1", "Event"), event.into());
    assert_eq!(
        event.text(&path("involvedObject.name")).unwrap().unwrap(),
        "web-0"
    );
    let told = event.text(&path("eventTime")).unwrap();
    assert_eq!(told.as_deref(), Some("1970-01-01T00:00:01.000001Z"));
    let amount = message(&[(1, b"500m")]);
    let entry = message(&[(1, b"cpu"), (2, &amount)]);
    let node = message(&[(3, &message(&[(1, &entry)]))]);
    let node = RawObject::new(Encoding::Protobuf, kind("v1", "Node"), node.into());
    assert_eq!(
        node.text(&path("status.capacity.cpu")).unwrap().unwrap(),
        "500m"
    );
}

#[test]
fn a_codec_rejects_what_it_cannot_file() {
    let mut json = RawCodec::json();
    let rejected = json.decode(br#"{"metadata":{"name":"a"},"spec":oops}"#, None);
    assert!(matches!(rejected, Err(RejectionReason::Undecodable(_))));
    let rejected = json.decode(b"{\"metadata\":{\"name\":\"a\"},\"x\":\"\xff\"}", None);
    assert!(matches!(rejected, Err(RejectionReason::Undecodable(_))));
    let rejected = json.decode(b"{}", None);
    assert!(matches!(rejected, Err(RejectionReason::NoMetadata(_))));
    let taken = RawCodec::json()
        .unchecked()
        .decode(br#"{"metadata":{"name":"a"},"spec":oops}"#, None);
    assert!(matches!(
        taken.unwrap().object.field(&path("spec")),
        Err(FieldError::Malformed { .. })
    ));
    let mut protobuf = RawCodec::protobuf();
    let rejected = protobuf.decode(&[0xff], None);
    assert!(matches!(rejected, Err(RejectionReason::Undecodable(_))));
    let rejected = protobuf.decode(&message(&[(1, b"")]), None);
    assert!(matches!(rejected, Err(RejectionReason::NoMetadata(_))));
}

#[test]
fn an_item_that_tells_its_kind_is_of_that_kind() {
    let envelope = GroupVersionKind::new("v1", "Pod");
    let mut codec = RawCodec::json();
    let mut told = |bytes: &[u8], envelope| {
        let entry = codec.decode(bytes, envelope).unwrap();
        entry.object.kind().map(ToString::to_string)
    };
    let own = br#"{"apiVersion":"e.io/v1","kind":"Widget","metadata":{"name":"a"}}"#;
    let none = br#"{"metadata":{"name":"a"}}"#;
    assert_eq!(
        told(own, Some(&envelope)).as_deref(),
        Some("e.io/v1, Kind=Widget")
    );
    assert_eq!(told(own, None).as_deref(), Some("e.io/v1, Kind=Widget"));
    assert_eq!(told(none, Some(&envelope)).as_deref(), Some("v1, Kind=Pod"));
    assert_eq!(told(none, None), None);
}

/// The last text at a chain of numbers, read plainly; none if anything on the way is broken.
fn naive_text(bytes: &[u8], numbers: &[u64]) -> Option<Option<Vec<u8>>> {
    let mut pieces = vec![bytes.to_vec()];
    for &number in numbers {
        let mut inner = Vec::new();
        for piece in &pieces {
            inner.extend(naive::runs(piece, number)?);
        }
        pieces = inner;
    }
    Some(pieces.pop().filter(|text| !text.is_empty()))
}

fn any_step() -> impl Strategy<Value = Step> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "metadata",
            "spec",
            "status",
            "labels",
            "containers",
            "nodeName",
            "name",
            "a",
            "b"
        ])
        .prop_map(str::to_owned),
        "[a-c]?",
    ];
    prop_oneof![
        4 => name.prop_map(|name| Step::Name(name.into())),
        1 => Just(Step::Each),
        1 => (0..3usize).prop_map(Step::Index),
    ]
}

fn any_path() -> impl Strategy<Value = FieldPath> {
    prop::collection::vec(any_step(), 1..5).prop_map(|steps| {
        let path = FieldPath::of_steps(steps);
        path.to_string().parse().unwrap()
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof![
            Just("metadata".to_owned()),
            Just("spec".to_owned()),
            Just("labels".to_owned()),
            "[a-c\"é]{0,2}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn paths_into_any_json_give_what_serde_json_gives(
        members in prop::collection::btree_map("metadata|spec|[a-c]", any_json(), 0..4),
        path in any_path(),
        pretty: bool,
    ) {
        let value = Value::Object(members.into_iter().collect());
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let object = RawObject::new(Encoding::Json, None, text.into_bytes().into());
        let mut expected = Vec::new();
        values_of(&value, path.steps(), &mut expected);
        let all_values = !expected.iter().any(|value| value.is_object() || value.is_array());
        match object.field(&path) {
            Ok(values) => {
                prop_assert!(all_values);
                let values: Vec<Value> = values.into_iter().map(as_json).collect();
                prop_assert_eq!(values, expected);
            }
            Err(error) => {
                prop_assert!(!all_values);
                let not_a_value = matches!(error, FieldError::NotAValue { .. });
                prop_assert!(not_a_value);
            }
        }
    }

    #[test]
    fn any_bytes_are_safe_to_ask(
        mut bytes in prop::collection::vec(any::<u8>(), 0..100),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        recorded: bool,
        path in any_path(),
    ) {
        if recorded {
            let list = protobuf_list(RawCodec::protobuf(), recorded!("list-protobuf.pb"));
            bytes = list[0].object.bytes().to_vec();
            for (index, byte) in flips {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
        }
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let object = RawObject::new(encoding, kind("v1", "Pod"), bytes.clone().into());
            let _ = (object.field(&path), object.keys(&path), object.phase());
            let metadata = object.metadata();
            let _ = (metadata.labels(), metadata.annotations(), metadata.owner_references());
            let _ = (metadata.finalizers(), metadata.deletion_timestamp());
        }
        // Against the plain reading, wherever that finds nothing broken.
        let object = RawObject::new(Encoding::Protobuf, kind("v1", "Pod"), bytes.clone().into());
        for (path, numbers) in [("metadata.name", [1, 1]), ("spec.nodeName", [2, 10]), ("status.phase", [3, 1])] {
            let told = object.text(&path.parse().unwrap());
            let expected = naive_text(&bytes, &numbers);
            match (told, expected) {
                (Ok(told), Some(expected)) => {
                    prop_assert_eq!(told.map(|text| text.as_bytes().to_vec()), expected);
                }
                (Err(_), Some(expected)) => {
                    let texts = String::from_utf8(bytes.clone());
                    prop_assert!(texts.is_err(), "{expected:?}");
                }
                (Ok(_), None) => prop_assert!(false, "{} is broken for one only", path),
                (Err(_), None) => {}
            }
        }
        let (fields, _) = naive::fields(&bytes);
        let numbers = fields.iter().filter(|(_, value)| matches!(value, Naive::Bytes(_))).count();
        let runs: usize = (1..=u32::from(u8::MAX))
            .map(|number| protobuf::Pieces::one(&bytes).runs(number).filter(Result::is_ok).count())
            .sum();
        prop_assert!(runs <= numbers);
    }
}

//! Bytes that Go would not write but reads, and bytes that nobody can read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heliostat_kinds::schema::{self, Message};
use heliostat_kinds::{Object, ReadError, ReadErrorKind, from_message, from_protobuf, to_json};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use proptest::prelude::*;
use serde::Deserialize as _;
use serde_json::Value;

fn message(api_version: &str, kind: &str) -> &'static Message {
    schema::kind(api_version, kind).unwrap().message()
}

/// A field of bytes.
fn field(number: usize, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(number << 3 | 2);
    bytes.extend(varint(content.len()));
    bytes.extend_from_slice(content);
    bytes
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

fn json(message: &'static Message, bytes: &[u8]) -> Result<String, ReadError> {
    let object = Object::of_message(message, bytes);
    let mut out = b"before".to_vec();
    let written = object.to_json(&mut out);
    let decoded = object.decode::<Value>();
    if let Err(error) = written {
        assert_eq!(out, b"before", "nothing is half written");
        assert!(decoded.is_err(), "{decoded:?}");
        return Err(error);
    }
    let text = String::from_utf8(out.split_off("before".len())).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(decoded.unwrap(), expected);
    Ok(text)
}

fn check(message: &'static Message, parts: &[Vec<u8>], expected: &str) {
    assert_eq!(json(message, &parts.concat()).unwrap(), expected);
}

#[test]
fn fields_may_come_in_any_order() {
    let map = message("v1", "ConfigMap");
    let parts = [number(4, 1), field(1, &field(1, b"a"))];
    check(map, &parts, r#"{"metadata":{"name":"a"},"immutable":true}"#);
}

/// The typed object is what `serde_json` makes of the JSON.
fn check_pod(parts: &[Vec<u8>]) {
    let bytes = parts.concat();
    let pod = message("v1", "Pod");
    let text = json(pod, &bytes).unwrap();
    let expected: Pod = serde_json::from_str(&text).unwrap();
    assert_eq!(from_message::<Pod>(pod, &bytes).unwrap(), expected);
}

#[test]
fn fields_of_typed_objects_may_be_in_several_places() {
    let source = |number, path: &[u8]| field(2, &field(number, &field(1, path)));
    let volume = [
        field(1, b"v"),
        source(1, b"/a"),
        source(1, b"/b"),
        source(2, b""),
    ]
    .concat();
    let metadata = field(1, &[field(1, b"first"), field(1, b"last")].concat());
    let spec = [
        field(1, &volume),
        field(2, &field(1, b"one")),
        field(3, b"Always"),
        field(2, &field(1, b"two")),
    ]
    .concat();
    let more = [field(2, &field(1, b"three")), field(3, b"Never")].concat();
    check_pod(&[metadata.clone(), field(2, &spec), field(2, &more)]);
    check_pod(&[field(2, &more), metadata.clone(), field(2, &spec)]);
    check_pod(&[field(2, &spec), metadata]);
    // The first time is malformed, the second counts.
    let times = [field(8, b"\x0a\x00"), field(8, &number(1, 1))].concat();
    check_pod(&[field(1, &times)]);
}

/// Allows to take one field of a map and leave the others.
struct First(String);

impl<'de> serde::Deserialize<'de> for First {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = First;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<First, A::Error> {
                let first = map.next_entry::<String, serde::de::IgnoredAny>()?;
                Ok(First(first.map(|(key, _)| key).unwrap_or_default()))
            }
        }
        deserializer.deserialize_struct("First", &[], Visitor)
    }
}

#[test]
fn a_struct_that_leaves_fields_does_not_hide_broken_bytes() {
    let map = message("v1", "ConfigMap");
    let mut bytes = [number(4, 1), field(1, b"")].concat();
    assert_eq!(from_message::<First>(map, &bytes).unwrap().0, "metadata");
    bytes.push(0xff);
    assert!(from_message::<First>(map, &bytes).is_err());
}

#[test]
fn of_scalars_the_last_counts() {
    let map = message("v1", "ConfigMap");
    let metadata = [
        field(1, b"first"),
        field(3, b"x"),
        field(1, b"last"),
        field(3, b""),
    ];
    check(
        map,
        &[field(1, &metadata.concat())],
        r#"{"metadata":{"name":"last"}}"#,
    );
}

#[test]
fn messages_are_merged_and_their_lists_collected() {
    let map = message("v1", "ConfigMap");
    let first = [field(1, b"a"), field(14, b"one"), field(14, b"two")];
    let second = [field(14, b"three"), field(3, b"ns"), field(14, b"four")];
    let parts = [
        field(1, &first.concat()),
        number(4, 0),
        field(1, &second.concat()),
        field(1, &field(1, b"b")),
    ];
    let expected = r#"{"metadata":{"name":"b","namespace":"ns","finalizers":["one","two","three","four"]},"immutable":false}"#;
    check(map, &parts, expected);
    // An embedded struct is a message in protobuf.
    let pod = message("v1", "Pod");
    let volume = [
        field(2, &field(19, &field(1, &field(1, b"key")))),
        field(1, b"v"),
        field(2, &field(19, &field(1, &field(1, b"other")))),
    ];
    let spec = [field(1, &volume.concat()), field(2, b"")];
    let expected = r#"{"metadata":{},"spec":{"volumes":[{"name":"v","configMap":{"name":"other"}}],"containers":[{"name":"","resources":{}}]},"status":{}}"#;
    check(pod, &[field(2, &spec.concat())], expected);
}

#[test]
fn numbers_may_be_packed() {
    let pod = message("v1", "Pod");
    // spec.securityContext.supplementalGroups is a list of numbers.
    let context = [
        number(4, 1),
        vec![4 << 3 | 2, 3, 2, 0x80, 1],
        number(5, 7),
        number(4, 3),
    ];
    let spec = field(14, &context.concat());
    let text = json(pod, &field(2, &spec)).unwrap();
    assert!(
        text.contains(r#""supplementalGroups":[1,2,128,3],"fsGroup":7"#),
        "{text}"
    );
    let spec = field(14, &[4 << 3 | 2, 0]);
    let text = json(pod, &field(2, &spec)).unwrap();
    assert!(text.contains(r#""securityContext":{}"#), "{text}");
}

#[test]
fn maps_are_sorted_and_of_equal_keys_the_last_counts() {
    let map = message("v1", "ConfigMap");
    let entry = |key: &[u8], value: &[u8]| field(2, &[field(1, key), field(2, value)].concat());
    let parts = [
        entry(b"b", b"1"),
        entry(b"a", b"2"),
        entry(b"b", b"3"),
        field(2, &field(1, b"no value")),
        field(2, &field(2, b"no key")),
        field(
            2,
            &[field(2, b"first"), field(1, b"c"), field(2, b"last")].concat(),
        ),
    ];
    let expected =
        r#"{"metadata":{},"data":{"":"no key","a":"2","b":"3","c":"last","no value":""}}"#;
    check(map, &parts, expected);
}

#[test]
fn unknown_fields_and_groups_are_passed_over() {
    let map = message("v1", "ConfigMap");
    let group = [
        vec![0xab, 0x06],
        number(1, 1),
        field(2, b"x"),
        vec![0xac, 0x06],
    ]
    .concat();
    let parts = [
        group,
        vec![0xa0, 0x06, 0x01],
        vec![0xa5, 0x06, 1, 2, 3, 4],
        number(4, 1),
    ];
    check(map, &parts, r#"{"metadata":{},"immutable":true}"#);
}

#[test]
fn text_that_is_no_utf8_is_replaced_as_go_replaces_it() {
    let map = message("v1", "ConfigMap");
    let bytes = field(1, &field(1, b"a\xff\xe2\x80b"));
    check(
        map,
        &[bytes],
        r#"{"metadata":{"name":"a\ufffd\ufffd\ufffdb"}}"#,
    );
}

#[test]
fn embedded_json_is_checked() {
    let revision = message("apps/v1", "ControllerRevision");
    let data = |text: &[u8]| field(2, &field(1, text));
    check(
        revision,
        &[data(b" { \"a\" : null } "), number(3, 2)],
        r#"{"metadata":{},"data":{"a":null},"revision":2}"#,
    );
    check(
        revision,
        &[data(b"null")],
        r#"{"metadata":{},"data":null,"revision":0}"#,
    );
    check(revision, &[], r#"{"metadata":{},"data":null,"revision":0}"#);
    for text in [b"".as_slice(), b"{", b"{}x", b"\xff"] {
        let error = json(revision, &data(text)).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ReadErrorKind::EmbeddedJson(_) | ReadErrorKind::TooDeep
            ),
            "{error}"
        );
    }
}

#[test]
fn broken_bytes_are_errors_that_say_what_is_wrong() {
    let map = message("v1", "ConfigMap");
    let error = |bytes: &[u8]| json(map, bytes).unwrap_err().to_string();
    assert_eq!(
        error(&[0x0a, 5, 1]),
        "the object is cut off: the field at byte 1 goes beyond the end"
    );
    assert_eq!(
        error(&[
            0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1
        ]),
        "the object is cut off: the field at byte 1 goes beyond the end"
    );
    assert_eq!(
        error(&[0x20, 0x80]),
        "the object is cut off: the field at byte 1 goes beyond the end"
    );
    assert_eq!(
        error(&[[0x20].as_slice(), &[0xff; 10], &[1]].concat()),
        "the number at byte 1 has more than 64 bits"
    );
    assert_eq!(
        error(&[0x08, 1]),
        "field \"metadata\" at byte 1 has wire type 0"
    );
    assert_eq!(error(&[0x00]), "the tag at byte 0 is invalid");
    assert_eq!(
        error(&[0x0f]),
        "field \"metadata\" at byte 1 has wire type 7"
    );
    assert_eq!(error(&[0x87, 0x06]), "the tag at byte 2 is invalid");
}

#[test]
fn envelopes_are_checked() {
    let error = |bytes: &[u8]| to_json(bytes, &mut Vec::new()).unwrap_err();
    assert!(matches!(error(b"").kind(), ReadErrorKind::NoEnvelope));
    assert!(matches!(error(b"{}").kind(), ReadErrorKind::NoEnvelope));
    assert!(matches!(
        error(b"k8s\0").kind(),
        ReadErrorKind::UnknownKind { .. }
    ));
    let envelope = |api_version: &[u8], kind: &[u8], more: &[u8]| {
        let type_meta = [field(1, api_version), field(2, kind)].concat();
        [b"k8s\0", field(1, &type_meta).as_slice(), more].concat()
    };
    let unknown = error(&envelope(b"example.com/v1", b"Widget", b"")).to_string();
    assert_eq!(
        unknown,
        "kind \"Widget\" of API version \"example.com/v1\" is not built in"
    );
    let table = error(&envelope(b"meta.k8s.io/v1", b"Table", b""));
    assert!(matches!(table.kind(), ReadErrorKind::NoProtobuf { .. }));
    let packed = error(&envelope(b"v1", b"Pod", &field(3, b"gzip")));
    assert!(matches!(packed.kind(), ReadErrorKind::ContentEncoding(_)));
    assert!(matches!(
        error(&envelope(b"v\xff", b"Pod", b"")).kind(),
        ReadErrorKind::Utf8 { .. }
    ));
    let value: Value = from_protobuf(&envelope(b"v1", b"Namespace", b"")).unwrap();
    assert_eq!(value["kind"], "Namespace");
}

/// Puts a schema into a schema.
type Nest = fn(&[u8]) -> Vec<u8>;

/// How a schema is in a schema: as a property, in `allOf`, as `not`, in a list of `items`, or as
/// `additionalItems`.
const NESTINGS: [Nest; 5] = [
    |schema| field(29, &[field(1, b"x"), field(2, schema)].concat()),
    |schema| field(25, schema),
    |schema| field(28, schema),
    |schema| field(24, &field(2, schema)),
    |schema| field(30, &field(2, schema)),
];

/// A definition with a schema in a schema, so many times.
fn nested(nest: Nest, levels: usize, innermost: &[u8]) -> Vec<u8> {
    let schema = (0..levels).fold(innermost.to_vec(), |schema, _| nest(&schema));
    let validation = field(1, &schema);
    let version = [field(1, b"v1"), field(4, &validation)].concat();
    field(2, &field(7, &version))
}

/// Runs on a thread with the stack of a worker of tokio, which is also that of a test.
fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run);
    thread.unwrap().join().unwrap();
}

#[test]
fn a_hundred_levels_are_read_and_a_thousand_refused() {
    on_small_stack(|| {
        let definition = message("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        let [property, ..] = NESTINGS;
        // A property is two levels of JSON.
        let allowed = nested(property, 55, &field(5, b"object"));
        json(definition, &allowed).unwrap();
        from_message::<CustomResourceDefinition>(definition, &allowed).unwrap();
        let written = nested(property, 100, &field(5, b"object"));
        let object = Object::of_message(definition, &written);
        object.to_json(&mut Vec::new()).unwrap();
        for levels in [1_000, 4_000] {
            let deep = nested(property, levels, b"");
            let object = Object::of_message(definition, &deep);
            for error in [
                object.to_json(&mut Vec::new()).unwrap_err(),
                object.decode::<Value>().unwrap_err(),
                object.decode::<CustomResourceDefinition>().unwrap_err(),
            ] {
                assert!(matches!(error.kind(), ReadErrorKind::TooDeep), "{error}");
            }
        }
    });
}

#[test]
fn nesting_is_limited_as_serde_json_limits_it_and_never_overflows_the_stack() {
    on_small_stack(|| {
        let definition = message("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        for nest in NESTINGS {
            for levels in 40..=140 {
                let bytes = nested(nest, levels, &field(5, b"object"));
                let object = Object::of_message(definition, &bytes);
                let mut text = Vec::new();
                let written = object.to_json(&mut text);
                let expected = serde_json::from_slice::<Value>(&text);
                let decoded = object.decode::<Value>();
                assert_eq!(
                    decoded.ok(),
                    written.ok().and_then(|()| expected.ok()),
                    "{levels}"
                );
                let expected = serde_json::from_slice::<CustomResourceDefinition>(&text);
                let decoded = object.decode::<CustomResourceDefinition>();
                assert_eq!(decoded.is_ok(), expected.is_ok(), "{levels}");
            }
        }
    });
}

#[test]
fn embedded_json_does_not_add_to_the_deepest_nesting() {
    on_small_stack(|| {
        let definition = message("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        let default = |levels: usize| {
            let json = ["[".repeat(levels), "]".repeat(levels)].concat();
            field(8, &field(1, json.as_bytes()))
        };
        for nest in NESTINGS {
            for levels in 1..=140 {
                let bytes = nested(nest, levels, &default(126));
                let object = Object::of_message(definition, &bytes);
                drop(object.to_json(&mut Vec::new()));
                drop(object.decode::<Value>());
                drop(object.decode::<CustomResourceDefinition>());
            }
            let shallow = nested(nest, 20, &default(40));
            from_message::<CustomResourceDefinition>(definition, &shallow).unwrap();
            let deep = nested(nest, 20, &default(120));
            let error = from_message::<CustomResourceDefinition>(definition, &deep).unwrap_err();
            assert!(matches!(error.kind(), ReadErrorKind::TooDeep), "{error}");
        }
    });
}

#[test]
fn objects_in_objects_in_objects_are_refused() {
    let event = message("v1", "WatchEvent");
    let type_meta = [field(1, b"v1"), field(2, b"WatchEvent")].concat();
    let mut bytes = Vec::new();
    for _ in 0..1_000 {
        let envelope = [b"k8s\0", field(1, &type_meta).as_slice(), &field(2, &bytes)].concat();
        bytes = field(2, &field(1, &envelope));
    }
    let error = json(event, &bytes).unwrap_err();
    assert!(matches!(error.kind(), ReadErrorKind::TooDeep), "{error}");
}

/// A pod and a definition with some of everything, as Go encoded them.
fn samples() -> Vec<Vec<u8>> {
    let pod = include_bytes!("../testdata/captures/etcd-value-pod.bin").to_vec();
    let map = include_bytes!("../testdata/captures/etcd-value-configmap.bin").to_vec();
    let binding =
        "azhzAAoNCgJ2MRIHQmluZGluZxIiChAKABIAGgAiACoAMgA4AEIAEg4KABIAGgAiACoAMgA6ABoAIgA=";
    vec![pod, map, STANDARD.decode(binding).unwrap()]
}

proptest! {
    #[test]
    fn changed_bytes_are_read_alike_or_refused(
        sample in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = samples().swap_remove(sample);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check_any(&bytes);
    }

    #[test]
    fn any_bytes_of_any_message_are_read_alike_or_refused(
        message in 0..Message::count(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let message = Message::from_id(u16::try_from(message).unwrap()).unwrap();
        check_object(&Object::of_message(message, &bytes));
    }
}

fn check_any(bytes: &[u8]) {
    if let Ok(object) = Object::from_envelope(bytes) {
        check_object(&object);
        let decoded = object.decode::<Pod>();
        // This visits fields in their declared order.
        let declared = Pod::deserialize(object.deserializer());
        match (decoded, declared) {
            (Ok(decoded), Ok(declared)) => assert_eq!(decoded, declared),
            (decoded, declared) => assert_eq!(decoded.is_ok(), declared.is_ok()),
        }
    }
}

/// What one reader refuses the other refuses, and what they read is the same.
fn check_object(object: &Object<'_>) {
    let mut out = Vec::new();
    let written = object.to_json(&mut out);
    let decoded = object.decode::<Value>();
    match (written, decoded) {
        (Ok(()), Ok(value)) => {
            let expected: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(value, expected);
        }
        // The object, or JSON inside of it, may be beyond what a value can hold.
        (Ok(()), Err(error)) => {
            assert!(
                matches!(
                    error.kind(),
                    ReadErrorKind::EmbeddedJson(_) | ReadErrorKind::TooDeep
                ),
                "{error}"
            );
        }
        (Err(_), decoded) => assert!(decoded.is_err(), "{decoded:?}"),
    }
}

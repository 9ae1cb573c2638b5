//! The objects of `testdata/encodings.jsonl.gz`: what Go makes of them is what comes.

mod rows;

use heliostat_kinds::{Envelope, Object, from_protobuf, to_json};
use serde_json::Value;

use rows::rows;

fn json_of(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    to_json(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn json_is_byte_for_byte_what_go_writes() {
    for row in rows() {
        assert_eq!(json_of(&row.protobuf()), row.json, "{}", row.name());
    }
}

#[test]
fn the_deserializer_sees_what_is_in_the_json() {
    for row in rows() {
        let value: Value = from_protobuf(&row.protobuf()).unwrap();
        let expected: Value = serde_json::from_str(&row.json).unwrap();
        assert_eq!(value, expected, "{}", row.name());
    }
}

#[test]
fn bare_messages_have_no_kind() {
    for row in rows() {
        let bytes = row.protobuf();
        let envelope = Envelope::parse(&bytes).unwrap();
        let whole = Object::from_envelope(&bytes).unwrap();
        let bare = Object::of_message(whole.message(), envelope.raw());
        let mut expected: Value = serde_json::from_str(&row.json).unwrap();
        for name in ["kind", "apiVersion"] {
            expected.as_object_mut().unwrap().remove(name).unwrap();
        }
        assert_eq!(bare.decode::<Value>().unwrap(), expected, "{}", row.name());
    }
}

//! Cutting an object's bytes down before anything decodes them: `metadata.managedFields`, or
//! everything but the metadata.
//!
//! Managed fields are half of a typical object's bytes and more than half of its decoded memory, and
//! hardly anybody reads them. Members are found by where their values end; what does not look as
//! expected is left as it is, for the codec to judge.

use std::ops::Range;

use crate::object::GroupVersionKind;

use super::members::{Members, skip_spaces};

/// Copies `object` into `scratch` without its `metadata.managedFields` and gives the copy; gives
/// `object` itself if it has none.
///
/// ```
/// use heliostat_core::wire::json::without_managed_fields;
///
/// let object = br#"{"metadata":{"name":"a","managedFields":[{"manager":"kubectl"}]},"data":{}}"#;
/// let lean = without_managed_fields(object, &mut Vec::new()).to_vec();
/// assert_eq!(lean, br#"{"metadata":{"name":"a"},"data":{}}"#);
/// ```
pub fn without_managed_fields<'a>(object: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    match managed_fields(object) {
        Some(cut) => {
            scratch.clear();
            scratch.extend_from_slice(object.get(..cut.start).unwrap_or_default());
            scratch.extend_from_slice(object.get(cut.end..).unwrap_or_default());
            scratch
        }
        None => object,
    }
}

/// Copies the metadata of `object` into `scratch`, as an object of this kind and nothing else, and
/// gives the copy; gives `object` itself if it is of the kind already and has nothing besides.
///
/// Bytes that are not an object in JSON become one without metadata.
///
/// ```
/// use heliostat_core::object::GroupVersionKind;
/// use heliostat_core::wire::json::only_metadata;
///
/// let kind = GroupVersionKind::new("meta.k8s.io/v1", "PartialObjectMetadata");
/// let secret = br#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"czNjcjN0"}}"#;
/// let lean = only_metadata(secret, &kind, &mut Vec::new()).to_vec();
/// assert_eq!(
///     lean,
///     br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}"#
/// );
/// ```
pub fn only_metadata<'a>(
    object: &'a [u8],
    kind: &GroupVersionKind,
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    let mut metadata = &b"null"[..];
    let mut is_lean = true;
    let mut end = 0;
    if let Some(mut members) = Members::of(object, 0) {
        for member in members.by_ref() {
            let value = object.get(member.value.clone()).unwrap_or_default();
            if member.is(object, b"\"metadata\"") {
                metadata = value;
            } else if member.is(object, b"\"kind\"") {
                is_lean &= is_text(value, &kind.kind);
            } else if member.is(object, b"\"apiVersion\"") {
                is_lean &= is_text(value, &kind.api_version);
            } else {
                is_lean = false;
            }
        }
        end = skip_spaces(object, members.at);
    }
    // Whatever could not be followed may hold more than metadata.
    let is_whole = object
        .get(end..)
        .is_some_and(|rest| rest.trim_ascii() == b"}");
    if is_lean && is_whole {
        return object;
    }
    scratch.clear();
    scratch.extend_from_slice(b"{\"kind\":\"");
    scratch.extend_from_slice(kind.kind.as_bytes());
    scratch.extend_from_slice(b"\",\"apiVersion\":\"");
    scratch.extend_from_slice(kind.api_version.as_bytes());
    scratch.extend_from_slice(b"\",\"metadata\":");
    scratch.extend_from_slice(metadata);
    scratch.push(b'}');
    scratch
}

/// True for this text in quotes.
fn is_text(value: &[u8], text: &str) -> bool {
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    inner == Some(text.as_bytes())
}

/// Where the member stands, together with one of the commas beside it.
fn managed_fields(object: &[u8]) -> Option<Range<usize>> {
    let metadata = Members::of(object, 0)?.find(|member| member.is(object, b"\"metadata\""))?;
    let member = Members::of(object, metadata.value.start)?
        .find(|member| member.is(object, b"\"managedFields\""))?;
    let after = skip_spaces(object, member.value.end);
    if object.get(after) == Some(&b',') {
        return Some(member.name.start..skip_spaces(object, after + 1));
    }
    // The last member: the comma before it goes with it, if it is not also the first.
    let before = object.get(..member.name.start)?;
    let kept = before.trim_ascii_end();
    let start = kept.strip_suffix(b",").map_or(kept.len(), <[u8]>::len);
    Some(start..member.value.end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn pruned(object: &str) -> String {
        let mut scratch = Vec::new();
        let lean = without_managed_fields(object.as_bytes(), &mut scratch);
        String::from_utf8(lean.to_vec()).unwrap()
    }

    #[test]
    fn the_member_goes_with_one_of_its_commas() {
        let managed = r#""managedFields" : [ {"a":"]}"} ]"#;
        let check = |members: &str, expected: &str| {
            let object = format!(r#"{{"spec":{{}},"metadata":{{{members}}},"data":"x"}}"#);
            let lean = format!(r#"{{"spec":{{}},"metadata":{{{expected}}},"data":"x"}}"#);
            assert_eq!(pruned(&object), lean);
        };
        check(managed, "");
        check(&format!(r#""name":"a",{managed}"#), r#""name":"a""#);
        check(&format!(r#""name":"a" , {managed} "#), r#""name":"a"  "#);
        check(&format!(r#"{managed},"name":"a""#), r#""name":"a""#);
        check(
            &format!(r#""b":1,{managed} , "name":"a""#),
            r#""b":1,"name":"a""#,
        );
    }

    fn metadata_of(object: &str) -> String {
        let kind = GroupVersionKind::new("m/v1", "Meta");
        let mut scratch = Vec::new();
        let lean = only_metadata(object.as_bytes(), &kind, &mut scratch);
        String::from_utf8(lean.to_vec()).unwrap()
    }

    #[test]
    fn nothing_but_metadata_is_left() {
        let lean = r#"{"kind":"Meta","apiVersion":"m/v1","metadata":{"name":"a"}}"#;
        for object in [
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"s3cret"}}"#,
            r#" { "data" : {"metadata":"s3cret"} , "metadata" :{"name":"a"} } "#,
            r#"{"apiVersion":"m/v1","kind":"Meta","metadata":{"name":"a"},"s3cret":1}"#,
            r#"{"apiVersion":"m/v1","kind":"Other","metadata":{"name":"a"}}"#,
            r#"{"metadata":{"name":"a"}} "s3cret""#,
            r#"{"metadata":{"name":"a"},"s3cret" 1}"#,
        ] {
            assert_eq!(metadata_of(object), lean, "{object}");
        }
        for own in [
            lean,
            r#"{"metadata":{"name":"a"}}"#,
            " { \"metadata\" : {} } ",
            "{}",
        ] {
            assert_eq!(metadata_of(own), own);
        }
        for broken in [
            "",
            "7",
            "[\"s3cret\"]",
            "{\"s3cret",
            "\"s3cret\"",
            "{\"metadata\":",
        ] {
            let none = r#"{"kind":"Meta","apiVersion":"m/v1","metadata":null}"#;
            assert_eq!(metadata_of(broken), none, "{broken}");
        }
    }

    #[test]
    fn what_is_called_so_elsewhere_stays() {
        for object in [
            r#"{"metadata":{"name":"a"},"spec":{"managedFields":[1]}}"#,
            r#"{"metadata":{"annotations":{"managedFields":"x"}}}"#,
            r#"{"metadata":{"name":"\"managedFields\":[1]"}}"#,
            r#"{"managedFields":[1]}"#,
            r#"{"metadata":"managedFields"}"#,
            r#"["metadata"]"#,
            "",
            "{",
            r#"{"metadata":{"managedFields":[1"#,
        ] {
            assert_eq!(pruned(object), object);
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(names(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    fn names() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("managedFields".to_owned()),
            Just("metadata".to_owned()),
            ".*"
        ]
    }

    proptest! {
        #[test]
        fn the_rest_is_the_same_object(
            metadata in prop::collection::btree_map(names(), values(), 0..5),
            spec in values(),
            pretty: bool,
        ) {
            let object = json!({"metadata": metadata, "spec": spec});
            let text = if pretty {
                serde_json::to_string_pretty(&object).unwrap()
            } else {
                object.to_string()
            };
            let mut expected = object;
            if let Some(metadata) = expected.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
            prop_assert_eq!(serde_json::from_str::<Value>(&pruned(&text)).unwrap(), expected);
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = without_managed_fields(&bytes, &mut Vec::new());
            let _ = only_metadata(&bytes, &GroupVersionKind::new("m/v1", "Meta"), &mut Vec::new());
        }
    }
}

//! Arbitrary lists and frames, cut at arbitrary places, against serde_json; and arbitrary bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::header::RawHeader;
use super::super::scan::{ValueScan, check_structure};
use super::{codec, header_of, list_cut, watch_cut};

/// Strings full of what is dangerous in a string.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-c\\\\\"{}\\[\\],: \n\u{1}é漢😀]{0,12}").unwrap()
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((text(), inner), 0..5)
                .prop_map(|members| { Value::Object(members.into_iter().collect::<Map<_, _>>()) }),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    ("[a-z]{0,3}", "[a-z]{1,3}", text(), any::<bool>(), json()).prop_map(
        |(namespace, name, version, first, spec)| {
            let metadata = json!({
                "namespace": namespace, "name": name, "resourceVersion": version, "x": spec,
            });
            // serde_json keeps members sorted, so the name of the other one decides the order.
            let other = if first { "a" } else { "spec" };
            json!({ "metadata": metadata, other: spec })
        },
    )
}

/// Prints with white space in many places, or in none.
fn print(value: &Value, pretty: bool) -> String {
    if pretty {
        serde_json::to_string_pretty(value).unwrap()
    } else {
        value.to_string()
    }
}

proptest! {
    #[test]
    fn l_07_any_list_comes_out_as_serde_json_reads_it(
        items in vec(prop_oneof![4 => object(), 1 => json()], 0..6),
        version in "[0-9]{1,5}",
        extra in json(),
        last in any::<bool>(),
        pretty in any::<bool>(),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        let name = if last { "zz" } else { "a" };
        let list = json!({
            "kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version},
            "items": items, name: extra,
        });
        let outcome = list_cut(print(&list, pretty).as_bytes(), &cuts);
        prop_assert_eq!(outcome.result, Ok(()));
        prop_assert_eq!(outcome.metadata[0].resource_version.to_string(), version);
        prop_assert_eq!(outcome.items.len(), items.len());
        for (got, want) in outcome.items.iter().zip(&items) {
            match (got, header_of(want)) {
                (Ok((header, object)), Some(wanted)) => {
                    prop_assert_eq!(header, &wanted);
                    prop_assert_eq!(object, want);
                }
                (Err(_), None) => {}
                (got, want) => prop_assert!(false, "{:?} for {:?}", got, want),
            }
        }
    }

    #[test]
    fn w_11_any_frames_come_out_as_serde_json_reads_them(
        objects in vec((object(), any::<bool>(), any::<bool>()), 0..6),
        space in "[ \n\r\t]{0,3}",
        cuts in vec(any::<usize>(), 0..20),
    ) {
        let mut bytes = space.clone();
        let mut expected = Vec::new();
        for (object, type_first, pretty) in &objects {
            let text = print(object, *pretty);
            bytes.push_str(&match type_first {
                true => format!(r#"{{"type":"ADDED","object":{text}}}{space}"#),
                false => format!(r#"{{"object":{text},"type":"ADDED"}}{space}"#),
            });
            let header = header_of(object).unwrap();
            expected.push(format!("ADDED {}@{} {object}", header.key, header.resource_version));
        }
        let outcome = watch_cut(bytes.as_bytes(), &cuts, codec);
        prop_assert_eq!(outcome.result, Ok(()));
        prop_assert_eq!(outcome.events, expected);
    }

    #[test]
    fn any_bytes_are_safe_and_mean_the_same_however_they_are_cut(
        bytes in vec(prop_oneof![
            Just(b"\"".to_vec()), Just(b"\\".to_vec()), Just(b"{".to_vec()), Just(b"}".to_vec()),
            Just(b"[".to_vec()), Just(b"]".to_vec()), Just(b",".to_vec()), Just(b":".to_vec()),
            Just(b" ".to_vec()), Just(b"\"items\":[".to_vec()), Just(b"\"metadata\":{}".to_vec()),
            Just(b"{\"type\":\"ADDED\",\"object\":".to_vec()), Just(b"\"kind\":\"Status\"".to_vec()),
            vec(any::<u8>(), 0..4),
        ], 0..40),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        let bytes = bytes.concat();
        list_cut(&bytes, &cuts);
        watch_cut(&bytes, &cuts, codec);
        let header = RawHeader::read(&bytes);
        prop_assert!(header.has_metadata || header.name.is_none());
    }

    #[test]
    fn the_end_of_any_value_is_found_at_any_alignment(
        value in json(),
        pretty in any::<bool>(),
        tail in "[\\]},\" ]{0,3}",
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let text = print(&value, pretty);
        let bytes = format!("{text},{tail}");
        let mut scan = ValueScan::of(bytes.as_bytes()[0]).unwrap();
        let mut before = 0;
        let mut found = None;
        for piece in super::pieces(bytes.as_bytes(), &cuts) {
            if let Some(end) = scan.find_end(piece) {
                found = Some(before + end);
                break;
            }
            before += piece.len();
        }
        prop_assert_eq!(found, Some(text.len()));
        prop_assert_eq!(check_structure(text.as_bytes()), Ok(()));
    }

    #[test]
    fn the_header_is_what_serde_json_reads(object in object(), pretty in any::<bool>()) {
        let text = print(&object, pretty);
        let header = RawHeader::read(text.as_bytes());
        prop_assert!(header.has_metadata);
        prop_assert_eq!(header.header(), header_of(&object));
        let identity = RawHeader::read_identity(text.as_bytes());
        prop_assert_eq!(identity.header(), header_of(&object));
    }

    #[test]
    fn the_header_of_a_cut_object_is_the_beginning_of_the_whole_ones(
        object in object(),
        cut in any::<usize>(),
    ) {
        let text = object.to_string();
        let cut = cut % (text.len() + 1);
        let whole = RawHeader::read(text.as_bytes());
        let part = RawHeader::read(&text.as_bytes()[..cut]);
        for (part, whole) in [
            (&part.name, &whole.name),
            (&part.namespace, &whole.namespace),
            (&part.resource_version, &whole.resource_version),
        ] {
            prop_assert!(part.is_none() || part == whole);
        }
    }
}

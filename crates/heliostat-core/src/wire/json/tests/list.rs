//! What a list may look like, and what is no list.

use serde_json::json;

use crate::error::{DecodeError, SourceError};
use crate::event::{ListMetadata, ListPart};
use crate::object::GroupVersionKind;
use crate::version::ResourceVersion;
use crate::wire::DecodeLimits;

use super::super::{JsonCodec, ListDecoder};
use super::{ListOutcome, codec, header_of, kind, list};

/// The names of the items, of a list that must be well-formed; a rejected one is `!`.
fn names(bytes: &str) -> Vec<String> {
    let outcome = list(bytes.as_bytes());
    assert_eq!(outcome.result, Ok(()), "{bytes}");
    assert_eq!(outcome.metadata.len(), 1, "{bytes}");
    let name = |item: &Result<(crate::object::Header, _), _>| match item {
        Ok((header, _)) => header.key.to_string(),
        Err(_) => "!".to_owned(),
    };
    outcome.items.iter().map(name).collect()
}

fn rejections(outcome: &ListOutcome) -> Vec<&str> {
    let items = outcome.items.iter();
    items
        .filter_map(|item| item.as_ref().err().map(String::as_str))
        .collect()
}

#[test]
fn l_11_no_items_in_every_spelling() {
    for items in [
        "",
        r#","items":[]"#,
        r#","items":null"#,
        ",\"items\" : [ \n ]",
    ] {
        let text = format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{}}{items}}}"#);
        let outcome = list(text.as_bytes());
        assert_eq!(outcome.result, Ok(()), "{text}");
        assert_eq!(outcome.items, [], "{text}");
        assert!(outcome.metadata[0].resource_version.is_unset());
    }
}

#[test]
fn l_07_members_may_come_in_any_order() {
    let members = [
        r#""kind":"PodList""#,
        r#""apiVersion":"v1""#,
        r#""metadata":{"resourceVersion":"7","continue":""}"#,
        r#""items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]"#,
    ];
    for rotation in 0..4 {
        for swap in 0..3 {
            let mut order = members;
            order.rotate_left(rotation);
            order.swap(swap, swap + 1);
            let text = format!("{{{}}}", order.join(","));
            assert_eq!(names(&text), ["a", "b"]);
            let metadata = &list(text.as_bytes()).metadata[0];
            assert_eq!(metadata.resource_version, ResourceVersion::from("7"));
            assert_eq!(metadata.continue_token, None);
        }
    }
}

#[test]
fn l_07_a_list_printed_pretty() {
    let value = json!({
        "kind": "PodList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "7"},
        "items": [{"metadata": {"name": "a"}, "items": [{}, []]}, {"metadata": {"name": "b"}}],
        "extra": {"items": [1, "]}", {"a": [null]}]},
    });
    let text = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(names(&format!("\r\n\t {text}\n\n")), ["a", "b"]);
}

#[test]
fn l_07_braces_quotes_and_escapes_in_strings_end_nothing() {
    for note in [
        r#"}]{[,:"#,
        r#"\"}"#,
        r#"\\"#,
        r#"\\\"]"#,
        r#"é漢\u0001\ud83d\ude00"#,
        r#"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"#,
    ] {
        for indent in 0..70 {
            let pad = " ".repeat(indent);
            let text = format!(
                r#"{{"note":"{note}","kind":"PodList","metadata":{{"x":"{note}"}},"items":[
                {{{pad}"{note}":["{note}"],"metadata":{{"name":"a"}}}},{{"metadata":{{"name":"b"}}}}]}}"#
            );
            assert_eq!(names(&text), ["a", "b"]);
        }
    }
}

#[test]
fn l_07_keys_may_be_escaped_and_long() {
    let text = r#"{"\u006bind":"PodList","\u0061\u0070\u0069\u0056\u0065\u0072\u0073\u0069\u006f\u006e":
        "v1","m\u0065tadata":{"resourceVersion":"\u0037"},"\u0069tems":[{"metadata":{"name":"\u0061"}}]}"#;
    assert_eq!(names(text), ["a"]);
    assert_eq!(
        list(text.as_bytes()).metadata[0].resource_version,
        ResourceVersion::from("7")
    );
    let long = "k".repeat(5000);
    let text = format!(
        r#"{{"{long}":1,"{long}\"":{{"items":[1]}},"metadata":{{}},"items":[{{"metadata":{{"name":"a"}}}}]}}"#
    );
    assert_eq!(names(&text), ["a"]);
}

#[test]
fn l_06_items_are_not_asked_for_their_kind() {
    let limits = DecodeLimits::default();
    let codec = codec().expecting(kind("v1", "Pod"));
    let mut decoder = ListDecoder::new(codec, limits);
    let mut parts = Vec::new();
    let text = br#"{"metadata":{},"items":[{"kind":"Service","metadata":{"name":"a"}}]}"#;
    decoder.push(text, &mut parts).unwrap();
    decoder.finish().unwrap();
    assert!(matches!(&parts[1], ListPart::Items(items) if items[0].is_ok()));
}

#[test]
fn l_06_a_table_is_refused_before_its_rows() {
    for version in ["meta.k8s.io/v1", "meta.k8s.io/v1beta1"] {
        let text = format!(r#"{{"kind":"Table","apiVersion":"{version}","rows":[{{]]]"#);
        let error = DecodeError::NotAList(kind(version, "Table").to_string());
        assert_eq!(list(text.as_bytes()).result, Err(error));
    }
    let own = r#"{"kind":"Table","apiVersion":"example.com/v1","metadata":{},"items":[]}"#;
    assert_eq!(names(own), [""; 0]);
}

#[test]
fn l_19_a_single_object_is_no_list() {
    for (text, got) in [
        (
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}"#,
            kind("v1", "Pod"),
        ),
        ("{}", kind("", "")),
        (r#"{"metadata":{}}"#, kind("", "")),
        (r#"{"items":[]}"#, kind("", "")),
        (
            r#"{"items":[],"metadata":null,"kind":"Page"}"#,
            kind("", "Page"),
        ),
        (r#"{"kind":null,"apiVersion":"v1"}"#, kind("v1", "")),
    ] {
        let error = DecodeError::NotAList(got.to_string());
        assert_eq!(list(text.as_bytes()).result, Err(error), "{text}");
    }
}

#[test]
fn l_19_a_status_is_the_servers_answer() {
    let text = r#"{"code":410,"details":{"retryAfterSeconds":3},"kind":"Status","apiVersion":"v1",
        "status":"Failure","message":"too old","reason":"Expired","metadata":{}}"#;
    let error = list(text.as_bytes()).result.unwrap_err();
    let error = SourceError::from(error);
    let status = error.status().unwrap();
    assert!(status.is_expired());
    assert_eq!(status.message, "too old");
    assert_eq!(status.retry_after().unwrap().as_secs(), 3);
    assert_eq!(error.class(), "expired");
}

#[test]
fn l_07_missing_or_null_metadata_is_the_zero_value() {
    for text in [
        r#"{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"a"}}]}"#,
        r#"{"kind":"PodList","metadata":null,"items":[{"metadata":{"name":"a"}}]}"#,
        r#"{"items":[{"metadata":{"name":"a"}}],"metadata":null,"kind":"PodList"}"#,
        r#"{"metadata":{"resourceVersion":null,"continue":null,"remainingItemCount":null},
            "kind":"PodList","items":[{"metadata":{"name":"a"}}]}"#,
    ] {
        assert_eq!(names(text), ["a"]);
        assert_eq!(list(text.as_bytes()).metadata, [ListMetadata::default()]);
    }
}

#[test]
fn null_where_an_item_should_be_has_no_name() {
    let text = r#"{"kind":"PodList","items":[null,{"metadata":null},{"metadata":{"name":"a"}}]}"#;
    assert_eq!(names(text), ["!", "!", "a"]);
    for rejection in rejections(&list(text.as_bytes())) {
        assert!(rejection.contains("NoMetadata"), "{rejection}");
    }
}

#[test]
fn l_07_metadata_that_is_not_what_it_should_be() {
    let head = r#"{"kind":"PodList","metadata":"#;
    for metadata in [
        "7",
        r#"{"resourceVersion":7}"#,
        r#"["7"]"#,
        r#"{"continue":[]}"#,
        "{nul}",
    ] {
        let outcome = list(format!("{head}{metadata},\"items\":[]}}").as_bytes());
        let at = super::malformed_at(&outcome.result);
        assert_eq!(at, Some(head.len() as u64), "{metadata}");
    }
    let negative = format!(r#"{head}{{"remainingItemCount":-1}}}}"#);
    assert_eq!(
        list(negative.as_bytes()).metadata[0].remaining_item_count,
        None
    );
}

#[test]
fn items_are_told_the_kind_that_their_list_implies() {
    fn adopt(object: &mut serde_json::Value, kind: &GroupVersionKind) {
        object["implied"] = kind.to_string().into();
    }
    let implied = |head: &str| {
        let codec = JsonCodec::new(header_of).adopting(adopt);
        let mut decoder = ListDecoder::new(codec, DecodeLimits::default());
        let mut parts = Vec::new();
        let text = format!(r#"{{{head}"items":[{{"metadata":{{"name":"a"}}}}],"metadata":{{}}}}"#);
        decoder.push(text.as_bytes(), &mut parts).unwrap();
        decoder.finish().unwrap();
        let ListPart::Items(items) = &parts[0] else {
            panic!("{parts:?}")
        };
        items[0].as_ref().unwrap().object["implied"].clone()
    };
    let apps = kind("apps/v1", "Deployment").to_string();
    assert_eq!(
        implied(r#""apiVersion":"apps/v1","kind":"DeploymentList","#),
        json!(apps)
    );
    assert_eq!(implied(r#""apiVersion":"v1","kind":"List","#), json!(null));
    assert_eq!(implied(r#""kind":"PodList","#), json!(null));
    assert_eq!(implied(""), json!(null));
}

#[test]
fn one_bad_item_is_one_rejection() {
    let bad = [
        r#"{"metadata":{"name":"x","namespace":"n","resourceVersion":"5"},"spec":tru}"#,
        r#"{"spec":{"a":01},"metadata":{"namespace":"n","name":"x","resourceVersion":"5"}}"#,
        r#"{"metadata":{"name":"x","namespace":"n","resourceVersion":"5"},"spec":"\q"}"#,
        r#"{"metadata":{"labels":7,"name":"x","namespace":"n","resourceVersion":"5"},"a" 1}"#,
    ];
    for item in bad {
        let text = format!(
            r#"{{"metadata":{{}},"items":[{{"metadata":{{"name":"a"}}}},{item},{{"metadata":{{"name":"b"}}}}]}}"#
        );
        assert_eq!(names(&text), ["a", "!", "b"]);
        let outcome = list(text.as_bytes());
        let rejection = rejections(&outcome)[0];
        assert!(rejection.contains("Some(n/x)"), "{rejection}");
        assert!(rejection.contains("Decimal(5)"), "{rejection}");
        assert!(rejection.contains("Undecodable"), "{rejection}");
    }
}

#[test]
fn items_that_are_no_objects_are_rejected_one_by_one() {
    let text =
        r#"{"metadata":{},"items":[1,"a]",null,true,tru,-,[],[{}],{"metadata":{"name":"a"}}]}"#;
    assert_eq!(names(text), ["!", "!", "!", "!", "!", "!", "!", "!", "a"]);
}

#[test]
fn an_item_without_a_name_is_rejected_as_such() {
    let text = br#"{"metadata":{},"items":[{"metadata":{"namespace":"n"}},{"spec":{}}]}"#;
    let outcome = list(text);
    for rejection in rejections(&outcome) {
        assert!(rejection.contains("NoMetadata"), "{rejection}");
    }
    assert_eq!(rejections(&outcome).len(), 2);
}

#[test]
fn an_item_that_is_nested_too_deeply_for_serde_is_rejected_alone() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(
        r#"{{"deep":{deep},"metadata":{{}},"items":[{{"a":{deep},"metadata":{{"name":"x"}}}},
        {{"metadata":{{"name":"b"}}}}]}}"#
    );
    let outcome = super::list_cut(text.as_bytes(), &[77, 50_000, 150_000, 300_000]);
    assert_eq!(outcome.result, Ok(()));
    assert!(rejections(&outcome)[0].contains("Some(x)"));
    assert!(outcome.items[1].is_ok());
}

#[test]
fn the_items_of_a_chunk_are_one_batch() {
    let mut decoder = ListDecoder::new(codec(), DecodeLimits::default());
    let mut parts = Vec::new();
    let first = br#"{"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}},{"metad"#;
    decoder.push(first, &mut parts).unwrap();
    decoder
        .push(br#"ata":{"name":"c"}}],"metadata":{}}"#, &mut parts)
        .unwrap();
    decoder.finish().unwrap();
    let shape: Vec<usize> = parts
        .iter()
        .map(|part| match part {
            ListPart::Items(items) => items.len(),
            ListPart::Metadata(_) => 0,
        })
        .collect();
    assert_eq!(shape, [2, 1, 0]);
}

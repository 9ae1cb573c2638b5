//! What a frame may look like, and what each means.

use crate::event::WatchEvent;
use crate::status::Status;
use crate::wire::DecodeLimits;

use super::super::WatchDecoder;
use super::{codec, events, kind, malformed_at, watch, watch_with};

#[test]
fn w_11_each_type_with_its_object() {
    let frames = r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"}}}
        {"object":{"metadata":{"name":"a","resourceVersion":"2"}},"type":"MODIFIED"}{"type":"DELETED",
        "x":[1,{}],"object" : {"metadata":{"name":"a","namespace":"n","resourceVersion":"3"}}   }"#;
    assert_eq!(
        events(frames),
        [
            r#"ADDED a@1 {"metadata":{"name":"a","resourceVersion":"1"}}"#,
            r#"MODIFIED a@2 {"metadata":{"name":"a","resourceVersion":"2"}}"#,
            r#"DELETED n/a@3 {"metadata":{"name":"a","namespace":"n","resourceVersion":"3"}}"#,
        ]
    );
}

#[test]
fn w_11_an_unknown_type_is_told_with_its_version() {
    let frames = r#"{"type":"PATCHED","object":{"metadata":{"resourceVersion":"9"}}}
        {"object":{"metadata":{"resourceVersion":"10"}},"type":"added"}
        {"type":"X"}{"object":{}}{}{"type":null,"object":null}"#;
    assert_eq!(
        events(frames),
        [
            "UNKNOWN PATCHED@9",
            "UNKNOWN added@10",
            "UNKNOWN X@",
            "UNKNOWN @",
            "UNKNOWN @",
            "UNKNOWN @"
        ]
    );
}

#[test]
fn w_21_a_type_that_is_no_text_is_malformed() {
    let outcome = watch(br#"{"type":5,"object":{}}"#);
    assert_eq!(malformed_at(&outcome.result), Some(8));
}

#[test]
fn wl_03_only_the_word_true_ends_the_initial_events() {
    let bookmark = |annotations: &str| {
        let frame = format!(
            r#"{{"type":"BOOKMARK","object":{{"kind":"Pod","apiVersion":"v1","metadata":{{"resourceVersion":"7","creationTimestamp":null,"annotations":{annotations}}},"spec":{{"containers":null}},"status":{{}}}}}}"#
        );
        events(&frame).remove(0)
    };
    let yes = r#"{"a":7,"k8s.io/initial-events-end":"true"}"#;
    assert_eq!(bookmark(yes), "BOOKMARK @7 true");
    for no in [
        "null",
        "{}",
        r#"{"k8s.io/initial-events-end":"True"}"#,
        r#"{"k8s.io/initial-events-end":"false"}"#,
        r#"{"k8s.io/initial-events-end":true}"#,
        r#"{"k8s.io/initial-events-end":null}"#,
        r#"{"initial-events-end":"true"}"#,
    ] {
        assert_eq!(bookmark(no), "BOOKMARK @7 false");
    }
}

#[test]
fn wl_03_the_annotation_counts_in_its_place_alone() {
    let frame = r#"{"type":"BOOKMARK","object":{"annotations":{"k8s.io/initial-events-end":"true"},
        "metadata":{"labels":{"k8s.io/initial-events-end":"true"}}}}"#;
    assert_eq!(events(frame), ["BOOKMARK @ false"]);
}

#[test]
fn w_10_a_bookmark_without_metadata_is_rejected() {
    let frames = r#"{"type":"BOOKMARK","object":{"kind":"Pod"}}{"type":"BOOKMARK","object":7}
        {"type":"BOOKMARK"}{"type":"BOOKMARK","object":[{"resourceVersion":"7"}]}
        {"type":"BOOKMARK","object":{"metadata":["7"]}}
        {"type":"BOOKMARK","object":{"metadata":{"resourceVersion":7}}}"#;
    let events = events(frames);
    assert_eq!(events.len(), 6);
    assert_eq!(
        events[0],
        "REJECTED None None@: the object has no readable metadata: the bookmark has none"
    );
    assert!(
        events
            .iter()
            .all(|event| event.starts_with("REJECTED None None@"))
    );
}

#[test]
fn w_10_events_of_another_kind_are_rejected_bookmarks_too() {
    let pods = || codec().expecting(kind("v1", "Pod"));
    let frames = br#"{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}}
        {"type":"ADDED","object":{"kind":"Pod","apiVersion":"v2","metadata":{"name":"a"}}}
        {"type":"DELETED","object":{"metadata":{"name":"s","resourceVersion":"3"},"kind":"Service","apiVersion":"v1"}}
        {"type":"MODIFIED","object":{"metadata":{"name":"a"}}}
        {"type":"BOOKMARK","object":{"kind":"Service","apiVersion":"v1","metadata":{"resourceVersion":"9"}}}
        {"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"9"}}}
        {"type":"BOOKMARK","object":{"kind":"Table","apiVersion":"meta.k8s.io/v1","rows":[]}}"#;
    let outcome = watch_with(frames, pods);
    assert_eq!(outcome.result, Ok(()));
    let expected = [
        r#"ADDED a@ {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#,
        r#"REJECTED Some(Added) Some("a")@: expected v1, Kind=Pod, got v2, Kind=Pod"#,
        r#"REJECTED Some(Deleted) Some("s")@3: expected v1, Kind=Pod, got v1, Kind=Service"#,
        r#"REJECTED Some(Modified) Some("a")@: expected v1, Kind=Pod, got , Kind="#,
        "REJECTED None None@9: expected v1, Kind=Pod, got v1, Kind=Service",
        "BOOKMARK @9 false",
        "REJECTED None None@: a Table cannot be mirrored",
    ];
    assert_eq!(outcome.events, expected);
}

#[test]
fn w_10_without_an_expected_kind_any_is_taken_but_a_table() {
    let frames = r#"{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a"}}}
        {"type":"ADDED","object":{"kind":"Table","apiVersion":"meta.k8s.io/v1beta1","metadata":{"name":"t"}}}"#;
    let events = events(frames);
    assert!(events[0].starts_with("ADDED a@"));
    assert!(events[1].ends_with("a Table cannot be mirrored"));
}

#[test]
fn w_08_an_error_with_a_status() {
    for version in ["v1", "meta.k8s.io/v1"] {
        let frame = format!(
            r#"{{"type":"ERROR","object":{{"kind":"Status","apiVersion":"{version}","reason":"Expired","code":410,"message":"too old"}}}}"#
        );
        let status = Status {
            status: String::new(),
            ..Status::failure(410, "Expired", "too old")
        };
        assert_eq!(events(&frame), [format!("ERROR {status:?}")]);
    }
}

#[test]
fn w_08_an_error_with_another_object_is_of_no_known_class() {
    for object in [
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}"#,
        r#"{"kind":"Status","apiVersion":"v2","code":500,"reason":"InternalError"}"#,
        r#"{"kind":"Status","apiVersion":"v1","code":"500"}"#,
        "null",
        "7",
    ] {
        let bytes = format!(r#"{{"type":"ERROR","object":{object}}}"#);
        let mut decoder = WatchDecoder::new(codec(), DecodeLimits::default());
        let mut out = Vec::new();
        decoder.push(bytes.as_bytes(), &mut out).unwrap();
        let [WatchEvent::Error(status)] = out.as_slice() else {
            panic!("{out:?}")
        };
        assert!(!status.is_internal_error() && !status.is_expired() && !status.is_too_large());
        assert!(!status.is_too_many_requests() && !status.is_timeout());
        assert!(status.message.contains(object));
        assert_eq!(events(&bytes), [format!("ERROR {status:?}")]);
    }
    assert!(events(r#"{"type":"ERROR"}"#)[0].contains("unexpected object"));
}

#[test]
fn one_bad_object_is_one_rejection() {
    let frames = r#"{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"x","resourceVersion":"4"},"a":nul}}
        {"object":{"metadata":{"name":"x","resourceVersion":"5"},"a":1.},"type":"MODIFIED"}
        {"type":"DELETED","object":{"metadata":{"resourceVersion":"6"}}}
        {"type":"DELETED"}
        {"type":"DELETED","object":null}
        {"type":"ADDED","object":{"metadata":{"name":"a"}}}"#;
    let events = events(frames);
    for (event, start) in events.iter().zip([
        r#"REJECTED Some(Added) Some("x")@4: "#,
        r#"REJECTED Some(Modified) Some("x")@5: "#,
        "REJECTED Some(Deleted) None@6: the object has no readable metadata",
        "REJECTED Some(Deleted) None@: the object has no readable metadata",
        "REJECTED Some(Deleted) None@: ",
        "ADDED a@",
    ]) {
        assert!(event.starts_with(start), "{event}");
    }
    assert_eq!(events.len(), 6);
}

#[test]
fn w_21_frames_are_values_not_lines() {
    let frame = serde_json::json!({
        "type": "ADDED",
        "object": {"metadata": {"name": "a", "annotations": {"note": "{\"type\":\"DELETED\"}\n"}}},
    });
    let pretty = serde_json::to_string_pretty(&frame).unwrap();
    assert_eq!(events(&format!("\n{pretty}\r\n\t{frame}{frame} ")).len(), 3);
}

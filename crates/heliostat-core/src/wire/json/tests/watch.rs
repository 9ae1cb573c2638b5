//! What a frame may look like, and what each means.

use crate::error::DecodeError;
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

/// The error of frames behind one that is good, whose event must come out.
fn error_behind_a_frame(frames: &str) -> DecodeError {
    let good = r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#;
    let outcome = watch(format!("{good}{frames}{good}").as_bytes());
    assert_eq!(outcome.events.len(), 1, "{frames}");
    outcome.result.unwrap_err()
}

#[test]
fn w_11_an_unknown_type_is_an_error_that_names_it() {
    for (frame, name) in [
        (r#"{"type":"HEARTBEAT"}"#, "HEARTBEAT"),
        (
            r#"{"type":"PATCHED","object":{"metadata":{"resourceVersion":"9"}}}"#,
            "PATCHED",
        ),
        (
            r#"{"object":{"metadata":{"resourceVersion":"10"}},"type":"added"}"#,
            "added",
        ),
        (
            r#"{"type":"HEARTBEAT","kind":"Status","apiVersion":"v1","code":410}"#,
            "HEARTBEAT",
        ),
    ] {
        let error = error_behind_a_frame(frame);
        assert_eq!(error, DecodeError::UnknownEventType(name.to_owned()));
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn w_21_a_frame_that_is_no_event_is_an_error_that_names_what_came() {
    for (frame, name) in [
        (
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}"#,
            "v1, Kind=Pod",
        ),
        (
            r#"{"kind":"PodList","apiVersion":"v1","items":[{}],"metadata":{}}"#,
            "v1, Kind=PodList",
        ),
        (r#"{"type":null,"object":{"kind":"Pod"}}"#, ", Kind="),
        (r#"{"type":"","object":null}"#, ", Kind="),
        (r#"{"object":{}}"#, ", Kind="),
        ("{}", ", Kind="),
        (
            r#"{"kind":"Status","apiVersion":"v2","code":410}"#,
            "v2, Kind=Status",
        ),
        (r#"{"kind":{},"apiVersion":[1]}"#, ", Kind="),
    ] {
        let error = error_behind_a_frame(frame);
        assert_eq!(error, DecodeError::NotAnEvent(name.to_owned()), "{frame}");
    }
}

#[test]
fn w_08_a_bare_status_is_that_status() {
    let bare = r#"{"kind":"Status","apiVersion":"v1","metadata":{"continue":"c"},"status":"Failure",
        "message":"too old","reason":"Expired","details":{"retryAfterSeconds":3},"code":410}"#;
    let status = Status::parse(bare.as_bytes()).unwrap();
    assert!(status.is_expired());
    assert_eq!(events(bare), [format!("ERROR {status:?}")]);
    let nulls = r#"{"code":410,"metadata":null,"type":"","details":null,"status":null,"message":null,
        "apiVersion":"meta.k8s.io/v1","kind":"Status"}"#;
    let status = Status {
        status: String::new(),
        ..Status::failure(410, "", "")
    };
    assert_eq!(events(nulls), [format!("ERROR {status:?}")]);
    let behind = format!(r#"{{"type":"ADDED","object":{{"metadata":{{"name":"a"}}}}}}{bare}"#);
    assert_eq!(events(&behind).len(), 2);
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
fn w_10_a_bookmark_without_metadata_has_no_version() {
    for object in [
        r#"{"kind":"Pod"}"#,
        r#"{"metadata":null}"#,
        r#"{"metadata":{}}"#,
        r#"{"metadata":{"resourceVersion":null,"annotations":null}}"#,
    ] {
        let frame = format!(r#"{{"type":"BOOKMARK","object":{object}}}"#);
        assert_eq!(events(&frame), ["BOOKMARK @ false"]);
    }
}

#[test]
fn w_10_a_bookmark_that_cannot_be_read_is_rejected() {
    let frames = r#"{"type":"BOOKMARK","object":7}{"type":"BOOKMARK","object":null}
        {"type":"BOOKMARK"}{"type":"BOOKMARK","object":[{"resourceVersion":"7"}]}
        {"type":"BOOKMARK","object":{"metadata":["7"]}}
        {"type":"BOOKMARK","object":{"metadata":{"resourceVersion":7}}}"#;
    let events = events(frames);
    assert_eq!(events.len(), 6);
    assert!(
        events
            .iter()
            .all(|event| event.starts_with("REJECTED None None@"))
    );
}

#[test]
fn null_where_an_object_should_be_is_no_object() {
    let frames = r#"{"type":"ADDED","object":null}{"object":null,"type":"DELETED"}
        {"type":"ADDED","object":{"metadata":null}}"#;
    let why = "the object has no readable metadata: ";
    let expected = [
        format!("REJECTED Some(Added) None@: {why}the event has no object"),
        format!("REJECTED Some(Deleted) None@: {why}the event has no object"),
        format!("REJECTED Some(Added) None@: {why}it has no name"),
    ];
    assert_eq!(events(frames), expected);
    // Also where the kind is checked: nothing is of no kind.
    let outcome = watch_with(frames.as_bytes(), || codec().expecting(kind("v1", "Pod")));
    assert_eq!(outcome.events[..2], expected[..2]);
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
    for empty in [r#"{"type":"ERROR"}"#, r#"{"type":"ERROR","object":null}"#] {
        assert!(events(empty)[0].contains("unexpected object"));
    }
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

//! Bytes that are no JSON, or end too early: told as such, at the right place, however they were cut.

use crate::error::DecodeError;
use crate::wire::DecodeLimits;

use super::super::{ListDecoder, WatchDecoder};
use super::{codec, list, list_in, malformed_at, watch, watch_in};

const LIST: &str = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b\""}}],"x":[{"y":"\\"}]}"#;
const WATCH: &str = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n{\"object\":{\"metadata\":{\"name\":\"b\"}},\"type\":\"ADDED\"}";

#[test]
fn a_list_that_ends_anywhere_before_its_end_is_truncated() {
    assert_eq!(list(LIST.as_bytes()).result, Ok(()));
    for end in 0..LIST.len() {
        let outcome = list(&LIST.as_bytes()[..end]);
        let expected = DecodeError::Truncated {
            what: "list",
            bytes: end as u64,
        };
        assert_eq!(outcome.result, Err(expected));
    }
}

#[test]
fn w_21_a_watch_that_ends_inside_a_frame_keeps_the_frames_before() {
    let first = WATCH.find('\n').unwrap();
    for end in 0..=WATCH.len() {
        let outcome = watch(&WATCH.as_bytes()[..end]);
        let between = end == 0 || end == first || end == first + 1 || end == WATCH.len();
        assert_eq!(outcome.result.is_ok(), between, "{end}");
        let complete = usize::from(end >= first) + usize::from(end == WATCH.len());
        assert_eq!(outcome.events.len(), complete, "{end}");
    }
}

#[test]
fn lists_that_are_no_json_tell_where() {
    for (text, place) in [
        ("[]", 0),
        ("<html>", 0),
        ("  null", 2),
        ("{,}", 1),
        ("{a:1}", 1),
        (r#"{"a"}"#, 4),
        (r#"{"a":}"#, 5),
        (r#"{"a":,}"#, 5),
        (r#"{"a":1 2}"#, 7),
        (r#"{"a":1,}"#, 7),
        (r#"{"a":"b""c"}"#, 8),
        (r#"{"items":[,]}"#, 10),
        (r#"{"items":[1,]}"#, 12),
        (r#"{"items":[1 2]}"#, 12),
        (r#"{"items":[1}"#, 11),
        (r#"{"items":{}}"#, 9),
        (r#"{"items":"x"}"#, 9),
        (r#"{"kind":7}"#, 8),
        (r#"{"metadata":{},"items":[]} x"#, 27),
        (r#"{"metadata":{},"items":[]}{}"#, 26),
        (r#"{"kind":"a","kind":"a"}"#, 12),
        (r#"{"items":[],"items":[]}"#, 12),
        (r#"{"metadata":{},"\u006detadata":{}}"#, 15),
    ] {
        let outcome = list(text.as_bytes());
        assert_eq!(
            malformed_at(&outcome.result),
            Some(place),
            "{text}: {outcome:?}"
        );
    }
}

#[test]
fn an_item_whose_brackets_do_not_pair_fails_the_list() {
    for (item, place) in [
        (r#"{"a":[}]}"#, 6),
        (r#"{"a":]"#, 5),
        (r#"{"a":[},{"b":]}"#, 6),
        (r#"{"a":\"}"#, 5),
        (r#"[{]}"#, 2),
    ] {
        let head = r#"{"metadata":{},"items":["#;
        let text = format!(r#"{head}{item},{{"metadata":{{"name":"a"}}}}]}}"#);
        let outcome = list(text.as_bytes());
        let expected = Some((head.len() + place) as u64);
        let at = malformed_at(&outcome.result);
        // Where a stray backslash hides a quote, the end is the end of the body.
        let lost = matches!(outcome.result, Err(DecodeError::Truncated { .. }));
        assert!(
            at == expected || lost && item.contains('\\'),
            "{item}: {outcome:?}"
        );
        assert_eq!(outcome.items, []);
    }
}

#[test]
fn w_21_frames_that_are_no_json_tell_where() {
    let good = r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#;
    for (frame, place) in [
        ("[]", 0),
        ("x", 0),
        ("}", 0),
        (",", 0),
        (r#"{"type""#, 7),
        (r#"{"type":"ADDED","type":"ADDED"}"#, 16),
        (r#"{"object":{},"object":{}}"#, 13),
        (r#"{"type":"ADDED","object":{"a":[}]}}"#, 31),
        (r#"{"object":{"a":[}]},"type":"ADDED"}"#, 16),
    ] {
        let text = format!("{good}{frame} ");
        let outcome = watch(text.as_bytes());
        assert_eq!(outcome.events.len(), 1);
        if frame == r#"{"type""# {
            let truncated = matches!(outcome.result, Err(DecodeError::Truncated { .. }));
            assert!(truncated, "{outcome:?}");
            continue;
        }
        let expected = Some((good.len() + place) as u64);
        assert_eq!(
            malformed_at(&outcome.result),
            expected,
            "{frame} {outcome:?}"
        );
    }
}

#[test]
fn every_single_byte_changed_is_survived() {
    for (place, _) in LIST.bytes().enumerate() {
        for byte in [
            b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b' ', 0, 0xff,
        ] {
            let mut bytes = LIST.as_bytes().to_vec();
            bytes[place] = byte;
            // The helper compares the whole with every byte by itself.
            list(&bytes);
        }
    }
    for (place, _) in WATCH.bytes().enumerate() {
        for byte in [
            b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b' ', 0, 0xff,
        ] {
            let mut bytes = WATCH.as_bytes().to_vec();
            bytes[place] = byte;
            watch(&bytes);
        }
    }
}

#[test]
fn after_an_error_nothing_more_comes() {
    let limits = DecodeLimits::default();
    let mut parts = Vec::new();
    let mut decoder = ListDecoder::new(codec(), limits);
    let error = decoder.push(b"[", &mut parts).unwrap_err();
    let good = br#"{"kind":"PodList","metadata":{},"items":[]}"#;
    assert_eq!(decoder.push(good, &mut parts), Err(error.clone()));
    assert_eq!(decoder.finish(), Err(error));
    assert!(parts.is_empty());
    let mut events = Vec::new();
    let mut decoder = WatchDecoder::new(codec(), limits);
    let error = decoder.push(b"[", &mut events).unwrap_err();
    assert_eq!(
        decoder.push(WATCH.as_bytes(), &mut events),
        Err(error.clone())
    );
    assert_eq!(decoder.finish(), Err(error));
    assert!(events.is_empty());
}

#[test]
fn empty_chunks_change_nothing() {
    let limits = DecodeLimits::default();
    let (start, end) = LIST.as_bytes().split_at(100);
    let whole = list_in(&[LIST.as_bytes()], limits);
    assert_eq!(list_in(&[b"", start, b"", end, b""], limits), whole);
    let (start, end) = WATCH.as_bytes().split_at(30);
    let whole = watch_in(&[WATCH.as_bytes()], codec(), limits);
    assert_eq!(
        watch_in(&[b"", start, b"", end, b""], codec(), limits),
        whole
    );
}

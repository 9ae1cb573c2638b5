//! What a real API server sent: whole, byte by byte and at random cuts.

use serde_json::Value;

use crate::error::DecodeError;
use crate::event::ListMetadata;
use crate::rng::Rng;

use super::{ListOutcome, codec, header_of, kind, list_cut, watch_cut};

macro_rules! capture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../testdata/wire/", $name, ".json")).as_slice()
    };
}

const LISTS: [&[u8]; 10] = [
    capture!("list-json"),
    capture!("list-json-empty"),
    capture!("list-json-page1"),
    capture!("list-json-page2"),
    capture!("list-json-page3"),
    capture!("list-json-pods"),
    capture!("list-json-selector"),
    capture!("list-cr-json"),
    capture!("list-metadata-json"),
    capture!("list-too-many-requests-admin"),
];

const WATCHES: [&[u8]; 8] = [
    capture!("watch-empty-timeout"),
    capture!("watch-json"),
    capture!("watch-json-rv0"),
    capture!("watch-json-selector"),
    capture!("watch-list-json"),
    capture!("watch-list-metadata-json"),
    capture!("watch-metadata-json"),
    capture!("watch-sie-without-bookmarks"),
];

/// Every byte by itself, then some cuts at random places, many times.
fn each_cutting(bytes: &[u8], check: impl Fn(&[usize])) {
    let every_byte: Vec<usize> = (0..bytes.len()).collect();
    check(&every_byte);
    let mut rng = Rng::seeded(7);
    let mut below = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    for round in 0..60 {
        let cuts: Vec<usize> = (0..below(2 + round))
            .map(|_| below(bytes.len() + 1))
            .collect();
        check(&cuts);
    }
}

/// The list as serde_json sees it.
fn oracle(bytes: &[u8]) -> ListOutcome {
    let list: Value = serde_json::from_slice(bytes).unwrap();
    let metadata = &list["metadata"];
    let text = |name: &str| metadata[name].as_str().unwrap_or("");
    let items = list["items"].as_array().unwrap();
    ListOutcome {
        metadata: vec![ListMetadata {
            resource_version: text("resourceVersion").into(),
            continue_token: Some(text("continue").to_owned()).filter(|token| !token.is_empty()),
            remaining_item_count: metadata["remainingItemCount"].as_u64(),
        }],
        items: items
            .iter()
            .map(|item| Ok((header_of(item).unwrap(), item.clone())))
            .collect(),
        result: Ok(()),
    }
}

#[test]
fn l_07_lists_come_out_as_serde_json_reads_them() {
    for bytes in LISTS {
        let expected = oracle(bytes);
        each_cutting(bytes, |cuts| assert_eq!(list_cut(bytes, cuts), expected));
    }
}

#[test]
fn w_10_watches_come_out_as_serde_json_reads_them() {
    for bytes in WATCHES {
        let frames = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
        let expected: Vec<String> = frames.map(|frame| oracle_line(&frame.unwrap())).collect();
        each_cutting(bytes, |cuts| {
            let outcome = watch_cut(bytes, cuts, codec);
            assert_eq!(outcome.result, Ok(()));
            assert_eq!(outcome.events, expected);
        });
    }
}

fn oracle_line(frame: &Value) -> String {
    let (event_type, object) = (frame["type"].as_str().unwrap(), &frame["object"]);
    let metadata = &object["metadata"];
    if event_type == "BOOKMARK" {
        let end = metadata["annotations"]["k8s.io/initial-events-end"] == "true";
        let version = metadata["resourceVersion"].as_str().unwrap();
        return format!("BOOKMARK @{version} {end}");
    }
    let header = header_of(object).unwrap();
    let (key, version) = (&header.key, &header.resource_version);
    format!("{event_type} {key}@{version} {object}")
}

#[test]
fn wl_03_the_recorded_watch_list_has_one_end_of_its_initial_events() {
    for bytes in [
        capture!("watch-list-json"),
        capture!("watch-list-metadata-json"),
    ] {
        let events = watch_cut(bytes, &[], codec).events;
        let is_end = |event: &&String| event.starts_with("BOOKMARK") && event.ends_with("true");
        assert_eq!(events.iter().filter(is_end).count(), 1);
        assert!(events.iter().any(|event| event.ends_with("false")));
    }
}

#[test]
fn w_08_the_recorded_expiry_is_an_error_event() {
    let bytes = capture!("watch-json-expired");
    each_cutting(bytes, |cuts| {
        let outcome = watch_cut(bytes, cuts, codec);
        assert_eq!(outcome.result, Ok(()));
        let [event] = outcome.events.as_slice() else {
            panic!("{outcome:?}")
        };
        assert!(event.starts_with("ERROR ") && event.contains("code: 410"));
    });
}

#[test]
fn l_06_the_recorded_table_is_no_list() {
    let bytes = capture!("list-table-json");
    each_cutting(bytes, |cuts| {
        let outcome = list_cut(bytes, cuts);
        let table = kind("meta.k8s.io/v1", "Table").to_string();
        assert_eq!(outcome.result, Err(DecodeError::NotAList(table)));
        assert!(outcome.items.is_empty() && outcome.metadata.is_empty());
    });
}

#[test]
fn w_10_the_events_of_the_recorded_table_watch_are_rejected() {
    let bytes = capture!("watch-table-json");
    each_cutting(bytes, |cuts| {
        let outcome = watch_cut(bytes, cuts, codec);
        assert_eq!(outcome.result, Ok(()));
        assert!(outcome.events.len() > 3);
        for event in outcome.events {
            assert!(
                event.starts_with("REJECTED ") && event.ends_with("a Table cannot be mirrored")
            );
        }
    });
}

#[test]
fn l_19_recorded_answers_that_are_no_lists() {
    let single = list_cut(capture!("get-json"), &[]);
    let expected = DecodeError::NotAList(kind("v1", "ConfigMap").to_string());
    assert_eq!(single.result, Err(expected));
    for (bytes, code) in [
        (capture!("list-forbidden"), 403),
        (capture!("list-continue-expired"), 410),
    ] {
        each_cutting(bytes, |cuts| {
            let Err(DecodeError::Status(status)) = list_cut(bytes, cuts).result else {
                panic!("not a status")
            };
            assert_eq!(status.code, code);
        });
    }
    let error = list_cut(capture!("list-continue-expired"), &[]).result;
    let Err(DecodeError::Status(status)) = error else {
        panic!("{error:?}")
    };
    assert!(!status.metadata.continue_token.is_empty());
}

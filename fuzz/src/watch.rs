//! Watch frames against serde_json, and against themselves.

use heliostat_core::error::DecodeError;
use heliostat_core::event::WatchEvent;
use heliostat_core::status::Status;
use heliostat_core::wire::DecodeLimits;
use heliostat_core::wire::json::WatchDecoder;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::BytesCodec;

#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Event>,
    result: Result<(), DecodeError>,
}

#[derive(Debug, PartialEq)]
enum Event {
    Change(&'static str, Vec<u8>),
    Bookmark(String, bool),
    Error(Status),
    Rejected(String),
}

/// A frame as serde_json reads it.
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    event_type: Option<String>,
    #[serde(default, deserialize_with = "as_it_stands")]
    object: Option<Box<RawValue>>,
}

/// Longer types are refused by the decoder, however they are spelled.
const TYPE_CHARACTERS: usize = 256 / "\\u0041".len() - 2;

/// Decodes the bytes whole, byte by byte and in these pieces.
///
/// # Panics
///
/// If they do not come to the same, or serde_json reads the frames otherwise.
pub fn check(pieces: &[&[u8]], bytes: &[u8]) {
    let whole = run(&[bytes]);
    assert_eq!(run(pieces), whole);
    assert_eq!(run(&crate::single_bytes(bytes)), whole);
    let mut events = whole.events.iter();
    let mut frames = serde_json::Deserializer::from_slice(bytes).into_iter::<Frame>();
    loop {
        // serde would take an array for a struct.
        let from = frames.byte_offset();
        let start = bytes[from..].trim_ascii_start();
        if !start.is_empty() && !start.starts_with(b"{") {
            return;
        }
        let frame = match frames.next() {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return,
            None => break,
        };
        let name = frame.event_type.unwrap_or_default();
        if name.chars().count() > TYPE_CHARACTERS {
            return;
        }
        if !is_known(&name) && !name.is_empty() {
            assert_eq!(whole.result, Err(DecodeError::UnknownEventType(name)));
            assert_eq!(events.next(), None);
            return;
        }
        let object = frame.object.as_ref().map(|object| object.get());
        if name.is_empty() {
            // Of members that come twice the last counts, which serde's structs refuse.
            let Ok(members) = serde_json::from_slice::<Map<String, Value>>(
                bytes[from..frames.byte_offset()].trim_ascii(),
            ) else {
                return;
            };
            let members = Value::Object(members).to_string();
            match Status::parse(members.as_bytes()) {
                Some(status) => assert_eq!(events.next(), Some(&Event::Error(status))),
                None => {
                    let refused = matches!(whole.result, Err(DecodeError::NotAnEvent(_)));
                    assert!(refused, "{whole:?}");
                    assert_eq!(events.next(), None);
                    return;
                }
            }
            continue;
        }
        let event = events
            .next()
            .unwrap_or_else(|| panic!("lost: {name} {object:?}"));
        compare(&name, object.filter(|object| *object != "null"), event);
    }
    assert_eq!(whole.result, Ok(()));
    assert_eq!(events.next(), None);
}

fn is_known(name: &str) -> bool {
    ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"].contains(&name)
}

fn run(pieces: &[&[u8]]) -> Outcome {
    let mut decoder = WatchDecoder::new(BytesCodec::default(), DecodeLimits::default());
    let mut out = Vec::new();
    let pushed = pieces
        .iter()
        .try_for_each(|piece| decoder.push(piece, &mut out));
    let result = pushed.and_then(|()| decoder.finish());
    let events = out.into_iter().map(|event| match event {
        WatchEvent::Added(entry) => Event::Change("ADDED", entry.object.to_vec()),
        WatchEvent::Modified(entry) => Event::Change("MODIFIED", entry.object.to_vec()),
        WatchEvent::Deleted(entry) => Event::Change("DELETED", entry.object.to_vec()),
        WatchEvent::Bookmark {
            resource_version,
            initial_events_end,
        } => Event::Bookmark(resource_version.to_string(), initial_events_end),
        WatchEvent::Error(status) => Event::Error(status),
        WatchEvent::Unknown { .. } => panic!("the decoder has no unknown events"),
        WatchEvent::Rejected(rejection) => Event::Rejected(format!("{rejection:?}")),
    });
    Outcome {
        events: events.collect(),
        result,
    }
}

fn compare(name: &str, object: Option<&str>, event: &Event) {
    let value: Option<Value> = object.and_then(|object| serde_json::from_str(object).ok());
    match (name, event) {
        ("ADDED" | "MODIFIED" | "DELETED", Event::Change(word, bytes)) => {
            assert_eq!((name, object.map(str::as_bytes)), (*word, Some(&**bytes)));
        }
        ("ADDED" | "MODIFIED" | "DELETED", Event::Rejected(why)) => {
            let missing = object.is_none() && why.contains("NoMetadata");
            let table = object.is_some_and(|object| object.contains('T')) && why.contains("Table");
            assert!(
                missing || table,
                "serde_json reads what was rejected: {why}"
            );
        }
        ("BOOKMARK", Event::Bookmark(version, end)) => {
            let Some(value) = value else { return };
            let metadata = &value["metadata"];
            let wanted = metadata["resourceVersion"].as_str().unwrap_or_default();
            assert_eq!(version, wanted);
            assert_eq!(
                *end,
                metadata["annotations"]["k8s.io/initial-events-end"] == "true"
            );
        }
        // What a bookmark is rejected for is the business of the unit tests.
        ("BOOKMARK", Event::Rejected(_)) => {}
        ("ERROR", Event::Error(status)) => {
            let parsed = object.and_then(|object| Status::parse(object.as_bytes()));
            match parsed {
                Some(parsed) => assert_eq!(*status, parsed),
                None => assert!(!status.is_internal_error() && !status.is_expired()),
            }
        }
        (_, event) => panic!("{name} came out as {event:?}"),
    }
}

/// Tells `null` from nothing.
fn as_it_stands<'de, D>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error>
where
    D: Deserializer<'de>,
{
    Box::deserialize(deserializer).map(Some)
}

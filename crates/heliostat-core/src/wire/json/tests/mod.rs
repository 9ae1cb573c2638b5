//! Tests of the decoders against serde_json: whatever it reads from the whole must come out, however
//! the bytes were cut.

mod broken;
mod captures;
mod header;
mod limits;
mod list;
mod property;
mod watch;

use serde_json::Value;

use crate::error::DecodeError;
use crate::event::{Item, ListMetadata, ListPart, WatchEvent};
use crate::object::{Entry, GroupVersionKind, Header, ObjectKey, Uid};
use crate::version::ResourceVersion;
use crate::wire::DecodeLimits;

use super::{JsonCodec, ListDecoder, WatchDecoder};

/// All that came out of a list, in a form that can be compared.
#[derive(Debug, PartialEq)]
struct ListOutcome {
    metadata: Vec<ListMetadata>,
    items: Vec<Result<(Header, Value), String>>,
    result: Result<(), DecodeError>,
}

/// All that came out of a watch, in a form that can be compared.
#[derive(Debug, PartialEq)]
struct WatchOutcome {
    events: Vec<String>,
    result: Result<(), DecodeError>,
}

/// The header of any object with a name.
fn header_of(object: &Value) -> Option<Header> {
    let metadata = object.get("metadata")?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or("");
    let name = Some(text("name")).filter(|name| !name.is_empty())?;
    Some(Header {
        key: ObjectKey::namespaced(text("namespace"), name),
        resource_version: ResourceVersion::from(text("resourceVersion")),
        uid: Uid::from(text("uid")),
    })
}

type ValueCodec = JsonCodec<Value, fn(&Value) -> Option<Header>>;

fn codec() -> ValueCodec {
    JsonCodec::new(header_of as fn(&Value) -> Option<Header>)
}

fn kind(api_version: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind::new(api_version, kind)
}

/// The bytes in pieces, cut before each of the given places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.push(bytes.len());
    places.sort_unstable();
    let mut start = 0;
    places
        .into_iter()
        .map(|end| {
            let piece = &bytes[start..end];
            start = end;
            piece
        })
        .collect()
}

fn list_in(pieces: &[&[u8]], limits: DecodeLimits) -> ListOutcome {
    let mut decoder = ListDecoder::new(codec(), limits);
    let mut parts = Vec::new();
    let pushed = pieces
        .iter()
        .try_for_each(|piece| decoder.push(piece, &mut parts));
    let result = pushed.and_then(|()| decoder.finish());
    let mut outcome = ListOutcome {
        metadata: Vec::new(),
        items: Vec::new(),
        result,
    };
    for part in parts {
        match part {
            ListPart::Metadata(metadata) => outcome.metadata.push(metadata),
            ListPart::Items(items) => outcome.items.extend(items.into_iter().map(comparable)),
        }
    }
    outcome
}

fn comparable(item: Item<Value>) -> Result<(Header, Value), String> {
    item.map(|entry| (entry.header, (*entry.object).clone()))
        .map_err(|rejection| format!("{rejection:?}"))
}

/// A list by default limits, cut at these places; and, since it must not matter, whole and byte by
/// byte too.
fn list_cut(bytes: &[u8], cuts: &[usize]) -> ListOutcome {
    let limits = DecodeLimits::default();
    let whole = list_in(&[bytes], limits);
    assert_eq!(list_in(&pieces(bytes, cuts), limits), whole);
    whole
}

fn list(bytes: &[u8]) -> ListOutcome {
    let every_byte: Vec<usize> = (0..bytes.len()).collect();
    list_cut(bytes, &every_byte)
}

fn watch_in(pieces: &[&[u8]], codec: ValueCodec, limits: DecodeLimits) -> WatchOutcome {
    let mut decoder = WatchDecoder::new(codec, limits);
    let mut events = Vec::new();
    let pushed = pieces
        .iter()
        .try_for_each(|piece| decoder.push(piece, &mut events));
    let result = pushed.and_then(|()| decoder.finish());
    WatchOutcome {
        events: events.iter().map(line).collect(),
        result,
    }
}

/// An event as a line of text.
fn line(event: &WatchEvent<Value>) -> String {
    let entry = |word: &str, entry: &Entry<Value>| {
        let header = &entry.header;
        let object = &entry.object;
        format!("{word} {}@{} {object}", header.key, header.resource_version)
    };
    match event {
        WatchEvent::Added(object) => entry("ADDED", object),
        WatchEvent::Modified(object) => entry("MODIFIED", object),
        WatchEvent::Deleted(object) => entry("DELETED", object),
        WatchEvent::Bookmark {
            resource_version,
            initial_events_end,
        } => format!("BOOKMARK @{resource_version} {initial_events_end}"),
        WatchEvent::Error(status) => format!("ERROR {status:?}"),
        WatchEvent::Unknown {
            event_type,
            resource_version,
        } => format!("UNKNOWN {event_type}@{resource_version}"),
        WatchEvent::Rejected(rejection) => format!(
            "REJECTED {:?} {:?}@{}: {}",
            rejection.change,
            rejection.key.as_ref().map(ObjectKey::as_str),
            rejection.resource_version,
            rejection.reason
        ),
    }
}

fn watch_cut(bytes: &[u8], cuts: &[usize], codec: fn() -> ValueCodec) -> WatchOutcome {
    let limits = DecodeLimits::default();
    let whole = watch_in(&[bytes], codec(), limits);
    assert_eq!(watch_in(&pieces(bytes, cuts), codec(), limits), whole);
    whole
}

fn watch_with(bytes: &[u8], codec: fn() -> ValueCodec) -> WatchOutcome {
    let every_byte: Vec<usize> = (0..bytes.len()).collect();
    watch_cut(bytes, &every_byte, codec)
}

fn watch(bytes: &[u8]) -> WatchOutcome {
    watch_with(bytes, codec)
}

/// The events of frames that must all be well-formed.
fn events(frames: &str) -> Vec<String> {
    let outcome = watch(frames.as_bytes());
    assert_eq!(outcome.result, Ok(()), "{frames}");
    outcome.events
}

fn malformed_at(result: &Result<(), DecodeError>) -> Option<u64> {
    match result {
        Err(DecodeError::Malformed { offset, .. }) => Some(*offset),
        _ => None,
    }
}

//! Watch frames in protobuf against a plain reading of them, and against themselves.

use heliostat_core::event::WatchEvent;
use heliostat_core::object::{Entry, GroupVersionKind};
use heliostat_core::raw::{RawCodec, RawObject};
use heliostat_core::wire::DecodeLimits;
use heliostat_core::wire::protobuf::{WatchDecoder, parse_status};

use crate::naive::{self, Naive};
use crate::protobuf_list::{key, version_text};

/// What is compared of an event.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// Type, key, version and bytes.
    Change(&'static str, String, String, Vec<u8>),
    Bookmark(String),
    Error,
    Rejected,
}

/// Decodes the bytes whole, byte by byte and in these pieces.
///
/// # Panics
///
/// If they do not come to the same, or a plain reading finds other events.
pub fn check(pieces: &[&[u8]], bytes: &[u8]) {
    let whole = run(&[bytes]);
    assert_eq!(run(pieces), whole);
    assert_eq!(run(&crate::single_bytes(bytes)), whole);
    let (events, is_whole) = expected(bytes);
    assert_eq!(whole.0, events);
    assert_eq!(whole.1 == "Ok(())", is_whole, "{whole:?}");
}

fn config_map() -> GroupVersionKind {
    GroupVersionKind::new("v1", "ConfigMap")
}

fn run(pieces: &[&[u8]]) -> (Vec<Told>, String) {
    let codec = RawCodec::protobuf().expecting(config_map());
    let mut decoder = WatchDecoder::new(codec, DecodeLimits::default());
    let mut out = Vec::new();
    let pushed = pieces
        .iter()
        .try_for_each(|piece| decoder.push(piece, &mut out));
    let result = pushed.and_then(|()| decoder.finish());
    let told = out.into_iter().map(|event| match event {
        WatchEvent::Added(entry) => change("ADDED", &entry),
        WatchEvent::Modified(entry) => change("MODIFIED", &entry),
        WatchEvent::Deleted(entry) => change("DELETED", &entry),
        WatchEvent::Bookmark {
            resource_version, ..
        } => Told::Bookmark(resource_version.to_string()),
        WatchEvent::Error(_) => Told::Error,
        WatchEvent::Unknown { .. } => panic!("the decoder has no unknown events"),
        WatchEvent::Rejected(_) => Told::Rejected,
    });
    (told.collect(), format!("{result:?}"))
}

fn change(event_type: &'static str, entry: &Entry<RawObject>) -> Told {
    assert_eq!(entry.object.kind(), Some(&config_map()));
    Told::Change(
        event_type,
        entry.key().to_string(),
        entry.header.resource_version.to_string(),
        entry.object.bytes().to_vec(),
    )
}

/// The events up to the first frame that is none, and whether there was none such.
fn expected(mut bytes: &[u8]) -> (Vec<Told>, bool) {
    let mut events = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        if length == b"k8s\0" {
            return (events, false);
        }
        let length = u32::from_be_bytes(*length) as usize;
        let Some((frame, rest)) = rest.split_at_checked(length) else {
            return (events, false);
        };
        let Some(event) = event(frame) else {
            return (events, false);
        };
        events.push(event);
        bytes = rest;
    }
    (events, bytes.is_empty())
}

fn event(frame: &[u8]) -> Option<Told> {
    if frame.starts_with(b"k8s\0") {
        return parse_status(frame).map(|_| Told::Error);
    }
    let (fields, true) = naive::fields(frame) else {
        return None;
    };
    let (mut name, mut object) = (String::new(), None);
    for (number, value) in fields {
        match (number, value) {
            (1, Naive::Bytes(text)) => name = String::from_utf8_lossy(&text).into_owned(),
            (2, Naive::Bytes(extension)) => {
                for (number, value) in naive::fields(&extension).0 {
                    if let (1, Naive::Bytes(raw)) = (number, value) {
                        object = Some(raw);
                    }
                }
            }
            _ => {}
        }
    }
    let known = ["ADDED", "MODIFIED", "DELETED"];
    let event_type = known.into_iter().find(|known| *known == name);
    Some(match (event_type, name.as_str()) {
        (None, "ERROR") => Told::Error,
        (None, "BOOKMARK") => object
            .and_then(|object| bookmark(&object))
            .unwrap_or(Told::Rejected),
        (None, _) => return None,
        (Some(event_type), _) => object
            .and_then(|object| changed(event_type, &object))
            .unwrap_or(Told::Rejected),
    })
}

fn changed(event_type: &'static str, object: &[u8]) -> Option<Told> {
    let raw = open(object)?;
    let [name, namespace, _, version] = naive::identity(&raw)?;
    if name.is_empty() {
        return None;
    }
    let version = version_text(&version);
    Some(Told::Change(
        event_type,
        key(&namespace, &name),
        version,
        raw,
    ))
}

fn bookmark(object: &[u8]) -> Option<Told> {
    let raw = open(object)?;
    let [_, _, _, version] = naive::identity(&raw)?;
    Some(Told::Bookmark(version_text(&version)))
}

/// The object in its envelope, if it is a config map.
fn open(object: &[u8]) -> Option<Vec<u8>> {
    let message = object.strip_prefix(b"k8s\0")?;
    let kind = naive::runs(message, 1)?;
    let mut names = [String::new(), String::new()];
    for kind in kind {
        for (index, name) in names.iter_mut().enumerate() {
            for text in naive::runs(&kind, index as u64 + 1)? {
                *name = String::from_utf8(text).ok()?;
            }
        }
    }
    for encoding in naive::runs(message, 3)? {
        if !encoding.is_empty() {
            return None;
        }
    }
    for content_type in naive::runs(message, 4)? {
        if !content_type.is_empty() && content_type != b"application/vnd.kubernetes.protobuf" {
            return None;
        }
    }
    let [api_version, kind] = names;
    (api_version == "v1" && kind == "ConfigMap").then(|| {
        naive::runs(message, 2)
            .unwrap_or_default()
            .pop()
            .unwrap_or_default()
    })
}

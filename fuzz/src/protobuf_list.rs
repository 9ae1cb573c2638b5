//! A list in protobuf against a plain reading of it, and against itself.

use heliostat_core::error::DecodeError;
use heliostat_core::event::{ListMetadata, ListPart};
use heliostat_core::raw::RawCodec;
use heliostat_core::wire::DecodeLimits;
use heliostat_core::wire::protobuf::header::RawHeader;
use heliostat_core::wire::protobuf::{ListDecoder, without_managed_fields};

use crate::naive::{self, Naive};

#[derive(Debug, PartialEq)]
struct Outcome {
    /// Parts in their order, with items one by one.
    parts: Vec<Part>,
    result: Result<(), DecodeError>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Metadata(ListMetadata),
    /// Key, version and bytes.
    Item(String, String, Vec<u8>),
    Rejected,
}

/// Decodes the bytes whole, byte by byte and in these pieces.
///
/// # Panics
///
/// If they do not come to the same, or a plain reading finds other items.
pub fn check(pieces: &[&[u8]], bytes: &[u8]) {
    let whole = run(&[bytes]);
    assert_eq!(run(pieces), whole);
    assert_eq!(run(&crate::single_bytes(bytes)), whole);
    match expected(bytes) {
        Some(parts) => assert_eq!((whole.parts, whole.result), (parts, Ok(()))),
        None => assert!(whole.result.is_err(), "{whole:?}"),
    }
}

fn run(pieces: &[&[u8]]) -> Outcome {
    let mut decoder = ListDecoder::new(RawCodec::protobuf(), DecodeLimits::default());
    let mut out = Vec::new();
    let pushed = pieces
        .iter()
        .try_for_each(|piece| decoder.push(piece, &mut out));
    let result = pushed.and_then(|()| decoder.finish());
    let mut parts = Vec::new();
    for part in out {
        match part {
            ListPart::Metadata(metadata) => parts.push(Part::Metadata(metadata)),
            ListPart::Items(items) => parts.extend(items.into_iter().map(|item| match item {
                Ok(entry) => Part::Item(
                    entry.key().to_string(),
                    entry.header.resource_version.to_string(),
                    entry.object.bytes().to_vec(),
                ),
                Err(_) => Part::Rejected,
            })),
        }
    }
    Outcome { parts, result }
}

/// The parts of the list, by a plain reading; none if it is no list.
fn expected(bytes: &[u8]) -> Option<Vec<Part>> {
    let (fields, true) = naive::fields(bytes.strip_prefix(b"k8s\0")?) else {
        return None;
    };
    let mut raw = None;
    let mut kind = None;
    for (number, value) in fields {
        let Naive::Bytes(bytes) = value else {
            continue;
        };
        match number {
            1 => {
                for name in naive::runs(&bytes, 1)? {
                    String::from_utf8(name).ok()?;
                }
                let names = naive::runs(&bytes, 2)?;
                let mut name = kind.take().unwrap_or_default();
                for found in names {
                    name = String::from_utf8(found).ok()?;
                }
                let is_list = name.len() > 4 && name.ends_with("List");
                // A kind that comes in pieces is judged when the list begins, and from then on.
                if raw.is_some() && !is_list {
                    return None;
                }
                kind = Some(name);
            }
            2 if raw.is_some() => return None,
            2 => {
                if kind
                    .as_ref()
                    .is_some_and(|name: &String| name.len() <= 4 || !name.ends_with("List"))
                {
                    return None;
                }
                raw = Some(bytes);
            }
            3 if !bytes.is_empty() => return None,
            4 if !bytes.is_empty() && bytes != b"application/vnd.kubernetes.protobuf" => {
                return None;
            }
            _ => {}
        }
    }
    let (fields, true) = naive::fields(&raw?) else {
        return None;
    };
    let mut parts = Vec::new();
    for (number, value) in fields {
        match (number, value) {
            (1, Naive::Bytes(bytes)) => parts.push(Part::Metadata(metadata(&bytes)?)),
            (2, Naive::Bytes(bytes)) => {
                check_pruning(&bytes);
                parts.push(item(bytes));
            }
            _ => {}
        }
    }
    if !parts.iter().any(|part| matches!(part, Part::Metadata(_))) {
        kind?;
        parts.push(Part::Metadata(ListMetadata::default()));
    }
    Some(parts)
}

fn item(bytes: Vec<u8>) -> Part {
    match naive::identity(&bytes) {
        Some([name, namespace, _, version]) if !name.is_empty() => {
            Part::Item(key(&namespace, &name), version_text(&version), bytes)
        }
        _ => Part::Rejected,
    }
}

/// The key's text.
pub(crate) fn key(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        namespace => format!("{namespace}/{name}"),
    }
}

/// The version as it is shown.
pub(crate) fn version_text(version: &str) -> String {
    heliostat_core::version::ResourceVersion::from(version).to_string()
}

fn metadata(message: &[u8]) -> Option<ListMetadata> {
    let (fields, true) = naive::fields(message) else {
        return None;
    };
    let mut metadata = ListMetadata::default();
    for (number, value) in fields {
        match (number, value) {
            (2, Naive::Bytes(text)) => {
                metadata.resource_version = String::from_utf8(text).ok()?.as_str().into();
            }
            (3, Naive::Bytes(text)) => {
                let token = String::from_utf8(text).ok()?;
                metadata.continue_token = Some(token).filter(|token| !token.is_empty());
            }
            (4, Naive::Number(count)) => {
                metadata.remaining_item_count = Some(count).filter(|count| *count < 1 << 63);
            }
            _ => {}
        }
    }
    Some(metadata)
}

/// Without its managed fields an object is what it was otherwise.
fn check_pruning(item: &[u8]) {
    let mut scratch = Vec::new();
    let read = RawHeader::read(item);
    let lean = without_managed_fields(item, &mut scratch);
    assert_eq!(lean.map(|(header, _)| header), read);
    let is_whole = |message: &Vec<u8>| naive::fields(message).1;
    let is_whole = naive::runs(item, 1).is_some_and(|metadata| metadata.iter().all(is_whole));
    let Ok((_, lean)) = lean else {
        return;
    };
    assert!(is_whole, "what is broken is not cut");
    assert_eq!(naive::identity(lean), naive::identity(item));
    let metadata = |object: &[u8]| naive::runs(object, 1).unwrap_or_default().concat();
    let (mut kept, _) = naive::fields(&metadata(item));
    kept.retain(|(number, _)| *number != 17);
    assert_eq!(naive::fields(&metadata(lean)), (kept, true));
    let others = |object: &[u8]| {
        let (mut fields, _) = naive::fields(object);
        fields.retain(|(number, value)| *number != 1 || !matches!(value, Naive::Bytes(_)));
        fields
    };
    assert_eq!(others(lean), others(item));
}

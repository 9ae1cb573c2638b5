//! A list against serde_json, and against itself.

use std::collections::BTreeMap;

use heliostat_core::error::DecodeError;
use heliostat_core::event::{ListMetadata, ListPart};
use heliostat_core::wire::DecodeLimits;
use heliostat_core::wire::json::{ListDecoder, without_managed_fields};
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::BytesCodec;

#[derive(Debug, PartialEq)]
struct Outcome {
    /// Parts in their order, with items one by one.
    parts: Vec<Part>,
    result: Result<(), DecodeError>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Metadata(ListMetadata),
    Item(String, Vec<u8>),
    Rejected(String),
}

/// The list as serde_json reads it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: Option<String>,
    api_version: Option<String>,
    #[serde(default, deserialize_with = "object_or_null")]
    metadata: Option<Metadata>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    continue_token: Option<String>,
    remaining_item_count: Option<i64>,
}

/// Decodes the bytes whole, byte by byte and in these pieces.
///
/// # Panics
///
/// If they do not come to the same, or serde_json reads the whole otherwise.
pub fn check(pieces: &[&[u8]], bytes: &[u8]) {
    let whole = run(&[bytes]);
    assert_eq!(run(pieces), whole);
    assert_eq!(run(&crate::single_bytes(bytes)), whole);
    // serde would take an array for a struct; a map is an object.
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(bytes) else {
        return;
    };
    let Ok(list) = serde_json::from_slice::<List<'_>>(bytes) else {
        return;
    };
    for item in list.items.iter().flatten() {
        check_pruning(item.get());
    }
    compare(&list, members.contains_key("items"), &whole);
}

fn run(pieces: &[&[u8]]) -> Outcome {
    let mut decoder = ListDecoder::new(BytesCodec::default(), DecodeLimits::default());
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
                Ok(entry) => Part::Item(format!("{:?}", entry.header), entry.object.to_vec()),
                Err(rejection) => Part::Rejected(format!("{rejection:?}")),
            })),
        }
    }
    Outcome { parts, result }
}

fn compare(list: &List<'_>, has_items: bool, outcome: &Outcome) {
    let kind = list.kind.as_deref().unwrap_or_default();
    let api_version = list.api_version.as_deref().unwrap_or_default();
    let table = kind == "Table" && matches!(api_version, "meta.k8s.io/v1" | "meta.k8s.io/v1beta1");
    if table || !(has_items && list.metadata.is_some() || kind.ends_with("List")) {
        let refused = matches!(
            outcome.result,
            Err(DecodeError::NotAList(_) | DecodeError::Status(_))
        );
        assert!(refused, "{outcome:?}");
        return;
    }
    let metadata = outcome.parts.iter().filter_map(|part| match part {
        Part::Metadata(metadata) => Some(metadata.clone()),
        Part::Item(..) | Part::Rejected(_) => None,
    });
    let wanted = list.metadata.as_ref().map(of_wire).unwrap_or_default();
    assert_eq!(metadata.collect::<Vec<_>>(), [wanted]);
    assert_eq!(outcome.result, Ok(()));
    let items = outcome.parts.iter().filter_map(|part| match part {
        Part::Item(_, bytes) => Some(bytes.as_slice()),
        Part::Rejected(why) if why.contains("NoMetadata") => Some(&b"null"[..]),
        Part::Rejected(why) => panic!("serde_json reads what was rejected: {why}"),
        Part::Metadata(_) => None,
    });
    let wanted = list.items.iter().flatten();
    let wanted = wanted.map(|item| item.get().as_bytes());
    assert_eq!(items.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

fn of_wire(wire: &Metadata) -> ListMetadata {
    let count = wire.remaining_item_count;
    ListMetadata {
        resource_version: wire.resource_version.as_deref().unwrap_or_default().into(),
        continue_token: wire
            .continue_token
            .clone()
            .filter(|token| !token.is_empty()),
        remaining_item_count: count.and_then(|count| u64::try_from(count).ok()),
    }
}

fn object_or_null<'de, D>(deserializer: D) -> Result<Option<Metadata>, D::Error>
where
    D: Deserializer<'de>,
{
    let members: Option<Map<String, Value>> = Option::deserialize(deserializer)?;
    members
        .map(|members| Metadata::deserialize(Value::Object(members)))
        .transpose()
        .map_err(D::Error::custom)
}

/// What is JSON is still JSON without its managed fields.
fn check_pruning(item: &str) {
    let mut scratch = Vec::new();
    let lean = without_managed_fields(item.as_bytes(), &mut scratch);
    let read: Result<IgnoredAny, _> = serde_json::from_slice(lean);
    assert!(read.is_ok(), "{item} became {}", lean.escape_ascii());
}

//! Recorded answers of a real server, cut anywhere; the same objects by way of JSON.

use proptest::prelude::*;

use super::*;
use crate::error::DecodeError;
use crate::event::{ListMetadata, ListPart, RejectionReason, WatchEvent};
use crate::object::{Entry, GroupVersionKind, Header};
use crate::wire::json::header::RawHeader as JsonHeader;
use crate::wire::json::{self};
use crate::wire::{Codec, DecodeLimits};

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../testdata/wire/", $name)).as_slice()
    };
}

/// Keeps the bytes of an object, and the kind that its envelope tells.
struct Raw {
    expected: Option<GroupVersionKind>,
}

type Object = (Option<GroupVersionKind>, Vec<u8>);

impl Codec for Raw {
    type Object = Object;

    fn decode(
        &mut self,
        bytes: &[u8],
        kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<Object>, RejectionReason> {
        let undecodable = |error: &dyn ToString| RejectionReason::Undecodable(error.to_string());
        let header = header::RawHeader::read(bytes).map_err(|error| undecodable(&error))?;
        let header = header.header().ok_or_else(|| undecodable(&"no name"))?;
        Ok(Entry::new(header, (kind.cloned(), bytes.to_vec())))
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.expected.as_ref()
    }
}

/// The same of JSON.
struct RawJson;

impl Codec for RawJson {
    type Object = ();

    fn decode(
        &mut self,
        bytes: &[u8],
        _: Option<&GroupVersionKind>,
    ) -> Result<Entry<()>, RejectionReason> {
        let header = JsonHeader::read(bytes);
        let no_name = || RejectionReason::NoMetadata("no name".to_owned());
        Ok(Entry::new(header.header().ok_or_else(no_name)?, ()))
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        None
    }
}

fn config_map() -> GroupVersionKind {
    GroupVersionKind::new("v1", "ConfigMap")
}

fn list(body: &[u8], chunk: usize) -> (Vec<ListPart<Object>>, Result<(), DecodeError>) {
    let mut decoder = ListDecoder::new(Raw { expected: None }, DecodeLimits::default());
    let mut parts = Vec::new();
    let pushed = body
        .chunks(chunk)
        .try_for_each(|chunk| decoder.push(chunk, &mut parts));
    let result = pushed.and_then(|()| decoder.finish());
    (parts, result)
}

fn watch(body: &[u8], chunk: usize) -> (Vec<WatchEvent<Object>>, Result<(), DecodeError>) {
    let expected = Some(config_map());
    let mut decoder = WatchDecoder::new(Raw { expected }, DecodeLimits::default());
    let mut events = Vec::new();
    let pushed = body
        .chunks(chunk)
        .try_for_each(|chunk| decoder.push(chunk, &mut events));
    let result = pushed.and_then(|()| decoder.finish());
    (events, result)
}

fn entries<T: Clone>(parts: &[ListPart<T>]) -> Vec<Header> {
    parts
        .iter()
        .filter_map(|part| match part {
            ListPart::Items(items) => Some(items),
            ListPart::Metadata(_) => None,
        })
        .flatten()
        .map(|item| item.as_ref().unwrap().header.clone())
        .collect()
}

fn metadata<T: Clone>(parts: &[ListPart<T>]) -> ListMetadata {
    let metadata = parts.iter().find_map(|part| match part {
        ListPart::Metadata(metadata) => Some(metadata.clone()),
        ListPart::Items(_) => None,
    });
    metadata.unwrap()
}

#[test]
fn lists_tell_the_same_in_protobuf_and_in_json() {
    for (protobuf, json) in [
        (recorded!("list-protobuf.pb"), recorded!("list-json.json")),
        (
            recorded!("list-protobuf-page1.pb"),
            recorded!("list-json-page1.json"),
        ),
        (
            recorded!("list-metadata-protobuf.pb"),
            recorded!("list-metadata-json.json"),
        ),
    ] {
        let mut decoder = json::ListDecoder::new(RawJson, DecodeLimits::default());
        let mut expected = Vec::new();
        decoder.push(json, &mut expected).unwrap();
        decoder.finish().unwrap();
        for chunk in [1, 2, 3, 7, 64, 1000, protobuf.len()] {
            let (parts, result) = list(protobuf, chunk);
            assert_eq!(result, Ok(()));
            assert_eq!(entries(&parts), entries(&expected));
            assert_eq!(
                metadata(&parts).remaining_item_count,
                metadata(&expected).remaining_item_count
            );
        }
    }
}

#[test]
fn items_learn_their_kind_from_the_list() {
    let (parts, _) = list(recorded!("list-protobuf.pb"), 100);
    for part in parts {
        let ListPart::Items(items) = part else {
            continue;
        };
        for item in items {
            assert_eq!(item.unwrap().object.0, Some(config_map()));
        }
    }
}

#[test]
fn a_list_that_ends_anywhere_before_its_end_is_truncated() {
    let body = recorded!("list-protobuf.pb");
    for end in 0..body.len() {
        let (_, result) = list(&body[..end], 50);
        // The two empty fields at the end of an envelope may be missing: nothing tells of them.
        let may_end = [body.len() - 2, body.len() - 4].contains(&end);
        assert_eq!(result.is_ok(), may_end, "at {end} of {}", body.len());
    }
}

#[test]
fn a_refusal_where_a_list_should_be_counts_as_such() {
    let (parts, result) = list(recorded!("list-cr-protobuf-refused.pb"), 10);
    assert!(parts.is_empty());
    let Err(DecodeError::Status(status)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(
        (status.code, status.reason.as_str()),
        (406, "NotAcceptable")
    );
    assert!(
        status.message.contains("only the following media types"),
        "{status:?}"
    );
}

#[test]
fn an_object_is_no_list() {
    let (_, result) = list(recorded!("get-protobuf.pb"), 10);
    assert_eq!(
        result,
        Err(DecodeError::NotAList("v1, Kind=ConfigMap".to_owned()))
    );
}

#[test]
fn other_bytes_are_malformed() {
    for body in [
        &b"{\"kind\":\"PodList\"}"[..],
        b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"k8s\0\x0b",
    ] {
        let (_, result) = list(body, 3);
        assert!(
            matches!(result, Err(DecodeError::Malformed { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn an_item_beyond_the_limit_fails_before_it_is_held() {
    let limits = DecodeLimits::default().object_bytes_max(100);
    let mut decoder = ListDecoder::new(Raw { expected: None }, limits);
    let error = decoder.push(recorded!("list-protobuf.pb"), &mut Vec::new());
    assert_eq!(
        error,
        Err(DecodeError::TooLarge {
            what: "list",
            limit: 100
        })
    );
}

/// One word for each event.
fn words(events: &[WatchEvent<Object>]) -> Vec<String> {
    let word = |event: &WatchEvent<Object>| match event {
        WatchEvent::Added(entry) => format!("+{}@{}", entry.key(), entry.header.resource_version),
        WatchEvent::Modified(entry) => {
            format!("~{}@{}", entry.key(), entry.header.resource_version)
        }
        WatchEvent::Deleted(entry) => format!("-{}@{}", entry.key(), entry.header.resource_version),
        WatchEvent::Bookmark {
            resource_version,
            initial_events_end,
        } => format!(
            "={resource_version}{}",
            if *initial_events_end { "!" } else { "" }
        ),
        WatchEvent::Error(status) => format!("error {} {}", status.code, status.reason),
        WatchEvent::Unknown { event_type, .. } => format!("? {event_type}"),
        WatchEvent::Rejected(rejection) => format!("rejected {rejection}"),
    };
    events.iter().map(word).collect()
}

#[test]
fn watches_tell_the_same_in_protobuf_and_in_json() {
    for (protobuf, json) in [
        (recorded!("watch-protobuf.pb"), recorded!("watch-json.json")),
        (
            recorded!("watch-list-protobuf.pb"),
            recorded!("watch-list-json.json"),
        ),
        (
            recorded!("watch-protobuf-too-old.pb"),
            recorded!("watch-json-rv0.json"),
        ),
        (
            recorded!("watch-protobuf-expired.pb"),
            recorded!("watch-json-expired.json"),
        ),
    ] {
        let mut decoder = json::WatchDecoder::new(RawJson, DecodeLimits::default());
        let mut expected = Vec::new();
        decoder.push(json, &mut expected).unwrap();
        let kinds = |events: &[WatchEvent<()>]| events.len();
        let (events, result) = watch(protobuf, protobuf.len());
        assert_eq!(result, Ok(()), "{:?}", words(&events));
        for chunk in [1, 3, 5, 100] {
            assert_eq!(words(&watch(protobuf, chunk).0), words(&events));
        }
        assert!(!events.is_empty() && kinds(&expected) > 0);
        assert!(
            !words(&events)
                .iter()
                .any(|word| word.starts_with("rejected")),
            "{:?}",
            words(&events)
        );
    }
}

#[test]
fn wl_03_the_bookmark_that_ends_the_initial_events_is_known() {
    let (events, _) = watch(recorded!("watch-list-protobuf.pb"), 10);
    let ends = events.iter().filter(|event| {
        matches!(
            event,
            WatchEvent::Bookmark {
                initial_events_end: true,
                ..
            }
        )
    });
    assert_eq!(ends.count(), 1, "{:?}", words(&events));
}

#[test]
fn e_03_an_expired_watch_says_so() {
    let (events, _) = watch(recorded!("watch-protobuf-expired.pb"), 10);
    let [WatchEvent::Error(status)] = &events[..] else {
        panic!("{:?}", words(&events));
    };
    assert!(status.is_expired(), "{status:?}");
}

#[test]
fn an_object_of_another_kind_is_rejected_and_the_stream_goes_on() {
    let expected = Some(GroupVersionKind::new("v1", "Secret"));
    let mut decoder = WatchDecoder::new(Raw { expected }, DecodeLimits::default());
    let mut events = Vec::new();
    decoder
        .push(recorded!("watch-protobuf.pb"), &mut events)
        .unwrap();
    assert!(events.len() > 1);
    for event in events {
        let WatchEvent::Rejected(rejection) = event else {
            panic!("{event:?}");
        };
        assert!(matches!(
            rejection.reason,
            RejectionReason::WrongKind { .. }
        ));
    }
}

#[test]
fn managed_fields_are_cut_out_and_nothing_else() {
    let (parts, _) = list(recorded!("list-protobuf.pb"), 100);
    let mut cut = 0;
    for part in parts {
        let ListPart::Items(items) = part else {
            continue;
        };
        for item in items {
            let entry = item.unwrap();
            let mut scratch = Vec::new();
            let pruned = without_managed_fields(&entry.object.1, &mut scratch);
            let (_, pruned) = pruned.unwrap();
            cut += usize::from(pruned.len() < entry.object.1.len());
            let header = header::RawHeader::read(pruned).unwrap().header();
            assert_eq!(header, Some(entry.header.clone()));
            let managed = header::metadata(pruned)
                .flat_map(|metadata| field::Fields::of(metadata.unwrap()))
                .filter(|field| field.unwrap().number == header::object_meta::MANAGED_FIELDS);
            assert_eq!(managed.count(), 0);
            let mut again = Vec::new();
            assert_eq!(
                without_managed_fields(pruned, &mut again).unwrap().1,
                pruned
            );
        }
    }
    assert!(cut > 0, "no recorded object has managed fields");
}

#[test]
fn nothing_but_metadata_is_left() {
    let (name, version) = (run(1, &run(1, b"a")), run(1, &run(6, b"7")));
    let spec = run(2, b"s3cret");
    let mut scratch = Vec::new();
    let whole = [&name[..], &spec, &version, &[0x18, 1]].concat();
    let lean = [&name[..], &version].concat();
    assert_eq!(only_metadata(&whole, &mut scratch), Ok(&lean[..]));
    assert_eq!(only_metadata(&lean, &mut Vec::new()), Ok(&lean[..]));
    assert_eq!(only_metadata(b"", &mut Vec::new()), Ok(&b""[..]));
    assert!(only_metadata(&whole[..whole.len() - 1], &mut scratch).is_err());
}

#[test]
fn a_rejected_object_is_named_if_its_metadata_can_be_read() {
    let object = [
        b"\x0a\x0b\x0a\x03web\x1a\x01n\x32\x017".as_slice(),
        b"\x12\xff",
    ]
    .concat();
    let rejection = list::reject(&object, RejectionReason::Undecodable("broken".to_owned()));
    assert_eq!(rejection.key.unwrap().as_str(), "n/web");
    assert_eq!(rejection.resource_version.to_string(), "7");
}

/// A field with a tag and a length of one byte each.
fn run(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

fn kind_of(name: &str) -> Vec<u8> {
    run(1, &[run(1, b"v1"), run(2, name.as_bytes())].concat())
}

fn enveloped(fields: &[Vec<u8>]) -> Vec<u8> {
    [envelope::MAGIC.as_slice(), &fields.concat()].concat()
}

#[test]
fn a_list_may_tell_its_kind_behind_its_items_but_must_be_a_list() {
    let item = run(2, &run(1, &run(1, b"a")));
    let raw = run(2, &[run(1, &run(2, b"7")), item].concat());
    let (parts, result) = list(&enveloped(&[raw.clone(), kind_of("PodList")]), 5);
    assert_eq!(result, Ok(()));
    assert_eq!(entries(&parts).len(), 1);
    for name in ["Pod", "List", "Status"] {
        let (_, result) = list(&enveloped(&[raw.clone(), kind_of(name)]), 5);
        let refused = matches!(result, Err(DecodeError::NotAList(_)));
        assert!(refused, "{name}: {result:?}");
    }
    let (_, result) = list(&enveloped(&[kind_of("List"), raw]), 5);
    assert_eq!(
        result,
        Err(DecodeError::NotAList("v1, Kind=List".to_owned()))
    );
}

#[test]
fn l_07_missing_metadata_is_the_zero_value() {
    let item = run(2, &run(1, &run(1, b"a")));
    for (raw, items) in [(item, 1), (Vec::new(), 0), (run(9, b"x"), 0)] {
        for chunk in [1, 100] {
            let body = enveloped(&[kind_of("PodList"), run(2, &raw)]);
            let (parts, result) = list(&body, chunk);
            assert_eq!(result, Ok(()));
            assert_eq!(entries(&parts).len(), items);
            assert_eq!(metadata(&parts), ListMetadata::default());
        }
    }
}

#[test]
fn l_19_items_alone_are_no_list() {
    let item = run(2, &run(1, &run(1, b"a")));
    let (_, result) = list(&enveloped(&[run(2, &item)]), 5);
    assert_eq!(result, Err(DecodeError::NotAList(String::new())));
}

/// A frame of these bytes.
fn framed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn frame(event_type: &str, object: &[u8]) -> Vec<u8> {
    framed(&[run(1, event_type.as_bytes()), run(2, &run(1, object))].concat())
}

fn bare_status() -> Vec<u8> {
    let status = [
        run(3, b"too old"),
        run(4, b"Expired"),
        vec![0x30, 0x9a, 0x03],
    ]
    .concat();
    enveloped(&[kind_of("Status"), run(2, &status)])
}

#[test]
fn w_08_a_bare_status_is_that_status_in_a_frame_or_alone() {
    for chunk in [1, 3, 100] {
        let (events, result) = watch(&framed(&bare_status()), chunk);
        assert_eq!(result, Ok(()));
        assert_eq!(words(&events), ["error 410 Expired"]);
        let (events, result) = watch(&bare_status(), chunk);
        assert!(events.is_empty());
        let Err(DecodeError::Status(status)) = result else {
            panic!("{result:?}");
        };
        assert!(status.is_expired());
    }
}

#[test]
fn w_11_a_frame_that_is_no_known_event_is_an_error_that_names_what_came() {
    let pod = enveloped(&[kind_of("Pod"), run(2, b"")]);
    let long = "é".repeat(300);
    let unknown = |name: &str| DecodeError::UnknownEventType(name.to_owned());
    let stranger = |name: &str| DecodeError::NotAnEvent(name.to_owned());
    for (bytes, error) in [
        (frame("HEARTBEAT", b""), unknown("HEARTBEAT")),
        (framed(&run(1, b"HEARTBEAT")), unknown("HEARTBEAT")),
        (frame("PATCHED", &pod), unknown("PATCHED")),
        (
            framed(&[b"\x0a\xd8\x04", long.as_bytes()].concat()),
            unknown(&"é".repeat(128)),
        ),
        (framed(b""), stranger("")),
        (frame("", &pod), stranger("")),
        (framed(&pod), stranger("v1, Kind=Pod")),
        (pod.clone(), stranger("v1, Kind=Pod")),
    ] {
        for chunk in [1, 1000] {
            let body = [recorded!("watch-protobuf.pb"), &bytes].concat();
            let before = watch(recorded!("watch-protobuf.pb"), 100).0.len();
            let (events, result) = watch(&body, chunk);
            assert_eq!((events.len(), result), (before, Err(error.clone())));
        }
    }
}

#[test]
fn bytes_without_frames_are_held_up_to_a_limit() {
    let endless = [envelope::MAGIC.as_slice(), &vec![0; 2 << 20]].concat();
    for chunk in [1000, endless.len()] {
        let (_, result) = watch(&endless, chunk);
        let limit = 1 << 20;
        let what = "watch frame";
        assert_eq!(result, Err(DecodeError::TooLarge { what, limit }));
    }
}

#[test]
fn w_10_a_bookmark_without_metadata_has_no_version() {
    for raw in [&b""[..], &run(1, b"")] {
        let bookmark = enveloped(&[kind_of("ConfigMap"), run(2, raw)]);
        let (events, result) = watch(&frame("BOOKMARK", &bookmark), 5);
        assert_eq!(result, Ok(()));
        assert_eq!(words(&events), ["="]);
    }
}

#[test]
fn an_object_that_is_packed_otherwise_is_refused() {
    let raw = run(2, &run(1, &run(2, b"7")));
    for (field, text, is_plain) in [
        (3, "", true),
        (3, "gzip", false),
        (4, "application/vnd.kubernetes.protobuf", true),
        (4, "application/json", false),
    ] {
        let bytes = enveloped(&[kind_of("PodList"), raw.clone(), run(field, text.as_bytes())]);
        assert_eq!(list(&bytes, 7).1.is_ok(), is_plain, "{text}");
        assert_eq!(envelope::Envelope::open(&bytes).is_ok(), is_plain, "{text}");
    }
}

proptest! {
    /// Any bytes are safe, and come to the same however they are cut.
    #[test]
    fn any_bytes_come_to_the_same_however_they_are_cut(
        mut body in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        recorded in any::<bool>(),
        chunk in 1..40usize,
    ) {
        if recorded {
            body = recorded!("list-protobuf.pb").to_vec();
            for (index, byte) in flips {
                let index = index.index(body.len());
                body[index] = byte;
            }
        }
        let header = header::RawHeader::read(&body).ok();
        let texts = header.map(|header| {
            [header.name, header.namespace, header.uid, header.resource_version].map(str::to_owned)
        });
        prop_assert_eq!(texts, naive::identity(&body));
        let (whole, result) = list(&body, body.len().max(1));
        let (parts, cut) = list(&body, chunk);
        prop_assert_eq!(result, cut);
        let count = |parts: &[ListPart<Object>]| -> usize {
            parts.iter().map(|part| match part {
                ListPart::Items(items) => items.len(),
                ListPart::Metadata(_) => 1,
            }).sum()
        };
        prop_assert_eq!(count(&whole), count(&parts));
        let (whole, result) = watch(&body, body.len().max(1));
        let (events, cut) = watch(&body, chunk);
        prop_assert_eq!(result, cut);
        prop_assert_eq!(words(&whole), words(&events));
    }
}

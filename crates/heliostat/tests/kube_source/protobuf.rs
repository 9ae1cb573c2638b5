//! Recorded answers in protobuf: the same objects as in JSON, as bytes and as types of prost.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use heliostat::ListerWatcher;
use heliostat::source::kube::KubeSource;
use heliostat_core::event::{RejectionReason, WatchEvent};
use heliostat_core::object::{Entry, GroupVersionKind};
use heliostat_core::raw::{Encoding, RawObject};
use heliostat_core::status::Status;
use heliostat_core::wire::DecodeLimits;
use k8s_openapi::api::core::v1::Pod as JsonPod;
use k8s_pb::api::core::v1::{ConfigMap, Pod};
use kube_core::PartialObjectMeta;

use super::server::{End, Reply, Server};
use super::{Page, config_map_metadata, config_maps, connect, list, raw, replay, tell, watch};

/// How often each recorded answer is cut another way.
pub(super) const CUTS: u64 = 8;

/// The first thousand pods, as they were recorded in protobuf.
pub(super) fn pods_in_protobuf() -> Vec<u8> {
    let recorded = "../heliostat-core/testdata/wire/pods-1000.pb.gz";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(recorded);
    unpack(&std::fs::read(path).unwrap())
}

/// The same pods in JSON.
pub(super) fn pods_in_json() -> Vec<u8> {
    unpack(&super::capture("pods-1000", "json.gz"))
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(packed);
    decoder.read_to_end(&mut plain).unwrap();
    plain
}

pub(super) fn protobuf(body: impl AsRef<[u8]>) -> Reply {
    Reply::new(200, "application/vnd.kubernetes.protobuf", body)
}

async fn prost_config_maps(server: &Server) -> KubeSource<ConfigMap> {
    config_maps(server).await.prost()
}

/// All that the metadata of an object tells.
#[derive(Debug, Eq, PartialEq)]
struct Told {
    key: String,
    version: String,
    uid: String,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    owners: Vec<[String; 4]>,
    finalizers: Vec<String>,
    deletion_timestamp: Option<String>,
}

impl Told {
    fn of(entry: &Entry<RawObject>) -> Self {
        let metadata = entry.object.metadata();
        let owned = |pairs: Vec<(Cow<'_, str>, Cow<'_, str>)>| {
            let pairs = pairs.into_iter();
            pairs
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect()
        };
        let owners = metadata.owner_references();
        let owners = owners.iter().map(|owner| {
            [&owner.api_version, &owner.kind, &owner.name, &owner.uid].map(ToString::to_string)
        });
        Self {
            key: entry.key().to_string(),
            version: entry.header.resource_version.to_string(),
            uid: entry.header.uid.to_string(),
            labels: owned(metadata.labels()),
            annotations: owned(metadata.annotations()),
            owners: owners.collect(),
            finalizers: metadata
                .finalizers()
                .iter()
                .map(ToString::to_string)
                .collect(),
            deletion_timestamp: metadata.deletion_timestamp().map(Cow::into_owned),
        }
    }
}

fn entries<T>(page: &Page<T>) -> Vec<Entry<T>> {
    page.end.as_ref().unwrap();
    let items = page.items.iter();
    items.map(|item| item.as_ref().unwrap().clone()).collect()
}

/// The objects of a list, which must all be in this encoding and of this kind.
async fn told_by_list(
    source: &KubeSource<RawObject>,
    encoding: Encoding,
    kind: &GroupVersionKind,
) -> Vec<Told> {
    let entries = entries(&list(source).await);
    for entry in &entries {
        assert_eq!(entry.object.encoding(), encoding);
        assert_eq!(entry.object.kind(), Some(kind));
    }
    entries.iter().map(Told::of).collect()
}

fn config_map() -> GroupVersionKind {
    GroupVersionKind::new("v1", "ConfigMap")
}

fn partial() -> GroupVersionKind {
    GroupVersionKind::new("meta.k8s.io/v1", "PartialObjectMetadata")
}

#[tokio::test]
async fn lists_in_either_encoding_are_the_same_objects_at_any_cut() {
    for (in_json, in_protobuf) in [
        ("list-json", "list-protobuf"),
        ("list-json-page1", "list-protobuf-page1"),
    ] {
        let server = replay(in_json, 1).await;
        let page = list(&raw(&server).await).await;
        let expected = told_by_list(&raw(&server).await, Encoding::Json, &config_map()).await;
        assert!(expected.len() > 2 && expected.iter().all(|told| !told.annotations.is_empty()));
        for seed in 0..CUTS {
            let server = replay(in_protobuf, seed).await;
            let told = told_by_list(&raw(&server).await, Encoding::Protobuf, &config_map()).await;
            assert_eq!(told, expected, "{in_protobuf}, seed {seed}");
            let metadata = list(&raw(&server).await).await.metadata.unwrap();
            let in_json = page.metadata.as_ref().unwrap();
            assert_eq!(metadata.resource_version, in_json.resource_version);
            assert_eq!(metadata.remaining_item_count, in_json.remaining_item_count);
            assert_eq!(
                metadata.continue_token.is_some(),
                in_json.continue_token.is_some()
            );
        }
    }
}

#[tokio::test]
async fn metadata_alone_in_either_encoding_is_the_same() {
    let json = replay("list-metadata-json", 1).await;
    let json = config_map_metadata(&json).await.raw();
    let expected = told_by_list(&json, Encoding::Json, &partial()).await;
    assert_eq!(expected.len(), 7);
    for seed in 0..CUTS {
        let server = replay("list-metadata-protobuf", seed).await;
        let source = config_map_metadata(&server).await.raw();
        let told = told_by_list(&source, Encoding::Protobuf, &partial()).await;
        assert_eq!(told, expected, "seed {seed}");
    }
    let whole = replay("list-json", 1).await;
    let whole = told_by_list(&raw(&whole).await, Encoding::Json, &config_map()).await;
    assert_eq!(expected, whole);
}

#[tokio::test]
async fn a_thousand_pods_are_the_same_in_either_encoding() {
    let json = pods_in_json();
    let server = Server::start_by(move |request| {
        match request.header("accept").unwrap().contains("protobuf") {
            true => protobuf(pods_in_protobuf()),
            false => Reply::json(&json),
        }
    })
    .await;
    let cluster = connect(&server.url).await;
    let pods = KubeSource::<JsonPod>::new(&cluster).raw();
    let in_json = pods
        .clone()
        .encoding(heliostat::source::kube::WireEncoding::Json);
    let kind = GroupVersionKind::new("v1", "Pod");
    let expected = told_by_list(&in_json, Encoding::Json, &kind).await;
    let told = told_by_list(&pods, Encoding::Protobuf, &kind).await;
    assert_eq!(expected.len(), 1000);
    assert!(expected.iter().any(|told| !told.owners.is_empty()));
    // Recorded one after the other: the same objects of the same server.
    assert_eq!(told, expected);
    let phases = ["spec.nodeName", "status.phase", "spec.containers[0].image"];
    let texts = async |source: &KubeSource<RawObject>| -> Vec<Vec<Option<String>>> {
        let entries = entries(&list(source).await);
        let of_entry = |entry: &Entry<RawObject>| {
            let text = |path: &&str| entry.object.text(&path.parse().unwrap()).unwrap();
            let texts = phases.iter();
            texts.map(|path| text(path).map(Cow::into_owned)).collect()
        };
        entries.iter().map(of_entry).collect()
    };
    assert_eq!(texts(&pods).await, texts(&in_json).await);
}

/// The events of a recorded watch as a line each, and the objects in them by key and version.
async fn watched(name: &str, seed: u64) -> (Vec<String>, BTreeMap<(String, String), Told>) {
    let server = replay(name, seed).await;
    let (events, failure) = watch(&raw(&server).await).await.unwrap();
    assert!(failure.is_none(), "{name}: {failure:?}");
    let objects = events.iter().filter_map(|event| match event {
        WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => {
            assert_eq!(entry.object.kind(), Some(&config_map()));
            let told = Told::of(entry);
            Some(((told.key.clone(), told.version.clone()), told))
        }
        _ => None,
    });
    (tell(&events), objects.collect())
}

#[tokio::test]
async fn watches_in_either_encoding_are_the_same_events_at_any_cut() {
    for (in_json, in_protobuf) in [
        ("watch-json", "watch-protobuf"),
        ("watch-json-too-old", "watch-protobuf-too-old"),
        ("watch-json-expired", "watch-protobuf-expired"),
        ("watch-list-json", "watch-list-protobuf"),
    ] {
        let is_event = |line: &String| !line.starts_with("bookmark");
        let (lines, objects) = watched(in_json, 1).await;
        let expected: Vec<String> = lines.into_iter().filter(is_event).collect();
        assert!(!expected.is_empty());
        for seed in 0..CUTS {
            let (lines, told) = watched(in_protobuf, seed).await;
            // How many bookmarks come is for the server's clock to say.
            let lines: Vec<String> = lines.into_iter().filter(is_event).collect();
            assert_eq!(lines, expected, "{in_protobuf}, seed {seed}");
            assert_eq!(told, objects, "{in_protobuf}, seed {seed}");
        }
    }
}

#[tokio::test]
async fn e_03_an_expired_watch_is_a_410_within_a_200_in_protobuf_too() {
    let server = replay("watch-protobuf-expired", 3).await;
    let (events, failure) = watch(&raw(&server).await).await.unwrap();
    assert!(failure.is_none());
    let [WatchEvent::Error(status)] = &*events else {
        panic!("{events:?}");
    };
    assert!(status.is_expired());
    let in_json = replay("watch-json-expired", 3).await;
    let (events, _) = watch(&config_maps(&in_json).await).await.unwrap();
    let [WatchEvent::Error(expected)] = &*events else {
        panic!("{events:?}");
    };
    assert_eq!((&status.reason, status.code), (&expected.reason, 410));
}

#[tokio::test]
async fn e_11_a_watch_that_is_cut_off_within_a_frame_has_failed() {
    let body = super::capture("watch-protobuf", "body");
    for end in [End::Closed, End::Reset] {
        let reply = Reply::capture("watch-protobuf").cut_off(body.len() - 5, end);
        let server = Server::always(reply).await;
        let (events, failure) = watch(&raw(&server).await).await.unwrap();
        let failure = failure.unwrap();
        assert_eq!(failure.class(), "closed", "{failure}");
        // A reset may take what was on its way along.
        assert!(events.len() < 8);
    }
}

#[tokio::test]
async fn l_04_a_list_that_is_cut_off_is_an_error() {
    let body = super::capture("list-protobuf", "body");
    let reply = Reply::capture("list-protobuf").cut_off(body.len() - 5, End::Closed);
    let server = Server::always(reply).await;
    let page = list(&raw(&server).await).await;
    assert!(page.end.is_err());
    let ended = Server::always(protobuf(&body[..body.len() - 5])).await;
    let error = list(&raw(&ended).await).await.end.unwrap_err();
    assert!(error.to_string().contains("in the middle"), "{error}");
}

#[tokio::test]
async fn limits_hold_for_protobuf_too() {
    let server = replay("list-protobuf", 5).await;
    let limits = DecodeLimits::default().object_bytes_max(64);
    let error = list(&raw(&server).await.limits(limits))
        .await
        .end
        .unwrap_err();
    assert!(
        error.to_string().contains("the limit of 64 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn w_10_objects_of_another_kind_are_rejected_in_protobuf_too() {
    let server = replay("watch-protobuf", 2).await;
    let pods = KubeSource::<JsonPod>::new(connect(&server.url).await).raw();
    let metadata = KubeSource::<PartialObjectMeta<JsonPod>>::new(connect(&server.url).await).raw();
    for source in [pods, metadata] {
        let (events, failure) = watch(&source).await.unwrap();
        assert!(failure.is_none() && events.len() > 5);
        for event in &events {
            let WatchEvent::Rejected(rejection) = event else {
                panic!("{event:?}");
            };
            assert!(matches!(
                rejection.reason,
                RejectionReason::WrongKind { .. }
            ));
        }
    }
}

#[tokio::test]
async fn managed_fields_are_cut_out_in_either_encoding() {
    for name in ["list-json", "list-protobuf", "list-metadata-protobuf"] {
        let server = replay(name, 1).await;
        let source = match name {
            "list-metadata-protobuf" => config_map_metadata(&server).await.raw(),
            _ => raw(&server).await,
        };
        let kept = entries(&list(&source).await);
        // Said before the objects were made raw, or after.
        for source in [
            source.clone().without_managed_fields(),
            source.without_managed_fields().raw(),
        ] {
            let cut = entries(&list(&source).await);
            assert_eq!(cut.len(), 7);
            for (kept, cut) in kept.iter().zip(&cut) {
                assert_eq!(Told::of(kept), Told::of(cut));
                let has_managed_fields = |entry: &Entry<RawObject>| {
                    let bytes = entry.object.bytes();
                    bytes
                        .windows(8)
                        .any(|bytes| bytes == b"fieldsV1" || bytes == b"FieldsV1")
                };
                assert!(
                    has_managed_fields(kept) && !has_managed_fields(cut),
                    "{name}"
                );
                assert!(cut.object.bytes().len() < kept.object.bytes().len());
            }
        }
    }
    let server = replay("list-protobuf", 1).await;
    let source = prost_config_maps(&server).await;
    let managed = |entry: &Entry<ConfigMap>| {
        let metadata = entry.object.metadata.as_ref().unwrap();
        metadata.managed_fields.len()
    };
    assert!(
        entries(&list(&source).await)
            .iter()
            .all(|entry| managed(entry) == 1)
    );
    let cut = entries(&list(&source.without_managed_fields()).await);
    assert!(cut.len() == 7 && cut.iter().all(|entry| managed(entry) == 0));
}

#[tokio::test]
async fn types_of_prost_have_what_types_of_serde_have() {
    let json = replay("list-json", 1).await;
    let expected = entries(&list(&config_maps(&json).await).await);
    for seed in 0..CUTS {
        let server = replay("list-protobuf", seed).await;
        let told = entries(&list(&prost_config_maps(&server).await).await);
        assert_eq!(told.len(), expected.len());
        for (told, expected) in told.iter().zip(&expected) {
            assert_eq!(told.header, expected.header);
            let (metadata, in_json) = (
                told.object.metadata.as_ref().unwrap(),
                &expected.object.metadata,
            );
            assert_eq!(metadata.name, in_json.name);
            assert_eq!(Some(&metadata.labels), in_json.labels.as_ref());
            assert_eq!(Some(&metadata.annotations), in_json.annotations.as_ref());
            assert_eq!(Some(&told.object.data), expected.object.data.as_ref());
        }
    }
}

#[tokio::test]
async fn a_thousand_pods_of_prost_are_those_of_serde() {
    let server = Server::always(protobuf(pods_in_protobuf())).await;
    let cluster = connect(&server.url).await;
    let pods = KubeSource::<JsonPod>::new(&cluster)
        .without_managed_fields()
        .prost::<Pod>();
    assert_eq!(pods.description(), "pods in all namespaces");
    let pods = entries(&list(&pods).await);
    let server = Server::always(Reply::json(pods_in_json())).await;
    let expected = KubeSource::<JsonPod>::new(connect(&server.url).await);
    let expected = entries(&list(&expected).await);
    assert_eq!((pods.len(), expected.len()), (1000, 1000));
    for (pod, expected) in pods.iter().zip(&expected) {
        assert_eq!(pod.header, expected.header);
        let (spec, in_json) = (
            pod.object.spec.as_ref().unwrap(),
            expected.object.spec.as_ref().unwrap(),
        );
        assert_eq!(spec.node_name, in_json.node_name);
        assert_eq!(spec.containers.len(), in_json.containers.len());
        for (container, in_json) in spec.containers.iter().zip(&in_json.containers) {
            assert_eq!(container.name.as_ref(), Some(&in_json.name));
            assert_eq!(container.image, in_json.image);
            assert_eq!(
                container.env.len(),
                in_json.env.as_ref().map_or(0, Vec::len)
            );
        }
        let phase = pod
            .object
            .status
            .as_ref()
            .and_then(|status| status.phase.clone());
        let in_json = expected
            .object
            .status
            .as_ref()
            .and_then(|status| status.phase.clone());
        assert_eq!(phase, in_json);
    }
}

#[tokio::test]
async fn every_recorded_watch_decodes_as_types_of_prost() {
    for name in [
        "watch-protobuf",
        "watch-protobuf-too-old",
        "watch-list-protobuf",
    ] {
        let server = replay(name, 4).await;
        let (typed, failure) = watch(&prost_config_maps(&server).await).await.unwrap();
        assert!(failure.is_none());
        let (as_bytes, _) = watch(&raw(&server).await).await.unwrap();
        assert_eq!(tell(&typed), tell(&as_bytes));
        let names = typed.iter().filter_map(|event| match event {
            WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => {
                let metadata = entry.object.metadata.as_ref().unwrap();
                assert_eq!(metadata.name.as_deref(), Some(entry.key().name()));
                assert_eq!(metadata.namespace.as_deref(), Some("cap"));
                Some(())
            }
            WatchEvent::Rejected(rejection) => panic!("{rejection}"),
            _ => None,
        });
        assert!(names.count() >= 6, "{name}");
    }
    let server = replay("watch-protobuf-expired", 4).await;
    let (events, _) = watch(&prost_config_maps(&server).await).await.unwrap();
    assert!(matches!(&*events, [WatchEvent::Error(status)] if Status::is_expired(status)));
}

#[tokio::test]
async fn one_undecodable_message_does_not_fail_its_list() {
    let mut body = super::capture("list-protobuf", "body");
    // A key of `data` of the first object becomes text that is none.
    let place = body
        .windows(8)
        .position(|bytes| bytes == b"\"items\":")
        .unwrap();
    body[place] = 0xff;
    let server = Server::always(protobuf(&body)).await;
    let page = list(&prost_config_maps(&server).await).await;
    page.end.as_ref().unwrap();
    assert_eq!((page.items.len(), page.keys().len()), (7, 6));
    let rejection = page
        .items
        .iter()
        .find_map(|item| item.as_ref().err())
        .unwrap();
    assert_eq!(rejection.key.as_ref().unwrap().as_str(), "cap/cm-1");
    assert!(rejection.reason.is_member());
    assert!(rejection.to_string().contains("UTF-8"), "{rejection}");
    // Nobody has looked at it as bytes.
    assert_eq!(list(&raw(&server).await).await.keys().len(), 7);
}

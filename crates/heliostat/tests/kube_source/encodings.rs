//! Which encoding is asked for, and what follows when the server has another or none.

use std::sync::Arc;

use heliostat::source::kube::{KubeSource, Traffic, WireEncoding};
use heliostat::{Indexer, ListerWatcher, Reflector};
use heliostat_core::error::SourceError;
use heliostat_core::object::GroupVersionKind;
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::raw::{Encoding, RawObject};
use heliostat_core::status::Status;
use k8s_pb::api::core::v1::ConfigMap;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use kube_core::{DynamicObject, PartialObjectMeta};
use prost::Message;
use tokio::sync::Notify;

use super::server::{End, Reply, Seen, Server};
use super::{
    capture, config_map_metadata, config_maps, connect, list, list_with, raw, watch, widgets,
};

const BOTH: &str = "application/vnd.kubernetes.protobuf,application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const JSON: &str = "application/json";

/// The `Accept` headers so far.
fn accepts(server: &Server) -> Vec<String> {
    let seen = server.seen();
    let accept = |request: &Seen| request.header("accept").unwrap().to_owned();
    seen.iter().map(accept).collect()
}

pub(super) fn wants_protobuf(request: &Seen) -> bool {
    request.header("accept").unwrap().contains(PROTOBUF)
}

/// Refuses whoever names protobuf; the others get the widgets in JSON.
async fn refusing(refusal: Reply) -> Server {
    Server::start_by(move |request| match wants_protobuf(request) {
        true => refusal.clone(),
        false => Reply::capture("list-cr-json"),
    })
    .await
}

async fn prost_config_maps(server: &Server) -> KubeSource<ConfigMap> {
    config_maps(server).await.prost()
}

#[tokio::test]
async fn raw_objects_are_asked_for_in_either_encoding_and_protobuf_first() {
    let server = Server::always(Reply::capture("list-protobuf")).await;
    let source = raw(&server).await;
    list(&source).await.end.unwrap();
    drop(source.watch(WatchOptions::default()).await.unwrap());
    assert_eq!(accepts(&server), [BOTH, BOTH]);
    let metadata = config_map_metadata(&server).await.raw();
    list(&metadata).await.end.unwrap();
    drop(metadata.watch(WatchOptions::default()).await.unwrap());
    let form = |form| format!("{PROTOBUF};{form},{JSON};{form}");
    assert_eq!(
        accepts(&server)[2..],
        [
            form("as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
            form("as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
        ]
    );
}

#[tokio::test]
async fn the_encoding_asked_for_can_be_chosen() {
    let server = Server::start_by(|request| match wants_protobuf(request) {
        true => Reply::capture("list-protobuf"),
        false => Reply::capture("list-json"),
    })
    .await;
    let source = raw(&server).await;
    for (wanted, accept, came) in [
        (WireEncoding::Auto, BOTH, Encoding::Protobuf),
        (WireEncoding::Json, JSON, Encoding::Json),
        (WireEncoding::Protobuf, PROTOBUF, Encoding::Protobuf),
    ] {
        let page = list(&source.clone().encoding(wanted)).await;
        page.end.unwrap();
        assert_eq!(accepts(&server).pop().as_deref(), Some(accept));
        assert_eq!(page.items.len(), 7);
        for item in page.items {
            assert_eq!(item.unwrap().object.encoding(), came);
        }
    }
    // A type of serde has a use for both if its kind is built in.
    list(&config_maps(&server).await).await.end.unwrap();
    assert_eq!(accepts(&server).pop().as_deref(), Some(BOTH));
    list(&prost_config_maps(&server).await).await.end.unwrap();
    assert_eq!(accepts(&server).pop().as_deref(), Some(PROTOBUF));
}

#[tokio::test]
async fn a_refusal_of_protobuf_is_asked_again_in_json_once_and_for_all_clones() {
    for refusal in [
        Reply::capture("list-cr-protobuf-refused"),
        Reply::new(415, "text/plain", "unsupported media type"),
        Reply::new(400, "text/html", "<html>bad request</html>"),
    ] {
        let server = refusing(refusal).await;
        let source = widgets(&server).await.raw();
        let clone = source.clone();
        let page = list(&source).await;
        page.end.as_ref().unwrap();
        let names: Vec<&str> = page.keys();
        assert_eq!(names, ["cap/w-1", "cap/w-2", "cap/w-3"]);
        assert_eq!(accepts(&server), [BOTH, JSON]);
        list(&clone).await.end.unwrap();
        drop(clone.raw().watch(WatchOptions::default()).await.unwrap());
        assert_eq!(accepts(&server)[2..], [JSON, JSON]);
        assert_eq!(source.traffic().encoding, Some(Encoding::Json));
        assert_eq!(source.traffic().answers, 2);
    }
}

#[tokio::test]
async fn a_refused_watch_is_asked_again_in_json_too() {
    let server = Server::start_by(|request| match wants_protobuf(request) {
        true => Reply::capture("list-cr-protobuf-refused"),
        false => Reply::capture("watch-json"),
    })
    .await;
    let source = raw(&server).await;
    let (events, failure) = watch(&source).await.unwrap();
    assert_eq!((events.len(), failure.is_none()), (8, true));
    assert_eq!(accepts(&server), [BOTH, JSON]);
}

#[tokio::test]
async fn json_in_place_of_protobuf_is_no_refusal() {
    let server = Server::always(Reply::capture("list-cr-protobuf-or-json")).await;
    let source = widgets(&server).await.raw();
    for _ in 0..2 {
        let page = list(&source).await;
        page.end.as_ref().unwrap();
        assert_eq!(page.keys(), ["cap/w-1", "cap/w-2", "cap/w-3"]);
    }
    assert_eq!(accepts(&server), [BOTH, BOTH]);
}

#[tokio::test]
async fn a_request_that_is_refused_in_either_encoding_says_nothing_of_them() {
    let server = Server::always(Reply::capture("list-label-invalid")).await;
    let source = raw(&server).await;
    for _ in 0..2 {
        let error = list(&source).await.end.unwrap_err();
        assert!(error.status().is_some_and(Status::is_bad_request));
    }
    assert_eq!(accepts(&server), [BOTH, JSON, BOTH, JSON]);
}

#[tokio::test]
async fn e_02_refusals_about_something_else_are_not_asked_again() {
    for name in [
        "list-forbidden",
        "list-unauthorized",
        "list-resource-missing",
        "list-too-many-requests",
        "list-exact-expired",
        "list-rv-too-large",
    ] {
        let server = Server::always(Reply::capture(name)).await;
        let error = list(&raw(&server).await).await.end.expect_err(name);
        let in_json = list(&config_maps(&server).await).await.end.expect_err(name);
        assert_eq!(error.status(), in_json.status());
        assert_eq!(accepts(&server), [BOTH, BOTH], "{name}");
    }
}

#[tokio::test]
async fn protobuf_alone_that_is_not_served_is_a_clear_error() {
    let server = refusing(Reply::capture("list-cr-protobuf-refused")).await;
    let source = widgets(&server)
        .await
        .raw()
        .encoding(WireEncoding::Protobuf);
    let from_list = list(&source).await.end.unwrap_err();
    let from_watch = watch(&source).await.unwrap_err();
    for error in [from_list, from_watch] {
        let SourceError::Encoding(message) = &error else {
            panic!("{error:?}");
        };
        assert!(message.starts_with(
            "widgets.example.com in namespace cap: example.com/v1, Kind=Widget is not served as \
             protobuf ("
        ));
        assert!(message.contains("406 NotAcceptable"), "{message}");
        assert!(message.contains("WireEncoding::Auto"), "{message}");
        assert_eq!(error.class(), "encoding");
    }
    assert_eq!(accepts(&server), [PROTOBUF, PROTOBUF]);
}

#[tokio::test]
async fn json_for_a_type_of_prost_is_a_clear_error() {
    let server = Server::always(Reply::capture("list-json")).await;
    let source = prost_config_maps(&server).await;
    let error = list(&source).await.end.unwrap_err();
    let SourceError::Encoding(message) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        &**message,
        "configmaps in namespace cap: v1, Kind=ConfigMap came as JSON, and this type is decoded from \
         protobuf only; mirror raw objects, which can be either, or a type that serde decodes"
    );
    assert!(matches!(
        watch(&source).await,
        Err(SourceError::Encoding(_))
    ));
}

#[tokio::test]
async fn what_cannot_be_decoded_is_not_asked_for() {
    let server = Server::always(Reply::capture("list-json")).await;
    let typed = widgets(&server).await.encoding(WireEncoding::Protobuf);
    let error = list(&typed).await.end.unwrap_err();
    assert!(error.to_string().contains("decoded from JSON"), "{error}");
    assert!(matches!(error, SourceError::Encoding(_)));
    let prost = prost_config_maps(&server)
        .await
        .encoding(WireEncoding::Json);
    let error = watch(&prost).await.unwrap_err();
    assert!(
        error.to_string().contains("decoded from protobuf"),
        "{error}"
    );
    assert!(matches!(error, SourceError::Encoding(_)));
    assert!(server.seen().is_empty());
}

/// A refusal as servers send it to those who take nothing but protobuf.
fn status_in_protobuf(code: i32, reason: &str, retry_after_seconds: Option<i32>) -> Vec<u8> {
    let status = meta::Status {
        status: Some("Failure".to_owned()),
        message: Some("no".to_owned()),
        reason: Some(reason.to_owned()),
        details: Some(meta::StatusDetails {
            kind: Some("configmaps".to_owned()),
            retry_after_seconds,
            ..meta::StatusDetails::default()
        }),
        code: Some(code),
        ..meta::Status::default()
    };
    let envelope = k8s_pb::apimachinery::pkg::runtime::Unknown {
        type_meta: Some(k8s_pb::apimachinery::pkg::runtime::TypeMeta {
            api_version: Some("v1".to_owned()),
            kind: Some("Status".to_owned()),
        }),
        raw: Some(status.encode_to_vec()),
        content_encoding: Some(String::new()),
        content_type: Some(String::new()),
    };
    [b"k8s\0".to_vec(), envelope.encode_to_vec()].concat()
}

#[tokio::test]
async fn e_01_a_status_in_protobuf_is_the_status_that_it_would_be_in_json() {
    let answer = |code, reason, seconds| {
        Reply::new(
            code,
            PROTOBUF,
            status_in_protobuf(code.into(), reason, seconds),
        )
    };
    let status_of = async |reply| {
        let server = Server::always(reply).await;
        let error = list(&raw(&server).await).await.end.unwrap_err();
        error.status().unwrap().clone()
    };
    let expired = status_of(answer(410, "Expired", None)).await;
    assert!(expired.is_expired());
    assert_eq!((&*expired.message, expired.code), ("no", 410));
    assert_eq!(expired.details.unwrap().kind, "configmaps");
    let busy = status_of(answer(429, "TooManyRequests", Some(3))).await;
    assert_eq!(busy.retry_after().unwrap().as_secs(), 3);
    let busy = answer(429, "TooManyRequests", None).header("retry-after", "7");
    assert_eq!(status_of(busy).await.retry_after().unwrap().as_secs(), 7);
    // What says that it is protobuf and is none is judged by its code.
    let odd = status_of(Reply::new(403, PROTOBUF, "you may not")).await;
    assert!(odd.is_forbidden());
    let cut = &status_in_protobuf(404, "NotFound", None)[..12];
    assert!(
        status_of(Reply::new(404, PROTOBUF, cut))
            .await
            .is_not_found()
    );
}

#[tokio::test]
async fn traffic_is_counted_on_the_wire_and_after_it() {
    let packed = capture("pods-1000", "json.gz");
    let server = {
        let packed = packed.clone();
        Server::start(move |target| match target {
            "/api/v1/pods" => Reply::json(&packed).header("content-encoding", "gzip"),
            _ => Reply::capture("list-protobuf"),
        })
        .await
    };
    let cluster = connect(&server.url).await;
    let pods = KubeSource::<k8s_openapi::api::core::v1::Pod>::new(&cluster).raw();
    assert_eq!(pods.traffic(), Traffic::default());
    list(&pods).await.end.unwrap();
    let once = pods.traffic();
    assert_eq!(once.received_bytes, packed.len() as u64);
    assert!(once.decoded_bytes > 20 * once.received_bytes, "{once:?}");
    assert_eq!((once.answers, once.encoding), (1, Some(Encoding::Json)));
    list(&pods.clone()).await.end.unwrap();
    let twice = pods.traffic();
    assert_eq!(twice.received_bytes, 2 * once.received_bytes);
    assert_eq!(twice.decoded_bytes, 2 * once.decoded_bytes);
    assert_eq!(twice.answers, 2);

    let source = raw(&server).await;
    list(&source).await.end.unwrap();
    let bytes = capture("list-protobuf", "body").len() as u64;
    let traffic = source.traffic();
    assert_eq!(
        (traffic.received_bytes, traffic.decoded_bytes),
        (bytes, bytes)
    );
    assert_eq!(traffic.encoding, Some(Encoding::Protobuf));
    assert_eq!(source.raw().traffic(), Traffic::default());
}

#[tokio::test]
async fn a_discovered_kind_needs_no_type() {
    let server = Server::start(|target| match target {
        "/api" => Reply::capture("discovery-aggregated-api"),
        "/apis" => Reply::capture("discovery-apis"),
        _ => Reply::capture("list-protobuf"),
    })
    .await;
    let cluster = connect(&server.url).await;
    let discovery = heliostat::source::kube::Discovery::of(&cluster)
        .await
        .unwrap();
    let found = discovery.resolve("cm").unwrap();
    let whole = KubeSource::<DynamicObject>::of(&cluster, found)
        .namespace("cap")
        .raw();
    let metadata = KubeSource::<DynamicObject>::of(&cluster, found)
        .namespace("cap")
        .metadata()
        .raw();
    let prost = KubeSource::<DynamicObject>::of(&cluster, found)
        .namespace("cap")
        .prost::<ConfigMap>();
    let partial = KubeSource::<PartialObjectMeta<DynamicObject>>::of(&cluster, found);
    let before = server.seen().len();
    for source in [&whole, &metadata, &partial.raw()] {
        assert_eq!(list(source).await.keys().len(), 7);
    }
    assert_eq!(list(&prost).await.keys().len(), 7);
    let seen = &server.seen()[before..];
    let is_metadata = |request: &Seen| request.header("accept").unwrap().contains("as=Partial");
    let forms: Vec<bool> = seen.iter().map(is_metadata).collect();
    assert_eq!(forms, [false, true, true, false]);
    let path = "/api/v1/namespaces/cap/configmaps";
    let targets: Vec<&str> = seen.iter().map(|request| &*request.target).collect();
    assert_eq!(targets, [path, path, "/api/v1/configmaps", path]);
    assert_eq!(
        metadata.description(),
        "metadata of configmaps in namespace cap"
    );
}

/// The names and versions in a store, a line each.
fn told(store: &Indexer<RawObject>) -> Vec<String> {
    let entries = store.list();
    let mut lines: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} @{}", entry.key(), entry.header.resource_version))
        .collect();
    lines.sort_unstable();
    lines
}

/// Watch-lists, in protobuf or in JSON, that stay open at their end.
async fn replayed_watch_list(refuses: bool, closed: Arc<Notify>) -> Server {
    Server::start_by(move |request| {
        let name = match wants_protobuf(request) {
            true if refuses => return Reply::capture("list-cr-protobuf-refused"),
            true => "watch-list-protobuf",
            false => "watch-list-json",
        };
        Reply::capture(name).end(End::Held(Arc::clone(&closed)))
    })
    .await
}

#[tokio::test]
async fn wl_03_a_reflector_over_raw_objects_converges_in_either_encoding() {
    for (refuses, encoding) in [(false, Encoding::Protobuf), (true, Encoding::Json)] {
        let closed = Arc::new(Notify::new());
        let server = replayed_watch_list(refuses, Arc::clone(&closed)).await;
        let source = raw(&server).await;
        let (reflector, store) = Reflector::with_indexer(source.clone());
        let mirror = reflector.start();
        store.wait_for(&"20428".into()).await.unwrap();
        assert_eq!(
            told(&store),
            [
                "cap/cm-1 @20423",
                "cap/cm-2 @20424",
                "cap/cm-3 @20425",
                "cap/cm-6 @20397",
                "cap/cm-7 @20398",
                "cap/cm-new @20426"
            ]
        );
        for entry in store.list() {
            assert_eq!(entry.object.encoding(), encoding);
            let uid = entry.object.text(&"metadata.uid".parse().unwrap());
            assert_eq!(uid.unwrap().unwrap(), entry.header.uid.to_string());
        }
        let expected = if refuses {
            vec![BOTH, JSON]
        } else {
            vec![BOTH]
        };
        assert_eq!(accepts(&server), expected);
        mirror.shutdown().await;
        closed.notified().await;
    }
}

#[tokio::test]
async fn pages_may_come_in_different_encodings() {
    let server = Server::start(|target| match target.contains("continue=") {
        false => Reply::capture("list-protobuf-page1"),
        true => Reply::capture("list-json-page2"),
    })
    .await;
    let source = raw(&server).await;
    let first = list(&source).await;
    let metadata = first.metadata.as_ref().unwrap();
    assert_eq!(first.keys(), ["cap/cm-1", "cap/cm-2", "cap/cm-3"]);
    assert_eq!(metadata.remaining_item_count, Some(4));
    assert!(metadata.continue_token.is_some());
    let next = ListOptions {
        continue_token: metadata.continue_token.clone(),
        ..ListOptions::default()
    };
    let second = list_with(&source, next).await;
    assert_eq!(second.keys(), ["cap/cm-4", "cap/cm-5", "cap/cm-6"]);
    let of_page = |page: &super::Page<RawObject>| {
        let object = &page.items[0].as_ref().unwrap().object;
        (object.encoding(), object.kind().cloned())
    };
    let kind = Some(GroupVersionKind::new("v1", "ConfigMap"));
    assert_eq!(of_page(&first), (Encoding::Protobuf, kind.clone()));
    assert_eq!(of_page(&second), (Encoding::Json, kind));
}

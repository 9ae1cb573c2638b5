//! Types of serde: an object that came in protobuf equals the one that came in JSON.

use std::collections::BTreeMap;

use heliostat::Packing;
use heliostat::source::kube::{KubeSource, WireEncoding};
use heliostat_core::event::{RejectionReason, WatchEvent};
use heliostat_core::object::Entry;
use heliostat_core::raw::Encoding;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube_core::{DynamicObject, PartialObjectMeta};
use serde::Serialize;
use serde_json::Value;

use super::encodings::wants_protobuf;
use super::protobuf::{CUTS, pods_in_json, pods_in_protobuf, protobuf};
use super::server::{Reply, Server};
use super::{Page, config_map_metadata, config_maps, connect, dynamic, list, replay, watch};

async fn dynamic_config_maps(server: &Server) -> KubeSource<DynamicObject> {
    dynamic(server, ["", "v1", "ConfigMap", "configmaps"]).await
}

/// An object as it can be compared, with its header.
fn value<T: Serialize>(entry: &Entry<T>) -> (String, Value) {
    let header = format!("{:?}", entry.header);
    (header, serde_json::to_value(&*entry.object).unwrap())
}

fn values<T: Serialize>(page: &Page<T>) -> Vec<(String, Value)> {
    page.end.as_ref().unwrap();
    let items = page.items.iter();
    items.map(|item| value(item.as_ref().unwrap())).collect()
}

/// The objects of a recorded list, which must have come in this encoding.
async fn listed<T, F>(
    name: &str,
    seed: u64,
    source: impl FnOnce(Server) -> F,
    encoding: Encoding,
) -> Vec<(String, Value)>
where
    T: Serialize + Send + Sync + 'static,
    F: Future<Output = (Server, KubeSource<T>)>,
{
    let (_server, source) = source(replay(name, seed).await).await;
    let values = values(&list(&source).await);
    assert_eq!(source.traffic().encoding, Some(encoding), "{name}");
    values
}

macro_rules! same_in_lists {
    ($source:ident, $($in_json:literal = $in_protobuf:literal),+) => {
        for (in_json, in_protobuf) in [$(($in_json, $in_protobuf)),+] {
            for is_lean in [false, true] {
                let source = async |server: Server| {
                    let source = $source(&server).await;
                    match is_lean {
                        true => (server, source.without_managed_fields()),
                        false => (server, source),
                    }
                };
                let expected = listed(in_json, 1, source, Encoding::Json).await;
                assert!(expected.len() > 2);
                let has_managed_fields = |(_, object): &(String, Value)| {
                    object["metadata"].get("managedFields").is_some()
                };
                assert!(expected.iter().all(|object| has_managed_fields(object) != is_lean));
                for seed in 0..CUTS {
                    let told = listed(in_protobuf, seed, source, Encoding::Protobuf).await;
                    assert_eq!(told, expected, "{in_protobuf}, seed {seed}");
                }
            }
        }
    };
}

#[tokio::test]
async fn typed_objects_of_lists_are_the_same_in_either_encoding() {
    same_in_lists!(
        config_maps,
        "list-json" = "list-protobuf",
        "list-json-page1" = "list-protobuf-page1"
    );
}

#[tokio::test]
async fn dynamic_objects_of_lists_are_the_same_in_either_encoding() {
    same_in_lists!(
        dynamic_config_maps,
        "list-json" = "list-protobuf",
        "list-json-page1" = "list-protobuf-page1"
    );
}

#[tokio::test]
async fn metadata_alone_is_the_same_in_either_encoding() {
    same_in_lists!(
        config_map_metadata,
        "list-metadata-json" = "list-metadata-protobuf"
    );
}

/// The objects of the events of a recorded watch, by key and version.
async fn watched<T: Serialize + Send + Sync + 'static>(
    source: KubeSource<T>,
) -> BTreeMap<(String, String), Value> {
    let (events, failure) = watch(&source).await.unwrap();
    assert!(failure.is_none(), "{failure:?}");
    let objects = events.iter().filter_map(|event| match event {
        WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => {
            let key = entry.key().to_string();
            let version = entry.header.resource_version.to_string();
            Some(((key, version), value(entry).1))
        }
        _ => None,
    });
    objects.collect()
}

#[tokio::test]
async fn objects_of_watches_are_the_same_in_either_encoding() {
    for (in_json, in_protobuf) in [
        ("watch-json", "watch-protobuf"),
        ("watch-list-json", "watch-list-protobuf"),
    ] {
        let server = replay(in_json, 1).await;
        let typed = watched(config_maps(&server).await).await;
        let dynamic = watched(dynamic_config_maps(&server).await).await;
        assert!(typed.len() > 2 && typed.len() == dynamic.len());
        for seed in 0..CUTS {
            let server = replay(in_protobuf, seed).await;
            assert_eq!(watched(config_maps(&server).await).await, typed);
            assert_eq!(watched(dynamic_config_maps(&server).await).await, dynamic);
        }
    }
}

#[tokio::test]
async fn a_thousand_pods_are_the_same_in_either_encoding() {
    let json = pods_in_json();
    let server = Server::start_by(move |request| match wants_protobuf(request) {
        true => protobuf(pods_in_protobuf()),
        false => Reply::json(&json),
    })
    .await;
    let pods = KubeSource::<Pod>::new(&connect(&server.url).await);
    let told = values(&list(&pods).await);
    assert_eq!(pods.traffic().encoding, Some(Encoding::Protobuf));
    let expected = values(&list(&pods.encoding(WireEncoding::Json)).await);
    assert_eq!(expected.len(), 1000);
    assert!(told == expected, "some pods differ");
}

#[tokio::test]
async fn packed_objects_of_serde_are_the_same_in_either_encoding() {
    let server = Server::start_by(|request| match wants_protobuf(request) {
        true => Reply::capture("list-protobuf"),
        false => Reply::capture("list-json"),
    })
    .await;
    let source = config_maps(&server).await.without_managed_fields();
    let expected = values(&list(&source.clone().encoding(WireEncoding::Json)).await);
    let mut received = Vec::new();
    for (wanted, encoding) in [
        (WireEncoding::Auto, Encoding::Protobuf),
        (WireEncoding::Json, Encoding::Json),
    ] {
        let packing = Packing::<ConfigMap>::new();
        let packed = source.clone().packed(&packing).encoding(wanted);
        let page = list(&packed).await;
        let read = page.items.iter().map(|item| {
            let entry = item.as_ref().unwrap();
            assert_eq!(entry.object.encoding(), encoding);
            let map = entry.object.get().unwrap();
            value(&Entry::new(entry.header.clone(), (*map).clone()))
        });
        assert!(read.collect::<Vec<_>>() == expected, "{encoding:?}");
        received.push(packed.traffic().received_bytes);
    }
    let [in_protobuf, in_json] = received[..] else {
        panic!("{received:?}");
    };
    assert!(in_protobuf < in_json, "{received:?}");
}

/// A list of an object without a name, of one whose spec is broken, and of a good one.
fn broken_pods() -> Vec<u8> {
    let field = |number: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    };
    let metadata = |name: &str| field(1, &[field(1, name.as_bytes()), field(6, b"7")].concat());
    let pods = [
        metadata(""),
        [metadata("broken"), field(2, b"\x12\x7f")].concat(),
        metadata("good"),
    ];
    let items = pods.iter().map(|pod| field(2, pod));
    let message = [
        field(1, &field(2, b"9")),
        items.collect::<Vec<_>>().concat(),
    ]
    .concat();
    let kind = [field(1, b"v1"), field(2, b"PodList")].concat();
    let envelope = [field(1, &kind), field(2, &message)].concat();
    [b"k8s\0".as_slice(), &envelope].concat()
}

#[tokio::test]
async fn what_cannot_be_decoded_is_rejected_with_its_key_and_the_reason() {
    let in_protobuf = Server::always(protobuf(broken_pods())).await;
    let in_json = Server::always(Reply::json(
        r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[
            {"metadata":{"resourceVersion":"7"}},
            {"metadata":{"name":"broken","resourceVersion":"7"},"spec":[]},
            {"metadata":{"name":"good","resourceVersion":"7"}}]}"#,
    ))
    .await;
    for server in [in_json, in_protobuf] {
        let page = list(&KubeSource::<Pod>::new(connect(&server.url).await)).await;
        page.end.as_ref().unwrap();
        assert_eq!(page.keys(), ["good"]);
        let nameless = page.items[0].as_ref().unwrap_err();
        assert_eq!(nameless.key, None);
        assert!(matches!(nameless.reason, RejectionReason::NoMetadata(_)));
        let broken = page.items[1].as_ref().unwrap_err();
        assert_eq!(broken.key, Some("broken".parse().unwrap()));
        let RejectionReason::Undecodable(reason) = &broken.reason else {
            panic!("{broken}");
        };
        assert!(!reason.is_empty());
    }
}

#[tokio::test]
async fn custom_resources_are_asked_for_in_json_and_their_metadata_in_either() {
    let server = Server::always(Reply::capture("list-cr-json")).await;
    let accept = |server: &Server| {
        server
            .seen()
            .pop()
            .unwrap()
            .header("accept")
            .map(str::to_owned)
    };
    let widgets = super::widgets(&server).await;
    list(&widgets).await.end.unwrap();
    assert_eq!(accept(&server).as_deref(), Some("application/json"));
    list(&widgets.clone().packed(&Packing::<DynamicObject>::new()))
        .await
        .end
        .unwrap();
    assert_eq!(accept(&server).as_deref(), Some("application/json"));
    let metadata: KubeSource<PartialObjectMeta<DynamicObject>> = widgets.metadata();
    list(&metadata).await.end.unwrap();
    assert!(
        accept(&server)
            .unwrap()
            .starts_with("application/vnd.kubernetes.protobuf;as=")
    );
}

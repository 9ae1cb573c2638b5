//! Metadata alone from a server that ignores what it is asked for and sends whole objects.

use heliostat::source::kube::{
    ApiResource, DiscoveredResource, DynamicObject, KubeSource, PartialObjectMeta,
};
use heliostat::{ListerWatcher, Packing};
use heliostat_core::event::WatchEvent;
use heliostat_core::object::GroupVersionKind;
use heliostat_core::raw::RawObject;
use k8s_openapi::api::core::v1::ConfigMap;

use super::server::{Reply, Server};
use super::{capture, config_map_metadata, connect, list, tell, watch};

/// What must not be kept.
const SECRET: &str = "czNjcjN0";

fn secret(name: &str, version: u32) -> String {
    format!(
        r#"{{"kind":"Secret","apiVersion":"v1","type":"Opaque","data":{{"k":"{SECRET}"}},
        "metadata":{{"namespace":"cap","name":"{name}","resourceVersion":"{version}"}}}}"#
    )
}

/// Whole secrets, in lists and in watches, whatever is asked for.
async fn server_of_secrets() -> Server {
    Server::start(|target| {
        if !target.contains("watch=true") {
            return Reply::json(format!(
                r#"{{"kind":"SecretList","apiVersion":"v1","metadata":{{"resourceVersion":"9"}},
                "items":[{},{{"metadata":{{"name":"b","namespace":"cap"}},"data":{{"k":"{SECRET}"}}}}]}}"#,
                secret("a", 5)
            ));
        }
        let event = |change: &str, object: &str| {
            format!(r#"{{"type":"{change}","object":{object}}}"#)
        };
        let bookmark =
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"resourceVersion":"13"},"data":null}"#;
        let pod = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}}"#;
        Reply::json(
            [
                event("ADDED", &secret("c", 10)),
                event("MODIFIED", &secret("a", 11)),
                event("DELETED", &secret("c", 12)),
                event("BOOKMARK", bookmark),
                event("ADDED", pod),
            ]
            .join("\n"),
        )
    })
    .await
}

fn secrets() -> DiscoveredResource {
    let kind = kube_core::GroupVersionKind::gvk("", "v1", "Secret");
    DiscoveredResource {
        resource: ApiResource::from_gvk_with_plural(&kind, "secrets"),
        singular: "secret".to_owned(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: vec!["list".to_owned(), "watch".to_owned()],
    }
}

fn metadata_alone(object: &RawObject) {
    let text = String::from_utf8(object.bytes().to_vec()).unwrap();
    assert!(
        !text.contains(SECRET) && !text.contains("\"data\""),
        "{text}"
    );
    let kind = GroupVersionKind::new("meta.k8s.io/v1", "PartialObjectMetadata");
    assert_eq!(object.kind(), Some(&kind));
}

#[tokio::test]
async fn whole_objects_are_cut_down_in_lists_and_in_watches() {
    let server = server_of_secrets().await;
    let cluster = connect(&server.url).await;
    let source = KubeSource::<DynamicObject>::of(&cluster, secrets())
        .namespace("cap")
        .metadata()
        .raw();
    let page = list(&source).await;
    assert!(page.end.is_ok(), "{:?}", page.end);
    assert_eq!(page.keys(), ["cap/a", "cap/b"]);
    for item in &page.items {
        metadata_alone(&item.as_ref().unwrap().object);
    }
    let (events, failure) = watch(&source).await.unwrap();
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(
        tell(&events),
        [
            "added cap/c @10",
            "modified cap/a @11",
            "deleted cap/c @12",
            "bookmark @13",
            "object p was rejected: expected meta.k8s.io/v1, Kind=PartialObjectMetadata, got v1, Kind=Pod",
        ]
    );
    for event in &events {
        if let WatchEvent::Added(entry) | WatchEvent::Modified(entry) = event {
            metadata_alone(&entry.object);
        }
    }
}

#[tokio::test]
async fn packed_objects_are_cut_down_too() {
    let server = server_of_secrets().await;
    let cluster = connect(&server.url).await;
    let source = KubeSource::<DynamicObject>::of(&cluster, secrets())
        .namespace("cap")
        .metadata()
        .raw();
    let page = list(&source.packed(&Packing::raw())).await;
    assert_eq!(page.keys(), ["cap/a", "cap/b"]);
    for item in &page.items {
        metadata_alone(&item.as_ref().unwrap().object.get().unwrap());
    }
}

#[tokio::test]
async fn whole_objects_in_protobuf_are_cut_down() {
    const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
    let server = Server::start(|target| {
        let name = match target.contains("watch=true") {
            true => "watch-protobuf",
            false => "list-protobuf",
        };
        Reply::new(200, PROTOBUF, capture(name, "body"))
    })
    .await;
    let source = config_map_metadata(&server).await.raw();
    let page = list(&source).await;
    assert!(page.end.is_ok(), "{:?}", page.end);
    assert!(!page.items.is_empty());
    let (events, failure) = watch(&source).await.unwrap();
    assert!(failure.is_none(), "{failure:?}");
    let listed = page.items.into_iter().map(|item| item.unwrap().object);
    let watched = events.into_iter().filter_map(|event| match event {
        WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => {
            Some(entry.object)
        }
        WatchEvent::Bookmark { .. } => None,
        other => panic!("{other:?}"),
    });
    let kind = GroupVersionKind::new("meta.k8s.io/v1", "PartialObjectMetadata");
    for object in listed.chain(watched) {
        assert_eq!(object.kind(), Some(&kind));
        // Every field is the metadata, the first of each object.
        let mut scratch = Vec::new();
        let lean = heliostat_core::wire::protobuf::only_metadata(object.bytes(), &mut scratch);
        assert_eq!(lean, Ok(object.bytes()));
    }
}

#[tokio::test]
async fn typed_metadata_comes_from_such_a_server_too() {
    let server = Server::start(|target| match target.contains("watch=true") {
        true => Reply::capture("watch-json"),
        false => Reply::capture("list-json"),
    })
    .await;
    let source: KubeSource<PartialObjectMeta<ConfigMap>> = config_map_metadata(&server).await;
    assert!(list(&source).await.items.iter().all(Result::is_ok));
    let (events, _) = watch(&source).await.unwrap();
    let told = tell(&events);
    assert!(!told.is_empty() && !told.iter().any(|event| event.contains("rejected")));
    assert!(source.description().starts_with("metadata of configmaps"));
}

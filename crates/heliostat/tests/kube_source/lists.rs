//! Recorded lists: every item with its header, the metadata wherever it stands, at any cut.

use std::io::Read;

use heliostat_core::error::{DecodeError, SourceError};
use heliostat_core::event::{ListMetadata, RejectionReason};
use heliostat_core::object::Uid;
use heliostat_core::version::ResourceVersion;
use heliostat_core::wire::DecodeLimits;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};

use heliostat::source::kube::KubeSource;

use super::server::{Reply, Server};
use super::{Page, config_map_metadata, config_maps, dynamic, list, replay, widgets};

/// How often each recorded answer is cut another way.
const CUTS: u64 = 8;

/// What the recorded list says of itself, read by serde alone.
fn truth(name: &str) -> (String, Option<String>, Vec<String>) {
    let body: serde_json::Value = serde_json::from_slice(&super::capture(name, "body")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let metadata = &body["metadata"];
    let items = body["items"].as_array().unwrap().iter();
    let keys = items.map(|item| {
        let metadata = &item["metadata"];
        format!(
            "{}/{}",
            text(&metadata["namespace"]),
            text(&metadata["name"])
        )
    });
    (
        text(&metadata["resourceVersion"]),
        metadata["continue"]
            .as_str()
            .filter(|token| !token.is_empty())
            .map(str::to_owned),
        keys.collect(),
    )
}

fn check<T>(name: &str, page: &Page<T>) {
    let (version, token, keys) = truth(name);
    assert!(page.end.is_ok(), "{name}: {:?}", page.end);
    assert_eq!(page.keys(), keys, "{name}");
    assert_eq!(page.items.len(), keys.len(), "{name}");
    let metadata = page.metadata.as_ref().unwrap();
    assert_eq!(metadata.resource_version.to_string(), version, "{name}");
    assert_eq!(metadata.continue_token, token, "{name}");
}

#[tokio::test]
async fn recorded_lists_decode_at_any_cut() {
    for name in [
        "list-json",
        "list-json-empty",
        "list-json-page1",
        "list-json-page2",
        "list-json-page3",
        "list-json-rv0",
        "list-json-selector",
        "list-too-many-requests-admin",
    ] {
        for seed in 0..CUTS {
            let server = replay(name, seed).await;
            check(name, &list(&config_maps(&server).await).await);
        }
    }
}

#[tokio::test]
async fn typed_objects_carry_their_content_and_header() {
    let server = replay("list-json", 1).await;
    let page = list(&config_maps(&server).await).await;
    let first = page.items[0].as_ref().unwrap();
    assert_eq!(
        first.header.resource_version,
        ResourceVersion::from("20392")
    );
    assert!(!first.header.uid.is_unset());
    let note = &first.object.metadata.annotations.as_ref().unwrap()["note"];
    assert!(
        note.starts_with("quote \" brace } bracket ] unicode é 漢 \u{1}"),
        "{note}"
    );
}

#[tokio::test]
async fn page_one_tells_how_many_remain() {
    let server = replay("list-json-page1", 2).await;
    let metadata = list(&config_maps(&server).await).await.metadata.unwrap();
    assert_eq!(metadata.remaining_item_count, Some(4));
    assert!(metadata.continue_token.is_some());
}

#[tokio::test]
async fn custom_resources_send_their_metadata_last() {
    for name in ["list-cr-json", "list-cr-protobuf-or-json"] {
        for seed in 0..CUTS {
            let server = replay(name, seed).await;
            let page = list(&widgets(&server).await).await;
            check(name, &page);
            let first = &page.items[0].as_ref().unwrap().object;
            assert_eq!(first.types.as_ref().unwrap().kind, "Widget");
            assert_eq!(first.data["spec"]["size"], 1);
        }
    }
}

#[tokio::test]
async fn dynamic_items_of_built_in_kinds_are_told_their_kind() {
    let server = replay("list-json", 3).await;
    let page = list(&dynamic(&server, ["", "v1", "ConfigMap", "configmaps"]).await).await;
    check("list-json", &page);
    for item in &page.items {
        let types = item.as_ref().unwrap().object.types.clone().unwrap();
        assert_eq!((&*types.api_version, &*types.kind), ("v1", "ConfigMap"));
    }
}

#[tokio::test]
async fn metadata_alone_is_a_list_of_its_own_kind() {
    for seed in 0..CUTS {
        let server = replay("list-metadata-json", seed).await;
        let page = list(&config_map_metadata(&server).await).await;
        check("list-metadata-json", &page);
        let first = page.items[0].as_ref().unwrap();
        assert!(first.object.metadata.managed_fields.is_some());
    }
}

#[tokio::test]
async fn a_thousand_pods_decode_plain_and_compressed() {
    let packed = super::capture("pods-1000", "json.gz");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut plain)
        .unwrap();
    let compressed = Reply::json(packed).header("content-encoding", "gzip");
    for reply in [Reply::json(plain), compressed] {
        let server = Server::always(reply).await;
        let pods = KubeSource::<Pod>::new(super::connect(&server.url).await);
        let page = list(&pods).await;
        assert!(page.end.is_ok(), "{:?}", page.end);
        assert_eq!(page.keys().len(), 1000);
        assert!(page.metadata.unwrap().resource_version.is_real());
        let seen = server.seen();
        assert_eq!(seen[0].header("accept-encoding"), Some("gzip"));
    }
}

#[tokio::test]
async fn l_06_a_table_is_no_list() {
    for seed in 0..CUTS {
        let server = replay("list-table-json", seed).await;
        let page = list(&config_maps(&server).await).await;
        let Err(SourceError::Decode(DecodeError::NotAList(kind))) = &page.end else {
            panic!("{:?}", page.end);
        };
        assert!(kind.contains("Table"), "{kind}");
        assert!(page.items.is_empty());
    }
}

#[tokio::test]
async fn a_single_object_is_no_list() {
    let server = replay("get-json", 4).await;
    let page = list(&config_maps(&server).await).await;
    assert!(
        matches!(
            &page.end,
            Err(SourceError::Decode(DecodeError::NotAList(_)))
        ),
        "{:?}",
        page.end
    );
}

#[tokio::test]
async fn l_07_missing_or_null_metadata_is_the_zero_value() {
    for metadata in ["", r#""metadata":null,"#, r#""metadata":{},"#] {
        let body = format!(
            r#"{{"kind":"ConfigMapList",{metadata}"apiVersion":"v1","items":[
            {{"metadata":{{"name":"a","namespace":"n"}},"data":null}}]}}"#
        );
        let server = Server::always(Reply::json(body)).await;
        let page = list(&config_maps(&server).await).await;
        assert!(page.end.is_ok(), "{:?}", page.end);
        assert_eq!(page.metadata, Some(ListMetadata::default()));
        assert_eq!(page.keys(), ["n/a"]);
    }
}

#[tokio::test]
async fn one_undecodable_item_does_not_fail_its_page() {
    let body = r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[
        {"metadata":{"name":"a","namespace":"n","resourceVersion":"1"}},
        {"metadata":{"name":"b","namespace":"n","resourceVersion":"2","uid":"u"},"data":{"k":5}},
        {"metadata":{"namespace":"n"}},
        {"metadata":{"name":"d","namespace":"n","resourceVersion":"4"}}]}"#;
    let server = Server::always(Reply::json(body)).await;
    let page = list::<ConfigMap>(&config_maps(&server).await).await;
    assert!(page.end.is_ok());
    assert_eq!(page.keys(), ["n/a", "n/d"]);
    let undecodable = page.items[1].as_ref().unwrap_err();
    assert_eq!(undecodable.key.as_ref().unwrap().as_str(), "n/b");
    assert_eq!(undecodable.resource_version, ResourceVersion::from("2"));
    assert!(undecodable.reason.is_member());
    let nameless = page.items[2].as_ref().unwrap_err();
    assert!(matches!(nameless.reason, RejectionReason::NoMetadata(_)));
    assert_eq!(page.items[0].as_ref().unwrap().header.uid, Uid::UNSET);
}

#[tokio::test]
async fn an_item_above_the_limit_is_an_error() {
    let server = replay("list-json", 5).await;
    let limits = DecodeLimits::default().object_bytes_max(64);
    let page = list(&config_maps(&server).await.limits(limits)).await;
    assert!(
        matches!(
            &page.end,
            Err(SourceError::Decode(DecodeError::TooLarge { limit: 64, .. }))
        ),
        "{:?}",
        page.end
    );
}

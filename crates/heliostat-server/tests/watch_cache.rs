//! A server over watch caches: before the first list, without a proof, on its way out, and in the wrong
//! place.

mod common;

use std::io::ErrorKind;

use common::mirror::Mirror;
use common::{Ask, Watch, config_map, get, open, send};
use heliostat_core::raw::RawObject;
use heliostat_core::store::{Staging, Store as _};
use heliostat_server::{ApiServer, CacheServer, Kind, WatchCache};
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";

fn kind() -> Kind {
    Kind::known("", "v1", "ConfigMap", "configmaps")
}

/// A config map as a source has it.
fn at(name: &str, version: u64) -> Value {
    let mut object = config_map(name, "v");
    object["metadata"]["uid"] = name.into();
    object["metadata"]["resourceVersion"] = version.to_string().into();
    object
}

#[tokio::test]
async fn before_the_first_list_clients_are_asked_to_come_again() {
    let cache = WatchCache::new(kind()).explained_by(|| Some("refused:\nno route".to_owned()));
    let server = CacheServer::builder().cache(cache).build();
    let server = server.serve_local().await.unwrap();
    for path in ["", "?watch=1", "?resourceVersion=0", "/a"] {
        let answer = get(&server, &format!("{MAPS}{path}")).await;
        assert_eq!(answer.code, 429, "{path}");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.json()["message"], "storage is (re)initializing");
    }
    assert_eq!(get(&server, "/livez").await.text(), "ok");
    let ready = get(&server, "/readyz").await;
    assert_eq!(ready.code, 500);
    let line = "[-]watch-cache/configmaps failed: refused: no route\nreadyz check failed\n";
    assert_eq!(ready.text(), line);
    let excluded = get(&server, "/readyz?exclude=watch-cache/configmaps").await;
    assert_eq!(excluded.text(), "ok");
    server.shutdown().await;
}

#[tokio::test]
async fn a_cache_without_a_proof_answers_what_needs_none() {
    let unproven = WatchCache::new(kind());
    let staging = Staging::<RawObject>::new();
    unproven.writer().commit(staging, &9.into()).unwrap();
    let server = CacheServer::builder()
        .cache(unproven)
        .write_to("the shop")
        .build();
    let server = server.serve_local().await.unwrap();
    let refused = get(&server, MAPS).await;
    assert_eq!(refused.code, 400);
    assert!(
        refused.text().contains("resourceVersion=0"),
        "{}",
        refused.text()
    );
    for query in [
        "resourceVersion=0",
        "resourceVersion=9",
        "resourceVersion=9&limit=5",
    ] {
        assert_eq!(
            get(&server, &format!("{MAPS}?{query}")).await.code,
            200,
            "{query}"
        );
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let path = &format!("{MAPS}/a");
        let answer = send(
            &server,
            Ask {
                method,
                path,
                ..Ask::default()
            },
        )
        .await;
        assert_eq!(answer.code, 405);
        assert!(
            answer.text().contains("write to the shop"),
            "{}",
            answer.text()
        );
    }
    let resources = get(&server, "/api/v1").await.json();
    assert_eq!(resources["resources"].as_array().unwrap().len(), 1);
    assert_eq!(
        resources["resources"][0]["verbs"],
        json!(["get", "list", "watch"])
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_that_stops_ends_watches_with_a_last_bookmark() {
    let source = ApiServer::builder().build();
    let mut mirror = Mirror::new(kind(), source.storage());
    mirror.replace(&[], 9);
    let server = CacheServer::builder().cache(mirror.cache.clone()).build();
    let server = server.serve_local().await.unwrap();
    let path = format!("{MAPS}?watch=1&resourceVersion=9");
    let mut with = Watch::open(&server, &format!("{path}&allowWatchBookmarks=1")).await;
    let mut without = Watch::open(&server, &path).await;
    mirror.write(&at("a", 12));
    for watch in [&mut with, &mut without] {
        assert_eq!(watch.next_short().await, "ADDED a");
    }
    server.shutdown().await;
    assert_eq!(with.next_short().await, "BOOKMARK");
    for watch in [&mut with, &mut without] {
        assert_eq!(watch.next_short().await, "end");
    }
}

#[tokio::test]
async fn many_watches_of_one_object_each_get_their_own_events() {
    let source = ApiServer::builder().build();
    let mut mirror = Mirror::new(kind(), source.storage());
    mirror.replace(&[], 9);
    let server = CacheServer::builder().cache(mirror.cache.clone()).build();
    let server = server.serve_local().await.unwrap();
    let names: Vec<String> = (0..50).map(|index| format!("m-{index}")).collect();
    let mut watches = Vec::new();
    for name in &names {
        let path = format!("{MAPS}?watch=1&resourceVersion=9&fieldSelector=metadata.name%3D{name}");
        watches.push(Watch::open(&server, &path).await);
    }
    for (version, name) in (10..).zip(&names) {
        mirror.write(&at(name, version));
    }
    for (version, name) in (100..).zip(&names) {
        mirror.delete(&at(name, version));
    }
    for (watch, name) in watches.iter_mut().zip(&names) {
        assert_eq!(watch.next_short().await, format!("ADDED {name}"));
        assert_eq!(watch.next_short().await, format!("DELETED {name}"));
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_cache_is_served_on_loopback_alone() {
    let server = CacheServer::builder()
        .cache(WatchCache::new(kind()))
        .build();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = server.serve(listener).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    assert!(
        refused
            .to_string()
            .contains("without TLS and authentication"),
        "{refused}"
    );
    let v6 = TcpListener::bind("[::1]:0").await;
    if let Ok(listener) = v6 {
        let server = server.serve(listener).unwrap();
        let answer = open(
            &server,
            Ask {
                path: "/livez",
                ..Ask::default()
            },
        )
        .await;
        assert_eq!(answer.unwrap().status(), 200);
    }
}

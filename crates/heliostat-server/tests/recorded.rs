//! Answers recorded from a real server, byte for byte: the same objects at the same versions are
//! put in, the same requests are asked; of a storage, and of watch caches that mirror it.

mod common;

use std::path::Path;
use std::time::Duration;

use common::mirror::Mirror;
use common::{Address, Answer, Ask, open, send};
use heliostat_server::{
    ApiServer, CacheServer, INITIAL_EVENTS_END, Kind, RunningCacheServer, StorageHandle,
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

/// Asked at version 20407, with the status code of the recording.
const AT_REST: &[(&str, u16)] = &[
    ("list-json", 200),
    ("list-json-rv0", 200),
    ("list-json-page1", 200),
    ("list-json-page2", 200),
    ("list-json-page3", 200),
    ("list-json-empty", 200),
    ("list-json-selector", 200),
    ("list-metadata-json", 200),
    ("list-cr-json", 200),
    ("get-json", 200),
    ("get-missing", 404),
    ("list-exact-rv0", 422),
    ("list-field-unsupported", 400),
    ("list-label-invalid", 400),
    ("list-match-without-rv", 422),
    ("list-rv-invalid", 400),
    ("list-rv-too-large", 504),
    ("list-sie", 422),
    ("list-crd-missing", 404),
    ("list-resource-missing", 404),
    ("watch-crd-missing", 404),
    ("watch-invalid-rv", 500),
    ("watch-match-without-sie", 422),
    ("watch-sie-without-match", 422),
    ("list-protobuf", 200),
    ("list-protobuf-page1", 200),
    ("list-metadata-protobuf", 200),
    ("get-protobuf", 200),
    ("list-cr-protobuf-or-json", 200),
    ("list-cr-protobuf-refused", 406),
    ("list-not-acceptable", 406),
    ("list-cbor", 406),
];

/// Opened before the changes.
const WATCHES: &[&str] = &[
    "watch-json",
    "watch-json-selector",
    "watch-metadata-json",
    "watch-json-rv0",
    "watch-json-unset",
    "watch-list-json",
    "watch-list-metadata-json",
    "watch-protobuf",
    "watch-list-protobuf",
];

/// Opened after them.
const LATE_WATCHES: &[&str] = &[
    "watch-json-too-old",
    "watch-protobuf-too-old",
    "watch-sie-without-bookmarks",
];

/// Asked when the history is gone.
const EXPIRED: &[(&str, u16)] = &[
    ("list-continue-expired", 410),
    ("list-exact-expired", 410),
    ("watch-json-expired", 200),
    ("watch-protobuf-expired", 200),
];

fn recorded_bytes(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recorded");
    std::fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn recorded(file: &str) -> String {
    String::from_utf8(recorded_bytes(file)).unwrap()
}

/// The path and the Accept header of a recorded request.
fn request(name: &str) -> (String, String) {
    let text = recorded(&format!("{name}.request"));
    let mut lines = text.lines();
    let path = lines
        .next()
        .unwrap()
        .strip_prefix("GET ")
        .unwrap()
        .to_owned();
    let accept = lines
        .find_map(|line| line.strip_prefix("Accept: "))
        .unwrap();
    (path, accept.to_owned())
}

async fn ask(server: &impl Address, name: &str) -> Answer {
    let (path, accept) = request(name);
    send(
        server,
        Ask {
            path: &path,
            headers: &[("accept", &accept)],
            ..Ask::default()
        },
    )
    .await
}

async fn check(server: &impl Address, names: &[(&str, u16)]) {
    for (name, code) in names {
        let answer = ask(server, name).await;
        assert_eq!(answer.code.as_u16(), *code, "{name}");
        let wanted = recorded_bytes(&format!("{name}.body"));
        assert_eq!(shown(&answer.body), shown(&wanted), "{name}");
        let (_, accept) = request(name);
        let is_binary = wanted.starts_with(b"k8s\0") || name.starts_with("watch-protobuf");
        let media_type = answer.header("content-type");
        assert_eq!(
            media_type.starts_with("application/vnd.kubernetes.protobuf"),
            is_binary,
            "{name}: {accept} gets {media_type}"
        );
    }
}

fn reach(storage: &StorageHandle, revision: u64) {
    storage.skip_revisions(revision - storage.revision());
}

/// Puts recorded objects in so that the first one gets the version it had.
fn load(storage: &StorageHandle, resource: &str, list: &str) {
    let list: Value = serde_json::from_str(&recorded(list)).unwrap();
    for item in list["items"].as_array().unwrap() {
        let version = item["metadata"]["resourceVersion"].as_str().unwrap();
        reach(storage, version.parse::<u64>().unwrap() - 1);
        storage.load(resource, [item.clone()]).unwrap();
    }
}

/// Repeats the recorded changes at their versions.
fn change(storage: &StorageHandle) {
    for line in recorded("watch-json.body").lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let metadata = &event["object"]["metadata"];
        let version = metadata["resourceVersion"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap();
        match event["type"].as_str().unwrap() {
            "ADDED" | "MODIFIED" => {
                reach(storage, version - 1);
                storage
                    .load("configmaps", [event["object"].clone()])
                    .unwrap();
            }
            "DELETED" => {
                reach(storage, version - 1);
                let name = metadata["name"].as_str().unwrap();
                storage
                    .delete("configmaps", &format!("cap/{name}"))
                    .unwrap();
            }
            "BOOKMARK" => {}
            other => panic!("unexpected {other}"),
        }
    }
}

async fn start(server: &impl Address, name: &str) -> Incoming {
    let (path, accept) = request(name);
    let ask = Ask {
        path: &path,
        headers: &[("accept", &accept)],
        ..Ask::default()
    };
    open(server, ask).await.unwrap().into_body()
}

/// Bytes as text, so that a difference can be read.
fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// The frames of a watch: lines of JSON, or runs of bytes with their length before them.
fn frames(name: &str, bytes: &[u8]) -> Vec<String> {
    if !name.contains("protobuf") {
        let lines = std::str::from_utf8(bytes).unwrap().lines();
        return lines.map(str::to_owned).collect();
    }
    let mut frames = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(shown(frame));
        rest = after;
    }
    assert_eq!(rest, b"");
    frames
}

/// Compares a watch with its recording. Bookmarks that only tell progress depend on when they were
/// sent, so they are left out; the one that ends the initial state is not.
async fn check_watch(name: &str, body: Incoming) {
    let sent = body.collect().await.unwrap().to_bytes();
    assert_eq!(frames(name, &sent), wanted_frames(name), "{name}");
}

fn wanted_frames(name: &str) -> Vec<String> {
    let depends_on_time =
        |frame: &String| frame.contains("BOOKMARK") && !frame.contains(INITIAL_EVENTS_END);
    let mut wanted = frames(name, &recorded_bytes(&format!("{name}.body")));
    wanted.retain(|frame| !depends_on_time(frame));
    wanted
}

/// The same of a watch that goes on after what was recorded.
async fn check_watch_start(name: &str, mut sent: Vec<u8>, mut body: Incoming) {
    let wanted = recorded_bytes(&format!("{name}.body"));
    let wanted = frames_bytes(name, &wanted, &wanted_frames(name));
    while sent.len() < wanted {
        let Some(frame) = body.frame().await else {
            panic!("{name} ends after {}", shown(&sent));
        };
        let frame = frame.unwrap();
        sent.extend_from_slice(&frame.into_data().unwrap());
    }
    assert_eq!(frames(name, &sent), wanted_frames(name), "{name}");
}

/// How many bytes these frames of a recording have.
fn frames_bytes(name: &str, recording: &[u8], wanted: &[String]) -> usize {
    if !name.contains("protobuf") {
        return wanted.iter().map(|frame| frame.len() + 1).sum();
    }
    let mut bytes = 0;
    let mut rest = recording;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        if wanted.contains(&shown(frame)) {
            bytes += 4 + frame.len();
        }
        rest = after;
    }
    bytes
}

#[tokio::test]
async fn recorded_requests_get_the_recorded_answers() {
    let widget = Kind::custom("example.com", "v1", "Widget", "widgets");
    let server = ApiServer::builder()
        .with_kind(widget)
        .too_large_wait(Duration::from_millis(20))
        .build()
        .serve_local()
        .await
        .unwrap();
    let storage = server.storage();
    load(storage, "configmaps", "list-json.body");
    load(storage, "widgets.example.com", "list-cr-json.body");
    assert_eq!(storage.revision(), 20_407);
    check(&server, AT_REST).await;

    reach(storage, 20_419);
    let mut watches = Vec::new();
    for name in WATCHES {
        watches.push((*name, start(&server, name).await));
    }
    change(storage);
    for name in LATE_WATCHES {
        watches.push((*name, start(&server, name).await));
    }
    server.faults().close_watches(None);
    for (name, body) in watches {
        check_watch(name, body).await;
    }

    reach(storage, 20_443);
    server.faults().expire_history(Some("configmaps"));
    check(&server, EXPIRED).await;
    server.shutdown().await;
}

/// The recorded changes, with the versions that they had.
fn changes() -> Vec<(String, Value)> {
    let recorded = recorded("watch-json.body");
    let events = recorded
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events = events.filter(|event| event["type"] != "BOOKMARK");
    events
        .map(|event| {
            (
                event["type"].as_str().unwrap().to_owned(),
                event["object"].clone(),
            )
        })
        .collect()
}

fn items(list: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(&recorded(list)).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// A server over mirrors of both kinds at a version, with the mirror of the config maps, which had no
/// objects at first.
async fn mirrored(
    storage: &StorageHandle,
    first: u64,
    version: u64,
    maps: &[Value],
) -> (RunningCacheServer, Mirror) {
    reach(storage, version);
    let widgets = Kind::custom("example.com", "v1", "Widget", "widgets");
    let mut widgets = Mirror::new(widgets, storage);
    widgets.replace(&items("list-cr-json.body"), version);
    let mut mirror = Mirror::new(Kind::known("", "v1", "ConfigMap", "configmaps"), storage);
    if first < version {
        mirror.replace(&[], first);
    }
    mirror.replace(maps, version);
    let server = CacheServer::builder()
        .cache(mirror.cache.clone())
        .cache(widgets.cache.clone())
        .build();
    (server.serve_local().await.unwrap(), mirror)
}

#[tokio::test]
async fn recorded_requests_get_the_recorded_answers_from_a_watch_cache() {
    let maps = items("list-json.body");
    let source = ApiServer::builder().build();
    let storage = source.storage();
    let (server, mut mirror) = mirrored(storage, 1, 20_407, &maps).await;
    check(&server, AT_REST).await;

    reach(storage, 20_419);
    mirror.bookmark(20_419);
    let mut watches = Vec::new();
    for name in WATCHES {
        let mut body = start(&server, name).await;
        let mut sent = Vec::new();
        if !request(name).0.contains("resourceVersion=20407") {
            // A state is read when the source has proven it, and that must be before the changes.
            let frame = body.frame().await.unwrap().unwrap();
            sent.extend_from_slice(&frame.into_data().unwrap());
        }
        watches.push((*name, sent, body));
    }
    for (event_type, object) in changes() {
        let version = object["metadata"]["resourceVersion"].as_str().unwrap();
        reach(storage, version.parse().unwrap());
        match event_type.as_str() {
            "DELETED" => mirror.delete(&object),
            _ => mirror.write(&object),
        }
    }
    for name in LATE_WATCHES {
        watches.push((*name, Vec::new(), start(&server, name).await));
    }
    for (name, sent, body) in watches {
        check_watch_start(name, sent, body).await;
    }
    server.shutdown().await;

    // A mirror that was loaded later knows nothing of what was before.
    let (server, _mirror) = mirrored(storage, 20_443, 20_443, &maps).await;
    check(&server, EXPIRED).await;
    server.shutdown().await;
}

//! Recorded watches: every event in its order, at any cut, and every way a watch ends well.

use heliostat_core::event::WatchEvent;
use heliostat_core::status::Status;

use super::server::{Framing, Reply, Server};
use super::{config_map_metadata, config_maps, dynamic, replay, tell, watch};

/// How often each recorded answer is cut another way.
const CUTS: u64 = 8;

/// The recorded events as one line each, read by serde alone.
fn truth(name: &str) -> Vec<String> {
    let body = super::capture(name, "body");
    let frames = serde_json::Deserializer::from_slice(&body).into_iter::<serde_json::Value>();
    let tell = |frame: serde_json::Value| {
        let metadata = &frame["object"]["metadata"];
        let text = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
        let version = text("resourceVersion");
        let key = format!("{}/{}", text("namespace"), text("name"));
        match frame["type"].as_str().unwrap() {
            "BOOKMARK" if metadata["annotations"]["k8s.io/initial-events-end"] == "true" => {
                format!("end of initial events @{version}")
            }
            "BOOKMARK" => format!("bookmark @{version}"),
            "ERROR" => format!("error {}", frame["object"]["code"]),
            change => format!("{} {key} @{version}", change.to_lowercase()),
        }
    };
    frames.map(|frame| tell(frame.unwrap())).collect()
}

#[tokio::test]
async fn recorded_watches_decode_at_any_cut() {
    for name in [
        "watch-json",
        "watch-json-rv0",
        "watch-json-selector",
        "watch-json-too-old",
        "watch-json-unset",
        "watch-list-json",
        "watch-sie-without-bookmarks",
    ] {
        let expected = truth(name);
        assert!(!expected.is_empty());
        for seed in 0..CUTS {
            let server = replay(name, seed).await;
            let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
            assert_eq!(tell(&events), expected, "{name}, seed {seed}");
            assert!(failure.is_none(), "{name}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn wl_03_the_initial_events_end_with_their_bookmark() {
    let server = replay("watch-list-json", 1).await;
    let (events, _) = watch(&config_maps(&server).await).await.unwrap();
    let ends = events.iter().filter(|event| {
        matches!(
            event,
            WatchEvent::Bookmark {
                initial_events_end: true,
                ..
            }
        )
    });
    assert_eq!(ends.count(), 1);
}

#[tokio::test]
async fn metadata_alone_is_watched_under_its_own_kind() {
    for name in ["watch-metadata-json", "watch-list-metadata-json"] {
        for seed in 0..CUTS {
            let server = replay(name, seed).await;
            let (events, failure) = watch(&config_map_metadata(&server).await).await.unwrap();
            assert_eq!(tell(&events), truth(name), "{name}, seed {seed}");
            assert!(failure.is_none());
        }
    }
}

#[tokio::test]
async fn dynamic_objects_are_watched_as_typed_ones_are() {
    let server = replay("watch-list-json", 2).await;
    let source = dynamic(&server, ["", "v1", "ConfigMap", "configmaps"]).await;
    let (events, _) = watch(&source).await.unwrap();
    assert_eq!(tell(&events), truth("watch-list-json"));
    let WatchEvent::Added(entry) = &events[0] else {
        panic!("{:?}", events[0]);
    };
    assert_eq!(entry.object.types.as_ref().unwrap().kind, "ConfigMap");
}

#[tokio::test]
async fn e_03_an_expired_watch_is_a_410_within_a_200() {
    for seed in 0..CUTS {
        let server = replay("watch-json-expired", seed).await;
        let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
        let [WatchEvent::Error(status)] = &events[..] else {
            panic!("{:?}", tell(&events));
        };
        assert!(status.is_resource_expired());
        assert_eq!(status.code, 410);
        assert_eq!(status.message, "too old resource version: 20407 (20443)");
        assert!(failure.is_none());
    }
}

#[tokio::test]
async fn w_10_rows_of_a_table_are_rejected_one_by_one() {
    let server = replay("watch-table-json", 3).await;
    let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
    assert!(!events.is_empty());
    for line in tell(&events) {
        assert!(line.ends_with("a Table cannot be mirrored"), "{line}");
    }
    assert!(failure.is_none());
}

#[tokio::test]
async fn w_10_objects_of_another_kind_are_rejected_and_the_watch_goes_on() {
    let server = replay("watch-json", 4).await;
    let source = dynamic(&server, ["", "v1", "Secret", "secrets"]).await;
    let (events, failure) = watch(&source).await.unwrap();
    assert_eq!(events.len(), truth("watch-json").len());
    assert!(
        events
            .iter()
            .all(|event| matches!(event, WatchEvent::Rejected(_)))
    );
    assert!(failure.is_none());
}

#[tokio::test]
async fn w_21_a_watch_that_times_out_ends_without_a_word() {
    for name in [
        "watch-empty-timeout",
        "watch-json-too-large",
        "watch-too-many-requests",
    ] {
        for framing in [Framing::Chunked, Framing::Length, Framing::Close] {
            let server = Server::always(Reply::capture(name).framing(framing)).await;
            let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
            assert!(
                events.is_empty() && failure.is_none(),
                "{name}: {failure:?}"
            );
        }
    }
}

#[tokio::test]
async fn e_04_a_too_large_version_is_recognised_within_the_stream() {
    let status = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: Too large resource version: 9, current: 5","reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1},"code":504}"#;
    let frame = format!("{{\"type\":\"ERROR\",\"object\":{status}}}\n");
    let server = Server::always(Reply::json(frame)).await;
    let (events, _) = watch(&config_maps(&server).await).await.unwrap();
    let [WatchEvent::Error(status)] = &events[..] else {
        panic!("{:?}", tell(&events));
    };
    assert!(Status::is_too_large(status));
}

#[tokio::test]
async fn w_08_a_bare_status_is_the_servers_error() {
    let status = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
        "message":"too old","reason":"Expired","code":410}"#;
    let server = Server::always(Reply::json(status)).await;
    let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
    assert!(failure.is_none(), "{failure:?}");
    let [WatchEvent::Error(status)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(status.is_expired());
}

#[tokio::test]
async fn w_11_a_frame_that_is_no_event_fails_the_stream() {
    let added = r#"{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1",
        "metadata":{"name":"a","namespace":"n","resourceVersion":"5"}}}"#;
    for (frame, named) in [
        (r#"{"type":"HEARTBEAT"}"#, "HEARTBEAT"),
        (
            r#"{"kind":"ConfigMap","apiVersion":"v1"}"#,
            "v1, Kind=ConfigMap",
        ),
    ] {
        let server = Server::always(Reply::json(format!("{added}{frame}{added}"))).await;
        let (events, failure) = watch(&config_maps(&server).await).await.unwrap();
        assert_eq!(tell(&events), ["added n/a @5"]);
        let failure = failure.unwrap();
        assert_eq!(failure.class(), "decode");
        assert!(failure.to_string().contains(named), "{failure}");
    }
}

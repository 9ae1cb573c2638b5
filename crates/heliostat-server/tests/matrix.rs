//! Every combination of list and watch parameters that was recorded from a real server, asked of
//! this one and of a watch cache: 26 ConfigMaps, of which `cm-6` was changed twice.

mod common;

use std::collections::HashMap;
use std::time::Duration;

use common::mirror::Mirror;
use common::{Address, Answer, Ask, Next, Watch, config_map, get, get_as, short};
use heliostat_kinds::to_json;
use heliostat_server::{ApiServer, CacheServer, Kind, RunningCacheServer, RunningServer};
use serde_json::{Value, json};

const LIST: &str = include_str!("../testdata/list-matrix.tsv");
const WATCH: &str = include_str!("../testdata/watch-matrix.tsv");
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const FUTURE: &str = "999999999";

/// How long a proof may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// The recorded server waits three seconds; nothing depends on how long it is.
const WAIT: Duration = Duration::from_millis(20);

/// The story of the recording, and the two versions it names.
struct Story<S> {
    /// For what can be answered.
    server: S,
    /// For versions that never come.
    impatient: S,
    old: String,
    new: String,
    token: String,
}

/// Writes the story to a server and returns the two versions; `on_change` is called with each change.
fn write_story(server: &ApiServer, mut on_change: impl FnMut(&Value)) -> (String, String) {
    let storage = server.storage();
    for index in 0..26 {
        let created = storage.create("configmaps", config_map(&format!("cm-{index}"), "v"));
        on_change(&created.unwrap().to_value());
    }
    let mut change = |value: &str| {
        let patch = json!({"data": {"k": value}});
        let changed = storage.merge_patch("configmaps", "ns/cm-6", patch).unwrap();
        on_change(&changed.to_value());
        changed.resource_version()
    };
    (change("one"), change("two"))
}

impl Story<RunningServer> {
    async fn new() -> Self {
        let server = ApiServer::builder().too_large_wait(WAIT).build();
        let versions = write_story(&server, |_| {});
        let servers = [(); 2].map(|()| server.serve_local());
        let [server, impatient] = servers;
        Self::of(server.await.unwrap(), impatient.await.unwrap(), versions).await
    }
}

impl Story<RunningCacheServer> {
    async fn mirrored() -> Self {
        let source = ApiServer::builder().build();
        let storage = source.storage();
        let kind = Kind::known("", "v1", "ConfigMap", "configmaps");
        let mut mirror = Mirror::new(kind, storage);
        mirror.replace(&[], storage.revision());
        let versions = write_story(&source, |object| mirror.write(object));
        let server = CacheServer::builder().cache(mirror.cache.clone());
        let server = server.freshness_wait(PATIENCE).build();
        let impatient = CacheServer::builder().cache(mirror.cache.clone());
        let impatient = impatient.freshness_wait(WAIT).build();
        let (server, impatient) = (server.serve_local(), impatient.serve_local());
        Self::of(server.await.unwrap(), impatient.await.unwrap(), versions).await
    }
}

impl<S: Address> Story<S> {
    async fn of(server: S, impatient: S, (old, new): (String, String)) -> Self {
        let first = get(&server, "/api/v1/namespaces/ns/configmaps?limit=3")
            .await
            .json();
        let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
        Self {
            server,
            impatient,
            old,
            new,
            token,
        }
    }

    fn server(&self, row: &HashMap<&str, &str>) -> &S {
        match row["resourceVersion"] {
            "future" => &self.impatient,
            _ => &self.server,
        }
    }

    fn value<'a>(&'a self, column: &str, cell: &'a str) -> Option<&'a str> {
        match (column, cell) {
            (_, "unset") => None,
            ("resourceVersion", "old") => Some(&self.old),
            ("resourceVersion", "future") => Some(FUTURE),
            ("resourceVersion", "bad") => Some("abc"),
            ("continue", "token") => Some(&self.token),
            (_, other) => Some(other),
        }
    }

    /// The URL of a row: its cells in the first columns as parameters.
    fn url(&self, row: &HashMap<&str, &str>, columns: &[&str], start: &str) -> String {
        columns
            .iter()
            .filter_map(|column| Some((column, self.value(column, row[column])?)))
            .fold(
                format!("/api/v1/namespaces/ns/configmaps?{start}"),
                |url, (column, value)| format!("{url}&{column}={value}"),
            )
    }

    /// The recorded message with this server's versions in it: the current one differed from row
    /// to row in the recording.
    fn message(&self, recorded: &str) -> String {
        let message = recorded.replace("<future>", FUTURE);
        match message.split_once("current: ") {
            Some((start, _)) => format!("{start}current: {}", self.new),
            None => message,
        }
    }

    fn check_error(&self, row: &HashMap<&str, &str>, status: &Value, url: &str) {
        assert_eq!(status["kind"], "Status", "{url}");
        assert_eq!(status["code"].to_string(), row["http"], "{url}");
        assert_eq!(
            status["reason"].as_str().unwrap_or_default(),
            row["reason"],
            "{url}"
        );
        assert_eq!(status["message"], self.message(row["message"]), "{url}");
        let causes: Vec<String> = status["details"]["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| {
                let text = |key: &str| cause[key].as_str().unwrap_or_default().to_owned();
                format!("{}@{}", text("reason"), text("field"))
            })
            .collect();
        assert_eq!(causes.join(","), row["causes"], "{url}");
    }
}

fn rows(table: &'static str) -> Vec<HashMap<&'static str, &'static str>> {
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|line| {
            let mut cells = line.split('\t');
            columns
                .iter()
                .map(|column| (*column, cells.next().unwrap_or_default()))
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn every_recorded_list_is_answered_as_recorded() {
    check_lists(&Story::new().await, JSON).await;
}

#[tokio::test]
async fn every_recorded_list_is_answered_as_recorded_by_a_watch_cache() {
    let story = Story::mirrored().await;
    check_lists(&story, JSON).await;
    check_lists(&story, PROTOBUF).await;
}

#[tokio::test]
async fn every_recorded_list_is_the_same_in_protobuf() {
    check_lists(&Story::new().await, PROTOBUF).await;
}

/// The JSON of an answer, whose encoding must be the one that was asked for.
fn decoded(answer: &Answer, media_type: &str) -> Value {
    assert_eq!(answer.header("content-type"), media_type);
    if media_type == JSON {
        return answer.json();
    }
    let mut json = Vec::new();
    to_json(&answer.body, &mut json).unwrap();
    serde_json::from_slice(&json).unwrap()
}

async fn check_lists<S: Address>(story: &Story<S>, media_type: &str) {
    let table = rows(LIST);
    assert_eq!(table.len(), 80);
    for row in table {
        let columns = [
            "resourceVersion",
            "resourceVersionMatch",
            "limit",
            "continue",
        ];
        let url = story.url(&row, &columns, "");
        let answer = get_as(story.server(&row), &url, media_type).await;
        assert_eq!(answer.code.as_str(), row["http"], "{url}");
        let body = decoded(&answer, media_type);
        if answer.code != 200 {
            story.check_error(&row, &body, &url);
            continue;
        }
        let items = body["items"].as_array().unwrap();
        let metadata = &body["metadata"];
        assert_eq!(items.len().to_string(), row["items"], "{url}");
        let content = items.iter().find(|item| item["metadata"]["name"] == "cm-6");
        let content = content.map(|item| item["data"]["k"].as_str().unwrap());
        match row["list resourceVersion"] {
            "old" => assert_eq!(metadata["resourceVersion"], story.old, "{url}"),
            "old (cm-6=one)" => {
                assert_eq!(metadata["resourceVersion"], story.old, "{url}");
                assert_eq!(content, Some("one"), "{url}");
            }
            "at least new" => assert_eq!(metadata["resourceVersion"], story.new, "{url}"),
            "at least new (cm-6=two)" => {
                assert_eq!(metadata["resourceVersion"], story.new, "{url}");
                assert!(content.is_none_or(|content| content == "two"), "{url}");
            }
            other => panic!("unknown cell {other:?}"),
        }
        assert_eq!(
            metadata["continue"].is_string(),
            row["continue returned"] == "yes",
            "{url}"
        );
        let remaining = metadata["remainingItemCount"].as_u64();
        assert_eq!(
            remaining.map_or(String::new(), |n| n.to_string()),
            row["remainingItemCount"]
        );
    }
}

/// What a watch sent, as the recording has it: `26xADDED BOOKMARK(initial-events-end)`, `MODIFIED`, `none`.
#[derive(Default)]
struct Words {
    added: usize,
    words: Vec<String>,
}

impl Words {
    fn add(&mut self, event: &Value) {
        match short(event) {
            word if word.starts_with("ADDED") => self.added += 1,
            word if word.starts_with("MODIFIED") => self.words.push("MODIFIED".to_owned()),
            word => self.words.push(word),
        }
    }

    fn text(mut self) -> String {
        if self.added > 0 {
            self.words.insert(0, format!("{}xADDED", self.added));
        }
        if self.words.is_empty() {
            return "none".to_owned();
        }
        self.words.join(" ")
    }
}

/// Everything that a watch sends at once.
async fn events(server: &RunningServer, url: &str, media_type: &str) -> String {
    let ask = Ask {
        path: url,
        headers: &[("accept", media_type)],
        ..Ask::default()
    };
    let mut watch = Watch::open_as(server, ask).await;
    // The watch sends what there is, and then ends instead of waiting for more.
    server.faults().close_watches(None);
    let mut words = Words::default();
    loop {
        match watch.next().await {
            Next::Event(event) => words.add(&event),
            Next::End(rest) => {
                assert_eq!(rest, "", "{url}");
                return words.text();
            }
            Next::Broken(_) => panic!("broken: {url}"),
        }
    }
}

/// Everything that a watch sends until it ends by itself.
async fn all_events(server: &impl Address, url: &str) -> String {
    let mut watch = Watch::open(server, url).await;
    let mut words = Words::default();
    loop {
        match watch.next().await {
            Next::Event(event) => words.add(&event),
            Next::End(_) => return words.text(),
            Next::Broken(_) => panic!("broken: {url}"),
        }
    }
}

const WATCH_COLUMNS: [&str; 4] = [
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "allowWatchBookmarks",
];

#[tokio::test]
async fn every_recorded_watch_is_answered_as_recorded() {
    check_watches(JSON).await;
}

#[tokio::test]
async fn every_recorded_watch_is_the_same_in_protobuf() {
    check_watches(PROTOBUF).await;
}

async fn check_watches(media_type: &str) {
    let story = Story::new().await;
    let table = rows(WATCH);
    assert_eq!(table.len(), 90);
    for row in table {
        let url = story.url(&row, &WATCH_COLUMNS, "watch=1");
        if row["http"] == "200" {
            let found = events(&story.server, &url, media_type).await;
            assert_eq!(found, row["events in order within 1 s"], "{url}");
        } else {
            let answer = get_as(&story.server, &url, media_type).await;
            assert_eq!(answer.code.as_str(), row["http"], "{url}");
            story.check_error(&row, &decoded(&answer, media_type), &url);
        }
    }
}

#[tokio::test]
async fn every_recorded_watch_is_answered_as_recorded_by_a_watch_cache() {
    let story = Story::mirrored().await;
    let story = &story;
    // Too short for a bookmark before the end; all of them at once.
    let watches = rows(WATCH).into_iter().map(|row| async move {
        let url = story.url(&row, &WATCH_COLUMNS, "watch=1&timeoutSeconds=1");
        if row["http"] == "200" {
            let found = all_events(story.server(&row), &url).await;
            assert_eq!(found, row["events in order within 1 s"], "{url}");
        } else {
            let answer = get(story.server(&row), &url).await;
            assert_eq!(answer.code.as_str(), row["http"], "{url}");
            story.check_error(&row, &answer.json(), &url);
        }
    });
    futures_util::future::join_all(watches).await;
}

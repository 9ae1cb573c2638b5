//! Watches on which changes never pause: each has its deadline, its bookmarks and its end.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::advance;

use super::*;
use crate::api_server::media::Encoding;
use crate::api_server::negotiate::{Format, View};
use crate::api_server::storage::Storage;
use crate::api_server::table::IncludeObject;
use crate::collection::query::Query;
use crate::faults::Injected;
use crate::handle::StorageHandle;
use crate::http::config::{Config, Documents};
use crate::http::gauge::WatchGauge;
use crate::http::log::RequestLog;

/// Two of these fill a piece, so that a third waits.
const LARGE: usize = BATCH_BYTES * 2 / 3;

/// How often a test reads: far more often than its deadline allows.
const READS: usize = 120;

const SECOND: Duration = Duration::from_secs(1);

fn state(shutdown: &watch::Sender<bool>) -> ServerState {
    let storage = Storage::new(10_000);
    let storage = StorageHandle::new(storage, Arc::new(|| Timestamp::UNIX_EPOCH), Some(1));
    ServerState {
        faults: Injected::default(),
        documents: Documents::default(),
        served: Arc::new(storage.clone()),
        writes: Ok(storage),
        gauge: WatchGauge::new(),
        log: RequestLog::default(),
        shutdown: shutdown.subscribe(),
        config: Config {
            bookmark_period: 10 * SECOND,
            last_bookmark_lead: 2 * SECOND,
            watch_timeout: 60 * SECOND,
            too_large_wait: 3 * SECOND,
            watch_list: true,
        },
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
    }
}

fn storage(state: &ServerState) -> &StorageHandle {
    state.writes.as_ref().unwrap()
}

fn open(state: &ServerState, query: &str) -> WatchStream {
    let registry = state.served.registry();
    let kind = registry.named("configmaps").cloned().unwrap();
    let plan = WatchPlan::parse(&kind, Some("ns"), &Query::parse(query)).unwrap();
    let format = Format {
        view: View::Object,
        encoding: Encoding::Json,
    };
    let renderer = Renderer::new(Arc::clone(&kind), format, IncludeObject::None);
    WatchStream::open(state, kind, plan, renderer, &[])
}

/// Three changes, of which one still waits after a piece has been taken.
fn write(state: &ServerState, number: usize) {
    for part in 0..3 {
        let object = json!({
            "metadata": {"name": format!("cm-{number}-{part}"), "namespace": "ns"},
            "data": {"k": "x".repeat(LARGE)},
        });
        storage(state).create("configmaps", object).unwrap();
    }
}

/// What one piece holds: each event's type and version.
fn events(piece: &[u8]) -> Vec<(String, u64)> {
    let lines = piece.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let event: Value = serde_json::from_slice(line).unwrap();
            let version = event["object"]["metadata"]["resourceVersion"].as_str();
            let event_type = event["type"].as_str().unwrap();
            (event_type.to_owned(), version.unwrap().parse().unwrap())
        })
        .collect()
}

/// Reads a watch to its end while changes are always waiting and every read takes a second.
async fn read_busy(state: &ServerState, mut watch: WatchStream) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for number in 0..READS {
        write(state, number);
        let Some(piece) = watch.next().await else {
            return all;
        };
        all.extend(events(&piece.unwrap()));
        advance(SECOND).await;
    }
    panic!("the watch does not end");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_never_pauses_ends_at_its_deadline() {
    let running = watch::Sender::new(false);
    let state = state(&running);
    let begun = Instant::now();
    let watch = open(&state, "watch=1&timeoutSeconds=30&resourceVersion=1");
    read_busy(&state, watch).await;
    assert_eq!(begun.elapsed(), 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_never_pauses_sends_bookmarks_of_what_it_has_sent() {
    let running = watch::Sender::new(false);
    let state = state(&running);
    let query = "watch=1&timeoutSeconds=35&allowWatchBookmarks=1&resourceVersion=1";
    let all = read_busy(&state, open(&state, query)).await;
    let mut sent = 1;
    let mut bookmarks = 0;
    for (event_type, version) in all {
        if event_type == "BOOKMARK" {
            bookmarks += 1;
            assert_eq!(version, sent, "a bookmark covers exactly what was sent");
        } else {
            assert_eq!(version, sent + 1, "no change is lost or sent twice");
            sent = version;
        }
    }
    // One each ten seconds, and the one before the deadline.
    assert_eq!(bookmarks, 4);
}

#[tokio::test(start_paused = true)]
async fn bookmarks_without_a_period_hold_up_neither_events_nor_the_deadline() {
    let running = watch::Sender::new(false);
    let mut state = state(&running);
    state.config.bookmark_period = Duration::ZERO;
    let query = "watch=1&timeoutSeconds=30&allowWatchBookmarks=1&resourceVersion=1";
    let all = read_busy(&state, open(&state, query)).await;
    assert!(all.iter().any(|(event_type, _)| event_type == "ADDED"));
}

#[tokio::test(start_paused = true)]
async fn an_initial_state_that_takes_too_long_ends_at_the_deadline() {
    let running = watch::Sender::new(false);
    let state = state(&running);
    (0..READS / 3).for_each(|number| write(&state, number));
    let begun = Instant::now();
    let mut watch = open(&state, "watch=1&timeoutSeconds=30");
    while watch.next().await.is_some() {
        advance(SECOND).await;
    }
    assert_eq!(begun.elapsed(), 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn closing_a_watch_that_never_pauses_sends_what_there_was_and_ends_it() {
    let running = watch::Sender::new(false);
    let state = state(&running);
    let watch = open(&state, "watch=1&timeoutSeconds=900&resourceVersion=1");
    write(&state, READS);
    let there = storage(&state).revision();
    state.faults.order(None, Order::Close);
    let all = read_busy(&state, watch).await;
    assert!(all.last().is_some_and(|(_, version)| *version >= there));
    assert!(all.len() < 10, "{} events", all.len());
}

#[tokio::test(start_paused = true)]
async fn changes_that_are_not_selected_let_other_tasks_run() {
    let running = watch::Sender::new(false);
    let state = state(&running);
    let query = "watch=1&timeoutSeconds=30&resourceVersion=1&labelSelector=app%3Dweb";
    let mut watch = open(&state, query);
    for number in 0..2 * BATCH_EVENTS {
        let object = json!({"metadata": {"name": format!("cm-{number}"), "namespace": "ns"}});
        storage(&state).create("configmaps", object).unwrap();
    }
    assert!(futures_util::poll!(std::pin::pin!(watch.next())).is_pending());
    let one_batch = 1 + BATCH_EVENTS as u64;
    assert_eq!(watch.position, one_batch, "pending between two batches");
    let begun = Instant::now();
    assert!(watch.next().await.is_none());
    assert_eq!(begun.elapsed(), 30 * SECOND);
}

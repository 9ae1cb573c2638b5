//! Every fault, as a client sees it.

mod common;

use std::time::Duration;

use common::{Answer, Ask, Next, Watch, config_map, get, open};
use heliostat_server::{ApiServer, Fault, FaultRule, RunningServer, Verb};
use serde_json::json;
use tokio::time::timeout;

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";

async fn serve() -> RunningServer {
    let server = ApiServer::builder().build();
    for index in 0..3 {
        server
            .storage()
            .create("configmaps", config_map(&format!("cm-{index}"), "1"))
            .unwrap();
    }
    server.serve_local().await.unwrap()
}

async fn list_with(server: &RunningServer, fault: Fault) -> Answer {
    let rule = FaultRule::new(fault)
        .on(Verb::List)
        .resource("configmaps")
        .once();
    let id = server.faults().inject(rule);
    let answer = get(server, MAPS).await;
    assert_eq!(server.faults().hits(id), 1);
    assert_eq!(
        get(server, MAPS).await.code,
        200,
        "the next one is answered"
    );
    answer
}

async fn watch_with(server: &RunningServer, fault: Fault, query: &str) -> Watch {
    server
        .faults()
        .inject(FaultRule::new(fault).on(Verb::Watch).once());
    Watch::open(server, &format!("{MAPS}?watch=1&{query}")).await
}

#[tokio::test]
async fn answers_are_replaced_by_errors() {
    let server = serve().await;
    let retry_after = Duration::from_secs(1);
    let busy = list_with(&server, Fault::TooManyRequests { retry_after }).await;
    assert_eq!(busy.code, 429);
    assert_eq!(busy.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(busy.header("retry-after"), "1");
    assert_eq!(busy.text(), "Too many requests, please try again later.\n");
    let loading = list_with(&server, Fault::NotReady { retry_after }).await;
    assert_eq!(
        (loading.code.as_u16(), loading.header("retry-after")),
        (429, "1")
    );
    assert_eq!(loading.json()["reason"], "TooManyRequests");
    let internal = list_with(&server, Fault::InternalError).await;
    assert_eq!(
        (internal.code.as_u16(), &internal.json()["reason"]),
        (500, &json!("InternalError"))
    );
    let away = list_with(&server, Fault::Unavailable { retry_after }).await;
    assert_eq!((away.code.as_u16(), away.header("retry-after")), (503, "1"));
    let expired = list_with(&server, Fault::Expired).await;
    assert_eq!(
        (expired.code.as_u16(), &expired.json()["reason"]),
        (410, &json!("Expired"))
    );
    let forbidden = list_with(&server, Fault::Forbidden).await;
    assert_eq!(forbidden.json()["details"], json!({"kind": "configmaps"}));
    let html = list_with(&server, Fault::Html).await;
    assert!(html.code == 200 && html.text().starts_with("<!DOCTYPE html>"));
    let broken = list_with(&server, Fault::InvalidJson).await;
    assert!(serde_json::from_slice::<serde_json::Value>(&broken.body).is_err());
    let malformed = list_with(&server, Fault::MalformedObject).await.json();
    assert_eq!(malformed["items"][0]["metadata"]["labels"], "malformed");
    assert!(malformed["items"][1]["metadata"]["labels"].is_null());
    server.shutdown().await;
}

#[tokio::test]
async fn a_connection_is_dropped_without_an_answer() {
    let server = serve().await;
    for http2 in [false, true] {
        server
            .faults()
            .inject(FaultRule::new(Fault::DropConnection).once());
        let ask = Ask {
            path: MAPS,
            http2,
            ..Ask::default()
        };
        assert!(open(&server, ask).await.is_err());
    }
    assert_eq!(get(&server, MAPS).await.code, 200);
    server.shutdown().await;
}

#[tokio::test]
async fn a_stalled_request_waits_until_it_is_cut() {
    let server = serve().await;
    let id = server
        .faults()
        .inject(FaultRule::new(Fault::Stall).on(Verb::List).once());
    let waiting = open(
        &server,
        Ask {
            path: MAPS,
            ..Ask::default()
        },
    );
    tokio::pin!(waiting);
    // Polls the request until the server has it.
    while server.faults().hits(id) == 0 {
        assert!(
            timeout(Duration::from_millis(1), &mut waiting)
                .await
                .is_err()
        );
    }
    server.faults().cut_watches(Some("configmaps"));
    assert!(waiting.await.is_err());
    server.shutdown().await;
}

#[tokio::test]
async fn a_stalled_request_does_not_hold_up_the_shutdown() {
    let server = serve().await;
    let id = server.faults().inject(FaultRule::new(Fault::Stall).once());
    let waiting = open(
        &server,
        Ask {
            path: MAPS,
            ..Ask::default()
        },
    );
    tokio::pin!(waiting);
    while server.faults().hits(id) == 0 {
        assert!(
            timeout(Duration::from_millis(1), &mut waiting)
                .await
                .is_err()
        );
    }
    server.shutdown().await;
    assert!(waiting.await.is_err());
}

#[tokio::test]
async fn streams_break_where_the_fault_says() {
    let server = serve().await;
    let mut cut = watch_with(&server, Fault::CutStream { after: 2 }, "").await;
    assert_eq!(cut.next_short().await, "ADDED cm-0");
    assert_eq!(cut.next_short().await, "ADDED cm-1");
    let Next::Broken(rest) = cut.next().await else {
        panic!("the stream is cut")
    };
    assert!(
        rest.starts_with("{\"type\":") && !rest.ends_with('}'),
        "half a frame: {rest}"
    );

    let mut closed = watch_with(&server, Fault::CloseStream { after: 1 }, "").await;
    assert_eq!(closed.next_short().await, "ADDED cm-0");
    assert_eq!(closed.next_short().await, "end");

    let mut expired = watch_with(&server, Fault::ExpiredEvent { after: 3 }, "").await;
    for name in [
        "ADDED cm-0",
        "ADDED cm-1",
        "ADDED cm-2",
        "ERROR(410 Expired)",
        "end",
    ] {
        assert_eq!(expired.next_short().await, name);
    }

    let mut stalled = watch_with(&server, Fault::StallStream { after: 1 }, "").await;
    assert_eq!(stalled.next_short().await, "ADDED cm-0");
    let mut other = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion=4")).await;
    server.storage().delete("configmaps", "ns/cm-0").unwrap();
    assert_eq!(other.next_short().await, "DELETED cm-0");
    // Others have been told by now; this one is silent, and open.
    assert!(stalled.is_silent_for(Duration::from_millis(1)).await);
    server.faults().cut_watches(None);
    assert!(matches!(stalled.next().await, Next::Broken(_)));
    server.shutdown().await;
}

#[tokio::test]
async fn open_streams_obey_orders_for_their_resource() {
    let server = serve().await;
    let mut maps = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion=4")).await;
    let mut nodes = Watch::open(&server, "/api/v1/nodes?watch=1").await;
    server.faults().expire_watches(Some("configmaps"));
    assert_eq!(maps.next_short().await, "ERROR(410 Expired)");
    assert_eq!(maps.next_short().await, "end");
    server
        .storage()
        .create("nodes", json!({"metadata": {"name": "n"}}))
        .unwrap();
    assert_eq!(nodes.next_short().await, "ADDED n");
    server.faults().close_watches(Some("nodes"));
    assert_eq!(nodes.next_short().await, "end");
    server.shutdown().await;
}

#[tokio::test]
async fn the_initial_state_goes_wrong_in_four_ways() {
    let server = serve().await;
    let sie = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1";
    server.faults().inject(
        FaultRule::new(Fault::RefuseWatchList)
            .on(Verb::Watch)
            .once(),
    );
    let refused = get(&server, &format!("{MAPS}?watch=1&{sie}")).await;
    assert_eq!(refused.code, 422);
    assert!(
        refused
            .text()
            .contains("unless the WatchList feature gate is enabled")
    );

    let mut ignored = watch_with(&server, Fault::IgnoreWatchList, sie).await;
    let mut endless = watch_with(&server, Fault::OmitEndMark, sie).await;
    server
        .storage()
        .create("configmaps", config_map("new", "1"))
        .unwrap();
    assert_eq!(ignored.next_short().await, "ADDED new");
    for name in ["ADDED cm-0", "ADDED cm-1", "ADDED cm-2", "ADDED new"] {
        assert_eq!(endless.next_short().await, name);
    }
    let mut malformed = watch_with(&server, Fault::MalformedObject, sie).await;
    let Next::Event(first) = malformed.next().await else {
        panic!("an event comes")
    };
    assert_eq!(first["object"]["metadata"]["labels"], "malformed");
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_without_the_gate_refuses_initial_events() {
    let server = ApiServer::builder()
        .watch_list(false)
        .build()
        .serve_local()
        .await
        .unwrap();
    let sie = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    assert_eq!(
        get(&server, &format!("{MAPS}?watch=1&{sie}")).await.code,
        422
    );
    server.shutdown().await;
}

#[tokio::test]
async fn the_same_page_comes_for_ever() {
    let server = serve().await;
    server
        .faults()
        .inject(FaultRule::new(Fault::RepeatContinue));
    let token = async |path: &str| {
        let page = get(&server, path).await.json();
        page["metadata"]["continue"].as_str().unwrap().to_owned()
    };
    let first = token(&format!("{MAPS}?limit=2")).await;
    let next = format!("{MAPS}?limit=2&continue={first}");
    assert_eq!(token(&next).await, first);
    assert_eq!(token(&next).await, first);
    server.shutdown().await;
}

#[tokio::test]
async fn bookmarks_can_be_left_out() {
    let server = ApiServer::builder()
        .bookmark_period(Duration::from_millis(1))
        .build();
    let server = server.serve_local().await.unwrap();
    let query = "allowWatchBookmarks=1&resourceVersion=1";
    let mut silent = watch_with(&server, Fault::OmitBookmarks, query).await;
    let mut talking = Watch::open(&server, &format!("{MAPS}?watch=1&{query}")).await;
    for _ in 0..5 {
        assert_eq!(talking.next_short().await, "BOOKMARK");
    }
    server
        .storage()
        .create("configmaps", config_map("a", "1"))
        .unwrap();
    assert_eq!(silent.next_short().await, "ADDED a");
    server.shutdown().await;
}

#[tokio::test]
async fn a_restart_loses_the_window_and_a_rewind_the_newest_writes() {
    let server = serve().await;
    let (storage, faults) = (server.storage().clone(), server.faults().clone());
    let backup = storage.backup();
    let old = storage.revision();
    storage
        .create("configmaps", config_map("late", "1"))
        .unwrap();
    let now = storage.revision();
    let mut watch = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion={now}")).await;
    faults.restart();
    assert_eq!(watch.next_short().await, "end");
    let mut stale = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion={old}")).await;
    assert_eq!(stale.next_short().await, "ERROR(410 Expired)");
    let mut watch = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion={now}")).await;
    faults.rewind(&backup);
    assert_eq!(watch.next_short().await, "end");
    assert_eq!(storage.revision(), old);
    assert!(storage.get("configmaps", "ns/late").unwrap().is_none());
    // A version from before the rewind is in the future now: silence, until it is passed.
    let mut ahead = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion={now}")).await;
    storage
        .create("configmaps", config_map("again", "1"))
        .unwrap();
    storage
        .create("configmaps", config_map("more", "1"))
        .unwrap();
    assert_eq!(ahead.next_short().await, "ADDED more");
    server.shutdown().await;
}

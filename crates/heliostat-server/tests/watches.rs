//! Lists and watches over HTTP beyond the recorded ones: bookmarks, deadlines, expiry, views,
//! compression, HTTP/2, shutdown.

mod common;

use std::io::Read as _;
use std::time::Duration;

use common::{Ask, Next, Watch, config_map, get, get_as, open, send, serve};
use flate2::read::GzDecoder;
use heliostat_server::{ApiServer, Kind};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json";

#[tokio::test]
async fn bookmarks_tell_progress_that_concerns_nobody() {
    let server = ApiServer::builder()
        .bookmark_period(Duration::from_millis(5))
        .build();
    server
        .storage()
        .create("configmaps", config_map("a", "1"))
        .unwrap();
    let server = server.serve_local().await.unwrap();
    let now = server.storage().revision();
    let path = format!("{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={now}");
    let mut watch = Watch::open(&server, &path).await;
    // Another kind moves the revision; a bookmark says so here.
    server
        .storage()
        .create("nodes", json!({"metadata": {"name": "n"}}))
        .unwrap();
    let reached = loop {
        let Next::Event(event) = watch.next().await else {
            panic!("the watch goes on")
        };
        assert_eq!(event["type"], "BOOKMARK");
        assert_eq!(event["object"]["kind"], "ConfigMap");
        let version = event["object"]["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .to_owned();
        if version != now.to_string() {
            break version;
        }
    };
    assert_eq!(reached, (now + 1).to_string());
    server.shutdown().await;
}

#[tokio::test]
async fn a_watch_ends_cleanly_at_its_timeout_after_a_last_bookmark() {
    let server = serve().await;
    let path = format!("{MAPS}?watch=1&timeoutSeconds=2&allowWatchBookmarks=1&resourceVersion=1");
    let mut watch = Watch::open(&server, &path).await;
    assert_eq!(watch.next_short().await, "BOOKMARK");
    assert_eq!(watch.next_short().await, "end");
    server.shutdown().await;
}

#[tokio::test]
async fn a_watch_starts_exactly_after_its_version() {
    let server = serve().await;
    let storage = server.storage();
    storage.create("configmaps", config_map("a", "1")).unwrap();
    let version = storage.revision();
    storage.create("configmaps", config_map("b", "1")).unwrap();
    let path = format!("{MAPS}?watch=1&resourceVersion={version}");
    let mut watch = Watch::open(&server, &path).await;
    assert_eq!(watch.next_short().await, "ADDED b");
    // Recreated within one batch, an object is deleted and added again.
    storage.delete("configmaps", "ns/b").unwrap();
    storage.create("configmaps", config_map("b", "2")).unwrap();
    assert_eq!(watch.next_short().await, "DELETED b");
    assert_eq!(watch.next_short().await, "ADDED b");
    // Other namespaces are not told.
    let mut other = config_map("c", "1");
    other["metadata"]["namespace"] = "other".into();
    storage.create("configmaps", other).unwrap();
    storage.create("configmaps", config_map("d", "1")).unwrap();
    assert_eq!(watch.next_short().await, "ADDED d");
    server.shutdown().await;
}

#[tokio::test]
async fn a_version_below_the_window_is_expired() {
    let server = ApiServer::builder().event_window(3).build();
    for index in 0..6 {
        server
            .storage()
            .create("configmaps", config_map(&format!("cm-{index}"), "1"))
            .unwrap();
    }
    let newest = server.storage().revision();
    let server = server.serve_local().await.unwrap();
    let first_kept = newest - 2;
    let mut watch = Watch::open(
        &server,
        &format!("{MAPS}?watch=1&resourceVersion={}", first_kept - 2),
    )
    .await;
    let Next::Event(event) = watch.next().await else {
        panic!("an error comes")
    };
    assert_eq!(event["object"]["code"], 410);
    let message = format!(
        "too old resource version: {} ({})",
        first_kept - 2,
        first_kept - 1
    );
    assert_eq!(event["object"]["message"], message);
    assert_eq!(watch.next_short().await, "end");
    let mut watch = Watch::open(
        &server,
        &format!("{MAPS}?watch=1&resourceVersion={}", first_kept - 1),
    )
    .await;
    assert_eq!(watch.next_short().await, "ADDED cm-3");
    server.shutdown().await;
}

#[tokio::test]
async fn pages_are_of_one_moment_and_expire_with_a_token_that_goes_on() {
    let server = serve().await;
    let storage = server.storage();
    for index in 0..5 {
        storage
            .create("configmaps", config_map(&format!("cm-{index}"), "1"))
            .unwrap();
    }
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = get(&server, &format!("{MAPS}?limit=2")).await.json();
    storage.delete("configmaps", "ns/cm-3").unwrap();
    storage
        .create("configmaps", config_map("cm-9", "1"))
        .unwrap();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = get(&server, &format!("{MAPS}?limit=2&continue={token}"))
        .await
        .json();
    assert_eq!(
        names(&second),
        ["cm-2", "cm-3"],
        "the deleted one was there at that version"
    );
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert_eq!(second["metadata"]["remainingItemCount"], 1);

    server.faults().expire_history(None);
    let expired = get(&server, &format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!(expired.code, 410);
    let token = expired.json()["metadata"]["continue"]
        .as_str()
        .unwrap()
        .to_owned();
    let rest = get(&server, &format!("{MAPS}?continue={token}"))
        .await
        .json();
    assert_eq!(names(&rest), ["cm-2", "cm-4", "cm-9"]);
    assert_eq!(
        rest["metadata"]["resourceVersion"],
        storage.revision().to_string()
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_page_with_a_selector_does_not_count_what_remains() {
    let server = serve().await;
    for index in 0..6 {
        let mut object = config_map(&format!("cm-{index}"), "1");
        object["metadata"]["labels"] = json!({"even": (index % 2 == 0).to_string()});
        server.storage().create("configmaps", object).unwrap();
    }
    let path = "/api/v1/configmaps?limit=2&labelSelector=even%3Dtrue";
    let first = get(&server, path).await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    assert!(first["metadata"]["remainingItemCount"].is_null());
    let token = first["metadata"]["continue"].as_str().unwrap();
    let rest = get(&server, &format!("{path}&continue={token}"))
        .await
        .json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn waiting_for_a_version_ends_when_it_comes() {
    let server = ApiServer::builder()
        .too_large_wait(Duration::from_secs(30))
        .build();
    let server = server.serve_local().await.unwrap();
    let next = server.storage().revision() + 1;
    let path = format!("{MAPS}?resourceVersion={next}");
    let (answer, created) = tokio::join!(get(&server, &path), async {
        tokio::task::yield_now().await;
        server.storage().create("configmaps", config_map("a", "1"))
    });
    created.unwrap();
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 1);

    let sie = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let path = format!(
        "{MAPS}?{sie}&allowWatchBookmarks=1&resourceVersion={}",
        next + 1
    );
    let mut watch = Watch::open(&server, &path).await;
    server
        .storage()
        .create("configmaps", config_map("b", "1"))
        .unwrap();
    assert_eq!(watch.next_short().await, "ADDED a");
    assert_eq!(watch.next_short().await, "ADDED b");
    assert_eq!(watch.next_short().await, "BOOKMARK(initial-events-end)");
    server.shutdown().await;
}

#[tokio::test]
async fn metadata_alone_and_tables_are_watched_too() {
    let server = serve().await;
    server
        .storage()
        .create("configmaps", config_map("a", "1"))
        .unwrap();
    let sie = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let path = format!("{MAPS}?{sie}&allowWatchBookmarks=1");
    let headers = [("accept", PARTIAL)];
    let ask = Ask {
        path: &path,
        headers: &headers,
        ..Ask::default()
    };
    let mut partial = Watch::open_as(&server, ask).await;
    let headers = [("accept", TABLE)];
    let ask = Ask {
        path: &path,
        headers: &headers,
        ..Ask::default()
    };
    let mut table = Watch::open_as(&server, ask).await;
    let mut next = async || {
        let (Next::Event(partial), Next::Event(table)) = tokio::join!(partial.next(), table.next())
        else {
            panic!("both go on");
        };
        (partial, table)
    };
    let (first, first_row) = next().await;
    assert_eq!(first["object"]["kind"], "PartialObjectMetadata");
    assert!(first["object"].get("data").is_none());
    assert_eq!(first_row["object"]["kind"], "Table");
    assert_eq!(
        first_row["object"]["columnDefinitions"][0]["format"],
        "name"
    );
    assert_eq!(first_row["object"]["rows"][0]["cells"][0], "a");
    let (mark, mark_row) = next().await;
    let mark_of =
        |object: &Value| object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
    assert!(mark_of(&mark["object"]));
    assert!(mark_of(&mark_row["object"]["rows"][0]["object"]));
    server
        .storage()
        .merge_patch("configmaps", "ns/a", json!({"data": {"l": "2"}}))
        .unwrap();
    let (change, change_row) = next().await;
    assert_eq!(change["type"], "MODIFIED");
    assert_eq!(change_row["object"]["columnDefinitions"], Value::Null);
    assert_eq!(change_row["object"]["rows"][0]["cells"][1], 2);
    server.shutdown().await;
}

#[tokio::test]
async fn tables_hold_the_object_that_was_asked_for() {
    let server = serve().await;
    server
        .storage()
        .create("configmaps", config_map("a", "1"))
        .unwrap();
    for (include, expected) in [
        ("", "PartialObjectMetadata"),
        ("Metadata", "PartialObjectMetadata"),
        ("Object", "ConfigMap"),
    ] {
        let table = get_as(&server, &format!("{MAPS}?includeObject={include}"), TABLE)
            .await
            .json();
        assert_eq!(table["rows"][0]["object"]["kind"], expected, "{include}");
    }
    let table = get_as(&server, &format!("{MAPS}?includeObject=None"), TABLE)
        .await
        .json();
    assert!(table["rows"][0].get("object").is_none());
    assert_eq!(
        get_as(&server, &format!("{MAPS}?includeObject=X"), TABLE)
            .await
            .code,
        400
    );
    assert_eq!(
        get_as(&server, MAPS, "application/xml").await.json()["reason"],
        "NotAcceptable"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn large_lists_are_compressed_for_those_who_can_read_it() {
    let server = serve().await;
    let objects = (0..300).map(|index| config_map(&format!("cm-{index:03}"), &"x".repeat(2_000)));
    assert_eq!(server.storage().load("configmaps", objects).unwrap(), 300);
    let plain = get(&server, MAPS).await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.json()["items"].as_array().unwrap().len(), 300);
    let headers = [("accept-encoding", "br, gzip")];
    let ask = Ask {
        path: MAPS,
        headers: &headers,
        ..Ask::default()
    };
    let packed = send(&server, ask.clone()).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.body.as_ref())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain.body);
    let small = format!("{MAPS}?limit=2");
    let small = send(
        &server,
        Ask {
            path: &small,
            ..ask
        },
    )
    .await;
    assert_eq!(small.header("content-encoding"), "");
    server.shutdown().await;
}

#[tokio::test]
async fn http2_with_prior_knowledge_carries_many_watches() {
    let server = serve().await;
    let path = format!("{MAPS}?watch=1&resourceVersion=1");
    let mut watches = Vec::new();
    for _ in 0..5 {
        let ask = Ask {
            path: &path,
            http2: true,
            ..Ask::default()
        };
        watches.push(Watch::open_as(&server, ask).await);
    }
    assert_eq!(server.open_watches("configmaps"), 5);
    server
        .storage()
        .create("configmaps", config_map("a", "1"))
        .unwrap();
    for watch in &mut watches {
        assert_eq!(watch.next_short().await, "ADDED a");
    }
    drop(watches);
    server.wait_for_no_watches("configmaps").await;
    server.shutdown().await;
}

#[tokio::test]
async fn shutdown_ends_every_watch_and_the_storage_lives_on() {
    let api = ApiServer::builder().build();
    let server = api.serve_local().await.unwrap();
    let mut watch = Watch::open(&server, &format!("{MAPS}?watch=1")).await;
    server.faults().stall_watches(Some("configmaps"));
    let mut other = Watch::open(&server, "/api/v1/nodes?watch=1").await;
    api.storage()
        .create("configmaps", config_map("a", "1"))
        .unwrap();
    server.shutdown().await;
    assert_eq!(watch.next_short().await, "end");
    assert_eq!(other.next_short().await, "end");
    let again = api.serve_local().await.unwrap();
    assert_eq!(
        get(&again, MAPS).await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    again.shutdown().await;
}

#[tokio::test]
async fn documents_describe_the_server() {
    let kind = Kind::custom("example.com", "v1", "Widget", "widgets").with_status();
    let server = ApiServer::builder()
        .with_kind(kind)
        .build()
        .serve_local()
        .await
        .unwrap();
    assert_eq!(get(&server, "/healthz").await.text(), "ok");
    assert!(
        get(&server, "/readyz?verbose")
            .await
            .text()
            .ends_with("readyz check passed\n")
    );
    assert_eq!(get(&server, "/version").await.json()["major"], "1");
    assert_eq!(get(&server, "/api").await.json()["versions"], json!(["v1"]));
    let core = get(&server, "/api/v1").await.json();
    assert!(core.get("apiVersion").is_none());
    let group = get(&server, "/apis/example.com").await.json();
    assert_eq!(group["preferredVersion"]["groupVersion"], "example.com/v1");
    let widgets = get(&server, "/apis/example.com/v1").await.json();
    assert_eq!(widgets["resources"][1]["name"], "widgets/status");
    assert_eq!(get(&server, "/apis/none.example.com").await.code, 404);

    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let answer = get_as(&server, "/apis", &format!("{aggregated},application/json")).await;
    assert_eq!(answer.header("content-type"), aggregated);
    let document = answer.json();
    let last = document["items"].as_array().unwrap().last().unwrap();
    assert_eq!(last["metadata"]["name"], "example.com");
    let headers = [
        ("accept", aggregated),
        ("if-none-match", answer.header("etag")),
    ];
    let ask = Ask {
        path: "/apis",
        headers: &headers,
        ..Ask::default()
    };
    assert_eq!(send(&server, ask).await.code, 304);

    let index = get(&server, "/openapi/v3").await.json();
    let link = index["paths"]["apis/example.com/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let document = get(&server, link).await.json();
    let path = "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}";
    assert_eq!(
        document["paths"][path]["patch"]["x-kubernetes-group-version-kind"]["kind"],
        "Widget"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn answers_are_indented_for_people_and_watches_never_are() {
    let server = serve().await;
    server
        .storage()
        .create("configmaps", config_map("a", "1"))
        .unwrap();
    let headers = [("user-agent", "curl/8.0")];
    let ask = Ask {
        path: MAPS,
        headers: &headers,
        ..Ask::default()
    };
    assert!(
        send(&server, ask)
            .await
            .text()
            .starts_with("{\n  \"kind\": \"ConfigMapList\",\n")
    );
    let path = format!("{MAPS}?watch=1&pretty=true");
    let ask = Ask {
        path: &path,
        headers: &headers,
        ..Ask::default()
    };
    let response = open(&server, ask).await.unwrap();
    server.faults().close_watches(None);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_watch_that_falls_out_of_the_window_ends_cleanly() {
    let server = ApiServer::builder()
        .event_window(2)
        .build()
        .serve_local()
        .await
        .unwrap();
    let mut watch = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion=1")).await;
    // Nothing is polled in between, so the watch sees none of these in time.
    for index in 0..5 {
        let name = format!("cm-{index}");
        server
            .storage()
            .create("configmaps", config_map(&name, "1"))
            .unwrap();
    }
    assert_eq!(watch.next_short().await, "end");
    let mut again = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion=1")).await;
    assert_eq!(again.next_short().await, "ERROR(410 Expired)");
    server.shutdown().await;
}

#[tokio::test]
async fn watches_end_with_the_definition_of_their_kind() {
    let server = serve().await;
    let definition = |short: &str| {
        json!({
            "metadata": {"name": "gadgets.test.dev"},
            "spec": {
                "group": "test.dev",
                "scope": "Cluster",
                "names": {"plural": "gadgets", "kind": "Gadget", "shortNames": [short]},
                "versions": [{"name": "v1", "served": true, "storage": true}],
            },
        })
    };
    let crds = "customresourcedefinitions.apiextensions.k8s.io";
    let path = "/apis/test.dev/v1/gadgets?watch=1";
    assert_eq!(get(&server, path).await.code, 404);
    server.storage().create(crds, definition("gd")).unwrap();
    let mut watch = Watch::open(&server, path).await;
    // A change that is none to the kind leaves its watches alone; another ends them.
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    server
        .storage()
        .merge_patch(crds, "gadgets.test.dev", label)
        .unwrap();
    let gadget = json!({"apiVersion": "test.dev/v1", "kind": "Gadget", "metadata": {"name": "g"}});
    server.storage().create("gadgets.test.dev", gadget).unwrap();
    assert_eq!(watch.next_short().await, "ADDED g");
    let names = json!({"spec": {"names": {"shortNames": ["gg"]}}});
    server
        .storage()
        .merge_patch(crds, "gadgets.test.dev", names)
        .unwrap();
    assert_eq!(watch.next_short().await, "end");
    let mut watch = Watch::open(&server, path).await;
    assert_eq!(watch.next_short().await, "ADDED g");
    server.storage().delete(crds, "gadgets.test.dev").unwrap();
    assert_eq!(watch.next_short().await, "end");
    assert_eq!(get(&server, path).await.code, 404);
    server.shutdown().await;
}

#[tokio::test]
async fn versions_before_a_kind_was_defined_again_are_expired() {
    let server = serve().await;
    let storage = server.storage();
    let crds = "customresourcedefinitions.apiextensions.k8s.io";
    let definition = json!({
        "metadata": {"name": "gadgets.test.dev"},
        "spec": {
            "group": "test.dev",
            "scope": "Cluster",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true}],
        },
    });
    let gadget = json!({"apiVersion": "test.dev/v1", "kind": "Gadget", "metadata": {"name": "g"}});
    storage.create(crds, definition.clone()).unwrap();
    storage.create("gadgets.test.dev", gadget.clone()).unwrap();
    let other = json!({"apiVersion": "test.dev/v1", "kind": "Gadget", "metadata": {"name": "h"}});
    storage.create("gadgets.test.dev", other).unwrap();
    let version = storage.revision();
    let path = "/apis/test.dev/v1/gadgets";
    let page = format!("{path}?limit=1&resourceVersion={version}");
    let first = get(&server, &page).await.json();
    let token = first["metadata"]["continue"].as_str().unwrap();
    storage.delete(crds, "gadgets.test.dev").unwrap();
    storage.create(crds, definition).unwrap();

    let mut watch = Watch::open(
        &server,
        &format!("{path}?watch=1&resourceVersion={version}"),
    )
    .await;
    assert_eq!(watch.next_short().await, "ERROR(410 Expired)");
    assert_eq!(watch.next_short().await, "end");
    let exact = format!("{path}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(get(&server, &exact).await.code, 410);
    assert_eq!(get(&server, &page).await.code, 410);
    let next = format!("{path}?limit=1&continue={token}");
    assert_eq!(get(&server, &next).await.code, 410);

    // From its own beginning on, the new collection has a history.
    let now = storage.revision();
    storage.create("gadgets.test.dev", gadget).unwrap();
    let mut watch = Watch::open(&server, &format!("{path}?watch=1&resourceVersion={now}")).await;
    assert_eq!(watch.next_short().await, "ADDED g");
    server.shutdown().await;
}

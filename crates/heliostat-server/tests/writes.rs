//! The rules of writing as an HTTP client meets them.

mod common;

use common::{Next, Watch, config_map, delete, get, patch, post, put, send, serve, with_body};
use heliostat_server::{ApiServer, Kind, RunningServer};
use http::Method;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const PODS: &str = "/api/v1/namespaces/ns/pods";
const MERGE: &str = "application/merge-patch+json";

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "a:1"}]},
        "status": {"phase": "Running"},
    })
}

#[tokio::test]
async fn create_fills_in_what_only_the_server_knows() {
    let server = serve().await;
    let answer = post(&server, PODS, &pod("web")).await;
    assert_eq!(answer.code, 201);
    let object = answer.json();
    let metadata = &object["metadata"];
    assert_eq!(metadata["uid"].as_str().unwrap().len(), 36);
    assert_eq!(metadata["uid"].as_str().unwrap().as_bytes()[14], b'4');
    assert!(
        metadata["creationTimestamp"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(metadata["namespace"], "ns");
    assert_eq!(metadata["generation"], 1);
    assert_eq!(
        object["status"],
        json!({"phase": "Pending"}),
        "the status is not the creator's"
    );
    assert_eq!(get(&server, &format!("{PODS}/web")).await.json(), object);

    let again = post(&server, PODS, &pod("web")).await;
    assert_eq!(again.code, 409);
    assert_eq!(again.json()["reason"], "AlreadyExists");
    assert_eq!(again.json()["message"], "pods \"web\" already exists");
    server.shutdown().await;
}

#[tokio::test]
async fn a_generated_name_is_the_prefix_and_five_letters() {
    let server = ApiServer::builder()
        .seed(7)
        .build()
        .serve_local()
        .await
        .unwrap();
    let mut object = pod("x");
    object["metadata"] = json!({"generateName": "web-"});
    let mut names = Vec::new();
    for _ in 0..3 {
        let created = post(&server, PODS, &object).await.json();
        names.push(created["metadata"]["name"].as_str().unwrap().to_owned());
    }
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("web-") && name.len() == 9),
        "{names:?}"
    );
    names.dedup();
    assert_eq!(names.len(), 3);
    server.shutdown().await;
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_refused_with_the_right_code() {
    let server = serve().await;
    let mut with_version = config_map("a", "v");
    with_version["metadata"]["resourceVersion"] = "5".into();
    let mut wrong_labels = config_map("a", "v");
    wrong_labels["metadata"]["labels"] = json!({"a": 1});
    let cases = [
        (json!([1]), 400, "BadRequest"),
        (pod("web"), 400, "BadRequest"),
        (
            json!({"metadata": {"name": "a", "namespace": "other"}}),
            400,
            "BadRequest",
        ),
        (wrong_labels, 400, "BadRequest"),
        (json!({"metadata": {}}), 422, "Invalid"),
        (json!({"metadata": {"name": "Not_A_Name"}}), 422, "Invalid"),
        (with_version, 500, ""),
    ];
    for (body, code, reason) in cases {
        let answer = post(&server, MAPS, &body).await;
        assert_eq!(answer.code, code, "{body}");
        let status = answer.json();
        assert_eq!(
            status["reason"].as_str().unwrap_or_default(),
            reason,
            "{body}"
        );
    }
    let ask = |content_type: &'static str, body: &[u8]| {
        let body = body.to_vec();
        let server = &server;
        async move {
            let headers = [("content-type", content_type)];
            let ask = common::Ask {
                method: Method::POST,
                path: MAPS,
                headers: &headers,
                body,
                ..common::Ask::default()
            };
            send(server, ask).await.code.as_u16()
        }
    };
    assert_eq!(ask("application/json", b"{nonsense").await, 400);
    assert_eq!(
        ask("application/vnd.kubernetes.protobuf", b"k8s\0").await,
        400
    );
    assert_eq!(ask("application/cbor", b"\xd9\xd9\xf7").await, 415);
    assert_eq!(
        ask("application/json", &vec![b' '; 4 * 1024 * 1024]).await,
        413
    );
    assert!(server.storage().versions("configmaps").unwrap().is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn update_is_guarded_by_version_and_uid() {
    let server = serve().await;
    let path = format!("{MAPS}/a");
    let first = post(&server, MAPS, &config_map("a", "1")).await.json();
    let mut next = first.clone();
    next["data"]["k"] = "2".into();
    let second = put(&server, &path, &next).await;
    assert_eq!(second.code, 200);
    assert!(version(&second.json()) > version(&first));

    let stale = put(&server, &path, &next).await;
    assert_eq!(stale.code, 409);
    assert_eq!(
        stale.json()["message"],
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please \
         apply your changes to the latest version and try again"
    );
    assert_eq!(
        stale.json()["details"],
        json!({"name": "a", "kind": "configmaps"})
    );

    let unconditional = put(&server, &path, &config_map("a", "3")).await;
    assert_eq!(unconditional.json()["data"]["k"], "3");
    assert_eq!(
        unconditional.json()["metadata"]["uid"],
        first["metadata"]["uid"]
    );

    let mut other = config_map("a", "4");
    other["metadata"]["uid"] = "11111111-1111-4111-8111-111111111111".into();
    assert_eq!(put(&server, &path, &other).await.code, 409);
    assert_eq!(put(&server, &path, &config_map("b", "4")).await.code, 400);
    assert_eq!(
        put(&server, &format!("{MAPS}/b"), &config_map("b", "4"))
            .await
            .code,
        404
    );
    server.shutdown().await;
}

#[tokio::test]
async fn custom_resources_need_a_version_to_be_updated() {
    let kind = Kind::custom("example.com", "v1", "Widget", "widgets").with_status();
    let server = ApiServer::builder()
        .with_kind(kind)
        .build()
        .serve_local()
        .await
        .unwrap();
    let base = "/apis/example.com/v1/namespaces/ns/widgets";
    let widget = |size: u32| {
        json!({
            "apiVersion": "example.com/v1", "kind": "Widget",
            "metadata": {"name": "w"}, "spec": {"size": size},
        })
    };
    assert_eq!(post(&server, base, &widget(1)).await.code, 201);
    let refused = put(&server, &format!("{base}/w"), &widget(2)).await;
    assert_eq!(
        (refused.code.as_u16(), refused.json()["reason"].as_str()),
        (422, Some("Invalid"))
    );
    let strategic = "application/strategic-merge-patch+json";
    let change = json!({"spec": {"size": 3}});
    assert_eq!(
        patch(&server, &format!("{base}/w"), strategic, &change)
            .await
            .code,
        415
    );
    let changed = patch(&server, &format!("{base}/w"), MERGE, &change).await;
    assert_eq!(changed.json()["metadata"]["generation"], 2);
    let missing_type = post(&server, base, &json!({"metadata": {"name": "x"}})).await;
    assert_eq!(missing_type.code, 400);
    server.shutdown().await;
}

#[tokio::test]
async fn generation_counts_changes_of_the_specification_alone() {
    let server = serve().await;
    let path = format!("{PODS}/web");
    post(&server, PODS, &pod("web")).await;
    let generation = |object: Value| object["metadata"]["generation"].as_u64().unwrap();
    let steps = [
        (path.clone(), json!({"metadata": {"labels": {"a": "b"}}}), 1),
        (
            format!("{path}/status"),
            json!({"status": {"phase": "Running"}}),
            1,
        ),
        (path.clone(), json!({"spec": {"nodeName": "n"}}), 2),
        // A status in a write to the object itself changes nothing.
        (path.clone(), json!({"status": {"phase": "Failed"}}), 2),
        // A specification in a write to the status changes nothing either.
        (
            format!("{path}/status"),
            json!({"spec": {"nodeName": "m"}}),
            2,
        ),
    ];
    for (path, change, expected) in steps {
        let answer = patch(&server, &path, MERGE, &change).await;
        assert_eq!(generation(answer.json()), expected, "{change}");
    }
    let pod = get(&server, &path).await.json();
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(pod["spec"]["nodeName"], "n");
    server.shutdown().await;
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_no_write() {
    let server = serve().await;
    let created = post(&server, MAPS, &config_map("a", "1")).await.json();
    let before = server.storage().revision();
    let path = format!("{MAPS}/a");
    assert_eq!(put(&server, &path, &created).await.json(), created);
    assert_eq!(
        patch(&server, &path, MERGE, &json!({"data": {"k": "1"}}))
            .await
            .json(),
        created
    );
    assert_eq!(server.storage().revision(), before);
    server.shutdown().await;
}

#[tokio::test]
async fn a_dry_run_answers_and_keeps_nothing() {
    let server = serve().await;
    post(&server, MAPS, &config_map("a", "1")).await;
    let before = server.storage().revision();
    let dry = |path: &str| format!("{path}?dryRun=All");
    assert_eq!(
        post(&server, &dry(MAPS), &config_map("b", "1")).await.code,
        201
    );
    let path = format!("{MAPS}/a");
    let changed = put(&server, &dry(&path), &config_map("a", "2"))
        .await
        .json();
    assert_eq!(changed["data"]["k"], "2");
    assert_eq!(delete(&server, &dry(&path)).await.code, 200);
    let body = json!({"dryRun": ["All"]});
    assert_eq!(
        with_body(&server, Method::DELETE, &path, &body).await.code,
        200
    );
    assert_eq!(
        post(
            &server,
            &format!("{MAPS}?dryRun=Some"),
            &config_map("b", "1")
        )
        .await
        .code,
        400
    );
    assert_eq!(server.storage().revision(), before);
    assert_eq!(get(&server, &path).await.json()["data"]["k"], "1");
    server.shutdown().await;
}

#[tokio::test]
async fn deleting_answers_a_status_and_honours_preconditions() {
    let server = serve().await;
    let object = post(&server, MAPS, &config_map("a", "1")).await.json();
    let path = format!("{MAPS}/a");
    for precondition in [json!({"uid": "other"}), json!({"resourceVersion": "1"})] {
        let body = json!({"kind": "DeleteOptions", "preconditions": precondition});
        let answer = with_body(&server, Method::DELETE, &path, &body).await;
        assert_eq!(answer.json()["reason"], "Conflict", "{body}");
    }
    let uid = &object["metadata"]["uid"];
    let body = json!({"preconditions": {"uid": uid}});
    let answer = with_body(&server, Method::DELETE, &path, &body)
        .await
        .json();
    assert_eq!(
        answer,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": uid},
        })
    );
    let missing = delete(&server, &path).await;
    assert_eq!(missing.json()["message"], "configmaps \"a\" not found");
    server.shutdown().await;
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_one_is_gone() {
    let server = serve().await;
    let path = format!("{MAPS}/a");
    let mut object = config_map("a", "1");
    object["metadata"]["finalizers"] = json!(["test.dev/hold"]);
    post(&server, MAPS, &object).await;
    let mut watch = Watch::open(&server, &format!("{MAPS}?watch=1&resourceVersion=0")).await;
    assert_eq!(watch.next_short().await, "ADDED a");

    let marked = delete(&server, &path).await.json();
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(watch.next_short().await, "MODIFIED a");
    let again = delete(&server, &path).await.json();
    assert_eq!(again, marked, "a second delete changes nothing");
    let more = json!({"metadata": {"finalizers": ["test.dev/hold", "test.dev/more"]}});
    assert_eq!(patch(&server, &path, MERGE, &more).await.code, 422);

    let free = json!({"metadata": {"finalizers": null}});
    assert_eq!(patch(&server, &path, MERGE, &free).await.code, 200);
    let Next::Event(gone) = watch.next().await else {
        panic!("the watch goes on")
    };
    assert_eq!(gone["type"], "DELETED");
    assert_eq!(version(&gone["object"]), server.storage().revision());
    assert_eq!(get(&server, &path).await.code, 404);
    server.shutdown().await;
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let server = serve().await;
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let mut object = config_map(name, "1");
        object["metadata"]["labels"] = json!({"app": app});
        post(&server, MAPS, &object).await;
    }
    let answer = delete(&server, &format!("{MAPS}?labelSelector=app%3Dx")).await;
    let gone = answer.json();
    assert_eq!(gone["kind"], "ConfigMapList");
    assert_eq!(gone["items"].as_array().unwrap().len(), 2);
    let left: Vec<String> = server
        .storage()
        .versions("configmaps")
        .unwrap()
        .into_keys()
        .collect();
    assert_eq!(left, ["ns/b"]);
    server.shutdown().await;
}

async fn check_code(server: &RunningServer, method: Method, path: &str, code: u16) {
    let ask = common::Ask {
        method: method.clone(),
        path,
        ..common::Ask::default()
    };
    assert_eq!(send(server, ask).await.code, code, "{method} {path}");
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let server = serve().await;
    check_code(&server, Method::POST, "/api/v1/configmaps", 405).await;
    check_code(&server, Method::PUT, MAPS, 405).await;
    check_code(&server, Method::GET, "/api/v1/namespaces/ns/nodes", 404).await;
    check_code(&server, Method::GET, "/api/v1/configmaps/a", 404).await;
    check_code(&server, Method::GET, &format!("{PODS}/web/log"), 404).await;
    check_code(&server, Method::GET, "/nothing/here", 404).await;
    server.shutdown().await;
}

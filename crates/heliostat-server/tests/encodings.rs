//! Bodies and answers in protobuf and YAML, and everything that a body can have wrong.

mod common;

use common::{Answer, Ask, config_map, get, get_as, post, send, serve};
use heliostat_kinds::{Envelope, MAGIC, from_protobuf, to_json, to_protobuf};
use heliostat_server::{ApiServer, Fault, FaultRule, Kind, RunningServer, Verb};
use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use serde_json::{Value, json};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const YAML: &str = "application/yaml";
const JSON: &str = "application/json";
const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/ns/widgets";

fn binary(object: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    to_protobuf(object.to_string().as_bytes(), &mut out).unwrap();
    out
}

async fn ask(
    server: &RunningServer,
    (method, path): (Method, &str),
    (content_type, accept): (&str, &str),
    body: &[u8],
) -> Answer {
    let headers = [("content-type", content_type), ("accept", accept)];
    let ask = Ask {
        method,
        path,
        headers: &headers,
        body: body.to_vec(),
        ..Ask::default()
    };
    send(server, ask).await
}

/// Creates an object from a body and returns the answer in JSON.
async fn create(server: &RunningServer, path: &str, content_type: &str, body: &[u8]) -> Answer {
    ask(server, (Method::POST, path), (content_type, JSON), body).await
}

async fn refused(path: &str, content_type: &str, body: &[u8]) -> (u16, String) {
    let widget = Kind::custom("example.com", "v1", "Widget", "widgets");
    let server = ApiServer::builder().with_kind(widget).build();
    let server = server.serve_local().await.unwrap();
    let answer = create(&server, path, content_type, body).await;
    assert!(server.storage().versions("configmaps").unwrap().is_empty());
    server.shutdown().await;
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    (answer.code.as_u16(), message)
}

#[tokio::test]
async fn an_object_goes_in_and_comes_out_in_every_encoding() {
    let server = serve().await;
    let json = config_map("json", "v").to_string();
    let yaml = "metadata:\n  name: yaml\ndata: {k: v}\n";
    for (name, content_type, body) in [
        ("json", JSON, json.as_bytes()),
        ("yaml", YAML, yaml.as_bytes()),
        ("protobuf", PROTOBUF, &binary(&config_map("protobuf", "v"))),
    ] {
        let answer = ask(
            &server,
            (Method::POST, MAPS),
            (content_type, PROTOBUF),
            body,
        )
        .await;
        assert_eq!(
            (answer.code.as_u16(), answer.header("content-type")),
            (201, PROTOBUF)
        );
        let created: ConfigMap = from_protobuf(&answer.body).unwrap();
        assert_eq!(created.data.unwrap()["k"], "v");

        let path = format!("{MAPS}/{name}");
        let as_json = get(&server, &path).await.json();
        let as_yaml = get_as(&server, &path, YAML).await;
        assert_eq!(as_yaml.header("content-type"), YAML);
        let read: Value = serde_saphyr::from_slice(&as_yaml.body).unwrap();
        assert_eq!(read, as_json);
        let mut shown = Vec::new();
        to_json(&get_as(&server, &path, PROTOBUF).await.body, &mut shown).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&shown).unwrap(), as_json);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn updates_and_deletes_take_protobuf() {
    let server = serve().await;
    let path = &format!("{MAPS}/a");
    post(&server, MAPS, &config_map("a", "1")).await;
    let body = binary(&config_map("a", "2"));
    let changed = ask(&server, (Method::PUT, path), (PROTOBUF, JSON), &body).await;
    assert_eq!(changed.json()["data"]["k"], "2");

    let options = |uid: &str| {
        binary(&json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid},
        }))
    };
    let delete = async |uid: &str, accept: &str| {
        let body = options(uid);
        ask(&server, (Method::DELETE, path), (PROTOBUF, accept), &body).await
    };
    let conflict = delete("other", PROTOBUF).await;
    assert_eq!(conflict.code, 409);
    let status: Status = from_protobuf(&conflict.body).unwrap();
    assert_eq!(status.reason.as_deref(), Some("Conflict"));
    let uid = changed.json()["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let deleted = delete(&uid, PROTOBUF).await;
    let status: Status = from_protobuf(&deleted.body).unwrap();
    assert_eq!(status.status.as_deref(), Some("Success"));

    let wrong = binary(&config_map("a", "1"));
    post(&server, MAPS, &config_map("a", "1")).await;
    let refused = ask(&server, (Method::DELETE, MAPS), (PROTOBUF, JSON), &wrong).await;
    assert_eq!(refused.code, 400);
    let refused = ask(
        &server,
        (Method::DELETE, MAPS),
        ("application/cbor", JSON),
        b"x",
    )
    .await;
    assert_eq!(refused.code, 415);
    let body = options("");
    let all = ask(&server, (Method::DELETE, MAPS), (PROTOBUF, PROTOBUF), &body).await;
    assert_eq!(Envelope::parse(&all.body).unwrap().kind(), "ConfigMapList");
    assert!(server.storage().versions("configmaps").unwrap().is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn a_deployment_in_protobuf_is_stored_as_its_json_shows_it() {
    let server = serve().await;
    let path = "/apis/apps/v1/namespaces/ns/deployments";
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{
                "name": "main", "image": "a:1",
                "resources": {"limits": {"memory": "1024Mi"}},
            }]}},
        },
    });
    let created = create(&server, path, PROTOBUF, &binary(&deployment)).await;
    assert_eq!(created.code, 201, "{}", created.text());
    let spec = &created.json()["spec"];
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"]["memory"], "1Gi");
    let found = get_as(&server, &format!("{path}/web"), PROTOBUF).await;
    let found: Deployment = from_protobuf(&found.body).unwrap();
    assert_eq!(found.spec.unwrap().replicas, Some(2));
    server.shutdown().await;
}

#[tokio::test]
async fn texts_of_a_secret_become_its_data() {
    let server = serve().await;
    let path = "/api/v1/namespaces/ns/secrets";
    let secret =
        json!({"metadata": {"name": "a"}, "stringData": {"k": "v"}, "data": {"l": "dw=="}});
    let created = post(&server, path, &secret).await.json();
    assert_eq!(created["data"], json!({"k": "dg==", "l": "dw=="}));
    assert!(created.get("stringData").is_none());
    server.shutdown().await;
}

#[tokio::test]
async fn field_validation_warns_refuses_or_ignores() {
    let server = serve().await;
    let body = br#"{"metadata":{"name":"fv"},"data":{"a":"1","a":"2"},"bogus":1}"#;
    let strict = create(
        &server,
        &format!("{MAPS}?fieldValidation=Strict"),
        JSON,
        body,
    )
    .await;
    assert_eq!(strict.code, 400);
    assert_eq!(
        strict.json()["message"],
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: \
         duplicate field \"data.a\", unknown field \"bogus\""
    );
    let path = format!("{MAPS}?fieldValidation=Ignore&dryRun=All");
    let ignore = create(&server, &path, JSON, body).await;
    assert_eq!(ignore.headers.get_all("warning").iter().count(), 0);
    let odd = create(&server, &format!("{MAPS}?fieldValidation=Odd"), JSON, body).await;
    assert_eq!(odd.code, 422);
    let warn = create(&server, MAPS, JSON, body).await;
    assert_eq!(warn.code, 201);
    let warnings: Vec<&str> = warn
        .headers
        .get_all("warning")
        .iter()
        .map(|it| it.to_str().unwrap())
        .collect();
    assert_eq!(
        warnings,
        [
            r#"299 - "duplicate field \"data.a\"""#,
            r#"299 - "unknown field \"bogus\"""#
        ]
    );
    assert!(warn.json().get("bogus").is_none());

    let patch = async |validation: &str| {
        let path = format!("{MAPS}/fv?fieldValidation={validation}");
        let body = br#"{"data":{"b":"3"},"other":1}"#;
        let media_type = "application/merge-patch+json";
        ask(&server, (Method::PATCH, &path), (media_type, JSON), body).await
    };
    assert_eq!(patch("Strict").await.code, 400);
    let patched = patch("Warn").await;
    assert_eq!(
        patched.header("warning"),
        r#"299 - "unknown field \"other\"""#
    );
    assert_eq!(patched.json()["data"]["b"], "3");
    server.shutdown().await;
}

#[tokio::test]
async fn a_body_of_another_kind_or_version_is_refused_in_the_servers_words() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
    let conversion = "Pod in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Pod) \
                      to (core.ConfigMap): unknown conversion";
    let expected = (400, conversion.to_owned());
    assert_eq!(refused(MAPS, PROTOBUF, &binary(&pod)).await, expected);
    assert_eq!(
        refused(MAPS, JSON, pod.to_string().as_bytes()).await,
        expected
    );

    let old =
        json!({"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "d"}});
    let path = "/apis/apps/v1/namespaces/ns/deployments";
    let version = "the API version in the data (apps/v1beta1) does not match the expected API \
                   version (apps/v1)";
    let expected = (400, version.to_owned());
    assert_eq!(refused(path, PROTOBUF, &binary(&old)).await, expected);

    let unknown = b"k8s\0\n\x0c\n\x02v2\x12\x06Gadget\x12\0";
    let (code, message) = refused(MAPS, PROTOBUF, unknown).await;
    assert_eq!(code, 400);
    assert!(
        message.starts_with(
            "Gadget in version \"v2\" cannot be handled as a ConfigMap: no kind \"Gadget\" is \
             registered for version \"v2\" in scheme"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn bodies_without_an_envelope_or_cut_off_are_refused() {
    let whole = binary(&config_map("a", "1"));
    let (code, message) = refused(MAPS, PROTOBUF, b"{}").await;
    assert_eq!(code, 400);
    assert_eq!(
        message,
        "the object provided is unrecognized (must be of type ConfigMap): provided data does not \
         appear to be a protobuf message, expected prefix [107 56 115 0] ({})"
    );
    let (code, message) = refused(MAPS, PROTOBUF, &whole[..whole.len() / 2]).await;
    assert_eq!(code, 400);
    assert!(message.contains("unexpected EOF"), "{message}");
    // A length in the message that goes beyond it.
    let lying = b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12\x03\n\x7fa";
    let (code, message) = refused(MAPS, PROTOBUF, lying).await;
    assert_eq!(
        (code, message.as_str()),
        (
            400,
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: unexpected EOF"
        )
    );
    let (code, message) = refused(MAPS, JSON, b"{nonsense").await;
    assert_eq!(code, 400);
    assert!(
        message.starts_with("the object provided is unrecognized (must be of type ConfigMap): ")
            && message.ends_with(" ({nonsense)"),
        "{message}"
    );
    assert_eq!(refused(MAPS, YAML, b"a: [").await.0, 400);
    assert_eq!(refused(MAPS, "application/xml", b"<a/>").await.0, 415);
    assert_eq!(refused(MAPS, PROTOBUF, b"").await.0, 400);
}

#[tokio::test]
async fn custom_resources_take_json_and_yaml_and_no_protobuf() {
    let (code, message) = refused(WIDGETS, PROTOBUF, b"k8s\0").await;
    assert_eq!(code, 415);
    assert!(
        message.ends_with("application/json, application/yaml"),
        "{message}"
    );
    let widget = Kind::custom("example.com", "v1", "Widget", "widgets");
    let server = ApiServer::builder().with_kind(widget).build();
    let server = server.serve_local().await.unwrap();
    // Of a key that comes twice the last value counts, as in JSON.
    let yaml = b"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: v, name: w}\nspec: {n: 0}\nspec: {n: 1}\n";
    let created = create(&server, WIDGETS, YAML, yaml).await;
    assert_eq!(created.json()["spec"], json!({"n": 1}));
    let metadata = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = get_as(&server, WIDGETS, &format!("{PROTOBUF};{metadata}")).await;
    let envelope = Envelope::parse(&list.body).unwrap();
    assert_eq!(envelope.kind(), "PartialObjectMetadataList");
    server.shutdown().await;
}

#[tokio::test]
async fn nesting_has_a_limit_and_deep_patches_meet_it() {
    let nested = |levels: usize| {
        let (open, close) = ("{\"a\":".repeat(levels), "}".repeat(levels));
        format!(
            r#"{{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{{"name":"r{levels}"}},"revision":1,"data":{open}1{close}}}"#
        )
    };
    let path = "/apis/apps/v1/namespaces/ns/controllerrevisions";
    let server = serve().await;
    let create = async |content_type, body: &[u8]| create(&server, path, content_type, body).await;
    let text = nested(100);
    assert_eq!(create(JSON, text.as_bytes()).await.code, 201);
    let found = get_as(&server, &format!("{path}/r100"), PROTOBUF).await;
    assert!(found.body.starts_with(MAGIC));
    assert_eq!(create(JSON, nested(100_000).as_bytes()).await.code, 400);
    assert_eq!(create(YAML, nested(100_000).as_bytes()).await.code, 400);

    // A patch that hangs a deep value on a deep path.
    let value = text.split_once("\"data\":").unwrap().1;
    let value = value.strip_suffix('}').unwrap();
    let patch = format!(
        r#"[{{"op":"add","path":"/data{}","value":{value}}}]"#,
        "/a".repeat(100)
    );
    let media_type = "application/json-patch+json";
    let object = &format!("{path}/r100");
    let patched = ask(
        &server,
        (Method::PATCH, object),
        (media_type, JSON),
        patch.as_bytes(),
    );
    let patched = patched.await;
    assert_eq!(patched.code, 422, "{}", patched.text());
    assert_eq!(get(&server, object).await.json()["revision"], 1);
    server.shutdown().await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_replaced_and_never_breaks_an_answer() {
    let server = serve().await;
    let mut body = binary(&config_map("a", "~"));
    let at = body.iter().rposition(|byte| *byte == b'~').unwrap();
    body[at] = 0xff;
    let created = create(&server, MAPS, PROTOBUF, &body).await;
    assert_eq!(created.json()["data"]["k"], "\u{fffd}");
    server.shutdown().await;
}

#[tokio::test]
async fn what_the_storage_holds_against_its_schema_is_an_error_in_protobuf_alone() {
    let server = serve().await;
    let odd = json!({"metadata": {"name": "odd", "namespace": "ns"}, "data": {"k": 1}});
    server.storage().create("configmaps", odd).unwrap();
    let path = format!("{MAPS}/odd");
    assert_eq!(get(&server, &path).await.code, 200);
    for path in [MAPS, &path] {
        let answer = get_as(&server, path, PROTOBUF).await;
        assert_eq!(answer.code, 500);
        let status: Status = from_protobuf(&answer.body).unwrap();
        assert!(status.message.unwrap().contains("ns/odd"));
    }
    let watch = format!("{MAPS}?watch=1&timeoutSeconds=60");
    let answer = get_as(&server, &watch, PROTOBUF).await;
    assert!(answer.body.escape_ascii().to_string().contains("ERROR"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_malformed_object_is_malformed_in_protobuf_too() {
    let server = serve().await;
    post(&server, MAPS, &config_map("a", "1")).await;
    let partial = format!("{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    for accept in [PROTOBUF, &partial] {
        server
            .faults()
            .inject(FaultRule::new(Fault::MalformedObject).on(Verb::Get).once());
        let path = format!("{MAPS}/a");
        let spoiled = get_as(&server, &path, accept).await;
        assert_eq!(spoiled.code, 200);
        assert!(Envelope::parse(&spoiled.body).is_ok());
        assert!(to_json(&spoiled.body, &mut Vec::new()).is_err());
        let whole = get_as(&server, &path, accept).await;
        assert!(to_json(&whole.body, &mut Vec::new()).is_ok());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn bodies_cut_or_changed_anywhere_are_refused_or_read_whole() {
    let server = serve().await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "a:1", "ports": [{"containerPort": 80}]}]},
    });
    let whole = binary(&pod);
    let path = "/api/v1/namespaces/ns/pods?dryRun=All";
    let mut numbers = Numbers(7);
    for round in 0..300 {
        let mut body = whole.clone();
        if round % 3 == 0 {
            body.truncate(numbers.below(whole.len()));
        } else {
            for _ in 0..=numbers.below(3) {
                let at = numbers.below(whole.len());
                body[at] = numbers.below(256) as u8;
            }
        }
        let answer = ask(&server, (Method::POST, path), (PROTOBUF, PROTOBUF), &body).await;
        match answer.code.as_u16() {
            201 => drop(from_protobuf::<Pod>(&answer.body).unwrap()),
            400 | 422 | 500 => drop(from_protobuf::<Status>(&answer.body).unwrap()),
            other => panic!("{other} for {}", body.escape_ascii()),
        }
    }
    server.shutdown().await;
}

/// Bodies of every method and media type, as clients send them.
fn bodies() -> Vec<(Method, &'static str, &'static str, Vec<u8>)> {
    let maps = "/api/v1/namespaces/ns/configmaps?dryRun=All&fieldManager=f";
    let map = "/api/v1/namespaces/ns/configmaps/a?dryRun=All&fieldManager=f";
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "labels": {"app": "web"}, "finalizers": ["x.io/y"]},
        "data": {"k": "\u{e9}", "l": ""}, "binaryData": {"b": "AAEC"},
    });
    let mut new = object.clone();
    new["metadata"]["name"] = json!("b");
    let text = |value: &Value| value.to_string().into_bytes();
    let yaml =
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  k: |\n    x\n".to_vec();
    let patch = json!([{"op": "add", "path": "/data/x", "value": "1"}, {"op": "remove", "path": "/data/k"}]);
    let strategic = json!({"metadata": {"finalizers": ["z"], "$deleteFromPrimitiveList/finalizers": ["x.io/y"]}});
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
    vec![
        (Method::POST, maps, JSON, text(&new)),
        (Method::POST, maps, YAML, yaml.clone()),
        (Method::POST, maps, PROTOBUF, binary(&new)),
        (Method::PUT, map, JSON, text(&object)),
        (Method::PUT, map, PROTOBUF, binary(&object)),
        (
            Method::PATCH,
            map,
            "application/merge-patch+json",
            text(&object),
        ),
        (
            Method::PATCH,
            map,
            "application/json-patch+json",
            text(&patch),
        ),
        (
            Method::PATCH,
            map,
            "application/strategic-merge-patch+json",
            text(&strategic),
        ),
        (Method::PATCH, map, "application/apply-patch+yaml", yaml),
        (Method::DELETE, map, JSON, text(&options)),
        (Method::DELETE, map, PROTOBUF, binary(&options)),
    ]
}

#[tokio::test]
async fn changed_bodies_of_every_method_and_media_type_are_answered() {
    let server = serve().await;
    post(&server, MAPS, &config_map("a", "1")).await;
    let before = server.storage().versions("configmaps").unwrap();
    let mut numbers = Numbers(11);
    for (method, path, media_type, whole) in bodies() {
        for round in 0..60 {
            let mut body = whole.clone();
            match round % 4 {
                0 => body.truncate(numbers.below(whole.len())),
                1 => {
                    let (from, at) = (numbers.below(whole.len()), numbers.below(whole.len()));
                    body.splice(at..at, whole[from..].iter().copied());
                }
                _ => {
                    for _ in 0..=numbers.below(3) {
                        let at = numbers.below(whole.len());
                        body[at] = numbers.below(256) as u8;
                    }
                }
            }
            let request = (method.clone(), path);
            let answer = ask(&server, request, (media_type, JSON), &body).await;
            let code = answer.code.as_u16();
            let context = || format!("{code} for {method} {media_type} {}", body.escape_ascii());
            assert!(matches!(code, 200 | 201 | 400..=422 | 500), "{}", context());
            let kind = &answer.json()["kind"];
            assert!(
                code >= 400 || kind == "ConfigMap" || kind == "Status",
                "{}",
                context()
            );
            assert!(code < 400 || kind == "Status", "{}", context());
        }
    }
    assert_eq!(server.storage().versions("configmaps").unwrap(), before);
    server.shutdown().await;
}

/// Numbers that a seed decides.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

//! Objects of `testdata/` written from JSON and from types: what Go wrote is what comes.

mod rows;

use heliostat_kinds::schema::{self, Kind};
use heliostat_kinds::{Object, TextOptions, from_protobuf, to_json, to_protobuf, to_protobuf_of};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use rows::{Row, rows};

fn json_of(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    to_json(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn protobuf_of(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let options = TextOptions::new().with_null_as_zero();
    options.write_json(json.as_bytes(), &mut out).unwrap();
    out
}

fn kind_of(json: &str) -> &'static Kind {
    let value: Value = serde_json::from_str(json).unwrap();
    let text = |name| value[name].as_str().unwrap().to_owned();
    schema::kind(&text("apiVersion"), &text("kind")).unwrap()
}

#[test]
fn protobuf_of_json_is_read_as_the_json() {
    for row in rows() {
        let bytes = protobuf_of(&row.json);
        assert_eq!(json_of(&bytes), row.json, "{}", row.name());
    }
}

#[test]
fn protobuf_of_json_is_byte_for_byte_what_go_writes() {
    let rows = rows();
    let unlike = rows
        .iter()
        .filter(|row| protobuf_of(&row.json) != row.protobuf());
    let unlike: Vec<String> = unlike.map(Row::name).collect();
    // It has an empty run of bytes that JSON does not show.
    let expected = ["certificates.k8s.io/v1beta1/CertificateSigningRequest full"];
    assert_eq!(unlike, expected);
}

#[test]
fn null_is_no_pointer_unless_it_is_taken_as_zero() {
    let text = r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"deletionTimestamp":null}}"#;
    let mut bytes = Vec::new();
    to_protobuf(text.as_bytes(), &mut bytes).unwrap();
    assert!(!json_of(&bytes).contains("deletionTimestamp"));
    assert!(json_of(&protobuf_of(text)).contains(r#""deletionTimestamp":null"#));
}

#[test]
fn without_an_envelope_the_message_is_written() {
    for row in rows() {
        let mut bytes = Vec::new();
        let options = TextOptions::new().without_envelope();
        let written = options.write_json(row.json.as_bytes(), &mut bytes).unwrap();
        let mut whole = Vec::new();
        to_protobuf(row.json.as_bytes(), &mut whole).unwrap();
        let whole = Object::from_envelope(&whole).unwrap();
        assert!(whole.bytes() == bytes, "{}", row.name());
        assert_eq!(whole.message(), written.kind().message());
    }
}

#[test]
fn values_are_serialized_as_their_text_is_read() {
    for row in rows() {
        let value: Value = serde_json::from_str(&row.json).unwrap();
        check_serialized(kind_of(&row.json), &value, &row.name());
    }
}

fn check_serialized<T: Serialize>(kind: &'static Kind, value: &T, name: &str) {
    let text = serde_json::to_vec(value).unwrap();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    let options = TextOptions::new().with_kind(kind);
    options.write_json(&text, &mut expected).unwrap();
    to_protobuf_of(kind, value, &mut found).unwrap();
    assert!(found == expected, "{name}");
}

#[test]
fn types_are_serialized_as_their_text_is_read() {
    fn check<T: DeserializeOwned + Serialize>(row: &Row) {
        let value: T = serde_json::from_str(&row.json).unwrap();
        check_serialized(kind_of(&row.json), &value, &row.name());
    }
    let mut count = 0;
    for row in rows() {
        count += 1;
        match row.kind.as_str() {
            "/v1/Pod" => check::<Pod>(&row),
            "/v1/Secret" => check::<Secret>(&row),
            "/v1/Service" => check::<Service>(&row),
            "/v1/ConfigMap" => check::<ConfigMap>(&row),
            "apps/v1/Deployment" => check::<Deployment>(&row),
            "apiextensions.k8s.io/v1/CustomResourceDefinition" => {
                check::<CustomResourceDefinition>(&row);
            }
            _ => count -= 1,
        }
    }
    assert_eq!(count, 18);
}

#[test]
fn recorded_objects_are_written_as_the_server_wrote_them() {
    let protobuf = include_bytes!("../testdata/captures/list-protobuf.body").as_slice();
    assert!(protobuf_of(&json_of(protobuf)) == protobuf);
    // Only the server's own text differs: it is of another moment.
    let json = include_str!("../testdata/captures/list-json.body").trim_end();
    assert_eq!(json_of(&protobuf_of(json)), json);
    let pod = include_bytes!("../testdata/captures/etcd-value-pod.bin").as_slice();
    assert!(protobuf_of(&json_of(pod)) == pod);
}

#[test]
fn yaml_is_read_as_its_json() {
    let yaml = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {b: '1', \"a\": x}
spec:
  containers:
  - name: main
    resources:
      limits:
        memory: 1024Mi
        cpu: 1.5
    livenessProbe:
      httpGet: {port: 80}
";
    let mut bytes = Vec::new();
    let written = TextOptions::new().write_yaml(yaml, &mut bytes).unwrap();
    assert_eq!(written.kind().name(), "Pod");
    let pod: Pod = from_protobuf(&bytes).unwrap();
    let container = &pod.spec.unwrap().containers[0];
    let limits = container
        .resources
        .as_ref()
        .unwrap()
        .limits
        .as_ref()
        .unwrap();
    assert_eq!((&*limits["memory"].0, &*limits["cpu"].0), ("1Gi", "1500m"));
    for row in rows() {
        let value: Value = serde_json::from_str(&row.json).unwrap();
        let yaml = serde_saphyr::to_string(&value).unwrap();
        let mut bytes = Vec::new();
        let options = TextOptions::new().with_null_as_zero();
        options.write_yaml(&yaml, &mut bytes).unwrap();
        let read: Value = serde_json::from_str(&json_of(&bytes)).unwrap();
        assert_eq!(read, value, "{}", row.name());
    }
}

//! Objects of `testdata/` written from JSON and from types: what Go wrote is what comes.

use std::io::{BufRead as _, BufReader};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use heliostat_kinds::schema::{self, Kind};
use heliostat_kinds::{Object, TextOptions, from_protobuf, to_json, to_protobuf, to_protobuf_of};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
struct Row {
    kind: String,
    sample: String,
    protobuf: String,
    json: String,
}

impl Row {
    fn protobuf(&self) -> Vec<u8> {
        STANDARD.decode(&self.protobuf).unwrap()
    }

    fn name(&self) -> String {
        format!("{} {}", self.kind, self.sample)
    }
}

fn rows() -> Vec<Row> {
    let packed: &[u8] = include_bytes!("../testdata/encodings.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(packed)).lines();
    let rows: Vec<Row> = lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(rows.len(), 486);
    rows
}

fn json_of(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    to_json(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn protobuf_of(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    to_protobuf(json.as_bytes(), &mut out).unwrap();
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
    for row in rows() {
        let bytes = protobuf_of(&row.json);
        assert!(bytes == row.protobuf(), "{}\n{}", row.name(), row.json);
    }
}

//! The objects of `testdata/encodings.jsonl.gz`.
//!
//! Each row has an object in protobuf, which a Go program encoded, and the JSON that the Go encoder
//! makes of it once it is decoded.

use std::io::{BufRead as _, BufReader};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) kind: String,
    sample: String,
    protobuf: String,
    #[allow(dead_code, reason = "not every test file looks at the text")]
    pub(crate) json: String,
}

impl Row {
    pub(crate) fn protobuf(&self) -> Vec<u8> {
        STANDARD.decode(&self.protobuf).unwrap()
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.kind, self.sample)
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let packed: &[u8] = include_bytes!("../../testdata/encodings.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(packed)).lines();
    let rows: Vec<Row> = lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(rows.len(), 486);
    rows
}

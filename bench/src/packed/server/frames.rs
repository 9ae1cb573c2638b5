//! The events of a watch.

use bytes::{BufMut, Bytes, BytesMut};

use super::answers::{Recorded, UNKNOWN_TAIL, push_unknown_head};
use super::state::update;
use crate::packed::pods::protobuf::{field_len, push_field, push_head, push_varint};
use heliostat_bench::replay_server::Encoding;

use crate::packed::pods::Pods;

/// How many bytes of updates are handed to the socket at once.
const BATCH: usize = 64 * 1024;

/// All that a watch sends, in one encoding.
pub(super) struct Frames {
    updates: Vec<Bytes>,
    expired: Bytes,
}

impl Frames {
    pub(super) fn new(
        recorded: &Recorded,
        encoding: Encoding,
        pods: usize,
        updates: usize,
    ) -> Self {
        let mut batches = Vec::new();
        let mut batch = BytesMut::new();
        for number in 0..updates {
            let (index, version) = update(number, pods);
            let pods = recorded.of(encoding);
            match encoding {
                Encoding::Json => push_json(&mut batch, pods, index, version),
                Encoding::Protobuf => push_protobuf(&mut batch, pods, index, version),
            }
            if batch.len() >= BATCH {
                batches.push(batch.split().freeze());
            }
        }
        batches.push(batch.freeze());
        let expired = match encoding {
            Encoding::Json => Bytes::from_static(EXPIRED),
            Encoding::Protobuf => expired(),
        };
        Self {
            updates: batches,
            expired,
        }
    }

    pub(super) fn updates(&self) -> Vec<Bytes> {
        self.updates.clone()
    }

    pub(super) fn expired(&self) -> Bytes {
        self.expired.clone()
    }
}

fn push_json(out: &mut BytesMut, pods: &Pods, index: usize, version: u64) {
    out.put_slice(br#"{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","#);
    let mut object = BytesMut::new();
    pods.push(&mut object, index, version);
    out.put_slice(&object[1..]);
    out.put_slice(b"}\n");
}

fn push_protobuf(out: &mut BytesMut, pods: &Pods, index: usize, version: u64) {
    let mut object = BytesMut::new();
    pods.push(&mut object, index, version);
    push_event(out, "MODIFIED", "Pod", &object);
}

/// Appends a frame: its length, then `WatchEvent` with the object in an envelope.
fn push_event(out: &mut BytesMut, event_type: &str, kind: &str, object: &[u8]) {
    let mut unknown = BytesMut::new();
    push_unknown_head(&mut unknown, "v1", kind, object.len());
    unknown.put_slice(object);
    unknown.put_slice(UNKNOWN_TAIL);
    let raw = field_len(unknown.len());
    let len = field_len(event_type.len()) + field_len(raw);
    out.put_u32(len as u32);
    push_field(out, 1, event_type.as_bytes());
    push_head(out, 2, raw);
    push_field(out, 1, &unknown);
}

const EXPIRED: &[u8] = b"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"too old resource version\",\"reason\":\"Expired\",\"code\":410}}\n";

fn expired() -> Bytes {
    let mut status = BytesMut::new();
    // An empty ListMeta.
    push_field(&mut status, 1, &[0x0a, 0, 0x12, 0, 0x1a, 0]);
    push_field(&mut status, 2, b"Failure");
    push_field(&mut status, 3, b"too old resource version");
    push_field(&mut status, 4, b"Expired");
    // The code, a number.
    status.put_u8(6 << 3);
    push_varint(&mut status, 410);
    let mut out = BytesMut::new();
    push_event(&mut out, "ERROR", "Status", &status);
    out.freeze()
}

//! The events of a watch.

use bytes::{BufMut, Bytes, BytesMut};

use super::Served;
use super::answers::{Recorded, UNKNOWN_TAIL, push_unknown_head};
use super::state::{START_VERSION, State, update};
use crate::packed::pods::protobuf::{field_len, push_field, push_head, push_varint};
use heliostat_bench::replay_server::Encoding;

/// How many bytes of updates are handed to the socket at once.
const BATCH: usize = 64 * 1024;

/// All that a watch sends, in one encoding.
pub(super) struct Frames {
    initial: Vec<Bytes>,
    updates: Vec<Bytes>,
    expired: Bytes,
}

impl Frames {
    pub(super) fn new(recorded: &Recorded, encoding: Encoding, served: &Served) -> Self {
        let pods = recorded.of(encoding);
        let event = |event_type: &'static str, (index, version)| {
            let mut object = BytesMut::new();
            pods.push(&mut object, index, version);
            event_of(encoding, event_type, "Pod", &object)
        };
        let initial = match served.has_watch_list {
            true => {
                let state = State::start(served.pods);
                let added =
                    (0..served.pods).map(move |index| event("ADDED", (index, state.object(index))));
                batches(added.chain([end_bookmark(encoding)]))
            }
            false => Vec::new(),
        };
        let updates = (0..served.updates).map(|number| update(number, served.pods));
        Self {
            initial,
            updates: batches(updates.map(|update| event("MODIFIED", update))),
            expired: expired(encoding),
        }
    }

    /// The initial events of a watch-list, and the bookmark that ends them.
    pub(super) fn initial(&self) -> Vec<Bytes> {
        self.initial.clone()
    }

    pub(super) fn updates(&self) -> Vec<Bytes> {
        self.updates.clone()
    }

    pub(super) fn expired(&self) -> Bytes {
        self.expired.clone()
    }
}

/// Gathers frames into pieces that are handed to the socket at once.
fn batches(frames: impl Iterator<Item = BytesMut>) -> Vec<Bytes> {
    let mut batches = Vec::new();
    let mut batch = BytesMut::new();
    for frame in frames {
        batch.put_slice(&frame);
        if batch.len() >= BATCH {
            batches.push(batch.split().freeze());
        }
    }
    batches.push(batch.freeze());
    batches
}

/// An event with an object, which in JSON has no kind and no API version of its own.
fn event_of(encoding: Encoding, event_type: &str, kind: &str, object: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(object.len() + 128);
    match encoding {
        Encoding::Json => {
            let head =
                format!(r#"{{"type":"{event_type}","object":{{"kind":"{kind}","apiVersion":"v1","#);
            out.put_slice(head.as_bytes());
            out.put_slice(&object[1..]);
            out.put_slice(b"}\n");
        }
        Encoding::Protobuf => push_event(&mut out, event_type, kind, object),
    }
    out
}

fn end_bookmark(encoding: Encoding) -> BytesMut {
    let version = START_VERSION.to_string();
    let object = match encoding {
        Encoding::Json => BytesMut::from(&*format!(
            r#"{{"metadata":{{"resourceVersion":"{version}","annotations":{{"k8s.io/initial-events-end":"true"}}}},"spec":{{"containers":null}},"status":{{}}}}"#
        )),
        Encoding::Protobuf => {
            let mut annotation = BytesMut::new();
            push_field(&mut annotation, 1, b"k8s.io/initial-events-end");
            push_field(&mut annotation, 2, b"true");
            let mut metadata = BytesMut::new();
            push_field(&mut metadata, 6, version.as_bytes());
            push_field(&mut metadata, 12, &annotation);
            let mut object = BytesMut::new();
            push_field(&mut object, 1, &metadata);
            object
        }
    };
    event_of(encoding, "BOOKMARK", "Pod", &object)
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

fn expired(encoding: Encoding) -> Bytes {
    let object = match encoding {
        Encoding::Json => BytesMut::from(EXPIRED),
        Encoding::Protobuf => {
            let mut status = BytesMut::new();
            // An empty ListMeta.
            push_field(&mut status, 1, &[0x0a, 0, 0x12, 0, 0x1a, 0]);
            push_field(&mut status, 2, b"Failure");
            push_field(&mut status, 3, b"too old resource version");
            push_field(&mut status, 4, b"Expired");
            // The code, a number.
            status.put_u8(6 << 3);
            push_varint(&mut status, 410);
            status
        }
    };
    event_of(encoding, "ERROR", "Status", &object).freeze()
}

const EXPIRED: &str = r#"{"metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}"#;

//! Lists: whole or in pages, from bytes that are there or made while they are sent.

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::state::State;
use crate::packed::pods::protobuf::{MAGIC, field_len, push_field, push_head};
use heliostat_bench::replay_server::Encoding;

use crate::packed::pods::Pods;

/// Larger collections are made while they are sent: 100,000 pods are two gigabytes in both encodings.
const PREPARED_MAX: usize = 100_000;

/// How many objects are made at once.
const STRETCH: usize = 50;

/// The recorded pods in both encodings.
#[derive(Clone)]
pub(super) struct Recorded {
    json: Arc<Pods>,
    protobuf: Arc<Pods>,
}

impl Recorded {
    pub(super) fn read() -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            json: Arc::new(Pods::recorded(Encoding::Json)?),
            protobuf: Arc::new(Pods::recorded(Encoding::Protobuf)?),
        })
    }

    pub(super) const fn of(&self, encoding: Encoding) -> &Arc<Pods> {
        match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
        }
    }
}

/// The collection in one state.
pub(super) struct Lists {
    recorded: Recorded,
    state: State,
    json: Items,
    protobuf: Items,
}

/// The items of all lists, a stretch of objects after the other.
enum Items {
    Prepared(Vec<Bytes>),
    Made,
}

impl Lists {
    /// Its bytes are made now, unless they are too many.
    pub(super) fn new(recorded: &Recorded, state: State) -> Self {
        let items = |encoding| {
            if state.pods() > PREPARED_MAX {
                return Items::Made;
            }
            let stretches = stretches(0..state.pods());
            let make = |range| items_of(recorded, encoding, &state, range);
            Items::Prepared(stretches.map(make).collect())
        };
        Self {
            json: items(Encoding::Json),
            protobuf: items(Encoding::Protobuf),
            recorded: recorded.clone(),
            state,
        }
    }

    pub(super) fn prepared(&self, state: State) -> Self {
        Self::new(&self.recorded, state)
    }

    pub(super) fn unprepared(&self, state: State) -> Self {
        Self {
            recorded: self.recorded.clone(),
            state,
            json: Items::Made,
            protobuf: Items::Made,
        }
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// The bytes of a list from the item `first` on, of a page if there is a limit.
    pub(super) fn list(
        self: Arc<Self>,
        encoding: Encoding,
        first: usize,
        limit: Option<usize>,
    ) -> impl Iterator<Item = Bytes> + Send + 'static {
        let pods = self.state.pods();
        let first = first.min(pods);
        let end = limit.map_or(pods, |limit| pods.min(first + limit.max(1)));
        let next = (end < pods).then_some(end);
        let (head, tail) = match encoding {
            Encoding::Json => (self.json_head(next), &b"]}\n"[..]),
            Encoding::Protobuf => (self.protobuf_head(first..end, next), UNKNOWN_TAIL),
        };
        let middle = stretches(first..end).map(move |range| {
            let is_last = range.end == end;
            let items = self.items(encoding, range);
            match encoding {
                // Each item has its comma after it.
                Encoding::Json if is_last => items.slice(..items.len() - 1),
                Encoding::Json | Encoding::Protobuf => items,
            }
        });
        std::iter::once(head)
            .chain(middle)
            .chain([Bytes::from_static(tail)])
    }

    fn items(&self, encoding: Encoding, range: Range<usize>) -> Bytes {
        let items = match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
        };
        let is_whole = range.start.is_multiple_of(STRETCH)
            && (range.len() == STRETCH || range.end == self.state.pods());
        match items {
            Items::Prepared(items) if is_whole => items[range.start / STRETCH].clone(),
            Items::Prepared(_) | Items::Made => {
                items_of(&self.recorded, encoding, &self.state, range)
            }
        }
    }

    fn json_head(&self, next: Option<usize>) -> Bytes {
        let more = next.map_or_else(String::new, |next| {
            let left = self.state.pods() - next;
            format!(",\"continue\":\"{next}\",\"remainingItemCount\":{left}")
        });
        let version = self.state.version();
        let head = format!(
            "{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\
             \"metadata\":{{\"resourceVersion\":\"{version}\"{more}}},\"items\":["
        );
        head.into()
    }

    fn protobuf_head(&self, range: Range<usize>, next: Option<usize>) -> Bytes {
        let pods = self.recorded.of(Encoding::Protobuf);
        let mut metadata = BytesMut::new();
        push_field(&mut metadata, 1, b"");
        push_field(
            &mut metadata,
            2,
            self.state.version().to_string().as_bytes(),
        );
        let next = next.map_or_else(String::new, |next| next.to_string());
        push_field(&mut metadata, 3, next.as_bytes());
        let items = range.map(|index| field_len(pods.len(index, self.state.object(index))));
        let list = field_len(metadata.len()) + items.sum::<usize>();
        let mut out = BytesMut::new();
        push_unknown_head(&mut out, "v1", "PodList", list);
        push_field(&mut out, 1, &metadata);
        out.freeze()
    }
}

/// How `runtime.Unknown` ends: its content has no encoding of its own, and no other type.
pub(super) const UNKNOWN_TAIL: &[u8] = &[0x1a, 0, 0x22, 0];

/// Appends `runtime.Unknown` up to the raw object, which has `len` bytes.
pub(super) fn push_unknown_head(out: &mut BytesMut, version: &str, kind: &str, len: usize) {
    out.put_slice(MAGIC);
    let mut type_meta = BytesMut::new();
    push_field(&mut type_meta, 1, version.as_bytes());
    push_field(&mut type_meta, 2, kind.as_bytes());
    push_field(out, 1, &type_meta);
    push_head(out, 2, len);
}

fn items_of(recorded: &Recorded, encoding: Encoding, state: &State, range: Range<usize>) -> Bytes {
    let pods = recorded.of(encoding);
    let mut out = BytesMut::with_capacity(range.len() * 12 * 1024);
    for index in range {
        let version = state.object(index);
        match encoding {
            Encoding::Json => {
                pods.push(&mut out, index, version);
                out.put_u8(b',');
            }
            Encoding::Protobuf => {
                push_head(&mut out, 2, pods.len(index, version));
                pods.push(&mut out, index, version);
            }
        }
    }
    out.freeze()
}

/// Cuts a range at the same places wherever it begins.
fn stretches(range: Range<usize>) -> impl Iterator<Item = Range<usize>> + Send + 'static {
    let mut start = range.start;
    std::iter::from_fn(move || {
        if start >= range.end {
            return None;
        }
        let end = range.end.min((start / STRETCH + 1) * STRETCH);
        let stretch = start..end;
        start = end;
        Some(stretch)
    })
}

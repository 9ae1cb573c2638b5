//! What a source has received, counted as it arrives.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use heliostat_core::raw::Encoding;

use super::encoding;

/// What a [`KubeSource`](super::KubeSource) and its clones have received since the source was made.
///
/// The counters are read one by one, so that they may be a chunk apart while an answer comes in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes of bodies as they came, compressed where they were. Heads, TLS and chunk marks are not in
    /// it, nor are the bodies of refusals. A client of your own that decompresses by itself is
    /// counted after that.
    pub received_bytes: u64,
    /// Bytes of bodies as they were decoded.
    pub decoded_bytes: u64,
    /// How many answers were lists or watches, pages counted one by one.
    pub answers: u64,
    /// What the last of them was encoded in.
    pub encoding: Option<Encoding>,
}

/// The counters behind it. Chunks are counted by whichever task reads the answer; nothing is ordered
/// by them.
#[derive(Debug, Default)]
pub(super) struct Meter {
    received_bytes: AtomicU64,
    decoded_bytes: AtomicU64,
    answers: AtomicU64,
    encoding: AtomicU8,
}

/// The words of [`Meter::encoding`]; zero while there is none.
const JSON: u8 = 1;
const PROTOBUF: u8 = 2;

impl Meter {
    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn decoded(&self, bytes: usize) {
        self.decoded_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, encoding: encoding::Encoding) {
        let word = match encoding {
            encoding::Encoding::Json => JSON,
            encoding::Encoding::Protobuf => PROTOBUF,
        };
        self.encoding.store(word, Ordering::Relaxed);
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Traffic {
        Traffic {
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            decoded_bytes: self.decoded_bytes.load(Ordering::Relaxed),
            answers: self.answers.load(Ordering::Relaxed),
            encoding: match self.encoding.load(Ordering::Relaxed) {
                JSON => Some(Encoding::Json),
                PROTOBUF => Some(Encoding::Protobuf),
                _ => None,
            },
        }
    }
}

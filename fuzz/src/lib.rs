//! What the fuzz targets share: a codec that keeps the bytes, and chunks from a few bytes of input.
//!
//! Every target holds a decoder against two oracles: itself, fed the same bytes cut differently, and
//! one that reads the whole at once, which is serde_json, or for protobuf a plain reading that shares
//! nothing with the decoders. Seeds are in `seeds/`, one folder for each target; from
//! the root of the repository, with a folder of its own for what is found,
//! `cargo fuzz run --sanitizer none NAME fuzz/corpus/NAME fuzz/seeds/NAME` starts from them.

pub mod etcd;

pub mod kinds;

pub mod kinds_text;

pub mod list;

pub mod watch;

pub mod protobuf_list;

pub mod protobuf_watch;

pub mod raw_path;

pub mod raw_pod;

pub mod unpack;

#[path = "../../crates/heliostat-core/src/wire/protobuf/naive.rs"]
mod naive;

use heliostat_core::event::RejectionReason;
use heliostat_core::object::{Entry, GroupVersionKind, Header, ObjectKey, Uid};
use heliostat_core::version::ResourceVersion;
use heliostat_core::wire::Codec;
use heliostat_core::wire::json::header::RawHeader;
use serde::de::IgnoredAny;

/// Keeps an object's own bytes, if they are JSON.
#[derive(Debug, Default)]
pub struct BytesCodec {
    expected: Option<GroupVersionKind>,
}

impl Codec for BytesCodec {
    type Object = Vec<u8>;

    fn decode(
        &mut self,
        bytes: &[u8],
        _envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<Vec<u8>>, RejectionReason> {
        let header = RawHeader::read(bytes).header();
        serde_json::from_slice::<IgnoredAny>(bytes)
            .map_err(|error| RejectionReason::Undecodable(error.to_string()))?;
        let nameless = || Header {
            key: ObjectKey::cluster("nameless"),
            resource_version: ResourceVersion::UNSET,
            uid: Uid::UNSET,
        };
        Ok(Entry::new(header.unwrap_or_else(nameless), bytes.to_vec()))
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.expected.as_ref()
    }
}

/// How many bytes of the input decide the cuts.
const CUT_BYTES: usize = 4;

/// The input as how to cut, and what to cut.
pub fn cuts_and_bytes(input: &[u8]) -> Option<(u32, &[u8])> {
    let (cuts, bytes) = input.split_first_chunk::<CUT_BYTES>()?;
    Some((u32::from_le_bytes(*cuts), bytes))
}

/// The bytes in pieces of sizes that the seed decides; small ones are as likely as large ones.
pub fn pieces(seed: u32, bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    let mut state = seed;
    while !rest.is_empty() {
        // The constants of Numerical Recipes' generator: its high bits are random enough for this.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let largest = 1 << (state >> 29);
        let size = 1 + (state >> 16) as usize % largest;
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// Every byte by itself.
pub fn single_bytes(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.chunks(1).collect()
}

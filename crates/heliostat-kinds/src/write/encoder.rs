//! Messages as the generated Go code writes them: fields by number, those that are no pointers even
//! when they are zero, maps by key.
//!
//! Fields come in any order. Those of a message are collected on a stack, noted by their slots, and
//! copied in their order behind the length of the message when it ends. Two stacks suffice: the fields
//! of a message are on one, and the messages in it end onto that from the other.

use std::collections::HashSet;
use std::mem;

use crate::read::DEPTH_MAX;
use crate::schema::{Field, Message, Shape, ValueType};
use crate::wire::{BYTES, FIXED64, VARINT};
use crate::write::error::{WriteError, WriteErrorKind};

/// Collects the fields of the messages that are open.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// The stack that the fields of the innermost message are on.
    own: Vec<u8>,
    /// The stack that the innermost message ends onto.
    other: Vec<u8>,
    /// Where the fields of open messages are, one for each slot of each.
    pieces: Vec<Piece>,
    /// The entries of open maps.
    entries: Vec<Entry>,
    depth: usize,
}

/// The encoding of a field, with its tag. There is none if it is empty.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    start: usize,
    end: usize,
}

/// An entry of a map, with its tag.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    end: usize,
    key_start: usize,
    key_len: usize,
}

/// A message that is open.
#[derive(Debug)]
pub(crate) struct Frame {
    message: &'static Message,
    pieces: usize,
    start: usize,
}

/// A map that is open.
#[derive(Debug)]
pub(crate) struct MapFrame {
    entries: usize,
    start: usize,
}

/// An entry that is open.
#[derive(Debug)]
pub(crate) struct EntryFrame {
    start: usize,
    length: Length,
    key_len: usize,
}

/// A length that is not known yet, and the bytes that are kept for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    at: usize,
    width: usize,
}

impl Encoder {
    /// Appends what is written to the bytes.
    pub(crate) fn new(out: Vec<u8>) -> Self {
        Self {
            own: out,
            other: Vec::with_capacity(4096),
            pieces: Vec::with_capacity(256),
            entries: Vec::new(),
            depth: 0,
        }
    }

    /// The bytes, once every message has ended.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        if self.depth.is_multiple_of(2) {
            self.own
        } else {
            self.other
        }
    }

    /// Starts a message.
    #[inline]
    pub(crate) fn open(&mut self, message: &'static Message) -> Result<Frame, WriteError> {
        if self.depth == DEPTH_MAX {
            return Err(WriteErrorKind::TooDeep.into());
        }
        self.depth += 1;
        mem::swap(&mut self.own, &mut self.other);
        let pieces = self.pieces.len();
        let slots = pieces + message.slots();
        self.pieces.resize(slots, Piece::default());
        Ok(Frame {
            message,
            pieces,
            start: self.own.len(),
        })
    }

    /// Notes that all from `start` on is the field of the slot, in place of what it was before.
    #[inline]
    pub(crate) fn set(&mut self, frame: &Frame, slot: usize, start: usize) {
        if let Some(piece) = self.pieces.get_mut(frame.pieces + slot) {
            let end = self.own.len();
            *piece = Piece { start, end };
        }
    }

    /// Ends a message; it is a field with the number of the message around it.
    pub(crate) fn close(&mut self, frame: &Frame, number: u32) {
        let collected = self.own.len() - frame.start;
        let out = &mut self.other;
        tag(out, number, BYTES);
        let length = Length::start(out, collected);
        self.finish(frame);
        length.end(&mut self.own);
    }

    /// Ends a message without a tag and a length.
    pub(crate) fn finish(&mut self, frame: &Frame) {
        let pieces = self.pieces.get(frame.pieces..).unwrap_or_default();
        let mut copy = Copy::new(&self.own, &mut self.other);
        copy.message(frame.message, pieces);
        copy.flush();
        self.own.truncate(frame.start);
        self.pieces.truncate(frame.pieces);
        self.depth -= 1;
        mem::swap(&mut self.own, &mut self.other);
    }

    /// Starts a map.
    pub(crate) fn open_map(&self) -> MapFrame {
        MapFrame {
            entries: self.entries.len(),
            start: self.own.len(),
        }
    }

    /// Starts an entry. The value follows as field 2.
    pub(crate) fn open_entry(&mut self, number: u32, key: &[u8]) -> EntryFrame {
        let start = self.own.len();
        tag(&mut self.own, number, BYTES);
        let length = Length::start(&mut self.own, 0);
        bytes(&mut self.own, 1, key);
        EntryFrame {
            start,
            length,
            key_len: key.len(),
        }
    }

    /// Ends an entry.
    pub(crate) fn close_entry(&mut self, entry: &EntryFrame) {
        let content = entry.length.end(&mut self.own);
        self.entries.push(Entry {
            start: entry.start,
            end: self.own.len(),
            key_start: content + 1 + varint_len(entry.key_len as u64),
            key_len: entry.key_len,
        });
    }

    /// Ends a map: its entries are sorted, and of equal keys the last counts.
    pub(crate) fn close_map(&mut self, map: &MapFrame) {
        let entries = self.entries.get_mut(map.entries..).unwrap_or_default();
        let own = &self.own;
        if !entries.is_sorted_by(|a, b| a.key(own) < b.key(own)) {
            entries.sort_by(|a, b| a.key(own).cmp(b.key(own)));
            let top = self.other.len();
            for (at, entry) in entries.iter().enumerate() {
                let next = entries.get(at + 1);
                if next.is_none_or(|next| next.key(own) != entry.key(own)) {
                    let whole = own.get(entry.start..entry.end).unwrap_or_default();
                    self.other.extend_from_slice(whole);
                }
            }
            self.own.truncate(map.start);
            let sorted = self.other.get(top..).unwrap_or_default();
            self.own.extend_from_slice(sorted);
            self.other.truncate(top);
        }
        self.entries.truncate(map.entries);
    }

    /// Returns true if the key comes after those of the entries so far, or there are none.
    pub(crate) fn is_last_key(&self, map: &MapFrame, key: &[u8]) -> bool {
        let entries = self.entries.get(map.entries..).unwrap_or_default();
        let last = entries.last();
        last.is_none_or(|last| last.key(&self.own) < key)
    }

    /// The keys of the open map.
    pub(crate) fn keys(&self, map: &MapFrame) -> HashSet<Vec<u8>> {
        let entries = self.entries.get(map.entries..).unwrap_or_default();
        let keys = entries.iter().map(|entry| entry.key(&self.own).to_vec());
        keys.collect()
    }

    /// Writes the zero value of a type as an element of a list or a map.
    pub(crate) fn zero(&mut self, value_type: ValueType, number: u32) {
        zero(&mut self.own, number, value_type);
    }

    /// Returns true if one message is open, which is the object itself.
    pub(crate) fn is_outermost(&self) -> bool {
        self.depth == 1
    }

    /// The stack that the fields of the innermost message are written to.
    #[inline]
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.own
    }

    /// The stack that the innermost message ends onto.
    pub(crate) fn outer(&mut self) -> &mut Vec<u8> {
        &mut self.other
    }

    /// Where the next field starts.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.own.len()
    }
}

impl Entry {
    fn key<'a>(&self, own: &'a [u8]) -> &'a [u8] {
        let key = own.get(self.key_start..self.key_start + self.key_len);
        key.unwrap_or_default()
    }
}

/// Copies fields from one stack to the other, neighbours at once.
struct Copy<'a> {
    from: &'a [u8],
    out: &'a mut Vec<u8>,
    run: Piece,
}

impl<'a> Copy<'a> {
    fn new(from: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        let run = Piece::default();
        Self { from, out, run }
    }

    /// Writes the fields by number.
    fn message(&mut self, message: &'static Message, pieces: &[Piece]) {
        for field in message.fields_by_number() {
            if field.is_inline() {
                let inlined = pieces.get(field.slot()..).unwrap_or_default();
                self.inlined(field, inlined);
                continue;
            }
            let piece = pieces.get(field.slot()).copied().unwrap_or_default();
            if piece.start == piece.end {
                if !field.is_pointer() && field.shape() == Shape::Singular {
                    self.flush();
                    zero(self.out, field.number(), field.value_type());
                }
            } else if piece.start == self.run.end {
                self.run.end = piece.end;
            } else {
                self.flush();
                self.run = piece;
            }
        }
    }

    /// Writes an embedded struct, which is a message of its own.
    fn inlined(&mut self, field: &'static Field, pieces: &[Piece]) {
        let Some(message) = field.message() else {
            return;
        };
        self.flush();
        let count = message.slots();
        let pieces = pieces.get(..count).unwrap_or(pieces);
        let collected = pieces.iter().map(|piece| piece.end - piece.start).sum();
        tag(self.out, field.number(), BYTES);
        let length = Length::start(self.out, collected);
        self.message(message, pieces);
        self.flush();
        length.end(self.out);
    }

    fn flush(&mut self) {
        let run = self.from.get(self.run.start..self.run.end);
        self.out.extend_from_slice(run.unwrap_or_default());
        self.run = Piece::default();
    }
}

/// Writes the zero value of a type.
fn zero(out: &mut Vec<u8>, number: u32, value_type: ValueType) {
    let content: &[u8] = match value_type {
        ValueType::Bool | ValueType::Int32 | ValueType::Int64 => return varint(out, number, 0),
        ValueType::Float64 => return float(out, number, 0.0),
        ValueType::Bytes | ValueType::Any => return,
        ValueType::Message(message) => {
            tag(out, number, BYTES);
            let length = Length::start(out, 0);
            Copy::new(&[], out).message(message, &[]);
            length.end(out);
            return;
        }
        ValueType::Quantity => b"\x0a\x01\x30",
        ValueType::IntOrString => b"\x08\0\x10\0\x1a\0",
        ValueType::JsonSchemaPropsOrBool => b"\x08\0",
        _ => b"",
    };
    bytes(out, number, content);
}

impl Length {
    /// Keeps the bytes that a length takes which is probably near.
    #[inline]
    pub(crate) fn start(out: &mut Vec<u8>, expected: usize) -> Self {
        let at = out.len();
        let width = varint_len(expected as u64);
        out.extend_from_slice([0; 10].get(..width).unwrap_or_default());
        Self { at, width }
    }

    /// Writes the length of what follows, and returns where that starts.
    #[inline]
    pub(crate) fn end(self, out: &mut Vec<u8>) -> usize {
        let kept = self.at + self.width;
        let len = out.len() - kept;
        let width = varint_len(len as u64);
        if width != self.width {
            self.resize(out, width);
        }
        let mut left = len;
        if let Some(room) = out.get_mut(self.at..self.at + width) {
            for byte in room.iter_mut() {
                *byte = left as u8 | 0x80;
                left >>= 7;
            }
            if let Some(last) = room.last_mut() {
                *last &= 0x7f;
            }
        }
        self.at + width
    }

    fn resize(self, out: &mut Vec<u8>, width: usize) {
        let from = self.at + self.width;
        let end = out.len();
        if width > self.width {
            out.resize(end + width - self.width, 0);
            out.copy_within(from..end, self.at + width);
        } else {
            out.copy_within(from..end, self.at + width);
            out.truncate(end - (self.width - width));
        }
    }
}

#[inline]
const fn varint_len(value: u64) -> usize {
    (((63 - (value | 1).leading_zeros()) / 7) + 1) as usize
}

/// Writes a number without a tag.
#[inline]
pub(crate) fn raw_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes the tag of a field.
#[inline]
pub(crate) fn tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    raw_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Writes a field that is a number or a boolean.
#[inline]
pub(crate) fn varint(out: &mut Vec<u8>, number: u32, value: i64) {
    tag(out, number, VARINT);
    raw_varint(out, value.cast_unsigned());
}

/// Writes a field that is a floating point number.
pub(crate) fn float(out: &mut Vec<u8>, number: u32, value: f64) {
    tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Writes a field that is a run of bytes.
#[inline]
pub(crate) fn bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    tag(out, number, BYTES);
    raw_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_room_whatever_was_expected() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            for expected in [0, 127, 128, 20_000, 5_000_000] {
                let mut out = b"before".to_vec();
                let length = Length::start(&mut out, expected);
                out.resize(out.len() + len, b'x');
                let content = length.end(&mut out);
                let mut plain = b"before".to_vec();
                raw_varint(&mut plain, len as u64);
                assert_eq!(content, plain.len());
                plain.resize(plain.len() + len, b'x');
                assert!(out == plain, "{len} {expected}");
            }
        }
    }

    #[test]
    fn a_number_has_a_byte_for_each_seven_bits() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::MAX >> 1, u64::MAX] {
            let mut out = Vec::new();
            raw_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
        }
    }
}

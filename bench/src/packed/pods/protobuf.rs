//! As much of protobuf as it takes to cut messages and put them together again.

use bytes::{Buf, BufMut, BytesMut};
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

/// How protobuf from Kubernetes begins.
pub(crate) const MAGIC: &[u8] = b"k8s\0";

/// The raw object of the envelope `runtime.Unknown`, and the items of a list.
const RAW: u64 = 2;
const ITEMS: u64 = 2;

/// One field of a message.
pub(super) struct Field<'a> {
    pub(super) number: u64,
    /// Its number and wire type, as they are written.
    pub(super) tag: &'a [u8],
    /// All of it.
    pub(super) whole: &'a [u8],
    /// What it holds, if it has a length.
    pub(super) content: Option<&'a [u8]>,
}

/// The items of a list in its envelope; none if it is broken.
pub(super) fn items(page: &[u8]) -> Option<Vec<&[u8]>> {
    let list = contents(page.strip_prefix(MAGIC)?, RAW)?;
    contents(list.first()?, ITEMS)
}

fn contents(message: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    for field in fields(message) {
        let field = field?;
        if field.number == number {
            found.push(field.content?);
        }
    }
    Some(found)
}

/// The fields of a message; none where it is broken.
pub(super) fn fields(message: &[u8]) -> impl Iterator<Item = Option<Field<'_>>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next_field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field)
    })
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let begin = *rest;
    let key = decode_varint(rest).ok()?;
    let tag = begin.get(..begin.len() - rest.len())?;
    let mut content = None;
    match key & 7 {
        0 => drop(decode_varint(rest).ok()?),
        1 => *rest = rest.get(8..)?,
        2 => {
            let len = usize::try_from(decode_varint(rest).ok()?).ok()?;
            content = Some(rest.get(..len)?);
            rest.advance(len);
        }
        5 => *rest = rest.get(4..)?,
        _ => return None,
    }
    Some(Field {
        number: key >> 3,
        tag,
        whole: begin.get(..begin.len() - rest.len())?,
        content,
    })
}

pub(crate) fn push_varint(out: &mut BytesMut, value: u64) {
    encode_varint(value, out);
}

pub(crate) fn varint_len(value: u64) -> usize {
    encoded_len_varint(value)
}

/// Appends a field with a length, but for its content.
pub(crate) fn push_head(out: &mut BytesMut, number: u8, len: usize) {
    // The wire type of what has a length is 2.
    out.put_u8(number << 3 | 2);
    push_varint(out, len as u64);
}

/// How many bytes a field with a length has, the length of whose content is `len`.
pub(crate) fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Appends a field with a length.
pub(crate) fn push_field(out: &mut BytesMut, number: u8, content: &[u8]) {
    push_head(out, number, content.len());
    out.put_slice(content);
}

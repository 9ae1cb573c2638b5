//! Managed fields cut out of an object's bytes.

use super::field::{Fields, Malformed, Value, push_varint};
use super::header::{METADATA, object_meta};

/// The tag of the metadata: its number, and that it is a run of bytes.
const METADATA_TAG: u64 = (METADATA as u64) << 3 | 2;

/// The object without `metadata.managedFields`; put together in `scratch` if there is something to cut.
/// A message that is broken is given back as it is: its decoder will say so.
pub fn without_managed_fields<'a>(message: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    scratch.clear();
    match prune(message, scratch) {
        Ok(true) => scratch,
        Ok(false) | Err(_) => message,
    }
}

/// Writes the object without them; false if it has none.
fn prune(message: &[u8], out: &mut Vec<u8>) -> Result<bool, Malformed> {
    let mut cut = false;
    for field in Fields::of(message) {
        let field = field?;
        match field.value {
            Value::Bytes(metadata) if field.number == METADATA => {
                let kept = kept_bytes(metadata)?;
                if kept == metadata.len() {
                    out.extend_from_slice(field.bytes);
                    continue;
                }
                cut = true;
                push_varint(out, METADATA_TAG);
                push_varint(out, kept as u64);
                for field in kept_fields(metadata) {
                    out.extend_from_slice(field?);
                }
            }
            _ => out.extend_from_slice(field.bytes),
        }
    }
    Ok(cut)
}

fn kept_bytes(metadata: &[u8]) -> Result<usize, Malformed> {
    kept_fields(metadata)
        .map(|bytes| bytes.map(<[u8]>::len))
        .sum()
}

fn kept_fields(metadata: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::of(metadata).filter_map(|field| match field {
        Ok(field) if field.number == object_meta::MANAGED_FIELDS => None,
        Ok(field) => Some(Ok(field.bytes)),
        Err(error) => Some(Err(error)),
    })
}

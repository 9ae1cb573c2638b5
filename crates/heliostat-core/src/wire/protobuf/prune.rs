//! Managed fields cut out of an object's bytes.

use super::field::{Fields, Malformed, Value, push_varint};
use super::header::{METADATA, metadata, object_meta};

/// The tag of the metadata: its number, and that it is a run of bytes.
const METADATA_TAG: u64 = (METADATA as u64) << 3 | 2;

/// The object without `metadata.managedFields`; put together in `scratch` if there is something to cut.
/// A message that is broken is given back as it is: its decoder will say so.
pub fn without_managed_fields<'a>(message: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if !has_managed_fields(message) {
        return message;
    }
    scratch.clear();
    match prune(message, scratch) {
        Ok(()) => scratch,
        Err(_) => message,
    }
}

fn has_managed_fields(message: &[u8]) -> bool {
    let mut fields = metadata(message)
        .map_while(Result::ok)
        .flat_map(|metadata| Fields::of(metadata).map_while(Result::ok));
    fields.any(|field| field.number == object_meta::MANAGED_FIELDS)
}

/// Writes the object without them.
fn prune(message: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    for field in Fields::of(message) {
        let field = field?;
        match field.value {
            Value::Bytes(metadata) if field.number == METADATA => {
                push_varint(out, METADATA_TAG);
                push_varint(out, kept_bytes(metadata)? as u64);
                for field in kept_fields(metadata) {
                    out.extend_from_slice(field?);
                }
            }
            _ => out.extend_from_slice(field.bytes),
        }
    }
    Ok(())
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

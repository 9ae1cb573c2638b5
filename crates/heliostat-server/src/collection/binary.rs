//! Answers in protobuf: objects in their envelopes, lists, frames of watches.
//!
//! Messages come from the JSON of an object by the schema of its kind. What is around them is here:
//! the envelope (`runtime.Unknown`), the metadata of lists, the event of a frame.

use std::ops::Range;

use bytes::Bytes;
use heliostat_core::wire::protobuf::field::{Fields, Malformed, Value};
use heliostat_kinds::{MAGIC, TextOptions, schema};

use super::event_type::EventType;

/// The length of a frame before the frame, big-endian.
const LENGTH_BYTES: usize = 4;

/// The fields of an envelope after its message: no content encoding, no content type.
const ENVELOPE_END: &[u8] = &[0x1a, 0, 0x22, 0];

/// A second occurrence of the metadata, to be merged with the first: a label cut off in its key.
const BROKEN_LABELS: &[u8] = &[0x0a, 4, 0x5a, 2, 0x0a, 0x7f];

/// An object as a frame of a watch; the object in its envelope and its message are parts of it.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    event_type: EventType,
    frame: Bytes,
    object: Range<usize>,
    message: Range<usize>,
}

impl Binary {
    /// Encodes the JSON of an object of a kind.
    ///
    /// # Errors
    /// Why the JSON is no object of the kind.
    pub(crate) fn encode(
        event_type: EventType,
        kind: &'static schema::Kind,
        json: &[u8],
    ) -> Result<Self, String> {
        let message = message(kind, json)?;
        Ok(Self::new(event_type, kind, &message))
    }

    /// Puts the message of an object into its envelope and its frame.
    pub(crate) fn new(event_type: EventType, kind: &'static schema::Kind, message: &[u8]) -> Self {
        let head = envelope_head(kind.api_version(), kind.name(), message.len());
        let object = head.len() + message.len() + ENVELOPE_END.len();
        let mut frame = frame_head(event_type, object);
        let start = frame.len();
        frame.reserve_exact(object);
        frame.extend_from_slice(&head);
        let message_start = frame.len();
        frame.extend_from_slice(message);
        let message = message_start..frame.len();
        frame.extend_from_slice(ENVELOPE_END);
        Self {
            event_type,
            object: start..frame.len(),
            message,
            frame: frame.into(),
        }
    }

    /// The same object in a shape that no typed client can decode: its labels are cut off.
    pub(crate) fn malformed(&self, kind: &'static schema::Kind) -> Self {
        let message = [self.message(), BROKEN_LABELS].concat();
        Self::new(self.event_type, kind, &message)
    }

    /// Returns the object in its envelope.
    pub(crate) fn object(&self) -> &[u8] {
        self.frame.get(self.object.clone()).unwrap_or_default()
    }

    /// Returns the message, as an item of a list is written.
    pub(crate) fn message(&self) -> &[u8] {
        self.frame.get(self.message.clone()).unwrap_or_default()
    }

    /// How many bytes the frame has.
    pub(crate) fn len(&self) -> usize {
        self.frame.len()
    }

    /// Returns the frame under a type: shared if it is the type that the object was encoded with.
    pub(crate) fn frame(&self, event_type: EventType) -> Bytes {
        if event_type == self.event_type {
            return self.frame.clone();
        }
        let mut frame = frame_head(event_type, self.object.len());
        frame.extend_from_slice(self.object());
        frame.into()
    }
}

/// Returns the message of an object of a kind, from its JSON.
fn message(kind: &'static schema::Kind, json: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(json.len());
    let options = TextOptions::new().with_kind(kind).without_envelope();
    let written = options.write_json(json, &mut out);
    written.map_err(|error| error.to_string())?;
    Ok(out)
}

/// The number of the metadata in every object, and of the version in the metadata.
const METADATA: u32 = 1;
const RESOURCE_VERSION: u32 = 6;

/// Returns the message of an object under another version, in the place of its own.
///
/// # Errors
/// If the bytes are no message.
pub(crate) fn with_version(message: &[u8], version: u64) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(message.len() + 8);
    for field in Fields::of(message) {
        let field = field?;
        match field.value {
            Value::Bytes(metadata) if field.number == METADATA => {
                let metadata = metadata_with_version(metadata, version)?;
                bytes_field(&mut out, 1, &metadata);
            }
            _ => out.extend_from_slice(field.bytes),
        }
    }
    Ok(out)
}

fn metadata_with_version(metadata: &[u8], version: u64) -> Result<Vec<u8>, Malformed> {
    let digits = version.to_string();
    let mut out = Vec::with_capacity(metadata.len() + digits.len() + 2);
    let mut is_written = false;
    for field in Fields::of(metadata) {
        let field = field?;
        if field.number >= RESOURCE_VERSION && !is_written {
            bytes_field(&mut out, 6, digits.as_bytes());
            is_written = true;
        }
        if field.number != RESOURCE_VERSION {
            out.extend_from_slice(field.bytes);
        }
    }
    if !is_written {
        bytes_field(&mut out, 6, digits.as_bytes());
    }
    Ok(out)
}

/// The kind whose objects are the metadata of others.
pub(crate) fn partial_kind() -> &'static schema::Kind {
    builtin("meta.k8s.io/v1", "PartialObjectMetadata")
}

fn builtin(api_version: &'static str, name: &'static str) -> &'static schema::Kind {
    schema::kind(api_version, name).expect("every API server has the kind")
}

/// Encodes the JSON of a status. No status has what its kind does not allow.
pub(crate) fn status(json: &[u8]) -> Option<Binary> {
    Binary::encode(EventType::Error, builtin("v1", "Status"), json).ok()
}

/// Returns the metadata of a list.
pub(crate) fn list_metadata(version: u64, next: Option<&str>, remaining: Option<usize>) -> Vec<u8> {
    let mut metadata = Vec::new();
    bytes_field(&mut metadata, 1, b"");
    bytes_field(&mut metadata, 2, version.to_string().as_bytes());
    bytes_field(&mut metadata, 3, next.unwrap_or_default().as_bytes());
    if let Some(remaining) = remaining.filter(|_| next.is_some()) {
        varint(&mut metadata, 4 << 3);
        varint(&mut metadata, remaining);
    }
    metadata
}

/// Returns the start of a list of messages, whose items have `items` bytes with their tags.
pub(crate) fn list_head(api_version: &str, kind: &str, metadata: &[u8], items: usize) -> Vec<u8> {
    let message = bytes_field_len(metadata.len()) + items;
    let mut out = envelope_head(api_version, kind, message);
    bytes_field(&mut out, 1, metadata);
    out
}

/// Appends an item of a list.
pub(crate) fn write_item(out: &mut Vec<u8>, message: &[u8]) {
    bytes_field(out, 2, message);
}

/// Returns how many bytes an item has in its list.
pub(crate) fn item_len(message: &[u8]) -> usize {
    bytes_field_len(message.len())
}

/// Returns the end of a list.
pub(crate) fn list_tail() -> &'static [u8] {
    ENVELOPE_END
}

/// The envelope up to its message.
fn envelope_head(api_version: &str, kind: &str, message: usize) -> Vec<u8> {
    let mut type_meta = Vec::with_capacity(api_version.len() + kind.len() + 4);
    bytes_field(&mut type_meta, 1, api_version.as_bytes());
    bytes_field(&mut type_meta, 2, kind.as_bytes());
    let mut out = MAGIC.to_vec();
    bytes_field(&mut out, 1, &type_meta);
    open_bytes_field(&mut out, 2, message);
    out
}

/// The length of the frame, and the event up to its object.
fn frame_head(event_type: EventType, object: usize) -> Vec<u8> {
    let raw = bytes_field_len(object);
    let mut event = Vec::with_capacity(32);
    bytes_field(&mut event, 1, event_type.as_str().as_bytes());
    open_bytes_field(&mut event, 2, raw);
    open_bytes_field(&mut event, 1, object);
    let length = u32::try_from(event.len() + object).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(LENGTH_BYTES + event.len() + object);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&event);
    frame
}

fn bytes_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    open_bytes_field(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// The tag and the length of a field below 16 that is a run of bytes.
fn open_bytes_field(out: &mut Vec<u8>, number: u8, length: usize) {
    out.push(number << 3 | 2);
    varint(out, length);
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        // The lowest seven bits, which fit.
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes a run of bytes has as a field below 16.
pub(crate) fn bytes_field_len(length: usize) -> usize {
    let bits = (usize::BITS - length.leading_zeros()).max(1);
    1 + bits.div_ceil(7) as usize + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_changes_the_version_and_nothing_else() {
        let kind = builtin("v1", "ConfigMap");
        let text = |version: &str| {
            format!(
                r#"{{"metadata":{{"name":"a","uid":"u","resourceVersion":"{version}","labels":{{"a":"b"}}}},"data":{{"k":"v"}}}}"#
            )
        };
        let message = |version: &str| message(kind, text(version).as_bytes()).unwrap();
        for version in [7, 20_393, u64::MAX] {
            let moved = with_version(&message("20392"), version).unwrap();
            assert_eq!(moved, message(&version.to_string()));
        }
        let name_only = [0x0a, 3, 0x0a, 1, b'a'];
        assert_eq!(
            with_version(&name_only, 5).unwrap(),
            [0x0a, 6, 0x0a, 1, b'a', 0x32, 1, b'5']
        );
        assert!(with_version(&[0x0a, 9], 5).is_err());
    }
}

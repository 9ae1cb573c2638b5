//! An object's bytes with another resource version.
//!
//! etcd stores objects without one: it is the revision at which the value was written.

use super::field::{Field, Fields, Malformed, Value, push_varint};
use super::header::{METADATA, object_meta};

/// Copies `message` into `scratch` with `metadata.resourceVersion` set to `version`, and returns the copy.
///
/// The field is in the order of the field numbers, where Go writes it. An object without metadata
/// becomes one whose metadata is the version.
///
/// # Errors
/// If the message, or its metadata, is broken.
pub fn with_resource_version<'a>(
    message: &[u8],
    version: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], Malformed> {
    let text = version.to_string();
    scratch.clear();
    scratch.reserve(message.len() + text.len());
    let mut is_set = false;
    for field in Fields::of(message) {
        let field = field?;
        match metadata(&field) {
            Some(metadata) if is_set => push_metadata(scratch, metadata, "")?,
            Some(metadata) => {
                push_metadata(scratch, metadata, &text)?;
                is_set = true;
            }
            None => scratch.extend_from_slice(field.bytes),
        }
    }
    if !is_set {
        push_metadata(scratch, &[], &text)?;
    }
    Ok(scratch)
}

/// The metadata, if the field is it.
const fn metadata<'a>(field: &Field<'a>) -> Option<&'a [u8]> {
    match field.value {
        Value::Bytes(bytes) if field.number == METADATA => Some(bytes),
        _ => None,
    }
}

/// Appends the metadata with this version instead of those it has; with none if the text is empty.
fn push_metadata(out: &mut Vec<u8>, metadata: &[u8], version: &str) -> Result<(), Malformed> {
    let is_before = |field: &Field<'_>| field.number < object_meta::RESOURCE_VERSION;
    let mut version_field = Vec::new();
    if !version.is_empty() {
        push_tag(&mut version_field, object_meta::RESOURCE_VERSION);
        push_varint(&mut version_field, version.len() as u64);
        version_field.extend_from_slice(version.as_bytes());
    }
    let mut len = version_field.len();
    for field in others(metadata) {
        len += field?.bytes.len();
    }
    push_tag(out, METADATA);
    push_varint(out, len as u64);
    let mut is_open = true;
    for field in others(metadata) {
        let field = field?;
        if is_open && !is_before(&field) {
            out.extend_from_slice(&version_field);
            is_open = false;
        }
        out.extend_from_slice(field.bytes);
    }
    if is_open {
        out.extend_from_slice(&version_field);
    }
    Ok(())
}

/// The fields of metadata but its versions.
fn others(metadata: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Malformed>> {
    Fields::of(metadata).filter(|field| {
        let version = object_meta::RESOURCE_VERSION;
        !matches!(field, Ok(field) if field.number == version)
    })
}

/// Appends the tag of a field that is a run of bytes.
fn push_tag(out: &mut Vec<u8>, number: u32) {
    push_varint(out, u64::from(number) << 3 | 2);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::protobuf::header::RawHeader;

    /// A field that is a run of bytes.
    fn field(number: u32, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push_tag(&mut out, number);
        push_varint(&mut out, content.len() as u64);
        out.extend_from_slice(content);
        out
    }

    fn versioned(message: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut scratch = vec![1, 2, 3];
        with_resource_version(message, 42, &mut scratch).map(<[u8]>::to_vec)
    }

    #[test]
    fn a_version_is_inserted_where_go_writes_it() {
        let name = field(object_meta::NAME, b"a");
        let label = field(object_meta::LABELS, b"l");
        let version = |text: &[u8]| field(object_meta::RESOURCE_VERSION, text);
        let spec = field(2, b"spec");
        let object = |parts: &[&[u8]]| [field(METADATA, &parts.concat()), spec.clone()].concat();
        let expected = object(&[&name, &version(b"42"), &label]);
        for stored in [
            object(&[&name, &label]),
            object(&[&name, &version(b""), &label]),
            object(&[&name, &label, &version(b"7")]),
            object(&[&version(b"1"), &name, &version(b"7"), &label]),
        ] {
            assert_eq!(versioned(&stored).unwrap(), expected);
        }
        let bare = versioned(&object(&[&name])).unwrap();
        assert_eq!(bare, object(&[&name, &version(b"42")]));
    }

    #[test]
    fn metadata_in_two_pieces_has_one_version() {
        let piece = |name: &[u8], version: &[u8]| {
            let version = field(object_meta::RESOURCE_VERSION, version);
            field(
                METADATA,
                &[field(object_meta::NAME, name), version].concat(),
            )
        };
        let object = versioned(&[piece(b"a", b"1"), piece(b"b", b"2")].concat()).unwrap();
        let read = RawHeader::read(&object).unwrap();
        assert_eq!((read.name, read.resource_version), ("b", "42"));
    }

    proptest! {
        #[test]
        fn any_message_has_the_version_afterwards(message in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(object) = versioned(&message) {
                let read = RawHeader::read_tolerantly(&object);
                prop_assert!(read.has_metadata);
                if RawHeader::read(&object).is_ok() {
                    prop_assert_eq!(read.resource_version, "42");
                }
            }
        }
    }
}

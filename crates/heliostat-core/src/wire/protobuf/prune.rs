//! An object's bytes cut down: its managed fields, or everything but its metadata.
//!
//! Its header is read in the same walk: for most objects of a mirror this is all that is done with the
//! metadata, and it has more fields than anything else in an object's own message.

use std::ops::Range;

use super::field::{Fields, Malformed, Value, push_varint};
use super::header::{METADATA, RawHeader, object_meta};

/// The tag of the metadata: its number, and that it is a run of bytes.
const METADATA_TAG: u64 = (METADATA as u64) << 3 | 2;

/// The header of an object, and the object without `metadata.managedFields`; put together in `scratch` if
/// there is something to cut.
///
/// # Errors
/// If the message, or its metadata, is broken.
pub fn without_managed_fields<'a>(
    message: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<(RawHeader<'a>, &'a [u8]), Malformed> {
    let mut header = RawHeader::default();
    let mut cut = Cut::default();
    let mut fields = Fields::of(message);
    while let Some(field) = fields.next() {
        let field = field?;
        if let Value::Bytes(metadata) = field.value
            && field.number == METADATA
        {
            let end = message.len() - fields.left();
            header.has_metadata = true;
            cut.enter(end - field.bytes.len()..end, metadata.len());
            let mut parts = Fields::of(metadata);
            while let Some(part) = parts.next() {
                let part = part?;
                if part.number == object_meta::MANAGED_FIELDS {
                    let end = end - parts.left();
                    cut.add(end - part.bytes.len()..end);
                } else {
                    header.take(part)?;
                }
            }
        }
    }
    let kept = match cut {
        Cut { run: None, .. } => message,
        Cut {
            run: Some(run),
            is_one: true,
            metadata,
            content,
        } => {
            copy_without(message, &metadata, content, &run, scratch);
            scratch
        }
        Cut { .. } => {
            prune(message, scratch)?;
            scratch
        }
    };
    Ok((header, kept))
}

/// The metadata of an object and nothing else, which is a `PartialObjectMetadata`; put together in
/// `scratch` if there is something to cut.
///
/// # Errors
/// If the message is broken.
pub fn only_metadata<'a>(
    message: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], Malformed> {
    let mut is_lean = true;
    for field in Fields::of(message) {
        is_lean &= field?.number == METADATA;
    }
    if is_lean {
        return Ok(message);
    }
    scratch.clear();
    for field in Fields::of(message) {
        let field = field?;
        if field.number == METADATA {
            scratch.extend_from_slice(field.bytes);
        }
    }
    Ok(scratch)
}

/// Where the managed fields lie: nearly always they are one run, at the end of the only metadata.
#[derive(Debug)]
struct Cut {
    /// The last metadata, with its tag and length.
    metadata: Range<usize>,
    /// How many bytes its content has.
    content: usize,
    run: Option<Range<usize>>,
    /// There is no metadata but that, and no managed fields but the run.
    is_one: bool,
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            metadata: 0..0,
            content: 0,
            run: None,
            is_one: true,
        }
    }
}

impl Cut {
    fn enter(&mut self, metadata: Range<usize>, content: usize) {
        self.is_one = self.metadata.is_empty();
        self.metadata = metadata;
        self.content = content;
    }

    fn add(&mut self, field: Range<usize>) {
        match &mut self.run {
            None => self.run = Some(field),
            Some(run) if run.end == field.start => run.end = field.end,
            Some(_) => self.is_one = false,
        }
    }
}

/// Writes the object without the run that lies in its only metadata.
fn copy_without(
    message: &[u8],
    metadata: &Range<usize>,
    content: usize,
    run: &Range<usize>,
    out: &mut Vec<u8>,
) {
    let part = |range: Range<usize>| message.get(range).unwrap_or_default();
    out.clear();
    out.reserve(message.len());
    out.extend_from_slice(part(0..metadata.start));
    push_varint(out, METADATA_TAG);
    push_varint(out, (content - run.len()) as u64);
    out.extend_from_slice(part(metadata.end - content..run.start));
    out.extend_from_slice(part(run.end..message.len()));
}

/// Writes the object without any of them, wherever they lie.
fn prune(message: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.clear();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lean(message: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut scratch = vec![1, 2, 3];
        let (header, kept) = without_managed_fields(message, &mut scratch)?;
        assert_eq!(RawHeader::read(message), Ok(header));
        Ok(kept.to_vec())
    }

    /// A field that is a run of bytes.
    fn field(number: u32, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push_varint(&mut out, u64::from(number) << 3 | 2);
        push_varint(&mut out, content.len() as u64);
        out.extend_from_slice(content);
        out
    }

    fn metadata(parts: &[Vec<u8>]) -> Vec<u8> {
        field(METADATA, &parts.concat())
    }

    #[test]
    fn managed_fields_are_cut_wherever_they_lie() {
        let (name, label) = (
            field(object_meta::NAME, b"a"),
            field(object_meta::LABELS, b"l"),
        );
        let managed = field(object_meta::MANAGED_FIELDS, b"fields");
        let spec = field(2, &[b'x'; 300]);
        let [n, l, m] = [&name, &label, &managed].map(Clone::clone);
        let lean_metadata = metadata(&[n.clone(), l.clone()]);
        for parts in [
            vec![n.clone(), l.clone(), m.clone()],
            vec![n.clone(), m.clone(), m.clone(), l.clone()],
            vec![m.clone(), n.clone(), m.clone(), l.clone(), m.clone()],
        ] {
            for (before, after) in [(&[][..], &spec[..]), (&spec[..], &[][..])] {
                let message = [before, &metadata(&parts), after].concat();
                let expected = [before, &lean_metadata, after].concat();
                assert_eq!(lean(&message).unwrap(), expected);
            }
        }
        let twice = [metadata(&[n.clone(), m.clone()]), metadata(&[m, l.clone()])].concat();
        assert_eq!(
            lean(&twice).unwrap(),
            [metadata(&[n]), metadata(&[l])].concat()
        );
    }

    #[test]
    fn without_any_the_bytes_stay_where_they_are() {
        let message = metadata(&[field(object_meta::NAME, b"a")]);
        let mut scratch = Vec::new();
        let (_, kept) = without_managed_fields(&message, &mut scratch).unwrap();
        assert!(std::ptr::eq(kept, &raw const *message));
    }

    /// Numbers that mean something, in messages that are whole more often than chance has them.
    fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let number = prop_oneof![
            Just(1u32),
            Just(3),
            Just(5),
            Just(6),
            Just(11),
            Just(17),
            Just(17)
        ];
        let part = (number, prop::collection::vec(97..123u8, 0..20))
            .prop_map(|(number, content)| field(number, &content));
        prop::collection::vec(part, 0..8)
    }

    proptest! {
        #[test]
        fn the_one_walk_reads_and_cuts_as_two_would(
            pieces in prop::collection::vec((any::<bool>(), parts()), 0..4),
            cut_off in 0..4usize,
        ) {
            let pieces = pieces.iter().map(|(is_metadata, parts)| match is_metadata {
                true => metadata(parts),
                false => field(2, &parts.concat()),
            });
            let mut message = pieces.collect::<Vec<_>>().concat();
            message.truncate(message.len().saturating_sub(cut_off));
            let mut expected = Vec::new();
            match (RawHeader::read(&message), prune(&message, &mut expected)) {
                (Ok(_), Ok(())) => prop_assert_eq!(lean(&message), Ok(expected)),
                (read, _) => {
                    let error = read.expect_err("what can be read can be cut");
                    prop_assert_eq!(lean(&message), Err(error));
                }
            }
        }

        #[test]
        fn any_bytes_are_safe_to_cut(message in prop::collection::vec(any::<u8>(), 0..80)) {
            let read = RawHeader::read(&message);
            prop_assert_eq!(lean(&message).err(), read.err());
        }
    }
}

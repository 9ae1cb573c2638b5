//! The entries of a map, in the order of their keys, each key once.

use std::vec;

use crate::error::{ReadError, ReadErrorKind};
use crate::read::index::Reader;
use crate::read::occurrences::Elements;
use crate::read::value::Value;
use crate::schema::Field;
use crate::wire::{self, Span};

/// Walks over the entries of a map.
#[derive(Debug)]
pub(crate) enum Entries<'de> {
    /// Their keys ascend, as the server writes them.
    InOrder(Elements),
    /// Their keys do not: the entries, sorted, of equal keys the last.
    Sorted(vec::IntoIter<Entry<'de>>),
}

/// An entry: its key, and where its value is if it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'de> {
    key: &'de [u8],
    value: Option<u32>,
}

impl<'de> Entries<'de> {
    /// Looks at the keys of the entries, and sorts them if need be.
    pub(crate) fn of(
        reader: &Reader<'de>,
        field: &'static Field,
        elements: Elements,
    ) -> Result<Self, ReadError> {
        let mut ascending = elements;
        let mut last: Option<&[u8]> = None;
        while let Some((_, span)) = ascending.next_bytes(reader)? {
            let entry = read_entry(reader, field, span)?;
            if last.is_some_and(|last| last >= entry.key) {
                return sorted(reader, field, elements);
            }
            last = Some(entry.key);
        }
        Ok(Self::InOrder(elements))
    }

    /// How many entries there are at least.
    pub(crate) fn len_hint(&self) -> usize {
        match self {
            Self::InOrder(elements) => elements.len_hint(),
            Self::Sorted(entries) => entries.len(),
        }
    }

    /// The key of the next entry; its value is written to `value`.
    #[inline(never)]
    pub(crate) fn next(
        &mut self,
        reader: &mut Reader<'de>,
        field: &'static Field,
        value: &mut Value<'de>,
    ) -> Result<Option<&'de [u8]>, ReadError> {
        let entry = match self {
            Self::InOrder(elements) => match elements.next_bytes(reader)? {
                Some((_, span)) => Some(read_entry(reader, field, span)?),
                None => None,
            },
            Self::Sorted(entries) => entries.next(),
        };
        let Some(entry) = entry else {
            return Ok(None);
        };
        match entry.value {
            Some(at) => value.read_element(reader, field, at)?,
            None => value.read_nothing(reader, field)?,
        }
        Ok(Some(entry.key))
    }
}

#[cold]
fn sorted<'de>(
    reader: &Reader<'de>,
    field: &'static Field,
    mut elements: Elements,
) -> Result<Entries<'de>, ReadError> {
    let mut entries = Vec::with_capacity(elements.len_hint());
    while let Some((_, span)) = elements.next_bytes(reader)? {
        entries.push(read_entry(reader, field, span)?);
    }
    // The sort keeps the order of equal keys, so the last of them is the one that counts.
    entries.sort_by_key(|entry| entry.key);
    entries.reverse();
    entries.dedup_by_key(|entry| entry.key);
    entries.reverse();
    Ok(Entries::Sorted(entries.into_iter()))
}

#[inline]
fn read_entry<'de>(
    reader: &Reader<'de>,
    field: &'static Field,
    span: Span,
) -> Result<Entry<'de>, ReadError> {
    let mut entry = Entry {
        key: b"",
        value: None,
    };
    let mut cursor = reader.cursor(span);
    while !cursor.is_at_end() {
        let (number, wire_type) = cursor.tag()?;
        let at = cursor.at();
        match (number, wire_type) {
            (1, wire::BYTES) => {
                let key = cursor.span()?;
                entry.key = cursor.slice(key);
            }
            (2, wire::BYTES) => {
                cursor.span()?;
                entry.value = Some(at as u32);
            }
            (1 | 2, _) => {
                let field = field.name();
                return Err(ReadErrorKind::WireType {
                    field,
                    at,
                    wire_type,
                }
                .into());
            }
            _ => cursor.skip(wire_type)?,
        }
    }
    Ok(entry)
}

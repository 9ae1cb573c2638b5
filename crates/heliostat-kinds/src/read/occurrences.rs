//! The occurrences of a field, one after the other.

use crate::error::ReadError;
use crate::read::index::{Reader, Slot};
use crate::wire::{self, Span};

/// The bytes of a message: one run, or all occurrences of a field, which are merged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Span(Span),
    Merged(Elements),
}

/// Walks over the occurrences of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements {
    at: u32,
    count: u32,
    link: u32,
    /// What is left of a packed list of numbers.
    packed: Span,
}

impl Content {
    /// No bytes at all.
    pub(crate) const EMPTY: Self = Self::Span(Span { start: 0, end: 0 });

    /// The content of a message that is the value of a field.
    #[inline(always)]
    pub(crate) fn of(reader: &Reader<'_>, slot: Slot) -> Result<Self, ReadError> {
        let mut elements = Elements::of(slot);
        if slot.is_single() {
            let only = elements.next_bytes(reader)?;
            return Ok(only.map_or(Self::EMPTY, |(_, span)| Self::Span(span)));
        }
        Ok(Self::Merged(elements))
    }
}

impl Elements {
    /// The occurrences that are noted in the slot.
    #[inline(always)]
    pub(crate) fn of(slot: Slot) -> Self {
        Self {
            at: slot.first,
            count: slot.count,
            link: slot.link,
            packed: Span { start: 0, end: 0 },
        }
    }

    /// How many there are at least: exactly so many, unless they are scattered or packed.
    #[inline(always)]
    pub(crate) fn len_hint(&self) -> usize {
        self.count as usize
    }

    /// The next occurrence: where its value starts and its wire type.
    #[inline(always)]
    fn next_value(&mut self, reader: &Reader<'_>) -> Result<Option<(u32, u8)>, ReadError> {
        if self.count == 0 {
            let Some(link) = reader.links.get((self.link as usize).wrapping_sub(1)) else {
                return Ok(None);
            };
            (self.at, self.count, self.link) = (link.first, link.count, link.next);
        }
        self.count -= 1;
        let mut cursor = reader.cursor_at(self.at);
        let (_, wire_type) = cursor.tag()?;
        Ok(Some((cursor.at() as u32, wire_type)))
    }

    /// The next occurrence as a run of bytes.
    #[inline(always)]
    pub(crate) fn next_bytes(
        &mut self,
        reader: &Reader<'_>,
    ) -> Result<Option<(u32, Span)>, ReadError> {
        let Some((at, _)) = self.next_value(reader)? else {
            return Ok(None);
        };
        let mut cursor = reader.cursor_at(at);
        let span = cursor.span()?;
        self.at = cursor.at() as u32;
        Ok(Some((at, span)))
    }

    /// The next element: where its value starts. Numbers may be packed, several in one occurrence.
    #[inline(always)]
    pub(crate) fn next_place(
        &mut self,
        reader: &Reader<'_>,
        is_number: bool,
    ) -> Result<Option<u32>, ReadError> {
        if !is_number {
            return Ok(self.next_bytes(reader)?.map(|(at, _)| at));
        }
        loop {
            if self.packed.start < self.packed.end {
                let at = self.packed.start;
                let mut cursor = reader.cursor(self.packed);
                cursor.varint()?;
                self.packed.start = cursor.at() as u32;
                return Ok(Some(at));
            }
            let Some((at, wire_type)) = self.next_value(reader)? else {
                return Ok(None);
            };
            let mut cursor = reader.cursor_at(at);
            if wire_type == wire::BYTES {
                self.packed = cursor.span()?;
                self.at = cursor.at() as u32;
                continue;
            }
            cursor.skip(wire_type)?;
            self.at = cursor.at() as u32;
            return Ok(Some(at));
        }
    }
}

//! The fields of a message in the order in which the bytes have them.
//!
//! Structs take their fields in any order, so the places of the fields need not be noted first. A
//! field that is in several places needs it; the server sends none, and reading then starts over.

use crate::error::ReadError;
use crate::read::index::{Reader, Slot, check_wire_type};
use crate::read::value::Value;
use crate::schema::{Field, Message};
use crate::wire::Span;

/// Walks over the fields that a message has, with those of inlined structs.
#[derive(Debug)]
pub(crate) struct Stream {
    message: &'static Message,
    /// What is left of the message.
    rest: Span,
    /// What is added to slots of the message, which is not 0 in an inlined struct.
    offset: usize,
    /// Around an inlined struct the message that has it, and where that ends.
    outer: Option<(&'static Message, u32)>,
    /// Which fields came, a bit for each slot.
    seen: u64,
}

impl Stream {
    /// Starts at the first field.
    #[inline(always)]
    pub(super) fn of(message: &'static Message, span: Span) -> Self {
        Self {
            message,
            rest: span,
            offset: 0,
            outer: None,
            seen: 0,
        }
    }

    /// Which fields came, a bit for each slot.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// The next field that JSON shows; its value is written to `value`.
    #[inline(always)]
    pub(super) fn next<'de>(
        &mut self,
        reader: &mut Reader<'de>,
        value: &mut Value<'de>,
    ) -> Result<Option<&'static Field>, ReadError> {
        loop {
            if self.rest.start >= self.rest.end {
                let Some((message, end)) = self.outer.take() else {
                    return Ok(None);
                };
                (self.message, self.rest.end, self.offset) = (message, end, 0);
                continue;
            }
            let mut cursor = reader.cursor(self.rest);
            let tag_at = cursor.at() as u32;
            let (number, wire_type) = cursor.tag()?;
            let Some(field) = self.message.field_by_number(number) else {
                cursor.skip(wire_type)?;
                self.rest.start = cursor.at() as u32;
                reader.note_unknown();
                continue;
            };
            check_wire_type(field, cursor.at(), wire_type)?;
            if field.is_inline() {
                let inner = cursor.span()?;
                self.enter(reader, field, inner)?;
                continue;
            }
            let bit = 1 << (self.offset + field.slot());
            if self.seen & bit != 0 {
                return Err(reader.scattered());
            }
            self.seen |= bit;
            let is_shown = if field.last_counts() {
                let is_shown = value.read_last(field, &mut cursor)?;
                self.rest.start = cursor.at() as u32;
                is_shown
            } else {
                cursor.skip(wire_type)?;
                let mut slot = Slot::once(tag_at, cursor.at() as u32);
                slot.extend(&mut cursor, field)?;
                self.rest.start = cursor.at() as u32;
                value.read_field(reader, field, slot)?
            };
            if is_shown {
                return Ok(Some(field));
            }
        }
    }

    /// Goes on in an inlined struct, and behind it in the message.
    fn enter(
        &mut self,
        reader: &mut Reader<'_>,
        field: &'static Field,
        inner: Span,
    ) -> Result<(), ReadError> {
        if self.outer.is_some() {
            return Err(reader.scattered());
        }
        self.outer = Some((self.message, self.rest.end));
        self.message = field.message().unwrap_or(self.message);
        self.offset = field.slot();
        self.rest = inner;
        Ok(())
    }
}

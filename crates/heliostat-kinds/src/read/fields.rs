//! The fields of a message that JSON shows, in the order of the Go struct.

use crate::error::ReadError;
use crate::read::index::{Mark, Reader};
use crate::read::occurrences::Content;
use crate::read::stream::Stream;
use crate::read::value::Value;
use crate::schema::{Field, Message};

/// The kind and the API version of an object, which protobuf has in the envelope.
///
/// Messages that have them have them first. Empty ones are not shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TypeMeta<'de> {
    pub(crate) kind: &'de str,
    pub(crate) api_version: &'de str,
}

impl TypeMeta<'_> {
    /// Which of the two there are, a bit for each.
    fn present(self) -> u64 {
        u64::from(!self.kind.is_empty()) | u64::from(!self.api_version.is_empty()) << 1
    }
}

/// Walks over the fields of a message.
#[derive(Debug)]
pub(crate) struct Fields {
    message: &'static Message,
    mark: Mark,
    /// A bit for each field that is to be visited.
    left: u64,
    /// The fields that the bytes have, if they are visited in the order of the bytes.
    stream: Option<Stream>,
}

/// The order in which the fields of a message are visited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// That of the Go struct.
    Declared,
    /// Any.
    Any,
}

impl Fields {
    /// Opens a message.
    #[inline(always)]
    pub(crate) fn open(
        reader: &mut Reader<'_>,
        message: &'static Message,
        content: Content,
        order: Order,
    ) -> Result<Self, ReadError> {
        let (mark, stream) = match content {
            Content::Span(span) if order == Order::Any && reader.streams() => {
                (reader.open_stream()?, Some(Stream::of(message, span)))
            }
            _ => (reader.open(message, content)?, None),
        };
        let mut left = mark.present | message.shown_when_absent();
        if reader.is_outermost() && message.has_type_meta() {
            left |= reader.type_meta().present();
        }
        Ok(Self {
            message,
            mark,
            left,
            stream,
        })
    }

    /// Forgets the message, of which all fields were visited.
    ///
    /// # Errors
    ///
    /// If the visitor left fields whose bytes were not looked at.
    #[inline(always)]
    pub(crate) fn close(self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        reader.close(self.mark);
        match self.stream {
            Some(_) => Err(reader.scattered()),
            None => Ok(()),
        }
    }

    /// The next field that JSON shows; its value is written to `value`.
    ///
    /// Values are written to their place and not returned: a copy would have to wait for it.
    #[inline(never)]
    pub(crate) fn next<'de>(
        &mut self,
        reader: &mut Reader<'de>,
        value: &mut Value<'de>,
    ) -> Result<Option<&'static Field>, ReadError> {
        if let Some(stream) = &mut self.stream {
            if let Some(field) = stream.next(reader, value)? {
                return Ok(Some(field));
            }
            self.left &= !stream.seen();
            self.stream = None;
        }
        while self.left != 0 {
            let slot = self.left.trailing_zeros() as usize;
            self.left &= self.left - 1;
            let Some(field) = self.message.field_of_slot(slot) else {
                continue;
            };
            if !self.mark.contains(slot) {
                *value = self.absent(reader, field, slot);
                return Ok(Some(field));
            }
            let place = reader.slot(self.mark, slot);
            if value.read_field(reader, field, place)? {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }

    /// What JSON shows of a field that the bytes do not have.
    fn absent<'de>(&self, reader: &Reader<'de>, field: &'static Field, slot: usize) -> Value<'de> {
        match slot {
            0 if self.message.has_type_meta() => Value::Str(reader.type_meta().kind.as_bytes()),
            1 if self.message.has_type_meta() => {
                Value::Str(reader.type_meta().api_version.as_bytes())
            }
            _ => Value::absent(field),
        }
    }
}

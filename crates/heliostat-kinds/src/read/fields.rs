//! The fields of a message that JSON shows, in the order of the Go struct.

use crate::error::ReadError;
use crate::read::index::{Mark, Reader};
use crate::read::occurrences::Content;
use crate::read::value::Value;
use crate::schema::{Field, Message};
use crate::tables::{MESSAGES, TYPE_META};

/// The kind and the API version of an object, which protobuf has in the envelope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeMeta<'de> {
    pub(crate) kind: &'de str,
    pub(crate) api_version: &'de str,
}

/// Walks over the fields of a message.
#[derive(Debug)]
pub(crate) struct Fields<'de> {
    mark: Mark,
    type_meta: Option<TypeMeta<'de>>,
    frames: [Frame; FRAMES_MAX],
    /// The index of the frame of the innermost struct.
    top: usize,
}

/// How many structs are inlined in each other at most, with the outermost.
const FRAMES_MAX: usize = 4;

/// A struct that is being visited.
#[derive(Clone, Copy, Debug)]
struct Frame {
    fields: &'static [Field],
    /// The index of the next field.
    next: usize,
    /// The slot of the first field.
    base: usize,
    /// How far behind `base` the slots of the next inlined struct are.
    inline: usize,
    is_type_meta: bool,
}

impl Frame {
    const EMPTY: Self = Self {
        fields: &[],
        next: 0,
        base: 0,
        inline: 0,
        is_type_meta: false,
    };

    fn of(message: &'static Message, base: usize) -> Self {
        let fields = message.fields();
        Self {
            fields,
            base,
            inline: fields.len(),
            ..Self::EMPTY
        }
    }
}

impl<'de> Fields<'de> {
    /// Opens a message.
    pub(crate) fn open(
        reader: &mut Reader<'de>,
        message: &'static Message,
        content: Content,
        type_meta: Option<TypeMeta<'de>>,
    ) -> Result<Self, ReadError> {
        let mark = reader.open(message, content)?;
        let mut frames = [Frame::EMPTY; FRAMES_MAX];
        frames[0] = Frame::of(message, mark.slots);
        Ok(Self {
            mark,
            type_meta,
            frames,
            top: 0,
        })
    }

    /// Forgets the message.
    pub(crate) fn close(self, reader: &mut Reader<'de>) {
        reader.close(self.mark);
    }

    /// The next field that JSON shows, and its value.
    #[inline]
    pub(crate) fn next(
        &mut self,
        reader: &mut Reader<'de>,
    ) -> Result<Option<(&'static Field, Value<'de>)>, ReadError> {
        loop {
            let frame = &mut self.frames[self.top];
            let Some(field) = frame.fields.get(frame.next) else {
                if self.top == 0 {
                    return Ok(None);
                }
                self.top -= 1;
                continue;
            };
            let index = frame.next;
            frame.next += 1;
            if frame.is_type_meta {
                if let Some(text) = self.type_meta_value(index) {
                    return Ok(Some((field, Value::Str(text.as_bytes()))));
                }
                continue;
            }
            if field.is_inline() {
                self.enter(field);
                continue;
            }
            let slot = reader.slot(frame.base + index);
            if let Some(value) = Value::of_field(reader, field, slot)? {
                return Ok(Some((field, value)));
            }
        }
    }

    /// Enters an inlined struct.
    fn enter(&mut self, field: &'static Field) {
        let Some(message) = field.message() else {
            return;
        };
        let frame = &mut self.frames[self.top];
        let base = frame.base + frame.inline;
        frame.inline += message.slots();
        let is_type_meta = field.number() == 0;
        if is_type_meta && self.type_meta.is_none() {
            return;
        }
        // The generator makes no struct that is inlined deeper.
        if let Some(inner) = self.frames.get_mut(self.top + 1) {
            *inner = Frame {
                is_type_meta,
                ..Frame::of(message, base)
            };
            self.top += 1;
        }
    }

    /// The kind (0) or the API version (1), unless it is empty.
    fn type_meta_value(&self, index: usize) -> Option<&'de str> {
        let type_meta = self.type_meta?;
        let text = if index == 0 {
            type_meta.kind
        } else {
            type_meta.api_version
        };
        (!text.is_empty()).then_some(text)
    }
}

const _: () = assert!(TYPE_META < MESSAGES.len());

//! Objects as JSON text, byte for byte as the Go encoder of the server writes them.

mod embedded;
mod pretty;
mod string;

pub(crate) use string::plain_len;

use crate::error::ReadError;
use crate::object::Object;
use crate::read::{Content, Elements, Entries, Fields, Order, Reader, Value};
use crate::schema::{Field, Message};
use crate::text;
use crate::time::TimeText;
use crate::wire::Span;

/// Appends the object, or nothing if it cannot be read.
pub(crate) fn write(object: &Object<'_>, out: &mut Vec<u8>) -> Result<(), ReadError> {
    let start = out.len();
    let bytes = object.bytes();
    // Names take as much room as a third of the bytes, in pods.
    out.reserve(bytes.len() + bytes.len() / 2);
    let content = Content::Span(Span::of(bytes)?);
    let mut writer = Writer {
        reader: Reader::for_json(object),
        out,
    };
    let result = writer.message(object.message(), content);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Appends the object in lines, or nothing if it cannot be read.
pub(crate) fn write_pretty(
    object: &Object<'_>,
    indent: &str,
    out: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let mut compact = Vec::with_capacity(2 * object.bytes().len());
    write(object, &mut compact)?;
    pretty::indent(&compact, indent, out);
    Ok(())
}

struct Writer<'a, 'de> {
    reader: Reader<'de>,
    out: &'a mut Vec<u8>,
}

impl<'de> Writer<'_, 'de> {
    fn message(&mut self, message: &'static Message, content: Content) -> Result<(), ReadError> {
        let mut fields = Fields::open(&mut self.reader, message, content, Order::Declared)?;
        self.out.push(b'{');
        let start = self.out.len();
        let mut value = Value::Null;
        while let Some(field) = fields.next(&mut self.reader, &mut value)? {
            if self.out.len() > start {
                self.out.push(b',');
            }
            self.out.extend_from_slice(field.json_key().as_bytes());
            self.value(&value)?;
        }
        self.out.push(b'}');
        fields.close(&mut self.reader)
    }

    fn value(&mut self, value: &Value<'de>) -> Result<(), ReadError> {
        match *value {
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::Int(value) => {
                let mut digits = itoa::Buffer::new();
                self.out.extend_from_slice(digits.format(value).as_bytes());
            }
            Value::Float(value) => self.out.extend_from_slice(text::float(value)?.as_bytes()),
            Value::Str(text) => string::write(text, self.out),
            Value::Bytes(bytes) => self.base64(bytes),
            Value::Time(seconds) => self.quoted(TimeText::of_seconds(seconds).as_str()),
            Value::MicroTime(seconds, micros) => {
                self.quoted(TimeText::of_micros(seconds, micros).as_str());
            }
            Value::Json(json) => embedded::write(json, self.out)?,
            Value::FieldSet(json) => embedded::write_field_set(json, self.out)?,
            Value::Envelope(bytes) => self.embedded(bytes)?,
            Value::Message(message, content) => self.message(message, content)?,
            Value::List(field, elements) => self.list(field, elements)?,
            Value::Map(field, elements) => self.map(field, elements)?,
        }
        Ok(())
    }

    fn list(&mut self, field: &'static Field, mut elements: Elements) -> Result<(), ReadError> {
        self.reader.descend()?;
        let is_number = field.can_be_packed();
        let mut before = b'[';
        let mut value = Value::Null;
        while let Some(at) = elements.next_place(&self.reader, is_number)? {
            self.out.push(before);
            before = b',';
            value.read_element(&mut self.reader, field, at)?;
            self.value(&value)?;
        }
        if before == b'[' {
            self.out.push(before);
        }
        self.out.push(b']');
        self.reader.ascend();
        Ok(())
    }

    fn map(&mut self, field: &'static Field, elements: Elements) -> Result<(), ReadError> {
        self.reader.descend()?;
        let mut entries = Entries::of(&self.reader, field, elements)?;
        let mut before = b'{';
        let mut value = Value::Null;
        while let Some(key) = entries.next(&mut self.reader, field, &mut value)? {
            self.out.push(before);
            before = b',';
            string::write(key, self.out);
            self.out.push(b':');
            self.value(&value)?;
        }
        self.out.push(b'}');
        self.reader.ascend();
        Ok(())
    }

    /// An object with an envelope in place of JSON, as in the events of a watch.
    fn embedded(&mut self, bytes: &'de [u8]) -> Result<(), ReadError> {
        let object = Object::from_envelope(bytes)?;
        let content = Content::Span(Span::of(object.bytes())?);
        let mut writer = Writer {
            reader: self.reader.embedded(&object),
            out: &mut *self.out,
        };
        writer.message(object.message(), content)
    }

    /// Text that needs no escapes.
    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let start = self.out.len();
        // Four letters for each three bytes.
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let room = self.out.get_mut(start..).unwrap_or_default();
        let engine = &base64::engine::general_purpose::STANDARD;
        let len = base64::Engine::encode_slice(engine, bytes, room).unwrap_or_default();
        self.out.truncate(start + len);
        self.out.push(b'"');
    }
}

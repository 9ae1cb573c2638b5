//! Values of fields, as JSON sees them.

use crate::error::{ReadError, ReadErrorKind};
use crate::object::MAGIC;
use crate::read::index::{Reader, Slot};
use crate::read::occurrences::{Content, Elements};
use crate::schema::{Field, Message, Shape, ValueType};
use crate::tables::{
    JSON_SCHEMA_PROPS, MESSAGES, SCHEMA_OR_ARRAY, SCHEMA_OR_BOOL, SCHEMA_OR_STRINGS, STRING_LIST,
};
use crate::wire::{Cursor, Span};

/// A value, not decoded further than it takes to know what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'de> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Text that may not be UTF-8.
    Str(&'de [u8]),
    /// Bytes that are base64 in JSON.
    Bytes(&'de [u8]),
    /// Seconds since 1970.
    Time(i64),
    /// Seconds since 1970, and microseconds.
    MicroTime(i64, u32),
    /// JSON text that may be invalid.
    Json(&'de [u8]),
    /// JSON text that may be invalid, and is a set of fields otherwise.
    FieldSet(&'de [u8]),
    /// An object with an envelope of its own.
    Envelope(&'de [u8]),
    Message(&'static Message, Content),
    /// Elements of the type of the field.
    List(&'static Field, Elements),
    /// Entries whose values have the type of the field.
    Map(&'static Field, Elements),
}

/// Seconds of 0001-01-01T00:00:00Z, which is the zero time in Go.
const ZERO_TIME: i64 = -62_135_596_800;

impl<'de> Value<'de> {
    /// Reads a field that is present. Returns false if JSON does not show it.
    #[inline(always)]
    pub(crate) fn read_field(
        &mut self,
        reader: &mut Reader<'de>,
        field: &'static Field,
        slot: Slot,
    ) -> Result<bool, ReadError> {
        match field.shape() {
            Shape::Singular if field.last_counts() => {
                return self.read_last(field, &mut reader.cursor_at(slot.first));
            }
            Shape::Singular => {
                let content = Content::of(reader, slot)?;
                self.read_message(reader, field.value_type(), content)?;
            }
            Shape::List => {
                let elements = Elements::of(slot);
                if field.can_be_packed() && elements.clone().next_place(reader, true)?.is_none() {
                    *self = Self::Null;
                    return Ok(!field.omits_empty());
                }
                *self = Self::List(field, elements);
            }
            Shape::Map => *self = Self::Map(field, Elements::of(slot)),
        }
        Ok(true)
    }

    /// Reads the value that counts of a field, at the cursor. Returns false if JSON does not show it.
    #[inline(always)]
    pub(super) fn read_last(
        &mut self,
        field: &'static Field,
        cursor: &mut Cursor<'de>,
    ) -> Result<bool, ReadError> {
        self.read_scalar(field.value_type(), cursor)?;
        Ok(!self.is_hidden(field))
    }

    /// Whether JSON does not show the scalar, which is present.
    #[inline(always)]
    fn is_hidden(&self, field: &Field) -> bool {
        match self {
            Self::Bytes(bytes) => field.omits_empty() && bytes.is_empty(),
            _ if field.is_pointer() => false,
            Self::Null => field.omits_zero(),
            Self::Str(text) => field.omits_empty() && text.is_empty(),
            Self::Bool(value) => field.omits_empty() && !value,
            Self::Int(value) => field.omits_empty() && *value == 0,
            Self::Float(value) => field.omits_empty() && *value == 0.0,
            _ => false,
        }
    }

    /// The value of a field that JSON shows although it is absent.
    pub(crate) fn absent(field: &'static Field) -> Self {
        match field.value_type() {
            _ if field.shape() != Shape::Singular || field.is_pointer() => Self::Null,
            ValueType::Message(message) => Self::Message(message, Content::EMPTY),
            value_type => Self::zero(value_type).unwrap_or_else(|| Self::zero_struct(value_type)),
        }
    }

    /// The zero value of a type that is no struct in Go.
    fn zero(value_type: ValueType) -> Option<Self> {
        match value_type {
            ValueType::String => Some(Self::Str(b"")),
            ValueType::Bool => Some(Self::Bool(false)),
            ValueType::Int32 | ValueType::Int64 => Some(Self::Int(0)),
            ValueType::Float64 => Some(Self::Float(0.0)),
            ValueType::Any => Some(Self::Null),
            _ => None,
        }
    }

    /// The zero value of a struct that has an encoding of its own.
    fn zero_struct(value_type: ValueType) -> Self {
        match value_type {
            ValueType::Quantity => Self::Str(b"0"),
            ValueType::IntOrString => Self::Int(0),
            ValueType::JsonSchemaPropsOrBool => Self::Bool(false),
            _ => Self::Null,
        }
    }

    /// Reads an element of a list, or the value of an entry of a map, at a place.
    #[inline(always)]
    pub(crate) fn read_element(
        &mut self,
        reader: &mut Reader<'de>,
        field: &'static Field,
        at: u32,
    ) -> Result<(), ReadError> {
        let mut cursor = reader.cursor_at(at);
        if field.has_scalar_values() {
            return self.read_scalar(field.value_type(), &mut cursor);
        }
        let content = Content::Span(cursor.span()?);
        self.read_message(reader, field.value_type(), content)
    }

    /// Reads the value of an entry of a map that has a key alone.
    pub(crate) fn read_nothing(
        &mut self,
        reader: &mut Reader<'de>,
        field: &'static Field,
    ) -> Result<(), ReadError> {
        *self = match field.value_type() {
            ValueType::Bytes => Self::Bytes(b""),
            ValueType::Time | ValueType::MicroTime => Self::Null,
            value_type => match Self::zero(value_type) {
                Some(zero) => zero,
                None => return self.read_message(reader, value_type, Content::EMPTY),
            },
        };
        Ok(())
    }

    /// Reads a value of which the last occurrence counts.
    #[inline(always)]
    fn read_scalar(
        &mut self,
        value_type: ValueType,
        cursor: &mut Cursor<'de>,
    ) -> Result<(), ReadError> {
        *self = match value_type {
            ValueType::Bool => Self::Bool(cursor.varint()? != 0),
            ValueType::Int32 => Self::Int(i64::from(cursor.varint()? as i32)),
            ValueType::Int64 => Self::Int(cursor.varint()?.cast_signed()),
            ValueType::Float64 => Self::Float(cursor.float64()?),
            ValueType::Time | ValueType::MicroTime => {
                let span = cursor.span()?;
                time_of(cursor, span, matches!(value_type, ValueType::MicroTime))?
            }
            ValueType::Bytes => {
                let span = cursor.span()?;
                Self::Bytes(cursor.slice(span))
            }
            _ => {
                let span = cursor.span()?;
                Self::Str(cursor.slice(span))
            }
        };
        Ok(())
    }

    /// Reads a value that is a message in protobuf, whatever it is in JSON.
    #[inline(always)]
    fn read_message(
        &mut self,
        reader: &mut Reader<'de>,
        value_type: ValueType,
        content: Content,
    ) -> Result<(), ReadError> {
        if let ValueType::Message(message) = value_type {
            *self = Self::Message(message, content);
            return Ok(());
        }
        *self = special(reader, value_type, content)?;
        Ok(())
    }
}

/// A value of a type that has an encoding of its own.
#[inline(never)]
fn special<'de>(
    reader: &mut Reader<'de>,
    value_type: ValueType,
    content: Content,
) -> Result<Value<'de>, ReadError> {
    match value_type {
        ValueType::Quantity => {
            let text = last_bytes(reader, content)?;
            Ok(Value::Str(text.unwrap_or(b"0")))
        }
        ValueType::IntOrString => int_or_string(reader, content),
        ValueType::RawExtension => Ok(match last_bytes(reader, content)? {
            Some(object) if object.starts_with(MAGIC) => Value::Envelope(object),
            Some(json) => Value::Json(json),
            None => Value::Null,
        }),
        ValueType::FieldsV1 => {
            let json = last_bytes(reader, content)?;
            Ok(json.map_or(Value::Null, Value::FieldSet))
        }
        ValueType::Json => {
            let json = last_bytes(reader, content)?.filter(|json| !json.is_empty());
            Ok(json.map_or(Value::Null, Value::Json))
        }
        ValueType::JsonSchemaPropsOrArray => schema_or(reader, SCHEMA_OR_ARRAY, content),
        ValueType::JsonSchemaPropsOrBool => schema_or(reader, SCHEMA_OR_BOOL, content),
        ValueType::JsonSchemaPropsOrStringArray => schema_or(reader, SCHEMA_OR_STRINGS, content),
        ValueType::StringList => string_list(reader, content),
        _ => Ok(Value::Null),
    }
}

/// The last value of field 1, of messages that have no other.
fn last_bytes<'de>(reader: &Reader<'de>, content: Content) -> Result<Option<&'de [u8]>, ReadError> {
    let mut last = None;
    for_each_field(reader, content, |number, cursor, wire_type| {
        if number == 1 {
            let span = bytes_span(cursor, wire_type)?;
            last = Some(cursor.slice(span));
            return Ok(());
        }
        cursor.skip(wire_type)
    })?;
    Ok(last)
}

fn bytes_span(cursor: &mut Cursor<'_>, wire_type: u8) -> Result<Span, ReadError> {
    if wire_type != crate::wire::BYTES {
        return Err(ReadErrorKind::Tag { at: cursor.at() }.into());
    }
    cursor.span()
}

fn int_or_string<'de>(reader: &Reader<'de>, content: Content) -> Result<Value<'de>, ReadError> {
    let (mut kind, mut int, mut text): (i64, i32, &[u8]) = (0, 0, b"");
    for_each_field(reader, content, |number, cursor, wire_type| {
        match (number, wire_type) {
            (1, 0) => kind = cursor.varint()?.cast_signed(),
            (2, 0) => int = cursor.varint()? as i32,
            (1 | 2, _) => return Err(ReadErrorKind::Tag { at: cursor.at() }.into()),
            (3, _) => {
                let span = bytes_span(cursor, wire_type)?;
                text = cursor.slice(span);
            }
            _ => cursor.skip(wire_type)?,
        }
        Ok(())
    })?;
    match kind {
        0 => Ok(Value::Int(i64::from(int))),
        1 => Ok(Value::Str(text)),
        other => Err(ReadErrorKind::IntOrStringType(other).into()),
    }
}

/// Calls back for each field of a message, with a cursor at its value.
fn for_each_field<'de>(
    reader: &Reader<'de>,
    content: Content,
    mut visit: impl FnMut(u32, &mut Cursor<'de>, u8) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut visit_span = |span| {
        let mut cursor = reader.cursor(span);
        while !cursor.is_at_end() {
            let (number, wire_type) = cursor.tag()?;
            visit(number, &mut cursor, wire_type)?;
        }
        Ok(())
    };
    match content {
        Content::Span(span) => visit_span(span),
        Content::Merged(mut elements) => {
            while let Some((_, span)) = elements.next_bytes(reader)? {
                visit_span(span)?;
            }
            Ok(())
        }
    }
}

/// A time, or null for Go's zero time. The server drops what is below a microsecond, or a second.
#[inline(never)]
fn time_of<'de>(outer: &Cursor<'_>, span: Span, is_micro: bool) -> Result<Value<'de>, ReadError> {
    if span.start == span.end {
        return Ok(Value::Null);
    }
    let mut cursor = outer.within(span);
    let (mut seconds, mut nanos) = (0, 0);
    while !cursor.is_at_end() {
        let at = cursor.at();
        match cursor.tag()? {
            (1, 0) => seconds = cursor.varint()?.cast_signed(),
            (2, 0) => nanos = cursor.varint()? as i32,
            (1 | 2, _) => return Err(ReadErrorKind::Tag { at }.into()),
            (_, wire_type) => cursor.skip(wire_type)?,
        }
    }
    Ok(match is_micro {
        true => micro_time(seconds, nanos),
        false if seconds == ZERO_TIME => Value::Null,
        false => Value::Time(seconds),
    })
}

fn micro_time<'de>(seconds: i64, nanos: i32) -> Value<'de> {
    let micros = i64::from(nanos / 1000);
    let seconds = seconds.wrapping_add(micros.div_euclid(1_000_000));
    match micros.rem_euclid(1_000_000) {
        0 if seconds == ZERO_TIME => Value::Null,
        micros => Value::MicroTime(seconds, micros as u32),
    }
}

/// A schema, or what else may stand in its place.
fn schema_or<'de>(
    reader: &mut Reader<'de>,
    message: usize,
    content: Content,
) -> Result<Value<'de>, ReadError> {
    let special: &'static Message = &MESSAGES[message];
    let mark = reader.open(special, content)?;
    let number = |number| special.index_of_number(number).unwrap_or_default();
    let slot = |reader: &Reader<'_>, it| {
        let index = number(it);
        let slot = reader.slot(mark, index);
        Some(slot).filter(|_| mark.contains(index))
    };
    let schema = |reader: &Reader<'_>, slot: Slot| {
        let content = Content::of(reader, slot)?;
        Ok::<_, ReadError>(Value::Message(&MESSAGES[JSON_SCHEMA_PROPS], content))
    };
    let value = match (slot(reader, 1), slot(reader, 2)) {
        (_, Some(slot)) if message == SCHEMA_OR_BOOL => schema(reader, slot)?,
        (Some(slot), None) if message == SCHEMA_OR_BOOL => {
            Value::Bool(reader.cursor_at(slot.first).varint()? != 0)
        }
        (None, None) if message == SCHEMA_OR_BOOL => Value::Bool(false),
        (_, Some(slot)) => {
            let list = special.field_by_number(2);
            list.map_or(Value::Null, |list| Value::List(list, Elements::of(slot)))
        }
        (Some(slot), None) => schema(reader, slot)?,
        (None, None) => Value::Null,
    };
    reader.close_slots(mark);
    Ok(value)
}

/// A list of strings that is the value of a map. Go makes an empty list of no bytes, not null.
fn string_list<'de>(reader: &mut Reader<'de>, content: Content) -> Result<Value<'de>, ReadError> {
    let message: &'static Message = &MESSAGES[STRING_LIST];
    let mark = reader.open(message, content)?;
    let is_present = mark.contains(0);
    let slot = Some(reader.slot(mark, 0)).filter(|_| is_present);
    reader.close_slots(mark);
    let elements = Elements::of(slot.unwrap_or_default());
    let items = message.fields().first();
    Ok(items.map_or(Value::Null, |items| Value::List(items, elements)))
}

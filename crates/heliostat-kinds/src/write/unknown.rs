//! Fields in protobuf that the schema does not have.

use crate::error::{ReadError, ReadErrorKind};
use crate::object::{MAGIC, Object};
use crate::read::DEPTH_MAX;
use crate::schema::{Message, Shape, ValueType};
use crate::tables::{MESSAGES, SCHEMA_OR_ARRAY, SCHEMA_OR_BOOL, SCHEMA_OR_STRINGS, STRING_LIST};
use crate::wire::{BYTES, Cursor, Span};

/// The most fields that are returned, as the server returns of unknown fields in JSON.
const FOUND_MAX: usize = 100;

/// Returns the fields that the object has and its kind does not, each once and 100 at most.
///
/// Readers pass over such fields. A path ends with the number of the field: `spec.containers.100`.
///
/// # Errors
///
/// If the bytes are malformed.
pub fn unknown_fields(object: &Object<'_>) -> Result<Vec<String>, ReadError> {
    let mut search = Search::default();
    search.object(object)?;
    Ok(search.found)
}

#[derive(Debug, Default)]
struct Search {
    path: Vec<&'static str>,
    found: Vec<String>,
    depth: usize,
}

impl Search {
    fn object(&mut self, object: &Object<'_>) -> Result<(), ReadError> {
        let bytes = object.bytes();
        let cursor = Cursor::new(bytes, Span::of(bytes)?);
        self.message(object.message(), cursor)
    }

    fn message(
        &mut self,
        message: &'static Message,
        mut cursor: Cursor<'_>,
    ) -> Result<(), ReadError> {
        if self.depth == DEPTH_MAX {
            return Err(ReadErrorKind::TooDeep.into());
        }
        self.depth += 1;
        while !cursor.is_at_end() {
            let (number, wire_type) = cursor.tag()?;
            let Some(field) = message.field_by_number(number) else {
                cursor.skip(wire_type)?;
                self.report(number);
                continue;
            };
            if wire_type != BYTES {
                cursor.skip(wire_type)?;
                continue;
            }
            let span = cursor.span()?;
            let name = if field.is_inline() { "" } else { field.name() };
            self.path.push(name);
            match field.shape() {
                Shape::Map => self.entry(field.value_type(), cursor.within(span))?,
                Shape::Singular | Shape::List => {
                    self.value(field.value_type(), cursor.within(span))?;
                }
            }
            self.path.pop();
        }
        self.depth -= 1;
        Ok(())
    }

    fn entry(&mut self, value_type: ValueType, mut cursor: Cursor<'_>) -> Result<(), ReadError> {
        while !cursor.is_at_end() {
            match cursor.tag()? {
                (2, BYTES) => {
                    let span = cursor.span()?;
                    self.value(value_type, cursor.within(span))?;
                }
                (1 | 2, wire_type) => cursor.skip(wire_type)?,
                (number, wire_type) => {
                    cursor.skip(wire_type)?;
                    self.report(number);
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, value_type: ValueType, cursor: Cursor<'_>) -> Result<(), ReadError> {
        match value_type {
            ValueType::Message(message) => self.message(message, cursor),
            ValueType::JsonSchemaPropsOrArray => self.message(&MESSAGES[SCHEMA_OR_ARRAY], cursor),
            ValueType::JsonSchemaPropsOrBool => self.message(&MESSAGES[SCHEMA_OR_BOOL], cursor),
            ValueType::JsonSchemaPropsOrStringArray => {
                self.message(&MESSAGES[SCHEMA_OR_STRINGS], cursor)
            }
            ValueType::StringList => self.message(&MESSAGES[STRING_LIST], cursor),
            ValueType::Time | ValueType::MicroTime => self.numbers(cursor, 2),
            ValueType::IntOrString => self.numbers(cursor, 3),
            ValueType::Quantity | ValueType::FieldsV1 | ValueType::Json => self.numbers(cursor, 1),
            ValueType::RawExtension => self.raw(cursor),
            ValueType::String
            | ValueType::Bytes
            | ValueType::Bool
            | ValueType::Int32
            | ValueType::Int64
            | ValueType::Float64
            | ValueType::Any => Ok(()),
        }
    }

    /// A message of scalars that has these numbers, from one on.
    fn numbers(&mut self, mut cursor: Cursor<'_>, last: u32) -> Result<(), ReadError> {
        while !cursor.is_at_end() {
            let (number, wire_type) = cursor.tag()?;
            cursor.skip(wire_type)?;
            if number > last {
                self.report(number);
            }
        }
        Ok(())
    }

    /// JSON, or an object with an envelope.
    fn raw(&mut self, mut cursor: Cursor<'_>) -> Result<(), ReadError> {
        while !cursor.is_at_end() {
            match cursor.tag()? {
                (1, BYTES) => {
                    let span = cursor.span()?;
                    let bytes = cursor.slice(span);
                    if bytes.starts_with(MAGIC) {
                        self.object(&Object::from_envelope(bytes)?)?;
                    }
                }
                (number, wire_type) => {
                    cursor.skip(wire_type)?;
                    self.report(number);
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn report(&mut self, number: u32) {
        if self.found.len() >= FOUND_MAX {
            return;
        }
        let mut path = String::new();
        for name in self.path.iter().filter(|name| !name.is_empty()) {
            path.push_str(name);
            path.push('.');
        }
        path.push_str(&number.to_string());
        if !self.found.contains(&path) {
            self.found.push(path);
        }
    }
}

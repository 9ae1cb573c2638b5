//! The deserializer: serde's view of an object in protobuf, which is the view of its JSON.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer as _, EnumAccess, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::error::{ReadError, ReadErrorKind};
use crate::field_set::FieldSet;
use crate::object::Object;
use crate::read::{Content, Elements, Entries, Fields, Order, Reader, Value};
use crate::schema::{Field, Message};
use crate::text;
use crate::time::TimeText;
use crate::wire::Span;

/// Deserializes an object in protobuf as if it were its JSON.
///
/// Text is borrowed from the input. Bytes are base64 text, times and quantities are text.
#[derive(Debug)]
pub struct Deserializer<'de> {
    object: Object<'de>,
}

impl<'de> Deserializer<'de> {
    pub(crate) fn new(object: Object<'de>) -> Self {
        Self { object }
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let bytes = self.object.bytes();
        let content = Content::Span(Span::of(bytes)?);
        let mut reader = Reader::new(&self.object);
        let message = (self.object.message(), content);
        visit_message(&mut reader, message, Order::Declared, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Decodes the object, structs in the order of their bytes if that can be.
pub(crate) fn decode<'de, T: Deserialize<'de>>(object: &Object<'de>) -> Result<T, ReadError> {
    let bytes = object.bytes();
    let content = Content::Span(Span::of(bytes)?);
    let value = &Value::Message(object.message(), content);
    let mut reader = Reader::streaming(object);
    let reader = &mut reader;
    let decoded = T::deserialize(ValueDeserializer { reader, value });
    if decoded.is_ok() && !reader.is_scattered() {
        return decoded;
    }
    // What is wrong may be a value that a later one replaces.
    *reader = Reader::new(object);
    T::deserialize(ValueDeserializer { reader, value })
}

fn visit_message<'de, V: Visitor<'de>>(
    reader: &mut Reader<'de>,
    (message, content): (&'static Message, Content),
    order: Order,
    visitor: V,
) -> Result<V::Value, ReadError> {
    let fields = Fields::open(reader, message, content, order)?;
    let mut access = MessageAccess {
        reader,
        fields,
        value: Value::Null,
    };
    let value = visitor.visit_map(&mut access)?;
    let MessageAccess { reader, fields, .. } = access;
    fields.close(reader)?;
    Ok(value)
}

fn visit_list<'de, V: Visitor<'de>>(
    reader: &mut Reader<'de>,
    (field, elements): (&'static Field, Elements),
    visitor: V,
) -> Result<V::Value, ReadError> {
    reader.descend()?;
    let list = visitor.visit_seq(ListAccess {
        reader: &mut *reader,
        field,
        elements,
        value: Value::Null,
    })?;
    reader.ascend();
    Ok(list)
}

fn visit_entries<'de, V: Visitor<'de>>(
    reader: &mut Reader<'de>,
    (field, elements): (&'static Field, Elements),
    visitor: V,
) -> Result<V::Value, ReadError> {
    reader.descend()?;
    let entries = Entries::of(reader, field, elements)?;
    let map = visitor.visit_map(EntriesAccess {
        reader: &mut *reader,
        field,
        entries,
        value: Value::Null,
    })?;
    reader.ascend();
    Ok(map)
}

/// The fields of a message.
struct MessageAccess<'a, 'de> {
    reader: &'a mut Reader<'de>,
    fields: Fields,
    value: Value<'de>,
}

impl<'de> MapAccess<'de> for &mut MessageAccess<'_, 'de> {
    type Error = ReadError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some(field) = self.fields.next(self.reader, &mut self.value)? else {
            return Ok(None);
        };
        let key = BorrowedStrDeserializer::new(field.name());
        seed.deserialize(key).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        seed.deserialize(ValueDeserializer {
            reader: self.reader,
            value: &self.value,
        })
    }
}

/// The elements of a list.
struct ListAccess<'a, 'de> {
    reader: &'a mut Reader<'de>,
    field: &'static Field,
    elements: Elements,
    value: Value<'de>,
}

impl<'de> SeqAccess<'de> for ListAccess<'_, 'de> {
    type Error = ReadError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let is_number = self.field.can_be_packed();
        let Some(at) = self.elements.next_place(self.reader, is_number)? else {
            return Ok(None);
        };
        read_element(&mut self.value, self.reader, self.field, at)?;
        let deserializer = ValueDeserializer {
            reader: self.reader,
            value: &self.value,
        };
        seed.deserialize(deserializer).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len_hint())
    }
}

/// The entries of a map.
struct EntriesAccess<'a, 'de> {
    reader: &'a mut Reader<'de>,
    field: &'static Field,
    entries: Entries<'de>,
    value: Value<'de>,
}

impl<'de> MapAccess<'de> for EntriesAccess<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let next = self
            .entries
            .next(self.reader, self.field, &mut self.value)?;
        let Some(key) = next else {
            return Ok(None);
        };
        let reader = &mut *self.reader;
        let value = &Value::Str(key);
        seed.deserialize(ValueDeserializer { reader, value })
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        seed.deserialize(ValueDeserializer {
            reader: self.reader,
            value: &self.value,
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len_hint())
    }
}

/// One value.
struct ValueDeserializer<'a, 'de> {
    reader: &'a mut Reader<'de>,
    value: &'a Value<'de>,
}

impl<'de> de::Deserializer<'de> for ValueDeserializer<'_, 'de> {
    type Error = ReadError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let reader = self.reader;
        match *self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(value) => visit_int(value, visitor),
            Value::Float(value) => visit_float(value, visitor),
            Value::Str(bytes) => visit_text(bytes, visitor),
            Value::Bytes(bytes) => visitor.visit_string(base64(bytes)),
            Value::Time(seconds) => visitor.visit_str(TimeText::of_seconds(seconds).as_str()),
            Value::MicroTime(seconds, micros) => {
                visitor.visit_str(TimeText::of_micros(seconds, micros).as_str())
            }
            Value::Json(text) => {
                reader.check_embedded(text)?;
                visit_json(text, visitor)
            }
            Value::FieldSet(text) => {
                reader.check_embedded(text)?;
                match FieldSet::parse(text) {
                    Some(set) => set.visit(visitor),
                    None => visit_json(text, visitor),
                }
            }
            Value::Envelope(bytes) => {
                let object = Object::from_envelope(bytes)?;
                let content = Content::Span(Span::of(object.bytes())?);
                let mut reader = reader.embedded(&object);
                let message = (object.message(), content);
                visit_message(&mut reader, message, Order::Declared, visitor)
            }
            Value::Message(message, content) => {
                visit_message(reader, (message, content), Order::Declared, visitor)
            }
            Value::List(field, elements) => visit_list(reader, (field, elements), visitor),
            Value::Map(field, elements) => visit_entries(reader, (field, elements), visitor),
        }
    }

    // What the types of fields ask for, without a look at what else a value may be.

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match *self.value {
            Value::Bool(value) => visitor.visit_bool(value),
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match *self.value {
            Value::Str(bytes) => visit_text(bytes, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match *self.value {
            Value::List(field, elements) => visit_list(self.reader, (field, elements), visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match *self.value {
            Value::Map(field, elements) => visit_entries(self.reader, (field, elements), visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match *self.value {
            Value::Null => visitor.visit_none(),
            // Its text may be null.
            Value::Json(text) | Value::FieldSet(text) if text.first() != Some(&b'{') => {
                self.reader.check_embedded(text)?;
                visit_json_option(text, visitor)
            }
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match *self.value {
            Value::Message(message, content) => {
                visit_message(self.reader, (message, content), Order::Any, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match *self.value {
            Value::Json(text) | Value::FieldSet(text) => {
                self.reader.check_embedded(text)?;
                let mut json = serde_json::Deserializer::from_slice(text);
                let value = json.deserialize_enum(name, variants, visitor);
                value.map_err(embedded)
            }
            _ => visitor.visit_enum(self),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct identifier
    }
}

/// An enum is its variant's name, or an object of that name and what the variant holds.
impl<'a, 'de> EnumAccess<'de> for ValueDeserializer<'a, 'de> {
    type Error = ReadError;
    type Variant = VariantDeserializer<'a, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), ReadError> {
        let reader = self.reader;
        let (name, content) = match *self.value {
            Value::Message(message, content) => {
                let mut fields = Fields::open(reader, message, content, Order::Declared)?;
                let mut value = Value::Null;
                let Some(field) = fields.next(reader, &mut value)? else {
                    return Err(de::Error::custom("an enum has no variant"));
                };
                (Value::Str(field.name().as_bytes()), Some(value))
            }
            name => (name, None),
        };
        let variant = seed.deserialize(ValueDeserializer {
            reader,
            value: &name,
        })?;
        Ok((variant, VariantDeserializer { reader, content }))
    }
}

/// What a variant holds.
struct VariantDeserializer<'a, 'de> {
    reader: &'a mut Reader<'de>,
    content: Option<Value<'de>>,
}

impl<'de> VariantDeserializer<'_, 'de> {
    fn content(&mut self) -> ValueDeserializer<'_, 'de> {
        ValueDeserializer {
            reader: self.reader,
            value: self.content.as_ref().unwrap_or(&Value::Null),
        }
    }
}

impl<'de> VariantAccess<'de> for VariantDeserializer<'_, 'de> {
    type Error = ReadError;

    fn unit_variant(mut self) -> Result<(), ReadError> {
        match self.content {
            None => Ok(()),
            Some(_) => Deserialize::deserialize(self.content()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        mut self,
        seed: T,
    ) -> Result<T::Value, ReadError> {
        seed.deserialize(self.content())
    }

    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.content().deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.content().deserialize_any(visitor)
    }
}

/// Reads an element in one place for all types of visitors.
#[inline(never)]
fn read_element<'de>(
    value: &mut Value<'de>,
    reader: &mut Reader<'de>,
    field: &'static Field,
    at: u32,
) -> Result<(), ReadError> {
    value.read_element(reader, field, at)
}

#[inline]
fn visit_int<'de, V: Visitor<'de>>(value: i64, visitor: V) -> Result<V::Value, ReadError> {
    // As serde_json: visitors may tell the sign by the type.
    match u64::try_from(value) {
        Ok(value) => visitor.visit_u64(value),
        Err(_) => visitor.visit_i64(value),
    }
}

#[inline]
fn visit_text<'de, V: Visitor<'de>>(bytes: &'de [u8], visitor: V) -> Result<V::Value, ReadError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => visitor.visit_borrowed_str(text),
        Err(_) => visitor.visit_string(text::utf8(bytes).into_owned()),
    }
}

/// A number that Go writes without fraction and exponent is an integer to readers of JSON.
fn visit_float<'de, V: Visitor<'de>>(value: f64, visitor: V) -> Result<V::Value, ReadError> {
    let text = text::float(value)?;
    match (text.parse::<u64>(), text.parse::<i64>()) {
        (Ok(value), _) => visitor.visit_u64(value),
        (_, Ok(value)) if value != 0 => visitor.visit_i64(value),
        _ => visitor.visit_f64(value),
    }
}

fn visit_json<'de, V: Visitor<'de>>(text: &'de [u8], visitor: V) -> Result<V::Value, ReadError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = json.deserialize_any(visitor).map_err(embedded)?;
    json.end().map_err(embedded)?;
    Ok(value)
}

fn visit_json_option<'de, V: Visitor<'de>>(
    text: &'de [u8],
    visitor: V,
) -> Result<V::Value, ReadError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = json.deserialize_option(visitor).map_err(embedded)?;
    json.end().map_err(embedded)?;
    Ok(value)
}

fn embedded(error: serde_json::Error) -> ReadError {
    ReadErrorKind::EmbeddedJson(error).into()
}

fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

impl<'de> de::IntoDeserializer<'de, ReadError> for Object<'de> {
    type Deserializer = Deserializer<'de>;

    fn into_deserializer(self) -> Deserializer<'de> {
        self.deserializer()
    }
}

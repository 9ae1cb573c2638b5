//! The serializer: any type that is serialized as the JSON of an object, written as protobuf.

use std::fmt::Display;
use std::mem;

use serde::ser::{self, Error as _, Serialize};

use crate::schema::{Field, Kind, Message, Shape, ValueType};
use crate::tables::{JSON_SCHEMA_PROPS, MESSAGES};
use crate::wire::BYTES;
use crate::write::encoder::{self, Encoder, EntryFrame, Frame, Length, MapFrame, tag};
use crate::write::error::{WriteError, WriteErrorKind};
use crate::write::strict::{go_element, go_type};
use crate::write::value::{self, Invalid};

/// Appends a value that is serialized as the JSON of the kind, with an envelope.
///
/// ```
/// use heliostat_kinds::{from_protobuf, schema, to_protobuf_of};
/// use k8s_openapi::api::core::v1::Namespace;
///
/// let mut namespace = Namespace::default();
/// namespace.metadata.name = Some("system".to_owned());
/// let kind = schema::kind("v1", "Namespace").expect("namespaces are built in");
/// let mut bytes = Vec::new();
/// to_protobuf_of(kind, &namespace, &mut bytes).expect("it is a namespace");
/// let read: Namespace = from_protobuf(&bytes).expect("it was just written");
/// assert_eq!(read.metadata, namespace.metadata);
/// ```
///
/// # Errors
///
/// If the value is not of the kind. Fields that the kind does not have are ignored. Nothing is
/// appended then.
pub fn to_protobuf_of<T: Serialize + ?Sized>(
    kind: &'static Kind,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), WriteError> {
    if !kind.has_protobuf() {
        let (api_version, kind) = (kind.api_version(), kind.name());
        return Err(WriteErrorKind::NoProtobuf { api_version, kind }.into());
    }
    let target = Target::Object(kind.message(), Some(kind));
    write(target, value, out)
}

/// Appends a value that is serialized as the JSON of the message, without an envelope.
///
/// # Errors
///
/// As for [`to_protobuf_of`].
pub fn to_message_of<T: Serialize + ?Sized>(
    message: &'static Message,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), WriteError> {
    write(Target::Object(message, None), value, out)
}

fn write<T: Serialize + ?Sized>(
    target: Target,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), WriteError> {
    let start = out.len();
    let mut encoder = Encoder::new(mem::take(out));
    let encoder_ref = &mut encoder;
    let result = value.serialize(Serializer {
        encoder: encoder_ref,
        target,
    });
    *out = encoder.into_bytes();
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Serializes the JSON view of an object, or of a part of it, into protobuf.
#[derive(Debug)]
pub(crate) struct Serializer<'a> {
    encoder: &'a mut Encoder,
    target: Target,
}

/// What a value is written as.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// The object itself; with an envelope if there is a kind.
    Object(&'static Message, Option<&'static Kind>),
    /// All values of a field.
    Field(&'static Field),
    /// One value of a list or a map, with its number.
    Element(ValueType, u32),
}

impl Target {
    /// The type and the number of a single value.
    fn single(self) -> Option<(ValueType, u32)> {
        match self {
            Self::Element(value_type, number) => Some((value_type, number)),
            Self::Field(field) if field.shape() == Shape::Singular => {
                Some((field.value_type(), field.number()))
            }
            Self::Object(..) | Self::Field(_) => None,
        }
    }

    #[cold]
    fn mismatch(self, found: &dyn Display) -> WriteError {
        let (expected, place) = match self {
            Self::Object(message, _) => (message.name().to_owned(), "the object"),
            Self::Field(field) => (go_type(field), field.name()),
            Self::Element(value_type, _) => (go_element(value_type), "an element"),
        };
        WriteError::custom(format_args!("{place} is {found}, expected {expected}"))
    }
}

impl<'a> Serializer<'a> {
    fn int(self, value: i128) -> Result<(), WriteError> {
        let out = self.encoder.out();
        let (int32, int64) = (i32::try_from(value).ok(), i64::try_from(value).ok());
        match (self.target.single(), int32, int64) {
            (Some((ValueType::Int32, number)), Some(value), _) => {
                encoder::varint(out, number, i64::from(value));
            }
            (Some((ValueType::Int64, number)), _, Some(value)) => {
                encoder::varint(out, number, value);
            }
            (Some((ValueType::IntOrString, number)), Some(value), _) => {
                value::int_or_string(out, number, value, None);
            }
            (Some((ValueType::Float64, number)), ..) => encoder::float(out, number, value as f64),
            (Some((ValueType::Quantity, _)), ..) => return self.text(&value.to_string()),
            _ => return Err(self.target.mismatch(&value)),
        }
        Ok(())
    }

    fn text(self, text: &str) -> Result<(), WriteError> {
        let found = || format!("{text:?}");
        let Some((value_type, number)) = self.target.single() else {
            return Err(self.target.mismatch(&found()));
        };
        let written = value::text(self.encoder.out(), number, value_type, text.as_bytes());
        written.map_err(|invalid| match invalid {
            Invalid::Type => self.target.mismatch(&found()),
            Invalid::Form(message) => WriteErrorKind::Unexpected(message).into(),
        })
    }

    /// Null: the absence of a field, and the zero value as an element.
    fn null(self) {
        if let Target::Element(value_type, number) = self.target {
            self.encoder.zero(value_type, number);
        }
    }

    fn open_list(mut self) -> Result<Compound<'a>, WriteError> {
        let schema = &MESSAGES[JSON_SCHEMA_PROPS];
        let (value_type, number, is_wrapped) = match (self.target, self.target.single()) {
            (Target::Field(field), None) if field.shape() == Shape::List => {
                (field.value_type(), field.number(), false)
            }
            (_, Some((ValueType::StringList, _))) => (ValueType::String, 1, true),
            (_, Some((ValueType::JsonSchemaPropsOrArray, _))) => {
                (ValueType::Message(schema), 2, true)
            }
            (_, Some((ValueType::JsonSchemaPropsOrStringArray, _))) => (ValueType::String, 2, true),
            _ => return Err(self.target.mismatch(&"a list")),
        };
        let length = is_wrapped.then(|| self.open_wrapper());
        Ok(Compound {
            encoder: self.encoder,
            content: CompoundContent::List(value_type, number),
            length: length.flatten(),
        })
    }

    /// Starts the message around a value that has none in JSON.
    fn open_wrapper(&mut self) -> Option<Length> {
        let (_, number) = self.target.single()?;
        tag(self.encoder.out(), number, BYTES);
        Some(Length::start(self.encoder.out(), 0))
    }

    fn open_map(mut self) -> Result<Compound<'a>, WriteError> {
        let schema = &MESSAGES[JSON_SCHEMA_PROPS];
        let mut length = None;
        let (message, end) = match (self.target, self.target.single()) {
            (Target::Object(message, kind), _) => (message, End::Object(kind)),
            (_, Some((ValueType::Message(message), number))) => (message, End::Number(number)),
            (_, Some((ValueType::JsonSchemaPropsOrBool, _))) => {
                length = self.open_wrapper();
                encoder::varint(self.encoder.out(), 1, 1);
                (schema, End::Number(2))
            }
            (
                _,
                Some((
                    ValueType::JsonSchemaPropsOrArray | ValueType::JsonSchemaPropsOrStringArray,
                    _,
                )),
            ) => {
                length = self.open_wrapper();
                (schema, End::Number(1))
            }
            (Target::Field(field), None) if field.shape() == Shape::Map => {
                let map = self.encoder.open_map();
                return Ok(Compound {
                    encoder: self.encoder,
                    content: CompoundContent::Map(field, map, None),
                    length,
                });
            }
            _ => return Err(self.target.mismatch(&"an object")),
        };
        let frame = self.encoder.open(message)?;
        Ok(Compound {
            encoder: self.encoder,
            content: CompoundContent::Message(OpenMessage {
                message,
                frame,
                end,
                field: None,
                next: 0,
            }),
            length,
        })
    }
}

/// Serializes a value, of which some types are JSON within protobuf.
fn write_value<T: Serialize + ?Sized>(
    encoder: &mut Encoder,
    target: Target,
    value: &T,
) -> Result<(), WriteError> {
    let raw = target.single().filter(|(value_type, _)| {
        matches!(
            value_type,
            ValueType::RawExtension | ValueType::FieldsV1 | ValueType::Json
        )
    });
    let serializer = Serializer { encoder, target };
    let Some((_, number)) = raw else {
        return value.serialize(serializer);
    };
    let json = serde_json::to_vec(value).map_err(WriteError::custom)?;
    if json == b"null" {
        serializer.null();
    } else {
        value::json(serializer.encoder.out(), number, &json);
    }
    Ok(())
}

impl<'a> ser::Serializer for Serializer<'a> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = ser::Impossible<(), WriteError>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = ser::Impossible<(), WriteError>;

    fn serialize_bool(self, value: bool) -> Result<(), WriteError> {
        let out = self.encoder.out();
        match self.target.single() {
            Some((ValueType::Bool, number)) => encoder::varint(out, number, i64::from(value)),
            Some((ValueType::JsonSchemaPropsOrBool, number)) => {
                encoder::bytes(out, number, &[8, u8::from(value)]);
            }
            _ => return Err(self.target.mismatch(&value)),
        }
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), WriteError> {
        self.int(i128::from(value))
    }

    fn serialize_i16(self, value: i16) -> Result<(), WriteError> {
        self.int(i128::from(value))
    }

    fn serialize_i32(self, value: i32) -> Result<(), WriteError> {
        self.int(i128::from(value))
    }

    fn serialize_i64(self, value: i64) -> Result<(), WriteError> {
        self.int(i128::from(value))
    }

    fn serialize_i128(self, value: i128) -> Result<(), WriteError> {
        self.int(value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), WriteError> {
        self.int(i128::from(value))
    }

    fn serialize_u16(self, value: u16) -> Result<(), WriteError> {
        self.int(i128::from(value))
    }

    fn serialize_u32(self, value: u32) -> Result<(), WriteError> {
        self.int(i128::from(value))
    }

    fn serialize_u64(self, value: u64) -> Result<(), WriteError> {
        self.int(i128::from(value))
    }

    fn serialize_f32(self, value: f32) -> Result<(), WriteError> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), WriteError> {
        match self.target.single() {
            Some((ValueType::Float64, number)) if value.is_finite() => {
                encoder::float(self.encoder.out(), number, value);
                Ok(())
            }
            Some((ValueType::Quantity, _)) => self.text(&value.to_string()),
            _ => Err(self.target.mismatch(&value)),
        }
    }

    fn serialize_char(self, value: char) -> Result<(), WriteError> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), WriteError> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), WriteError> {
        let Some((ValueType::Bytes, number)) = self.target.single() else {
            return Err(self.target.mismatch(&"bytes"));
        };
        encoder::bytes(self.encoder.out(), number, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        if matches!(self.target, Target::Object(..)) {
            return Err(self.target.mismatch(&"null"));
        }
        self.null();
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        let mut object = self.open_map()?;
        object.name(variant)?;
        object.value(value)?;
        object.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, WriteError> {
        self.open_list()
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, WriteError> {
        self.open_list()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, WriteError> {
        self.open_list()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, WriteError> {
        Err(self.target.mismatch(&variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, WriteError> {
        self.open_map()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, WriteError> {
        self.open_map()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, WriteError> {
        Err(self.target.mismatch(&variant))
    }
}

/// A list, a map or a message of which the values are being serialized.
#[derive(Debug)]
pub(crate) struct Compound<'a> {
    encoder: &'a mut Encoder,
    content: CompoundContent,
    /// The length of the message around it that JSON does not have.
    length: Option<Length>,
}

#[derive(Debug)]
enum CompoundContent {
    List(ValueType, u32),
    Map(&'static Field, MapFrame, Option<EntryFrame>),
    Message(OpenMessage),
}

#[derive(Debug)]
struct OpenMessage {
    message: &'static Message,
    frame: Frame,
    end: End,
    /// The field whose value comes next, and its slot; none if the message does not have it.
    field: Option<(usize, &'static Field)>,
    /// The slot of the field that is expected next.
    next: usize,
}

/// What a message is a part of.
#[derive(Clone, Copy, Debug)]
enum End {
    Object(Option<&'static Kind>),
    Number(u32),
}

impl Compound<'_> {
    fn name(&mut self, name: &str) -> Result<(), WriteError> {
        match &mut self.content {
            CompoundContent::List(..) => {}
            CompoundContent::Map(field, _, entry) => {
                *entry = Some(self.encoder.open_entry(field.number(), name.as_bytes()));
            }
            CompoundContent::Message(open) => {
                open.field = open.message.find_from(&mut open.next, name.as_bytes());
            }
        }
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        match &mut self.content {
            CompoundContent::List(value_type, number) => {
                let target = Target::Element(*value_type, *number);
                write_value(self.encoder, target, value)
            }
            CompoundContent::Map(field, _, entry) => {
                let target = Target::Element(field.value_type(), 2);
                write_value(self.encoder, target, value)?;
                if let Some(entry) = entry.take() {
                    self.encoder.close_entry(&entry);
                }
                Ok(())
            }
            CompoundContent::Message(open) => open.value(self.encoder, value),
        }
    }

    fn close(self) -> Result<(), WriteError> {
        match self.content {
            CompoundContent::List(..) => {}
            CompoundContent::Map(_, map, _) => self.encoder.close_map(&map),
            CompoundContent::Message(open) => match open.end {
                End::Number(number) => self.encoder.close(&open.frame, number),
                End::Object(None) => self.encoder.finish(&open.frame),
                End::Object(Some(kind)) => {
                    super::close_in_envelope(self.encoder, &open.frame, kind);
                }
            },
        }
        if let Some(length) = self.length {
            length.end(self.encoder.out());
        }
        Ok(())
    }
}

impl OpenMessage {
    fn value<T: Serialize + ?Sized>(
        &mut self,
        encoder: &mut Encoder,
        value: &T,
    ) -> Result<(), WriteError> {
        let Some((slot, field)) = self.field.take() else {
            return Ok(());
        };
        if slot < 2 && self.message.has_type_meta() {
            return self.check_type_meta(field, value);
        }
        let start = encoder.position();
        write_value(encoder, Target::Field(field), value)?;
        encoder.set(&self.frame, slot, start);
        Ok(())
    }

    /// Refuses another kind than that of the object. What is empty is any.
    fn check_type_meta<T: Serialize + ?Sized>(
        &self,
        field: &'static Field,
        value: &T,
    ) -> Result<(), WriteError> {
        let End::Object(Some(kind)) = self.end else {
            return Ok(());
        };
        let expected = match field.name() {
            "kind" => kind.name(),
            _ => kind.api_version(),
        };
        let found = serde_json::to_value(value).map_err(WriteError::custom)?;
        match found.as_str() {
            Some(text) if text.is_empty() || text == expected => Ok(()),
            None if found.is_null() => Ok(()),
            _ => {
                let name = field.name();
                let message = format_args!("{name} is {found}, expected {expected:?}");
                Err(WriteError::custom(message))
            }
        }
    }
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        let key = serde_json::to_value(key).map_err(WriteError::custom)?;
        match key.as_str() {
            Some(key) => self.name(key),
            None => self.name(&key.to_string()),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.value(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

impl ser::SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.name(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

impl ser::SerializeSeq for Compound<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.value(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

impl ser::SerializeTuple for Compound<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.value(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

impl ser::SerializeTupleStruct for Compound<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.value(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

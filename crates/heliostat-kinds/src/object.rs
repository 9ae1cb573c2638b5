//! Objects in protobuf: with the envelope of storage and responses, or bare, as in lists.

use std::str;
use std::sync::atomic::AtomicBool;

use serde::de::{Deserialize, DeserializeOwned};

use crate::de::{self, Deserializer};
use crate::error::{ReadError, ReadErrorKind};
use crate::json;
use crate::read::TypeMeta;
use crate::schema::{self, Kind, Message};
use crate::wire::{BYTES, Cursor, Span};

/// What the bytes of an object with an envelope start with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// The envelope of an object: its kind, and its message as bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Envelope<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
    content_encoding: &'a str,
    content_type: &'a str,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope.
    ///
    /// # Errors
    ///
    /// If the bytes do not start with [`MAGIC`], or what follows is no envelope.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ReadError> {
        if !bytes.starts_with(MAGIC) {
            return Err(ReadErrorKind::NoEnvelope.into());
        }
        let mut envelope = Self {
            api_version: "",
            kind: "",
            raw: b"",
            content_encoding: "",
            content_type: "",
        };
        let span = Span {
            start: MAGIC.len() as u32,
            ..Span::of(bytes)?
        };
        for_each_bytes(Cursor::new(bytes, span), |number, cursor, span| {
            match number {
                1 => envelope.read_type_meta(cursor.within(span))?,
                2 => envelope.raw = cursor.slice(span),
                3 => envelope.content_encoding = text(&cursor, span)?,
                4 => envelope.content_type = text(&cursor, span)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(envelope)
    }

    fn read_type_meta(&mut self, cursor: Cursor<'a>) -> Result<(), ReadError> {
        for_each_bytes(cursor, |number, cursor, span| {
            match number {
                1 => self.api_version = text(&cursor, span)?,
                2 => self.kind = text(&cursor, span)?,
                _ => {}
            }
            Ok(())
        })
    }

    /// Returns the API version, like `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> &'a str {
        self.api_version
    }

    /// Returns the name of the kind, like `Deployment`.
    #[must_use]
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// Returns the bytes of the message.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns how the message is encoded beside its type, which is empty unless it is compressed.
    #[must_use]
    pub fn content_encoding(&self) -> &'a str {
        self.content_encoding
    }

    /// Returns the media type of the message, which is empty for protobuf.
    #[must_use]
    pub fn content_type(&self) -> &'a str {
        self.content_type
    }
}

/// Visits fields that are runs of bytes, and passes over others.
fn for_each_bytes<'a>(
    mut cursor: Cursor<'a>,
    mut visit: impl FnMut(u32, Cursor<'a>, Span) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    while !cursor.is_at_end() {
        let (number, wire_type) = cursor.tag()?;
        if wire_type == BYTES {
            let span = cursor.span()?;
            visit(number, cursor, span)?;
        } else {
            cursor.skip(wire_type)?;
        }
    }
    Ok(())
}

fn text<'a>(cursor: &Cursor<'a>, span: Span) -> Result<&'a str, ReadError> {
    let text = str::from_utf8(cursor.slice(span));
    text.map_err(|_| {
        ReadErrorKind::Utf8 {
            at: span.start as usize,
        }
        .into()
    })
}

/// An object in protobuf, of which is known what it is.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    message: &'static Message,
    type_meta: TypeMeta<'a>,
    bytes: &'a [u8],
    unknown: Option<&'a AtomicBool>,
}

impl<'a> Object<'a> {
    /// Reads the envelope of an object as the server stores it and sends it.
    ///
    /// # Errors
    ///
    /// If there is no envelope, or its kind is not built in. The message itself is not looked at.
    pub fn from_envelope(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let envelope = Envelope::parse(bytes)?;
        if !envelope.content_encoding.is_empty() {
            let encoding = envelope.content_encoding.to_owned();
            return Err(ReadErrorKind::ContentEncoding(encoding).into());
        }
        let Some(kind) = schema::kind(envelope.api_version, envelope.kind) else {
            let unknown = ReadErrorKind::UnknownKind {
                api_version: envelope.api_version.to_owned(),
                kind: envelope.kind.to_owned(),
            };
            return Err(unknown.into());
        };
        Self::of_kind(kind, envelope.raw)
    }

    /// Returns the object of the kind whose message is the bytes, without an envelope.
    ///
    /// JSON shows its kind and API version. See [`Object::of_message`] for items of lists.
    ///
    /// # Errors
    ///
    /// If the kind has no encoding in protobuf.
    pub fn of_kind(kind: &'static Kind, bytes: &'a [u8]) -> Result<Self, ReadError> {
        let (api_version, name) = (kind.api_version(), kind.name());
        if !kind.has_protobuf() {
            let kind = name;
            return Err(ReadErrorKind::NoProtobuf { api_version, kind }.into());
        }
        let type_meta = TypeMeta {
            kind: name,
            api_version,
        };
        Ok(Self {
            message: kind.message(),
            type_meta,
            bytes,
            unknown: None,
        })
    }

    /// Returns the message that is the bytes. As in lists, JSON shows no kind and no API version.
    #[must_use]
    pub fn of_message(message: &'static Message, bytes: &'a [u8]) -> Self {
        Self {
            message,
            type_meta: TypeMeta::default(),
            bytes,
            unknown: None,
        }
    }

    /// Sets a flag when reading passes over a field that the kind does not have.
    ///
    /// A newer server sends such fields. The flag costs nothing until then;
    /// [`unknown_fields`](crate::unknown_fields) returns which fields they are.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// use heliostat_kinds::{Object, schema};
    ///
    /// let map = schema::kind("v1", "ConfigMap").expect("it is built in");
    /// // `immutable`, and field 100.
    /// let object = Object::of_message(map.message(), &[0x20, 1, 0xa0, 6, 1]);
    /// let passed_over = AtomicBool::new(false);
    /// object.noting_unknown_fields(&passed_over).to_json(&mut Vec::new())?;
    /// assert!(passed_over.load(Ordering::Relaxed));
    /// # Ok::<(), heliostat_kinds::ReadError>(())
    /// ```
    #[must_use]
    pub fn noting_unknown_fields(self, flag: &'a AtomicBool) -> Self {
        Self {
            unknown: Some(flag),
            ..self
        }
    }

    /// Returns the type of the object.
    #[must_use]
    pub fn message(&self) -> &'static Message {
        self.message
    }

    /// Returns the bytes of the message.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Decodes the object. Text and field names borrow from the bytes.
    ///
    /// What comes is what `serde_json` makes of [`Object::to_json`].
    ///
    /// # Errors
    ///
    /// If the bytes are malformed, or the type does not fit.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T, ReadError> {
        de::decode(self)
    }

    /// Returns the deserializer over the object.
    #[must_use]
    pub fn deserializer(&self) -> Deserializer<'a> {
        Deserializer::new(*self)
    }

    /// Appends the object as JSON, byte for byte as the server writes it. No line feed follows.
    ///
    /// # Errors
    ///
    /// If the bytes are malformed; nothing is appended then.
    pub fn to_json(&self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        json::write(self, out)
    }

    /// Appends the object as JSON in lines, each level with so much more before it.
    ///
    /// # Errors
    ///
    /// If the bytes are malformed; nothing is appended then.
    pub fn to_json_pretty(&self, indent: &str, out: &mut Vec<u8>) -> Result<(), ReadError> {
        json::write_pretty(self, indent, out)
    }

    pub(crate) fn type_meta(&self) -> TypeMeta<'a> {
        self.type_meta
    }

    /// The flag that is set when a field is passed over.
    pub(crate) fn unknown_flag(&self) -> Option<&'a AtomicBool> {
        self.unknown
    }
}

/// Decodes an object with an envelope, as the server stores it and sends it.
///
/// ```
/// # let bytes = b"k8s\0\n\x0f\n\x02v1\x12\tNamespace\x12\n\n\x08\n\x06system";
/// use heliostat_kinds::from_protobuf;
/// use k8s_openapi::api::core::v1::Namespace;
///
/// let namespace: Namespace = from_protobuf(bytes).expect("it is a namespace");
/// assert_eq!(namespace.metadata.name.as_deref(), Some("system"));
/// ```
///
/// # Errors
///
/// If the bytes are malformed, the kind is not built in, or the type does not fit.
pub fn from_protobuf<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    Object::from_envelope(bytes)?.decode()
}

/// Decodes an object without an envelope, like an item of a list.
///
/// # Errors
///
/// If the bytes are malformed, or the type does not fit.
pub fn from_message<T: DeserializeOwned>(
    message: &'static Message,
    bytes: &[u8],
) -> Result<T, ReadError> {
    Object::of_message(message, bytes).decode()
}

/// Appends an object with an envelope as JSON, byte for byte as the server writes it.
///
/// # Errors
///
/// If the bytes are malformed, or the kind is not built in; nothing is appended then.
pub fn to_json(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ReadError> {
    Object::from_envelope(bytes)?.to_json(out)
}

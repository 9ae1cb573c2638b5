//! Writing objects as protobuf: from JSON and YAML text, and from any type that is serialized.
//!
//! [`json`] reads text token by token, led by the schema; [`ser`] is led by the type. Both put fields
//! into the [`encoder`] in the order in which they come.

mod encoder;
mod error;
mod json;
mod lexer;
mod quantity;
mod ser;
mod strict;
mod time;
mod unknown;
mod value;
mod yaml;

use std::mem;

use crate::object::MAGIC;
use crate::schema::{self, Kind};
use crate::wire::BYTES;
use encoder::{Encoder, Frame, Length, bytes, tag};
use json::{Reader, TypeMeta};
use lexer::{Lexer, Quoted};
use strict::Findings;

pub use error::{WriteError, WriteErrorKind};
pub use ser::{to_message_of, to_protobuf_of};
pub use strict::FieldValidation;
pub use unknown::unknown_fields;

/// How an object in JSON or YAML is read and written as protobuf.
///
/// ```
/// use heliostat_kinds::{FieldValidation, TextOptions, to_json};
///
/// let text = br#"{"kind": "ConfigMap", "apiVersion": "v1", "data": {"b": "2", "a": "1"}, "x": 1}"#;
/// let options = TextOptions::new().with_field_validation(FieldValidation::Warn);
/// let mut protobuf = Vec::new();
/// let written = options.write_json(text, &mut protobuf).expect("it is a config map");
/// assert_eq!(written.kind().name(), "ConfigMap");
/// assert_eq!(written.warnings(), [r#"unknown field "x""#]);
///
/// let mut json = Vec::new();
/// to_json(&protobuf, &mut json).expect("it was just written");
/// let expected = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{},"data":{"a":"1","b":"2"}}"#;
/// assert_eq!(String::from_utf8_lossy(&json), expected);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    kind: Option<&'static Kind>,
    validation: FieldValidation,
    has_envelope: bool,
    null_is_zero: bool,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    kind: &'static Kind,
    warnings: Vec<String>,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TextOptions {
    /// Returns options with which the text chooses the kind, unknown fields are ignored, and an
    /// envelope is written.
    #[must_use]
    pub fn new() -> Self {
        Self {
            kind: None,
            validation: FieldValidation::Ignore,
            has_envelope: true,
            null_is_zero: false,
        }
    }

    /// Chooses the kind. A text may leave out its kind and API version then; others are refused.
    ///
    /// The default is the kind that the text names.
    #[must_use]
    pub fn with_kind(self, kind: &'static Kind) -> Self {
        let kind = Some(kind);
        Self { kind, ..self }
    }

    /// Sets what is done about unknown fields and fields that occur twice. The default is to ignore
    /// them.
    #[must_use]
    pub fn with_field_validation(self, validation: FieldValidation) -> Self {
        Self { validation, ..self }
    }

    /// Writes the message alone, as it is in lists. The default is to write an envelope around it, as
    /// objects are stored and sent.
    #[must_use]
    pub fn without_envelope(self) -> Self {
        Self {
            has_envelope: false,
            ..self
        }
    }

    /// Takes null as the zero value where that is null in JSON: for times and embedded JSON.
    ///
    /// The server writes a pointer to the zero time as null, but reads null as no pointer, which is the
    /// default here. With this, the JSON of an object in protobuf is read as that object.
    #[must_use]
    pub fn with_null_as_zero(self) -> Self {
        Self {
            null_is_zero: true,
            ..self
        }
    }

    /// Appends the object of the JSON text.
    ///
    /// # Errors
    ///
    /// If the text is not JSON, its kind is not built in or not the chosen one, a value is not of the
    /// type of its field, or validation is strict and finds fields. Nothing is appended then.
    pub fn write_json(&self, json: &[u8], out: &mut Vec<u8>) -> Result<Written, WriteError> {
        let start = out.len();
        let lexer = Lexer::new(json);
        let kind = match self.kind {
            Some(kind) => kind,
            None => TypeMeta::find(lexer.clone())?.resolve()?,
        };
        if !kind.has_protobuf() {
            let (api_version, kind) = (kind.api_version(), kind.name());
            return Err(WriteErrorKind::NoProtobuf { api_version, kind }.into());
        }
        let encoder = Encoder::new(mem::take(out));
        let findings = Findings::new(self.validation);
        let mut reader = Reader::new(lexer.clone(), encoder, findings);
        reader.null_is_zero = self.null_is_zero;
        let written = self.write_object(&mut reader, kind);
        let Reader {
            encoder, findings, ..
        } = reader;
        *out = encoder.into_bytes();
        let result = written.and_then(|()| findings.finish());
        match result {
            Ok(warnings) => Ok(Written { kind, warnings }),
            Err(error) => {
                out.truncate(start);
                Err(syntax_error(&error, lexer).unwrap_or(error))
            }
        }
    }

    /// Appends the object of the YAML text, which is one document.
    ///
    /// # Errors
    ///
    /// If the text is not YAML, and as for [`TextOptions::write_json`]. Nothing is appended then.
    pub fn write_yaml(&self, yaml: &str, out: &mut Vec<u8>) -> Result<Written, WriteError> {
        self.write_json(&yaml::to_json(yaml)?, out)
    }

    fn write_object(&self, reader: &mut Reader<'_>, kind: &'static Kind) -> Result<(), WriteError> {
        let frame = reader.object(kind.message())?;
        reader.type_meta.check(kind)?;
        if self.has_envelope {
            close_in_envelope(&mut reader.encoder, &frame, kind);
        } else {
            reader.encoder.finish(&frame);
        }
        Ok(())
    }
}

impl Written {
    /// Returns the kind of the object.
    #[must_use]
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Returns the unknown fields and those that occur twice, 100 at most, in the server's words.
    ///
    /// There are none unless validation warns.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl TypeMeta<'_> {
    /// Returns the built-in kind.
    fn resolve(self) -> Result<&'static Kind, WriteError> {
        let (api_version, kind) = (owned(self.api_version), owned(self.kind));
        if kind.is_empty() {
            return Err(WriteErrorKind::NoKind.into());
        }
        schema::kind(&api_version, &kind)
            .ok_or_else(|| WriteErrorKind::UnknownKind { api_version, kind }.into())
    }

    /// Refuses another kind. What is empty is any.
    fn check(self, expected: &'static Kind) -> Result<(), WriteError> {
        let is_other = |text: Option<Quoted<'_>>, expected: &str| {
            let text = text.map(Quoted::text).unwrap_or_default();
            !text.is_empty() && *text != *expected.as_bytes()
        };
        if is_other(self.kind, expected.name())
            || is_other(self.api_version, expected.api_version())
        {
            let wrong = WriteErrorKind::WrongKind {
                api_version: owned(self.api_version),
                kind: owned(self.kind),
                expected_api_version: expected.api_version(),
                expected_kind: expected.name(),
            };
            return Err(wrong.into());
        }
        Ok(())
    }
}

fn owned(text: Option<Quoted<'_>>) -> String {
    let text = text.map(Quoted::text).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// What is wrong with the syntax, which counts more than what is wrong with a value before it.
fn syntax_error(error: &WriteError, mut lexer: Lexer<'_>) -> Option<WriteError> {
    if !error.is_of_value() {
        return None;
    }
    let checked = lexer.value().map(drop).and_then(|()| lexer.end());
    checked.err()
}

/// Ends the outermost message and writes the envelope around it.
fn close_in_envelope(encoder: &mut Encoder, frame: &Frame, kind: &'static Kind) {
    let out = encoder.outer();
    out.extend_from_slice(MAGIC);
    tag(out, 1, BYTES);
    let length = Length::start(out, 0);
    bytes(out, 1, kind.api_version().as_bytes());
    bytes(out, 2, kind.name().as_bytes());
    length.end(out);
    encoder.close(frame, 2);
    // The encoding and the type of the content are empty.
    bytes(encoder.out(), 3, b"");
    bytes(encoder.out(), 4, b"");
}

/// Appends the object of the JSON text, which names its kind, with an envelope.
///
/// Unknown fields are ignored; [`TextOptions`] has other choices.
///
/// # Errors
///
/// If the text is not JSON, its kind is not built in, or a value is not of the type of its field.
/// Nothing is appended then.
pub fn to_protobuf(json: &[u8], out: &mut Vec<u8>) -> Result<&'static Kind, WriteError> {
    let written = TextOptions::new().write_json(json, out)?;
    Ok(written.kind)
}

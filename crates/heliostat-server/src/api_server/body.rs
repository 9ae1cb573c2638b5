//! Bodies of requests: objects and options of deletes, in each encoding.
//!
//! Objects of built-in kinds pass through the schema of their kind, whatever they come in: unknown
//! fields are dropped and reported, values of another type are refused. Custom resources have no
//! schema here and are taken as they are.

use heliostat_kinds::{
    Envelope, FieldValidation, Object as TypedObject, ReadError, ReadErrorKind, TextOptions,
    WriteError, WriteErrorKind, schema,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::media::{Encoding, media_types};
use super::rules::DeleteOptions;
use super::validate;
use super::yaml;
use crate::collection::kind::{Kind, Object};
use crate::collection::status::Status;

/// How many bytes of a body a message shows.
const SUMMARY_BYTES: usize = 30;

/// What Go writes for the first bytes that a body in protobuf must have.
const NO_ENVELOPE: &str = "provided data does not appear to be a protobuf message, expected \
                           prefix [107 56 115 0]";

/// The bytes of a body, and what they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(crate) content_type: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// An object that was received, and what is to be said about its fields.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) object: Object,
    /// Unknown fields and fields that occur twice, if validation warns.
    pub(crate) warnings: Vec<String>,
}

impl Received {
    fn silent(object: Object) -> Self {
        Self {
            object,
            warnings: Vec::new(),
        }
    }
}

impl Body<'_> {
    /// Reads an object of a kind.
    ///
    /// # Errors
    /// 415 for a media type that the kind does not have, 400 for everything that is no object of the
    /// kind.
    pub(crate) fn object(
        &self,
        kind: &Kind,
        validation: FieldValidation,
    ) -> Result<Received, Status> {
        let typed = kind.protobuf();
        let encoding = self.encoding(match typed {
            Some(_) => &Encoding::ALL,
            None => &[Encoding::Json, Encoding::Yaml],
        })?;
        match (typed, encoding) {
            (Some(typed), Encoding::Protobuf) => self.typed_object(kind, typed),
            (Some(typed), _) => {
                let options = TextOptions::new()
                    .with_kind(typed)
                    .with_field_validation(validation)
                    .without_envelope();
                let mut message = Vec::new();
                let written = self.write(encoding, &options, &mut message);
                let written = written.map_err(|error| self.unwritable(kind, &error))?;
                let warnings = written.warnings().to_vec();
                let object = object_of(kind, typed, &message)?;
                Ok(Received { object, warnings })
            }
            (None, _) => self.untyped_object(kind, encoding),
        }
    }

    /// Reads the options of a delete. No body has none.
    ///
    /// # Errors
    /// 415 for an unknown media type, 400 for a body that is no options.
    pub(crate) fn delete_options(&self) -> Result<DeleteOptions, Status> {
        if self.bytes.is_empty() {
            return Ok(DeleteOptions::default());
        }
        let broken =
            |error: String| Status::bad_request(format!("error decoding DeleteOptions: {error}"));
        let options: DeleteOptions = match self.encoding(&Encoding::ALL)? {
            Encoding::Json => {
                serde_json::from_slice(self.bytes).map_err(|error| broken(error.to_string()))?
            }
            Encoding::Yaml => {
                let value = yaml::parse(self.bytes).map_err(broken)?;
                serde_json::from_value(value).map_err(|error| broken(error.to_string()))?
            }
            Encoding::Protobuf => {
                options_of(self.bytes).map_err(|error| broken(go_words(&error)))?
            }
        };
        match options.kind.as_deref() {
            None | Some("" | "DeleteOptions") => Ok(options),
            Some(other) => Err(broken(format!("the object is a {other}"))),
        }
    }

    /// The encoding of the body, if it is one of those.
    fn encoding(&self, accepted: &[Encoding]) -> Result<Encoding, Status> {
        Encoding::of_body(self.content_type)
            .filter(|encoding| accepted.contains(encoding))
            .ok_or_else(|| Status::unsupported_media_type(&media_types(accepted)))
    }

    fn write(
        &self,
        encoding: Encoding,
        options: &TextOptions,
        out: &mut Vec<u8>,
    ) -> Result<heliostat_kinds::Written, WriteError> {
        if encoding == Encoding::Yaml {
            options.write_yaml(&String::from_utf8_lossy(self.bytes), out)
        } else {
            options.write_json(self.bytes, out)
        }
    }

    fn typed_object(&self, kind: &Kind, typed: &'static schema::Kind) -> Result<Received, Status> {
        let unreadable = |error: &ReadError| self.unrecognized(kind, &go_words(error));
        if self.bytes.len() <= heliostat_kinds::MAGIC.len() && self.bytes.starts_with(b"k8s") {
            return Err(self.unrecognized(kind, "empty body"));
        }
        let envelope = Envelope::parse(self.bytes).map_err(|error| unreadable(&error))?;
        validate::type_names(kind, envelope.kind(), envelope.api_version())?;
        object_of(kind, typed, envelope.raw()).map(Received::silent)
    }

    fn untyped_object(&self, kind: &Kind, encoding: Encoding) -> Result<Received, Status> {
        let parsed = if encoding == Encoding::Yaml {
            yaml::parse(self.bytes)
        } else {
            serde_json::from_slice(self.bytes).map_err(|error| error.to_string())
        };
        match parsed {
            Ok(Value::Object(object)) => Ok(Received::silent(object)),
            Ok(_) => Err(self.unparsable(kind, "the body is not an object")),
            Err(error) => Err(self.unparsable(kind, &error)),
        }
    }

    /// The 400 of a text that is no object of the kind.
    fn unwritable(&self, kind: &Kind, error: &WriteError) -> Status {
        match error.kind() {
            WriteErrorKind::Syntax { message, .. } | WriteErrorKind::Yaml(message) => {
                self.unparsable(kind, message)
            }
            WriteErrorKind::WrongKind {
                api_version,
                kind: found,
                ..
            } => validate::type_names(kind, found, api_version)
                .err()
                .unwrap_or_else(|| validate::not_handled(kind, error)),
            _ => validate::not_handled(kind, error),
        }
    }

    fn unparsable(&self, kind: &Kind, error: &str) -> Status {
        let error = format!("couldn't get version/kind; json parse error: {error}");
        self.unrecognized(kind, &error)
    }

    /// The 400 of a body of which not even the kind is known.
    fn unrecognized(&self, kind: &Kind, error: &str) -> Status {
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {error} ({})",
            kind.kind(),
            summary(self.bytes)
        ))
    }
}

/// Reads an object that was made of a stored one and a patch, as if it had been sent: patches, too,
/// may hold what the kind does not allow, or nest deeper than a body may.
///
/// # Errors
/// A 400 for what is no object of the kind.
pub(crate) fn conform(
    kind: &Kind,
    object: &Object,
    validation: FieldValidation,
) -> Result<Received, Status> {
    // A map with text keys always serializes.
    let bytes = serde_json::to_vec(object).unwrap_or_default();
    let content_type = Encoding::Json.media_type();
    let body = Body {
        content_type,
        bytes: &bytes,
    };
    body.object(kind, validation)
}

/// The object of a message.
fn object_of(kind: &Kind, typed: &'static schema::Kind, message: &[u8]) -> Result<Object, Status> {
    let mut json = Vec::with_capacity(message.len() * 2);
    TypedObject::of_kind(typed, message)
        .and_then(|object| object.to_json(&mut json))
        .map_err(|error| validate::not_handled(kind, go_words(&error)))?;
    serde_json::from_slice(&json).map_err(|error| validate::not_handled(kind, error))
}

/// The options of a delete in their envelope. Each group has a kind of that name.
fn options_of<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    let envelope = Envelope::parse(bytes)?;
    let typed = schema::kind("v1", "DeleteOptions").filter(|kind| kind.name() == envelope.kind());
    match typed {
        Some(typed) => TypedObject::of_kind(typed, envelope.raw())?.decode(),
        None => TypedObject::from_envelope(bytes)?.decode(),
    }
}

/// What the server says of bytes that are no message, where it has words for it.
fn go_words(error: &ReadError) -> String {
    match error.kind() {
        ReadErrorKind::NoEnvelope => NO_ENVELOPE.to_owned(),
        ReadErrorKind::Truncated { .. } => "unexpected EOF".to_owned(),
        ReadErrorKind::Varint { .. } => "proto: integer overflow".to_owned(),
        _ => error.to_string(),
    }
}

/// The start of a body: text if it is JSON, else in hexadecimal.
fn summary(bytes: &[u8]) -> String {
    let Some(first) = bytes.first() else {
        return "<empty>".to_owned();
    };
    let (shown, rest) = bytes.split_at(bytes.len().min(SUMMARY_BYTES));
    let mut summary = if *first == b'{' {
        String::from_utf8_lossy(shown).into_owned()
    } else {
        shown.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    if !rest.is_empty() {
        summary.push_str(" ...");
    }
    summary
}

//! Why bytes cannot be read.

use std::fmt::Display;

use serde::de;
use thiserror::Error;

use crate::read::{DEPTH_MAX, JSON_DEPTH_MAX};

/// Why an object in protobuf could not be read.
///
/// Positions count bytes from the start of the object, or of its envelope if it has one.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct ReadError(Box<ReadErrorKind>);

/// The reasons of a [`ReadError`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// The bytes do not start with `k8s` and a zero byte.
    #[error("the bytes are not Kubernetes protobuf: they do not start with \"k8s\\0\"")]
    NoEnvelope,
    /// The envelope says that its content is compressed or otherwise encoded.
    #[error("content encoding {0:?} of the envelope is not supported")]
    ContentEncoding(String),
    /// The kind is not built in.
    #[error("kind {kind:?} of API version {api_version:?} is not built in")]
    UnknownKind {
        /// The API version, as the envelope has it.
        api_version: String,
        /// The kind, as the envelope has it.
        kind: String,
    },
    /// The kind has no encoding in protobuf.
    #[error("kind {kind:?} of API version {api_version:?} has no encoding in protobuf")]
    NoProtobuf {
        /// The API version.
        api_version: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// The bytes end within a field.
    #[error("the object is cut off: the field at byte {at} goes beyond the end")]
    Truncated {
        /// Where the value starts.
        at: usize,
    },
    /// A varint has more than ten bytes.
    #[error("the number at byte {at} has more than 64 bits")]
    Varint {
        /// Where the varint starts.
        at: usize,
    },
    /// A tag has a field number or a wire type that protobuf does not have.
    #[error("the tag at byte {at} is invalid")]
    Tag {
        /// Where the tag starts.
        at: usize,
    },
    /// The kind or the API version of the envelope is not UTF-8.
    #[error("the text of the envelope at byte {at} is not UTF-8")]
    Utf8 {
        /// Where the text starts.
        at: usize,
    },
    /// A field is not encoded as its type is.
    #[error("field {field:?} at byte {at} has wire type {wire_type}")]
    WireType {
        /// The name of the field in JSON.
        field: &'static str,
        /// Where the value starts.
        at: usize,
        /// The wire type found.
        wire_type: u8,
    },
    /// Objects and lists are nested too deep: [`DEPTH_MAX`], or [`JSON_DEPTH_MAX`] for JSON text.
    #[error("the object has more than {DEPTH_MAX} levels, or {JSON_DEPTH_MAX} to write")]
    TooDeep,
    /// The object has 4 GiB or more.
    #[error("the object has {0} bytes, which is 4 GiB or more")]
    TooLarge(usize),
    /// A number-or-string is neither.
    #[error("number-or-string has type {0}, which is neither number (0) nor string (1)")]
    IntOrStringType(i64),
    /// A floating point number that JSON cannot have.
    #[error("JSON has no number {0}")]
    Float(f64),
    /// An embedded object is not JSON.
    #[error("embedded JSON: {0}")]
    EmbeddedJson(serde_json::Error),
    /// The value is not what the type that it is decoded into expects.
    #[error("{0}")]
    Unexpected(String),
}

impl ReadError {
    /// Returns the reason.
    #[must_use]
    pub fn kind(&self) -> &ReadErrorKind {
        &self.0
    }
}

impl From<ReadErrorKind> for ReadError {
    #[cold]
    fn from(kind: ReadErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl de::Error for ReadError {
    #[cold]
    fn custom<T: Display>(message: T) -> Self {
        ReadErrorKind::Unexpected(message.to_string()).into()
    }
}

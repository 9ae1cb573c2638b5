//! Why an object cannot be written.

use std::fmt::Display;

use serde::ser;
use thiserror::Error;

use crate::read::DEPTH_MAX;

/// Why an object could not be written as protobuf.
///
/// Where the server has words for what is wrong with a text, these are its words.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct WriteError(Box<WriteErrorKind>);

/// The reasons of a [`WriteError`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteErrorKind {
    /// The text is not JSON.
    #[error("{message}")]
    Syntax {
        /// What is wrong, as Go says it.
        message: String,
        /// How many bytes were read.
        at: usize,
    },
    /// The text is not YAML.
    #[error("{0}")]
    Yaml(String),
    /// A value is not of the type of the field.
    #[error("json: cannot unmarshal {value} into Go {target} of type {expected}")]
    Type {
        /// What the text has: `string`, `number 1.5`, `object`.
        value: String,
        /// `struct field ObjectMeta.metadata.name`, or `value` for the object itself.
        target: String,
        /// The type in Go.
        expected: String,
    },
    /// A value has the type of the field, but not its form: a time, a quantity, base64.
    #[error("{message}")]
    Value {
        /// What is wrong, as the server says it.
        message: String,
        /// The path of the field.
        field: String,
    },
    /// The text has fields that the kind does not have, or fields twice.
    #[error("strict decoding error: {}", .0.join(", "))]
    Strict(Vec<String>),
    /// The text does not name its kind, and no kind was chosen.
    #[error("Object 'Kind' is missing")]
    NoKind,
    /// The kind is not built in.
    #[error("kind {kind:?} of API version {api_version:?} is not built in")]
    UnknownKind {
        /// The API version, as the text has it.
        api_version: String,
        /// The kind, as the text has it.
        kind: String,
    },
    /// The text names another kind than the chosen one.
    #[error(
        "the object is {kind:?} of API version {api_version:?}, expected {expected_kind:?} of {expected_api_version:?}"
    )]
    WrongKind {
        /// The API version, as the text has it.
        api_version: String,
        /// The kind, as the text has it.
        kind: String,
        /// The API version of the chosen kind.
        expected_api_version: &'static str,
        /// The chosen kind.
        expected_kind: &'static str,
    },
    /// The kind has no encoding in protobuf.
    #[error("kind {kind:?} of API version {api_version:?} has no encoding in protobuf")]
    NoProtobuf {
        /// The API version.
        api_version: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// Messages are nested too deep.
    #[error("the object has more than {DEPTH_MAX} levels")]
    TooDeep,
    /// A value that is serialized is not what the field holds.
    #[error("{0}")]
    Unexpected(String),
}

impl WriteError {
    /// Returns the reason.
    #[must_use]
    pub fn kind(&self) -> &WriteErrorKind {
        &self.0
    }

    /// Returns true if the text is well-formed and what it says is wrong.
    pub(crate) fn is_of_value(&self) -> bool {
        matches!(
            *self.0,
            WriteErrorKind::Type { .. } | WriteErrorKind::Value { .. }
        )
    }
}

impl From<WriteErrorKind> for WriteError {
    #[cold]
    fn from(kind: WriteErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl ser::Error for WriteError {
    #[cold]
    fn custom<T: Display>(message: T) -> Self {
        WriteErrorKind::Unexpected(message.to_string()).into()
    }
}

//! What a field holds, and why that may not be known.

use std::borrow::Cow;
use std::fmt;

use crate::object::GroupVersionKind;

/// The value of a field that has no fields itself.
///
/// It is the same whatever the encoding: what JSON shows of times, amounts and bytes, which are texts
/// there, is made of what protobuf holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FieldValue<'a> {
    /// A text; of the object's own bytes wherever that is possible.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// Any other number. No field of a built-in kind has one; custom resources may.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

/// Why the value of a field cannot be told.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// Protobuf has numbers and no names, and this name's number is not known here. The field may be
    /// in the object, or may not exist at all.
    #[error("the place of {path} in the protobuf encoding of {kind} is not known")]
    UnknownPath {
        /// The path.
        path: String,
        /// The kind of the object.
        kind: GroupVersionKind,
    },
    /// The field is an object, a map or a list, and not a value.
    #[error("{path} is not a single value")]
    NotAValue {
        /// The path.
        path: String,
    },
    /// The field is a value or a list, or has a fixed set of fields, and so has no keys.
    #[error("{path} is not a map")]
    NotAMap {
        /// The path.
        path: String,
    },
    /// The bytes on the way to the field are broken.
    #[error("the object is broken at {path}: {reason}")]
    Malformed {
        /// The path.
        path: String,
        /// The decoder's word.
        reason: String,
    },
}

impl<'a> FieldValue<'a> {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Float(_) | Self::Bool(_) => None,
        }
    }

    /// The value as a text, as an index or a field selector wants it.
    #[must_use]
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            number @ (Self::Integer(_) | Self::Float(_)) => Cow::Owned(number.to_string()),
        }
    }
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
        }
    }
}

/// What ends the way to a field.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    UnknownPath,
    NotAValue,
    NotAMap,
    Malformed(String),
}

impl Failure {
    pub(super) fn malformed(reason: impl fmt::Display) -> Self {
        Self::Malformed(reason.to_string())
    }
}

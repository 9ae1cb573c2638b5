//! Whole objects: as JSON, and decoded.
//!
//! JSON shows `kind` and `apiVersion` as the server does of an object that is asked for alone, also
//! where the bytes do not have them: items of lists, and everything in protobuf.

use heliostat_kinds::{Object, schema};
use serde::de::DeserializeOwned;

use super::json;
use super::{Encoding, RawView, UnpackError};
use crate::object::GroupVersionKind;
use crate::wire::json::header::Cursor;

/// Why a whole object cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WholeError {
    /// Protobuf does not have the kind in the bytes, and it was not given with them.
    #[error("the object is in protobuf and its kind is not known")]
    NoKind,
    /// Only the protobuf of built-in kinds can be read.
    #[error("the object is in protobuf and {kind} is not built in; ask for JSON")]
    NotBuiltIn {
        /// The kind of the object.
        kind: GroupVersionKind,
    },
    /// The protobuf is broken, or the type does not fit.
    #[error(transparent)]
    Protobuf(#[from] heliostat_kinds::ReadError),
    /// The JSON is broken, or the type does not fit.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The packed object cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

impl<'a> RawView<'a> {
    /// Appends the object as JSON, byte for byte as the server writes it when it is asked for alone.
    ///
    /// JSON is copied without a check. Protobuf needs the [kind](Self::kind), and that it is built in.
    ///
    /// # Errors
    /// If the object is in protobuf, and its kind is not known or not built in, or the bytes are
    /// malformed. Nothing is appended then.
    pub fn to_json(self, out: &mut Vec<u8>) -> Result<(), WholeError> {
        match self.encoding() {
            Encoding::Json => {
                let (head, rest) = self.with_type_meta();
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(rest);
            }
            Encoding::Protobuf => self.object()?.to_json(out)?,
        }
        Ok(())
    }

    /// Returns the object as JSON, as [`to_json`](Self::to_json) writes it.
    ///
    /// # Errors
    /// As with [`to_json`](Self::to_json), or if the text is not UTF-8.
    pub fn to_json_string(self) -> Result<String, WholeError> {
        let mut text = Vec::with_capacity(2 * self.bytes().len());
        self.to_json(&mut text)?;
        String::from_utf8(text)
            .map_err(|error| WholeError::Json(serde::de::Error::custom(error.utf8_error())))
    }

    /// Decodes the whole object, from JSON or from the protobuf of a built-in kind.
    ///
    /// The type sees what [`to_json`](Self::to_json) writes; from protobuf there is no JSON between.
    ///
    /// # Errors
    /// As with [`to_json`](Self::to_json), or if the type does not fit.
    pub fn decode<K: DeserializeOwned>(self) -> Result<K, WholeError> {
        match self.encoding() {
            Encoding::Json => {
                let (head, rest) = self.with_type_meta();
                match head.is_empty() {
                    true => Ok(serde_json::from_slice(rest)?),
                    false => Ok(serde_json::from_slice(&[head.as_bytes(), rest].concat())?),
                }
            }
            Encoding::Protobuf => Ok(self.object()?.decode()?),
        }
    }

    fn object(self) -> Result<Object<'a>, WholeError> {
        let kind = self.kind().ok_or(WholeError::NoKind)?;
        let built_in = schema::kind(&kind.api_version, &kind.kind);
        let built_in = built_in.ok_or_else(|| WholeError::NotBuiltIn { kind: kind.clone() })?;
        Ok(Object::of_kind(built_in, self.bytes())?)
    }

    /// The start of the JSON with the kind, and what follows it; no start if the bytes have the kind,
    /// or it is not known.
    fn with_type_meta(self) -> (String, &'a [u8]) {
        let cursor = Cursor::new(self.bytes());
        let has = |name| json::member(cursor, name).is_ok_and(|member| member.is_some());
        let is_object = { cursor }.peek() == Some(b'{');
        let mut head = String::new();
        if let Some(kind) = self.kind().filter(|_| is_object) {
            for (name, value) in [("kind", &kind.kind), ("apiVersion", &kind.api_version)] {
                if !has(name) {
                    let before = if head.is_empty() { '{' } else { ',' };
                    let value = serde_json::Value::from(value.as_str());
                    head.push_str(&format!("{before}\"{name}\":{value}"));
                }
            }
        }
        if head.is_empty() {
            return (head, self.bytes());
        }
        let after_bracket = self.bytes().trim_ascii_start().get(1..).unwrap_or_default();
        if after_bracket.trim_ascii_start().first() != Some(&b'}') {
            head.push(',');
        }
        (head, after_bracket)
    }
}

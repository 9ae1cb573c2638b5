//! Objects in the encoding of the output.

use std::io::{self, Write};

use clap::ValueEnum;
use heliostat_kinds::{
    FieldValidation, Object, ReadError, TextOptions, WriteError, schema, to_envelope,
};

use crate::output::Destination;
use crate::output::document::{self, DocumentError, Style};

/// The encodings of output.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Output {
    /// One indented object after another
    #[default]
    Json,
    /// One object a line
    Jsonl,
    /// One document for each object
    Yaml,
    /// As etcd stores objects: built-in kinds in protobuf with its envelope, custom resources in JSON
    Protobuf,
    /// `namespace/name`, one a line
    Name,
}

/// An object to write.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    /// Empty if it is not known.
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    /// The namespace and the name, as far as there are such.
    pub(super) key: String,
    pub(super) content: Content<'a>,
}

/// The object itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// Which may lack the kind.
    Json(&'a [u8]),
    /// Without an envelope.
    Protobuf(&'a [u8]),
}

/// Why an object is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ObjectError {
    #[error("cannot write: {0}")]
    Output(#[source] io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Text(DocumentError),
    #[error("it has no name")]
    NoName,
    #[error("it has no apiVersion and kind")]
    NoKind,
    #[error("{0} is not a built-in kind, and its protobuf cannot be read")]
    NotBuiltIn(String),
    #[error("lists are nested too deeply")]
    TooDeep,
}

impl From<DocumentError> for ObjectError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Write(error) => Self::Output(error),
            error @ DocumentError::Text(_) => Self::Text(error),
        }
    }
}

impl Output {
    /// Writes one object, or nothing of it.
    pub(super) fn write(self, found: &Found<'_>, out: &mut dyn Write) -> Result<(), ObjectError> {
        let style = match self {
            Self::Json => Style::Json,
            Self::Jsonl => Style::Jsonl,
            Self::Yaml => Style::Yaml,
            Self::Protobuf => return found.write_protobuf(out),
            Self::Name => return found.write_name(Destination::of_stdout(), out),
        };
        found.write_text(style, out)
    }
}

impl Found<'_> {
    fn write_text(&self, style: Style, out: &mut dyn Write) -> Result<(), ObjectError> {
        let type_meta = (self.api_version, self.kind);
        match self.content {
            Content::Json(text) => Ok(document::write(text, type_meta, style, out)?),
            Content::Protobuf(bytes) => {
                let kind = schema::kind(self.api_version, self.kind);
                let kind = kind.ok_or_else(|| ObjectError::NotBuiltIn(self.kind.to_owned()))?;
                let object = Object::of_kind(kind, bytes)?;
                let mut text = Vec::with_capacity(2 * bytes.len());
                object.to_json(&mut text)?;
                Ok(document::write(&text, type_meta, style, out)?)
            }
        }
    }

    /// Writes the object as etcd stores it.
    fn write_protobuf(&self, out: &mut dyn Write) -> Result<(), ObjectError> {
        let mut bytes = Vec::new();
        match self.content {
            Content::Protobuf(message) => {
                to_envelope(self.api_version, self.kind, message, &mut bytes);
            }
            Content::Json(text) => {
                if self.kind.is_empty() || self.api_version.is_empty() {
                    return Err(ObjectError::NoKind);
                }
                let Some(kind) = schema::kind(self.api_version, self.kind) else {
                    return self.write_text(Style::Jsonl, out);
                };
                // What is not a field would be lost.
                let options = TextOptions::new().with_kind(kind);
                let options = options.with_field_validation(FieldValidation::Strict);
                options.write_json(text, &mut bytes)?;
            }
        }
        out.write_all(&bytes).map_err(ObjectError::Output)
    }

    fn write_name(&self, destination: Destination, out: &mut dyn Write) -> Result<(), ObjectError> {
        match self.key.is_empty() {
            true => Err(ObjectError::NoName),
            false => writeln!(out, "{}", destination.name(&self.key)).map_err(ObjectError::Output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_for_a_terminal_and_raw_in_a_pipe() {
        let found = Found {
            api_version: "v1",
            kind: "Pod",
            key: "shop/web\x1b[2J".to_owned(),
            content: Content::Json(b"{}"),
        };
        for (destination, expected) in [
            (Destination::Pipe, "shop/web\x1b[2J\n"),
            (Destination::Terminal, "shop/web\\u{1b}[2J\n"),
        ] {
            let mut out = Vec::new();
            found.write_name(destination, &mut out).unwrap();
            assert_eq!(out, expected.as_bytes());
        }
    }
}

//! Objects one after another, each as a text of its own.

use std::io::{self, Write};

use super::json_text::{Defect, JsonText};
use super::layout::{Json, Layout};
use super::yaml::Document;

/// How an object is laid out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    /// JSON in lines, as kubectl indents it.
    Json,
    /// JSON on one line.
    Jsonl,
    /// A YAML document.
    Yaml,
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// The text cannot be printed. Nothing was written.
    #[error(transparent)]
    Text(#[from] Defect),
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes the object of the JSON text, with its API version and kind if the text does not have them.
pub(crate) fn write(
    text: &[u8],
    (api_version, kind): (&str, &str),
    style: Style,
    out: &mut dyn Write,
) -> Result<(), DocumentError> {
    let text = JsonText::check(text)?.version_first();
    let mut layout: Box<dyn Layout> = match style {
        Style::Json => Box::new(Json::indented(0)),
        Style::Jsonl => Box::new(Json::compact()),
        Style::Yaml => Box::new(Document::new()),
    };
    text.visit(api_version, kind, &mut |token| layout.token(token, out))?;
    Ok(out.write_all(b"\n")?)
}

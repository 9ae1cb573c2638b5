//! Values that are text in JSON and something else in protobuf.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::schema::ValueType;
use crate::wire::BYTES;
use crate::write::encoder::{self, Length, tag};
use crate::write::{quantity, time};

/// Why a text is no value of a type.
#[derive(Debug)]
pub(crate) enum Invalid {
    /// The type is no text in JSON.
    Type,
    /// The text does not have the form of the type.
    Form(String),
}

/// Writes a field whose value is text in JSON.
#[inline]
pub(crate) fn text(
    out: &mut Vec<u8>,
    number: u32,
    value_type: ValueType,
    text: &[u8],
) -> Result<(), Invalid> {
    match value_type {
        ValueType::String => encoder::bytes(out, number, text),
        ValueType::Bytes => base64(out, number, text)?,
        ValueType::Quantity => quantity(out, number, str::from_utf8(text).unwrap_or_default())?,
        ValueType::IntOrString => int_or_string(out, number, 0, Some(text)),
        ValueType::Time | ValueType::MicroTime => {
            let text = str::from_utf8(text).unwrap_or_default();
            let parsed = match value_type {
                ValueType::Time => time::parse(text),
                _ => time::parse_micros(text),
            };
            put_time(out, number, parsed.map_err(Invalid::Form)?);
        }
        _ => return Err(Invalid::Type),
    }
    Ok(())
}

/// Writes a quantity in canonical form.
pub(crate) fn quantity(out: &mut Vec<u8>, number: u32, text: &str) -> Result<(), Invalid> {
    let text = quantity::canonical(text.trim());
    let text = text.map_err(|message| Invalid::Form(message.to_owned()))?;
    message(out, number, |out| encoder::bytes(out, 1, text.as_bytes()));
    Ok(())
}

/// Writes a number or a string.
pub(crate) fn int_or_string(out: &mut Vec<u8>, number: u32, int: i32, text: Option<&[u8]>) {
    message(out, number, |out| {
        encoder::varint(out, 1, i64::from(text.is_some()));
        encoder::varint(out, 2, i64::from(int));
        encoder::bytes(out, 3, text.unwrap_or_default());
    });
}

/// Writes a message whose field 1 is JSON text.
pub(crate) fn json(out: &mut Vec<u8>, number: u32, text: &[u8]) {
    message(out, number, |out| encoder::bytes(out, 1, text));
}

/// Writes a small message.
fn message(out: &mut Vec<u8>, number: u32, content: impl FnOnce(&mut Vec<u8>)) {
    tag(out, number, BYTES);
    let length = Length::start(out, 0);
    content(out);
    length.end(out);
}

fn put_time(out: &mut Vec<u8>, number: u32, time: Option<time::Time>) {
    let Some((seconds, nanos)) = time else {
        return encoder::bytes(out, number, b"");
    };
    message(out, number, |out| {
        encoder::varint(out, 1, seconds);
        encoder::varint(out, 2, i64::from(nanos));
    });
}

fn base64(out: &mut Vec<u8>, number: u32, text: &[u8]) -> Result<(), Invalid> {
    tag(out, number, BYTES);
    let length = Length::start(out, text.len() / 4 * 3);
    let start = out.len();
    if STANDARD.decode_vec(text, out).is_err() {
        out.truncate(start);
        // Line breaks are allowed anywhere.
        let lines = text.iter().copied().filter(|byte| !b"\r\n".contains(byte));
        let joined: Vec<u8> = lines.collect();
        let decoded = STANDARD.decode(joined).map_err(|error| {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _)
                | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                _ => text.len(),
            };
            Invalid::Form(format!("illegal base64 data at input byte {at}"))
        })?;
        out.extend_from_slice(&decoded);
    }
    length.end(out);
    Ok(())
}

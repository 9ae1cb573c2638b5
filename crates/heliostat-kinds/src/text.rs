//! Text and numbers as Go writes them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str;

use crate::error::{ReadError, ReadErrorKind};

/// The bytes as text, with U+FFFD for each byte that is no part of UTF-8, as Go writes them to JSON.
#[inline]
pub(crate) fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| Cow::Owned(lossy(bytes)), Cow::Borrowed)
}

#[cold]
fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// A floating point number as Go writes it to JSON: the fewest digits, an exponent where it is far
/// from 1.
pub(crate) fn float(value: f64) -> Result<String, ReadError> {
    if !value.is_finite() {
        return Err(ReadErrorKind::Float(value).into());
    }
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Ok(value.to_string());
    }
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return Ok(text);
    };
    let mut text = digits.to_owned();
    // Go writes the sign of every exponent. Those of two digits need no zero in front.
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    _ = write!(text, "e{sign}{exponent}");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let check = |value, text| assert_eq!(float(value).unwrap(), text);
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(0.1, "0.1");
        check(1e-6, "0.000001");
        check(3e-7, "3e-7");
        check(-1.5e-10, "-1.5e-10");
        check(1e20, "100000000000000000000");
        check(1e21, "1e+21");
        check(123.456, "123.456");
        check(f64::MAX, "1.7976931348623157e+308");
        assert!(float(f64::NAN).is_err() && float(f64::INFINITY).is_err());
    }

    #[test]
    fn each_byte_that_is_no_text_is_replaced() {
        assert_eq!(utf8(b"a\xff\xe2\x28b"), "a\u{fffd}\u{fffd}(b");
        assert_eq!(utf8(b"\xe2\x80"), "\u{fffd}\u{fffd}");
        assert!(matches!(utf8("日本".as_bytes()), Cow::Borrowed("日本")));
    }
}

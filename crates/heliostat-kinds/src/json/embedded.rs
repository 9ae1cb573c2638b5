//! JSON inside of protobuf: without white space and with Go's escapes, otherwise as it is.

use memchr::{memchr2, memchr3};
use serde::de::IgnoredAny;

use crate::error::{ReadError, ReadErrorKind};
use crate::json::string::{escape, separator};

/// Appends the value, if it is one.
pub(super) fn write(json: &[u8], out: &mut Vec<u8>) -> Result<(), ReadError> {
    serde_json::from_slice::<IgnoredAny>(json).map_err(ReadErrorKind::EmbeddedJson)?;
    out.reserve(json.len());
    if is_as_go_writes_it(json) {
        out.extend_from_slice(json);
        return Ok(());
    }
    write_anew(json, out);
    Ok(())
}

/// Whether there is no white space and nothing to escape, as in most objects of a server.
fn is_as_go_writes_it(json: &[u8]) -> bool {
    memchr3(b'<', b'>', b'&', json).is_none()
        && memchr3(b' ', b'\n', b'\t', json).is_none()
        && memchr2(b'\r', 0xe2, json).is_none()
}

fn write_anew(json: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    let mut at = 0;
    let mut in_string = false;
    while let Some(&byte) = json.get(at) {
        let escape = match byte {
            b'"' => {
                in_string = !in_string;
                at += 1;
                continue;
            }
            b'\\' => {
                // Only strings have escapes, and one has two bytes at least.
                at += 2;
                continue;
            }
            b' ' | b'\n' | b'\r' | b'\t' if !in_string => {
                out.extend_from_slice(json.get(copied..at).unwrap_or_default());
                at += 1;
                copied = at;
                continue;
            }
            b'<' | b'>' | b'&' => escape(byte),
            0xe2 => match json.get(at + 1..at + 3) {
                Some([0x80, last @ (0xa8 | 0xa9)]) => separator(*last),
                _ => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(json.get(copied..at).unwrap_or_default());
        out.extend_from_slice(escape.text());
        at += escape.replaces;
        copied = at;
    }
    out.extend_from_slice(json.get(copied..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> Option<String> {
        let mut out = Vec::new();
        write(json.as_bytes(), &mut out).ok()?;
        String::from_utf8(out).ok()
    }

    #[test]
    fn white_space_goes_and_the_rest_stays() {
        let check = |json: &str, expected: &str| assert_eq!(written(json).unwrap(), expected);
        check(
            " { \"a b\" : [ 1.50 , 1E5 ,\n null ] } ",
            r#"{"a b":[1.50,1E5,null]}"#,
        );
        check(
            r#"{"b":1,"a":"\" \\","b":2}"#,
            r#"{"b":1,"a":"\" \\","b":2}"#,
        );
        check(
            "\"<\u{2028}é\\u003c&\"",
            "\"\\u003c\\u2028é\\u003c\\u0026\"",
        );
        check("null", "null");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", " ", "{", "{}{}", "nul", "\"", "{a:1}", "\"\\", "[1,]"] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}

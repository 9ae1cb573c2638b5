//! Strings with the escapes of Go's encoder, which are also safe in HTML.

use std::str;

/// What is done with a byte of a string.
const PLAIN: u8 = 0;
const ESCAPE: u8 = 1;
/// The first byte of U+2028 and U+2029, and of others that are left alone.
const SEPARATOR: u8 = 2;

/// For each byte what is done with it.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [PLAIN; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte < 0x20 || matches!(byte as u8, b'"' | b'\\' | b'<' | b'>' | b'&') {
            classes[byte] = ESCAPE;
        }
        byte += 1;
    }
    classes[0xe2] = SEPARATOR;
    classes
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the text between quotes. Each byte that is no part of UTF-8 becomes `\ufffd`.
#[inline]
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let plain = plain_len(text);
    let (plain, rest) = text.split_at(plain);
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        write_rest(rest, out);
    }
    out.push(b'"');
}

fn write_rest(text: &[u8], out: &mut Vec<u8>) {
    if str::from_utf8(text).is_ok() {
        return write_valid(text, out);
    }
    for chunk in text.utf8_chunks() {
        write_valid(chunk.valid().as_bytes(), out);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// How many bytes from the start are ASCII that needs no escape.
#[inline]
pub(crate) fn plain_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        if let Some(special) = special(*word) {
            return at * 8 + special;
        }
    }
    let start = text.len() - rest.len();
    if rest.is_empty() {
        return start;
    }
    // The last eight bytes at once, of which those that were seen before are plain.
    if let Some(word) = text.last_chunk::<8>() {
        return special(*word).map_or(text.len(), |at| text.len() - 8 + at);
    }
    let plain = rest
        .iter()
        .take_while(|&&byte| byte < 0x80 && class(byte) == PLAIN);
    plain.count()
}

/// The first of eight bytes that is not ASCII or needs an escape.
#[inline]
fn special(bytes: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(bytes);
    // A borrow may mark bytes behind one that is marked rightly, so the first mark is right.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let equal = |byte: u8| zeros(word ^ (ONES * u64::from(byte)));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    // Two that differ in one bit are looked for at once.
    let less_or_more = zeros((word | (ONES * 2)) ^ (ONES * 0x3e));
    let special = equal(b'"') | equal(b'\\') | equal(b'&') | less_or_more | control | word;
    let special = special & HIGH;
    (special != 0).then_some(special.trailing_zeros() as usize / 8)
}

#[inline]
fn class(byte: u8) -> u8 {
    // The table has every byte.
    CLASSES[usize::from(byte)]
}

/// Appends text that is UTF-8, with its escapes.
fn write_valid(text: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escape = match class(byte) {
            PLAIN => {
                at += 1;
                continue;
            }
            ESCAPE => escape(byte),
            _ => match text.get(at + 1..at + 3) {
                Some([0x80, last @ (0xa8 | 0xa9)]) => separator(*last),
                _ => {
                    at += 1;
                    continue;
                }
            },
        };
        out.extend_from_slice(text.get(copied..at).unwrap_or_default());
        out.extend_from_slice(escape.text());
        at += escape.replaces;
        copied = at;
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
}

/// An escape, and how many bytes it stands for.
pub(super) struct Escape {
    bytes: [u8; 6],
    len: usize,
    pub(super) replaces: usize,
}

impl Escape {
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The escape of an ASCII byte.
pub(super) fn escape(byte: u8) -> Escape {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            return Escape {
                bytes: [b'\\', b'u', b'0', b'0', high, low],
                len: 6,
                replaces: 1,
            };
        }
    };
    Escape {
        bytes: [b'\\', short, 0, 0, 0, 0],
        len: 2,
        replaces: 1,
    }
}

/// The escape of U+2028 or U+2029, by its last byte.
pub(super) fn separator(last: u8) -> Escape {
    Escape {
        bytes: [b'\\', b'u', b'2', b'0', b'2', HEX[usize::from(last & 15)]],
        len: 6,
        replaces: 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], json: &str) {
        let mut out = Vec::new();
        write(text, &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), json);
    }

    #[test]
    fn escapes_are_those_of_go() {
        check(b"", r#""""#);
        check(b"a \"quoted\" \\ word", r#""a \"quoted\" \\ word""#);
        check(b"<b>&</b>", r#""\u003cb\u003e\u0026\u003c/b\u003e""#);
        check(
            b"\x00\x08\x0c\n\r\t\x1f\x7f",
            "\"\\u0000\\b\\f\\n\\r\\t\\u001f\x7f\"",
        );
        check("日本 é €".as_bytes(), "\"日本 é €\"");
        check(
            "\u{2027}\u{2028}\u{2029}\u{202a}".as_bytes(),
            "\"\u{2027}\\u2028\\u2029\u{202a}\"",
        );
        check(b"a\xffb\xe2\x80", r#""a\ufffdb\ufffd\ufffd""#);
        check("\u{fffd}".as_bytes(), "\"\u{fffd}\"");
    }

    #[test]
    fn every_byte_is_written_the_same_wherever_it_stands() {
        for byte in 0..=0x7f {
            let mut alone = Vec::new();
            write(&[byte], &mut alone);
            let alone = alone
                .strip_prefix(b"\"")
                .and_then(|it| it.strip_suffix(b"\""));
            for before in 0..20 {
                let mut text = vec![b'x'; before];
                text.push(byte);
                text.extend_from_slice(b"yyyyyyyyyyy");
                let mut out = Vec::new();
                write(&text, &mut out);
                let tail = out.get(before + 1..).unwrap();
                assert!(tail.starts_with(alone.unwrap()), "{byte} behind {before}");
                assert!(out.ends_with(b"yyyyyyyyyyy\""));
            }
        }
    }
}

//! The tokens of JSON text, and what is wrong with it in the words of Go's scanner.

use std::borrow::Cow;

use crate::write::error::{WriteError, WriteErrorKind};

/// Reads forward through JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    is_utf8: bool,
}

/// A string as it is in the text, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a> {
    text: &'a [u8],
    is_plain: bool,
}

/// The most arrays and objects in each other, as in Go. They are passed over without recursion.
const NESTING_MAX: usize = 10_000;

impl<'a> Lexer<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            is_utf8: std::str::from_utf8(bytes).is_ok(),
        }
    }

    /// The first byte of the next token, or 0 at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Passes over the byte that was peeked.
    #[inline]
    pub(crate) fn bump(&mut self) {
        self.at += 1;
    }

    /// Passes over the byte if it is the next token.
    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    /// Passes over the opening bracket, and over the closing one if it follows; then there is nothing.
    #[inline]
    pub(crate) fn open(&mut self, close: u8) -> bool {
        self.bump();
        !self.eat(close)
    }

    /// Passes over a comma; or over the closing bracket, and returns false.
    #[inline]
    pub(crate) fn go_on(&mut self, close: u8) -> Result<bool, WriteError> {
        match self.peek() {
            b',' => self.bump(),
            byte if byte == close => {
                self.bump();
                return Ok(false);
            }
            _ if close == b'}' => return Err(self.unexpected("after object key:value pair")),
            _ => return Err(self.unexpected("after array element")),
        }
        Ok(true)
    }

    /// Reads the key of a field and the colon.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<Quoted<'a>, WriteError> {
        if self.peek() != b'"' {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if !self.eat(b':') {
            return Err(self.unexpected("after object key"));
        }
        Ok(key)
    }

    /// Reads a string whose quote is next.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Quoted<'a>, WriteError> {
        self.at += 1;
        let start = self.at;
        self.pass_plain();
        let mut is_plain = self.is_utf8;
        while self.bytes.get(self.at) != Some(&b'"') {
            is_plain = false;
            self.escape()?;
            self.pass_plain();
        }
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Quoted { text, is_plain })
    }

    /// Passes over bytes that stand for themselves.
    #[inline]
    fn pass_plain(&mut self) {
        while let Some(word) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte < b' ' || byte == b'"' || byte == b'\\' {
                return;
            }
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), WriteError> {
        if self.bytes.get(self.at) != Some(&b'\\') {
            return Err(self.unexpected("in string literal"));
        }
        self.at += 1;
        match self.bytes.get(self.at) {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.next_is(u8::is_ascii_hexdigit) {
                        return Err(self.unexpected("in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.unexpected("in string escape code")),
        }
        Ok(())
    }

    /// Reads a number whose first byte is next.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<&'a [u8], WriteError> {
        let start = self.at;
        if self.next_is(|&byte| byte == b'-') {
            self.at += 1;
        }
        if self.next_is(|&byte| byte == b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.next_is(|&byte| byte == b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if self.next_is(|&byte| byte == b'e' || byte == b'E') {
            self.at += 1;
            if self.next_is(|&byte| byte == b'+' || byte == b'-') {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    fn digits(&mut self, place: &str) -> Result<(), WriteError> {
        if !self.next_is(u8::is_ascii_digit) {
            return Err(self.unexpected(place));
        }
        while self.next_is(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn next_is(&self, is: impl Fn(&u8) -> bool) -> bool {
        self.bytes.get(self.at).is_some_and(is)
    }

    /// Reads `true`, `false` or `null`, whose first byte is next.
    pub(crate) fn literal(&mut self, literal: &'static str) -> Result<(), WriteError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(literal.as_bytes()) {
            self.at += literal.len();
            return Ok(());
        }
        let same = rest.iter().zip(literal.as_bytes());
        let same = same.take_while(|(a, b)| a == b).count();
        self.at += same;
        let expected = literal.get(same..=same).unwrap_or_default();
        Err(self.unexpected(&format!("in literal {literal} (expecting '{expected}')")))
    }

    /// Passes over a value, and returns its text.
    pub(crate) fn value(&mut self) -> Result<&'a [u8], WriteError> {
        self.peek();
        let start = self.at;
        // What closes the arrays and objects around the value.
        let mut open = Vec::new();
        loop {
            let close = match self.peek() {
                b'{' => Some(b'}'),
                b'[' => Some(b']'),
                _ => None,
            };
            if let Some(close) = close {
                if open.len() == NESTING_MAX {
                    return Err(self.syntax("exceeded max depth".to_owned()));
                }
                if self.open(close) {
                    open.push(close);
                    if close == b'}' {
                        self.key()?;
                    }
                    continue;
                }
            } else {
                self.scalar()?;
            }
            while let Some(&close) = open.last() {
                if self.go_on(close)? {
                    if close == b'}' {
                        self.key()?;
                    }
                    break;
                }
                open.pop();
            }
            if open.is_empty() {
                return Ok(self.bytes.get(start..self.at).unwrap_or_default());
            }
        }
    }

    fn scalar(&mut self) -> Result<(), WriteError> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => Err(self.no_value()),
        }
    }

    /// Returns the error for a token that starts no value.
    #[cold]
    pub(crate) fn no_value(&self) -> WriteError {
        self.unexpected("looking for beginning of value")
    }

    /// Refuses what follows the value.
    pub(crate) fn end(&mut self) -> Result<(), WriteError> {
        self.peek();
        if self.at < self.bytes.len() {
            return Err(self.unexpected("after top-level value"));
        }
        Ok(())
    }

    #[cold]
    fn unexpected(&self, place: &str) -> WriteError {
        let Some(&byte) = self.bytes.get(self.at) else {
            return self.syntax("unexpected end of JSON input".to_owned());
        };
        let shown = match byte {
            b'\'' => r"\'".to_owned(),
            b'\\' => r"\\".to_owned(),
            0x07 => r"\a".to_owned(),
            0x08 => r"\b".to_owned(),
            0x0b => r"\v".to_owned(),
            0x0c => r"\f".to_owned(),
            b'\t' => r"\t".to_owned(),
            b'\n' => r"\n".to_owned(),
            b'\r' => r"\r".to_owned(),
            0..b' ' | 0x7f => format!("\\x{byte:02x}"),
            0x80..=0xa0 | 0xad => format!("\\u{byte:04x}"),
            _ => char::from(byte).to_string(),
        };
        self.syntax(format!("invalid character '{shown}' {place}"))
    }

    #[cold]
    fn syntax(&self, message: String) -> WriteError {
        WriteErrorKind::Syntax {
            message,
            at: self.at,
        }
        .into()
    }
}

impl<'a> Quoted<'a> {
    /// The string, with its escapes resolved and U+FFFD for what is no text, as in Go.
    #[inline]
    pub(crate) fn text(self) -> Cow<'a, [u8]> {
        if self.is_plain {
            Cow::Borrowed(self.text)
        } else {
            Cow::Owned(self.unescaped())
        }
    }

    #[cold]
    fn unescaped(self) -> Vec<u8> {
        let lossy = crate::text::utf8(self.text);
        let mut rest: &str = &lossy;
        let mut out = String::with_capacity(rest.len());
        while let Some((plain, escaped)) = rest.split_once('\\') {
            out.push_str(plain);
            let mut chars = escaped.chars();
            let letter = chars.next().unwrap_or_default();
            rest = chars.as_str();
            out.push(match letter {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => unicode(&mut rest),
                other => other,
            });
        }
        out.push_str(rest);
        out.into_bytes()
    }
}

/// The character of a `\u` escape, of which the hexadecimal digits are next. Two of them are one
/// character if they are a pair of surrogates.
fn unicode(rest: &mut &str) -> char {
    let unit = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
    let first = unit(rest).unwrap_or_default();
    *rest = rest.get(4..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&first) {
        let second = rest.strip_prefix("\\u").and_then(unit);
        if let Some(second @ 0xdc00..0xe000) = second {
            *rest = rest.get(6..).unwrap_or_default();
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
    }
    char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Sets the highest bit of each byte that is a quote, a backslash or a control character; of those
/// behind the first such byte perhaps also others.
#[inline]
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * b' ' as u64);
    ((quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (control & !word))
        & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let mut lexer = Lexer::new(text.as_bytes());
        let result = lexer.value().map(drop).and_then(|()| lexer.end());
        result.unwrap_err().to_string()
    }

    #[test]
    fn errors_are_in_the_words_of_go() {
        let end = "unexpected end of JSON input";
        for text in [
            "", " ", "{", "[1", "\"a", "{\"a\"", "{\"a\":", "-", "tru", "\"\\u12",
        ] {
            assert_eq!(error(text), end, "{text}");
        }
        let check = |text, expected: &str| {
            assert_eq!(error(text), format!("invalid character {expected}"));
        };
        check("x", "'x' looking for beginning of value");
        check("[1,]", "']' looking for beginning of value");
        check("{a", "'a' looking for beginning of object key string");
        check(
            "{\"a\":1,}",
            "'}' looking for beginning of object key string",
        );
        check("{\"a\" 1}", "'1' after object key");
        check("{\"a\":1 2}", "'2' after object key:value pair");
        check("[1 2]", "'2' after array element");
        check("{} {", "'{' after top-level value");
        check("01", "'1' after top-level value");
        check("-x", "'x' in numeric literal");
        check("1.x", "'x' after decimal point in numeric literal");
        check("1ex", "'x' in exponent of numeric literal");
        check("trux", "'x' in literal true (expecting 'e')");
        check("\"\n\"", "'\\n' in string literal");
        check("\"\\x\"", "'x' in string escape code");
        check("\"\\u00g0\"", "'g' in \\u hexadecimal character escape");
        let deep = "[".repeat(100_000);
        assert_eq!(error(&deep), "exceeded max depth");
    }

    #[test]
    fn strings_end_at_their_quote_wherever_it_is() {
        for len in 0..40 {
            for (inner, expected) in [
                ("é", "é"),
                ("\\n", "\n"),
                ("\\\"", "\""),
                ("~\u{7f}", "~\u{7f}"),
            ] {
                let text = format!("\"{}{inner}\" ", "a".repeat(len));
                let mut lexer = Lexer::new(text.as_bytes());
                let string = lexer.string().unwrap().text();
                assert_eq!(
                    *string,
                    *format!("{}{expected}", "a".repeat(len)).as_bytes()
                );
                lexer.end().unwrap();
            }
        }
    }

    #[test]
    fn escapes_and_bytes_that_are_no_text_are_read_as_in_go() {
        let check = |text: &[u8], expected: &str| {
            let string = Lexer::new(text).string().unwrap().text();
            assert_eq!(String::from_utf8_lossy(&string), expected);
        };
        check(br#""\ud83d\ude00 \u00e9 \/""#, "😀 é /");
        check(
            br#""\ud83d \ude00 \ud83d\u0041""#,
            "\u{fffd} \u{fffd} \u{fffd}A",
        );
        check(b"\"\xff\xe2\x80\"", "\u{fffd}\u{fffd}\u{fffd}");
    }
}

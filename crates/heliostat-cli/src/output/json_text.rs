//! JSON text token by token.
//!
//! Objects are kept as the bytes they came in, and are printed from them: a number keeps its digits, and
//! nesting costs neither stack nor a limit. The walk is a loop over a stack of brackets.

use std::borrow::Cow;

/// A part of a JSON text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token<'a> {
    Begin(Bracket),
    End,
    /// The name of a member, as JSON: with its quotes and escapes.
    Key(&'a str),
    /// A string, number or literal, as JSON.
    Scalar(&'a str),
}

/// What encloses values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bracket {
    Object,
    Array,
}

impl Bracket {
    pub(super) const fn open(self) -> &'static str {
        match self {
            Self::Object => "{",
            Self::Array => "[",
        }
    }

    pub(super) const fn close(self) -> &'static str {
        match self {
            Self::Object => "}",
            Self::Array => "]",
        }
    }
}

/// Why a text cannot be printed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Defect {
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not JSON: {expected} is expected at byte {at}")]
    NotJson { expected: &'static str, at: usize },
    #[error("the string at byte {at} is not Unicode: half of a surrogate pair stands alone")]
    LoneSurrogate { at: usize },
    #[error("the number at byte {at} is out of range")]
    OutOfRange { at: usize },
}

/// A text that has been walked once without finding a defect.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonText<'a> {
    text: &'a str,
    is_object: bool,
    has_api_version: bool,
    has_kind: bool,
    /// The text begins with the kind and then the API version, as in watches.
    is_kind_first: bool,
    /// The two change their places then.
    puts_version_first: bool,
}

impl<'a> JsonText<'a> {
    /// Checks a text to its end.
    pub(super) fn check(bytes: &'a [u8]) -> Result<Self, Defect> {
        let text = str::from_utf8(bytes).map_err(|_| Defect::NotUtf8)?;
        let mut checked = Self {
            text,
            is_object: false,
            has_api_version: false,
            has_kind: false,
            is_kind_first: false,
            puts_version_first: false,
        };
        let mut tokens = Tokens::new(text);
        let mut head = [Token::End; 5];
        let mut places = head.iter_mut();
        while let Some(token) = tokens.next()? {
            if let Some(place) = places.next() {
                *place = token;
            }
            match token {
                Token::Begin(Bracket::Object) if tokens.open.len() == 1 => checked.is_object = true,
                Token::Key(name) if tokens.open.len() == 1 => match &*unescape(name) {
                    "apiVersion" => checked.has_api_version = true,
                    "kind" => checked.has_kind = true,
                    _ => {}
                },
                Token::Begin(_) | Token::End | Token::Key(_) | Token::Scalar(_) => {}
            }
        }
        checked.is_kind_first = matches!(
            head,
            [
                Token::Begin(Bracket::Object),
                Token::Key("\"kind\""),
                Token::Scalar(_),
                Token::Key("\"apiVersion\""),
                Token::Scalar(_),
            ]
        );
        Ok(checked)
    }

    /// Puts the API version before the kind where the text begins with the kind: an object looks the
    /// same whether it comes from a list or a watch.
    pub(super) const fn version_first(mut self) -> Self {
        self.puts_version_first = true;
        self
    }

    /// Calls `visit` with each token. The API version and the kind come first where the text has none;
    /// empty ones are not added.
    pub(super) fn visit<E>(
        self,
        api_version: &str,
        kind: &str,
        visit: &mut dyn FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut tokens = Tokens::new(self.text);
        let mut is_first = true;
        // A defect would have been found by the check.
        while let Ok(Some(token)) = tokens.next() {
            visit(token)?;
            if !std::mem::take(&mut is_first) || !self.is_object {
                continue;
            }
            if self.is_kind_first && self.puts_version_first {
                let mut head: Vec<Token<'_>> = Vec::with_capacity(4);
                while head.len() < 4
                    && let Ok(Some(token)) = tokens.next()
                {
                    head.push(token);
                }
                head.rotate_left(2);
                head.into_iter().try_for_each(&mut *visit)?;
            }
            for (name, value, is_there) in [
                ("\"apiVersion\"", api_version, self.has_api_version),
                ("\"kind\"", kind, self.has_kind),
            ] {
                if !is_there && !value.is_empty() {
                    visit(Token::Key(name))?;
                    visit(Token::Scalar(&escape(value)))?;
                }
            }
        }
        Ok(())
    }
}

/// The text that a JSON string means. The string has been checked.
pub(super) fn unescape(string: &str) -> Cow<'_, str> {
    let inner = string.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        _ => Cow::Owned(serde_json::from_str(string).unwrap_or_default()),
    }
}

/// A text as a JSON string.
pub(super) fn escape(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Walks a text.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// One for each bracket that is open.
    open: Vec<Bracket>,
    expect: Expect,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expect {
    Value,
    /// After `[`.
    ValueOrEnd,
    /// After the comma between members.
    Key,
    /// After `{`.
    KeyOrEnd,
    /// After a value in brackets.
    CommaOrEnd,
    /// After the only value.
    Nothing,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            open: Vec::new(),
            expect: Expect::Value,
        }
    }

    /// The next token; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, Defect> {
        let mut byte = self.skip_spaces();
        if self.expect == Expect::CommaOrEnd && byte == Some(b',') {
            self.at += 1;
            self.expect = match self.open.last() {
                Some(Bracket::Object) => Expect::Key,
                _ => Expect::Value,
            };
            byte = self.skip_spaces();
        }
        match (self.expect, byte) {
            (Expect::Nothing, None) => Ok(None),
            (Expect::Nothing, Some(_)) => Err(self.not_json("the end")),
            (Expect::KeyOrEnd | Expect::ValueOrEnd | Expect::CommaOrEnd, Some(b'}' | b']')) => {
                self.end().map(Some)
            }
            (Expect::Key | Expect::KeyOrEnd, Some(b'"')) => self.key().map(Some),
            (Expect::Value | Expect::ValueOrEnd, Some(byte)) => self.value(byte).map(Some),
            (Expect::Key | Expect::KeyOrEnd, _) => Err(self.not_json("the name of a member")),
            (Expect::CommaOrEnd, _) => Err(self.not_json("a comma or a closing bracket")),
            (Expect::Value | Expect::ValueOrEnd, None) => Err(self.not_json("a value")),
        }
    }

    fn value(&mut self, first: u8) -> Result<Token<'a>, Defect> {
        let bracket = match first {
            b'{' => Some(Bracket::Object),
            b'[' => Some(Bracket::Array),
            _ => None,
        };
        if let Some(bracket) = bracket {
            self.at += 1;
            self.open.push(bracket);
            self.expect = match bracket {
                Bracket::Object => Expect::KeyOrEnd,
                Bracket::Array => Expect::ValueOrEnd,
            };
            return Ok(Token::Begin(bracket));
        }
        let scalar = match first {
            b'"' => self.string()?,
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            _ => self.number()?,
        };
        self.after_value();
        Ok(Token::Scalar(scalar))
    }

    fn end(&mut self) -> Result<Token<'a>, Defect> {
        let closes = self.open.last().map(|bracket| bracket.close());
        if closes.is_none_or(|close| !self.rest().starts_with(close)) {
            return Err(self.not_json("the other closing bracket"));
        }
        self.at += 1;
        self.open.pop();
        self.after_value();
        Ok(Token::End)
    }

    fn key(&mut self) -> Result<Token<'a>, Defect> {
        let name = self.string()?;
        if self.skip_spaces() != Some(b':') {
            return Err(self.not_json("a colon"));
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Token::Key(name))
    }

    const fn after_value(&mut self) {
        self.expect = if self.open.is_empty() {
            Expect::Nothing
        } else {
            Expect::CommaOrEnd
        };
    }

    /// The string that begins here.
    fn string(&mut self) -> Result<&'a str, Defect> {
        let (start, rest) = (self.at, self.rest());
        let mut bytes = rest.bytes().enumerate().skip(1);
        // True after the first half of a surrogate pair, whose second half has to follow at once.
        let mut is_half = false;
        while let Some((place, byte)) = bytes.next() {
            let unit = match byte {
                b'\\' => {
                    let unit = escaped_unit(rest.get(place + 1..).unwrap_or_default());
                    let Some((unit, length)) = unit else {
                        self.at += place;
                        return Err(self.not_json("an escape"));
                    };
                    let _ = bytes.nth(length - 1);
                    unit
                }
                0..0x20 => {
                    self.at += place;
                    return Err(self.not_json("the end of a string"));
                }
                _ => u16::from(byte),
            };
            let is_second = matches!(unit, 0xDC00..=0xDFFF);
            if is_half != is_second {
                return Err(Defect::LoneSurrogate { at: start });
            }
            is_half = matches!(unit, 0xD800..=0xDBFF);
            if byte == b'"' {
                self.at += place + 1;
                return Ok(rest.get(..=place).unwrap_or_default());
            }
        }
        self.at = self.text.len();
        Err(self.not_json("the end of a string"))
    }

    fn literal(&mut self, literal: &'static str) -> Result<&'a str, Defect> {
        match self.rest().get(..literal.len()) {
            Some(text) if text == literal => {
                self.at += literal.len();
                Ok(text)
            }
            _ => Err(self.not_json(literal)),
        }
    }

    /// The number that begins here (RFC 8259, section 6).
    fn number(&mut self) -> Result<&'a str, Defect> {
        let (start, rest) = (self.at, self.rest());
        let length = number_length(rest.as_bytes()).ok_or_else(|| self.not_json("a value"))?;
        let number = rest.get(..length).unwrap_or_default();
        if !number.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(Defect::OutOfRange { at: start });
        }
        self.at += length;
        Ok(number)
    }

    fn skip_spaces(&mut self) -> Option<u8> {
        let rest = self.rest().as_bytes();
        let spaces = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        let spaces = spaces.count();
        self.at += spaces;
        rest.get(spaces).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    const fn not_json(&self, expected: &'static str) -> Defect {
        Defect::NotJson {
            expected,
            at: self.at,
        }
    }
}

/// The UTF-16 unit that an escape means, and the length of the escape after its backslash.
fn escaped_unit(after: &str) -> Option<(u16, usize)> {
    match after.bytes().next()? {
        b'u' => {
            let digits = after.get(1..5)?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let unit = u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
            Some((unit, 5))
        }
        byte @ (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
            Some((u16::from(byte), 1))
        }
        _ => None,
    }
}

/// How many bytes the number takes, if one begins here.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let whole = usize::from(bytes.first() == Some(&b'-'));
    let mut end = match bytes.get(whole)? {
        b'0' => whole + 1,
        b'1'..=b'9' => digits(whole),
        _ => return None,
    };
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        end = (fraction > end + 1).then_some(fraction)?;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        end = (exponent > end + 1 + sign).then_some(exponent)?;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defect(text: &str) -> Option<Defect> {
        JsonText::check(text.as_bytes()).err()
    }

    #[test]
    fn what_serde_json_reads_is_taken_and_what_it_refuses_is_not() {
        for text in [
            r#"{"a":[1,-0,0.5,1e3,-1.5E-7,true,false,null,"x\n\u00e4\ud83d\ude00"],"b":{},"c":[]}"#,
            " [ 1 , { \"a\" : 2 } ] ",
            "3",
            "\"\"",
            "",
            " ",
            "{",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:2}",
            "[}",
            "{\"a\":1]",
            "]",
            "[1]]",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "-",
            "tru",
            "nulls",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "\"a\nb\"",
            "\"a",
            "\"\\",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\ud800\\udc00\"",
            "\"\\ud800x\\udc00\"",
            "1e400",
            "-1e400",
            "1e-400",
            "NaN",
        ] {
            let theirs = serde_json::from_str::<serde_json::Value>(text);
            assert_eq!(defect(text).is_none(), theirs.is_ok(), "{text}: {theirs:?}");
        }
    }

    #[test]
    fn defects_are_named() {
        assert_eq!(
            defect(r#"{"a":"\ud800"}"#),
            Some(Defect::LoneSurrogate { at: 5 })
        );
        assert_eq!(defect("[1e400]"), Some(Defect::OutOfRange { at: 1 }));
        let not_utf8 = JsonText::check(b"\"\xff\"").unwrap_err();
        assert_eq!(not_utf8, Defect::NotUtf8);
    }

    #[test]
    fn nesting_has_no_limit() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(defect(&deep), None);
    }
}

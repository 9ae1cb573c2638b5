//! Sets of fields, which are what managed fields say in JSON: objects in objects down to empty ones.
//!
//! The server writes them without white space, and almost always in ASCII with nothing that Go
//! escapes. [`FieldSet::parse`] recognises such a set in one pass. The set is then copied as
//! it is into JSON, and deserialized without a parser of all JSON.

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::error::ReadError;
use crate::json::plain_len;

/// The most objects in each other. Sets of more are read as any other JSON.
const DEPTH_MAX: usize = 32;

/// A set of fields that is well-formed, in ASCII, and as Go writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldSet<'de> {
    text: &'de str,
}

impl<'de> FieldSet<'de> {
    /// Returns the set, unless the text is malformed, or JSON of another form.
    pub(crate) fn parse(json: &'de [u8]) -> Option<Self> {
        let mut depth = 0;
        let mut at = 0;
        loop {
            if json.get(at) != Some(&b'{') || depth == DEPTH_MAX {
                return None;
            }
            depth += 1;
            at += 1;
            if json.get(at) == Some(&b'}') {
                while json.get(at) == Some(&b'}') {
                    at += 1;
                    depth -= 1;
                    if depth == 0 {
                        return Self::of_text(json.get(..at)?).filter(|_| at == json.len());
                    }
                }
                if json.get(at) != Some(&b',') {
                    return None;
                }
                at += 1;
            }
            if json.get(at) != Some(&b'"') {
                return None;
            }
            at = Key::starting_at(json, at + 1)?.end + 1;
            if json.get(at) != Some(&b':') {
                return None;
            }
            at += 1;
        }
    }

    fn of_text(text: &'de [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        Some(Self { text })
    }

    /// Visits the set as a map whose values are such sets.
    pub(crate) fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let mut rest = Rest {
            text: self.text,
            at: 0,
        };
        visit_set(&mut rest, visitor)
    }
}

/// A key: where its closing quote is, and whether it has escapes.
struct Key {
    end: usize,
    has_escapes: bool,
}

impl Key {
    /// Looks for the end of a key behind its opening quote. Only `\"` and `\\` are escapes.
    #[inline]
    fn starting_at(json: &[u8], start: usize) -> Option<Self> {
        let mut end = start;
        let mut has_escapes = false;
        loop {
            end += plain_len(json.get(end..)?);
            match json.get(end..)? {
                [b'"', ..] => return Some(Self { end, has_escapes }),
                [b'\\', b'"' | b'\\', ..] => {
                    has_escapes = true;
                    end += 2;
                }
                _ => return None,
            }
        }
    }
}

/// What is left of a set to be visited.
struct Rest<'de> {
    text: &'de str,
    at: usize,
}

impl Rest<'_> {
    /// Passes over the byte if it is the next.
    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }
}

fn visit_set<'de, V: Visitor<'de>>(
    rest: &mut Rest<'de>,
    visitor: V,
) -> Result<V::Value, ReadError> {
    rest.take(b'{');
    let mut is_closed = false;
    let value = visitor.visit_map(SetAccess {
        rest,
        is_closed: &mut is_closed,
    })?;
    if is_closed {
        return Ok(value);
    }
    Err(de::Error::custom("a set of fields was not read to its end"))
}

struct SetAccess<'a, 'de> {
    rest: &'a mut Rest<'de>,
    is_closed: &'a mut bool,
}

impl<'de> MapAccess<'de> for SetAccess<'_, 'de> {
    type Error = ReadError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let rest = &mut *self.rest;
        if *self.is_closed || rest.take(b'}') {
            *self.is_closed = true;
            return Ok(None);
        }
        rest.take(b',');
        rest.take(b'"');
        let start = rest.at;
        // The text was parsed, so there is a key.
        let Some(key) = Key::starting_at(rest.text.as_bytes(), start) else {
            return Err(de::Error::custom("a set of fields has no key"));
        };
        rest.at = key.end + 1;
        let text = rest.text.get(start..key.end).unwrap_or_default();
        if key.has_escapes {
            return seed
                .deserialize(StringDeserializer::new(unescaped(text)))
                .map(Some);
        }
        seed.deserialize(BorrowedStrDeserializer::new(text))
            .map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        self.rest.take(b':');
        seed.deserialize(SetDeserializer { rest: self.rest })
    }
}

/// The text with what the escapes stand for.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let (escaped, behind) = behind.split_at_checked(1).unwrap_or_default();
        out.push_str(escaped);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// A set within a set.
struct SetDeserializer<'a, 'de> {
    rest: &'a mut Rest<'de>,
}

impl<'de> de::Deserializer<'de> for SetDeserializer<'_, 'de> {
    type Error = ReadError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visit_set(self.rest, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::de::{Deserialize, IgnoredAny};
    use serde_json::Value;

    use super::*;

    struct Whole<'de>(FieldSet<'de>);

    impl<'de> de::Deserializer<'de> for Whole<'de> {
        type Error = ReadError;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.0.visit(visitor)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
            unit_struct seq tuple tuple_struct map struct enum identifier ignored_any option
            newtype_struct
        }
    }

    #[test]
    fn sets_are_what_serde_json_reads() {
        for text in [
            "{}",
            r#"{"f:metadata":{}}"#,
            r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}},"f:name":{}},"f:spec":{"f:x":{}}}"#,
            r#"{"k:{\"type\":\"Ready\"}":{".":{},"f:path\\with\\\"":{}},"":{}}"#,
            r#"{"a":{},"a":{"b":{}}}"#,
        ] {
            let set = FieldSet::parse(text.as_bytes()).expect(text);
            let read = Value::deserialize(Whole(set)).unwrap();
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read, expected, "{text}");
            IgnoredAny::deserialize(Whole(set)).unwrap();
        }
    }

    #[test]
    fn other_text_is_no_set() {
        for text in [
            "",
            "{",
            "}",
            "{}{}",
            "{},",
            "{} ",
            " {}",
            "[]",
            "null",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":{}",
            "{\"a\":{}}}",
            "{\"a\":{},}",
            "{\"a\":1}",
            "{\"a\":{}\"b\":{}}",
            "{\"a",
            "{\"\\",
            "{\"\\n\":{}}",
            "{\"<\":{}}",
            "{\"é\":{}}",
            "{\"\t\":{}}",
            "{\"a\" :{}}",
        ] {
            assert!(FieldSet::parse(text.as_bytes()).is_none(), "{text}");
        }
        let nested = |depth| [r#"{"a":"#.repeat(depth), "{}".into(), "}".repeat(depth)].concat();
        assert!(FieldSet::parse(nested(DEPTH_MAX - 1).as_bytes()).is_some());
        assert!(FieldSet::parse(nested(DEPTH_MAX).as_bytes()).is_none());
        assert!(FieldSet::parse(nested(1_000_000).as_bytes()).is_none());
    }

    #[test]
    fn a_set_that_is_not_read_to_its_end_is_an_error() {
        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = ();
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
                map.next_entry::<IgnoredAny, IgnoredAny>().map(drop)
            }
        }
        let set = FieldSet::parse(br#"{"a":{},"b":{}}"#).unwrap();
        assert!(set.visit(First).is_err());
    }
}

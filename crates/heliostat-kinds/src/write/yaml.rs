//! YAML to JSON text, as the server converts it before it reads it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;

use crate::text;
use crate::write::error::{WriteError, WriteErrorKind};

/// The most lists and maps in each other. Every level is a call in the program's stack.
const NESTING_MAX: usize = 200;

/// Returns the JSON of a document. Keys that occur twice are there twice.
pub(crate) fn to_json(yaml: &str) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::with_capacity(yaml.len());
    let value = Value {
        out: &mut out,
        depth: 0,
    };
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    serde_saphyr::with_deserializer_from_str_with_options(yaml, options, |yaml| {
        value.deserialize(yaml)
    })
    .map_err(|error| WriteErrorKind::Yaml(error.to_string()))?;
    Ok(out)
}

/// Writes one value.
struct Value<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl Value<'_> {
    fn deeper<E: Error>(&mut self) -> Result<Value<'_>, E> {
        if self.depth == NESTING_MAX {
            return Err(E::custom("exceeded max depth"));
        }
        Ok(Value {
            out: self.out,
            depth: self.depth + 1,
        })
    }

    fn display(self, value: impl fmt::Display) {
        self.out.extend_from_slice(value.to_string().as_bytes());
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.display(value);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.display(value);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.display(value);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let text = text::float(value).map_err(E::custom)?;
        self.display(text);
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        serde_json::to_writer(self.out, value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let mut before = b'[';
        loop {
            let at = self.out.len();
            self.out.push(before);
            let element = self.deeper()?;
            if elements.next_element_seed(element)?.is_none() {
                self.out.truncate(at);
                break;
            }
            before = b',';
        }
        if before == b'[' {
            self.out.push(before);
        }
        self.out.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let mut before = b'{';
        loop {
            let at = self.out.len();
            self.out.push(before);
            if entries.next_key_seed(Key(&mut *self.out))?.is_none() {
                self.out.truncate(at);
                break;
            }
            self.out.push(b':');
            let value = self.deeper()?;
            entries.next_value_seed(value)?;
            before = b',';
        }
        if before == b'{' {
            self.out.push(before);
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// Writes a key, which is text in JSON whatever it is in YAML.
struct Key<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.visit_str("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.visit_str(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let text = text::float(value).map_err(E::custom)?;
        self.visit_str(&text)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        serde_json::to_writer(self.0, value).map_err(E::custom)
    }
}

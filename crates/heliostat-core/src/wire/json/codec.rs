//! An object by way of serde.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::event::RejectionReason;
use crate::object::{Entry, GroupVersionKind, Header};
use crate::wire::Codec;

use super::scan::is_at_most;

/// Decodes objects with serde into `K`.
///
/// ```
/// use heliostat_core::event::ListPart;
/// use heliostat_core::object::{Header, ObjectKey, Uid};
/// use heliostat_core::wire::DecodeLimits;
/// use heliostat_core::wire::json::{JsonCodec, ListDecoder};
///
/// let header = |object: &serde_json::Value| {
///     let metadata = object.get("metadata")?;
///     Some(Header {
///         key: ObjectKey::cluster(metadata.get("name")?.as_str()?),
///         resource_version: metadata.get("resourceVersion")?.as_str()?.into(),
///         uid: Uid::UNSET,
///     })
/// };
/// let codec = JsonCodec::<serde_json::Value, _>::new(header);
/// let mut decoder = ListDecoder::new(codec, DecodeLimits::default());
/// let mut parts = Vec::new();
/// let list = br#"{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"7"},
///     "items":[{"metadata":{"name":"a","resourceVersion":"5"}}]}"#;
/// for chunk in list.chunks(10) {
///     decoder.push(chunk, &mut parts)?;
/// }
/// decoder.finish()?;
/// let ListPart::Items(items) = &parts[1] else { panic!() };
/// assert_eq!(items[0].as_ref().unwrap().key().as_str(), "a");
/// # Ok::<(), heliostat_core::error::DecodeError>(())
/// ```
pub struct JsonCodec<K, F> {
    header: F,
    expected_kind: Option<GroupVersionKind>,
    adopt: Option<fn(&mut K, &GroupVersionKind)>,
    parser: FastParser,
    object: PhantomData<fn() -> K>,
}

impl<K, F> JsonCodec<K, F>
where
    K: DeserializeOwned,
    F: Fn(&K) -> Option<Header> + Send,
{
    /// A codec that reads the header from the decoded object. An object without a name has none.
    pub fn new(header: F) -> Self {
        Self {
            header,
            expected_kind: None,
            adopt: None,
            parser: FastParser::default(),
            object: PhantomData,
        }
    }

    /// Watch events with an object of another kind are rejected; by default none is.
    #[must_use]
    pub fn expecting(mut self, kind: GroupVersionKind) -> Self {
        self.expected_kind = Some(kind);
        self
    }

    /// Called for each item of a list whose kind is known, so that an object which does not know
    /// its kind by its type can be told; by default nothing is.
    #[must_use]
    pub fn adopting(mut self, adopt: fn(&mut K, &GroupVersionKind)) -> Self {
        self.adopt = Some(adopt);
        self
    }
}

impl<K, F> Codec for JsonCodec<K, F>
where
    K: DeserializeOwned,
    F: Fn(&K) -> Option<Header> + Send,
{
    type Object = K;

    fn decode(
        &mut self,
        bytes: &[u8],
        envelope_kind: Option<&GroupVersionKind>,
    ) -> Result<Entry<K>, RejectionReason> {
        let mut object: K = match self.parser.parse(bytes) {
            Some(object) => object,
            None => parse_carefully(bytes)?,
        };
        if let (Some(adopt), Some(kind)) = (self.adopt, envelope_kind) {
            adopt(&mut object, kind);
        }
        let header = (self.header)(&object)
            .ok_or_else(|| RejectionReason::NoMetadata("it has no name".to_owned()))?;
        Ok(Entry::new(header, object))
    }

    fn expected_kind(&self) -> Option<&GroupVersionKind> {
        self.expected_kind.as_ref()
    }
}

/// Decodes by `serde_json`, whose word is the last on what an object is and why it is none.
fn parse_carefully<K: DeserializeOwned>(bytes: &[u8]) -> Result<K, RejectionReason> {
    // Checked as a whole once, the text need not be checked string by string.
    let undecodable = |error: &dyn fmt::Display| RejectionReason::Undecodable(error.to_string());
    let text = std::str::from_utf8(bytes).map_err(|error| undecodable(&error))?;
    serde_json::from_str(text).map_err(|error| undecodable(&error))
}

/// Decodes by `simd-json`: a quarter faster than `serde_json`, and it knows how long an array is
/// before it is decoded, so that vectors are allocated in their right size.
///
/// It has no word on what is wrong and no limit of depth, so it is asked only about values that
/// cannot be deep, and whatever it does not decode is tried again by `serde_json`.
#[derive(Default)]
struct FastParser {
    buffers: simd_json::Buffers,
    /// The parser unescapes strings in place, in this copy.
    scratch: Vec<u8>,
}

/// The depth that `serde_json` allows; deeper values are left to its verdict.
const DEPTH_MAX: u64 = 128;

/// Room kept between two objects. Most are far smaller; a larger one takes its room with it.
const SCRATCH_BYTES_MAX: usize = 256 * 1024;

impl FastParser {
    fn parse<K: DeserializeOwned>(&mut self, bytes: &[u8]) -> Option<K> {
        if !is_at_most(DEPTH_MAX, bytes) {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(bytes);
        let parsed =
            simd_json::serde::from_slice_with_buffers(&mut self.scratch, &mut self.buffers).ok();
        if self.scratch.capacity() > SCRATCH_BYTES_MAX {
            *self = Self::default();
        }
        parsed
    }
}

impl<K, F> fmt::Debug for JsonCodec<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonCodec")
            .field("expected_kind", &self.expected_kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn nested(levels: usize) -> String {
        "[".repeat(levels) + &"]".repeat(levels)
    }

    #[test]
    fn deep_values_are_refused_and_exhaust_no_stack() {
        let mut parser = FastParser::default();
        assert!(
            parser
                .parse::<Value>(nested(1_000_000).as_bytes())
                .is_none()
        );
        assert!(parse_carefully::<Value>(nested(1_000_000).as_bytes()).is_err());
        assert!(parse_carefully::<Value>(nested(100).as_bytes()).is_ok());
    }

    #[test]
    fn no_deep_value_passes_as_flat() {
        for levels in [1, 63, 64, 65, 127, 128, 129, 500] {
            let value = nested(levels);
            let flat = is_at_most(DEPTH_MAX, value.as_bytes());
            assert!(!flat || levels as u64 <= DEPTH_MAX, "{levels}");
        }
        assert!(is_at_most(DEPTH_MAX, br#"{"a":[{"b":"[[[[[[[["}]}"#));
    }

    #[test]
    fn a_large_object_takes_its_room_with_it() {
        let mut parser = FastParser::default();
        let large = format!("\"{}\"", "x".repeat(2 * SCRATCH_BYTES_MAX));
        assert!(parser.parse::<String>(large.as_bytes()).is_some());
        assert_eq!(parser.scratch.capacity(), 0);
    }

    /// Text that is nearly JSON.
    fn nearly_json() -> impl Strategy<Value = String> {
        let token = prop_oneof![
            "[\\[\\]{}:,]",
            r#""([a-zé\\PC]|\\\\["\\\\/bfnrt]|\\\\u[0-9a-fD]{4}){0,6}""#,
            "-?[0-9]{1,25}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            Just("true".to_owned()),
            Just("null".to_owned()),
            "[ \\n\\t]",
            any::<f64>().prop_map(|number| number.to_string()),
        ];
        prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
    }

    /// Equal, but for the last digits of numbers with a fraction, which `serde_json` rounds roughly,
    /// and for `-0`, which is a whole number to the one and a fraction to the other.
    fn same(fast: &Value, careful: &Value) -> bool {
        match (fast, careful) {
            (Value::Number(fast), Value::Number(careful)) => {
                let (fast, careful) = (fast.as_f64().unwrap(), careful.as_f64().unwrap());
                fast == careful || ((fast - careful) / careful).abs() < 1e-14
            }
            (Value::Array(fast), Value::Array(careful)) => {
                fast.len() == careful.len() && fast.iter().zip(careful).all(|(f, c)| same(f, c))
            }
            (Value::Object(fast), Value::Object(careful)) => {
                fast.len() == careful.len()
                    && fast
                        .iter()
                        .all(|(name, f)| careful.get(name).is_some_and(|c| same(f, c)))
            }
            (fast, careful) => fast == careful,
        }
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let fast: Option<Value> = FastParser::default().parse(text.as_bytes());
        if let Some(fast) = fast {
            let careful = parse_carefully::<Value>(text.as_bytes());
            let agrees = careful.as_ref().is_ok_and(|careful| same(&fast, careful));
            prop_assert!(agrees, "{text:?}: {fast:?} and {careful:?}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn the_fast_parser_says_what_the_careful_one_says(text in nearly_json()) {
            check(&text)?;
        }

        #[test]
        fn whole_numbers_are_exact_and_fractions_the_nearest(number: f64, whole: i64) {
            let parse = |text: &str| FastParser::default().parse::<Value>(text.as_bytes());
            prop_assert_eq!(parse(&whole.to_string()), Some(Value::from(whole)));
            if number.is_finite() && number.fract() != 0.0 {
                let parsed = parse(&format!("{number:e}")).and_then(|value| value.as_f64());
                prop_assert_eq!(parsed, Some(number));
            }
        }
    }
}

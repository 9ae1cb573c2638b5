//! Query strings: percent-decoding, and the parameters of a list or watch as they were sent.
//!
//! Lenient where real servers are: a stray `&`, repeated keys (the first wins), unknown keys.

/// The decoded pairs of a query string.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string without its question mark.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key, true), decode(value, true))
            })
            .collect();
        Self { pairs }
    }

    /// The first value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a key.
    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        let pairs = self.pairs.iter().filter(move |(known, _)| known == key);
        pairs.map(|(_, value)| value.as_str())
    }

    /// The first value of a key, empty if it is absent.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_default()
    }

    /// Whether a flag is set: present, and neither `0` nor `false`.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.optional_flag(key).unwrap_or(false)
    }

    /// A flag that may be absent.
    pub(crate) fn optional_flag(&self, key: &str) -> Option<bool> {
        self.get(key)
            .map(|value| !(value == "0" || value.eq_ignore_ascii_case("false")))
    }
}

/// Undoes percent-encoding; what is not valid UTF-8 afterwards is replaced.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' if plus_is_space => out.push(b' '),
            b'%' => {
                let mut ahead = bytes.clone();
                match (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                    (Some(high), Some(low)) => {
                        out.push(high << 4 | low);
                        bytes = ahead;
                    }
                    _ => out.push(b'%'),
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_wins_and_stray_separators_are_nothing() {
        let query = Query::parse("&limit=500&limit=1&a=%3D+%25&watch&b=%zz&&");
        assert_eq!(query.get("limit"), Some("500"));
        assert_eq!(query.get("a"), Some("= %"));
        assert_eq!(query.get("b"), Some("%zz"));
        assert_eq!(query.get("c"), None);
        assert!(query.flag("watch"));
    }

    #[test]
    fn a_flag_is_true_unless_it_says_no() {
        for (text, expected) in [
            ("w=1", true),
            ("w=true", true),
            ("w", true),
            ("w=0", false),
            ("w=False", false),
            ("", false),
        ] {
            assert_eq!(Query::parse(text).flag("w"), expected, "{text}");
        }
    }

    #[test]
    fn any_text_is_decoded_without_a_panic() {
        let alphabet = [
            "%", "%4", "%41", "%zz", "&", "=", "+", "é", "\u{0}", "a", "%C3", "%A9",
        ];
        let mut state = 7_u64;
        for _ in 0..2_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = usize::try_from(state >> 33).unwrap() % alphabet.len();
                text.push_str(alphabet[at]);
            }
            assert!(decode(&text, true).len() <= text.len() * 3);
            assert!(!Query::parse(&text).flag("never"));
        }
    }
}

//! Continue tokens: where the next page of a list begins, and in which state of which cluster.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

/// The state that all pages of a list are of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pin {
    pub(super) revision: u64,
    pub(super) cluster_id: u64,
}

/// Where a page begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ContinueToken {
    pub(super) pin: Pin,
    /// The key after the last one of the page before.
    pub(super) key: Bytes,
}

impl ContinueToken {
    /// The token as text.
    pub(super) fn to_text(&self) -> String {
        let Pin {
            revision,
            cluster_id,
        } = self.pin;
        let key = URL_SAFE_NO_PAD.encode(&self.key);
        format!("{revision}.{cluster_id:x}.{key}")
    }

    /// Reads a token; none if it is not one of these.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let revision = parts.next()?.parse().ok().filter(|it| *it > 0)?;
        let cluster_id = u64::from_str_radix(parts.next()?, 16).ok()?;
        let key = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let pin = Pin {
            revision,
            cluster_id,
        };
        Some(Self {
            pin,
            key: key.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_no_other_text_is() {
        let token = ContinueToken {
            pin: Pin {
                revision: 7,
                cluster_id: u64::MAX,
            },
            key: Bytes::from_static(b"/a\xff\0"),
        };
        assert_eq!(ContinueToken::parse(&token.to_text()), Some(token));
        for text in [
            "", "7", "7.ff", "0.ff.", "7.gg.", "7.ff.#", "x.ff.", "-1.1.",
        ] {
            assert_eq!(ContinueToken::parse(text), None, "{text}");
        }
    }
}

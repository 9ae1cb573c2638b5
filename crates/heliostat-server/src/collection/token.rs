//! Continue tokens: where a paged list goes on, and at which version.
//!
//! The format is kube-apiserver's: unpadded URL-safe base64 of
//! `{"v":"meta.k8s.io/v1","rv":20407,"start":"/cm-3\u0000"}`. `start` is the first key that may
//! come next, relative to the list's prefix. Both spellings of it are read, with and without the
//! leading slash, because servers write both.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::status::Status;

/// The only version of the format there is.
const FORMAT: &str = "meta.k8s.io/v1";

/// Which state a continuation reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum At {
    /// Exactly this version.
    Version(u64),
    /// The newest, giving up on consistency with the pages before.
    Newest,
}

/// A continuation, decoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Continue {
    pub(crate) at: At,
    /// The first key that may come next, relative to the list's prefix, without leading slash.
    pub(crate) start: String,
}

#[derive(Deserialize, Serialize)]
struct Wire {
    v: String,
    rv: i64,
    start: String,
}

impl Continue {
    /// The token that goes on after `last_key`, which is relative to the list's prefix.
    pub(crate) fn after(version: u64, last_key: &str) -> String {
        encode(
            i64::try_from(version).unwrap_or(i64::MAX),
            &format!("/{last_key}\0"),
        )
    }

    /// The token that goes on at the newest version from where this one would have.
    pub(crate) fn inconsistent(&self) -> String {
        encode(-1, &self.start)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// A 400 with the text of the real server for anything that is not a token of this format.
    pub(crate) fn decode(token: &str) -> Result<Self, Status> {
        let wire = parse(token).map_err(|why| {
            Status::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        })?;
        if wire.v != FORMAT {
            let why = format!(
                "server does not recognize this encoded version {:?}",
                wire.v
            );
            return Err(invalid(&why));
        }
        let at = match wire.rv {
            -1 => At::Newest,
            version => At::Version(
                u64::try_from(version)
                    .ok()
                    .filter(|rv| *rv > 0)
                    .ok_or_else(|| {
                        invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
                    })?,
            ),
        };
        let start = wire.start.strip_prefix('/').unwrap_or(&wire.start);
        if start.is_empty() {
            return Err(invalid("encoded start key empty (version meta.k8s.io/v1)"));
        }
        if start.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(invalid(&format!("{:?}", wire.start)));
        }
        Ok(Self {
            at,
            start: start.to_owned(),
        })
    }
}

fn invalid(why: &str) -> Status {
    Status::bad_request(format!(
        "invalid continue token: continue key is not valid: {why}"
    ))
}

fn parse(token: &str) -> Result<Wire, String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

fn encode(rv: i64, start: &str) -> String {
    let wire = Wire {
        v: FORMAT.to_owned(),
        rv,
        start: start.to_owned(),
    };
    // Two strings and a number always serialize.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_token_is_written_byte_for_byte() {
        let recorded = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MjA0MDcsInN0YXJ0IjoiL2NtLTNcdTAwMDAifQ";
        assert_eq!(Continue::after(20_407, "cm-3"), recorded);
        let token = Continue::decode(recorded).unwrap();
        assert_eq!(
            token,
            Continue {
                at: At::Version(20_407),
                start: "cm-3\0".to_owned()
            }
        );
        let inconsistent = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiY20tM1x1MDAwMCJ9";
        assert_eq!(token.inconsistent(), inconsistent);
        let again = Continue::decode(inconsistent).unwrap();
        assert_eq!(
            again,
            Continue {
                at: At::Newest,
                start: "cm-3\0".to_owned()
            }
        );
    }

    #[test]
    fn what_is_not_a_token_is_a_bad_request() {
        let zero = encode(0, "cm-3\0");
        let climbing = encode(7, "/../secrets/x\0");
        let empty = encode(7, "/");
        let other = URL_SAFE_NO_PAD.encode(r#"{"v":"v9","rv":7,"start":"a"}"#);
        for token in ["garbage", "", "!!!", &zero, &climbing, &empty, &other] {
            let status = Continue::decode(token).unwrap_err();
            assert_eq!(status.code(), 400, "{token}");
            assert!(
                status.message().starts_with("invalid continue token: "),
                "{status}"
            );
        }
    }
}

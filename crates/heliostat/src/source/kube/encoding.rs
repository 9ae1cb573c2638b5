//! The encodings that answers come in.

use heliostat_core::raw;
use http::header::{CONTENT_TYPE, HeaderMap};

/// An encoding that a decoder exists for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    /// `application/json`.
    Json,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// The media type of Kubernetes' protobuf. A watch has the parameter `stream=watch`.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

impl Encoding {
    /// Returns the encoding of an answer, whatever was asked for, or its content type if no decoder
    /// exists for it. An answer without a content type is decoded as JSON.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Ok(Self::Json);
        };
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let media_type = text.split(';').next().unwrap_or("").trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if media_type.eq_ignore_ascii_case(PROTOBUF) {
            Ok(Self::Protobuf)
        } else {
            Err(text)
        }
    }
}

impl From<Encoding> for raw::Encoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Json => Self::Json,
            Encoding::Protobuf => Self::Protobuf,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    #[test]
    fn the_answer_chooses_the_decoder() {
        assert_eq!(Encoding::of(&HeaderMap::new()), Ok(Encoding::Json));
        for json in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(Encoding::of(&headers(json)), Ok(Encoding::Json));
        }
        for protobuf in [
            "application/vnd.kubernetes.protobuf",
            "application/vnd.kubernetes.protobuf;stream=watch",
            "Application/vnd.kubernetes.Protobuf ; q=1",
        ] {
            assert_eq!(Encoding::of(&headers(protobuf)), Ok(Encoding::Protobuf));
        }
        for foreign in [
            "application/protobuf",
            "text/html",
            "application/jsonp",
            "application/cbor",
        ] {
            assert_eq!(Encoding::of(&headers(foreign)), Err(foreign.to_owned()));
        }
    }
}

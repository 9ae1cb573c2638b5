//! Response bodies: whole, in pieces, or a stream that may break off on purpose; and gzip.

use std::convert::Infallible;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use thiserror::Error;

/// The body of every response.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ends before its end: because a test wanted it.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// The stream was cut.
    #[error("the stream was cut on purpose")]
    Cut,
}

/// A body that is all there, with a known length.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// A body that comes piece by piece.
pub(crate) fn streamed(
    pieces: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
) -> Body {
    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
}

/// A body of pieces that are at hand, made as they are sent.
pub(crate) fn pieces(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Body {
    streamed(stream::iter(pieces.map(|piece| Ok(Bytes::from(piece)))))
}

/// The same pieces as one gzip member.
pub(crate) fn gzipped(mut pieces: impl Iterator<Item = Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    // Level 1, as kube-apiserver: lists are compressed while the client waits.
    let mut encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    std::iter::from_fn(move || {
        loop {
            let Some(piece) = pieces.next() else {
                // Writing to a vector cannot fail.
                return encoder.take()?.finish().ok();
            };
            let encoder = encoder.as_mut()?;
            encoder.write_all(&piece).ok()?;
            if !encoder.get_ref().is_empty() {
                return Some(std::mem::take(encoder.get_mut()));
            }
        }
    })
}

/// Indents compact JSON for people, keeping the order of keys.
pub(crate) fn indented(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut bytes = json.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_text {
            out.push(byte);
            in_text = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                if bytes.next_if(|next| matches!(next, b'}' | b']')).is_some() {
                    out.push(byte + 2);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                in_text = byte == b'"';
                out.push(byte);
            }
        }
    }
    out.push(b'\n');
    out
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + depth * 2, b' ');
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn indenting_keeps_content_and_order() {
        let json = br#"{"b":[1,{"x":"a:{\"},["}],"a":{},"e":[],"t":true}"#;
        let pretty = indented(json);
        let text = std::str::from_utf8(&pretty).unwrap();
        assert!(text.starts_with("{\n  \"b\": [\n    1,\n    {\n"));
        let (a, b): (serde_json::Value, serde_json::Value) = (
            serde_json::from_slice(json).unwrap(),
            serde_json::from_slice(&pretty).unwrap(),
        );
        assert_eq!(a, b);
        assert!(text.contains("\"a\": {},\n  \"e\": []"));
    }

    #[test]
    fn gzip_pieces_make_one_member() {
        let pieces = (0..50).map(|index| vec![b'a' + index % 7; 40_000]);
        let plain: Vec<u8> = pieces.clone().flatten().collect();
        let packed: Vec<u8> = gzipped(pieces).flatten().collect();
        let mut out = Vec::new();
        GzDecoder::new(packed.as_slice())
            .read_to_end(&mut out)
            .unwrap();
        assert_eq!(out, plain);
        assert!(packed.len() < plain.len() / 10);
    }
}

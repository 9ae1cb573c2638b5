//! The body of an answer as plain chunks, decompressed if it is compressed, and counted.

use std::io;
use std::sync::Arc;

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use futures_util::future;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use http::Response;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use kube_client::client::Body;
use tokio_util::io::{ReaderStream, StreamReader};

use super::traffic::Meter;

/// How much is decompressed at a time.
const PLAIN_CHUNK_BYTES: usize = 64 * 1024;

/// The chunks of a body, as they arrive.
pub(super) type Chunks = BoxStream<'static, Result<Bytes, kube_client::Error>>;

/// Decompresses what says of itself that it is compressed; the client below may have done so.
pub(super) fn chunks(response: Response<Body>) -> Chunks {
    metered_chunks(response, Arc::default())
}

/// The same, with every chunk counted before it is decompressed and after.
pub(super) fn metered_chunks(response: Response<Body>, meter: Arc<Meter>) -> Chunks {
    let is_gzip = response
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let received = Arc::clone(&meter);
    let chunks = response.into_body().into_data_stream();
    let chunks = chunks.inspect_ok(move |chunk| received.received(chunk.len()));
    if !is_gzip {
        return chunks
            .inspect_ok(move |chunk| meter.decoded(chunk.len()))
            .boxed();
    }
    // The reader takes an empty chunk for the end.
    let packed = chunks
        .map_err(io::Error::other)
        .try_filter(|chunk| future::ready(!chunk.is_empty()));
    let mut unpacked = GzipDecoder::new(StreamReader::new(packed));
    // Servers from 1.37 on send a watch-list as one member for each flush.
    unpacked.multiple_members(true);
    ReaderStream::with_capacity(unpacked, PLAIN_CHUNK_BYTES)
        .inspect_ok(move |chunk| meter.decoded(chunk.len()))
        .map_err(|error| kube_client::Error::Service(error.into()))
        .boxed()
}

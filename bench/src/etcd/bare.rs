//! The bare client: what comes is decoded as messages of gRPC, and dropped.

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use super::PREFIX;

/// Keys in a page: that of client-go.
const PAGE_KEYS: i64 = 500;

/// The largest message that is read.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Message)]
struct Range {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    range_end: Bytes,
    #[prost(int64, tag = "3")]
    limit: i64,
    #[prost(int64, tag = "4")]
    revision: i64,
}

#[derive(Clone, Message)]
struct Page {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    pairs: Vec<Pair>,
    #[prost(bool, tag = "3")]
    more: bool,
}

#[derive(Clone, Copy, Message)]
struct Header {
    #[prost(int64, tag = "3")]
    revision: i64,
}

#[derive(Clone, Message)]
struct Pair {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(int64, tag = "3")]
    mod_revision: i64,
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}

#[derive(Clone, Message)]
struct Ask {
    #[prost(message, optional, tag = "1")]
    create: Option<Create>,
}

#[derive(Clone, Message)]
struct Create {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    range_end: Bytes,
    #[prost(int64, tag = "3")]
    start_revision: i64,
    #[prost(bool, tag = "6")]
    prev_kv: bool,
}

#[derive(Clone, Message)]
struct Events {
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
}

#[derive(Clone, Message)]
struct Event {
    #[prost(message, optional, tag = "2")]
    pair: Option<Pair>,
    #[prost(message, optional, tag = "3")]
    previous: Option<Pair>,
}

/// A connection with the windows that the mirror's has.
pub(super) fn connect(endpoint: &str) -> Result<Channel, Box<dyn std::error::Error>> {
    let endpoint = Endpoint::from_shared(endpoint.to_owned())?
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20);
    Ok(endpoint.connect_lazy())
}

/// Reads all pods; returns how many there are.
pub(super) async fn range(channel: Channel) -> Result<usize, Box<dyn std::error::Error>> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (mut key, range_end) = bounds();
    let (mut revision, mut count) = (0, 0);
    loop {
        let request = Range {
            key,
            range_end: range_end.clone(),
            limit: PAGE_KEYS,
            revision,
        };
        grpc.ready().await?;
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Range");
        let codec = ProstCodec::<Range, Page>::default();
        let page = grpc
            .unary(Request::new(request), path, codec)
            .await?
            .into_inner();
        count += page.pairs.len();
        if revision == 0 {
            revision = page.header.unwrap_or_default().revision;
        }
        match page.pairs.last() {
            Some(last) if page.more => key = [&last.key[..], b"\0"].concat().into(),
            _ => return Ok(count),
        }
    }
}

/// Reads events after a revision until one is of the last.
pub(super) async fn watch(
    channel: Channel,
    after: i64,
    last: i64,
) -> Result<usize, Box<dyn std::error::Error>> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (key, range_end) = bounds();
    let create = Create {
        key,
        range_end,
        start_revision: after + 1,
        prev_kv: true,
    };
    let ask = Ask {
        create: Some(create),
    };
    // The request stays open: its end would end the watch.
    let mut asks = Some(ask);
    let asks = futures_util::stream::poll_fn(move |_| match asks.take() {
        Some(ask) => std::task::Poll::Ready(Some(ask)),
        None => std::task::Poll::Pending,
    });
    grpc.ready().await?;
    let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
    let codec = ProstCodec::<Ask, Events>::default();
    let answer = grpc.streaming(Request::new(asks), path, codec).await?;
    let mut events: Streaming<Events> = answer.into_inner();
    let mut count = 0;
    while let Some(response) = events.message().await? {
        count += response.events.len();
        let newest = response.events.last().and_then(|event| event.pair.as_ref());
        if newest.is_some_and(|pair| pair.mod_revision >= last) {
            return Ok(count);
        }
    }
    Err("the watch ended".into())
}

fn bounds() -> (Bytes, Bytes) {
    let mut end = PREFIX.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    (Bytes::from_static(PREFIX.as_bytes()), end.into())
}

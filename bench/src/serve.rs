//! The replay server: pages of pods, then a watch that sends every update as fast as it is read.
//!
//! All bytes are made before the first request, so the server's share of the time is the socket. The
//! watch waits for `POST /updates`, which a client sends when it is ready to be measured.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::data::{LIST_VERSION, Pods};

/// Items of a page where the client does not say: the limit that both clients ask for.
const PAGE: usize = 500;

/// How many bytes of updates are handed to the socket at once.
const BATCH: usize = 64 * 1024;

struct Replay {
    pages: Vec<Bytes>,
    updates: Vec<Bytes>,
    begin: Notify,
}

/// Serves until the process is ended.
pub(crate) async fn run(
    listen: SocketAddr,
    pods: usize,
    updates: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let pods = Pods::grown_to(pods)?;
    let replay = Arc::new(Replay {
        pages: pages(&pods),
        updates: batches(&pods, updates),
        begin: Notify::new(),
    });
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let replay = Arc::clone(&replay);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let replay = Arc::clone(&replay);
                async move { Ok::<_, Infallible>(answer(&replay, &request)) }
            });
            // A client that leaves in the middle is none of the server's business.
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

fn answer(
    replay: &Arc<Replay>,
    request: &Request<Incoming>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let query = request.uri().query().unwrap_or_default();
    let value = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    if request.method() == Method::POST {
        replay.begin.notify_one();
        return respond(StatusCode::OK, Full::new(Bytes::new()).boxed());
    }
    if value("watch").is_some() {
        if value("sendInitialEvents").is_some() {
            let refused = Full::new(Bytes::from_static(REFUSED)).boxed();
            return respond(StatusCode::UNPROCESSABLE_ENTITY, refused);
        }
        return respond(StatusCode::OK, watch(replay));
    }
    let page = value("continue")
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    match replay.pages.get::<usize>(page) {
        Some(bytes) => respond(StatusCode::OK, Full::new(bytes.clone()).boxed()),
        None => respond(StatusCode::GONE, Full::new(Bytes::new()).boxed()),
    }
}

/// As a server says it that does not know watch-lists.
const REFUSED: &[u8] = br#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled","reason":"Invalid","code":422}"#;

fn respond(
    status: StatusCode,
    body: BoxBody<Bytes, Infallible>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    response
}

/// Waits for the start signal, sends all updates, then stays open.
fn watch(replay: &Arc<Replay>) -> BoxBody<Bytes, Infallible> {
    let begun = Arc::clone(replay);
    let frames = stream::once(async move {
        begun.begin.notified().await;
        stream::iter(begun.updates.clone())
    })
    .flatten()
    .chain(stream::pending())
    .map(|bytes| Ok(Frame::data(bytes)));
    BodyExt::boxed(StreamBody::new(Box::pin(frames) as BoxedFrames))
}

type BoxedFrames = std::pin::Pin<
    Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync>,
>;

fn pages(pods: &Pods) -> Vec<Bytes> {
    let count = pods.len().div_ceil(PAGE).max(1);
    (0..count).map(|page| page_of(pods, page, count)).collect()
}

fn page_of(pods: &Pods, page: usize, count: usize) -> Bytes {
    let mut out = BytesMut::new();
    let next = page + 1;
    let more = if next < count {
        let remaining = pods.len() - next * PAGE;
        format!(",\"continue\":\"{next}\",\"remainingItemCount\":{remaining}")
    } else {
        String::new()
    };
    let head = format!(
        "{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"{LIST_VERSION}\"{more}}},\"items\":["
    );
    out.put_slice(head.as_bytes());
    for index in page * PAGE..pods.len().min(next * PAGE) {
        if index > page * PAGE {
            out.put_u8(b',');
        }
        pods.push(&mut out, index, pods.listed_version(index));
    }
    out.put_slice(b"]}\n");
    out.freeze()
}

fn batches(pods: &Pods, updates: usize) -> Vec<Bytes> {
    let mut batches = Vec::new();
    let mut batch = BytesMut::new();
    for number in 0..updates {
        batch.put_slice(&pods.update(number));
        if batch.len() >= BATCH {
            batches.push(batch.split().freeze());
        }
    }
    batches.push(batch.freeze());
    batches
}

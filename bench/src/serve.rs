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
    /// The first state as events, and the bookmark that ends it.
    initial: Vec<Bytes>,
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
        initial: initial(&pods),
        updates: batches((0..updates).map(|number| pods.update(number))),
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
        let initial = match value("sendInitialEvents") {
            Some(_) => replay.initial.clone(),
            None => Vec::new(),
        };
        return respond(StatusCode::OK, watch(replay, initial));
    }
    let page = value("continue")
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    match replay.pages.get::<usize>(page) {
        Some(bytes) => respond(StatusCode::OK, Full::new(bytes.clone()).boxed()),
        None => respond(StatusCode::GONE, Full::new(Bytes::new()).boxed()),
    }
}

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

/// Sends the initial events, waits for the start signal, sends all updates, then stays open.
fn watch(replay: &Arc<Replay>, initial: Vec<Bytes>) -> BoxBody<Bytes, Infallible> {
    let begun = Arc::clone(replay);
    let updates = stream::once(async move {
        begun.begin.notified().await;
        stream::iter(begun.updates.clone())
    });
    let frames = stream::iter(initial)
        .chain(updates.flatten())
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

/// The initial events of a watch-list and the bookmark that ends them.
fn initial(pods: &Pods) -> Vec<Bytes> {
    let bookmark = format!(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":\
         {{\"resourceVersion\":\"{LIST_VERSION}\",\"creationTimestamp\":null,\
         \"annotations\":{{\"k8s.io/initial-events-end\":\"true\"}}}},\
         \"spec\":{{\"containers\":null}},\"status\":{{}}}}}}\n"
    );
    let added = (0..pods.len()).map(|index| pods.added(index));
    batches(added.chain([bookmark.into()]))
}

/// Frames, gathered into pieces.
fn batches(frames: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    let mut batches = Vec::new();
    let mut batch = BytesMut::new();
    for frame in frames {
        batch.put_slice(&frame);
        if batch.len() >= BATCH {
            batches.push(batch.split().freeze());
        }
    }
    batches.push(batch.freeze());
    batches
}

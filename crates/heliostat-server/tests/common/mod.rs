//! A plain hyper client for the integration tests: one connection a request, nothing clever.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part of this"
)]
#![allow(missing_debug_implementations, reason = "nothing prints a client")]

pub mod mirror;
pub mod program;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use heliostat_kinds::{from_message, schema};
use heliostat_server::{ApiServer, RunningCacheServer, RunningServer};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Long enough for any machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the content type of an answer in protobuf starts.
const PROTOBUF: &[u8] = b"application/vnd.kubernetes.protobuf";

/// A response that has been read to its end.
pub struct Answer {
    pub code: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// What a request is, with defaults.
#[derive(Clone, Default)]
pub struct Ask<'a> {
    pub method: Method,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Vec<u8>,
    pub http2: bool,
}

/// A server that listens.
pub trait Address {
    fn addr(&self) -> SocketAddr;
}

impl Address for RunningServer {
    fn addr(&self) -> SocketAddr {
        Self::addr(self)
    }
}

impl Address for RunningCacheServer {
    fn addr(&self) -> SocketAddr {
        Self::addr(self)
    }
}

/// Sends a request and returns the response with its body still open.
pub fn open<'a, S: Address>(
    server: &S,
    ask: Ask<'a>,
) -> impl Future<Output = hyper::Result<http::Response<Incoming>>> + use<'a, S> {
    open_at(server.addr(), ask)
}

async fn open_at(address: SocketAddr, ask: Ask<'_>) -> hyper::Result<http::Response<Incoming>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = Request::builder()
        .method(ask.method)
        .uri(format!("http://{address}{}", ask.path));
    if !ask.http2 {
        request = request.header("host", address.to_string());
    }
    for (name, value) in ask.headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(ask.body))).unwrap();
    if ask.http2 {
        let io = TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        sender.send_request(request).await
    }
}

/// Sends a request and reads the whole answer.
pub async fn send(server: &impl Address, ask: Ask<'_>) -> Answer {
    let answer = async {
        let response = open(server, ask).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            code: parts.status,
            headers: parts.headers,
            body,
        }
    };
    timeout(PATIENCE, answer).await.expect("the server answers")
}

pub async fn get(server: &impl Address, path: &str) -> Answer {
    send(
        server,
        Ask {
            path,
            ..Ask::default()
        },
    )
    .await
}

pub async fn get_as(server: &impl Address, path: &str, accept: &str) -> Answer {
    send(
        server,
        Ask {
            path,
            headers: &[("accept", accept)],
            ..Ask::default()
        },
    )
    .await
}

pub async fn with_body(server: &impl Address, method: Method, path: &str, body: &Value) -> Answer {
    let headers = &[("content-type", "application/json")];
    let body = serde_json::to_vec(body).unwrap();
    send(
        server,
        Ask {
            method,
            path,
            headers,
            body,
            ..Ask::default()
        },
    )
    .await
}

pub async fn post(server: &impl Address, path: &str, body: &Value) -> Answer {
    with_body(server, Method::POST, path, body).await
}

pub async fn put(server: &impl Address, path: &str, body: &Value) -> Answer {
    with_body(server, Method::PUT, path, body).await
}

pub async fn delete(server: &impl Address, path: &str) -> Answer {
    send(
        server,
        Ask {
            method: Method::DELETE,
            path,
            ..Ask::default()
        },
    )
    .await
}

pub async fn patch(server: &impl Address, path: &str, media_type: &str, body: &Value) -> Answer {
    let headers = &[("content-type", media_type)];
    let body = serde_json::to_vec(body).unwrap();
    send(
        server,
        Ask {
            method: Method::PATCH,
            path,
            headers,
            body,
            ..Ask::default()
        },
    )
    .await
}

/// A watch being read, frame by frame.
pub struct Watch {
    body: Incoming,
    buffer: Vec<u8>,
    is_protobuf: bool,
}

/// How a watch went on.
#[derive(Debug, PartialEq)]
pub enum Next {
    Event(Value),
    /// A clean end; the bytes of an unfinished frame, if any.
    End(String),
    /// A broken connection; the bytes of the unfinished frame.
    Broken(String),
}

impl Watch {
    pub async fn open(server: &impl Address, path: &str) -> Self {
        Self::open_as(
            server,
            Ask {
                path,
                ..Ask::default()
            },
        )
        .await
    }

    pub async fn open_as(server: &impl Address, ask: Ask<'_>) -> Self {
        let response = open(server, ask).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let content_type = response.headers().get(CONTENT_TYPE);
        let is_protobuf = content_type.is_some_and(|value| value.as_bytes().starts_with(PROTOBUF));
        Self {
            body: response.into_body(),
            buffer: Vec::new(),
            is_protobuf,
        }
    }

    pub async fn next(&mut self) -> Next {
        timeout(PATIENCE, self.read())
            .await
            .expect("the watch goes on")
    }

    /// Whether the watch says nothing for a while, in the runtime's (paused) time.
    pub async fn is_silent_for(&mut self, period: Duration) -> bool {
        timeout(period, self.read()).await.is_err()
    }

    async fn read(&mut self) -> Next {
        loop {
            if let Some(event) = self.take_event() {
                return Next::Event(event);
            }
            let rest = |watch: &Self| String::from_utf8_lossy(&watch.buffer).into_owned();
            match self.body.frame().await {
                None => return Next::End(rest(self)),
                Some(Err(_)) => return Next::Broken(rest(self)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }

    /// Takes an event off the buffer, if it is complete.
    fn take_event(&mut self) -> Option<Value> {
        if !self.is_protobuf {
            let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            return Some(serde_json::from_slice(&line).unwrap());
        }
        let end = 4 + u32::from_be_bytes(*self.buffer.first_chunk()?) as usize;
        let event = from_message(
            schema::kind("v1", "WatchEvent").unwrap().message(),
            self.buffer.get(4..end)?,
        );
        self.buffer.drain(..end);
        Some(event.unwrap())
    }

    /// The next event as `TYPE name`, or how the watch ended.
    pub async fn next_short(&mut self) -> String {
        match self.next().await {
            Next::Event(event) => short(&event),
            Next::End(rest) => format!("end{rest}"),
            Next::Broken(_) => "broken".to_owned(),
        }
    }
}

/// `ADDED name`, `BOOKMARK`, `BOOKMARK(initial-events-end)`, `ERROR(504 Timeout)`.
pub fn short(event: &Value) -> String {
    let object = &event["object"];
    match event["type"].as_str().unwrap() {
        "BOOKMARK" if object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true" => {
            "BOOKMARK(initial-events-end)".to_owned()
        }
        "ERROR" => format!(
            "ERROR({} {})",
            object["code"],
            object["reason"].as_str().unwrap()
        ),
        "BOOKMARK" => "BOOKMARK".to_owned(),
        other => format!("{other} {}", object["metadata"]["name"].as_str().unwrap()),
    }
}

/// A ConfigMap in the namespace `ns`.
pub fn config_map(name: &str, data: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "ns"},
        "data": {"k": data},
    })
}

/// A server with default settings on a free port.
pub async fn serve() -> RunningServer {
    ApiServer::builder().build().serve_local().await.unwrap()
}

//! A server that answers each request with what a test has prepared, in chunks, and may break off.
//!
//! It speaks just enough HTTP/1.1 to be believed: one request for each connection. What it was asked
//! is kept for the test to look at. Nothing waits for time; a held body waits for the test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use heliostat_core::rng::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The first byte that a TLS client sends (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// How the end of the body is marked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// `Transfer-Encoding: chunked`, as API servers stream.
    Chunked,
    /// `Content-Length` of the whole body.
    Length,
    /// By the end of the connection.
    Close,
}

/// How the connection ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// As the framing says.
    Clean,
    /// Closed, before the body was complete.
    Closed,
    /// Reset, before the body was complete.
    Reset,
    /// Nothing more comes until the other side closes, which is then told.
    Held(Arc<Notify>),
}

/// One step of a body.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Send(Vec<u8>),
    /// Nothing is sent before the test says so.
    Await(Arc<Notify>),
    /// The same bytes, until the other side has had enough.
    SendForEver(Vec<u8>),
}

/// A prepared answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    code: u16,
    headers: Vec<(String, String)>,
    steps: Vec<Step>,
    framing: Framing,
    end: End,
}

impl Reply {
    pub(super) fn new(code: u16, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self {
            code,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            steps: vec![Step::Send(body.as_ref().to_vec())],
            framing: Framing::Chunked,
            end: End::Clean,
        }
    }

    pub(super) fn json(body: impl AsRef<[u8]>) -> Self {
        Self::new(200, "application/json", body)
    }

    /// A recorded answer.
    pub(super) fn capture(name: &str) -> Self {
        let head = String::from_utf8(super::capture(name, "headers")).unwrap();
        let mut lines = head.lines();
        let code = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| *name != "content-length")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            headers,
            ..Self::new(code.parse().unwrap(), "", super::capture(name, "body"))
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    pub(super) fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    pub(super) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Only the first bytes of the body are sent, then the connection ends like this.
    pub(super) fn cut_off(mut self, after: usize, end: End) -> Self {
        self.steps = vec![Step::Send(self.body()[..after].to_vec())];
        self.end = end;
        self
    }

    /// The body cut into chunks of random sizes, most of them small.
    pub(super) fn cut(mut self, rng: &mut Rng) -> Self {
        let mut steps = Vec::new();
        let mut rest = &self.body()[..];
        while !rest.is_empty() {
            let most = [1, 7, 100, 2000][rng.below(4) as usize];
            let size = (1 + rng.below(most) as usize).min(rest.len());
            steps.push(Step::Send(rest[..size].to_vec()));
            rest = &rest[size..];
        }
        self.steps = steps;
        self
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let sent = self.steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes.as_slice()),
            Step::Await(_) | Step::SendForEver(_) => None,
        });
        sent.flatten().copied().collect()
    }
}

/// A request as it arrived: its target and its headers, names in lower case.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) target: String,
    pub(super) headers: BTreeMap<String, String>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A server on a free port of the loopback interface. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Gives the same answer to every request.
    pub(super) async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// Answers by the target: path and query.
    pub(super) async fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_by(move |request| answer(&request.target)).await
    }

    /// Answers by the whole request.
    pub(super) async fn start_by(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let requests = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                tokio::spawn(async move {
                    // The client may go away at any time; that is for the test to judge.
                    let _ = serve(stream, &*answer, &requests).await;
                });
            }
        });
        Self { url, seen, task }
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address at which nobody listens.
pub(super) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&Seen) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let request = read_request(&mut stream).await?;
    let reply = answer(&request);
    seen.lock().unwrap().push(request);
    let mut head = format!("HTTP/1.1 {} Recorded\r\nconnection: close\r\n", reply.code);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match reply.framing {
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Framing::Length => {
            // A body that breaks off had more to come.
            let more = usize::from(!matches!(reply.end, End::Clean));
            head.push_str(&format!(
                "content-length: {}\r\n",
                reply.body().len() + more
            ));
        }
        Framing::Close => {}
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    for step in &reply.steps {
        match step {
            Step::Send(bytes) => send(&mut stream, reply.framing, bytes).await?,
            Step::Await(notify) => notify.notified().await,
            Step::SendForEver(bytes) => loop {
                send(&mut stream, reply.framing, bytes).await?;
            },
        }
    }
    match reply.end {
        End::Clean => {
            if reply.framing == Framing::Chunked {
                stream.write_all(b"0\r\n\r\n").await?;
            }
            stream.shutdown().await
        }
        End::Closed => stream.shutdown().await,
        End::Reset => {
            stream.set_zero_linger()?;
            drop(stream);
            Ok(())
        }
        End::Held(notify) => {
            let mut nothing = [0; 1];
            let _ = stream.read(&mut nothing).await;
            notify.notify_one();
            Ok(())
        }
    }
}

async fn send(stream: &mut TcpStream, framing: Framing, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    if framing == Framing::Chunked {
        let size = format!("{:x}\r\n", bytes.len());
        let chunk = [size.as_bytes(), bytes, b"\r\n"].concat();
        stream.write_all(&chunk).await
    } else {
        stream.write_all(bytes).await
    }
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        if head[0] == TLS_HANDSHAKE {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await?;
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let target = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Ok(Seen { target, headers })
}

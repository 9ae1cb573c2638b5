//! The replay server of `compare` and `packed`: lists in pages or whole, then a watch, in JSON or in
//! protobuf; with [`Served::has_watch_list`] also the initial events of a watch-list.
//!
//! The `Accept` header chooses the encoding of an answer. All bytes of a small collection are made before
//! the first request; those of a large one while they are sent, and never held. Clients drive it:
//!
//! | request | what happens |
//! |---|---|
//! | `POST /reset` | everything is as at the start |
//! | `POST /updates` | the open watch gets all updates, as fast as it is read |
//! | `POST /expire` | the open watch ends as expired; lists have a new version, their objects have not |
//! | `POST /expire?changed` | the same, but all objects have changed, too |
//! | `POST /cpu` | nothing; the answer is the CPU time of the server so far, in nanoseconds |
//!
//! Each of the others answers with the version that a mirror has when it is through with it.

mod answers;

mod frames;

mod state;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::watch;

use answers::Lists;
use frames::Frames;
use heliostat_bench::process;
use heliostat_bench::replay_server::Encoding;
use state::{START_VERSION, State, Step};

/// What is served.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Served {
    /// How many pods the collection holds.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) pods: usize,
    /// How many updates follow on the watch.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) updates: usize,
    /// Send initial events where a watch asks for them; otherwise such a watch is refused.
    #[arg(long = "watch-list")]
    pub(crate) has_watch_list: bool,
}

struct Replay {
    served: Served,
    now: Mutex<Arc<Lists>>,
    json: Arc<Frames>,
    protobuf: Arc<Frames>,
    start: Arc<Lists>,
    /// What open watches are to send, the newest of it.
    step: watch::Sender<Step>,
}

/// Serves until the process is ended.
pub(crate) async fn run(
    listen: SocketAddr,
    served: Served,
) -> Result<(), Box<dyn std::error::Error>> {
    let recorded = answers::Recorded::read()?;
    let start = Arc::new(Lists::new(&recorded, State::start(served.pods)));
    let frames = |encoding| Arc::new(Frames::new(&recorded, encoding, &served));
    let replay = Arc::new(Replay {
        served,
        now: Mutex::new(Arc::clone(&start)),
        json: frames(Encoding::Json),
        protobuf: frames(Encoding::Protobuf),
        start,
        step: watch::Sender::new(Step::Quiet),
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
                async move { Ok::<_, Infallible>(replay.answer(&request)) }
            });
            // A client that leaves in the middle is none of the server's business.
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

type Answer = Response<Body>;

impl Replay {
    fn answer(&self, request: &Request<Incoming>) -> Answer {
        let query = request.uri().query().unwrap_or_default();
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let number = |name| value(name).and_then(|text| text.parse::<usize>().ok());
        if request.method() == Method::POST && request.uri().path() == "/cpu" {
            let nanoseconds = (process::cpu() * 1e9) as u64;
            return respond(Encoding::Json, whole(nanoseconds.to_string()));
        }
        if request.method() == Method::POST {
            let version = self.drive(request.uri().path(), query);
            return respond(Encoding::Json, whole(version.to_string()));
        }
        let encoding = asked_for(request);
        let is_watch_list = value("sendInitialEvents").is_some();
        if is_watch_list && !self.served.has_watch_list {
            let mut refused = respond(Encoding::Json, whole(REFUSED));
            *refused.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            return refused;
        }
        if value("watch").is_some() {
            let initial = match is_watch_list {
                true => self.frames(encoding).initial(),
                false => Vec::new(),
            };
            let from = match is_watch_list {
                true => START_VERSION,
                false => number("resourceVersion").unwrap_or(0) as u64,
            };
            let events = stream::iter(initial).chain(self.watch(encoding, from));
            return respond(encoding, streamed(events));
        }
        // As a server with a watch cache has it: what may be of any age is sent whole.
        let limit = number("limit").filter(|_| value("resourceVersion") != Some("0"));
        let first = number("continue").unwrap_or(0);
        let lists = Arc::clone(&self.lock());
        let parts = lists.list(encoding, first, limit);
        respond(encoding, streamed(stream::iter(parts)))
    }

    fn drive(&self, path: &str, query: &str) -> u64 {
        let mut now = self.lock();
        let (next, step) = match path {
            "/updates" => (now.state().updated(self.served.updates), Step::Updates),
            "/expire" => {
                let is_changed = query.contains("changed");
                (now.state().expired(is_changed), Step::Expire)
            }
            _ => (self.start.state().clone(), Step::Quiet),
        };
        let version = next.version();
        *now = match step {
            Step::Quiet => Arc::clone(&self.start),
            // Nobody lists before the next step.
            Step::Updates => Arc::new(now.unprepared(next)),
            Step::Expire => Arc::new(now.prepared(next)),
        };
        self.step.send_replace(step);
        version
    }

    /// Sends what it is told to, then stays open unless it is to end.
    fn watch(&self, encoding: Encoding, from: u64) -> impl Stream<Item = Bytes> + Send + use<> {
        let frames = Arc::clone(self.frames(encoding));
        let now = self.lock();
        let mut steps = self.step.subscribe();
        if from < now.state().version() {
            // What was told last is for this watch, too: it is opened late.
            steps.mark_changed();
        }
        drop(now);
        let batches = stream::unfold(Some(steps), move |steps| {
            let frames = Arc::clone(&frames);
            async move {
                let mut steps = steps?;
                steps.changed().await.ok()?;
                let step = *steps.borrow_and_update();
                match step {
                    Step::Quiet => Some((Vec::new(), None)),
                    Step::Updates => Some((frames.updates(), Some(steps))),
                    Step::Expire => Some((vec![frames.expired()], None)),
                }
            }
        });
        batches.flat_map(stream::iter)
    }

    const fn frames(&self, encoding: Encoding) -> &Arc<Frames> {
        match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Lists>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As a server says it that does not know watch-lists.
const REFUSED: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled","reason":"Invalid","code":422}"#;

/// The first encoding that the client names, JSON if it names none.
fn asked_for(request: &Request<Incoming>) -> Encoding {
    let accept = request.headers().get(ACCEPT);
    let accept = accept.map_or(&b""[..], HeaderValue::as_bytes);
    if accept.starts_with(PROTOBUF.as_bytes()) {
        Encoding::Protobuf
    } else {
        Encoding::Json
    }
}

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn respond(encoding: Encoding, body: Body) -> Answer {
    let mut response = Response::new(body);
    let name = match encoding {
        Encoding::Json => JSON,
        Encoding::Protobuf => PROTOBUF,
    };
    let name = HeaderValue::from_static(name);
    response.headers_mut().insert(CONTENT_TYPE, name);
    response
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

fn streamed(parts: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    let frames = parts.map(|bytes| Ok(Frame::data(bytes)));
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

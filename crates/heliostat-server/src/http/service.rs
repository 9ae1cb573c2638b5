//! One request: from method and path to the room that answers it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::api_server::discovery;
use crate::api_server::fault::{Fault, Verb};
use crate::api_server::media::Encoding;
use crate::api_server::negotiate::{negotiate_status, wants_aggregated_discovery};
use crate::api_server::route::{Route, Target};
use crate::api_server::view::status_body;
use crate::collection::kind::{Kind, Scope};
use crate::collection::query::Query;
use crate::collection::status::Status;
use crate::faults::{Injected, Order};
use crate::handle::StorageHandle;
use crate::served::Served;

use super::body::{Body, indented, whole};
use super::config::{Config, Documents};
use super::gauge::WatchGauge;
use super::log::{RequestLog, RequestRecord};
use super::{health, read, write};

/// How long a document of the server behind a mirror may take.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// What all requests of a server share.
pub(crate) struct ServerState {
    pub(crate) served: Arc<dyn Served>,
    /// The storage that takes writes, or why none are taken.
    pub(crate) writes: Result<StorageHandle, String>,
    pub(crate) faults: Injected,
    pub(crate) gauge: WatchGauge,
    pub(crate) log: RequestLog,
    pub(crate) shutdown: watch::Receiver<bool>,
    pub(crate) config: Config,
    pub(crate) documents: Documents,
    pub(crate) address: SocketAddr,
}

impl ServerState {
    /// How long a watch lasts that does not say: between once and twice the configured time.
    pub(crate) fn default_watch_timeout(&self) -> Duration {
        let least = self.config.watch_timeout;
        let spread = u64::try_from(least.as_millis()).unwrap_or(u64::MAX);
        least + Duration::from_millis(self.served.random_below(spread.saturating_add(1)))
    }
}

/// Why a request gets no answer: its connection is closed instead.
#[derive(Debug, Error)]
pub(crate) enum NoAnswer {
    /// A fault wanted it so.
    #[error("the connection was dropped on purpose")]
    Dropped,
}

/// A request whose resource is known.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a ServerState,
    pub(crate) kind: Arc<Kind>,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) verb: Verb,
    pub(crate) faults: Vec<Fault>,
}

impl Call<'_> {
    pub(crate) fn accept(&self) -> Option<&str> {
        text(&self.headers, header::ACCEPT)
    }

    pub(crate) fn has_fault(&self, fault: &Fault) -> bool {
        self.faults.contains(fault)
    }
}

/// The text of a header, if it is text.
pub(crate) fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Answers a request.
pub(crate) async fn serve(
    state: Arc<ServerState>,
    request: Request<Incoming>,
) -> Result<Response<Body>, NoAnswer> {
    let pretty = wants_pretty(&request);
    let encoding = negotiate_status(text(request.headers(), header::ACCEPT));
    match dispatch(&state, request, pretty).await {
        Ok(response) => Ok(response),
        Err(Refusal::NoAnswer(reason)) => Err(reason),
        Err(Refusal::Status(status)) => Ok(status_response(&status, encoding, pretty)),
    }
}

/// Why a request is not answered with what it asks for.
#[derive(Debug)]
pub(crate) enum Refusal {
    Status(Status),
    NoAnswer(NoAnswer),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// What a handler returns.
pub(crate) type Outcome = Result<Response<Body>, Refusal>;

async fn dispatch(state: &ServerState, request: Request<Incoming>, pretty: bool) -> Outcome {
    let route = Route::parse(request.uri().path());
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let Route::Resource(target) = route else {
        if request.method() != Method::GET {
            return Err(Status::method_not_allowed(request.method().as_str(), "").into());
        }
        if matches!(route, Route::OpenApiIndex | Route::OpenApi(_))
            && let Some(document) = openapi(state, request.uri()).await
        {
            return Ok(json(StatusCode::OK, document.into()));
        }
        let accept = text(request.headers(), header::ACCEPT).map(str::to_owned);
        let known = text(request.headers(), header::IF_NONE_MATCH);
        return Ok(document(state, &route, &query, accept.as_deref(), known));
    };
    let of = &target.of;
    let registry = state.served.registry();
    let kind = registry.find(&of.group, &of.version, &target.plural);
    let Some(kind) = kind.cloned() else {
        return Ok(page_not_found());
    };
    let verb = verb(&kind, request.method(), &target, &query)?;
    state.log.add(RequestRecord::new(verb, &kind, &request));
    let faults = state.faults.take(verb, kind.qualified());
    let (parts, body) = request.into_parts();
    let call = Call {
        state,
        kind,
        target,
        query,
        headers: parts.headers,
        verb,
        faults,
    };
    if let Some(outcome) = faulty(&call).await {
        return outcome;
    }
    match verb {
        Verb::Get => read::get(&call, pretty).await,
        Verb::List => read::list(&call, pretty).await,
        Verb::Watch => read::watch(&call),
        Verb::Create | Verb::Update | Verb::Patch | Verb::Delete => {
            write::write(&call, body, pretty).await
        }
    }
}

/// The verb of a request, or why there is none.
fn verb(kind: &Kind, method: &Method, target: &Target, query: &Query) -> Result<Verb, Status> {
    let named = target.name.is_some();
    let all_namespaces = kind.is_namespaced() && target.namespace.is_none();
    let misplaced = kind.scope() == Scope::Cluster && target.namespace.is_some();
    if misplaced || (named && all_namespaces) {
        return Err(Status::no_such_resource());
    }
    match target.subresource.as_deref() {
        None => {}
        Some("status") if kind.has_status() => {}
        Some("finalize") if kind.plural() == "namespaces" => {}
        Some(_) => return Err(Status::no_such_resource()),
    }
    let refused = |verb: &str| Err(Status::method_not_allowed(verb, kind.plural()));
    match (method.as_str(), named) {
        ("GET", true) => Ok(Verb::Get),
        ("GET", false) if query.flag("watch") => Ok(Verb::Watch),
        ("GET", false) => Ok(Verb::List),
        ("POST", false) if !all_namespaces => Ok(Verb::Create),
        ("PUT", true) => Ok(Verb::Update),
        ("PATCH", true) => Ok(Verb::Patch),
        ("DELETE", true) if target.subresource.is_none() => Ok(Verb::Delete),
        ("DELETE", false) if !all_namespaces => Ok(Verb::Delete),
        (other, _) => refused(&other.to_lowercase()),
    }
}

/// Carries out the faults that take the place of an answer.
async fn faulty(call: &Call<'_>) -> Option<Outcome> {
    for fault in &call.faults {
        let status = match fault {
            Fault::DropConnection => return Some(Err(Refusal::NoAnswer(NoAnswer::Dropped))),
            Fault::Stall => {
                stall(call).await;
                return Some(Err(Refusal::NoAnswer(NoAnswer::Dropped)));
            }
            Fault::TooManyRequests { retry_after } => {
                return Some(Ok(too_many_requests(*retry_after)));
            }
            Fault::Html => return Some(Ok(html())),
            Fault::InternalError => Status::internal_error("injected fault"),
            Fault::Unavailable { retry_after } => {
                let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX);
                Status::unavailable(
                    "the server is currently unable to handle the request",
                    seconds,
                )
            }
            Fault::NotReady { retry_after } => {
                let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX);
                Status::too_many_requests("storage is (re)initializing", seconds)
            }
            Fault::Expired => {
                Status::expired("The resourceVersion for the provided list is too old.")
            }
            Fault::Forbidden => Status::forbidden(
                &call.kind,
                call.verb.as_str(),
                call.target.namespace.as_deref(),
            ),
            _ => continue,
        };
        return Some(Err(status.into()));
    }
    None
}

/// Says nothing until the server stops or the stalled are cut off.
async fn stall(call: &Call<'_>) {
    let mut shutdown = call.state.shutdown.clone();
    let mut orders = call.state.faults.orders();
    let seen = orders.borrow().serial();
    let cut = |order: Option<Order>| matches!(order, Some(Order::Cut | Order::Close));
    tokio::select! {
        biased;
        _ = shutdown.wait_for(|stops| *stops) => {}
        _ = orders.wait_for(|orders| cut(orders.after(seen, call.kind.qualified()))) => {}
    }
}

/// Everything that is not a resource.
fn document(
    state: &ServerState,
    route: &Route,
    query: &Query,
    accept: Option<&str>,
    known: Option<&str>,
) -> Response<Body> {
    let aggregated = wants_aggregated_discovery(accept);
    let registry = state.served.registry();
    let registry = &*registry;
    let version = || match &state.documents.version {
        Some(version) => version.to_vec(),
        None => discovery::version(),
    };
    let found = match route {
        Route::Root => Some(discovery::root(registry)),
        Route::Version => Some(version()),
        Route::Metrics => None,
        Route::CoreVersions if !aggregated => {
            Some(discovery::core_versions(&state.address.to_string()))
        }
        Route::Groups if !aggregated => Some(discovery::groups(registry)),
        Route::CoreVersions => Some(discovery::aggregated(registry, true)),
        Route::Groups => Some(discovery::aggregated(registry, false)),
        Route::Group(name) => discovery::group(registry, name),
        Route::Resources(of) => discovery::resources(registry, of),
        Route::OpenApiIndex => Some(discovery::openapi_index(registry)),
        Route::OpenApi(of) => discovery::openapi(registry, of),
        Route::Health(_) | Route::Resource(_) | Route::Unknown => None,
    };
    match (found, route) {
        (Some(bytes), Route::CoreVersions | Route::Groups) if aggregated => {
            aggregated_discovery(bytes, known)
        }
        (Some(bytes), _) => json(StatusCode::OK, bytes),
        (None, Route::Metrics) => metrics(state),
        (None, Route::Health(endpoint)) => health::answer(endpoint, &state.served.checks(), query),
        (None, _) => page_not_found(),
    }
}

/// The document of the server behind a mirror, if it has one and says so in time.
async fn openapi(state: &ServerState, uri: &Uri) -> Option<String> {
    let fetch = state.documents.openapi.as_ref()?;
    let path = uri.path_and_query()?.as_str().to_owned();
    timeout(DOCUMENT_TIMEOUT, fetch(path)).await.ok()?
}

fn metrics(state: &ServerState) -> Response<Body> {
    let Some(metrics) = &state.documents.metrics else {
        return page_not_found();
    };
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    respond(StatusCode::OK, content_type, whole(metrics()))
}

fn aggregated_discovery(bytes: Vec<u8>, known: Option<&str>) -> Response<Body> {
    let etag = format!("\"{}\"", discovery::etag(&bytes));
    let mut response = if known == Some(etag.as_str()) {
        respond(
            StatusCode::NOT_MODIFIED,
            discovery::AGGREGATED_TYPE,
            whole(""),
        )
    } else {
        respond(StatusCode::OK, discovery::AGGREGATED_TYPE, whole(bytes))
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// A response with the headers that all have.
pub(crate) fn respond(code: StatusCode, content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    response
}

/// A response with an object, a list or a status; JSON is indented if people read it.
pub(crate) fn answer(
    code: StatusCode,
    encoding: Encoding,
    bytes: Vec<u8>,
    pretty: bool,
) -> Response<Body> {
    let bytes = if pretty && encoding == Encoding::Json {
        indented(&bytes)
    } else {
        bytes
    };
    respond(code, encoding.media_type(), whole(bytes))
}

/// A JSON response that is all there.
fn json(code: StatusCode, bytes: Vec<u8>) -> Response<Body> {
    respond(code, "application/json", whole(bytes))
}

/// A status in the encoding that the client accepts, or indented JSON if it accepts none.
pub(crate) fn status_response(
    status: &Status,
    encoding: Option<Encoding>,
    pretty: bool,
) -> Response<Body> {
    let code = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = status_body(status, encoding.unwrap_or(Encoding::Json));
    let mut response = match encoding {
        Some(encoding) => answer(code, encoding, bytes, pretty),
        None => json(code, indented(&bytes).trim_ascii_end().to_vec()),
    };
    if let Some(seconds) = status.retry_after() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The answer to paths that nothing is served under: not a `Status`.
fn page_not_found() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn plain(code: StatusCode, message: &'static str) -> Response<Body> {
    let mut response = respond(code, "text/plain; charset=utf-8", whole(message));
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// What flow control answers: not a `Status` either.
fn too_many_requests(retry_after: Duration) -> Response<Body> {
    let text = "Too many requests, please try again later.\n";
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, text);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, retry_after.as_secs().into());
    response
}

fn html() -> Response<Body> {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign \
                in.</body></html>\n";
    respond(StatusCode::OK, "text/html; charset=utf-8", whole(page))
}

/// Whether JSON is to be indented: asked for, or a program that people use by hand.
fn wants_pretty(request: &Request<Incoming>) -> bool {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let agent = text(request.headers(), header::USER_AGENT).unwrap_or_default();
    query.optional_flag("pretty").unwrap_or_else(|| {
        ["curl", "Wget", "Mozilla/5.0"]
            .iter()
            .any(|prefix| agent.starts_with(prefix))
    })
}

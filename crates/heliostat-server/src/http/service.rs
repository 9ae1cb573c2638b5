//! One request: from method and path to the room that answers it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::api_server::discovery;
use crate::api_server::fault::{Fault, Verb};
use crate::api_server::negotiate::{negotiate_status, wants_aggregated_discovery};
use crate::api_server::route::{Route, Target};
use crate::collection::kind::{Kind, Scope};
use crate::collection::query::Query;
use crate::collection::status::Status;
use crate::faults::Order;

use super::body::{Body, whole};
use super::call::{Call, NoAnswer, Outcome, Refusal, text};
use super::log::RequestRecord;
use super::response::{html, json, page_not_found, respond, status_response, too_many_requests};
use super::state::ServerState;
use super::{health, read, write};

/// How long a document of the server behind a mirror may take.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);

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

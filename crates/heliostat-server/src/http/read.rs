//! Gets, lists and watches over HTTP.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use crate::api_server::fault::Fault;
use crate::api_server::media::Encoding;
use crate::api_server::negotiate::{Answer, negotiate};
use crate::api_server::table::IncludeObject;
use crate::api_server::view::Renderer;
use crate::collection::options::{self, Freshness, ListPlan, WatchPlan};
use crate::collection::reading::Page;
use crate::collection::status::{Status, StatusCause};

use super::body::{Body, gzipped, pieces, streamed};
use super::call::{Call, Outcome, text};
use super::response::{answer, respond};
use super::watch::WatchStream;

/// Lists above this size are compressed for clients that can read it, as in kube-apiserver.
const GZIP_BYTES_MIN: usize = 128 * 1024;

/// The renderer for what the client accepts.
///
/// # Errors
/// A 406, or a 400 for a table with an unknown `includeObject`.
pub(crate) fn renderer(call: &Call<'_>, answer: Answer) -> Result<Renderer, Status> {
    let format = negotiate(&call.kind, call.accept(), answer)?;
    let include = call.query.text("includeObject");
    let include = IncludeObject::parse(include).ok_or_else(|| {
        Status::bad_request(format!(
            "Unable to convert to Table as requested: unrecognized includeObject value: {include:?}"
        ))
    })?;
    Ok(Renderer::new(Arc::clone(&call.kind), format, include))
}

/// Waits until the collection is new enough, but not for ever.
async fn wait_fresh(call: &Call<'_>, freshness: Freshness) -> Result<(), Status> {
    let (served, patience) = (&call.state.served, call.state.config.too_large_wait);
    served.check_loaded(&call.kind)?;
    match served.wait_fresh(&call.kind, freshness, patience) {
        Some(wait) => wait.await,
        None => Ok(()),
    }
}

/// One object.
pub(crate) async fn get(call: &Call<'_>, pretty: bool) -> Outcome {
    let renderer = renderer(call, Answer::Object)?;
    wait_fresh(call, options::get_freshness(&call.query)?).await?;
    let name = call.target.name.as_deref().unwrap_or_default();
    let key = call
        .kind
        .key(call.target.namespace.as_deref().unwrap_or_default(), name);
    let served = &call.state.served;
    let object = served.get(&call.kind, &key);
    let mut object = object.ok_or_else(|| Status::not_found(&call.kind, name))?;
    if call.has_fault(&Fault::MalformedObject) {
        object = Arc::new(object.malformed(&call.kind));
    }
    let mut bytes = renderer.single(&object, served.now())?;
    if call.has_fault(&Fault::InvalidJson) {
        bytes.insert(0, b'{');
    }
    Ok(answer(StatusCode::OK, renderer.encoding(), bytes, pretty))
}

/// A collection, or a page of it.
pub(crate) async fn list(call: &Call<'_>, pretty: bool) -> Outcome {
    let renderer = renderer(call, Answer::List)?;
    let plan = ListPlan::parse(&call.kind, call.target.namespace.as_deref(), &call.query)?;
    wait_fresh(call, plan.freshness()).await?;
    let served = &call.state.served;
    let page = served.list(&call.kind, &plan)?;
    let page = with_faults(call, page);
    let encoding = renderer.encoding();
    let list = renderer.list(page, served.now())?;
    let broken = call.has_fault(&Fault::InvalidJson).then(|| b"{".to_vec());
    let (small, list) = (list.is_small(), broken.into_iter().chain(list));
    let pretty = pretty && encoding == Encoding::Json;
    if pretty || small {
        let bytes: Vec<u8> = list.flatten().collect();
        if bytes.len() <= GZIP_BYTES_MIN || pretty {
            return Ok(answer(StatusCode::OK, encoding, bytes, pretty));
        }
        return Ok(large(call, encoding, std::iter::once(bytes)));
    }
    Ok(large(call, encoding, list))
}

fn large(
    call: &Call<'_>,
    encoding: Encoding,
    list: impl Iterator<Item = Vec<u8>> + Send + 'static,
) -> Response<Body> {
    let media_type = encoding.media_type();
    let mut response = if accepts_gzip(&call.headers) {
        let mut response = respond(StatusCode::OK, media_type, pieces(gzipped(list)));
        let gzip = HeaderValue::from_static("gzip");
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, gzip);
        response
    } else {
        respond(StatusCode::OK, media_type, pieces(list))
    };
    let vary = HeaderValue::from_static("Accept-Encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}

/// Only a bare token counts; with parameters kube-apiserver does not see it either.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = text(headers, header::ACCEPT_ENCODING).unwrap_or_default();
    accepted.split(',').any(|coding| coding.trim() == "gzip")
}

fn with_faults(call: &Call<'_>, mut page: Page) -> Page {
    if call.has_fault(&Fault::MalformedObject)
        && let Some(first) = page.items.first_mut()
    {
        *first = Arc::new(first.malformed(&call.kind));
    }
    if call.has_fault(&Fault::RepeatContinue) {
        let token = call.query.text("continue");
        page.next = if token.is_empty() {
            page.next
        } else {
            Some(token.to_owned())
        };
    }
    page
}

/// Changes of a collection as they happen.
pub(crate) fn watch(call: &Call<'_>) -> Outcome {
    let renderer = renderer(call, Answer::Watch)?;
    let plan = WatchPlan::parse(&call.kind, call.target.namespace.as_deref(), &call.query)?;
    let refused = call.has_fault(&Fault::RefuseWatchList) || !call.state.config.watch_list;
    if refused && plan.watch_list {
        let text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is \
                    enabled";
        let cause = StatusCause::forbidden("sendInitialEvents", text);
        return Err(Status::invalid_options(vec![cause]).into());
    }
    call.state.served.check_loaded(&call.kind)?;
    let kind = Arc::clone(&call.kind);
    let media_type = renderer.encoding().watch_media_type();
    let stream = WatchStream::open(call.state, kind, plan, renderer, &call.faults);
    Ok(respond(
        StatusCode::OK,
        media_type,
        streamed(stream.into_stream()),
    ))
}

//! Responses, with the headers that kube-apiserver sends.

use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use crate::api_server::media::Encoding;
use crate::api_server::view::status_body;
use crate::collection::status::Status;

use super::body::{Body, indented, whole};

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
pub(crate) fn json(code: StatusCode, bytes: Vec<u8>) -> Response<Body> {
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
pub(crate) fn page_not_found() -> Response<Body> {
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
pub(crate) fn too_many_requests(retry_after: Duration) -> Response<Body> {
    let text = "Too many requests, please try again later.\n";
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, text);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, retry_after.as_secs().into());
    response
}

pub(crate) fn html() -> Response<Body> {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign \
                in.</body></html>\n";
    respond(StatusCode::OK, "text/html; charset=utf-8", whole(page))
}

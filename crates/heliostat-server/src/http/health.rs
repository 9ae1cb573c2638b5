//! `/healthz`, `/livez`, `/readyz`: a server that answers is healthy.

use http::{Response, StatusCode};

use crate::collection::query::Query;

use super::body::{Body, whole};
use super::service::respond;

/// The checks there are. Both hold whenever a request can be answered at all.
const CHECKS: [&str; 2] = ["ping", "storage"];

/// Answers one of the endpoints, at length if asked for.
pub(crate) fn answer(endpoint: &str, query: &Query) -> Response<Body> {
    let text = if query.get("verbose").is_some() {
        let mut lines: String = CHECKS
            .iter()
            .map(|check| format!("[+]{check} ok\n"))
            .collect();
        lines.push_str(&format!("{endpoint} check passed\n"));
        lines
    } else {
        "ok".to_owned()
    };
    respond(StatusCode::OK, "text/plain; charset=utf-8", whole(text))
}

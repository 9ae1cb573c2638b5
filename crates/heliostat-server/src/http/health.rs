//! `/healthz`, `/livez`, `/readyz`: a server that answers is healthy.

use http::{Response, StatusCode};

use crate::collection::query::Query;
use crate::served::Check;

use super::body::{Body, whole};
use super::response::respond;

/// Answers one of the endpoints, at length if asked for or if a check fails. Only readiness depends on
/// the checks: a server that answers is alive.
pub(crate) fn answer(endpoint: &str, checks: &[Check], query: &Query) -> Response<Body> {
    let is_excluded = |check: &&Check| query.all("exclude").any(|name| name == check.name);
    let checks = checks.iter().filter(|check| !is_excluded(check));
    let asks = endpoint == "readyz";
    let failed = |check: &Check| asks && check.failure.is_some();
    let is_ok = !checks.clone().any(failed);
    if is_ok && query.get("verbose").is_none() {
        return text(StatusCode::OK, "ok".to_owned());
    }
    let mut lines: String = checks
        .map(|check| match &check.failure {
            Some(reason) if asks => format!("[-]{} failed: {reason}\n", check.name),
            _ => format!("[+]{} ok\n", check.name),
        })
        .collect();
    let (code, word) = match is_ok {
        true => (StatusCode::OK, "passed"),
        false => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
    };
    lines.push_str(&format!("{endpoint} check {word}\n"));
    text(code, lines)
}

fn text(code: StatusCode, text: String) -> Response<Body> {
    respond(code, "text/plain; charset=utf-8", whole(text))
}

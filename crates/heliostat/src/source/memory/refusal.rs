//! The words in which requests are refused: codes, reasons and causes as kube-apiserver 1.36 gives them.
//!
//! Clients decide by these, so a test against this source meets what a real server would answer.

use heliostat_core::status::{
    CAUSE_RESOURCE_VERSION_TOO_LARGE, Status, StatusCause, StatusDetails,
};
use heliostat_core::version::ResourceVersion;

/// A continue token whose revision has left the history, with one that goes on at the newest.
pub(super) fn expired_token(fresh: String) -> Status {
    let mut status = Status::failure(
        410,
        "Expired",
        "the continue token is too old: list again without it, or go on with the token in this \
         answer and accept an inconsistent list",
    );
    status.metadata.continue_token = fresh;
    status
}

/// An exact list of a revision that has left the history.
pub(super) fn expired_list() -> Status {
    Status::failure(410, "Expired", "the version asked for is too old")
}

/// A watch from a revision that has left the history.
pub(super) fn expired_watch(asked: u64, oldest: u64) -> Status {
    let message = format!("too old resource version: {asked} ({oldest})");
    Status::failure(410, "Expired", message)
}

/// A version that is not reached yet.
pub(super) fn too_large(asked: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let mut status = Status::failure(504, "Timeout", message);
    status.details = Some(StatusDetails {
        causes: vec![StatusCause {
            reason: CAUSE_RESOURCE_VERSION_TOO_LARGE.to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        }],
        retry_after_seconds: 1,
        ..StatusDetails::default()
    });
    status
}

/// Parameters that do not go together; `why` says it of `resourceVersionMatch`.
pub(super) fn forbidden_match(why: &str) -> Status {
    invalid("resourceVersionMatch", why)
}

/// A server without watch-lists.
pub(super) fn no_watch_list() -> Status {
    invalid(
        "sendInitialEvents",
        "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
    )
}

/// A version that is no number, on a list.
pub(super) fn malformed_list_version(version: &ResourceVersion) -> Status {
    bad_request(format!("invalid resource version: {version:?}"))
}

/// A version that is no number, on a watch: a 500 without a reason, as the real server answers.
pub(super) fn malformed_watch_version(version: &ResourceVersion) -> Status {
    Status::failure(500, "", format!("invalid resource version: {version:?}"))
}

/// A request that makes no sense.
pub(super) fn bad_request(message: impl Into<String>) -> Status {
    Status::failure(400, "BadRequest", message)
}

fn invalid(field: &str, why: &str) -> Status {
    let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}");
    let mut status = Status::failure(422, "Invalid", message);
    status.details = Some(StatusDetails {
        group: "meta.k8s.io".to_owned(),
        kind: "ListOptions".to_owned(),
        causes: vec![StatusCause {
            reason: "FieldValueForbidden".to_owned(),
            message: format!("Forbidden: {why}"),
            field: field.to_owned(),
        }],
        ..StatusDetails::default()
    });
    status
}

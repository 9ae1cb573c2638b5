//! Failures and successes as the wire has them: the `Status` object and every message that a
//! client may compare.
//!
//! The texts and codes are those of kube-apiserver 1.36; clients classify by them, so they are
//! part of the contract. A `Status` is one line of JSON with its keys in the order the Go type has
//! them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::kind::Kind;

/// An answer that is not an object: most often a failure, with everything a client may look at.
#[derive(Clone, Debug, Error, Eq, PartialEq, Serialize, Deserialize)]
#[error("{}", wire.message)]
#[serde(transparent)]
pub struct Status {
    // Boxed: it is the error of nearly every function here.
    wire: Box<Wire>,
}

/// A status as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
    metadata: StatusMetadata,
    status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<StatusDetails>,
    #[serde(default, skip_serializing_if = "is_zero")]
    code: u16,
}

fn is_zero(code: &u16) -> bool {
    *code == 0
}

/// The list metadata of a [`Status`]: holds a continue token in exactly one case, the expired one.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
struct StatusMetadata {
    #[serde(rename = "continue", default, skip_serializing_if = "String::is_empty")]
    continue_token: String,
}

/// What a [`Status`] is about.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusDetails {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    uid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<StatusCause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

/// One reason among several.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatusCause {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    field: String,
}

impl StatusCause {
    /// A cause of the type `FieldValueForbidden`.
    pub(crate) fn forbidden(field: &str, text: &str) -> Self {
        Self {
            reason: "FieldValueForbidden".to_owned(),
            message: format!("Forbidden: {text}"),
            field: field.to_owned(),
        }
    }

    /// A cause of the type `FieldValueNotSupported`; `supported` is the quoted, comma-separated list.
    pub(crate) fn not_supported(field: &str, value: &str, supported: &str) -> Self {
        Self {
            reason: "FieldValueNotSupported".to_owned(),
            message: format!("Unsupported value: {value:?}: supported values: {supported}"),
            field: field.to_owned(),
        }
    }

    /// A cause of the type `FieldValueRequired`.
    pub(crate) fn required(field: &str, text: &str) -> Self {
        Self {
            reason: "FieldValueRequired".to_owned(),
            message: format!("Required value: {text}"),
            field: field.to_owned(),
        }
    }

    /// A cause of the type `FieldValueInvalid`.
    pub(crate) fn invalid(field: &str, value: &str, text: &str) -> Self {
        Self {
            reason: "FieldValueInvalid".to_owned(),
            message: format!("Invalid value: {value:?}: {text}"),
            field: field.to_owned(),
        }
    }
}

impl Status {
    fn failure(code: u16, reason: &str, message: impl Into<String>) -> Self {
        let wire = Wire {
            kind: "Status".to_owned(),
            api_version: "v1".to_owned(),
            metadata: StatusMetadata::default(),
            status: "Failure".to_owned(),
            message: message.into(),
            reason: reason.to_owned(),
            details: None,
            code,
        };
        Self {
            wire: Box::new(wire),
        }
    }

    fn with_details(mut self, details: StatusDetails) -> Self {
        self.wire.details = Some(details);
        self
    }

    fn about(kind: &Kind, name: &str) -> StatusDetails {
        StatusDetails {
            name: name.to_owned(),
            group: kind.group().to_owned(),
            kind: kind.plural().to_owned(),
            ..StatusDetails::default()
        }
    }

    /// 200: the object is gone.
    pub(crate) fn deleted(kind: &Kind, name: &str, uid: &str) -> Self {
        let details = StatusDetails {
            uid: uid.to_owned(),
            ..Self::about(kind, name)
        };
        let mut status = Self::failure(0, "", "").with_details(details);
        status.wire.status = "Success".to_owned();
        status
    }

    /// 400: the request cannot be understood.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message)
    }

    /// 403: the request is understood and refused.
    pub(crate) fn forbidden(kind: &Kind, verb: &str, namespace: Option<&str>) -> Self {
        let scope = namespace.map_or_else(
            || "at the cluster scope".to_owned(),
            |it| format!("in the namespace {it:?}"),
        );
        let message = format!(
            "{} is forbidden: User \"system:anonymous\" cannot {verb} resource {:?} in API group \
             {:?} {scope}",
            kind.qualified(),
            kind.plural(),
            kind.group()
        );
        Self::failure(403, "Forbidden", message).with_details(Self::about(kind, ""))
    }

    /// 404: no object of that name.
    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} not found", kind.qualified());
        Self::failure(404, "NotFound", message).with_details(Self::about(kind, name))
    }

    /// 404: nothing is served under this path for this verb.
    pub(crate) fn no_such_resource() -> Self {
        Self::failure(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
        .with_details(StatusDetails::default())
    }

    /// 405: the resource exists but does not do this.
    pub(crate) fn method_not_allowed(verb: &str, kind: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind {kind:?}");
        Self::failure(405, "MethodNotAllowed", message)
    }

    /// 405 of a server that mirrors another one, which takes writes.
    pub(crate) fn read_only(verb: &str, kind: &str, write_to: &str) -> Self {
        let message = format!(
            "{verb} is not supported on resources of kind {kind:?}: this server is a read-only mirror; \
             write to {write_to}"
        );
        Self::failure(405, "MethodNotAllowed", message)
    }

    /// 406: nothing in `Accept` can be produced.
    pub(crate) fn not_acceptable(message: impl Into<String>) -> Self {
        Self::failure(406, "NotAcceptable", message)
    }

    /// 406 before any handler: no media type in `Accept` is one of the route.
    pub(crate) fn not_acceptable_route(available: &str) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {available}");
        Self::not_acceptable(message).with_details(StatusDetails::default())
    }

    /// 409: an object of that name is there already.
    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", kind.qualified());
        Self::failure(409, "AlreadyExists", message).with_details(Self::about(kind, name))
    }

    /// 409: the optimistic lock or a precondition failed, for the reason given.
    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            kind.qualified()
        );
        Self::failure(409, "Conflict", message).with_details(Self::about(kind, name))
    }

    /// 409: the object's version is not the one the writer has seen.
    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(kind, name, why)
    }

    /// 410: the version is older than the history. Also what a watch's ERROR event holds.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message)
    }

    /// 410 as a watch sees it: the asked version and the smallest one still accepted.
    pub(crate) fn too_old(asked: u64, oldest: u64) -> Self {
        Self::expired(format!("too old resource version: {asked} ({oldest})"))
    }

    /// 410 for an exact list.
    pub(crate) fn exact_expired() -> Self {
        Self::expired("The resourceVersion for the provided list is too old.")
    }

    /// 410 for a continuation, with the token that goes on at the newest version instead.
    pub(crate) fn continue_expired(inconsistent: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list \
            result. You can start a new list without the continue parameter, or use the continue \
            token in this response to retrieve the remainder of the results. Continuing with the \
            provided token results in an inconsistent list - objects that were created, modified, \
            or deleted between the time the first chunk was returned and now may show up in the \
            list.";
        let mut status = Self::expired(message);
        status.wire.metadata.continue_token = inconsistent;
        status
    }

    /// 413: the body is larger than the server reads.
    pub(crate) fn too_large_body(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::failure(413, "RequestEntityTooLarge", message)
    }

    /// 415: the body's format is not one of `accepted`.
    pub(crate) fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             {accepted}"
        );
        Self::failure(415, "UnsupportedMediaType", message)
    }

    /// 422: fields of an object or of the options are wrong; one cause for each.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<StatusCause>) -> Self {
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let mut texts: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let text = if texts.len() == 1 {
            texts.remove(0)
        } else {
            format!("[{}]", texts.join(", "))
        };
        let details = StatusDetails {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes,
            ..StatusDetails::default()
        };
        let message = format!("{qualified} {name:?} is invalid: {text}");
        Self::failure(422, "Invalid", message).with_details(details)
    }

    /// 422 about list options.
    pub(crate) fn invalid_options(causes: Vec<StatusCause>) -> Self {
        Self::invalid("meta.k8s.io", "ListOptions", "", causes)
    }

    /// 429 from a server whose storage is not ready.
    pub(crate) fn too_many_requests(message: impl Into<String>, retry_after: u32) -> Self {
        let details = StatusDetails {
            retry_after_seconds: Some(retry_after),
            ..StatusDetails::default()
        };
        Self::failure(429, "TooManyRequests", message).with_details(details)
    }

    /// 500 with a reason that clients know.
    pub(crate) fn internal_error(cause: &str) -> Self {
        let details = StatusDetails {
            causes: vec![StatusCause {
                reason: String::new(),
                message: cause.to_owned(),
                field: String::new(),
            }],
            ..StatusDetails::default()
        };
        let message = format!("Internal error occurred: {cause}");
        Self::failure(500, "InternalError", message).with_details(details)
    }

    /// 500 without a reason: an error the real server never classified.
    pub(crate) fn plain_error(message: impl Into<String>) -> Self {
        Self::failure(500, "", message)
    }

    /// 503: try again later.
    pub(crate) fn unavailable(message: impl Into<String>, retry_after: u32) -> Self {
        let details = StatusDetails {
            retry_after_seconds: Some(retry_after),
            ..StatusDetails::default()
        };
        Self::failure(503, "ServiceUnavailable", message).with_details(details)
    }

    /// 504: the asked version is newer than the server's.
    pub(crate) fn too_large_version(asked: u64, current: u64) -> Self {
        let details = StatusDetails {
            causes: vec![StatusCause {
                reason: "ResourceVersionTooLarge".to_owned(),
                message: "Too large resource version".to_owned(),
                field: String::new(),
            }],
            retry_after_seconds: Some(1),
            ..StatusDetails::default()
        };
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        Self::failure(504, "Timeout", message).with_details(details)
    }

    /// 504: nothing proved in time that a version is the newest.
    pub(crate) fn unproven_version(current: u64) -> Self {
        let details = StatusDetails {
            causes: vec![StatusCause {
                reason: "ResourceVersionTooLarge".to_owned(),
                message: "Too large resource version".to_owned(),
                field: String::new(),
            }],
            retry_after_seconds: Some(1),
            ..StatusDetails::default()
        };
        let message = format!(
            "Timeout: the source of this mirror did not say in time whether version {current} is its \
             newest; a request with resourceVersion=0 is answered from what is there"
        );
        Self::failure(504, "Timeout", message).with_details(details)
    }

    /// 400: a mirror that does not ask its source cannot answer a read that names no version.
    pub(crate) fn no_consistent_reads(kind: &str) -> Self {
        Self::bad_request(format!(
            "this mirror answers no consistent reads of {kind}; name a version, or ask for any with \
             resourceVersion=0"
        ))
    }

    /// 504: the request was not complete in time.
    pub(crate) fn request_timeout() -> Self {
        let message = "Timeout: request did not complete within the allotted timeout";
        Self::failure(504, "Timeout", message)
    }

    /// The HTTP status code; a success has 200.
    pub fn code(&self) -> u16 {
        if self.wire.code == 0 {
            200
        } else {
            self.wire.code
        }
    }

    /// The machine-readable word, empty where the wire has none.
    pub fn reason(&self) -> &str {
        &self.wire.reason
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.wire.message
    }

    /// The continue token of an expired continuation, if there is one.
    pub fn continue_token(&self) -> Option<&str> {
        Some(self.wire.metadata.continue_token.as_str()).filter(|token| !token.is_empty())
    }

    /// `reason@field` of every cause, in order.
    pub fn causes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.wire
            .details
            .iter()
            .flat_map(|details| &details.causes)
            .map(|cause| (cause.reason.as_str(), cause.field.as_str()))
    }

    /// Seconds to wait before trying again, mirrored in the `Retry-After` header.
    pub fn retry_after(&self) -> Option<u32> {
        self.wire
            .details
            .as_ref()
            .and_then(|details| details.retry_after_seconds)
    }

    /// One line of JSON with the newline at its end.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = self.to_json();
        line.push(b'\n');
        line
    }

    /// One line of JSON without the newline.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // A struct of strings and numbers always serializes.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

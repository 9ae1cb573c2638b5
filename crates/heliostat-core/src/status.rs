//! `Status` as the wire has it, with the predicates that classify it.
//!
//! This is the only place where an HTTP code or a reason is compared. The rule is the reference
//! client's: a reason that is a known word decides; otherwise the code does; 429 is recognised by
//! its code whatever the reason says.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::printable::printable;

/// The answer of a Kubernetes API server that is not an object.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// List metadata; carries a fresh continue token in some 410 answers.
    #[serde(deserialize_with = "or_default")]
    pub metadata: StatusMetadata,
    /// `Success` or `Failure`.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// For people.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
    /// The machine's word for what happened; may be empty.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub reason: String,
    /// What it happened to, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<StatusDetails>,
    /// The HTTP code; in a watch's ERROR event the only code there is.
    #[serde(deserialize_with = "or_default")]
    pub code: u16,
}

/// The list metadata of a [`Status`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct StatusMetadata {
    /// A token that goes on at the newest version, in a 410 for an expired continue token.
    #[serde(
        rename = "continue",
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub continue_token: String,
}

/// What a [`Status`] is about.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StatusDetails {
    /// The object's name; for `ServerTimeout` the verb.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub name: String,
    /// The API group.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub group: String,
    /// Usually the plural resource.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub kind: String,
    /// The object's uid.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub uid: String,
    /// More detailed causes.
    #[serde(
        deserialize_with = "each_or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub causes: Vec<StatusCause>,
    /// How long to wait before the next try, in seconds; zero if the server did not say. A number
    /// that is too large for the type is read as the largest.
    #[serde(deserialize_with = "whole_seconds", skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

/// One cause of a [`Status`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct StatusCause {
    /// The cause's type.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub reason: String,
    /// For people.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub message: String,
    /// The field it is about.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub field: String,
}

/// The cause that marks a version newer than the server (Kubernetes 1.19 and later).
pub const CAUSE_RESOURCE_VERSION_TOO_LARGE: &str = "ResourceVersionTooLarge";
/// The cause that marks an answer which was no `Status` object.
pub const CAUSE_UNEXPECTED_SERVER_RESPONSE: &str = "UnexpectedServerResponse";
/// The cause that marks a watch stream which could not be decoded.
pub const CAUSE_CLIENT_WATCH_DECODING: &str = "ClientWatchDecoding";

/// Older servers say it in words: as a cause's message (1.17.0–1.18.5) or in the status's (before).
const TOO_LARGE_TEXT: &str = "Too large resource version";

/// Reasons that decide by themselves; for any other the code decides.
const KNOWN_REASONS: [&str; 19] = [
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "AlreadyExists",
    "Conflict",
    "Gone",
    "Invalid",
    "ServerTimeout",
    "StoreReadError",
    "Timeout",
    "TooManyRequests",
    "BadRequest",
    "MethodNotAllowed",
    "NotAcceptable",
    "RequestEntityTooLarge",
    "UnsupportedMediaType",
    "InternalError",
    "Expired",
    "ServiceUnavailable",
];

/// How many characters of an answer that is no `Status` are kept for the message.
const BODY_EXCERPT_CHARS: usize = 256;

impl Status {
    /// A failure with a reason, a code and a message.
    pub fn failure(code: u16, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status: "Failure".to_owned(),
            code,
            reason: reason.into(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// What an HTTP answer that is not a success means.
    ///
    /// A body that is a `Status` object speaks for itself. Anything else (plain text, a proxy's HTML
    /// page, nothing) becomes a `Status` by its code, marked with the cause
    /// [`CAUSE_UNEXPECTED_SERVER_RESPONSE`]. A `Retry-After` header is kept where the body has none.
    #[must_use]
    pub fn from_response(
        code: u16,
        method: &str,
        retry_after: Option<Duration>,
        body: &[u8],
    ) -> Self {
        let status = Self::parse(body).unwrap_or_else(|| Self::generic(code, method, body));
        status.with_head(code, retry_after)
    }

    /// Takes from the head of an answer what its body, which is this, does not tell.
    #[must_use]
    pub fn with_head(mut self, code: u16, retry_after: Option<Duration>) -> Self {
        if self.code == 0 {
            self.code = code;
        }
        if let Some(wait) = retry_after {
            let details = self.details.get_or_insert_with(StatusDetails::default);
            if details.retry_after_seconds == 0 {
                details.retry_after_seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
            }
        }
        self
    }

    /// Reads a `Status` object, if the bytes are one: kind `Status` of `v1` or `meta.k8s.io/v1`.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Envelope {
            kind: String,
            api_version: String,
            #[serde(flatten)]
            status: Status,
        }
        let envelope: Envelope = serde_json::from_slice(body).ok()?;
        let versioned = matches!(envelope.api_version.as_str(), "v1" | "meta.k8s.io/v1");
        (envelope.kind == "Status" && versioned).then_some(envelope.status)
    }

    fn generic(code: u16, method: &str, body: &[u8]) -> Self {
        let reason = generic_reason(code, method);
        let text = excerpt(body);
        let message = format!("the server answered {code}: {text}");
        let mut status = Self::failure(code, reason, message);
        status.details = Some(StatusDetails {
            causes: vec![StatusCause {
                reason: CAUSE_UNEXPECTED_SERVER_RESPONSE.to_owned(),
                message: text,
                field: String::new(),
            }],
            ..StatusDetails::default()
        });
        status
    }

    /// The version has left the history: reason `Expired` and nothing else, as pagers ask it.
    #[must_use]
    pub fn is_resource_expired(&self) -> bool {
        self.reason == "Expired"
    }

    /// The version has left the history: reason `Expired` or `Gone`, or an unnamed 410.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.is_resource_expired() || self.is(410, "Gone")
    }

    /// The version is newer than the server: any of the three forms servers have used.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        let Some(details) = &self.details else {
            return false;
        };
        let typed = |cause: &StatusCause| cause.reason == CAUSE_RESOURCE_VERSION_TOO_LARGE;
        if details.causes.iter().any(typed) {
            return true;
        }
        self.is_timeout()
            && (details
                .causes
                .iter()
                .any(|cause| cause.message == TOO_LARGE_TEXT)
                || self.message.contains(TOO_LARGE_TEXT))
    }

    /// The server asks for fewer requests.
    #[must_use]
    pub fn is_too_many_requests(&self) -> bool {
        self.reason == "TooManyRequests" || self.code == 429
    }

    /// The server failed on its side; `StoreReadError`, `ServerTimeout` and the like are not this.
    #[must_use]
    pub fn is_internal_error(&self) -> bool {
        self.is(500, "InternalError")
    }

    /// The server gave up waiting.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.is(504, "Timeout")
    }

    /// The request's combination of parameters is refused.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.is(422, "Invalid")
    }

    /// The request could not be understood.
    #[must_use]
    pub fn is_bad_request(&self) -> bool {
        self.is(400, "BadRequest")
    }

    /// The credentials are missing, wrong or have run out.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.is(401, "Unauthorized")
    }

    /// The caller is known and may not do this.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.is(403, "Forbidden")
    }

    /// The object, or the whole kind, is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.is(404, "NotFound")
    }

    /// None of the encodings asked for is served.
    #[must_use]
    pub fn is_not_acceptable(&self) -> bool {
        self.is(406, "NotAcceptable")
    }

    /// The encoding asked for, or one of its parameters, is not known.
    #[must_use]
    pub fn is_unsupported_media_type(&self) -> bool {
        self.is(415, "UnsupportedMediaType")
    }

    /// How long the server asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
    }

    /// True if the reason says so, or if the reason is no known word and the code says so.
    fn is(&self, code: u16, reason: &str) -> bool {
        self.reason == reason || (self.code == code && !self.has_known_reason())
    }

    fn has_known_reason(&self) -> bool {
        KNOWN_REASONS.contains(&self.reason.as_str())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = if self.message.is_empty() {
            "no message"
        } else {
            &self.message
        };
        let message = printable(message);
        match (self.reason.as_str(), self.code) {
            ("", code) => write!(f, "{message} ({code})"),
            (reason, code) => write!(f, "{message} ({code} {})", printable(reason)),
        }
    }
}

/// The reason that the reference client gives an answer without one.
fn generic_reason(code: u16, method: &str) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        409 if method == "POST" => "AlreadyExists",
        409 => "Conflict",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        500.. => "InternalError",
        _ => "",
    }
}

/// The first line of a body, shortened, for a message that fits a line.
fn excerpt(body: &[u8]) -> String {
    let start = body
        .get(..body.len().min(4 * BODY_EXCERPT_CHARS))
        .unwrap_or(body);
    let text = String::from_utf8_lossy(start);
    let line = text.trim().lines().next().unwrap_or("").trim();
    if line.is_empty() {
        return "an empty body".to_owned();
    }
    line.chars().take(BODY_EXCERPT_CHARS).collect()
}

/// Servers in other languages send `null` for what is absent.
fn or_default<'de, D, V>(deserializer: D) -> Result<V, D::Error>
where
    D: serde::Deserializer<'de>,
    V: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The same for the elements of a list.
fn each_or_default<'de, D, V>(deserializer: D) -> Result<Vec<V>, D::Error>
where
    D: serde::Deserializer<'de>,
    V: Default + Deserialize<'de>,
{
    let elements: Vec<Option<V>> = or_default(deserializer)?;
    Ok(elements
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect())
}

/// A number outside the range must not cost the whole `Status`: its code and reason decide more.
fn whole_seconds<'de, D>(deserializer: D) -> Result<u32, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let seconds: f64 = or_default(deserializer)?;
    // The conversion ends at the bounds of the type.
    Ok(seconds.ceil() as u32)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str) -> Status {
        Status::failure(code, reason, "")
    }

    #[test]
    fn e_01_no_reason_and_no_code_is_nothing() {
        let nothing = status(0, "");
        assert!(!nothing.is_expired() && !nothing.is_too_large() && !nothing.is_internal_error());
        assert!(!nothing.is_too_many_requests() && !nothing.is_timeout() && !nothing.is_invalid());
    }

    #[test]
    fn e_02_the_code_decides_only_when_the_reason_is_unknown() {
        assert!(status(500, "").is_internal_error());
        assert!(status(500, "SomethingNew").is_internal_error());
        assert!(!status(500, "NotFound").is_internal_error());
        assert!(status(200, "NotFound").is_not_found());
    }

    #[test]
    fn e_03_three_notions_of_expired() {
        assert!(status(410, "Expired").is_resource_expired());
        assert!(!status(410, "Gone").is_resource_expired());
        assert!(status(410, "Gone").is_expired());
        assert!(status(410, "").is_expired());
        assert!(!status(410, "").is_resource_expired());
        assert!(!status(410, "Conflict").is_expired());
    }

    #[test]
    fn e_04_too_large_in_its_three_forms() {
        let cause = |reason: &str, message: &str| StatusDetails {
            causes: vec![StatusCause {
                reason: reason.to_owned(),
                message: message.to_owned(),
                field: String::new(),
            }],
            ..StatusDetails::default()
        };
        let with = |code, reason: &str, message: &str, details| Status {
            details,
            ..Status::failure(code, reason, message)
        };
        let typed = cause("ResourceVersionTooLarge", "");
        assert!(with(504, "Timeout", "", Some(typed)).is_too_large());
        let worded = cause("", "Too large resource version");
        assert!(with(504, "Timeout", "", Some(worded.clone())).is_too_large());
        assert!(!with(500, "InternalError", "", Some(worded)).is_too_large());
        let text = "Too large resource version: 9, current: 5";
        assert!(with(504, "", text, Some(StatusDetails::default())).is_too_large());
        assert!(!with(504, "Timeout", text, None).is_too_large());
    }

    #[test]
    fn e_05_too_many_requests_by_code_or_reason() {
        assert!(status(429, "").is_too_many_requests());
        assert!(status(429, "Conflict").is_too_many_requests());
        assert!(status(500, "TooManyRequests").is_too_many_requests());
    }

    #[test]
    fn e_06_store_read_errors_are_not_internal_errors() {
        assert!(status(500, "InternalError").is_internal_error());
        for reason in ["StoreReadError", "ServerTimeout", "ServiceUnavailable"] {
            assert!(!status(500, reason).is_internal_error());
        }
        assert!(!status(503, "").is_internal_error());
    }

    #[test]
    fn e_07_timeout_and_invalid() {
        assert!(status(504, "").is_timeout());
        assert!(status(500, "Timeout").is_timeout());
        assert!(!status(504, "ServerTimeout").is_timeout());
        assert!(status(422, "").is_invalid());
        assert!(status(400, "Invalid").is_invalid());
    }

    #[test]
    fn e_10_a_plain_answer_becomes_a_status_by_its_code() {
        let reason = |code, method| Status::from_response(code, method, None, b"oops").reason;
        assert_eq!(reason(409, "POST"), "AlreadyExists");
        assert_eq!(reason(409, "GET"), "Conflict");
        assert_eq!(reason(502, "GET"), "InternalError");
        assert_eq!(reason(503, "GET"), "ServiceUnavailable");
        assert_eq!(reason(404, "GET"), "NotFound");
        let gone = Status::from_response(410, "GET", None, b"");
        assert!(gone.is_expired());
        let causes = gone.details.unwrap().causes;
        assert_eq!(causes[0].reason, CAUSE_UNEXPECTED_SERVER_RESPONSE);
    }

    #[test]
    fn retry_after_of_the_header_is_kept_where_the_body_has_none() {
        let wait = Some(Duration::from_secs(7));
        let plain = Status::from_response(429, "GET", wait, b"Too many requests");
        assert_eq!(plain.retry_after(), wait);
        let own =
            br#"{"kind":"Status","apiVersion":"v1","details":{"retryAfterSeconds":2},"code":504}"#;
        let status = Status::from_response(504, "GET", wait, own);
        assert_eq!(status.retry_after(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_time_to_wait_beyond_all_numbers_is_the_longest_one() {
        let seconds = |text: &str| {
            let body = format!(
                r#"{{"kind":"Status","apiVersion":"v1","code":429,"details":{{"retryAfterSeconds":{text}}}}}"#
            );
            Status::parse(body.as_bytes())
                .unwrap()
                .retry_after()
                .map(|wait| wait.as_secs())
        };
        assert_eq!(seconds("18446744073709551615"), Some(u64::from(u32::MAX)));
        assert_eq!(
            seconds("99999999999999999999999999"),
            Some(u64::from(u32::MAX))
        );
        assert_eq!(seconds("1.5"), Some(2));
        assert_eq!(seconds("-1"), None);
        let wait = Some(Duration::from_secs(u64::MAX));
        let status = Status::from_response(429, "GET", wait, b"");
        assert_eq!(
            status.retry_after(),
            Some(Duration::from_secs(u64::from(u32::MAX)))
        );
    }

    #[test]
    fn nulls_and_missing_fields_are_tolerated() {
        let body =
            br#"{"kind":"Status","apiVersion":"v1","metadata":null,"reason":null,"code":null}"#;
        assert_eq!(Status::parse(body), Some(Status::default()));
        let body =
            br#"{"kind":"Status","apiVersion":"v1","details":{"causes":[null,{"reason":null}],
            "retryAfterSeconds":null}}"#;
        let causes = Status::parse(body).unwrap().details.unwrap().causes;
        assert_eq!(causes, [StatusCause::default(), StatusCause::default()]);
        assert_eq!(Status::parse(br#"{"kind":"Pod","apiVersion":"v1"}"#), None);
        assert_eq!(Status::parse(b"<html>"), None);
    }
}

//! What a failed call means: whether another endpoint may answer, and which error it is for the engine.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use heliostat_core::error::{SourceError, TransportError, TransportErrorKind};
use heliostat_core::printable::printable;
use heliostat_core::status::{
    CAUSE_RESOURCE_VERSION_TOO_LARGE, Status, StatusCause, StatusDetails,
};
use tonic::Code;

use super::message::WatchResponse;

/// A call that one endpoint did not answer with what was asked for.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    endpoint: Arc<str>,
    /// What was done: `listing /my/app/`.
    what: Arc<str>,
    status: tonic::Status,
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Remedy {
    /// Ask another endpoint: this one, or the connection to it, is the problem.
    OtherEndpoint,
    /// Ask again with a new token.
    NewToken,
    /// Ask for fewer keys.
    SmallerPage,
    /// None: every endpoint would answer the same.
    None,
}

/// What a server says, in etcd's words (`api/v3rpc/rpctypes/error.go`).
const COMPACTED: &str = "required revision has been compacted";
const FUTURE: &str = "required revision is a future revision";
const INVALID_TOKEN: &str = "invalid auth token";
const OLD_AUTH_STORE: &str = "revision of auth store is old";
const NO_USER: &str = "user name is empty";
const WRONG_PASSWORD: &str = "authentication failed";
const AUTH_OFF: &str = "authentication is not enabled";
const NO_LEADER: &str = "no leader";

/// What is said of an endpoint that does not answer.
pub(super) const NO_ANSWER: &str = "no answer came within";

/// What tonic says of a message that is larger than it may be.
const TOO_LONG: &str = "message length too large";

/// What grpc-go says of a message that it may not send, or a proxy may not receive.
const SERVER_TOO_LONG: &str = "message larger than max";

impl Failure {
    pub(super) fn new(endpoint: &Arc<str>, what: &Arc<str>, status: tonic::Status) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            what: Arc::clone(what),
            status,
        }
    }

    /// True if an answer did not come in time.
    pub(super) fn is_late(&self) -> bool {
        self.status.code() == Code::DeadlineExceeded
    }

    pub(super) fn remedy(&self) -> Remedy {
        if self.says(INVALID_TOKEN) || self.says(OLD_AUTH_STORE) {
            return Remedy::NewToken;
        }
        if self.is_connection() {
            return Remedy::OtherEndpoint;
        }
        match self.status.code() {
            Code::OutOfRange if self.says(TOO_LONG) => Remedy::SmallerPage,
            Code::ResourceExhausted if self.says(SERVER_TOO_LONG) => Remedy::SmallerPage,
            // `FailedPrecondition` comes from a learner, which serves no linearizable read.
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Cancelled
            | Code::DataLoss
            | Code::FailedPrecondition
            | Code::Internal
            | Code::Unimplemented
            | Code::Unknown => Remedy::OtherEndpoint,
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::OutOfRange
            | Code::Unauthenticated => Remedy::None,
        }
    }

    /// True if the server has no users, so that a token is not needed.
    pub(super) fn is_auth_off(&self) -> bool {
        self.says(AUTH_OFF)
    }

    /// The error for the engine.
    pub(super) fn into_error(self) -> SourceError {
        self.error(self.to_string())
    }

    /// The error for the engine, with this text.
    fn error(&self, text: String) -> SourceError {
        if self.is_connection() {
            return self.transport(self.connection_kind(), text).into();
        }
        if self.says(COMPACTED) {
            return expired(text).into();
        }
        if self.says(FUTURE) {
            return too_large(text).into();
        }
        if self.says(INVALID_TOKEN) || self.says(NO_USER) || self.says(WRONG_PASSWORD) {
            return api(401, "Unauthorized", text);
        }
        if self.says(OLD_AUTH_STORE) {
            // The member has not applied a change of users that others have.
            return self.transport(TransportErrorKind::Closed, text).into();
        }
        match self.status.code() {
            Code::Unauthenticated => api(401, "Unauthorized", text),
            Code::PermissionDenied => api(403, "Forbidden", text),
            Code::ResourceExhausted => api(429, "TooManyRequests", text),
            Code::DeadlineExceeded => self.transport(TransportErrorKind::TimedOut, text).into(),
            Code::Unavailable | Code::Cancelled | Code::Aborted => {
                self.transport(TransportErrorKind::Closed, text).into()
            }
            Code::Unimplemented => SourceError::Request(text.into()),
            Code::Ok
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Internal
            | Code::DataLoss => api(500, "InternalError", text),
        }
    }

    /// The error of a stream that another endpoint may continue.
    pub(super) fn into_transport_error(self) -> SourceError {
        let text = self.to_string();
        self.transport(self.connection_kind(), text).into()
    }

    fn transport(&self, kind: TransportErrorKind, text: String) -> TransportError {
        TransportError::new(kind, text).with_source(self.status.clone())
    }

    fn says(&self, text: &str) -> bool {
        self.status.message().contains(text)
    }

    /// True if the server said nothing: the error was made on this side.
    fn is_connection(&self) -> bool {
        self.status.source().is_some() && !self.says(TOO_LONG)
    }

    fn connection_kind(&self) -> TransportErrorKind {
        if self.status.code() == Code::DeadlineExceeded {
            return TransportErrorKind::TimedOut;
        }
        for cause in causes(&self.status) {
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                match error.kind() {
                    io::ErrorKind::ConnectionRefused => return TransportErrorKind::Refused,
                    io::ErrorKind::TimedOut => return TransportErrorKind::TimedOut,
                    _ => {}
                }
            }
        }
        TransportErrorKind::Closed
    }

    /// What to do about it, where that is known.
    fn advice(&self) -> Option<&'static str> {
        let deepest = || causes(&self.status).last().map(ToString::to_string);
        let tls = |text: &str| deepest().is_some_and(|cause| cause.contains(text));
        if self.says(NO_LEADER) {
            return Some("the member has no leader: look at the other members of its cluster");
        }
        if self.says(NO_USER) {
            return Some("the server wants a user: set a user and a password");
        }
        if self.says(WRONG_PASSWORD) {
            return Some("look at the user and the password");
        }
        if self.says("request timed out") || self.says(NO_ANSWER) {
            return Some("its cluster may have no leader: look at the members");
        }
        match self.status.code() {
            Code::PermissionDenied => {
                Some("grant the user's role the permission to read this range")
            }
            Code::Unimplemented => Some("the endpoint does not serve etcd's API, version 3"),
            _ if tls("InvalidContentType") || tls("tls handshake eof") => {
                Some("the endpoint may not speak TLS: then its URL begins with http://")
            }
            _ if tls("UnknownIssuer") => Some("give the CA certificate of the endpoint"),
            _ if ["frame with invalid size", "broken pipe"]
                .into_iter()
                .any(tls) =>
            {
                Some("if the endpoint speaks TLS, its URL begins with https://")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, endpoint) = (printable(&self.what), printable(&self.endpoint));
        write!(
            f,
            "{what} at {endpoint}: {}",
            printable(self.status.message())
        )?;
        // What tonic says of a connection is in the deepest cause.
        if let Some(cause) = causes(&self.status).last() {
            let cause = cause.to_string();
            if cause != self.status.message() {
                write!(f, ": {}", printable(cause))?;
            }
        }
        match self.advice() {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

/// The error of a watch that the server cancelled with this reason, which is the text of a gRPC error:
/// "rpc error: code = PermissionDenied desc = ..".
pub(super) fn cancelled(reason: &str) -> tonic::Status {
    let says = |text: &str| reason.contains(text);
    let code = if says("PermissionDenied") || says("permission denied") {
        Code::PermissionDenied
    } else if says(INVALID_TOKEN) {
        Code::Unauthenticated
    } else if says(NO_LEADER) || says("Unavailable") {
        Code::Unavailable
    } else {
        Code::Unknown
    };
    tonic::Status::new(code, reason)
}

/// The error of a watch that the server cancels in its first response.
pub(super) fn refusal(response: &WatchResponse) -> tonic::Status {
    let reason = &response.cancel_reason;
    match response.compact_revision {
        oldest @ 1.. => tonic::Status::out_of_range(format!(
            "{COMPACTED}; the oldest that is left is {oldest}: {reason}"
        )),
        _ => cancelled(reason),
    }
}

/// The causes of an error, the deepest last.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| Error::source(cause))
}

/// A version that is no longer in the history.
pub(super) fn expired(message: String) -> Status {
    Status::failure(410, "Expired", message)
}

/// A request that another cluster answers than the one that the source follows.
pub(super) fn other_cluster(what: &str, followed: u64, other: u64) -> Status {
    tracing::warn!(
        "{what}: cluster {other:x} answers in the place of cluster {followed:x}; its objects replace those \
         that were mirrored"
    );
    expired(format!(
        "{what}: cluster {other:x} answers in the place of cluster {followed:x}; its revisions are others"
    ))
}

/// A version that the cluster has not reached, in the form that API servers use.
pub(super) fn too_large(message: String) -> Status {
    let cause = StatusCause {
        reason: CAUSE_RESOURCE_VERSION_TOO_LARGE.to_owned(),
        message: "Too large resource version".to_owned(),
        field: String::new(),
    };
    let details = StatusDetails {
        causes: vec![cause],
        retry_after_seconds: 1,
        ..StatusDetails::default()
    };
    Status {
        details: Some(details),
        ..Status::failure(504, "Timeout", message)
    }
}

/// The error of a call that no endpoint answered, which names each.
///
/// Of several errors it is one that waiting mends, if there is one: a member that restarts counts more than
/// a learner or an endpoint that is no etcd.
pub(super) fn none_answered(failures: &[Failure]) -> SourceError {
    let text = joined(failures);
    let errors = failures.iter().map(|failure| failure.error(text.clone()));
    let error = errors.min_by_key(rank);
    error.unwrap_or_else(|| SourceError::Request("the cluster has no endpoints".into()))
}

/// The error of a watch that no endpoint accepted. It is no reason to list again: the list would fail, too.
pub(super) fn none_accepted(failures: &[Failure]) -> SourceError {
    let text = joined(failures);
    let mut errors = failures
        .iter()
        .map(|failure| failure.transport(failure.connection_kind(), text.clone()));
    match errors.next() {
        Some(error) => error.into(),
        None => SourceError::Request("the cluster has no endpoints".into()),
    }
}

fn joined(failures: &[Failure]) -> String {
    let texts: Vec<String> = failures.iter().map(Failure::to_string).collect();
    match &*texts {
        [one] => one.clone(),
        _ => format!(
            "none of {} endpoints answered: {}",
            texts.len(),
            texts.join("; ")
        ),
    }
}

/// The order in which errors of several endpoints are chosen.
fn rank(error: &SourceError) -> u8 {
    match error {
        SourceError::Api(status) if status.is_too_many_requests() => 0,
        SourceError::Transport(_) => 1,
        SourceError::Api(_) => 2,
        _ => 3,
    }
}

fn api(code: u16, reason: &str, text: String) -> SourceError {
    Status::failure(code, reason, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: Code, message: &str) -> Failure {
        let status = tonic::Status::new(code, message);
        Failure::new(&"http://a:2379".into(), &"listing /x/".into(), status)
    }

    #[test]
    fn what_etcd_says_is_what_an_api_server_would_say() {
        let compacted = failure(
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
        );
        let error = compacted.into_error();
        assert!(error.status().unwrap().is_resource_expired(), "{error}");
        let future = failure(
            Code::OutOfRange,
            "etcdserver: mvcc: required revision is a future revision",
        );
        assert!(future.into_error().status().unwrap().is_too_large());
        let busy = failure(Code::ResourceExhausted, "etcdserver: too many requests");
        assert_eq!(busy.remedy(), Remedy::OtherEndpoint);
        assert!(busy.into_error().status().unwrap().is_too_many_requests());
        let denied = failure(Code::PermissionDenied, "etcdserver: permission denied");
        assert_eq!(denied.remedy(), Remedy::None);
        let error = denied.into_error();
        assert!(error.status().unwrap().is_forbidden());
        for part in ["http://a:2379", "/x/", "permission", "role"] {
            assert!(error.to_string().contains(part), "{error} lacks {part}");
        }
    }

    #[test]
    fn a_member_without_a_leader_is_left_for_another_and_its_error_is_no_reason_to_list() {
        let failure = failure(Code::Unavailable, "etcdserver: no leader");
        assert_eq!(failure.remedy(), Remedy::OtherEndpoint);
        let error = failure.into_error();
        assert!(matches!(error, SourceError::Transport(_)), "{error:?}");
        assert!(error.to_string().contains("no leader"), "{error}");
    }

    #[test]
    fn a_token_that_ran_out_is_renewed() {
        for (code, message) in [
            (Code::Unauthenticated, "etcdserver: invalid auth token"),
            (
                Code::InvalidArgument,
                "etcdserver: revision of auth store is old",
            ),
        ] {
            assert_eq!(failure(code, message).remedy(), Remedy::NewToken);
        }
        let reason = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
        let failure = Failure::new(&"a".into(), &"watching /x/".into(), cancelled(reason));
        assert_eq!(failure.remedy(), Remedy::NewToken);
    }

    #[test]
    fn an_answer_that_a_server_may_not_send_is_asked_for_in_smaller_pages() {
        let message = "trying to send message larger than max (2147483648 vs. 2147483647)";
        let failure = failure(Code::ResourceExhausted, message);
        assert_eq!(failure.remedy(), Remedy::SmallerPage);
    }

    #[test]
    fn a_member_that_restarts_counts_more_than_endpoints_that_are_of_no_use() {
        let restarting = failure(Code::Unavailable, "connection refused");
        let learner = failure(Code::FailedPrecondition, "rpc not supported for learner");
        let web_server = failure(Code::Unimplemented, "404");
        for failures in [
            [&restarting, &learner],
            [&learner, &restarting],
            [&web_server, &restarting],
        ] {
            let failures = failures.map(Failure::clone);
            let error = none_answered(&failures);
            assert!(matches!(error, SourceError::Transport(_)), "{error:?}");
        }
        let failures = [learner, web_server];
        let error = none_answered(&failures);
        assert!(matches!(error, SourceError::Api(_)), "{error:?}");
        for part in ["none of 2", "learner", "404"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = none_accepted(&failures);
        assert!(matches!(error, SourceError::Transport(_)), "{error:?}");
        assert!(error.to_string().contains("404"), "{error}");
    }

    #[test]
    fn a_watch_that_is_refused_for_a_compacted_revision_is_expired() {
        let refused = |compact_revision, cancel_reason: &str| {
            let response = WatchResponse {
                canceled: true,
                compact_revision,
                cancel_reason: cancel_reason.to_owned(),
                ..WatchResponse::default()
            };
            Failure::new(&"a".into(), &"watching /x/".into(), refusal(&response))
        };
        let compacted = refused(7, "");
        assert_eq!(compacted.remedy(), Remedy::None);
        let error = compacted.into_error();
        assert!(error.status().unwrap().is_resource_expired(), "{error}");
        assert!(error.to_string().contains("left is 7"), "{error}");
        let denied = refused(0, "rpc error: code = PermissionDenied desc = x");
        let error = denied.into_error();
        assert!(error.status().unwrap().is_forbidden(), "{error}");
    }

    #[test]
    fn a_member_whose_users_are_old_is_no_internal_error() {
        let message = "etcdserver: revision of auth store is old";
        let error = failure(Code::InvalidArgument, message).into_error();
        assert!(matches!(error, SourceError::Transport(_)), "{error:?}");
    }

    #[test]
    fn an_error_names_every_endpoint_that_did_not_answer() {
        let one = failure(Code::Unavailable, "etcdserver: no leader");
        let mut other = failure(Code::Unavailable, "etcdserver: request timed out");
        other.endpoint = "http://b:2379".into();
        let error = none_answered(&[one, other]).to_string();
        for part in ["http://a:2379", "http://b:2379", "none of 2"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

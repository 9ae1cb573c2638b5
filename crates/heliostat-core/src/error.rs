//! What can go wrong between the engine and its source.
//!
//! One failure may reach many listeners, so every error here is cheap to clone. What follows from an
//! error is decided in one place: [`crate::reflector::recovery`].

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::printable::{TEXT_BYTES_MAX, printable};
use crate::status::Status;

/// Number of bytes of a message about a request that are printed: it holds an address and a path beside
/// what the other side said.
const MESSAGE_BYTES_MAX: usize = 4 * TEXT_BYTES_MAX;

/// Why a list or a watch failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The server answered with an error.
    #[error("{0}")]
    Api(Arc<Status>),
    /// The server was not reached, or the connection was lost.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The server answered with something that cannot be understood.
    #[error(transparent)]
    Decode(DecodeError),
    /// The request cannot be made: a wrong name, selector or configuration. Trying again is of use
    /// only after somebody changed something.
    #[error("{}", printable(.0).bytes_max(MESSAGE_BYTES_MAX))]
    Request(Arc<str>),
    /// The server and the mirror have no encoding in common: the kind is not served in the one that
    /// was asked for, or its objects cannot be decoded from the one that came. Trying again is of use
    /// only after somebody changed something.
    #[error("{}", printable(.0).bytes_max(MESSAGE_BYTES_MAX))]
    Encoding(Arc<str>),
}

impl SourceError {
    /// The server's answer, if it gave one.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Api(status) => Some(status),
            Self::Transport(_) | Self::Decode(_) | Self::Request(_) | Self::Encoding(_) => None,
        }
    }

    /// A word for metrics and logs: few, stable, without names of objects.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Api(status) if status.is_too_many_requests() => "too_many_requests",
            Self::Api(status) if status.is_expired() => "expired",
            Self::Api(status) if status.is_too_large() => "version_too_large",
            Self::Api(status) if status.is_unauthorized() => "unauthorized",
            Self::Api(status) if status.is_forbidden() => "forbidden",
            Self::Api(status) if status.is_not_found() => "not_found",
            Self::Api(status) if status.is_internal_error() => "internal",
            Self::Api(_) => "api",
            Self::Transport(error) => error.kind.class(),
            Self::Decode(_) => "decode",
            Self::Request(_) => "request",
            Self::Encoding(_) => "encoding",
        }
    }
}

impl From<DecodeError> for SourceError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Status(status) => Self::Api(status),
            error => Self::Decode(error),
        }
    }
}

impl From<Status> for SourceError {
    fn from(status: Status) -> Self {
        Self::Api(Arc::new(status))
    }
}

/// A connection that could not be made or did not last.
#[derive(Clone, Debug)]
pub struct TransportError {
    /// What happened to the connection.
    pub kind: TransportErrorKind,
    message: Arc<str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What happened to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// Nobody listens at the address (`ECONNREFUSED`).
    Refused,
    /// The connection ended: end of file, reset, broken pipe, closed, HTTP/2 GOAWAY.
    Closed,
    /// Nothing came in time.
    TimedOut,
    /// Anything else: name resolution, TLS, an unreachable host.
    Other,
}

impl TransportErrorKind {
    const fn class(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::TimedOut => "timed_out",
            Self::Other => "transport",
        }
    }
}

impl TransportError {
    /// A transport error of this kind, with what was being done.
    pub fn new(kind: TransportErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}",
            printable(&self.message).bytes_max(MESSAGE_BYTES_MAX)
        )
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn Error + 'static))
    }
}

/// An answer that cannot be understood as a whole.
///
/// One object that cannot be understood is not this: see [`Rejection`](crate::event::Rejection).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not what the encoding allows.
    #[error("malformed {what} at byte {offset}: {}", printable(.reason))]
    Malformed {
        /// What was being read: `list`, `watch frame`.
        what: &'static str,
        /// How many bytes came before.
        offset: u64,
        /// The parser's word.
        reason: String,
    },
    /// The answer ended in the middle.
    #[error("{what} ended after {bytes} bytes, in the middle")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// How many bytes had come.
        bytes: u64,
    },
    /// One object or frame is larger than the limit.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was being read.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer has a content type that was not asked for, such as a proxy's HTML page.
    #[error(
        "the server answered with \"{}\", not with a Kubernetes {expected}: {}",
        printable(.content_type),
        printable(.excerpt)
    )]
    ContentType {
        /// The content type that came.
        content_type: String,
        /// What was asked for.
        expected: &'static str,
        /// The beginning of the body, to recognise whose page it is.
        excerpt: String,
    },
    /// A source sent a list without the part [`Metadata`](crate::event::ListPart::Metadata). The
    /// decoders of this crate always yield one: metadata that is null or missing is empty.
    #[error("the list has no metadata")]
    NoListMetadata,
    /// A list of another shape: a `Table`, or a single object.
    #[error("expected a list, got {}", printable(.0))]
    NotAList(String),
    /// A `Status` instead of a list or a watch stream, under an HTTP success. It has the same effect
    /// as a request that failed with it.
    #[error("the answer is a Status: {0}")]
    Status(Arc<Status>),
    /// The pages of a list do not come to an end.
    #[error("the list did not end after {pages} pages: {reason}")]
    EndlessList {
        /// How many pages came.
        pages: u64,
        /// How it was noticed.
        reason: &'static str,
    },
    /// An event of a type that the protocol does not have.
    #[error("unknown watch event type \"{}\"", printable(.0))]
    UnknownEventType(String),
    /// A value without an event type in a watch stream: an object of this kind, or of none.
    #[error("expected a watch event, got an object of kind {0:?}")]
    NotAnEvent(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Rejection, RejectionReason};
    use crate::object::{GroupVersionKind, ObjectKey};
    use crate::printable::is_harmful;

    /// Each error that holds a text from outside, made with this text.
    fn errors(text: &str) -> Vec<Box<dyn Error>> {
        let decode = |error: DecodeError| Box::new(SourceError::from(error)) as Box<dyn Error>;
        let status = Status::failure(500, text, text);
        let rejection = |reason| {
            Box::new(Rejection {
                key: Some(ObjectKey::cluster(text)),
                resource_version: text.into(),
                change: None,
                reason,
            }) as Box<dyn Error>
        };
        vec![
            Box::new(SourceError::from(status.clone())),
            Box::new(SourceError::Request(text.into())),
            Box::new(SourceError::Encoding(text.into())),
            Box::new(TransportError::new(TransportErrorKind::Other, text)),
            decode(DecodeError::Malformed {
                what: "list",
                offset: 0,
                reason: text.to_owned(),
            }),
            decode(DecodeError::ContentType {
                content_type: text.to_owned(),
                expected: "list",
                excerpt: text.to_owned(),
            }),
            decode(DecodeError::NotAList(text.to_owned())),
            decode(DecodeError::Status(Arc::new(status))),
            decode(DecodeError::UnknownEventType(text.to_owned())),
            rejection(RejectionReason::WrongKind {
                expected: GroupVersionKind::new("v1", "Pod"),
                actual: GroupVersionKind::new(text, text),
            }),
            rejection(RejectionReason::NoMetadata(text.to_owned())),
            rejection(RejectionReason::Undecodable(text.to_owned())),
            rejection(RejectionReason::Transform(text.to_owned())),
        ]
    }

    #[test]
    fn no_error_prints_a_text_from_outside_as_it_is() {
        for error in errors("x\x1b[2J\r\n\u{202e}") {
            let shown = error.to_string();
            assert!(!shown.contains(is_harmful), "{shown:?}");
            assert!(shown.contains(r"x\u{1b}[2J\r\n"), "{shown}");
        }
    }

    #[test]
    fn no_error_prints_a_text_of_megabytes() {
        for error in errors(&"x".repeat(5_000_000)) {
            let shown = error.to_string();
            assert!(shown.len() < 8 * TEXT_BYTES_MAX, "{} bytes", shown.len());
        }
    }
}

//! What a failed request means: the errors of HTTP, TLS and sockets as a [`SourceError`].
//!
//! The libraries below nest their errors several layers deep, so the whole chain of causes is
//! searched, and the first layer that says something definite decides.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use kube_client::client::AuthError;

use heliostat_core::error::{DecodeError, SourceError, TransportError, TransportErrorKind};

use super::credentials::CredentialsError;

/// A request as messages name it: `GET /api/v1/pods at https://10.0.0.1:6443`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RequestLine {
    path: Arc<str>,
    server: Option<Arc<str>>,
}

impl RequestLine {
    pub(super) fn new(path: &str, server: Option<Arc<str>>) -> Self {
        Self {
            path: Arc::from(path),
            server,
        }
    }

    /// A request that could not be sent, or whose answer did not come.
    pub(super) fn send_failed(&self, error: kube_client::Error) -> SourceError {
        if let Some(cause) = find(&error, explain_credentials) {
            // What the plugin or the token's file lacks may be there the next time.
            let message = format!("{self}: {cause}");
            let other = TransportErrorKind::Other;
            return TransportError::new(other, message)
                .with_source(error)
                .into();
        }
        self.broken(error, "the connection was closed before an answer came")
    }

    /// An answer that stopped in the middle.
    pub(super) fn read_failed(&self, error: kube_client::Error) -> SourceError {
        self.broken(
            error,
            "the connection was closed in the middle of the answer",
        )
    }

    fn broken(&self, error: kube_client::Error, closed: &str) -> SourceError {
        let kind = classify(&error).unwrap_or(TransportErrorKind::Other);
        let cause = root_cause(&error);
        let message = match kind {
            TransportErrorKind::Refused => format!("{self}: connection refused"),
            TransportErrorKind::Closed => format!("{self}: {closed} ({cause})"),
            TransportErrorKind::TimedOut => format!("{self}: timed out ({cause})"),
            _ => format!("{self}: {cause}"),
        };
        TransportError::new(kind, message).with_source(error).into()
    }

    /// The answer ended in the middle of an event, and HTTP did not notice.
    pub(super) fn cut_off(&self, error: &DecodeError) -> SourceError {
        let message = format!("{self}: {error}");
        TransportError::new(TransportErrorKind::Closed, message).into()
    }
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}", self.path)?;
        match &self.server {
            Some(server) => write!(f, " at {server}"),
            None => Ok(()),
        }
    }
}

/// Why there are no credentials: those of a connection of ours, or of a client of the user's own.
fn explain_credentials(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<Arc<CredentialsError>>() {
        return Some(error.to_string());
    }
    let error = error.downcast_ref::<AuthError>()?;
    Some(format!("cannot get credentials: {}", explain_auth(error)))
}

/// Why there are no credentials. What a plugin printed to its standard output is left out, since
/// that is where credentials come from.
fn explain_auth(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(cause) => format!("cannot start the plugin: {cause}"),
        AuthError::AuthExecRun { cmd, out } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let last = said.trim().lines().last().unwrap_or("it said nothing");
            // Quoted words; the arguments may hold secrets too.
            let program = cmd.split(' ').next().unwrap_or_default();
            format!("{program} failed with {}: {last}", out.status)
        }
        other => other.to_string(),
    }
}

/// The first definite word in a chain of causes.
fn classify(error: &(dyn Error + 'static)) -> Option<TransportErrorKind> {
    find(error, classify_layer)
}

/// The first layer of a chain of causes that something can be made of.
fn find<'a, T>(
    error: &'a (dyn Error + 'static),
    of_layer: impl Fn(&'a (dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut layer = Some(error);
    while let Some(error) = layer {
        if let Some(found) = of_layer(error) {
            return Some(found);
        }
        layer = next_layer(error);
    }
    None
}

fn classify_layer(error: &(dyn Error + 'static)) -> Option<TransportErrorKind> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return classify_io(error.kind());
    }
    if let Some(error) = downcast_as(kube_client::Error::HyperError, error) {
        let closed = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
        if closed {
            return Some(TransportErrorKind::Closed);
        }
        return error.is_timeout().then_some(TransportErrorKind::TimedOut);
    }
    // The words of the h2 crate for GOAWAY and RST_STREAM from the other side; a client of the
    // user's own may speak HTTP/2.
    let text = error.to_string();
    let ended = ["connection error received", "stream error received"];
    ended
        .iter()
        .any(|start| text.starts_with(start))
        .then_some(TransportErrorKind::Closed)
}

const fn classify_io(kind: io::ErrorKind) -> Option<TransportErrorKind> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some(TransportErrorKind::Refused),
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe => Some(TransportErrorKind::Closed),
        io::ErrorKind::TimedOut => Some(TransportErrorKind::TimedOut),
        _ => None,
    }
}

/// The cause below. `io::Error::source` skips the error that it wraps, so that one is asked first.
fn next_layer<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .map(|inner| inner as &(dyn Error + 'static));
    wrapped.or_else(|| error.source())
}

/// Downcasts to the type that a variant's constructor takes: hyper's error, without depending on
/// hyper for its name.
fn downcast_as<'a, T: Error + 'static>(
    _variant: fn(T) -> kube_client::Error,
    error: &'a (dyn Error + 'static),
) -> Option<&'a T> {
    error.downcast_ref()
}

/// The text of the deepest cause: the layers above only repeat that something failed.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(below) = next_layer(deepest) {
        deepest = below;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(kind: io::ErrorKind) -> kube_client::Error {
        let inner = io::Error::new(kind, "inner");
        kube_client::Error::Service(Box::new(io::Error::other(inner)))
    }

    #[test]
    fn e_08_only_a_refused_connection_is_refused() {
        let kind = |kind| classify(&wrapped(kind));
        assert_eq!(
            kind(io::ErrorKind::ConnectionRefused),
            Some(TransportErrorKind::Refused)
        );
        for other in [io::ErrorKind::HostUnreachable, io::ErrorKind::InvalidData] {
            assert_eq!(kind(other), None);
        }
    }

    #[test]
    fn e_11_what_counts_as_the_end_of_a_connection() {
        for kind in [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::NotConnected,
        ] {
            assert_eq!(classify(&wrapped(kind)), Some(TransportErrorKind::Closed));
        }
    }

    #[test]
    fn e_11_goaway_is_the_end_of_a_connection() {
        let goaway = "connection error received: not a result of an error";
        let error = kube_client::Error::Service(goaway.into());
        assert_eq!(classify(&error), Some(TransportErrorKind::Closed));
    }

    #[test]
    fn messages_name_the_request_the_server_and_the_deepest_cause() {
        let line = RequestLine::new("/api/v1/pods", Some(Arc::from("http://10.0.0.1:6443")));
        let text = line
            .send_failed(wrapped(io::ErrorKind::ConnectionRefused))
            .to_string();
        assert_eq!(
            text,
            "GET /api/v1/pods at http://10.0.0.1:6443: connection refused"
        );
        let text = line
            .read_failed(wrapped(io::ErrorKind::InvalidData))
            .to_string();
        assert_eq!(text, "GET /api/v1/pods at http://10.0.0.1:6443: inner");
    }
}

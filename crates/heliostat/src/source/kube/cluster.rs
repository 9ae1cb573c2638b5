//! `Cluster`: a `kube-client` [`Client`], the address it talks to, and how an answer is taken.
//!
//! Every request of the Kubernetes source goes through [`Cluster::get`]. What it gives back is an
//! answer of the right content type with a success code; everything else is an error by then.

use std::fmt;
use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderValue, Request, Response, Uri};
use kube_client::Client;
use kube_client::client::Body;

use heliostat_core::error::SourceError;

use super::answer;
use super::credentials::Credentials;
use super::encoding::Encoding;
use super::failure::RequestLine;

/// A connection to a Kubernetes API: what a [`KubeSource`](super::KubeSource) reads from.
///
/// Made by [`Connection`](super::Connection), or from any `kube_client::Client`. A clone shares the
/// connection pool.
///
/// A client of your own should not retry by itself (`Config::default_retry`) and should not have a
/// read timeout: the reflector decides about both, and an idle watch is healthy.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    credentials: Option<Credentials>,
    server: Option<Arc<str>>,
    compression: Compression,
}

impl Cluster {
    pub(super) fn new(
        client: Client,
        credentials: Credentials,
        server: &Uri,
        compression: Compression,
    ) -> Self {
        Self {
            client,
            credentials: Some(credentials),
            server: Some(Arc::from(display_address(server))),
            compression,
        }
    }

    /// The client below, for everything that is not a list or a watch.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The address of the server, where it is known: not for a client of the user's own.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// The namespace that the configuration names; `default` where it names none.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// Sets whether exec plugins that run from now on may use the terminal; they may by default.
    ///
    /// For a program that draws on the whole terminal. Meanwhile a plugin has no standard input, what it
    /// writes to standard error is logged, and one with `interactiveMode: Always` is not run: requests
    /// fail with an error that says so once the credentials before have ended. Nothing changes for a
    /// client of the user's own.
    pub fn set_interactive(&self, may_interact: bool) {
        if let Some(credentials) = &self.credentials {
            credentials.set_interactive(may_interact);
        }
    }

    /// Sends a request and checks the head of the answer.
    pub(super) async fn get(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let line = RequestLine::new(ask.named, self.server.clone());
        let mut request = Request::get(ask.target)
            .body(Body::empty())
            .map_err(|error| SourceError::Request(format!("{line}: {error}").into()))?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(ask.accept));
        let encoding = match (ask.compression, self.compression) {
            // Servers look for this very word; parameters would not be understood.
            (Compression::Allowed, Compression::Allowed) => "gzip",
            _ => "identity",
        };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| line.send_failed(error))?;
        let (response, encoding) = answer::check(response, ask.expected).await?;
        Ok(Answer {
            line,
            response,
            encoding,
        })
    }
}

impl From<Client> for Cluster {
    fn from(client: Client) -> Self {
        Self {
            client,
            credentials: None,
            server: None,
            compression: Compression::Allowed,
        }
    }
}

/// Shares the client, whose clones use the same connections.
impl From<&Client> for Cluster {
    fn from(client: &Client) -> Self {
        client.clone().into()
    }
}

impl From<&Self> for Cluster {
    fn from(cluster: &Self) -> Self {
        cluster.clone()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.server)
            .field("default_namespace", &self.default_namespace())
            .finish_non_exhaustive()
    }
}

/// What is asked of the server.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    /// Path and query.
    pub(super) target: &'a str,
    /// The request as messages name it: without selectors, tokens and timeouts.
    pub(super) named: &'a str,
    /// The `Accept` header.
    pub(super) accept: &'static str,
    /// What the answer should be, for messages: `list`, `watch stream`.
    pub(super) expected: &'static str,
    /// Whether the answer may be compressed.
    pub(super) compression: Compression,
}

/// Whether an answer may be compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Compression {
    /// As gzip.
    Allowed,
    /// Not at all. A watch is a trickle of small events, each of which must come through at once,
    /// and servers from 1.37 on send a watch-list as one gzip member for each flush: a client of the
    /// user's own may read the first member only.
    Refused,
}

/// The head of an answer that may be read on.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) line: RequestLine,
    pub(super) response: Response<Body>,
    pub(super) encoding: Encoding,
}

/// The address without credentials that somebody may have put into it.
pub(super) fn display_address(server: &Uri) -> String {
    let text = server.to_string();
    let address = match (text.split_once("://"), server.authority()) {
        (Some((scheme, rest)), Some(authority)) => match authority.as_str().rsplit_once('@') {
            Some((credentials, _)) => {
                let rest = rest.strip_prefix(credentials).unwrap_or(rest);
                format!("{scheme}://{}", rest.trim_start_matches('@'))
            }
            None => text,
        },
        _ => text,
    };
    address.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_credentials() {
        let shown = |text: &str| display_address(&text.parse().unwrap());
        assert_eq!(shown("https://me:secret@host:6443/"), "https://host:6443");
        assert_eq!(shown("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(shown("https://rancher/k8s/c"), "https://rancher/k8s/c");
    }
}

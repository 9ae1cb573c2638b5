//! `Cluster`: the endpoints of a cluster, and the choice among them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use heliostat_core::error::SourceError;

use super::failure::{Failure, Remedy, none_accepted, none_answered};
use super::grpc::{Endpoint, Token};
use super::message::{AuthenticateRequest, RangeRequest, RangeResponse};

/// The members of an etcd cluster, as [`Connection::connect`](super::Connection::connect) makes it.
///
/// Requests go to one endpoint as long as it answers, and then to the next one. A clone shares the
/// connections.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    endpoints: Vec<Endpoint>,
    /// The index of the endpoint that answered last.
    preferred: AtomicUsize,
    credentials: Option<Credentials>,
    token: Mutex<Option<Token>>,
}

/// A user and the password.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) name: String,
    pub(super) password: String,
}

/// An answer, and where it comes from.
#[derive(Debug)]
pub(super) struct Answered<R> {
    pub(super) endpoint: Endpoint,
    pub(super) answer: R,
}

impl Cluster {
    pub(super) fn new(endpoints: Vec<Endpoint>, credentials: Option<Credentials>) -> Self {
        Self(Arc::new(Inner {
            endpoints,
            preferred: AtomicUsize::new(0),
            credentials,
            token: Mutex::new(None),
        }))
    }

    /// The URLs of the endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.0.endpoints.iter().map(|endpoint| &*endpoint.url)
    }

    /// Reads a range of keys at the first endpoint that can.
    pub(super) async fn range(
        &self,
        what: &Arc<str>,
        request: RangeRequest,
    ) -> Result<RangeResponse, RangeFailure> {
        let answered = self.ask(what, |endpoint, token| {
            let request = request.clone();
            async move { endpoint.range(token, request).await }
        });
        match answered.await {
            Ok(answered) => Ok(answered.answer),
            Err(Unanswered::Final(failure)) if failure.remedy() == Remedy::SmallerPage => {
                Err(RangeFailure::TooLarge(failure.into_error()))
            }
            Err(Unanswered::All(failures)) if failures.iter().any(Failure::is_late) => {
                Err(RangeFailure::TooSlow(none_answered(&failures)))
            }
            Err(unanswered) => Err(RangeFailure::Error(unanswered.into_error())),
        }
    }

    /// Has the endpoints try a call, one after the other, until one succeeds or all fail.
    pub(super) async fn ask<R, C, F>(
        &self,
        what: &Arc<str>,
        call: C,
    ) -> Result<Answered<R>, Unanswered>
    where
        C: Fn(Endpoint, Option<Token>) -> F + Send + Sync,
        F: Future<Output = Result<R, tonic::Status>> + Send,
        R: Send,
    {
        let endpoints = &self.0.endpoints;
        let first = self.0.preferred.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for turn in 0..endpoints.len() {
            let index = (first + turn) % endpoints.len();
            let Some(endpoint) = endpoints.get(index) else {
                continue;
            };
            match self.ask_one(endpoint, what, &call).await {
                Ok(answer) => {
                    self.0.preferred.store(index, Ordering::Relaxed);
                    let endpoint = endpoint.clone();
                    return Ok(Answered { endpoint, answer });
                }
                // A member that refuses a new token may be behind the one that made it.
                Err(failure)
                    if matches!(failure.remedy(), Remedy::OtherEndpoint | Remedy::NewToken) =>
                {
                    tracing::debug!(%failure, "an etcd endpoint does not answer");
                    failures.push(failure);
                }
                Err(failure) => return Err(Unanswered::Final(failure)),
            }
        }
        Err(Unanswered::All(failures))
    }

    /// The endpoint failed in the middle of an answer: the next request goes to another one.
    pub(super) fn leave(&self, failed: &Endpoint) {
        let endpoints = &self.0.endpoints;
        let index = endpoints.iter().position(|it| it.url == failed.url);
        if let Some(index) = index {
            let next = (index + 1) % endpoints.len();
            // Only if no other request has left it before.
            let preferred = &self.0.preferred;
            let _ = preferred.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Calls one endpoint, with another token if the first one is of no use any more.
    async fn ask_one<R, C, F>(
        &self,
        endpoint: &Endpoint,
        what: &Arc<str>,
        call: &C,
    ) -> Result<R, Failure>
    where
        C: Fn(Endpoint, Option<Token>) -> F + Send + Sync,
        F: Future<Output = Result<R, tonic::Status>> + Send,
        R: Send,
    {
        let failed = |status| Failure::new(&endpoint.url, what, status);
        let mut is_renewed = false;
        loop {
            let token = self.token(endpoint).await?;
            match call(endpoint.clone(), token.clone()).await.map_err(failed) {
                Err(failure) if failure.remedy() == Remedy::NewToken => {
                    self.drop_token(token.as_ref());
                    if is_renewed {
                        return Err(failure);
                    }
                    is_renewed = true;
                }
                answered => return answered,
            }
        }
    }

    /// The token of the user, if there is a user.
    pub(super) async fn token(&self, endpoint: &Endpoint) -> Result<Option<Token>, Failure> {
        let Some(credentials) = &self.0.credentials else {
            return Ok(None);
        };
        if let Some(token) = self.known_token() {
            return Ok(Some(token));
        }
        let request = AuthenticateRequest {
            name: credentials.name.clone(),
            password: credentials.password.clone(),
        };
        let what = Arc::from(format!("authenticating {}", credentials.name));
        match endpoint.authenticate(request).await {
            Ok(token) => {
                *self.lock() = Some(token.clone());
                Ok(Some(token))
            }
            Err(status) => {
                let failure = Failure::new(&endpoint.url, &what, status);
                if failure.is_auth_off() {
                    return Ok(None);
                }
                Err(failure)
            }
        }
    }

    /// Forgets a token that was refused, unless there is a newer one. The next request asks for another.
    pub(super) fn drop_token(&self, refused: Option<&Token>) {
        self.lock().take_if(|token| Some(&*token) == refused);
    }

    fn known_token(&self) -> Option<Token> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Token>> {
        self.0.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a range was not read.
#[derive(Debug)]
pub(super) enum RangeFailure {
    /// The answer is larger than a message may be.
    TooLarge(SourceError),
    /// No endpoint answered, and one was not done in time.
    TooSlow(SourceError),
    /// Anything else.
    Error(SourceError),
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// No endpoint can be had.
    All(Vec<Failure>),
    /// An endpoint refused, as all would.
    Final(Failure),
}

impl Unanswered {
    /// The error of a watch.
    pub(super) fn into_watch_error(self) -> SourceError {
        match self {
            Self::All(failures) => none_accepted(&failures),
            Self::Final(failure) => failure.into_error(),
        }
    }

    /// The error of any other call.
    pub(super) fn into_error(self) -> SourceError {
        match self {
            Self::All(failures) => none_answered(&failures),
            Self::Final(failure) => failure.into_error(),
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.endpoints()).finish()
    }
}

/// The password is not shown.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_token_is_forgotten_and_a_newer_one_kept() {
        let cluster = Cluster::new(Vec::new(), None);
        let (old, new) = (Token::from_static("old"), Token::from_static("new"));
        *cluster.lock() = Some(new.clone());
        cluster.drop_token(Some(&old));
        assert_eq!(cluster.known_token(), Some(new.clone()));
        cluster.drop_token(Some(&new));
        assert_eq!(cluster.known_token(), None);
    }
}

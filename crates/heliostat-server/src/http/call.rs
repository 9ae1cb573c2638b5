//! `Call`: a request whose resource is known, and what a handler returns for it.

use std::sync::Arc;

use http::Response;
use http::header::{self, HeaderMap};
use thiserror::Error;

use crate::api_server::fault::{Fault, Verb};
use crate::api_server::route::Target;
use crate::collection::kind::Kind;
use crate::collection::query::Query;
use crate::collection::status::Status;

use super::body::Body;
use super::state::ServerState;

/// Why a request gets no answer: its connection is closed instead.
#[derive(Debug, Error)]
pub(crate) enum NoAnswer {
    /// A fault wanted it so.
    #[error("the connection was dropped on purpose")]
    Dropped,
}

/// A request whose resource is known.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a ServerState,
    pub(crate) kind: Arc<Kind>,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) verb: Verb,
    pub(crate) faults: Vec<Fault>,
}

impl Call<'_> {
    pub(crate) fn accept(&self) -> Option<&str> {
        text(&self.headers, header::ACCEPT)
    }

    pub(crate) fn has_fault(&self, fault: &Fault) -> bool {
        self.faults.contains(fault)
    }
}

/// The text of a header, if it is text.
pub(crate) fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Why a request is not answered with what it asks for.
#[derive(Debug)]
pub(crate) enum Refusal {
    Status(Status),
    NoAnswer(NoAnswer),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// What a handler returns.
pub(crate) type Outcome = Result<Response<Body>, Refusal>;

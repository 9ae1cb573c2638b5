//! The last requests, for tests that ask what a client did.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request};

use crate::api_server::fault::Verb;
use crate::collection::kind::Kind;
use crate::collection::query::Query;

/// How many requests are remembered; older ones are forgotten.
const RECORDS_MAX: usize = 4_096;

/// One request for a resource, as it came.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    verb: Verb,
    resource: String,
    method: Method,
    path: String,
    query: String,
}

impl RequestRecord {
    pub(crate) fn new<B>(verb: Verb, kind: &Kind, request: &Request<B>) -> Self {
        Self {
            verb,
            resource: kind.qualified().to_owned(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
        }
    }

    /// What was asked.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// Of which resource, as `pods` or `deployments.apps`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The HTTP method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path as it was sent.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query string as it was sent.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// One decoded parameter of the query string.
    pub fn parameter(&self, name: &str) -> Option<String> {
        Query::parse(&self.query).get(name).map(str::to_owned)
    }
}

/// A bounded log, shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestLog {
    records: Arc<Mutex<VecDeque<RequestRecord>>>,
}

impl RequestLog {
    pub(crate) fn add(&self, record: RequestRecord) {
        let mut records = self.records();
        if records.len() == RECORDS_MAX {
            records.pop_front();
        }
        records.push_back(record);
    }

    pub(crate) fn all(&self) -> Vec<RequestRecord> {
        self.records().iter().cloned().collect()
    }

    pub(crate) fn take(&self) -> Vec<RequestRecord> {
        self.records().drain(..).collect()
    }

    fn records(&self) -> MutexGuard<'_, VecDeque<RequestRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

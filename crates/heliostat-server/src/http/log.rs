//! The last requests, for tests that ask what a client did.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request};

use crate::api_server::fault::Verb;
use crate::collection::kind::Kind;
use crate::collection::query::Query;

/// How many requests are remembered; older ones are forgotten.
const RECORDS_MAX: usize = 4_096;

/// How many bytes their paths and queries may have together: a query may have 65 KB.
const RECORD_BYTES_MAX: usize = 4 << 20;

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

    /// About how many bytes the record takes.
    fn size(&self) -> usize {
        size_of::<Self>() + self.path.len() + self.query.len()
    }

    /// One decoded parameter of the query string.
    pub fn parameter(&self, name: &str) -> Option<String> {
        Query::parse(&self.query).get(name).map(str::to_owned)
    }
}

/// A bounded log, shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestLog {
    records: Arc<Mutex<Records>>,
}

#[derive(Debug, Default)]
struct Records {
    records: VecDeque<RequestRecord>,
    bytes: usize,
}

impl RequestLog {
    pub(crate) fn add(&self, record: RequestRecord) {
        let mut log = self.records();
        log.bytes += record.size();
        log.records.push_back(record);
        while log.records.len() > RECORDS_MAX || log.bytes > RECORD_BYTES_MAX {
            let Some(oldest) = log.records.pop_front() else {
                break;
            };
            log.bytes -= oldest.size();
        }
    }

    pub(crate) fn all(&self) -> Vec<RequestRecord> {
        self.records().records.iter().cloned().collect()
    }

    pub(crate) fn take(&self) -> Vec<RequestRecord> {
        std::mem::take(&mut *self.records()).records.into()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_queries_push_out_old_requests() {
        let log = RequestLog::default();
        let kind = Kind::known("", "v1", "Pod", "pods");
        let query = "x".repeat(65_000);
        for number in 0..200 {
            let uri = format!("/api/v1/pods?n={number}&{query}");
            let request = Request::get(uri).body(()).unwrap();
            log.add(RequestRecord::new(Verb::List, &kind, &request));
        }
        let all = log.take();
        assert!(all.len() * query.len() <= RECORD_BYTES_MAX && all.len() > 60);
        assert_eq!(all.last().unwrap().parameter("n").as_deref(), Some("199"));
        assert!(log.all().is_empty());
    }
}

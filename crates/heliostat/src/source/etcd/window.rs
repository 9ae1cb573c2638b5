//! A window of events that is older than the process: a list of the oldest state that is left, from which
//! a watch replays the history.

use std::sync::Arc;

use bytes::Bytes;
use heliostat_core::error::SourceError;

use super::cluster::{Cluster, RangeFailure};
use super::grpc::{Endpoint, Token};
use super::message::{RangeRequest, WatchCreateRequest, WatchRequest, unsigned};

/// The revision of an etcd that nothing was ever written to; it can be read as long as nothing is compacted.
const FIRST_REVISION: u64 = 1;

/// The oldest revision that can be listed. It may be compacted before it is.
pub(super) async fn oldest_revision(
    cluster: &Cluster,
    what: &Arc<str>,
    first: &Bytes,
    end: &Bytes,
) -> Result<u64, SourceError> {
    let request = RangeRequest {
        key: first.clone(),
        range_end: end.clone(),
        limit: 1,
        revision: FIRST_REVISION as i64,
        count_only: true,
    };
    match cluster.range(what, request).await {
        Ok(_) => return Ok(FIRST_REVISION),
        Err(RangeFailure::Error(error)) if is_compacted(&error) => {}
        Err(
            RangeFailure::Error(error)
            | RangeFailure::TooLarge(error)
            | RangeFailure::TooSlow(error),
        ) => return Err(error),
    }
    // Only a watch says which revision is the oldest: it is cancelled with it.
    let create = WatchCreateRequest {
        key: first.clone(),
        range_end: end.clone(),
        start_revision: FIRST_REVISION as i64,
        ..WatchCreateRequest::default()
    };
    let create = WatchRequest {
        create: Some(create),
        progress: None,
    };
    let cancelled = cluster.ask(what, |endpoint, token| {
        let create = create.clone();
        async move {
            // One time for all responses: events are no answer.
            endpoint
                .in_time(compact_revision(&endpoint, token, create))
                .await
        }
    });
    match cancelled.await {
        Ok(answered) => Ok(answered.answer),
        Err(unanswered) => Err(unanswered.into_error()),
    }
}

/// Reads a watch up to the response that cancels it with the oldest revision.
async fn compact_revision(
    endpoint: &Endpoint,
    token: Option<Token>,
    create: WatchRequest,
) -> Result<u64, tonic::Status> {
    let mut call = endpoint.watch(token, create).await?;
    while let Some(response) = endpoint.answer(&mut call).await? {
        if response.canceled && response.compact_revision > 0 {
            return Ok(unsigned(response.compact_revision));
        }
        if response.canceled {
            return Err(super::failure::cancelled(&response.cancel_reason));
        }
    }
    Err(tonic::Status::unavailable("the server ended the stream"))
}

/// True if the state was compacted.
pub(super) fn is_compacted(error: &SourceError) -> bool {
    let status = error.status();
    status.is_some_and(heliostat_core::status::Status::is_resource_expired)
}

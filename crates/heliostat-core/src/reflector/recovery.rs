//! What follows from a failure: one function, asked by the machine and by nothing else.

use std::time::Duration;

use crate::error::{SourceError, TransportErrorKind};

use super::config::WatchListFallback;

/// What was going on when a request failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
    /// A page of a list.
    List,
    /// Opening a watch.
    WatchRequest,
    /// In an open watch.
    WatchStream,
    /// A watch-list, before its end mark: opening it or in its stream.
    WatchList,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// Watch again from the last version, at once.
    Resume,
    /// Ask for the same again after a delay.
    Backoff {
        /// What the server asked for, if it did.
        at_least: Option<Duration>,
    },
    /// Watch again at once while the retry window is open; otherwise as [`Relist`](Self::Relist).
    RetryInPlace,
    /// End the round; after a delay the next one lists at the last version.
    Relist {
        /// What the server asked for, if it did.
        at_least: Option<Duration>,
    },
    /// The version is of no use: list the most recent state, at once.
    ListConsistently,
    /// List instead of the watch-list.
    FallBack,
}

/// Decides what follows from a failure.
///
/// The table is the reference reflector's (`client-go`), together with the retries that its HTTP
/// layer makes below it: an answer of 5xx that names a time to wait, given to a watch request or a
/// watch-list, is waited for, and a connection that closes or stays silent is no reason to list
/// again.
#[must_use]
pub fn recovery(error: &SourceError, phase: Phase, fallback: WatchListFallback) -> Recovery {
    match phase {
        Phase::List if names_lost_version(error) => Recovery::ListConsistently,
        Phase::List => Recovery::Relist {
            at_least: retry_after(error),
        },
        Phase::WatchRequest if is_unreachable(error) || asks_to_wait(error) => Recovery::Backoff {
            at_least: retry_after(error),
        },
        Phase::WatchRequest => Recovery::Relist {
            at_least: retry_after(error),
        },
        Phase::WatchStream => in_stream(error),
        Phase::WatchList if is_unreachable(error) || asks_to_wait(error) => Recovery::Backoff {
            at_least: retry_after(error),
        },
        Phase::WatchList if names_lost_version(error) => Recovery::ListConsistently,
        Phase::WatchList => match fallback {
            WatchListFallback::OnAnyError => Recovery::FallBack,
            WatchListFallback::OnInvalid if is_invalid(error) => Recovery::FallBack,
            WatchListFallback::OnInvalid => Recovery::Relist {
                at_least: retry_after(error),
            },
        },
    }
}

fn in_stream(error: &SourceError) -> Recovery {
    match error {
        SourceError::Api(status) if status.is_expired() => Recovery::Relist { at_least: None },
        SourceError::Api(status) if status.is_too_many_requests() => Recovery::Backoff {
            at_least: status.retry_after(),
        },
        SourceError::Api(status) if status.is_internal_error() => Recovery::RetryInPlace,
        // The reference's decoder hands an undecodable frame on as an internal error.
        SourceError::Decode(_) => Recovery::RetryInPlace,
        SourceError::Transport(_) => Recovery::Resume,
        SourceError::Api(_) | SourceError::Request(_) | SourceError::Encoding(_) => {
            Recovery::Relist {
                at_least: retry_after(error),
            }
        }
    }
}

/// Expired, gone or too large: nothing can be asked about this version.
fn names_lost_version(error: &SourceError) -> bool {
    error
        .status()
        .is_some_and(|status| status.is_expired() || status.is_too_large())
}

fn is_invalid(error: &SourceError) -> bool {
    error
        .status()
        .is_some_and(|status| status.is_invalid() || status.is_bad_request())
}

/// The server says when to come back: 429, or a 5xx with a time.
fn asks_to_wait(error: &SourceError) -> bool {
    error.status().is_some_and(|status| {
        let server_side = status.code >= 500 && !status.is_too_large();
        status.is_too_many_requests() || (server_side && status.retry_after().is_some())
    })
}

fn is_unreachable(error: &SourceError) -> bool {
    match error {
        SourceError::Transport(error) => match error.kind {
            TransportErrorKind::Refused
            | TransportErrorKind::Closed
            | TransportErrorKind::TimedOut => true,
            TransportErrorKind::Other => false,
        },
        SourceError::Api(_)
        | SourceError::Decode(_)
        | SourceError::Request(_)
        | SourceError::Encoding(_) => false,
    }
}

fn retry_after(error: &SourceError) -> Option<Duration> {
    error.status()?.retry_after()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{DecodeError, TransportError};
    use crate::status::{Status, StatusCause, StatusDetails};

    fn api(code: u16, reason: &str) -> SourceError {
        Status::failure(code, reason, "").into()
    }

    fn too_large() -> SourceError {
        let cause = StatusCause {
            reason: "ResourceVersionTooLarge".into(),
            ..StatusCause::default()
        };
        let details = StatusDetails {
            causes: vec![cause],
            ..StatusDetails::default()
        };
        Status {
            details: Some(details),
            ..Status::failure(504, "Timeout", "")
        }
        .into()
    }

    fn transport(kind: TransportErrorKind) -> SourceError {
        TransportError::new(kind, "test").into()
    }

    /// One row of the matrix: list, watch request, in stream, watch-list.
    fn row(error: &SourceError) -> [Recovery; 4] {
        [
            Phase::List,
            Phase::WatchRequest,
            Phase::WatchStream,
            Phase::WatchList,
        ]
        .map(|phase| recovery(error, phase, WatchListFallback::OnAnyError))
    }

    const RELIST: Recovery = Recovery::Relist { at_least: None };
    const BACKOFF: Recovery = Recovery::Backoff { at_least: None };
    use Recovery::{FallBack, ListConsistently, Resume, RetryInPlace};

    #[test]
    fn e_12_the_matrix_row_by_row() {
        use TransportErrorKind::{Closed, Other, Refused, TimedOut};
        let rows = [
            (transport(Refused), [RELIST, BACKOFF, Resume, BACKOFF]),
            (
                api(429, "TooManyRequests"),
                [RELIST, BACKOFF, BACKOFF, BACKOFF],
            ),
            (api(429, ""), [RELIST, BACKOFF, BACKOFF, BACKOFF]),
            (
                api(410, "Expired"),
                [ListConsistently, RELIST, RELIST, ListConsistently],
            ),
            (
                api(410, "Gone"),
                [ListConsistently, RELIST, RELIST, ListConsistently],
            ),
            (
                api(410, ""),
                [ListConsistently, RELIST, RELIST, ListConsistently],
            ),
            (
                too_large(),
                [ListConsistently, RELIST, RELIST, ListConsistently],
            ),
            (
                api(500, "InternalError"),
                [RELIST, RELIST, RetryInPlace, FallBack],
            ),
            (
                api(500, "StoreReadError"),
                [RELIST, RELIST, RELIST, FallBack],
            ),
            (api(422, "Invalid"), [RELIST, RELIST, RELIST, FallBack]),
            (api(403, "Forbidden"), [RELIST, RELIST, RELIST, FallBack]),
            (api(404, ""), [RELIST, RELIST, RELIST, FallBack]),
            (transport(Closed), [RELIST, BACKOFF, Resume, BACKOFF]),
            (transport(TimedOut), [RELIST, BACKOFF, Resume, BACKOFF]),
            (transport(Other), [RELIST, RELIST, Resume, FallBack]),
            (
                DecodeError::NoListMetadata.into(),
                [RELIST, RELIST, RetryInPlace, FallBack],
            ),
            (
                SourceError::Encoding("no protobuf".into()),
                [RELIST, RELIST, RELIST, FallBack],
            ),
        ];
        for (error, expected) in rows {
            assert_eq!(row(&error), expected, "{error} ({})", error.class());
        }
    }

    #[test]
    fn e_08_e_09_only_a_refused_connection_or_429_is_asked_again_without_a_word() {
        assert_eq!(row(&transport(TransportErrorKind::Refused))[1], BACKOFF);
        assert_eq!(row(&transport(TransportErrorKind::Other))[1], RELIST);
    }

    #[test]
    fn the_servers_time_to_wait_is_kept() {
        let wait = Duration::from_secs(5);
        let busy = |code| SourceError::from(Status::from_response(code, "GET", Some(wait), b""));
        let at_least = Some(wait);
        assert_eq!(row(&busy(429))[0], Recovery::Relist { at_least });
        assert_eq!(row(&busy(429))[1], Recovery::Backoff { at_least });
        assert_eq!(row(&busy(503))[1], Recovery::Backoff { at_least });
        assert_eq!(row(&busy(429))[3], Recovery::Backoff { at_least });
        assert_eq!(row(&busy(503))[3], Recovery::Backoff { at_least });
    }

    #[test]
    fn the_older_fallback_rule_falls_back_on_invalid_only() {
        let ask =
            |error: &SourceError| recovery(error, Phase::WatchList, WatchListFallback::OnInvalid);
        assert_eq!(ask(&api(422, "Invalid")), FallBack);
        assert_eq!(ask(&api(500, "InternalError")), RELIST);
    }
}

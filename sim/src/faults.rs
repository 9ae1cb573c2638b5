//! What can go wrong between a client and its server, and how often.
//!
//! Each seed draws which faults exist in its world at all: a world with few kinds of faults goes
//! deeper into each than a world with all of them.

use std::time::Duration;

use heliostat_core::error::{DecodeError, SourceError, TransportError, TransportErrorKind};
use heliostat_core::rng::Rng;
use heliostat_core::status::{
    CAUSE_RESOURCE_VERSION_TOO_LARGE, Status, StatusCause, StatusDetails,
};

use crate::coverage::Seen;

/// Instead of an answer to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestFault {
    /// Nobody listens.
    Refused,
    /// The connection closes.
    Closed,
    /// The transport gives up waiting.
    TimedOut,
    /// The host is not found.
    Unroutable,
    /// Nothing comes, for ever.
    Unanswered,
    /// 429, without a time.
    TooManyRequests,
    /// 429 with `Retry-After`.
    TooManyRequestsWithWait,
    /// 500 `InternalError`.
    InternalError,
    /// 500 with a reason of its own.
    StoreReadError,
    /// 503 with `Retry-After`.
    UnavailableWithWait,
    /// 403.
    Forbidden,
    /// 404 for the whole kind.
    NotFound,
    /// 410, whatever was asked for.
    Expired,
    /// 504 too large, whatever was asked for.
    TooLarge,
    /// Something that cannot be read.
    Garbage,
}

impl RequestFault {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Refused,
        Self::Closed,
        Self::TimedOut,
        Self::Unroutable,
        Self::Unanswered,
        Self::TooManyRequests,
        Self::TooManyRequestsWithWait,
        Self::InternalError,
        Self::StoreReadError,
        Self::UnavailableWithWait,
        Self::Forbidden,
        Self::NotFound,
        Self::Expired,
        Self::TooLarge,
        Self::Garbage,
    ];

    /// Those that can last for a while.
    pub const LASTING: [Self; 6] = [
        Self::Refused,
        Self::Unanswered,
        Self::TooManyRequestsWithWait,
        Self::Forbidden,
        Self::NotFound,
        Self::InternalError,
    ];

    /// Its counter.
    #[must_use]
    pub const fn seen(self) -> Seen {
        match self {
            Self::Refused => Seen::Refused,
            Self::Closed => Seen::Closed,
            Self::TimedOut => Seen::TimedOut,
            Self::Unroutable => Seen::Unroutable,
            Self::Unanswered => Seen::Unanswered,
            Self::TooManyRequests => Seen::TooManyRequests,
            Self::TooManyRequestsWithWait => Seen::TooManyRequestsWithWait,
            Self::InternalError => Seen::InternalError,
            Self::StoreReadError => Seen::StoreReadError,
            Self::UnavailableWithWait => Seen::UnavailableWithWait,
            Self::Forbidden => Seen::Forbidden,
            Self::NotFound => Seen::NotFound,
            Self::Expired => Seen::Expired,
            Self::TooLarge => Seen::TooLargeForNoReason,
            Self::Garbage => Seen::Garbage,
        }
    }

    /// The error that the client sees; none if it sees nothing at all.
    pub fn error(self, rng: &mut Rng) -> Option<SourceError> {
        let transport = |kind| TransportError::new(kind, "simulated").into();
        Some(match self {
            Self::Unanswered => return None,
            Self::Refused => transport(TransportErrorKind::Refused),
            Self::Closed => transport(TransportErrorKind::Closed),
            Self::TimedOut => transport(TransportErrorKind::TimedOut),
            Self::Unroutable => transport(TransportErrorKind::Other),
            Self::TooManyRequests => Status::failure(429, "TooManyRequests", "").into(),
            Self::TooManyRequestsWithWait => {
                with_wait(Status::failure(429, "", "slow down"), rng).into()
            }
            Self::InternalError => Status::failure(500, "InternalError", "").into(),
            Self::StoreReadError => Status::failure(500, "StoreReadError", "").into(),
            Self::UnavailableWithWait => {
                with_wait(Status::failure(503, "ServiceUnavailable", ""), rng).into()
            }
            Self::Forbidden => Status::failure(403, "Forbidden", "").into(),
            Self::NotFound => Status::failure(404, "", "404 page not found").into(),
            Self::Expired => expired(rng).into(),
            Self::TooLarge => too_large().into(),
            Self::Garbage => truncated("list").into(),
        })
    }
}

/// What goes wrong in the body of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyFault {
    /// The connection closes in the middle.
    Cut,
    /// The body ends in the middle.
    Truncated,
    /// Nothing more comes.
    Stalled,
    /// The metadata is missing.
    WithoutMetadata,
    /// The metadata comes twice.
    MetadataTwice,
    /// A state older than the version that was asked for.
    Stale,
    /// For a while every page has a token, also the last.
    Endless,
    /// The token of a further page has expired.
    ExpiredToken,
    /// Pages that were not asked for, with tokens that are expired from the start.
    UnaskedPages,
}

impl BodyFault {
    /// Those that mix with the others.
    pub const MIXED: [Self; 8] = [
        Self::Cut,
        Self::Truncated,
        Self::Stalled,
        Self::WithoutMetadata,
        Self::MetadataTwice,
        Self::Stale,
        Self::Endless,
        Self::ExpiredToken,
    ];
}

/// What brings a watch to its end before its time, or keeps it from its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamFault {
    /// The connection closes.
    Cut,
    /// The transport sees a timeout.
    TimedOut,
    /// A frame ends in the middle.
    Truncated,
    /// The server ends the answer.
    ClosedEarly,
    /// The server ends the answer within a second.
    VeryShort,
    /// Nothing more comes, and nobody says so.
    Stalled,
    /// The server does not end the watch when it should.
    Overdue,
    /// An error event.
    Error,
    /// A `Status` without an event around it, at once: the decoder hands it on as an error event.
    BareStatus,
    /// A frame that is no event, at once.
    UnknownFrame,
    /// Some events, old or new, and the end at once.
    Hasty,
}

impl StreamFault {
    /// Those that a seed may have in every watch, so that nothing else ever comes.
    pub const CONSTANT: [Self; 3] = [Self::BareStatus, Self::UnknownFrame, Self::Hasty];

    /// Those that mix with the others.
    pub const MIXED: [Self; 8] = [
        Self::Cut,
        Self::TimedOut,
        Self::Truncated,
        Self::ClosedEarly,
        Self::VeryShort,
        Self::Stalled,
        Self::Overdue,
        Self::Error,
    ];
}

/// What is odd about an event, or comes between two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventFault {
    /// An event of a type that the protocol does not have.
    Unknown,
    /// An object of another kind.
    WrongKind,
    /// The event's object has no version.
    Unversioned,
    /// A bookmark older than what was sent before.
    StaleBookmark,
    /// The bookmark of a watch-list's end, in a plain watch.
    StrayEndMark,
}

impl EventFault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unknown,
        Self::WrongKind,
        Self::Unversioned,
        Self::StaleBookmark,
        Self::StrayEndMark,
    ];
}

/// How often what goes wrong, in one seed's world. Chances are out of a thousand.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    /// Instead of an answer.
    pub request: Vec<RequestFault>,
    /// How often.
    pub request_chance: u64,
    /// In the body of a list.
    pub body: Vec<BodyFault>,
    /// How often.
    pub body_chance: u64,
    /// To a watch.
    pub stream: Vec<StreamFault>,
    /// How often.
    pub stream_chance: u64,
    /// To an event.
    pub event: Vec<EventFault>,
    /// How often.
    pub event_chance: u64,
    /// How often an answer takes long.
    pub slow_chance: u64,
    /// How often the store refuses a replace or a resync.
    pub commit_chance: u64,
    /// How often the store refuses a change.
    pub change_chance: u64,
}

/// Draws one of these faults, or none.
pub fn draw<F: Copy>(faults: &[F], chance: u64, rng: &mut Rng) -> Option<F> {
    if faults.is_empty() || rng.below(1000) >= chance {
        return None;
    }
    pick(faults, rng)
}

/// Draws one of these.
pub fn pick<F: Copy>(faults: &[F], rng: &mut Rng) -> Option<F> {
    let which = usize::try_from(rng.below(faults.len() as u64)).ok()?;
    faults.get(which).copied()
}

/// The version has left the history, in the ways that servers say it.
pub fn expired(rng: &mut Rng) -> Status {
    match rng.below(3) {
        0 => Status::failure(410, "Expired", "too old resource version"),
        1 => Status::failure(410, "Gone", "too old resource version"),
        _ => Status::failure(410, "", "too old resource version"),
    }
}

/// The version is newer than the server.
#[must_use]
pub fn too_large() -> Status {
    let cause = StatusCause {
        reason: CAUSE_RESOURCE_VERSION_TOO_LARGE.to_owned(),
        ..StatusCause::default()
    };
    let details = StatusDetails {
        causes: vec![cause],
        retry_after_seconds: 1,
        ..StatusDetails::default()
    };
    Status {
        details: Some(details),
        ..Status::failure(504, "Timeout", "Too large resource version")
    }
}

/// The answer ended in the middle.
#[must_use]
pub const fn truncated(what: &'static str) -> DecodeError {
    DecodeError::Truncated { what, bytes: 17 }
}

/// The server asks to be left alone for this long at most.
pub const WAIT_MAX: Duration = Duration::from_secs(15);

fn with_wait(status: Status, rng: &mut Rng) -> Status {
    let seconds = 1 + rng.below(WAIT_MAX.as_secs());
    let details = StatusDetails {
        retry_after_seconds: u32::try_from(seconds).unwrap_or(1),
        ..StatusDetails::default()
    };
    Status {
        details: Some(details),
        ..status
    }
}

/// An error event's status.
pub fn stream_error(rng: &mut Rng) -> Status {
    match rng.below(8) {
        0 => expired(rng),
        1 => Status::failure(429, "TooManyRequests", ""),
        2 => with_wait(Status::failure(429, "TooManyRequests", ""), rng),
        3..=5 => Status::failure(500, "InternalError", ""),
        6 => Status::failure(500, "StoreReadError", ""),
        _ => too_large(),
    }
}

//! One request with its answers, as the server and the network see it.

use heliostat_core::error::SourceError;
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::options::{ListOptions, WatchOptions};
use heliostat_core::reflector::AttemptId;
use heliostat_core::time::Time;

use crate::faults::StreamFault;
use crate::world::Widget;

/// A connection's number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub(super) u64);

/// What was asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A page of a list.
    List(ListOptions),
    /// A watch.
    Watch(WatchOptions),
}

/// What comes of a request.
#[derive(Debug)]
pub enum Answer {
    /// A part of a page.
    Part(ListPart<Widget>),
    /// The end of a page.
    ListEnded,
    /// A watch is accepted.
    Opened,
    /// An event.
    Event(WatchEvent<Widget>),
    /// The end of a watch.
    WatchEnded,
    /// The end of anything.
    Failed(SourceError),
}

impl Answer {
    /// True if nothing comes after it.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        match self {
            Self::ListEnded | Self::WatchEnded | Self::Failed(_) => true,
            Self::Part(_) | Self::Opened | Self::Event(_) => false,
        }
    }
}

/// Where an answer comes from in the world. No client sees this.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// Which timeline the server served.
    pub timeline: usize,
    /// The revision of the event, or up to which all was sent.
    pub revision: u64,
    /// The answer lies about its version, or has none.
    pub odd_version: bool,
    /// Another change of the same revision follows.
    pub is_inner: bool,
    /// The mirror may have the change already: it was cut off in the middle of the revision.
    pub again: bool,
}

/// An answer on its way.
#[derive(Debug)]
pub struct Carried {
    /// The answer.
    pub answer: Answer,
    /// Where it comes from.
    pub origin: Origin,
    /// Answers of an older generation were dropped on the way.
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: usize,
    pub(super) attempt: AttemptId,
    pub(super) ask: Ask,
    pub(super) timeline: usize,
    pub(super) last_arrival: Time,
    pub(super) last_sent: Time,
    pub(super) generation: u64,
    /// The client gave it up; what is on its way still arrives.
    pub(super) aborted: bool,
    /// What the server still sends events on.
    pub(super) stream: Option<Stream>,
    /// The revision of which the client has some changes and others not.
    pub(super) within: Option<u64>,
}

impl Connection {
    pub(super) const fn new(client: usize, attempt: AttemptId, ask: Ask, timeline: usize) -> Self {
        Self {
            client,
            attempt,
            ask,
            timeline,
            last_arrival: Time::ZERO,
            last_sent: Time::ZERO,
            generation: 0,
            aborted: false,
            stream: None,
            within: None,
        }
    }
}

/// The server's side of an accepted watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// All changes up to this revision were sent.
    pub(super) position: u64,
    /// The end mark is still to come, or never comes.
    pub(super) initial: bool,
    /// The client knows that the watch is accepted.
    pub(super) opened: bool,
    /// The version that was asked for, or 0.
    pub(super) asked: u64,
    /// What will go wrong.
    pub(super) doom: Option<StreamFault>,
    /// Where the member of etcd that serves it stays, if it is behind.
    pub(super) member: Option<u64>,
    /// Changes up to this revision may have been delivered by the watch before.
    pub(super) again: u64,
}

impl Stream {
    /// Up to which revision can be sent: a member that is behind knows no more.
    pub(super) fn reach(&self, present: u64) -> u64 {
        self.member.map_or(present, |member| member.min(present))
    }
}

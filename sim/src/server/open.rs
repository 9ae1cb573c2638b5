//! What the server knows of an open connection.

use heliostat_core::reflector::AttemptId;
use heliostat_core::time::Time;

use crate::connection::Ask;
use crate::faults::StreamFault;

/// An open connection.
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
    /// The cluster for which the request is refused: the source followed another one.
    pub(super) other_cluster: Option<usize>,
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
            other_cluster: None,
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

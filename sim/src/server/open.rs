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
}

//! What is going to happen, in the order of virtual time; of two things at one moment the one that
//! was planned first.

use std::collections::BTreeMap;

use heliostat_core::time::Time;

use crate::connection::{Carried, ConnectionId};

/// Something that will happen.
#[derive(Debug)]
pub enum Happening {
    /// Somebody writes.
    Write,
    /// The source forgets old versions.
    Compact,
    /// The source restarts and has lost the window of its watches.
    Restart,
    /// The source is restored from a backup.
    Restore,
    /// Another cluster takes the place of the source.
    ReplaceCluster,
    /// Faults stop and nobody writes any more.
    Quiet,
    /// Somebody stops this mirror.
    Stop(usize),
    /// What waits in the queue behind this mirror is applied.
    Work(usize),
    /// This listener of this mirror listens.
    Listen(usize, usize),
    /// This listener of this mirror joins.
    Join(usize, usize),
    /// This listener of this mirror leaves.
    Leave(usize, usize),
    /// A request reaches the server.
    Arrive(ConnectionId),
    /// An answer reaches the client.
    Deliver(ConnectionId, Box<Carried>),
    /// A bookmark is due on a watch.
    Bookmark(ConnectionId),
    /// The end mark of a watch-list is due.
    EndMark(ConnectionId),
    /// A watch has reached its timeout.
    WatchTimeout(ConnectionId),
    /// Somebody between client and server looks whether a watch is idle.
    IdleCheck(ConnectionId),
    /// What goes wrong with a watch goes wrong now.
    Doom(ConnectionId),
    /// A watch goes on at another member.
    FailOver(ConnectionId),
}

/// All that is planned.
#[derive(Debug, Default)]
pub struct Agenda {
    planned: BTreeMap<(Time, u64), Happening>,
    count: u64,
}

impl Agenda {
    /// Plans something.
    pub fn plan(&mut self, at: Time, happening: Happening) {
        self.count += 1;
        self.planned.insert((at, self.count), happening);
    }

    /// How many things were planned so far: a number that never comes twice.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_time(&self) -> Option<Time> {
        self.planned.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next thing.
    pub fn take_next(&mut self) -> Option<Happening> {
        self.planned.pop_first().map(|(_, happening)| happening)
    }
}

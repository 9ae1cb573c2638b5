//! `Widget`: the object of the simulation.
//!
//! It carries the revision that wrote it in itself, so that a checker knows which state of the
//! object a store holds, whatever header a faulty server put on it.

use std::sync::Arc;

use heliostat_core::event::{ChangeKind, Rejection, RejectionReason};
use heliostat_core::object::{Entry, Header, ObjectKey, Uid};
use heliostat_core::version::ResourceVersion;

/// One state of an object.
#[derive(Clone, Debug)]
pub struct Widget {
    /// What it is called.
    pub key: ObjectKey,
    /// Which life of the name this is.
    pub uid: u64,
    /// The write that made this state.
    pub revision: u64,
    /// False if the mirror's decoder cannot read this state.
    pub decodable: bool,
    /// The history in which it was written: a restored backup uses a revision for a second state.
    pub history: usize,
    wire_uid: Uid,
}

impl Widget {
    /// A state of an object.
    #[must_use]
    pub fn new(key: ObjectKey, uid: u64, revision: u64, decodable: bool) -> Self {
        let wire_uid = Uid::from(format!("uid-{uid}").as_str());
        Self {
            key,
            uid,
            revision,
            decodable,
            history: 0,
            wire_uid,
        }
    }

    /// The same, written in this history.
    #[must_use]
    pub fn in_history(mut self, history: usize) -> Self {
        self.history = history;
        self
    }

    /// What stands for an object that a mirror cannot read any more: no source ever had it.
    #[must_use]
    pub fn unreadable() -> Self {
        Self::new(ObjectKey::cluster("unreadable"), 0, 0, false)
    }

    /// This state as it comes off the wire, under the version that the server puts on it.
    #[must_use]
    pub fn entry(self: &Arc<Self>, version: ResourceVersion) -> Entry<Self> {
        let header = Header {
            key: self.key.clone(),
            resource_version: version,
            uid: self.wire_uid.clone(),
        };
        Entry::new(header, Arc::clone(self))
    }

    /// What the decoder says of a state that it cannot read.
    #[must_use]
    pub fn rejection(&self, change: Option<ChangeKind>, version: ResourceVersion) -> Rejection {
        Rejection {
            key: Some(self.key.clone()),
            resource_version: version,
            change,
            reason: RejectionReason::Undecodable("a field of the wrong type".to_owned()),
        }
    }

    /// A value that changes with most writes, to index by.
    #[must_use]
    pub const fn residue(&self) -> &'static str {
        match self.revision % 3 {
            0 => "zero",
            1 => "one",
            _ => "two",
        }
    }

    /// True for the very same state of the same life.
    #[must_use]
    pub fn is_same_state(&self, other: &Self) -> bool {
        self.uid == other.uid && self.revision == other.revision && self.history == other.history
    }
}

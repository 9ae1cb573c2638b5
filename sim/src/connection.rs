//! A request, its answers, and the connection that they are sent on.

use heliostat_core::error::SourceError;
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::options::{ListOptions, WatchOptions};

use crate::world::Widget;

/// A connection's number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub(crate) u64);

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
    pub(crate) generation: u64,
}

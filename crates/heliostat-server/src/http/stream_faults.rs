//! The faults of one watch, sorted by where in its life they strike.

use crate::api_server::fault::Fault;
use crate::faults::Order;

/// The faults of this stream, from its request.
#[derive(Debug, Default)]
pub(super) struct StreamFaults {
    /// What happens after so many events.
    pub(super) breaks: Vec<(usize, Order)>,
    pub(super) no_bookmarks: bool,
    pub(super) no_end_mark: bool,
    pub(super) no_initial: bool,
    pub(super) malformed: bool,
    pub(super) invalid: bool,
}

impl StreamFaults {
    pub(super) fn of(faults: &[Fault]) -> Self {
        let mut found = Self::default();
        for fault in faults {
            match fault {
                Fault::StallStream { after } => found.breaks.push((*after, Order::Stall)),
                Fault::CutStream { after } => found.breaks.push((*after, Order::Cut)),
                Fault::CloseStream { after } => found.breaks.push((*after, Order::End)),
                Fault::ExpiredEvent { after } => found.breaks.push((*after, Order::Expire)),
                Fault::OmitBookmarks => found.no_bookmarks = true,
                Fault::OmitEndMark => found.no_end_mark = true,
                Fault::IgnoreWatchList => found.no_initial = true,
                Fault::MalformedObject => found.malformed = true,
                Fault::InvalidJson => found.invalid = true,
                _ => {}
            }
        }
        found
    }
}

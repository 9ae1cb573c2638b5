//! What tests of a source, a store or a controller need: the faults of a
//! [`MemorySource`](crate::source::memory::MemorySource), and the requests that it has received.

pub use crate::source::memory::fault::{
    ListFault, WatchEnd, WatchFault, WatchListMode, connection_lost, connection_refused,
};
pub use crate::source::memory::request::Request;

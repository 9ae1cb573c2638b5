//! `Request`: what a memory source has been asked.

use heliostat_core::options::{ListOptions, WatchOptions};

/// A request that a memory source has received. Complete: a source is listed and watched, nothing else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// One page of a list.
    List(ListOptions),
    /// A watch.
    Watch(WatchOptions),
}

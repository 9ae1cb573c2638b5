//! The shared store: readers during writers, and those who wait for a version.

#[path = "../../../crates/heliostat/src/store/by_key.rs"]
mod by_key;

#[expect(
    dead_code,
    unreachable_pub,
    reason = "public there; the stories ask for some of what a store can tell"
)]
#[path = "../../../crates/heliostat/src/store/indexer.rs"]
mod indexer;

#[expect(unreachable_pub, reason = "public there")]
#[path = "../../../crates/heliostat/src/store/waiters.rs"]
mod waiters;

mod tests;

pub(crate) use indexer::{Indexer, IndexerWriter};

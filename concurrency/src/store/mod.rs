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

#[path = "../../../crates/heliostat/src/store/shared.rs"]
mod shared;

#[expect(unreachable_pub, reason = "public there")]
#[path = "../../../crates/heliostat/src/store/waiters.rs"]
mod waiters;

#[expect(
    dead_code,
    unreachable_pub,
    reason = "public there; the stories need some of the ways to write"
)]
#[path = "../../../crates/heliostat/src/store/writer.rs"]
mod writer;

mod tests;

pub(crate) use indexer::Indexer;
pub(crate) use writer::IndexerWriter;

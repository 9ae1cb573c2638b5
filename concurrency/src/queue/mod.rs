//! The lock of the shared queues, and who is woken when.

#[expect(dead_code, reason = "the stories need no moments to wait for")]
#[path = "../../../crates/heliostat/src/queue/shared.rs"]
mod shared;

mod tests;

//! One mirror, many handlers: which notifications each gets, when, and how many are buffered.
//!
//! ```text
//! OrderedFifo ─pop_batch─▶ apply ─▶ the store, and an Outcome
//!                                        │
//!                             Fanout::notify ─▶ HandlerBuffer of each handler ─take─▶ BufferedBatch
//! ```
//!
//! Pure bookkeeping: the tasks that call handlers, and the locks, are around it.

pub mod apply;
pub mod batch;
pub mod buffer;
mod coalesced;
pub mod fanout;
pub mod synced;

#[cfg(test)]
mod tests;

pub use crate::notification::{Notification, NotificationRef};
pub use apply::{Target, apply};
pub use batch::BufferedBatch;
pub use buffer::{Buffering, HandlerBuffer, Recreation};
pub use fanout::{Fanout, HandlerId, Outcome, Sink};

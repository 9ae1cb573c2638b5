//! Queues that turn changes into work.
//!
//! Each queue is a plain struct with one owner, which passes the time in and gets the next element. Nothing
//! waits in here: a pop of an empty queue returns none, and a wrapper that tasks share adds the waiting.

pub mod delta;

mod key_hasher;
pub mod known;

mod known_changes;

mod population;

pub mod delta_fifo;

pub mod ordered_fifo;

pub mod fifo;

pub mod priority_fifo;

pub mod work_queue;

pub mod backlog;

pub mod rate_limit;

pub use delta::{Deletion, Delta};
pub use delta_fifo::{DeltaFifoState, Deltas};
pub use fifo::FifoState;
pub use known::KnownObjects;
pub use ordered_fifo::OrderedFifo;
pub use priority_fifo::{Closed, PriorityFifoState};
pub use work_queue::{Priority, WorkQueueState};

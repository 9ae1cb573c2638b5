//! Queues that turn changes into work: between whoever knows what changed and whoever acts on it.
//!
//! Each queue is a plain struct for one owner, who hands in the time and is told what to do next.
//! Nothing waits in here: a pop of an empty queue gives nothing, and whoever shares a queue between
//! tasks brings the waiting along.

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

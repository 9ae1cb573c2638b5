//! Queues between whoever knows what changed and whoever acts on it.
//!
//! What a queue decides is in [`heliostat_core::queue`], where nothing waits; here are the handles
//! that tasks share and wait on.
//!
//! | | |
//! |---|---|
//! | [`WorkQueue`] | keys to be worked: each once, by one worker at a time, with delays, retries and priorities |
//! | [`DeltaFifo`] | what happened to each object, in one piece |
//! | [`Fifo`] | the newest state of each object that changed, fed by a reflector |
//! | [`PriorityFifo`] | keyed items, the smallest first |
//! | [`rate_limit`] | how long a key that failed waits |

pub mod delta_fifo;
mod fifo;
mod priority_fifo;
mod shared;
mod work_queue;

pub use heliostat_core::queue::rate_limit;
pub use heliostat_core::queue::{Closed, Priority};

pub use delta_fifo::DeltaFifo;
pub use fifo::{Fifo, Popped};
pub use priority_fifo::PriorityFifo;
pub(crate) use work_queue::Failure;
pub use work_queue::{Action, Work, WorkQueue, WorkQueueBuilder};

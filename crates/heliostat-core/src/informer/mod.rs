//! One mirror, many listeners: what is told to whom, when, and how much of it is kept for later.
//!
//! Pure bookkeeping: the tasks that call handlers, and the locks, are around it.

pub mod notification;
pub mod synced;

pub use notification::Notification;

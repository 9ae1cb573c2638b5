//! The details of a [`WorkQueue`]: its builder, the keys taken from it, and how long
//! a key that failed waits.
//!
//! | | |
//! |---|---|
//! | [`WorkQueueBuilder`] | the options of a queue |
//! | [`Work`] | a key that a worker has taken |
//! | [`RateLimiter`], [`default_rate_limiter`] | the delay before a failed key is worked again |
//! | [`PerKeyExponential`], [`FastSlow`], [`Bucket`], [`MaxOf`], [`MaxWait`] | limiters, and ways to combine them |

pub(crate) mod shared;
pub(crate) mod work_queue;

pub use heliostat_core::queue::rate_limit::{
    Bucket, FastSlow, MaxOf, MaxWait, PerKeyExponential, RateLimiter, default_rate_limiter,
};
pub use heliostat_core::queue::{Closed, Priority};
pub use work_queue::{Work, WorkQueueBuilder};

pub(crate) use work_queue::{Action, Failure, WorkQueue};

//! The details of a [`Reflector`]: its options, its status and its failures.
//!
//! | | |
//! |---|---|
//! | [`BackoffConfig`], [`WatchListMode`], [`RejectPolicy`], .. | values of [`ReflectorConfig`](crate::ReflectorConfig) |
//! | [`BudgetConfig`], [`RequestPermit`] | the options and permits of a [`RequestBudget`](crate::RequestBudget) |
//! | [`Activity`], [`Counts`], [`LastError`], [`Progress`], [`Rewind`] | parts of a [`ReflectorStatus`] |
//! | [`MirrorStopped`] | why a mirror was not synced |
//! | [`WatchError`], [`RoundError`] | what the handler of [`on_error`](crate::Reflector::on_error) is called with |

pub(crate) mod builder;
mod driver;
pub(crate) mod handle;
mod options;
pub(crate) mod status;
mod synced;

pub use crate::budget::{BudgetConfig, RequestPermit};
pub use handle::MirrorStopped;
pub use heliostat_core::reflector::{
    Activity, AttemptId, BackoffConfig, BackoffReset, FirstList, Phase, RejectPolicy, Rewind,
    RoundError, VersionTracking, WatchListFallback, WatchListMode,
};
pub use options::WatchError;
pub use status::{Counts, LastError, Progress};

pub(crate) use builder::Reflector;
pub(crate) use handle::ReflectorHandle;
pub(crate) use status::ReflectorStatus;

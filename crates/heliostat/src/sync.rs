//! The locks, atomics and wake-ups of what tasks share.
//!
//! Modules whose interleavings are tested take them from here and nowhere else: the crate
//! `concurrency` compiles the same files with a `sync` module whose locks try out schedules.

pub(crate) use std::sync::{
    Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

pub(crate) use futures_util::task::AtomicWaker;
pub(crate) use tokio::sync::Notify;

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
}

//! The locks, atomics and wake-ups that try out schedules, in the place of the usual ones.

pub(crate) use shuttle::sync::{
    Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use std::task::Waker;

use tokio::sync::futures::Notified;

pub(crate) mod atomic {
    pub(crate) use shuttle::sync::atomic::{AtomicU8, AtomicU64, Ordering};
}

/// As tokio's; others may go on before each call.
pub(crate) struct Notify {
    inner: tokio::sync::Notify,
    turn: Turn,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self {
            inner: tokio::sync::Notify::new(),
            turn: Turn::default(),
        }
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        self.turn.offer();
        self.inner.notified()
    }

    pub(crate) fn notify_one(&self) {
        self.turn.offer();
        self.inner.notify_one();
    }

    pub(crate) fn notify_waiters(&self) {
        self.turn.offer();
        self.inner.notify_waiters();
    }
}

/// As that of `futures`; others may go on before each call.
pub(crate) struct AtomicWaker {
    inner: futures_util::task::AtomicWaker,
    turn: Turn,
}

impl AtomicWaker {
    pub(crate) fn new() -> Self {
        Self {
            inner: futures_util::task::AtomicWaker::new(),
            turn: Turn::default(),
        }
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.turn.offer();
        self.inner.register(waker);
    }

    pub(crate) fn wake(&self) {
        self.turn.offer();
        self.inner.wake();
    }
}

/// A place where another may go on.
#[derive(Default)]
struct Turn(atomic::AtomicU8);

impl Turn {
    fn offer(&self) {
        self.0.load(atomic::Ordering::SeqCst);
    }
}

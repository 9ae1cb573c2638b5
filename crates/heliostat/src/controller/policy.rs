//! `ErrorPolicy`: what follows from an error of the reconciler.

use std::fmt;

use crate::queue::Action;

/// Decides what follows from an error; see [`Controller::on_error`](crate::Controller::on_error).
pub trait ErrorPolicy<K, E>: Send + Sync + 'static {
    /// The next step for `object`, whose call number `attempt` in a row has failed, from 1.
    fn decide(&self, object: &K, error: &E, attempt: u32) -> Action;
}

/// The default: [`Action::Retry`].
#[derive(Clone, Copy, Debug)]
pub struct Backoff;

impl<K, E> ErrorPolicy<K, E> for Backoff {
    fn decide(&self, _object: &K, _error: &E, _attempt: u32) -> Action {
        Action::Retry
    }
}

/// A function that decides.
pub struct OnError<F>(pub(super) F);

impl<K, E, F> ErrorPolicy<K, E> for OnError<F>
where
    F: Fn(&K, &E, u32) -> Action + Send + Sync + 'static,
{
    fn decide(&self, object: &K, error: &E, attempt: u32) -> Action {
        (self.0)(object, error, attempt)
    }
}

impl<F> fmt::Debug for OnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnError")
    }
}

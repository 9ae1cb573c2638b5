//! `Lazy`: a value that is worked out when somebody asks for it, and again after its ground changed.
//!
//! Each notice begins a cell of its own. An evaluation fills the cell that was there when it began, so
//! a slow one can never put its old value over a newer one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

#[cfg(test)]
mod tests;

/// A value that is computed by the first who asks, shared by all who ask then, and computed anew after
/// [`notify`](Self::notify).
///
/// For what is derived from mirrors and costs something: call `notify` from a handler, and
/// [`get`](Self::get) where the value is used. However often the ground changes, it is computed only
/// when somebody wants it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), std::convert::Infallible> {
/// use std::convert::Infallible;
/// use heliostat::IndexerWriter;
/// use heliostat::client_go::Lazy;
///
/// let writer = IndexerWriter::<String>::new();
/// let pods = writer.indexer();
/// let count = Lazy::new(move || {
///     let count = pods.len();
///     async move { Ok::<_, Infallible>(count) }
/// });
/// assert_eq!(*count.get().await?, 0);
/// // .. and when the store has changed:
/// count.notify();
/// assert_eq!(*count.get().await?, 0);
/// # Ok(())
/// # }
/// ```
pub struct Lazy<T, E> {
    evaluate: Box<Evaluate<T, E>>,
    cell: Mutex<Arc<OnceCell<Arc<T>>>>,
}

type Evaluate<T, E> = dyn Fn() -> BoxFuture<'static, Result<T, E>> + Send + Sync;

impl<T, E> Lazy<T, E> {
    /// A value that `evaluate` computes.
    pub fn new<F, R>(evaluate: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self {
            evaluate: Box::new(move || Box::pin(evaluate())),
            cell: Mutex::default(),
        }
    }

    /// The ground of the value has changed: who asks from now on gets a value that was begun after
    /// this. One that is being computed still goes to those who asked before.
    pub fn notify(&self) {
        let fresh = Arc::default();
        let before = std::mem::replace(&mut *self.lock(), fresh);
        // It may hold the last reference to the value, whose end is the user's code.
        drop(before);
    }

    /// The value: the one at hand, or else computed now. All who ask meanwhile share one evaluation.
    ///
    /// # Errors
    /// What the evaluation failed with. Errors are not kept: the next who asks has it computed again,
    /// and so does one who was waiting for it.
    ///
    /// # Cancel safety
    /// Cancel safe: if the one whose call computes the value gives up, the next who waits computes it
    /// anew.
    pub async fn get(&self) -> Result<Arc<T>, E> {
        let cell = Arc::clone(&self.lock());
        let value = cell
            .get_or_try_init(|| async { (self.evaluate)().await.map(Arc::new) })
            .await?;
        Ok(Arc::clone(value))
    }

    /// The value, if it is at hand.
    #[must_use]
    pub fn peek(&self) -> Option<Arc<T>> {
        self.lock().get().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<OnceCell<Arc<T>>>> {
        // No code of the user's runs under it.
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug, E> fmt::Debug for Lazy<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lazy").field(&self.peek()).finish()
    }
}

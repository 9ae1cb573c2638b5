//! `PriorityFifo`: keyed items, the smallest first, shared between tasks.

use std::fmt;
use std::sync::Arc;

use heliostat_core::queue::{Closed, priority_fifo};

use crate::queue::shared::{Look, Shared};

/// Keyed items in the order of a rank, the smallest first. A clone is another handle to the same
/// queue.
///
/// See [`heliostat_core::queue::priority_fifo`]. Everything but [`pop`](Self::pop) is done at once.
/// The function that ranks an item runs while the queue is locked: it should be quick, and must not
/// call the queue.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), heliostat::queue::Closed> {
/// use heliostat::client_go::PriorityFifo;
///
/// let by_size = PriorityFifo::new(|text: &String| text.len());
/// by_size.upsert("a", "long text".to_owned())?;
/// by_size.upsert("b", "text".to_owned())?;
/// by_size.close();
/// assert_eq!(by_size.pop().await?.0, "b");
/// assert_eq!(by_size.pop().await?.0, "a");
/// assert!(by_size.pop().await.is_err());
/// # Ok(())
/// # }
/// ```
pub struct PriorityFifo<K, T, R> {
    shared: Arc<Shared<priority_fifo::PriorityFifoState<K, T, R>>>,
}

impl<K: Clone + Ord, T, R: Clone + Ord> PriorityFifo<K, T, R> {
    /// An empty queue whose order is that of what `rank` gives.
    pub fn new(rank: impl Fn(&T) -> R + Send + 'static) -> Self {
        let queue = priority_fifo::PriorityFifoState::new(rank);
        Self {
            shared: Arc::new(Shared::new(queue)),
        }
    }

    /// Puts an item in, in the place of the one of the same key, which is given back; its turn
    /// follows from its new rank.
    ///
    /// # Errors
    /// If the queue is closed.
    pub fn upsert(&self, key: K, item: T) -> Result<Option<T>, Closed> {
        let old = self.shared.lock().upsert(key, item)?;
        if old.is_none() {
            self.shared.wake_taker();
        }
        Ok(old)
    }

    /// Puts an item in unless there is one of the same key: that one stays. Tells whether the item
    /// was taken.
    ///
    /// # Errors
    /// If the queue is closed.
    pub fn add_if_absent(&self, key: K, item: T) -> Result<bool, Closed> {
        let added = self.shared.lock().add_if_absent(key, item)?;
        if added {
            self.shared.wake_taker();
        }
        Ok(added)
    }

    /// Puts several items in, in one step: nobody pops before all are in.
    ///
    /// # Errors
    /// If the queue is closed.
    pub fn bulk_add(&self, items: impl IntoIterator<Item = (K, T)>) -> Result<(), Closed> {
        // Whatever makes the items must not run under the lock.
        let items: Vec<_> = items.into_iter().collect();
        self.shared.lock().bulk_add(items)?;
        self.shared.wake_takers();
        Ok(())
    }

    /// Takes the item of this key out, wherever it is; none if there is none.
    pub fn delete(&self, key: &K) -> Option<T> {
        self.shared.lock().delete(key)
    }

    /// Waits for the smallest item and takes it out. A closed queue gives out what is left.
    ///
    /// # Errors
    /// If the queue is closed and empty.
    ///
    /// # Cancel safety
    /// Cancel safe: a future that is dropped has taken nothing.
    pub async fn pop(&self) -> Result<(K, T), Closed> {
        self.shared
            .take(|queue| match queue.pop() {
                Some(popped) => Look::Found(Ok(popped)),
                None if queue.is_closed() => Look::Found(Err(Closed)),
                None => Look::Wait,
            })
            .await
    }

    /// Lets nothing more in; those who wait get an error once the queue is empty.
    pub fn close(&self) {
        self.shared.lock().close();
        self.shared.wake_takers();
    }

    /// True once the queue was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_closed()
    }

    /// The item of this key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<T>
    where
        T: Clone,
    {
        self.shared.lock().get(key).cloned()
    }

    /// All items with their keys, in the order of the keys.
    #[must_use]
    pub fn list(&self) -> Vec<(K, T)>
    where
        T: Clone,
    {
        let queue = self.shared.lock();
        let items = queue.iter();
        items
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect()
    }

    /// All keys, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<K> {
        self.shared.lock().keys().cloned().collect()
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// True if there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, T, R> Clone for PriorityFifo<K, T, R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, T, R> fmt::Debug for PriorityFifo<K, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn h_30_two_producers_fill_one_order() {
        let queue = PriorityFifo::new(|item: &i64| *item);
        let up = queue.clone();
        let up = tokio::spawn(async move {
            for number in 0..500 {
                up.upsert(format!("up{number}"), number).unwrap();
            }
        });
        let down = queue.clone();
        let down = tokio::spawn(async move {
            for number in (0..500).rev() {
                down.upsert(format!("down{number}"), number).unwrap();
            }
        });
        up.await.unwrap();
        down.await.unwrap();
        let mut last = 0;
        for _ in 0..1000 {
            let (_, item) = queue.pop().await.unwrap();
            assert!(last <= item);
            last = item;
        }
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn h_30_a_pop_waits_and_nobody_pops_before_all_of_a_bulk_are_in() {
        let queue = PriorityFifo::new(|item: &i64| *item);
        for number in [-2, -1] {
            let mut pop = Box::pin(queue.pop());
            assert!(poll!(&mut pop).is_pending());
            if number == -1 {
                assert_eq!(queue.upsert(number, number), Ok(None));
            } else {
                assert_eq!(queue.add_if_absent(number, number), Ok(true));
            }
            assert_eq!(poll!(pop), std::task::Poll::Ready(Ok((number, number))));
        }
        let mut pop = Box::pin(queue.pop());
        assert!(poll!(&mut pop).is_pending());
        queue.bulk_add((0..500).rev().map(|it| (it, it))).unwrap();
        assert_eq!(pop.await, Ok((0, 0)));
        for number in 1..500 {
            assert_eq!(queue.pop().await, Ok((number, number)));
        }
    }

    #[tokio::test]
    async fn h_31_closing_lets_all_go_who_wait_and_refuses_more() {
        let queue = PriorityFifo::<&str, i64, i64>::new(|item| *item);
        let mut first = Box::pin(queue.pop());
        let mut second = Box::pin(queue.pop());
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut second).is_pending());
        assert!(!queue.is_closed());
        queue.close();
        assert!(queue.is_closed());
        assert_eq!(first.await, Err(Closed));
        assert_eq!(second.await, Err(Closed));
        assert_eq!(queue.upsert("a", 1), Err(Closed));
        assert_eq!(queue.add_if_absent("a", 1), Err(Closed));
        assert_eq!(queue.bulk_add([("a", 1)]), Err(Closed));
    }

    #[tokio::test]
    async fn h_31_a_closed_queue_gives_out_what_is_left() {
        let queue = PriorityFifo::new(|item: &i64| *item);
        queue.upsert("b", 2).unwrap();
        queue.upsert("a", 1).unwrap();
        queue.close();
        assert_eq!(queue.get(&"a"), Some(1));
        assert_eq!(queue.list(), [("a", 1), ("b", 2)]);
        assert_eq!(queue.keys(), ["a", "b"]);
        assert_eq!(queue.pop().await, Ok(("a", 1)));
        assert_eq!(queue.delete(&"b"), Some(2));
        assert_eq!(queue.pop().await, Err(Closed));
    }
}

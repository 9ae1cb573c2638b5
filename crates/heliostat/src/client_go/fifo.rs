//! `Fifo`: the queue of newest states, shared between a reflector and consumers.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::queue::{Closed, fifo};
use heliostat_core::store::{Staging, Store, StoreError};
use heliostat_core::version::ResourceVersion;

use crate::queue::shared::{Look, Shared};

/// The newest state of each object that changed, in the order in which they first did. A clone is
/// another handle to the same queue.
///
/// One handle is the store of a reflector, or is fed by hand; others pop. An object that changes
/// several times before its turn is given out once; one that goes is not given out. See
/// [`heliostat_core::queue::fifo`].
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heliostat::Reflector;
/// use heliostat::client_go::Fifo;
/// use heliostat::source::memory::MemorySource;
///
/// let source = MemorySource::<String>::new();
/// source.create("team/blue".parse()?, "sky".to_owned())?;
///
/// let queue = Fifo::new();
/// let mirror = Reflector::new(source, queue.clone()).start();
/// let popped = queue.pop().await?;
/// assert_eq!(*popped.object, "sky");
/// drop(popped);
/// assert!(queue.is_synced());
/// # mirror.shutdown().await;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub struct Fifo<T> {
    shared: Arc<Shared<fifo::FifoState<T>>>,
}

impl<T: Send + Sync> Fifo<T> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared::new(fifo::FifoState::new())),
        }
    }

    /// Waits for the object whose turn it is. A closed queue gives out what is left.
    ///
    /// # Errors
    /// If the queue is closed and empty.
    ///
    /// # Cancel safety
    /// Cancel safe: a future that is dropped has taken nothing.
    pub async fn pop(&self) -> Result<PoppedEntry<T>, Closed> {
        let look = |queue: &mut fifo::FifoState<T>| match queue.pop() {
            Some(popped) => Look::Found(Ok(popped)),
            None if queue.is_closed() => Look::Found(Err(Closed)),
            None => Look::Wait,
        };
        let popped = self.shared.take(look).await?;
        Ok(PoppedEntry {
            shared: Arc::clone(&self.shared),
            popped,
        })
    }

    /// Puts an object at the end of the line, unless one of its key waits: that one stays. To put back
    /// what was popped and could not be dealt with. Tells whether the object was taken.
    pub fn add_if_absent(&self, entry: Entry<T>) -> bool {
        let added = self.shared.lock().add_if_absent(entry);
        if added {
            self.shared.wake_taker();
        }
        added
    }

    /// Ends the queue: those who wait for more get an error once it is empty. It can still be fed.
    pub fn close(&self) {
        self.shared.lock().close();
        self.shared.wake_takers();
    }

    /// True once the queue was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_closed()
    }

    /// True once all objects of the first list have been dealt with (their [`PoppedEntry`] dropped), or
    /// went before their turn.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.shared.lock().is_synced()
    }

    /// The state of this object that waits.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Entry<T>> {
        self.shared.lock().get(key).cloned()
    }

    /// All objects that wait, in the order of their keys.
    #[must_use]
    pub fn list(&self) -> Vec<Entry<T>> {
        self.shared.lock().iter().cloned().collect()
    }

    /// How many objects wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes the queue, and wakes one who waits if something more waits for it.
    fn feed<R>(&self, change: impl FnOnce(&mut fifo::FifoState<T>) -> R) -> R {
        let mut queue = self.shared.lock();
        let before = queue.len();
        let result = change(&mut queue);
        let is_more = queue.len() > before;
        drop(queue);
        if is_more {
            self.shared.wake_taker();
        }
        result
    }
}

/// For one reflector: two that feed one queue would replace each other's lists.
impl<T: Send + Sync> Store<T> for Fifo<T> {
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        self.feed(|queue| queue.add(entry))
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        self.feed(|queue| queue.delete(key, last_state))
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.shared.lock().begin_replace()
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let committed = self.shared.lock().commit(staging, version);
        self.shared.wake_takers();
        committed
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        self.shared.lock().resync()
    }
}

impl<T> Clone for Fifo<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Send + Sync> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Fifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// An object that was popped. Drop it when it has been dealt with: the queue is synced when that is
/// true of the whole first list.
pub struct PoppedEntry<T> {
    shared: Arc<Shared<fifo::FifoState<T>>>,
    popped: fifo::Popped<T>,
}

impl<T> PoppedEntry<T> {
    /// The object.
    #[must_use]
    pub const fn entry(&self) -> &Entry<T> {
        &self.popped.entry
    }

    /// True if the queue was not synced yet: the object belongs to the first list.
    #[must_use]
    pub const fn is_in_initial_list(&self) -> bool {
        self.popped.is_in_initial_list
    }
}

impl<T> Deref for PoppedEntry<T> {
    type Target = Entry<T>;

    fn deref(&self) -> &Entry<T> {
        self.entry()
    }
}

impl<T> Drop for PoppedEntry<T> {
    fn drop(&mut self) {
        self.shared.lock().processed();
    }
}

impl<T: fmt::Debug> fmt::Debug for PoppedEntry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.popped.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, poll};
    use heliostat_core::object::Header;

    use super::*;

    fn entry(name: &str, number: u64) -> Entry<u64> {
        let header = Header {
            key: ObjectKey::cluster(name),
            resource_version: number.into(),
            uid: "u".into(),
        };
        Entry::new(header, number)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn q_01_q_04_each_producers_objects_come_in_its_order() {
        let queue = Fifo::new();
        let producers = ["a", "b"].map(|producer| {
            let mut queue = queue.clone();
            tokio::spawn(async move {
                for number in 0..500 {
                    let name = format!("{producer}{number}");
                    queue.add(entry(&name, number)).unwrap();
                }
            })
        });
        let mut next = [0, 0];
        for _ in 0..1000 {
            let popped = queue.pop().await.unwrap();
            let producer = usize::from(popped.key().as_str().starts_with('b'));
            assert_eq!(*popped.object, next[producer]);
            next[producer] += 1;
        }
        assert_eq!(next, [500, 500]);
        assert!(queue.is_empty());
        for producer in producers {
            producer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn q_04_the_queue_is_synced_when_the_last_object_was_dealt_with() {
        let mut queue = Fifo::new();
        let mut staging = queue.begin_replace();
        staging.stage(entry("a", 1));
        queue.commit(staging, &1.into()).unwrap();
        let popped = queue.pop().await.unwrap();
        assert!(popped.is_in_initial_list());
        assert!(!queue.is_synced());
        drop(popped);
        assert!(queue.is_synced());
    }

    #[tokio::test]
    async fn q_05_closing_lets_all_go_who_wait() {
        let queue = Fifo::<u64>::new();
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(queue.pop())).collect();
        for pop in &mut waiting {
            assert!(poll!(pop).is_pending());
        }
        queue.close();
        assert!(queue.is_closed());
        for pop in waiting {
            assert_eq!(pop.await.err(), Some(Closed));
        }
    }

    #[tokio::test]
    async fn q_05_a_closed_queue_gives_out_what_is_left() {
        let mut queue = Fifo::new();
        queue.add(entry("a", 1)).unwrap();
        queue.close();
        queue.add(entry("b", 2)).unwrap();
        assert_eq!(*queue.pop().await.unwrap().object, 1);
        assert_eq!(*queue.pop().await.unwrap().object, 2);
        assert_eq!(queue.pop().await.err(), Some(Closed));
    }

    #[tokio::test]
    async fn a_pop_that_is_given_up_takes_nothing() {
        let mut queue = Fifo::new();
        let mut given_up = Box::pin(queue.clone().pop_owned());
        let mut other = Box::pin(queue.clone().pop_owned());
        assert!(poll!(&mut given_up).is_pending());
        assert!(poll!(&mut other).is_pending());
        // The word goes to the first, which is then dropped.
        queue.add(entry("a", 1)).unwrap();
        drop(given_up);
        assert_eq!(other.now_or_never(), Some(1));
    }

    impl Fifo<u64> {
        async fn pop_owned(self) -> u64 {
            *self.pop().await.unwrap().object
        }
    }

    #[tokio::test]
    async fn what_could_not_be_dealt_with_is_put_back() {
        let mut queue = Fifo::new();
        queue.add(entry("a", 1)).unwrap();
        let popped = queue.pop().await.unwrap();
        assert!(queue.add_if_absent(popped.entry().clone()));
        drop(popped);
        assert_eq!(queue.list().len(), 1);
        assert_eq!(*queue.get(&ObjectKey::cluster("a")).unwrap().object, 1);
        assert_eq!(*queue.pop().await.unwrap().object, 1);
    }

    /// The reference's story of a reflector with a plain queue as its store.
    #[cfg(feature = "memory")]
    #[tokio::test(start_paused = true)]
    async fn q_01_a_reflector_feeds_the_queue_with_the_newest_states() {
        use std::time::Duration;

        use crate::Reflector;
        use crate::source::memory::MemorySource;

        for source in [
            MemorySource::new(),
            MemorySource::<u64>::new().without_watch_list(),
        ] {
            source.create(ObjectKey::cluster("foo"), 1).unwrap();
            let queue = Fifo::new();
            let mirror = Reflector::new(source.clone(), queue.clone()).start();
            mirror.wait_synced(Duration::MAX).await.unwrap();
            source.apply(ObjectKey::cluster("foo"), 2);
            for (name, number) in [("bar", 3), ("baz", 4), ("qux", 5), ("zoo", 6)] {
                source.create(ObjectKey::cluster(name), number).unwrap();
            }
            // Paused time: everything that can happen has happened after this.
            tokio::time::sleep(Duration::from_secs(1)).await;
            for number in 2..=6 {
                assert_eq!(*queue.pop().await.unwrap().object, number);
            }
            assert!(queue.is_empty());
            assert!(queue.is_synced());
            mirror.shutdown().await;
        }
    }
}

//! An informer that fills a work queue: which keys a notification asks for.

use std::time::Duration;

use heliostat_core::informer::NotificationRef;
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::queue::Priority;

use crate::informer::{
    EventHandler, HandlerOptions, InformerStopped, NotificationBatch, Registration, SharedInformer,
};
use crate::queue::WorkQueue;

/// Whether a change counts, given the state before, if there was one, and the state now.
pub(super) type Admits<T> = Box<dyn Fn(Option<&Entry<T>>, &Entry<T>) -> bool + Send + Sync>;

/// The keys that an object asks for.
enum Keys<T> {
    /// Its own.
    Own,
    /// Those that a function calls back with.
    Mapped(Box<Mapper<T>>),
}

type Mapper<T> = dyn Fn(&Entry<T>, &mut dyn FnMut(ObjectKey)) + Send + Sync;

/// What a notification asks for.
pub(super) struct Rule<T> {
    /// None if all changes count.
    pub(super) admits: Option<Admits<T>>,
    keys: Keys<T>,
}

impl<T> Rule<T> {
    /// A changed object asks for its own key.
    pub(super) fn own_key() -> Self {
        Self {
            admits: None,
            keys: Keys::Own,
        }
    }

    /// A changed object asks for the keys that `mapper` returns.
    pub(super) fn mapped<I: IntoIterator<Item = ObjectKey>>(
        mapper: impl Fn(&Entry<T>) -> I + Send + Sync + 'static,
    ) -> Self {
        Self {
            admits: None,
            keys: Keys::Mapped(Box::new(move |entry, ask| {
                mapper(entry).into_iter().for_each(ask);
            })),
        }
    }

    fn admits(&self, old: Option<&Entry<T>>, new: &Entry<T>) -> bool {
        self.admits.as_ref().is_none_or(|admits| admits(old, new))
    }
}

impl WorkQueue<ObjectKey> {
    /// Adds the key of each object of the informer that is new, has changed or was deleted, until the
    /// registration is dropped. Keys of the first list and of resyncs have the priority
    /// [`Priority::LOW`].
    ///
    /// ```
    /// # #[cfg(feature = "memory")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use heliostat::{SharedInformer, WorkQueue};
    /// use heliostat::source::memory::MemorySource;
    ///
    /// let source = MemorySource::<String>::new();
    /// source.create("team/blue".parse()?, "sky".to_owned())?;
    /// let informer = SharedInformer::new(source);
    /// let queue = WorkQueue::new();
    /// let following = queue.follow(&informer)?;
    /// informer.start();
    /// following.wait_synced(Duration::from_secs(30)).await?;
    /// assert_eq!(queue.take().await.unwrap().as_str(), "team/blue");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "memory"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// If the informer has been stopped.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn follow<T: Send + Sync + 'static>(
        &self,
        informer: &SharedInformer<T>,
    ) -> Result<Registration<T>, InformerStopped> {
        follow(self, informer, Rule::own_key(), Duration::ZERO)
    }

    /// Adds the keys that `mapper` returns for each object of the informer that is new, has changed or
    /// was deleted; for a change it is called with the state before and the state now. Otherwise as
    /// [`follow`](Self::follow).
    ///
    /// # Errors
    /// As for [`follow`](Self::follow).
    ///
    /// # Panics
    /// As for [`follow`](Self::follow).
    pub fn follow_mapped<T, I>(
        &self,
        informer: &SharedInformer<T>,
        mapper: impl Fn(&Entry<T>) -> I + Send + Sync + 'static,
    ) -> Result<Registration<T>, InformerStopped>
    where
        T: Send + Sync + 'static,
        I: IntoIterator<Item = ObjectKey>,
    {
        follow(self, informer, Rule::mapped(mapper), Duration::ZERO)
    }

    /// Adds the keys of the owners of the kind `Owner` of each object of the informer that is new, has
    /// changed or was deleted. Otherwise as [`follow`](Self::follow).
    ///
    /// # Errors
    /// As for [`follow`](Self::follow).
    ///
    /// # Panics
    /// As for [`follow`](Self::follow).
    #[cfg(feature = "kube")]
    pub fn follow_owners<Owner, T>(
        &self,
        informer: &SharedInformer<T>,
    ) -> Result<Registration<T>, InformerStopped>
    where
        Owner: kube_core::Resource<DynamicType: Default, Scope: 'static> + 'static,
        T: kube_core::Resource + Send + Sync + 'static,
    {
        self.follow_mapped(informer, super::owners::owner_keys::<Owner, T>)
    }
}

/// Lets an informer fill a queue. Keys wait until nothing has asked for them for `quiet`.
pub(super) fn follow<T: Send + Sync + 'static>(
    queue: &WorkQueue<ObjectKey>,
    informer: &SharedInformer<T>,
    rule: Rule<T>,
    quiet: Duration,
) -> Result<Registration<T>, InformerStopped> {
    let follower = Follower {
        queue: queue.clone(),
        rule,
        quiet,
    };
    informer.add_handler_with(follower, &HandlerOptions::new().name("work queue"))
}

struct Follower<T> {
    queue: WorkQueue<ObjectKey>,
    rule: Rule<T>,
    quiet: Duration,
}

impl<T> Follower<T> {
    fn ask(&self, entry: &Entry<T>, priority: Priority) {
        let add = |key| self.queue.add_debounced(key, priority, self.quiet);
        match &self.rule.keys {
            Keys::Own => add(entry.key().clone()),
            Keys::Mapped(keys) => keys(entry, &mut { add }),
        }
    }
}

impl<T: Send + Sync + 'static> EventHandler<T> for Follower<T> {
    async fn on_notifications(&mut self, waiting: &mut NotificationBatch<'_, T>) {
        while let Some(told) = waiting.next() {
            match told {
                NotificationRef::Added {
                    entry,
                    is_in_initial_list,
                } if self.rule.admits(None, entry) => {
                    self.ask(entry, priority(is_in_initial_list));
                }
                NotificationRef::Updated { old, new } if self.rule.admits(Some(old), new) => {
                    let priority = priority(old.header.is_same_state(&new.header));
                    // The object that the old state named must see that it no longer does.
                    if let Keys::Mapped(_) = self.rule.keys {
                        self.ask(old, priority);
                    }
                    self.ask(new, priority);
                }
                // Always: the failures and delays of a key end with its object.
                NotificationRef::Deleted { last, .. } => self.ask(last, Priority::NORMAL),
                NotificationRef::Added { .. }
                | NotificationRef::Updated { .. }
                | NotificationRef::Synced => {}
            }
        }
    }
}

/// An object that has probably been reconciled before waits for those that have just changed.
const fn priority(is_known: bool) -> Priority {
    if is_known {
        Priority::LOW
    } else {
        Priority::NORMAL
    }
}

//! `EventHandler`: the trait of a handler, and handlers made of functions.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;

use heliostat_core::informer::NotificationRef;
use heliostat_core::object::{Entry, ObjectKey};

use super::notifications::NotificationBatch;

/// Handles the notifications of a mirror.
///
/// Notifications are delivered in the order of the changes, each when the one before has been handled; a
/// slow handler delays no other. Write a method as an `async fn`, whether or not it waits for anything:
///
/// ```
/// use heliostat::{Entry, EventHandler};
///
/// struct Names(Vec<String>);
///
/// impl<T: Send + Sync> EventHandler<T> for Names {
///     async fn on_add(&mut self, entry: &Entry<T>, _is_in_initial_list: bool) {
///         self.0.push(entry.key().to_string());
///     }
///     async fn on_delete(&mut self, last: &Entry<T>, _tombstone: bool) {
///         self.0.retain(|name| name != last.key().as_str());
///     }
/// }
/// ```
///
/// A panic is caught, logged and counted. The next notification is delivered a second later, so a panic
/// must not leave the handler's own state broken.
pub trait EventHandler<T: Send + Sync>: Send + 'static {
    /// An object was added. `is_in_initial_list` is true if the mirror had it before the handler was added.
    fn on_add(
        &mut self,
        _entry: &Entry<T>,
        _is_in_initial_list: bool,
    ) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// An object changed, or (with twice the same object) is delivered again by a resync.
    fn on_update(&mut self, _old: &Entry<T>, _new: &Entry<T>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// An object was deleted. `tombstone` is true if the deletion itself was not observed: `last` is then
    /// only the last known state.
    fn on_delete(&mut self, _last: &Entry<T>, _tombstone: bool) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// The whole initial state has been delivered. Called once.
    fn on_synced(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Handles the waiting notifications. By default it calls the method for each of them.
    ///
    /// Implement it for a handler that does something once for many of them, such as taking a lock:
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use heliostat::EventHandler;
    /// use heliostat::informer::{NotificationBatch, NotificationRef};
    ///
    /// struct Changes(Arc<Mutex<Vec<String>>>);
    ///
    /// impl<T: Send + Sync> EventHandler<T> for Changes {
    ///     async fn on_notifications(&mut self, waiting: &mut NotificationBatch<'_, T>) {
    ///         let mut changes = self.0.lock().unwrap();
    ///         while let Some(next) = waiting.next() {
    ///             if let NotificationRef::Updated { new, .. } = next {
    ///                 changes.push(new.key().to_string());
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// Notifications it does not read are delivered again; if it reads none, the first counts as handled, so
    /// that it makes progress. After a panic the next call starts behind the notification in hand. A
    /// [`Filtered`] calls the single methods of its handler, never this one.
    fn on_notifications(
        &mut self,
        waiting: &mut NotificationBatch<'_, T>,
    ) -> impl Future<Output = ()> + Send {
        async move {
            while let Some(next) = waiting.next() {
                match next {
                    NotificationRef::Added {
                        entry,
                        is_in_initial_list,
                    } => self.on_add(entry, is_in_initial_list).await,
                    NotificationRef::Updated { old, new } => self.on_update(old, new).await,
                    NotificationRef::Deleted { last, tombstone } => {
                        self.on_delete(last, tombstone).await;
                    }
                    NotificationRef::Synced => self.on_synced().await,
                }
            }
        }
    }
}

/// A handler made of functions; events without a function are skipped.
///
/// ```
/// use heliostat::HandlerFuncs;
///
/// let handler = HandlerFuncs::<String>::new()
///     .on_add(|entry, is_in_initial_list| println!("+ {} {is_in_initial_list}", entry.key()))
///     .on_update(|old, new| println!("~ {} {} > {}", new.key(), old.object, new.object))
///     .on_delete(|last, tombstone| println!("- {} {tombstone}", last.key()));
/// # let _ = handler;
/// ```
pub struct HandlerFuncs<T> {
    on_add: Option<OnAdd<T>>,
    on_update: Option<OnUpdate<T>>,
    on_delete: Option<OnDelete<T>>,
    on_synced: Option<OnSynced>,
}

type OnAdd<T> = Box<dyn FnMut(&Entry<T>, bool) + Send>;
type OnUpdate<T> = Box<dyn FnMut(&Entry<T>, &Entry<T>) + Send>;
type OnDelete<T> = Box<dyn FnMut(&Entry<T>, bool) + Send>;
type OnSynced = Box<dyn FnMut() + Send>;

impl<T> HandlerFuncs<T> {
    /// Creates a handler without functions.
    #[must_use]
    pub fn new() -> Self {
        Self {
            on_add: None,
            on_update: None,
            on_delete: None,
            on_synced: None,
        }
    }

    /// See [`EventHandler::on_add`].
    #[must_use]
    pub fn on_add(mut self, func: impl FnMut(&Entry<T>, bool) + Send + 'static) -> Self {
        self.on_add = Some(Box::new(func));
        self
    }

    /// See [`EventHandler::on_update`].
    #[must_use]
    pub fn on_update(mut self, func: impl FnMut(&Entry<T>, &Entry<T>) + Send + 'static) -> Self {
        self.on_update = Some(Box::new(func));
        self
    }

    /// See [`EventHandler::on_delete`].
    #[must_use]
    pub fn on_delete(mut self, func: impl FnMut(&Entry<T>, bool) + Send + 'static) -> Self {
        self.on_delete = Some(Box::new(func));
        self
    }

    /// See [`EventHandler::on_synced`].
    #[must_use]
    pub fn on_synced(mut self, func: impl FnMut() + Send + 'static) -> Self {
        self.on_synced = Some(Box::new(func));
        self
    }
}

impl<T: Send + Sync + 'static> EventHandler<T> for HandlerFuncs<T> {
    async fn on_add(&mut self, entry: &Entry<T>, is_in_initial_list: bool) {
        if let Some(func) = &mut self.on_add {
            func(entry, is_in_initial_list);
        }
    }

    async fn on_update(&mut self, old: &Entry<T>, new: &Entry<T>) {
        if let Some(func) = &mut self.on_update {
            func(old, new);
        }
    }

    async fn on_delete(&mut self, last: &Entry<T>, tombstone: bool) {
        if let Some(func) = &mut self.on_delete {
            func(last, tombstone);
        }
    }

    async fn on_synced(&mut self) {
        if let Some(func) = &mut self.on_synced {
            func();
        }
    }
}

impl<T> Default for HandlerFuncs<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for HandlerFuncs<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFuncs")
            .field("on_add", &self.on_add.is_some())
            .field("on_update", &self.on_update.is_some())
            .field("on_delete", &self.on_delete.is_some())
            .field("on_synced", &self.on_synced.is_some())
            .finish()
    }
}

/// A handler that passes on the notifications of the objects that a function accepts.
///
/// An object that starts to be accepted is added, one that stops is deleted. The keys of the accepted
/// objects are kept, so that a deletion is passed on whatever the last state is.
pub struct Filtered<F, H> {
    accepts: F,
    inner: H,
    passed_on: HashSet<ObjectKey>,
}

impl<F, H> Filtered<F, H> {
    /// Creates a handler that passes on to `inner` the objects for which `accepts` returns true.
    pub fn new(accepts: F, inner: H) -> Self {
        Self {
            accepts,
            inner,
            passed_on: HashSet::new(),
        }
    }
}

impl<T, F, H> EventHandler<T> for Filtered<F, H>
where
    T: Send + Sync + 'static,
    F: FnMut(&Entry<T>) -> bool + Send + 'static,
    H: EventHandler<T>,
{
    async fn on_add(&mut self, entry: &Entry<T>, is_in_initial_list: bool) {
        if (self.accepts)(entry) {
            self.passed_on.insert(entry.key().clone());
            self.inner.on_add(entry, is_in_initial_list).await;
        }
    }

    async fn on_update(&mut self, old: &Entry<T>, new: &Entry<T>) {
        let accepted = (self.accepts)(new);
        match (self.passed_on.contains(new.key()), accepted) {
            (true, true) => self.inner.on_update(old, new).await,
            (false, true) => {
                self.passed_on.insert(new.key().clone());
                self.inner.on_add(new, false).await;
            }
            (true, false) => {
                self.passed_on.remove(new.key());
                self.inner.on_delete(old, false).await;
            }
            (false, false) => {}
        }
    }

    async fn on_delete(&mut self, last: &Entry<T>, tombstone: bool) {
        if self.passed_on.remove(last.key()) {
            self.inner.on_delete(last, tombstone).await;
        }
    }

    async fn on_synced(&mut self) {
        self.inner.on_synced().await;
    }
}

impl<F, H: fmt::Debug> fmt::Debug for Filtered<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filtered")
            .field("inner", &self.inner)
            .field("passed_on", &self.passed_on.len())
            .finish_non_exhaustive()
    }
}

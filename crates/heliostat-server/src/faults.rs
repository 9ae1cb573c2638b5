//! The handle through which a test makes a running server fail, and through which the http room
//! asks what is to fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::api_server::fault::{Fault, FaultBook, FaultId, FaultRule, Verb};
use crate::api_server::storage::{Backup, Storage};
use crate::handle::StorageHandle;

/// Faults on demand. Clones are handles to the same server.
///
/// Rules concern requests that come; orders concern streams that are open; and the history can be
/// expired, the server restarted, or its storage taken back to a backup.
#[derive(Clone, Debug)]
pub struct Faults {
    injected: Injected,
    storage: StorageHandle,
}

/// The faults and orders that requests and streams look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Injected {
    book: Arc<Mutex<FaultBook>>,
    orders: watch::Sender<Orders>,
}

/// What happens to streams that are open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    Stall,
    Cut,
    /// End once the changes up to now have been sent.
    Close,
    /// End at once.
    End,
    Expire,
}

/// The last orders, numbered. A stream carries out those that are newer than itself.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    serial: u64,
    last: Vec<(u64, Option<String>, Order)>,
}

/// How many orders are remembered: a stream looks at them as soon as it is polled, so a few would
/// do.
const ORDERS_MAX: usize = 64;

impl Orders {
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// The newest order for a resource that came after `seen`.
    pub(crate) fn after(&self, seen: u64, resource: &str) -> Option<Order> {
        let newer = self
            .last
            .iter()
            .rev()
            .take_while(|(serial, _, _)| *serial > seen);
        let concerns = |scope: &Option<String>| scope.as_deref().is_none_or(|it| it == resource);
        newer
            .filter(|(_, scope, _)| concerns(scope))
            .map(|(_, _, order)| *order)
            .next()
    }
}

impl Faults {
    pub(crate) fn new(storage: StorageHandle) -> Self {
        Self {
            injected: Injected::default(),
            storage,
        }
    }

    /// Adds a rule for requests to come.
    pub fn inject(&self, rule: FaultRule) -> FaultId {
        self.injected.book().add(rule)
    }

    /// Takes a rule away.
    pub fn remove(&self, id: FaultId) {
        self.injected.book().remove(id);
    }

    /// Takes all rules away. Requests and streams that are stalled stay so; see
    /// [`cut_watches`](Self::cut_watches).
    pub fn clear(&self) {
        self.injected.book().clear();
    }

    /// How many requests a rule has applied to so far.
    pub fn hits(&self, id: FaultId) -> usize {
        self.injected.book().hits(id)
    }

    /// Open watches go silent without closing: no events, no bookmarks, no end.
    pub fn stall_watches(&self, resource: Option<&str>) {
        self.injected.order(resource, Order::Stall);
    }

    /// Open watches break off in the middle of a frame; stalled requests lose their connection.
    pub fn cut_watches(&self, resource: Option<&str>) {
        self.injected.order(resource, Order::Cut);
    }

    /// Open watches send the changes up to now and end cleanly, as at their timeout; stalled requests lose
    /// their connection.
    pub fn close_watches(&self, resource: Option<&str>) {
        self.injected.order(resource, Order::Close);
    }

    /// Open watches get an ERROR event with a 410 and end.
    pub fn expire_watches(&self, resource: Option<&str>) {
        self.injected.order(resource, Order::Expire);
    }

    /// Forgets the history of a resource, or of all: watches that start, and pages that go on, at
    /// an older version get a 410. Watches that have read everything stay open.
    pub fn expire_history(&self, resource: Option<&str>) {
        self.storage.change_all(|storage| storage.expire(resource));
    }

    /// What a restart does: no history, and every watch ends cleanly. Objects stay.
    pub fn restart(&self) {
        self.storage.change_all(Storage::restart);
    }

    /// Goes back to a backup, as after restoring etcd: older objects, lower revisions, no history,
    /// every watch ended.
    pub fn rewind(&self, backup: &Backup) {
        self.storage.change_all(|storage| storage.restore(backup));
    }

    pub(crate) fn injected(&self) -> &Injected {
        &self.injected
    }
}

impl Injected {
    /// The faults of a request, which uses up their counts.
    pub(crate) fn take(&self, verb: Verb, resource: &str) -> Vec<Fault> {
        self.book().take(verb, resource)
    }

    pub(crate) fn orders(&self) -> watch::Receiver<Orders> {
        self.orders.subscribe()
    }

    /// Orders every open stream of a resource, or of all.
    pub(crate) fn order(&self, resource: Option<&str>, order: Order) {
        self.orders.send_modify(|orders| {
            orders.serial += 1;
            orders
                .last
                .push((orders.serial, resource.map(str::to_owned), order));
            let surplus = orders.last.len().saturating_sub(ORDERS_MAX);
            orders.last.drain(..surplus);
        });
    }

    fn book(&self) -> MutexGuard<'_, FaultBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! `Transaction`: several changes of a store that readers see in one step.
//!
//! It works on a state of its own, which shares all memory with the store's, so index functions run
//! while nobody waits; putting it in place is one swap.

use std::fmt;
use std::sync::Arc;

use super::index::IndexFailures;
use super::indexer::IndexedObjects;
use super::snapshot::Snapshot;
use crate::object::{Entry, ObjectKey};
use crate::version::ResourceVersion;

/// One change within a transaction.
#[derive(Debug)]
pub enum Op<T> {
    /// Puts an object in, in the place of one of the same key.
    Upsert(Entry<T>),
    /// Takes an object out; if there is none, nothing.
    Remove(ObjectKey),
}

impl<T> Op<T> {
    /// The key of the object.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        match self {
            Self::Upsert(entry) => entry.key(),
            Self::Remove(key) => key,
        }
    }
}

// Not derived: a derive would ask for `T: Clone`, and objects are shared.
impl<T> Clone for Op<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Upsert(entry) => Self::Upsert(entry.clone()),
            Self::Remove(key) => Self::Remove(key.clone()),
        }
    }
}

/// Changes that are collected and not yet in place. Dropping it gives them up.
///
/// Between [`IndexedObjects::begin_transaction`] and
/// [`commit_transaction`](IndexedObjects::commit_transaction) nothing else may write to the store: it
/// would be lost.
#[must_use]
pub struct Transaction<T> {
    /// The state to be.
    next: IndexedObjects<T>,
    replaced: Vec<Option<Arc<Entry<T>>>>,
    failures: IndexFailures,
}

/// What a transaction did.
#[derive(Debug)]
pub struct Committed<T> {
    /// What each change found in its place, in the order of the changes.
    pub replaced: Vec<Option<Arc<Entry<T>>>>,
    /// The state before: dropping it can take a while, so drop it where nobody waits.
    pub before: Snapshot<T>,
}

impl<T> Committed<T> {
    /// What each change found in its place, as entries of the caller's own.
    #[must_use]
    pub fn into_replaced(self) -> Vec<Option<Entry<T>>> {
        let replaced = self.replaced.into_iter();
        replaced
            .map(|entry| entry.map(Arc::unwrap_or_clone))
            .collect()
    }
}

impl<T> IndexedObjects<T> {
    /// Starts to collect changes, in constant time.
    pub fn begin_transaction(&self) -> Transaction<T> {
        Transaction {
            next: Self::of(self.snapshot()),
            replaced: Vec::new(),
            failures: IndexFailures::default(),
        }
    }

    /// Puts the collected changes in place, in one step. A replace that is being collected is not
    /// touched.
    pub fn commit_transaction(&mut self, transaction: Transaction<T>) -> Committed<T> {
        Committed {
            before: self.put(transaction.next.snapshot()),
            replaced: transaction.replaced,
        }
    }

    /// Makes several changes in one step, and gives back what each of them found in its place.
    pub fn transact(&mut self, ops: impl IntoIterator<Item = Op<T>>) -> Vec<Option<Entry<T>>> {
        let mut transaction = self.begin_transaction();
        transaction.extend(ops);
        self.commit_transaction(transaction).into_replaced()
    }
}

impl<T> Transaction<T> {
    /// Adds a change. It sees what those before it made.
    pub fn push(&mut self, op: Op<T>) {
        let change = match op {
            Op::Upsert(entry) => self.next.prepare_upsert(entry),
            Op::Remove(key) => self.next.prepare_delete(&key),
        };
        self.failures.merge(&change.failures());
        let replaced = self.next.apply(change);
        self.replaced.push(replaced);
    }

    /// Moves the version of the store along with the changes.
    pub fn set_resource_version(&mut self, version: &ResourceVersion) {
        self.next.set_resource_version(version);
    }

    /// Marks the content as complete: with these changes, the store is synced.
    pub const fn set_synced(&mut self) {
        self.next.set_synced();
    }

    /// The state to be, to read.
    #[must_use]
    pub const fn view(&self) -> &Snapshot<T> {
        self.next.view()
    }

    /// How often index functions failed, and the last failure.
    #[must_use]
    pub const fn failures(&self) -> &IndexFailures {
        &self.failures
    }
}

impl<T> Extend<Op<T>> for Transaction<T> {
    fn extend<I: IntoIterator<Item = Op<T>>>(&mut self, ops: I) {
        for op in ops {
            self.push(op);
        }
    }
}

impl<T> fmt::Debug for Transaction<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("changes", &self.replaced.len())
            .field("next", self.next.view())
            .finish_non_exhaustive()
    }
}

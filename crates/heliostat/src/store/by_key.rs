//! `ByKey`: the present objects by the hash of their keys, for those who read one object.
//!
//! The ordered map of the store answers every question; the way to one object in it leads over many
//! keys, each somewhere else in memory, and its lock is the one that every write takes. Here it is one
//! look, under a lock that few writes take: each key belongs to one of several shards.
//!
//! Whoever writes here holds the lock of the store's content, and changes that as well before it lets
//! go. So a read here and a look at the content, in whatever order, never go back in time.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::snapshot::Snapshot;

use crate::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// So many that a reader seldom finds the lock of its shard in another core's cache; they take 1 KiB.
const SHARDS: usize = 16;

/// See the module.
pub(super) struct ByKey<T> {
    /// Another one for each store: whoever names objects cannot make their hashes clash.
    hasher: RandomState,
    shards: [Shard<T>; SHARDS],
}

/// In a cache line of its own.
#[repr(align(64))]
struct Shard<T>(RwLock<Table<T>>);

type Table<T> = HashTable<Slot<T>>;

/// One object. The key and the object are in the entry, too; here they are on the way, and each piece
/// of memory that a read need not go to makes it faster.
pub(super) struct Slot<T> {
    key: ObjectKey,
    object: Arc<T>,
    entry: Arc<Entry<T>>,
}

impl<T> Slot<T> {
    fn of(entry: &Arc<Entry<T>>) -> Self {
        Self {
            key: entry.key().clone(),
            object: Arc::clone(&entry.object),
            entry: Arc::clone(entry),
        }
    }
}

/// The tables of another state, to be put in place in one step.
pub(super) struct Tables<T>([Table<T>; SHARDS]);

impl<T> ByKey<T> {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| Shard(RwLock::new(HashTable::new()))),
        }
    }

    /// The object of the key with this text.
    pub(super) fn get(&self, key: &str) -> Option<Entry<T>> {
        self.find(key, |slot| Entry::clone(&slot.entry))
    }

    /// Has the object of the key with this text read, under the lock of its shard: nothing that waits
    /// or takes long may run there, and nothing of the user's.
    pub(super) fn read<R>(&self, key: &str, read: impl FnOnce(&Arc<T>) -> R) -> Option<R> {
        self.find(key, |slot| read(&slot.object))
    }

    /// The objects of these keys, in their order.
    ///
    /// Nearly all of the time is waiting for memory, so each piece of it is gone to for all keys before
    /// the next: the processor then waits for several at once.
    pub(super) fn get_all(&self, keys: &[&ObjectKey]) -> Vec<Entry<T>> {
        let tables = self.shards.each_ref().map(Shard::read);
        let hashes: Vec<_> = keys.iter().map(|key| self.hash(key.as_str())).collect();
        let slots = keys.iter().zip(hashes).filter_map(|(key, hash)| {
            let table = tables.get(shard_of(hash))?;
            table.find(hash, |slot| slot.key == **key)
        });
        let slots: Vec<_> = slots.collect();
        let counts = slots
            .iter()
            .map(|slot| Arc::strong_count(&slot.entry) ^ Arc::strong_count(&slot.object));
        std::hint::black_box(counts.fold(0, |all, count| all ^ count));
        slots
            .into_iter()
            .map(|slot| Entry::clone(&slot.entry))
            .collect()
    }

    fn find<R>(&self, key: &str, read: impl FnOnce(&Slot<T>) -> R) -> Option<R> {
        let hash = self.hash(key);
        let table = self.shard(hash).read();
        let slot = table.find(hash, |slot| slot.key.as_str() == key)?;
        Some(read(slot))
    }

    /// Puts a state in the place of the one before, which is given back to be dropped where nobody
    /// waits; none takes the object out.
    pub(super) fn set(&self, key: &ObjectKey, entry: Option<&Arc<Entry<T>>>) -> Option<Slot<T>> {
        let hash = self.hash(key.as_str());
        self.set_in(&mut self.shard(hash).write(), hash, key, entry)
    }

    /// Sets what a state has of these keys; readers see all of it or nothing. Gives back what was in
    /// its place.
    pub(super) fn set_all(&self, keys: &[ObjectKey], state: &Snapshot<T>) -> Vec<Slot<T>> {
        let mut tables = self.write_all();
        let set = keys.iter().filter_map(|key| {
            let hash = self.hash(key.as_str());
            let table = tables.get_mut(shard_of(hash))?;
            self.set_in(table, hash, key, state.get_shared(key))
        });
        set.collect()
    }

    /// Tables of all objects of a state, to be [put in place](Self::swap).
    pub(super) fn tables(&self, state: &Snapshot<T>) -> Tables<T> {
        // A little more than the mean, since hashes do not spread evenly.
        let mean = state.len() / SHARDS;
        let mut tables = std::array::from_fn(|_| HashTable::with_capacity(mean + mean / 32));
        for entry in state.shared() {
            let hash = self.hash(entry.key().as_str());
            if let Some(table) = tables.get_mut(shard_of(hash)) {
                table.insert_unique(hash, Slot::of(entry), |slot| self.hash_of(slot));
            }
        }
        Tables(tables)
    }

    /// Puts tables in place, in one step, and gives back those before.
    pub(super) fn swap(&self, mut tables: Tables<T>) -> Tables<T> {
        // All locks are taken before the first is let go, so who has seen one new table sees no old one.
        for (mut present, next) in self.write_all().into_iter().zip(&mut tables.0) {
            std::mem::swap(&mut *present, next);
        }
        tables
    }

    fn set_in(
        &self,
        table: &mut Table<T>,
        hash: u64,
        key: &ObjectKey,
        entry: Option<&Arc<Entry<T>>>,
    ) -> Option<Slot<T>> {
        let is_it = |slot: &Slot<T>| slot.key == *key;
        match (table.entry(hash, is_it, |slot| self.hash_of(slot)), entry) {
            (Place::Occupied(mut place), Some(entry)) => {
                Some(std::mem::replace(place.get_mut(), Slot::of(entry)))
            }
            (Place::Occupied(place), None) => Some(place.remove().0),
            (Place::Vacant(place), Some(entry)) => {
                place.insert(Slot::of(entry));
                None
            }
            (Place::Vacant(_), None) => None,
        }
    }

    /// The locks of all shards, always in the same order.
    fn write_all(&self) -> [RwLockWriteGuard<'_, Table<T>>; SHARDS] {
        self.shards.each_ref().map(Shard::write)
    }

    fn shard(&self, hash: u64) -> &Shard<T> {
        &self.shards[shard_of(hash)]
    }

    fn hash_of(&self, slot: &Slot<T>) -> u64 {
        self.hash(slot.key.as_str())
    }

    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// Which shard a hash belongs to. The table looks at the lowest bits and at the highest seven, so these
/// are others.
const fn shard_of(hash: u64) -> usize {
    (hash >> 48) as usize % SHARDS
}

// No code of the user's runs under these locks, and a table is always whole.
impl<T> Shard<T> {
    fn read(&self) -> RwLockReadGuard<'_, Table<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

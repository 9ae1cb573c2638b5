//! `ContainedStore`: the store of a reflector, whose panics become errors.
//!
//! It holds the staging of the replace that is under way. A replace in which the store panicked is
//! aborted: its commit fails, so that the machine lists again after a delay, and no object is reported
//! as deleted because of it.

use heliostat_core::event::ChangeKind;
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::{History, Staging, Store, StoreError};
use heliostat_core::version::ResourceVersion;

use crate::contain::contain;

/// See the module.
pub(super) struct ContainedStore<T, W> {
    store: W,
    replace: Replace<T>,
    /// False once counting has panicked; it is not tried again.
    counts: bool,
}

/// The replace that is under way.
enum Replace<T> {
    None,
    Staging(Staging<T>),
    /// It was aborted, and its commit fails.
    Failed(StoreError),
}

impl<T, W: Store<T>> ContainedStore<T, W> {
    pub(super) const fn new(store: W) -> Self {
        Self {
            store,
            replace: Replace::None,
            counts: true,
        }
    }

    pub(super) fn begin_replace(&mut self, history: History) {
        self.replace = match contain(|| self.store.begin_replace()) {
            Ok(staging) => Replace::Staging(staging.in_history(history)),
            Err(panic) => Replace::Failed(StoreError::new(panic)),
        };
    }

    /// Changes what is staged. Dropping an object that is replaced may run code of the user's.
    pub(super) fn stage(&mut self, change: impl FnOnce(&mut Staging<T>)) {
        if let Replace::Staging(staging) = &mut self.replace
            && let Err(panic) = contain(|| change(staging))
        {
            self.replace = Replace::Failed(StoreError::new(panic));
        }
    }

    pub(super) fn abort_replace(&mut self) -> Result<(), StoreError> {
        let replace = std::mem::replace(&mut self.replace, Replace::None);
        contain(|| drop(replace)).map_err(StoreError::new)
    }

    pub(super) fn commit(&mut self, version: &ResourceVersion) -> Result<(), StoreError> {
        match std::mem::replace(&mut self.replace, Replace::None) {
            Replace::Staging(staging) => self.write(|store| store.commit(staging, version)),
            Replace::Failed(error) => Err(error),
            Replace::None => Err(StoreError::new("no replace was begun")),
        }
    }

    pub(super) fn apply(&mut self, change: ChangeKind, entry: Entry<T>) -> Result<(), StoreError> {
        self.write(|store| match change {
            ChangeKind::Added => store.add(entry),
            ChangeKind::Modified => store.update(entry),
            ChangeKind::Deleted => {
                let key = entry.header.key.clone();
                store.delete(&key, Some(entry))
            }
        })
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) -> Result<(), StoreError> {
        self.write(|store| store.delete(key, None))
    }

    pub(super) fn bookmark(&mut self, version: &ResourceVersion) -> Result<(), StoreError> {
        self.write(|store| {
            store.bookmark(version);
            Ok(())
        })
    }

    pub(super) fn update_resource_version(
        &mut self,
        version: &ResourceVersion,
    ) -> Result<(), StoreError> {
        self.write(|store| {
            store.update_resource_version(version);
            Ok(())
        })
    }

    pub(super) fn resync(&mut self) -> Result<(), StoreError> {
        self.write(Store::resync)
    }

    /// Returns the number of objects; `None` if the store does not count or has panicked while counting.
    pub(super) fn object_count(&mut self) -> Result<Option<usize>, StoreError> {
        if !self.counts {
            return Ok(None);
        }
        contain(|| self.store.object_count()).map_err(|panic| {
            self.counts = false;
            StoreError::new(panic)
        })
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut W) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        contain(|| write(&mut self.store)).unwrap_or_else(|panic| Err(StoreError::new(panic)))
    }
}

#[cfg(test)]
mod tests {
    use heliostat_core::object::{Header, Uid};

    use super::*;
    use crate::store::IndexerWriter;

    /// An object whose drop is code of the user's.
    struct Fragile(bool);

    impl Drop for Fragile {
        fn drop(&mut self) {
            assert!(!self.0 || std::thread::panicking(), "told to panic");
        }
    }

    #[test]
    fn a_replace_in_which_an_object_panics_is_not_committed() {
        let writer = IndexerWriter::<Fragile>::new();
        let indexer = writer.indexer();
        let mut store = ContainedStore::new(writer);
        let entry = |version: u64, panics| {
            let header = Header {
                key: ObjectKey::cluster("a"),
                resource_version: version.into(),
                uid: Uid::UNSET,
            };
            Entry::new(header, Fragile(panics))
        };
        store.begin_replace(History::Same);
        store.stage(|staging| staging.stage(entry(1, true)));
        // It takes the place of the other one, which panics.
        store.stage(|staging| staging.stage(entry(2, false)));
        let error = store.commit(&1.into()).unwrap_err().to_string();
        assert!(error.contains("told to panic"), "{error}");
        assert!(indexer.is_empty());
        store.begin_replace(History::Same);
        store.stage(|staging| staging.stage(entry(2, false)));
        store.commit(&2.into()).unwrap();
        assert_eq!(indexer.len(), 1);
    }
}

//! Collections in memory for the suite, seen through the source itself or through a wrapper of it.

use heliostat::core::object::{Header, ObjectKey};
use heliostat::list_watch::ListerWatcher;
use heliostat::source::memory::MemorySource;
use heliostat_conformance::{Ability, Harness, HarnessError, Scope};

/// A new collection for each check.
pub(crate) struct MemoryHarness<F> {
    make: F,
    others_write: bool,
}

/// A collection of numbers, and the source under test.
pub(crate) struct MemoryScope<S> {
    collection: MemorySource<u64>,
    source: S,
    others_write: bool,
}

impl<F> MemoryHarness<F> {
    /// `make` makes the source under test from its collection.
    pub(crate) const fn new(make: F) -> Self {
        Self {
            make,
            others_write: false,
        }
    }

    /// Before each write somebody else writes an object of the same name in a namespace.
    pub(crate) const fn among_others(make: F) -> Self {
        Self {
            make,
            others_write: true,
        }
    }
}

impl<S> MemoryScope<S> {
    fn let_others_write(&self, name: &str) {
        if self.others_write {
            let key = ObjectKey::namespaced("elsewhere", name);
            self.collection.apply(key, 0);
        }
    }
}

impl<F, S> Harness for MemoryHarness<F>
where
    F: Fn(MemorySource<u64>) -> S + Sync,
    S: ListerWatcher<Object = u64>,
{
    type Scope = MemoryScope<S>;

    async fn open(&self, _name: &str) -> Result<MemoryScope<S>, HarnessError> {
        let collection = MemorySource::new();
        let source = (self.make)(collection.clone());
        Ok(MemoryScope {
            collection,
            source,
            others_write: self.others_write,
        })
    }
}

impl<S: ListerWatcher<Object = u64>> Scope for MemoryScope<S> {
    type Source = S;

    fn source(&self) -> &S {
        &self.source
    }

    fn value(&self, object: &u64) -> Option<u64> {
        Some(*object)
    }

    async fn create(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        self.let_others_write(name);
        let created = self.collection.create(ObjectKey::cluster(name), value);
        Ok(created.map_err(HarnessError::new)?.header)
    }

    async fn update(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        self.let_others_write(name);
        let updated = self.collection.update(ObjectKey::cluster(name), value);
        Ok(updated.map_err(HarnessError::new)?.header)
    }

    async fn delete(&self, name: &str) -> Result<(), HarnessError> {
        self.let_others_write(name);
        let deleted = self.collection.delete(&ObjectKey::cluster(name));
        deleted.map(drop).map_err(HarnessError::new)
    }

    /// The source answers at once or never; the turns are for the other side of a concurrent check.
    async fn give_up(&self) {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    }

    async fn expire_history(&self) -> Result<Ability, HarnessError> {
        self.collection.expire();
        Ok(Ability::Done)
    }

    async fn send_bookmark(&self) -> Result<Ability, HarnessError> {
        self.collection.bookmark();
        Ok(Ability::Done)
    }

    async fn spoil(&self, name: &str) -> Result<Ability, HarnessError> {
        self.collection.reject(ObjectKey::cluster(name));
        Ok(Ability::Done)
    }

    async fn wait_for_no_watches(&self) -> Result<Ability, HarnessError> {
        self.collection.wait_for_open_watches(0).await;
        Ok(Ability::Done)
    }
}

//! Collections in memory for the suite, seen through the source itself or through a wrapper of it.

use heliostat::object::{Encoding, FieldPath};
use heliostat::source::memory::MemorySource;
use heliostat::{Header, ListerWatcher, ObjectKey, Packed, RawObject};
use heliostat_conformance::{Ability, Harness, HarnessError, Scope};

/// A new collection for each check.
pub(crate) struct MemoryHarness<T, S> {
    make: Box<Make<T, S>>,
    others_write: bool,
}

type Make<T, S> = dyn Fn(MemorySource<T>) -> S + Sync;

/// A collection of numbers, and the source under test.
pub(crate) struct MemoryScope<T, S> {
    collection: MemorySource<T>,
    source: S,
    others_write: bool,
}

/// What a collection holds: a number, in whatever form.
pub(crate) trait Written: Send + Sync + 'static {
    /// This number.
    fn write(number: u64) -> Self;
}

/// What a source gives of it.
pub(crate) trait Told {
    /// The number, if it can be read.
    fn read(&self) -> Option<u64>;
}

impl Written for u64 {
    fn write(number: u64) -> Self {
        number
    }
}

impl Told for u64 {
    fn read(&self) -> Option<u64> {
        Some(*self)
    }
}

/// An object whose value is a number.
impl Written for RawObject {
    fn write(number: u64) -> Self {
        let text = format!(r#"{{"value":{number}}}"#);
        Self::new(Encoding::Json, None, text.into_bytes().into())
    }
}

impl<T> Told for Packed<T> {
    fn read(&self) -> Option<u64> {
        let path: FieldPath = "value".parse().ok()?;
        let value = self.inspect(|view| view.text(&path).ok()?.map(|text| text.parse()));
        value.ok()??.ok()
    }
}

impl<T, S> MemoryHarness<T, S> {
    /// `make` makes the source under test from its collection.
    pub(crate) fn new(make: impl Fn(MemorySource<T>) -> S + Sync + 'static) -> Self {
        Self {
            make: Box::new(make),
            others_write: false,
        }
    }

    /// Before each write somebody else writes an object of the same name in a namespace.
    pub(crate) fn among_others(make: impl Fn(MemorySource<T>) -> S + Sync + 'static) -> Self {
        Self {
            make: Box::new(make),
            others_write: true,
        }
    }
}

impl<T: Written, S> MemoryScope<T, S> {
    fn let_others_write(&self, name: &str) {
        if self.others_write {
            let key = ObjectKey::namespaced("elsewhere", name);
            self.collection.apply(key, T::write(0));
        }
    }
}

impl<T, S> Harness for MemoryHarness<T, S>
where
    T: Written,
    S: ListerWatcher<Object: Told>,
{
    type Scope = MemoryScope<T, S>;

    async fn open(&self, _name: &str) -> Result<MemoryScope<T, S>, HarnessError> {
        let collection = MemorySource::new();
        let source = (self.make)(collection.clone());
        Ok(MemoryScope {
            collection,
            source,
            others_write: self.others_write,
        })
    }
}

impl<T: Written, S: ListerWatcher<Object: Told>> Scope for MemoryScope<T, S> {
    type Source = S;

    fn source(&self) -> &S {
        &self.source
    }

    fn value(&self, object: &S::Object) -> Option<u64> {
        object.read()
    }

    async fn create(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        self.let_others_write(name);
        let created = self
            .collection
            .create(ObjectKey::cluster(name), T::write(value));
        Ok(created.map_err(HarnessError::new)?.header)
    }

    async fn update(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        self.let_others_write(name);
        let updated = self
            .collection
            .update(ObjectKey::cluster(name), T::write(value));
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

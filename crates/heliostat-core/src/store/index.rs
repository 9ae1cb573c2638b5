//! Named indexes: from the values that a function gives an object back to the objects.
//!
//! An index is one ordered set of (value, key) pairs and nothing beside it. A value whose last object
//! went is therefore gone without further ado, values and keys come out sorted, and an index costs
//! the same whether its values are shared by thousands or by one.

use std::any::Any;
use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use equivalent::{Comparable, Equivalent};
use imbl::OrdSet;

use super::compact::compact_set;
use crate::object::{Entry, ObjectKey};
use crate::raw::{FieldError, FieldPath, RawView, ReadRaw};

/// The well-known name of the index by namespace.
pub const NAMESPACE_INDEX: &str = "namespace";

/// Gives an object the values under which an index files it. A clone shares the function.
///
/// The function must be pure: the same state of an object always gives the same values. It runs while
/// other writers wait, never while readers do, and must not write to the store that it indexes.
///
/// If it fails or panics, the object has no values in that index. The write goes on, and the failure
/// is counted and kept: see [`IndexFailures`].
///
/// ```
/// use std::sync::Arc;
/// use heliostat_core::object::{Entry, Header, ObjectKey};
/// use heliostat_core::store::index::IndexFunc;
///
/// let by_node = IndexFunc::new(|pod: &Entry<Option<&'static str>>| *pod.object);
/// let header = Header {
///     key: ObjectKey::namespaced("default", "web"),
///     resource_version: "7".into(),
///     uid: "u".into(),
/// };
/// let pod = Entry::new(header, Some("node-1"));
/// assert_eq!(by_node.values(&pod).unwrap(), [Arc::from("node-1")]);
/// ```
pub struct IndexFunc<T>(Arc<ValuesFn<T>>);

type ValuesFn<T> = dyn Fn(&Entry<T>) -> Result<Vec<Arc<str>>, IndexError> + Send + Sync;

impl<T> IndexFunc<T> {
    /// An index function that cannot fail.
    pub fn new<F, I>(values: F) -> Self
    where
        F: Fn(&Entry<T>) -> I + Send + Sync + 'static,
        I: IntoIterator<Item: Into<Arc<str>>>,
    {
        Self(Arc::new(move |entry| {
            Ok(values(entry).into_iter().map(Into::into).collect())
        }))
    }

    /// An index function that can fail.
    pub fn fallible<F, I, E>(values: F) -> Self
    where
        F: Fn(&Entry<T>) -> Result<I, E> + Send + Sync + 'static,
        I: IntoIterator<Item: Into<Arc<str>>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Arc::new(move |entry| {
            let values = values(entry).map_err(|error| IndexError::Failed(error.into().into()))?;
            Ok(values.into_iter().map(Into::into).collect())
        }))
    }

    /// The values at a path, as texts, of objects that are there as bytes: `spec.nodeName`,
    /// `spec.containers[*].image`. An object without them has no values.
    ///
    /// It fails for an object whose bytes are broken, and for a path that is no path to values in it.
    #[must_use]
    pub fn by_field(path: FieldPath) -> Self
    where
        T: ReadRaw,
    {
        Self::of_raw(move |object| {
            let mut values = Vec::new();
            object.visit(&path, &mut |value| {
                values.push(Arc::from(&*value.into_text()));
            })?;
            Ok(values)
        })
    }

    /// The value of one label, of objects that are there as bytes.
    #[must_use]
    pub fn by_label(key: impl Into<String>) -> Self
    where
        T: ReadRaw,
    {
        let key = key.into();
        Self::of_raw(move |object| {
            let value = object.label(&key);
            Ok(value.map(|value| Arc::from(&*value)).into_iter().collect())
        })
    }

    /// The uids of an object's owners, of objects that are there as bytes.
    #[must_use]
    pub fn by_owner() -> Self
    where
        T: ReadRaw,
    {
        Self::of_raw(|object| {
            let owners = object.metadata().owner_references();
            Ok(owners.iter().map(|owner| Arc::from(&*owner.uid)).collect())
        })
    }

    fn of_raw<F>(values: F) -> Self
    where
        T: ReadRaw,
        F: Fn(RawView<'_>) -> Result<Vec<Arc<str>>, FieldError> + Send + Sync + 'static,
    {
        Self(Arc::new(move |entry| {
            let failed = |error: Arc<dyn Error + Send + Sync>| IndexError::Failed(error);
            let read = entry.object.read_raw(&values);
            let values = read.map_err(|error| failed(Arc::new(error)))?;
            values.map_err(|error| failed(Arc::new(error)))
        }))
    }

    /// The function of the index [`NAMESPACE_INDEX`]: the object's namespace, or the empty text for
    /// an object that is in none.
    #[must_use]
    pub fn by_namespace() -> Self {
        Self::new(|entry: &Entry<T>| [entry.key().namespace().unwrap_or_default().to_owned()])
    }

    /// The values of an object, sorted, each once.
    ///
    /// # Errors
    /// What the function failed with, or the message of its panic.
    pub fn values(&self, entry: &Entry<T>) -> Result<Vec<Arc<str>>, IndexError> {
        // The function borrows the entry immutably and owns nothing of the store, so there is no
        // state of ours that a panic could leave broken.
        let mut values = catch_unwind(AssertUnwindSafe(|| (self.0)(entry)))
            .unwrap_or_else(|panic| Err(IndexError::Panicked(panic_message(&*panic))))?;
        if values.len() > 1 {
            values.sort_unstable();
            values.dedup();
        }
        Ok(values)
    }

    /// The only value of an object: the index function read as a key function.
    ///
    /// # Errors
    /// As for [`values`](Self::values), and if there is not exactly one value.
    pub fn only_value(&self, entry: &Entry<T>) -> Result<Arc<str>, IndexError> {
        let mut values = self.values(entry)?;
        match (values.pop(), values.len()) {
            (Some(value), 0) => Ok(value),
            (None, _) => Err(IndexError::NotOneValue(0)),
            (Some(_), others) => Err(IndexError::NotOneValue(others + 1)),
        }
    }
}

impl<T> Clone for IndexFunc<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for IndexFunc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexFunc")
    }
}

/// Why an index cannot answer, or cannot be added.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// No index has this name.
    #[error("there is no index named {0:?}")]
    Unknown(String),
    /// The name is taken.
    #[error("there is an index named {0:?} already")]
    Exists(String),
    /// The index function failed.
    #[error("the index function failed")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
    /// The index function panicked.
    #[error("the index function panicked: {0}")]
    Panicked(Arc<str>),
    /// The object has no index value, or several, where one is needed.
    #[error("expected exactly one index value, got {0}")]
    NotOneValue(usize),
}

/// An object that an index could not file: it is in the store, and not in that index.
#[derive(Clone, Debug, thiserror::Error)]
#[error("object {key} is not in the index {index:?}")]
pub struct IndexFailure {
    /// The object.
    pub key: ObjectKey,
    /// The name of the index.
    pub index: Arc<str>,
    /// Why.
    #[source]
    pub error: IndexError,
}

/// How often index functions failed, and the last time.
///
/// The count never goes down: an object whose next state can be filed again stays counted.
#[derive(Clone, Debug, Default)]
pub struct IndexFailures {
    /// How many times a function failed or panicked.
    pub count: u64,
    /// The last failure.
    pub last: Option<Arc<IndexFailure>>,
}

impl IndexFailures {
    pub(super) fn push(&mut self, failure: IndexFailure) {
        self.count += 1;
        self.last = Some(Arc::new(failure));
    }

    pub(super) fn merge(&mut self, later: &Self) {
        self.count += later.count;
        if later.last.is_some() {
            self.last.clone_from(&later.last);
        }
    }
}

/// One index: its function, and what it has filed. A clone shares all of it, in constant time.
pub(super) struct Index<T> {
    func: IndexFunc<T>,
    pairs: OrdSet<Pair>,
    failures: IndexFailures,
}

/// What one write does to one index; worked out before anything is changed.
#[derive(Debug, Default)]
pub(super) struct IndexChange {
    gone: Vec<Arc<str>>,
    come: Vec<Arc<str>>,
    failures: IndexFailures,
}

/// One filing: this object has this value. Ordered by value, then by key.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Pair {
    value: Arc<str>,
    key: ObjectKey,
}

impl<T> Index<T> {
    /// An index of all `entries`, which come in the order of their keys.
    pub(super) fn build<'a>(
        name: &Arc<str>,
        func: IndexFunc<T>,
        entries: impl Iterator<Item = &'a Entry<T>>,
    ) -> Self
    where
        T: 'a,
    {
        let mut failures = IndexFailures::default();
        let mut pairs = Vec::new();
        for entry in entries {
            match func.values(entry) {
                Ok(values) => pairs.extend(values.into_iter().map(|value| Pair {
                    value,
                    key: entry.key().clone(),
                })),
                Err(error) => failures.push(failure(name, entry.key(), error)),
            }
        }
        pairs.sort_unstable();
        share_values(&mut pairs);
        Self {
            func,
            pairs: compact_set(pairs),
            failures,
        }
    }

    /// Works out what a change of one object does here, and changes nothing.
    pub(super) fn prepare(
        &self,
        name: &Arc<str>,
        old: Option<&Entry<T>>,
        new: Option<&Entry<T>>,
    ) -> IndexChange {
        let mut failures = IndexFailures::default();
        // The old state may have had no values because the function failed; that was counted then.
        let old = old.map_or_else(Vec::new, |entry| {
            self.func.values(entry).unwrap_or_default()
        });
        let new = new.map_or_else(Vec::new, |entry| {
            self.func.values(entry).unwrap_or_else(|error| {
                failures.push(failure(name, entry.key(), error));
                Vec::new()
            })
        });
        let (gone, come) = if old == new {
            (Vec::new(), Vec::new())
        } else {
            (without(&old, &new), without(&new, &old))
        };
        IndexChange {
            gone,
            come,
            failures,
        }
    }

    /// Does what [`prepare`](Self::prepare) worked out. Runs no code of the user's.
    pub(super) fn apply(&mut self, key: &ObjectKey, change: IndexChange) {
        for value in change.gone {
            self.pairs.remove(&Place::of(&value, key));
        }
        for value in change.come {
            let value = self.shared(value);
            let key = key.clone();
            self.pairs.insert(Pair { value, key });
        }
        self.failures.merge(&change.failures);
    }

    /// Empties the index and takes the same function's filing of other entries.
    pub(super) fn rebuild<'a>(
        &self,
        name: &Arc<str>,
        entries: impl Iterator<Item = &'a Entry<T>>,
    ) -> Self
    where
        T: 'a,
    {
        let mut built = Self::build(name, self.func.clone(), entries);
        let mut failures = self.failures.clone();
        failures.merge(&built.failures);
        built.failures = failures;
        built
    }

    /// The keys of the objects that have this value, sorted.
    pub(super) fn keys<'a>(&'a self, value: &'a str) -> impl Iterator<Item = &'a ObjectKey> {
        self.pairs
            .range::<_, Place<'_>>(Place::first(value)..)
            .take_while(move |pair| &*pair.value == value)
            .map(|pair| &pair.key)
    }

    /// True if the object of this key has this value.
    pub(super) fn contains(&self, value: &str, key: &ObjectKey) -> bool {
        self.pairs.contains(&Place::of(value, key))
    }

    /// All values, sorted, each once.
    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<str>> {
        let mut next = self.pairs.get_min();
        std::iter::from_fn(move || {
            let value = &next?.value;
            // One jump a value: an index of few values is not walked object by object.
            next = self
                .pairs
                .range::<_, Place<'_>>(Place::after(value)..)
                .next();
            Some(value)
        })
    }

    pub(super) const fn func(&self) -> &IndexFunc<T> {
        &self.func
    }

    pub(super) const fn failures(&self) -> &IndexFailures {
        &self.failures
    }

    /// The text that the index holds for this value already, so that a value is in memory once.
    fn shared(&self, value: Arc<str>) -> Arc<str> {
        match self
            .pairs
            .range::<_, Place<'_>>(Place::first(&value)..)
            .next()
        {
            Some(pair) if pair.value == value => Arc::clone(&pair.value),
            _ => value,
        }
    }
}

impl<T> Clone for Index<T> {
    fn clone(&self) -> Self {
        Self {
            func: self.func.clone(),
            pairs: self.pairs.clone(),
            failures: self.failures.clone(),
        }
    }
}

impl IndexChange {
    /// True if nothing is to be done.
    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.come.is_empty() && self.failures.count == 0
    }

    pub(super) const fn failures(&self) -> &IndexFailures {
        &self.failures
    }
}

/// A place in the order of the pairs, found without building a pair.
struct Place<'a> {
    value: &'a str,
    key: KeyPlace<'a>,
}

enum KeyPlace<'a> {
    /// At this key. No key comes before the empty one.
    At(&'a str),
    /// After all keys of the value.
    End,
}

impl<'a> Place<'a> {
    fn of(value: &'a str, key: &'a ObjectKey) -> Self {
        let key = KeyPlace::At(key.as_str());
        Self { value, key }
    }

    fn first(value: &'a str) -> Self {
        let key = KeyPlace::At("");
        Self { value, key }
    }

    fn after(value: &'a str) -> Self {
        let key = KeyPlace::End;
        Self { value, key }
    }
}

impl Equivalent<Pair> for Place<'_> {
    fn equivalent(&self, pair: &Pair) -> bool {
        self.compare(pair) == Ordering::Equal
    }
}

impl Comparable<Pair> for Place<'_> {
    fn compare(&self, pair: &Pair) -> Ordering {
        self.value.cmp(&pair.value).then_with(|| match self.key {
            KeyPlace::At(key) => key.cmp(pair.key.as_str()),
            KeyPlace::End => Ordering::Greater,
        })
    }
}

/// The values of `all` that are not among `others`. Objects have few values, so no set is built.
fn without(all: &[Arc<str>], others: &[Arc<str>]) -> Vec<Arc<str>> {
    let new = all.iter().filter(|value| !others.contains(value));
    new.cloned().collect()
}

/// Lets sorted pairs of the same value share its text.
fn share_values(pairs: &mut [Pair]) {
    let mut last: Option<Arc<str>> = None;
    for pair in pairs {
        match &last {
            Some(value) if *value == pair.value => pair.value = Arc::clone(value),
            _ => last = Some(Arc::clone(&pair.value)),
        }
    }
}

fn failure(index: &Arc<str>, key: &ObjectKey, error: IndexError) -> IndexFailure {
    IndexFailure {
        key: key.clone(),
        index: Arc::clone(index),
        error,
    }
}

/// What a panic said, where it said it in words.
fn panic_message(panic: &(dyn Any + Send)) -> Arc<str> {
    let text = panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Arc::from(text.unwrap_or("no message"))
}

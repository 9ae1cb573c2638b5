//! The collection itself: objects, revisions and a window of changes. No lock, no runtime, no clock.
//!
//! Every write makes exactly one change with a revision of its own, one higher than the last. The
//! state of any revision between [`oldest`](Collection::oldest_revision) and the newest can be read:
//! it is the present state with the later changes undone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use heliostat_core::event::{ChangeKind, WatchEvent};
use heliostat_core::object::{Entry, Header, ObjectKey, Uid};

/// The revision of a collection nothing was ever written to, as in a fresh etcd. It is not 0, because
/// a version of `0` means "any" on a request.
pub const FIRST_REVISION: u64 = 1;

/// How many changes are kept by default: more than a test writes by hand, and bounded.
pub const DEFAULT_WINDOW: usize = 1000;

/// Objects with revisions and a window of the changes that led to them.
///
/// This is the pure part of [`MemorySource`](super::MemorySource); a simulation uses it directly.
///
/// ```
/// use heliostat::ObjectKey;
/// use heliostat::source::memory::Collection;
///
/// let mut collection = Collection::<&str>::new();
/// let created = collection.apply(ObjectKey::cluster("a"), "one");
/// assert_eq!(created.revision(), 2);
/// assert_eq!(*collection.get(&ObjectKey::cluster("a")).unwrap().object, "one");
/// ```
#[derive(Debug)]
pub struct Collection<T> {
    objects: BTreeMap<ObjectKey, Entry<T>>,
    history: VecDeque<Change<T>>,
    window: usize,
    revision: u64,
    /// All changes after this revision are in the history.
    oldest: u64,
    /// How many objects ever lived: the source of uids, so it is never set back.
    lives: u64,
}

/// One write, as the history keeps it.
#[derive(Debug)]
pub struct Change<T> {
    kind: ChangeKind,
    revision: u64,
    entry: Entry<T>,
    previous: Option<Entry<T>>,
}

/// A copy of a collection's state, to go back to. A clone shares the objects.
#[derive(Debug)]
pub struct Backup<T> {
    objects: BTreeMap<ObjectKey, Entry<T>>,
    revision: u64,
}

/// Why a write was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The object to be created is there.
    #[error("{0} already exists")]
    AlreadyExists(ObjectKey),
    /// The object to be changed is not there.
    #[error("{0} not found")]
    NotFound(ObjectKey),
}

impl<T> Collection<T> {
    /// An empty collection that keeps [`DEFAULT_WINDOW`] changes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            window: DEFAULT_WINDOW,
            revision: FIRST_REVISION,
            oldest: FIRST_REVISION,
            lives: 0,
        }
    }

    /// Keeps the last `changes` changes from now on; older versions expire.
    pub fn set_window(&mut self, changes: usize) {
        self.window = changes;
        self.trim();
    }

    /// Creates an object, with a uid of its own.
    ///
    /// # Errors
    /// [`WriteError::AlreadyExists`] if the key is taken.
    pub fn create(
        &mut self,
        key: ObjectKey,
        object: impl Into<Arc<T>>,
    ) -> Result<&Change<T>, WriteError> {
        if self.objects.contains_key(&key) {
            return Err(WriteError::AlreadyExists(key));
        }
        Ok(self.apply(key, object))
    }

    /// Changes an object that is there.
    ///
    /// # Errors
    /// [`WriteError::NotFound`] if it is not.
    pub fn update(
        &mut self,
        key: ObjectKey,
        object: impl Into<Arc<T>>,
    ) -> Result<&Change<T>, WriteError> {
        if !self.objects.contains_key(&key) {
            return Err(WriteError::NotFound(key));
        }
        Ok(self.apply(key, object))
    }

    /// Creates the object, or changes it if it is there. An equal object is a change as well.
    pub fn apply(&mut self, key: ObjectKey, object: impl Into<Arc<T>>) -> &Change<T> {
        let previous = self.objects.get(&key).cloned();
        let (kind, uid) = match &previous {
            Some(previous) => (ChangeKind::Modified, previous.header.uid.clone()),
            None => (ChangeKind::Added, self.next_uid()),
        };
        let header = Header {
            key: key.clone(),
            resource_version: self.next_revision().into(),
            uid,
        };
        let entry = Entry::new(header, object);
        self.objects.insert(key, entry.clone());
        self.record(kind, entry, previous)
    }

    /// Deletes an object. The change carries its last state with the version of the deletion.
    ///
    /// # Errors
    /// [`WriteError::NotFound`] if there is nothing to delete.
    pub fn delete(&mut self, key: &ObjectKey) -> Result<&Change<T>, WriteError> {
        let Some(previous) = self.objects.remove(key) else {
            return Err(WriteError::NotFound(key.clone()));
        };
        let mut entry = previous.clone();
        entry.header.resource_version = self.next_revision().into();
        Ok(self.record(ChangeKind::Deleted, entry, Some(previous)))
    }

    /// Moves the revision on without a change, as a write to something else in the same storage does.
    pub const fn advance(&mut self) -> u64 {
        self.next_revision()
    }

    /// Forgets the history, so that every version told so far is too old.
    ///
    /// Also [advances](Self::advance): without that the newest version would still be good.
    pub fn expire(&mut self) {
        self.next_revision();
        self.forget_history();
    }

    /// Forgets the history. A watch from the present revision is still possible, from an older one
    /// it is not.
    pub fn forget_history(&mut self) {
        self.history.clear();
        self.oldest = self.revision;
    }

    /// Goes back to an earlier state and its revision; the history is lost.
    ///
    /// Later writes use revisions again that were used before, for other changes. Uids are not used
    /// again.
    pub fn restore(&mut self, backup: &Backup<T>) {
        self.objects.clone_from(&backup.objects);
        self.revision = backup.revision;
        self.forget_history();
    }

    /// A copy of the present state, to [restore](Self::restore) later.
    #[must_use]
    pub fn backup(&self) -> Backup<T> {
        Backup {
            objects: self.objects.clone(),
            revision: self.revision,
        }
    }

    /// The object under this key.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<&Entry<T>> {
        self.objects.get(key)
    }

    /// All objects, in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.objects.values()
    }

    /// The newest revision.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The oldest revision that can still be read, and watched from.
    #[must_use]
    pub const fn oldest_revision(&self) -> u64 {
        self.oldest
    }

    /// True if the state of this revision can be told.
    #[must_use]
    pub const fn can_read(&self, revision: u64) -> bool {
        self.oldest <= revision && revision <= self.revision
    }

    /// The changes after a revision, as far as the history goes back, oldest first.
    pub fn changes_after(&self, revision: u64) -> impl Iterator<Item = &Change<T>> {
        let start = self
            .history
            .partition_point(|change| change.revision <= revision);
        self.history.range(start..)
    }

    /// The objects of a readable revision in the order of their keys, from after a key on.
    pub(super) fn state_at<'a>(
        &'a self,
        revision: u64,
        after: Option<&ObjectKey>,
    ) -> impl Iterator<Item = &'a Entry<T>> {
        // Newest first, so that the oldest of several changes of one object has the last word.
        let mut undone: BTreeMap<&ObjectKey, Option<&Entry<T>>> = BTreeMap::new();
        for change in self.history.iter().rev() {
            if change.revision <= revision {
                break;
            }
            undone.insert(change.entry.key(), change.previous.as_ref());
        }
        let is_wanted = |key: &ObjectKey| after.is_none_or(|after| key > after);
        let restored: Vec<&Entry<T>> = undone
            .values()
            .filter_map(|previous| *previous)
            .filter(|entry| is_wanted(entry.key()))
            .collect();
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let untouched = self
            .objects
            .range::<ObjectKey, _>((start, std::ops::Bound::Unbounded))
            .filter(move |(key, _)| !undone.contains_key(key))
            .map(|(_, entry)| entry);
        merge_by_key(untouched, restored.into_iter())
    }

    const fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// A uid in the form that real ones have, counted up so that a failing test repeats.
    fn next_uid(&mut self) -> Uid {
        self.lives += 1;
        Uid::from(format!("00000000-0000-4000-8000-{:012x}", self.lives).as_str())
    }

    fn record(
        &mut self,
        kind: ChangeKind,
        entry: Entry<T>,
        previous: Option<Entry<T>>,
    ) -> &Change<T> {
        self.history.push_back(Change {
            kind,
            revision: self.revision,
            entry,
            previous,
        });
        // The newest change stays even with a window of none, to be told to those who watch now.
        while self.history.len() > self.window.max(1) {
            self.drop_oldest();
        }
        self.history
            .back()
            .expect("a change was pushed and the newest is never dropped")
    }

    fn trim(&mut self) {
        while self.history.len() > self.window {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(change) = self.history.pop_front() {
            self.oldest = change.revision;
        }
    }
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Change<T> {
    /// What was done.
    #[must_use]
    pub const fn kind(&self) -> ChangeKind {
        self.kind
    }

    /// The revision that the write made.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The new state; of a deletion the last one, with the version of the deletion.
    #[must_use]
    pub const fn entry(&self) -> &Entry<T> {
        &self.entry
    }

    /// What a watch with a selection is told of this change.
    ///
    /// An object that comes into the selection is added, one that leaves it is deleted, with the last
    /// state that was selected and the version of the write that took it out.
    pub fn event(&self, selects: impl Fn(&Entry<T>) -> bool) -> Option<WatchEvent<T>> {
        let before = self.previous.as_ref().filter(|entry| selects(entry));
        let after =
            (self.kind != ChangeKind::Deleted && selects(&self.entry)).then_some(&self.entry);
        match (before, after) {
            (None, Some(entry)) => Some(WatchEvent::Added(entry.clone())),
            (Some(_), Some(entry)) => Some(WatchEvent::Modified(entry.clone())),
            (Some(previous), None) => Some(WatchEvent::Deleted(Entry {
                header: self.entry.header.clone(),
                object: Arc::clone(&previous.object),
            })),
            (None, None) => None,
        }
    }
}

impl<T> Backup<T> {
    /// The revision that the backup was taken at.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }
}

impl<T> Clone for Backup<T> {
    fn clone(&self) -> Self {
        Self {
            objects: self.objects.clone(),
            revision: self.revision,
        }
    }
}

/// Joins two sequences that are sorted by key and share none.
fn merge_by_key<'a, T: 'a>(
    left: impl Iterator<Item = &'a Entry<T>>,
    right: impl Iterator<Item = &'a Entry<T>>,
) -> impl Iterator<Item = &'a Entry<T>> {
    let mut left = left.peekable();
    let mut right = right.peekable();
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(one), Some(other)) if other.key() < one.key() => right.next(),
        (None, _) => right.next(),
        (Some(_), _) => left.next(),
    })
}

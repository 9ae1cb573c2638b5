//! `Staging`: the new content of a store while it is being collected.
//!
//! A replace is a value: the store creates it, the reflector fills it, and the store takes it back in
//! [`Store::commit`](super::Store::commit). Dropping it aborts the replace. It has two forms. A list
//! keeps its objects in their order and suits every store. A staging on a base takes memory only for
//! what differs from the base. In the same [`History`] unchanged objects do not differ; in an unknown one,
//! which a reflector sets for every list but its first, all listed objects do.

mod listed;
mod on_base;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::difference::{Difference, differences};
use super::objects::Objects;
use super::snapshot::Snapshot;
use crate::object::{Entry, ObjectKey};

use listed::Listed;
use on_base::OnBase;

pub(super) use on_base::with_key_of;

/// The new content of a store while it is being collected. Dropping it aborts the replace.
///
/// The reflector calls [`stage`](Self::stage), [`unstage`](Self::unstage) and [`keep`](Self::keep); a
/// store reads the result with [`into_entries`](Self::into_entries).
///
/// ```
/// use heliostat_core::object::{Entry, Header, ObjectKey};
/// use heliostat_core::store::Staging;
///
/// let entry = |name: &str, object: &'static str| -> Entry<&'static str> {
///     let header = Header {
///         key: ObjectKey::cluster(name),
///         resource_version: "1".into(),
///         uid: "u".into(),
///     };
///     Entry::new(header, object)
/// };
/// let mut staging = Staging::new();
/// staging.stage(entry("a", "listed"));
/// staging.keep(&ObjectKey::cluster("b"));
///
/// let present = |key: &ObjectKey| Some(entry(key.as_str(), "stored"));
/// let objects: Vec<_> = staging.into_entries(present).map(|entry| *entry.object).collect();
/// assert_eq!(objects, ["listed", "stored"]);
/// ```
pub struct Staging<T> {
    form: Form<T>,
    /// Objects that exist and could not be decoded: their stored state at the commit is carried over.
    kept: BTreeSet<ObjectKey>,
    history: History,
}

enum Form<T> {
    Listed(Listed<T>),
    OnBase(OnBase<T>),
}

/// Whether the versions of a replace can be compared with those in the store.
///
/// The same uid and version mean the same object within one history. A restored backup begins another
/// history, in which a version is used a second time for another content.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum History {
    /// The history of the store's content: an object of the same uid and version is unchanged, and the
    /// store keeps the one it has.
    #[default]
    Same,
    /// Possibly another history: the listed object always replaces the stored one.
    Unknown,
}

impl<T> Staging<T> {
    /// An empty staging that keeps the objects in the order of the list.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Form::Listed(Listed::new()))
    }

    /// An empty staging on the present state of the store, whose memory it shares where an object is
    /// unchanged.
    #[must_use]
    pub fn on(base: &Snapshot<T>) -> Self {
        Self::on_objects(base.objects.clone())
    }

    pub(super) fn on_objects(base: Objects<T>) -> Self {
        Self::of(Form::OnBase(OnBase::new(base)))
    }

    const fn of(form: Form<T>) -> Self {
        Self {
            form,
            kept: BTreeSet::new(),
            history: History::Same,
        }
    }

    /// Sets the history that the objects belong to, before the first of them is staged.
    #[must_use]
    pub const fn in_history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Adds an object; a later one of the same key replaces it.
    pub fn stage(&mut self, entry: Entry<T>) {
        match &mut self.form {
            Form::Listed(listed) => listed.stage(entry),
            Form::OnBase(on_base) => on_base.stage(entry, self.history),
        }
    }

    /// Removes an object.
    pub fn unstage(&mut self, key: &ObjectKey) {
        self.kept.remove(key);
        match &mut self.form {
            Form::Listed(listed) => listed.unstage(key),
            Form::OnBase(on_base) => on_base.unstage(key),
        }
    }

    /// Carries over the state that the store has of this object at the commit, if it has one: the object
    /// exists at the source, but its new state cannot be decoded. A staged state is newer and wins.
    pub fn keep(&mut self, key: &ObjectKey) {
        self.kept.insert(key.clone());
    }

    /// The history that the objects belong to.
    #[must_use]
    pub const fn history(&self) -> History {
        self.history
    }

    /// Returns the new content, each key once: the staged objects, then those that are kept, as
    /// `present` returns them from the store.
    pub fn into_entries(
        self,
        mut present: impl FnMut(&ObjectKey) -> Option<Entry<T>>,
    ) -> impl Iterator<Item = Entry<T>> {
        let (mut entries, kept) = self.into_parts();
        let mut keys = BTreeSet::new();
        // From the end, since the last state of a key wins.
        entries.reverse();
        entries.retain(|entry| keys.insert(entry.key().clone()));
        entries.reverse();
        let kept = kept.into_iter().filter(move |key| !keys.contains(key));
        let kept = kept.filter_map(move |key| present(&key));
        entries.into_iter().chain(kept)
    }

    /// Returns the new content as a state without indexes. `present` is the state that it replaces; an
    /// object that is unchanged or kept shares its memory.
    #[must_use]
    pub fn into_snapshot(self, present: &Snapshot<T>) -> Snapshot<T> {
        Snapshot {
            objects: self.finish(&present.objects),
            ..Snapshot::default()
        }
    }

    /// Returns the same staging, as a list, with every staged object changed by `map`.
    pub(crate) fn try_map<E>(
        self,
        map: impl FnMut(Entry<T>) -> Result<Entry<T>, E>,
    ) -> Result<Self, E> {
        let history = self.history;
        let (entries, kept) = self.into_parts();
        let mut mapped = Self::new().in_history(history);
        for entry in entries.into_iter().map(map) {
            mapped.stage(entry?);
        }
        mapped.kept = kept;
        Ok(mapped)
    }

    /// Returns the staged objects in the order of the list, one that was listed twice twice, and the
    /// keys of those that are kept.
    pub(crate) fn into_parts(self) -> (Vec<Entry<T>>, BTreeSet<ObjectKey>) {
        let entries = match self.form {
            Form::Listed(listed) => listed.into_entries(),
            Form::OnBase(on_base) => {
                let staged = on_base.finish().into_iter();
                staged.map(|(_, entry)| (*entry).clone()).collect()
            }
        };
        (entries, self.kept)
    }

    /// Returns the new content of a store that holds `present`, which may have changed since the base
    /// was taken.
    pub(super) fn finish(self, present: &Objects<T>) -> Objects<T> {
        let mut objects = match self.form {
            Form::OnBase(on_base) => {
                let has_moved = !on_base.has_base(present);
                let mut objects = on_base.finish();
                if has_moved && self.history == History::Same {
                    share_unchanged(&mut objects, present);
                }
                objects
            }
            Form::Listed(listed) => {
                let mut on_base = OnBase::new(present.clone());
                for entry in listed.into_entries() {
                    on_base.stage(entry, self.history);
                }
                on_base.finish()
            }
        };
        for key in &self.kept {
            if !objects.contains_key(key)
                && let Some((key, entry)) = present.get_key_value(key)
            {
                objects.insert(key.clone(), entry.clone());
            }
        }
        objects
    }
}

/// Takes over the objects of `present` that are unchanged: they were not in the base.
fn share_unchanged<T>(objects: &mut Objects<T>, present: &Objects<T>) {
    let unchanged: Vec<_> = differences(present, objects)
        .filter_map(|difference| match difference {
            Difference::Changed { old, new } if old.header.is_same_state(&new.header) => Some(old),
            _ => None,
        })
        .map(Arc::clone)
        .collect();
    for entry in unchanged {
        objects.insert(entry.key().clone(), entry);
    }
}

impl<T> Default for Staging<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Staging<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Staging");
        match &self.form {
            Form::Listed(listed) => debug.field("listed", listed),
            Form::OnBase(on_base) => debug.field("on_base", on_base),
        };
        debug
            .field("kept", &self.kept.len())
            .field("history", &self.history)
            .finish()
    }
}

//! `ChangeStream`: an [`Indexer`] that reports every change it makes, also those that a replace implies.
//!
//! A reflector passes to its store what the source reports: events, and now and then a whole list. What
//! changed in the store is another question: an event may bring a state that the store already has, and
//! a list does not name the objects that vanished. A consumer that applies the reported changes in order
//! to an empty map has the content of the store at every point.

use std::fmt;

use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::store::difference::Difference;
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::store::{Staging, Store, StoreError};
use heliostat_core::version::ResourceVersion;

use super::indexer::Indexer;
use super::writer::IndexerWriter;

/// A store that reports to a listener every change of its [`Indexer`].
///
/// The listener is called on the reflector's task after the change is in place, so readers of the
/// store see at least as much as was reported. It should be quick: while it runs, the
/// mirror does not go on.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// use heliostat::{IndexerWriter, Reflector};
/// use heliostat::source::memory::MemorySource;
/// use heliostat::store::Change;
///
/// let source = MemorySource::<String>::new();
/// source.create("team/blue".parse()?, "sky".to_owned())?;
///
/// let (sender, changes) = mpsc::channel();
/// let writer = IndexerWriter::<String>::new();
/// let writer = writer.change_stream(move |change| sender.send(change).unwrap());
/// let mirror = Reflector::new(source, writer).start();
/// mirror.wait_synced(Duration::from_secs(30)).await?;
///
/// assert!(matches!(changes.recv()?, Change::Added(entry) if *entry.object == "sky"));
/// assert!(matches!(changes.recv()?, Change::Replaced { .. }));
/// # mirror.shutdown().await;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub struct ChangeStream<T, F> {
    writer: IndexerWriter<T>,
    store: Indexer<T>,
    listener: F,
}

/// What changed in a store. Complete: there is nothing else that a store can do with an object.
#[derive(Debug)]
pub enum Change<T> {
    /// The object is new here.
    Added(Entry<T>),
    /// The object has another state. Where the uids differ, it went and came again meanwhile.
    Updated {
        /// The state before.
        old: Entry<T>,
        /// The state now.
        new: Entry<T>,
    },
    /// The object is no longer here.
    Deleted {
        /// Its last state.
        last: Entry<T>,
        /// True if that is only the last state that was known here: a list no longer had the
        /// object, or its end could not be understood.
        tombstone: bool,
    },
    /// A whole list is in; the changes that it made were reported before this.
    Replaced {
        /// Its version.
        version: ResourceVersion,
    },
    /// The object is unchanged and is delivered again, because a resync was asked for.
    Resynced(Entry<T>),
}

impl<T> Change<T> {
    /// The object that it is about, in its newest state; none for [`Replaced`](Self::Replaced).
    #[must_use]
    pub const fn entry(&self) -> Option<&Entry<T>> {
        match self {
            Self::Added(entry)
            | Self::Updated { new: entry, .. }
            | Self::Deleted { last: entry, .. }
            | Self::Resynced(entry) => Some(entry),
            Self::Replaced { .. } => None,
        }
    }
}

impl<T> Clone for Change<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Added(entry) => Self::Added(entry.clone()),
            Self::Updated { old, new } => Self::Updated {
                old: old.clone(),
                new: new.clone(),
            },
            Self::Deleted { last, tombstone } => Self::Deleted {
                last: last.clone(),
                tombstone: *tombstone,
            },
            Self::Replaced { version } => Self::Replaced {
                version: version.clone(),
            },
            Self::Resynced(entry) => Self::Resynced(entry.clone()),
        }
    }
}

impl<T> IndexerWriter<T> {
    /// Wraps the writer in a store that reports every change to `listener`.
    pub fn change_stream<F: FnMut(Change<T>)>(self, listener: F) -> ChangeStream<T, F> {
        ChangeStream {
            store: self.indexer(),
            writer: self,
            listener,
        }
    }
}

impl<T, F: FnMut(Change<T>)> ChangeStream<T, F> {
    /// Returns a read handle of the store.
    #[must_use]
    pub fn indexer(&self) -> Indexer<T> {
        self.store.clone()
    }

    /// Reports an event, also if the store had an object of the same version: the new object is in the
    /// store now, and only its owner can say whether it differs.
    fn report_upsert(&mut self, old: Option<Entry<T>>, new: Entry<T>) {
        (self.listener)(match old {
            None => Change::Added(new),
            Some(old) => Change::Updated { old, new },
        });
    }

    /// Reports how two states of the store differ, in the order of the keys.
    fn report_differences(&mut self, before: &Snapshot<T>, after: &Snapshot<T>) {
        for difference in before.differences(after) {
            (self.listener)(match difference {
                Difference::Added(new) => Change::Added((**new).clone()),
                Difference::Changed { old, new } => Change::Updated {
                    old: (**old).clone(),
                    new: (**new).clone(),
                },
                Difference::Removed(last) => Change::Deleted {
                    last: (**last).clone(),
                    tombstone: true,
                },
                Difference::Unchanged(_) => continue,
            });
        }
    }
}

impl<T, F> Store<T> for ChangeStream<T, F>
where
    T: Send + Sync,
    F: FnMut(Change<T>) + Send,
{
    fn add(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let old = self.store.get(entry.key());
        Store::add(&mut self.writer, entry.clone())?;
        self.report_upsert(old, entry);
        Ok(())
    }

    fn update(&mut self, entry: Entry<T>) -> Result<(), StoreError> {
        let old = self.store.get(entry.key());
        Store::update(&mut self.writer, entry.clone())?;
        self.report_upsert(old, entry);
        Ok(())
    }

    fn delete(&mut self, key: &ObjectKey, last_state: Option<Entry<T>>) -> Result<(), StoreError> {
        let known = self.store.get(key);
        Store::delete(&mut self.writer, key, last_state.clone())?;
        // An object that was not here has not gone from here.
        if let Some(known) = known {
            let tombstone = last_state.is_none();
            let last = last_state.unwrap_or(known);
            (self.listener)(Change::Deleted { last, tombstone });
        }
        Ok(())
    }

    fn begin_replace(&mut self) -> Staging<T> {
        self.writer.begin_replace()
    }

    fn commit(&mut self, staging: Staging<T>, version: &ResourceVersion) -> Result<(), StoreError> {
        let before = self.store.snapshot();
        self.writer.commit(staging, version)?;
        let after = self.store.snapshot();
        self.report_differences(&before, &after);
        (self.listener)(Change::Replaced {
            version: version.clone(),
        });
        Ok(())
    }

    fn resync(&mut self) -> Result<(), StoreError> {
        self.writer.resync()?;
        for entry in self.store.snapshot().iter() {
            (self.listener)(Change::Resynced(entry.clone()));
        }
        Ok(())
    }

    fn bookmark(&mut self, version: &ResourceVersion) {
        self.writer.bookmark(version);
    }

    fn update_resource_version(&mut self, version: &ResourceVersion) {
        self.writer.update_resource_version(version);
    }

    fn object_count(&self) -> Option<usize> {
        Some(self.store.len())
    }
}

impl<T, F> fmt::Debug for ChangeStream<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeStream")
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use heliostat_core::object::Header;
    use heliostat_core::store::History;
    use proptest::prelude::*;

    use super::*;

    type Told = Arc<Mutex<Vec<Change<u64>>>>;
    type TestTap = ChangeStream<u64, Box<dyn FnMut(Change<u64>) + Send>>;

    fn tap() -> (TestTap, Told) {
        let told = Told::default();
        let listener = {
            let told = Arc::clone(&told);
            Box::new(move |change| told.lock().unwrap().push(change))
        };
        (IndexerWriter::new().change_stream(listener), told)
    }

    fn entry(name: &str, version: u64) -> Entry<u64> {
        let header = Header {
            key: ObjectKey::cluster(name),
            resource_version: version.into(),
            uid: "u".into(),
        };
        Entry::new(header, version)
    }

    /// What was told since the last time, one word for each change.
    fn words(told: &Told) -> Vec<String> {
        let word = |change: Change<u64>| match change {
            Change::Added(new) => format!("+{}@{}", new.key(), new.object),
            Change::Updated { old, new } => format!("~{}@{}>{}", new.key(), old.object, new.object),
            Change::Deleted { last, tombstone } => {
                let sign = if tombstone { "?" } else { "" };
                format!("-{}@{}{sign}", last.key(), last.object)
            }
            Change::Replaced { version } => format!("={version}"),
            Change::Resynced(entry) => format!("r{}@{}", entry.key(), entry.object),
        };
        told.lock().unwrap().drain(..).map(word).collect()
    }

    fn replace(tap: &mut TestTap, entries: &[Entry<u64>], version: u64) {
        let mut staging = tap.begin_replace();
        for entry in entries {
            staging.stage(entry.clone());
        }
        tap.commit(staging, &version.into()).unwrap();
    }

    #[test]
    fn events_are_told_as_what_they_change_here() {
        let (mut tap, told) = tap();
        tap.add(entry("a", 1)).unwrap();
        tap.add(entry("a", 2)).unwrap();
        tap.update(entry("b", 3)).unwrap();
        tap.update(entry("b", 3)).unwrap();
        tap.delete(&ObjectKey::cluster("a"), Some(entry("a", 4)))
            .unwrap();
        tap.delete(&ObjectKey::cluster("a"), Some(entry("a", 4)))
            .unwrap();
        tap.delete(&ObjectKey::cluster("b"), None).unwrap();
        assert_eq!(
            words(&told),
            ["+a@1", "~a@1>2", "+b@3", "~b@3>3", "-a@4", "-b@3?"]
        );
        assert_eq!(tap.object_count(), Some(0));
    }

    #[test]
    fn relist_tells_what_came_changed_and_vanished_and_nothing_else() {
        let (mut tap, told) = tap();
        replace(&mut tap, &[entry("a", 1), entry("b", 2), entry("c", 3)], 3);
        assert_eq!(words(&told), ["+a@1", "+b@2", "+c@3", "=3"]);
        replace(&mut tap, &[entry("b", 2), entry("c", 5), entry("d", 6)], 6);
        assert_eq!(words(&told), ["-a@1?", "~c@3>5", "+d@6", "=6"]);
        replace(&mut tap, &[entry("b", 2), entry("c", 5), entry("d", 6)], 9);
        assert_eq!(words(&told), ["=9"]);
        assert_eq!(tap.indexer().resource_version(), 9.into());
    }

    #[test]
    fn a_relist_in_an_unknown_history_tells_of_objects_of_an_equal_version() {
        let (mut tap, told) = tap();
        replace(&mut tap, &[entry("a", 1)], 1);
        words(&told);
        let mut staging = tap.begin_replace().in_history(History::Unknown);
        staging.stage(Entry::new(entry("a", 1).header, 7));
        tap.commit(staging, &1.into()).unwrap();
        assert_eq!(words(&told), ["~a@1>7", "=1"]);
    }

    #[test]
    fn a_replace_given_up_tells_nothing() {
        let (mut tap, told) = tap();
        let mut staging = tap.begin_replace();
        staging.stage(entry("a", 1));
        drop(staging);
        assert!(words(&told).is_empty());
    }

    #[test]
    fn an_object_that_is_kept_or_taken_out_again_is_not_told() {
        let (mut tap, told) = tap();
        replace(&mut tap, &[entry("a", 1)], 1);
        words(&told);
        let mut staging = tap.begin_replace();
        staging.keep(&ObjectKey::cluster("a"));
        staging.stage(entry("b", 2));
        staging.unstage(&ObjectKey::cluster("b"));
        tap.commit(staging, &2.into()).unwrap();
        assert_eq!(words(&told), ["=2"]);
    }

    #[test]
    fn resync_delivers_everything_again() {
        let (mut tap, told) = tap();
        replace(&mut tap, &[entry("a", 1), entry("b", 2)], 2);
        words(&told);
        tap.resync().unwrap();
        assert_eq!(words(&told), ["ra@1", "rb@2"]);
    }

    #[test]
    fn the_listener_finds_the_change_in_the_store() {
        let writer = IndexerWriter::new();
        let reader = writer.indexer();
        let mut tap = writer.change_stream(move |change: Change<u64>| match change {
            Change::Added(new) => assert!(reader.get(new.key()).is_some()),
            Change::Deleted { last, .. } => assert!(reader.get(last.key()).is_none()),
            Change::Replaced { version } => assert_eq!(reader.resource_version(), version),
            other => panic!("unexpected {other:?}"),
        });
        tap.add(entry("a", 1)).unwrap();
        let staging = tap.begin_replace();
        tap.commit(staging, &2.into()).unwrap();
    }

    #[derive(Clone, Debug)]
    enum Call {
        Upsert(u8),
        Delete(u8),
        Replace(Vec<(u8, bool)>),
    }

    fn call() -> impl Strategy<Value = Call> {
        let name = 0..6u8;
        prop_oneof![
            4 => name.clone().prop_map(Call::Upsert),
            2 => name.clone().prop_map(Call::Delete),
            1 => prop::collection::vec((name, any::<bool>()), 0..8).prop_map(Call::Replace),
        ]
    }

    proptest! {
        /// Applying the changes to an empty map gives the content of the store after every call.
        #[test]
        fn the_deltas_rebuild_the_store(calls in prop::collection::vec(call(), 0..40)) {
            let (mut tap, told) = tap();
            let mut rebuilt: BTreeMap<String, u64> = BTreeMap::new();
            for (step, call) in calls.into_iter().enumerate() {
                let version = step as u64 + 1;
                let name = |number: u8| format!("n{number}");
                match call {
                    Call::Upsert(number) => tap.update(entry(&name(number), version)).unwrap(),
                    Call::Delete(number) => {
                        tap.delete(&ObjectKey::cluster(&name(number)), None).unwrap();
                    }
                    Call::Replace(items) => {
                        // Some objects are in the state that is known here, others in a new one.
                        let items: Vec<_> = items
                            .into_iter()
                            .map(|(number, changed)| {
                                let known = rebuilt.get(&name(number)).filter(|_| !changed);
                                entry(&name(number), known.copied().unwrap_or(version))
                            })
                            .collect();
                        replace(&mut tap, &items, version);
                    }
                }
                for change in told.lock().unwrap().drain(..) {
                    match change {
                        Change::Added(new) => {
                            prop_assert_eq!(rebuilt.insert(new.key().to_string(), *new.object), None);
                        }
                        Change::Updated { old, new } => {
                            let before = rebuilt.insert(new.key().to_string(), *new.object);
                            prop_assert_eq!(before, Some(*old.object));
                            prop_assert_ne!(*old.object, *new.object);
                        }
                        Change::Deleted { last, .. } => {
                            prop_assert!(rebuilt.remove(last.key().as_str()).is_some());
                        }
                        Change::Replaced { .. } => {}
                        Change::Resynced(_) => prop_assert!(false, "nobody asked for a resync"),
                    }
                }
                let content: BTreeMap<String, u64> = tap
                    .indexer()
                    .list()
                    .iter()
                    .map(|entry| (entry.key().to_string(), *entry.object))
                    .collect();
                prop_assert_eq!(&rebuilt, &content);
            }
        }
    }
}

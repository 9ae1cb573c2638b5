//! One mirror: the core's machine, its store, and what a driver does between the two.
//!
//! Besides what a driver knows, a [`Seat`] knows where in the world's history the mirror stands;
//! that is for the promises, and nothing here acts on it.

mod said;

use std::collections::BTreeSet;

use heliostat_core::budget::RequestId;
use heliostat_core::event::ChangeKind;
use heliostat_core::object::{Entry, ObjectKey};
use heliostat_core::reflector::{Activity, AttemptId, Input, Output, ReflectorMachine};
use heliostat_core::rng::Rng;
use heliostat_core::store::index::IndexFunc;
use heliostat_core::store::indexer::IndexedObjects;
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::store::{Staging, Store, StoreError};
use heliostat_core::time::Time;
use heliostat_core::version::ResourceVersion;

use crate::bug::Bug;
use crate::connection::{ConnectionId, Origin};
use crate::coverage::{Coverage, Seen};
use crate::informer::Informer;
use crate::kept::{Intake, Kept, RESIDUE_INDEX, held, residue_index};
use crate::scenario::{ClientPlan, InformerPlan};
use crate::world::Record;

pub use said::Said;

/// Where a seat stands with the shared budget.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Permit {
    /// Neither wanted nor held.
    #[default]
    None,
    /// Asked for.
    Wanted(RequestId),
    /// Granted.
    Held(RequestId),
}

/// Where in the world's history a mirror stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// The timeline of what it holds.
    pub timeline: usize,
    /// The version of its store, if it has one.
    pub version: Option<u64>,
    /// The newest revision that it was told of since its last replace. Above the version only where
    /// the server gave events without a version, or took a version back.
    pub high: u64,
}

/// How much of one revision a mirror has received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The revision.
    pub revision: u64,
    /// The objects whose change at the revision it has received.
    pub keys: BTreeSet<ObjectKey>,
    /// True if a bookmark said that all up to the revision was sent, or a list is of it.
    pub is_whole: bool,
}

impl Received {
    const fn whole(revision: u64) -> Self {
        Self {
            revision,
            keys: BTreeSet::new(),
            is_whole: true,
        }
    }

    /// True if this change is of the revision and has not come.
    #[must_use]
    pub fn lacks(&self, record: &Record) -> bool {
        !self.is_whole && record.revision == self.revision && !self.keys.contains(&record.key)
    }

    fn hear(&mut self, revision: u64, key: Option<&ObjectKey>) {
        if revision > self.revision {
            *self = Self {
                revision,
                ..Self::default()
            };
        }
        if revision == self.revision {
            self.keys.extend(key.cloned());
        }
    }
}

/// A mirror.
#[derive(Debug)]
pub struct Seat {
    /// Its number.
    pub number: usize,
    /// Its configuration.
    pub plan: ClientPlan,
    /// The machine.
    pub machine: ReflectorMachine<Kept>,
    /// The store.
    pub store: IndexedObjects<Kept>,
    /// What is behind the mirror: a queue, a store that follows this one, and listeners.
    pub informer: Informer,
    /// The request that is under way, as the driver sees it.
    pub live: Option<(AttemptId, ConnectionId)>,
    /// Where it stands with the budget.
    pub permit: Permit,
    /// Where it stands in history.
    pub position: Position,
    /// The list that is being collected: its timeline and version.
    pub collecting: Option<(usize, u64)>,
    /// Keys of which the store refused a change since the last replace.
    pub refused: BTreeSet<ObjectKey>,
    /// How much it has received of the newest revision.
    pub received: Received,
    /// The revision that the present watch delivers again, if it does.
    pub repeated: u64,
    /// True if the store took the last replace that it was told to commit.
    pub committed: bool,
    /// True once the machine has come to its end.
    pub stopped: bool,
    /// The bug that was put in, if any.
    pub bug: Bug,
    /// What becomes of the objects that it hears of.
    pub intake: Intake,
    store_faults: StoreFaults,
    /// The replace that is under way.
    replacing: Option<Replacing>,
}

/// A replace of both stores.
#[derive(Debug)]
struct Replacing {
    store: Staging<Kept>,
    informer: Staging<Kept>,
}

/// How often the store refuses, out of a thousand.
#[derive(Debug)]
struct StoreFaults {
    rng: Rng,
    commit: u64,
    change: u64,
}

impl Seat {
    /// A mirror that has not started.
    #[must_use]
    pub fn new(
        number: usize,
        mut plan: ClientPlan,
        behind: InformerPlan,
        chances: (u64, u64),
        bug: Bug,
        intake: Intake,
    ) -> Self {
        let informer = Informer::new(behind, plan.resync, bug.mutant());
        plan.resync = informer.check_period();
        let bug = bug.of_polled(plan.poll);
        let config = bug.configure(plan.config());
        let machine = ReflectorMachine::new(config, Time::ZERO, plan.seed);
        let rng = Rng::seeded(plan.seed ^ 0x0005_703e);
        let mut store = IndexedObjects::new();
        let residue = if bug.misfiles_objects() {
            IndexFunc::new(|_: &Entry<Kept>| ["zero"])
        } else {
            residue_index()
        };
        let added = store.add_indexes([(RESIDUE_INDEX, residue)]);
        debug_assert!(added.is_ok(), "the store has no other index");
        Self {
            number,
            machine,
            plan,
            store,
            informer,
            live: None,
            permit: Permit::None,
            position: Position::default(),
            collecting: None,
            refused: BTreeSet::new(),
            received: Received::default(),
            repeated: 0,
            committed: false,
            stopped: false,
            bug,
            intake,
            store_faults: StoreFaults {
                rng,
                commit: chances.0,
                change: chances.1,
            },
            replacing: None,
        }
    }

    /// From now on the store takes everything.
    pub const fn stop_store_faults(&mut self) {
        self.store_faults.commit = 0;
        self.store_faults.change = 0;
    }

    /// What readers see.
    #[must_use]
    pub const fn view(&self) -> &Snapshot<Kept> {
        self.store.view()
    }

    /// What the machine is doing.
    #[must_use]
    pub const fn activity(&self) -> Activity {
        self.machine.activity()
    }

    /// When the driver wakes the machine next.
    #[must_use]
    pub fn wakes(&self) -> Option<Time> {
        let wakes = self
            .bug
            .wake_at(self.machine.poll_timeout(), self.activity());
        wakes.map(|at| at + self.plan.timer_lag)
    }

    /// Does to the store what an output says, and answers the machine where it waits for it. Outputs
    /// about requests and permits are not for the store and not done here.
    pub fn execute(
        &mut self,
        now: Time,
        output: Output<Kept>,
        origin: Origin,
        coverage: &mut Coverage,
    ) {
        self.hear(&output, origin);
        match output {
            Output::BeginReplace { history } => {
                self.collecting = None;
                self.replacing = Some(Replacing {
                    store: self.store.begin_replace().in_history(history),
                    informer: self.informer.begin_replace().in_history(history),
                });
            }
            Output::Stage(entries) => {
                for entry in entries {
                    if self.bug.leaks_staged() {
                        let _ = self.store.add(entry.clone());
                    }
                    if let Some(replacing) = &mut self.replacing {
                        replacing.store.stage(entry.clone());
                        replacing.informer.stage(entry);
                    }
                }
            }
            Output::Unstage(key) => {
                if let Some(replacing) = &mut self.replacing {
                    replacing.store.unstage(&key);
                    replacing.informer.unstage(&key);
                }
            }
            Output::Keep(key) => self.keep(&key, coverage),
            Output::AbortReplace => {
                self.collecting = None;
                self.replacing = None;
            }
            Output::Commit { version } => self.commit(now, &version, origin, coverage),
            Output::Apply {
                change,
                entry,
                version,
            } => {
                self.apply(change, &entry, coverage);
                self.reach(origin, version.as_ref());
            }
            Output::Remove { key, version } => {
                self.both(|store| {
                    let _ = store.delete(&key, None);
                });
                self.refused.remove(&key);
                self.reach(origin, version.as_ref());
            }
            Output::Bookmark { version } => {
                self.both(|store| store.bookmark(&version));
                let first = self.store.view().keys().next().cloned();
                if let Some(key) = first.filter(|_| self.bug.bookmarks_delete()) {
                    let _ = self.store.delete(&key, None);
                }
                self.reach(origin, Some(&version));
            }
            Output::Moved { version } => self.reach(origin, Some(&version)),
            Output::Resync => {
                let result = self.resync(coverage);
                self.machine.handle_input(now, Input::Resynced(result));
            }
            Output::Stopped { .. } => self.stopped = true,
            Output::AcquirePermit { .. }
            | Output::ReleasePermit
            | Output::List { .. }
            | Output::Watch { .. }
            | Output::Abort { .. }
            | Output::Report(_) => {}
        }
    }

    /// Notes how much of a revision the mirror receives.
    fn hear(&mut self, output: &Output<Kept>, origin: Origin) {
        // What comes again is another object in memory, of the same version.
        self.informer.doubted |= origin.again;
        let revision = origin.revision;
        match output {
            Output::Apply { entry, .. } => self.received.hear(revision, Some(entry.key())),
            Output::Remove { key, .. } => self.received.hear(revision, Some(key)),
            Output::Moved { .. } => self.received.hear(revision, None),
            Output::Bookmark { .. } => self.received = Received::whole(revision),
            _ => {}
        }
    }

    /// Writes to the store and to the queue.
    fn both(&mut self, write: impl Fn(&mut dyn Store<Kept>)) {
        write(&mut self.store);
        write(&mut self.informer);
    }

    fn keep(&mut self, key: &ObjectKey, coverage: &mut Coverage) {
        let behind = held(self.informer.store.view(), key);
        let differs = match (held(self.store.view(), key), behind) {
            (Some(now), Some(behind)) => !now.is_same_state(behind),
            (now, behind) => now.is_some() || behind.is_some(),
        };
        if differs {
            coverage.count(Seen::KeptBehind);
        }
        if let Some(replacing) = &mut self.replacing {
            replacing.store.keep(key);
            self.informer.keep(&mut replacing.informer, key);
        }
    }

    fn apply(&mut self, change: ChangeKind, entry: &Entry<Kept>, coverage: &mut Coverage) {
        let key = entry.key();
        if self.store_refuses_change() {
            coverage.count(Seen::ChangeFailed);
            self.refused.insert(key.clone());
            return;
        }
        coverage.count(Seen::Applied);
        self.refused.remove(key);
        self.both(|store| {
            let result = match change {
                ChangeKind::Added => store.add(entry.clone()),
                ChangeKind::Modified => store.update(entry.clone()),
                ChangeKind::Deleted => store.delete(key, Some(entry.clone())),
            };
            debug_assert!(result.is_ok(), "both take everything");
        });
    }

    fn commit(
        &mut self,
        now: Time,
        version: &ResourceVersion,
        origin: Origin,
        coverage: &mut Coverage,
    ) {
        self.collecting = None;
        let refuses = self.store_faults.rng.below(1000) < self.store_faults.commit;
        let replacing = self.replacing.take().filter(|_| !refuses);
        let result = if let Some(replacing) = replacing {
            let before = self.store.snapshot();
            let result = self.store.commit(replacing.store, version);
            let queued = self.informer.commit(replacing.informer, version);
            debug_assert!(queued.is_ok(), "a replace was begun");
            let gone = before
                .iter()
                .filter(|entry| self.store.view().get(entry.key()).is_none());
            let gone: Vec<_> = gone.cloned().collect();
            if !gone.is_empty() {
                coverage.count(Seen::DeleteOnRelist);
            }
            if self.bug.keeps_what_a_relist_misses() {
                for entry in gone {
                    let _ = self.store.add(entry);
                }
            }
            self.refused.clear();
            self.position = Position {
                timeline: origin.timeline,
                version: version.as_decimal(),
                high: version.as_decimal().unwrap_or_default(),
            };
            self.received = Received::whole(self.position.high);
            result
        } else {
            coverage.count(Seen::CommitFailed);
            Err(StoreError::new("simulated"))
        };
        self.committed = result.is_ok();
        self.machine.handle_input(now, Input::Committed(result));
    }

    /// An event brought the store to where the event comes from.
    fn reach(&mut self, origin: Origin, version: Option<&ResourceVersion>) {
        self.position.timeline = origin.timeline;
        self.position.high = self.position.high.max(origin.revision);
        if let Some(version) = version {
            self.both(|store| store.update_resource_version(version));
            self.position.version = version.as_decimal();
        }
    }

    fn resync(&mut self, coverage: &mut Coverage) -> Result<(), StoreError> {
        if self.store_faults.rng.below(1000) < self.store_faults.commit {
            coverage.count(Seen::ResyncFailed);
            return Err(StoreError::new("simulated"));
        }
        coverage.count(Seen::Resynced);
        self.store.resync()?;
        self.informer.resync()
    }

    fn store_refuses_change(&mut self) -> bool {
        self.store_faults.rng.below(1000) < self.store_faults.change
    }
}

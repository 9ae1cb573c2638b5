//! What handlers are told, replayed: of buffers against each other and against the mirror.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::object::{Entry, Header, ObjectKey};
use crate::queue::ordered_fifo::{OrderedFifo, Work};
use crate::store::Store;
use crate::store::indexer::IndexedObjects;
use crate::time::Time;

type Model = BTreeMap<String, u64>;

fn entry(name: &str, uid: &str, version: u64) -> Entry<u64> {
    let header = Header {
        key: ObjectKey::cluster(name),
        resource_version: version.into(),
        uid: uid.into(),
    };
    Entry::new(header, version)
}

/// One word for each notification.
fn word(notification: &Notification<u64>) -> String {
    match notification {
        Notification::Added {
            entry,
            is_in_initial_list,
        } => {
            let sign = if *is_in_initial_list { "!" } else { "" };
            format!("+{}@{}{sign}", entry.key(), entry.object)
        }
        Notification::Updated { old, new } => {
            format!("~{}@{}>{}", new.key(), old.object, new.object)
        }
        Notification::Deleted { last, tombstone } => {
            let sign = if *tombstone { "?" } else { "" };
            format!("-{}@{}{sign}", last.key(), last.object)
        }
        Notification::Synced => "synced".to_owned(),
    }
}

/// Takes everything out.
fn drain(buffer: &mut HandlerBuffer<u64>) -> Vec<Notification<u64>> {
    let mut all = Vec::new();
    while let Some(mut batch) = buffer.take() {
        // `has_next` is right before and after each notification, whatever the kind of batch.
        let mut has_next = batch.has_next();
        while let Some(told) = batch.next().map(|told| told.to_notification()) {
            assert!(has_next);
            assert_eq!(batch.last_key(), told.key());
            has_next = batch.has_next();
            all.push(told);
        }
        assert!(!has_next);
    }
    assert!(buffer.is_empty());
    all
}

fn words(buffer: &mut HandlerBuffer<u64>) -> Vec<String> {
    drain(buffer).iter().map(word).collect()
}

fn added(name: &str, version: u64) -> Notification<u64> {
    Notification::Added {
        entry: entry(name, "u", version),
        is_in_initial_list: false,
    }
}

fn updated(name: &str, old: u64, new: u64) -> Notification<u64> {
    Notification::Updated {
        old: entry(name, "u", old),
        new: entry(name, "u", new),
    }
}

fn deleted(name: &str, version: u64) -> Notification<u64> {
    Notification::Deleted {
        last: entry(name, "u", version),
        tombstone: false,
    }
}

fn buffer(limit: usize) -> HandlerBuffer<u64> {
    HandlerBuffer::new(Buffering::Coalescing { limit }, Recreation::AsUpdate)
}

fn put(
    buffer: &mut HandlerBuffer<u64>,
    notifications: impl IntoIterator<Item = Notification<u64>>,
) {
    for notification in notifications {
        buffer.changes(Time::ZERO, Arc::new([notification]), true);
    }
}

#[test]
fn p_01_an_unbounded_buffer_keeps_everything_in_order() {
    let mut buffer = HandlerBuffer::new(Buffering::Unbounded, Recreation::AsUpdate);
    put(
        &mut buffer,
        [
            added("a", 1),
            updated("a", 1, 2),
            added("b", 3),
            deleted("a", 4),
        ],
    );
    assert_eq!(buffer.len(), 4);
    assert_eq!(words(&mut buffer), ["+a@1", "~a@1>2", "+b@3", "-a@4"]);
}

#[test]
fn p_01_beyond_its_limit_a_coalescing_buffer_keeps_the_newest_state_of_each_object() {
    let mut buffer = buffer(2);
    put(&mut buffer, [added("a", 1), updated("a", 1, 2)]);
    assert_eq!(
        words(&mut buffer),
        ["+a@1", "~a@1>2"],
        "within the limit nothing is folded"
    );

    put(
        &mut buffer,
        [
            updated("a", 2, 3),
            added("b", 4),
            updated("a", 3, 5),
            updated("b", 4, 6),
        ],
    );
    assert_eq!((buffer.len(), buffer.folded()), (2, 2));
    assert_eq!(words(&mut buffer), ["~a@2>5", "+b@6"]);
}

#[test]
fn coalescing_never_loses_a_delete_that_the_handler_must_know_of() {
    let mut buffer = buffer(0);
    put(
        &mut buffer,
        [
            updated("a", 1, 2),
            added("b", 3),
            deleted("a", 4),
            deleted("b", 5),
        ],
    );
    assert_eq!(
        words(&mut buffer),
        ["-a@4"],
        "b was never told, so neither is its end"
    );

    put(&mut buffer, [deleted("a", 6), added("c", 7), added("a", 8)]);
    assert_eq!(words(&mut buffer), ["~a@6>8", "+c@7"]);
}

#[test]
fn coalescing_tells_the_end_of_the_life_that_the_handler_knew() {
    let gone = |uid, version| Notification::Deleted {
        last: entry("a", uid, version),
        tombstone: false,
    };
    let come = Notification::Added {
        entry: entry("a", "other", 3),
        is_in_initial_list: false,
    };
    let mut buffer = buffer(0);
    put(&mut buffer, [gone("one", 2), come, gone("other", 4)]);
    assert_eq!(words(&mut buffer), ["-a@2?"], "the other was never told");
}

#[test]
fn the_end_of_what_never_came_here_is_the_end_of_what_was_here() {
    let mut store = IndexedObjects::new();
    store.add(entry("a", "one", 1)).unwrap();
    let mut queue = OrderedFifo::atomic();
    let key = ObjectKey::cluster("a");
    queue.delete(&key, Some(entry("a", "other", 3))).unwrap();
    let Outcome::Changes(changes) = apply(&mut store, queue.pop().unwrap(), false) else {
        panic!("expected changes");
    };
    assert_eq!(changes.iter().map(word).collect::<Vec<_>>(), ["-a@1?"]);
}

#[test]
fn a_recreated_object_is_an_update_or_a_delete_and_an_add() {
    for (recreation, expected) in [
        (Recreation::AsUpdate, vec!["~a@1>2", "+b@3"]),
        (Recreation::AsDeleteAndAdd, vec!["-a@1?", "+a@2", "+b@3"]),
    ] {
        for buffering in [Buffering::Unbounded, Buffering::Coalescing { limit: 0 }] {
            let mut buffer = HandlerBuffer::new(buffering, recreation);
            let recreated = Notification::Updated {
                old: entry("a", "one", 1),
                new: entry("a", "other", 2),
            };
            put(&mut buffer, [recreated, added("b", 3)]);
            assert_eq!(words(&mut buffer), expected);
        }
    }
}

#[test]
fn p_03_who_is_not_due_is_not_told_what_did_not_change() {
    let mut buffer = buffer(100);
    let there = entry("a", "u", 1);
    let same = Notification::Updated {
        old: there.clone(),
        new: there,
    };
    let batch: Arc<[_]> = Arc::new([same.clone(), added("b", 2), same]);
    buffer.changes(Time::ZERO, Arc::clone(&batch), false);
    assert_eq!(words(&mut buffer), ["+b@2"]);
    buffer.changes(Time::ZERO, batch, true);
    assert_eq!(words(&mut buffer), ["~a@1>1", "+b@2", "~a@1>1"]);
}

#[test]
fn p_07_p_12_p_13_a_late_handler_is_told_the_present_first_and_then_that_this_was_all() {
    let mut store = IndexedObjects::new();
    let names: Vec<_> = (0..600).map(|number| format!("n{number:04}")).collect();
    for name in &names {
        store.add(entry(name, "u", 1)).unwrap();
    }
    let mut fanout = Fanout::new(std::time::Duration::ZERO);
    let shared = fanout.add_late(Time::ZERO, None, buffer(0), store.snapshot(), true);
    // What changes after the handler came is told after what was there.
    store.add(entry("n0000", "u", 2)).unwrap();
    fanout.notify(Time::ZERO, Outcome::Changes(vec![updated("n0001", 1, 2)]));
    let mut buffer = fanout.remove(shared).unwrap();
    let told = words(&mut buffer);
    assert_eq!(told.len(), 601);
    assert_eq!(told[0], "+n0000@1!");
    // The limit is zero: the change was folded into the addition, which still is an initial one.
    assert_eq!(told[1], "+n0001@2!");
    assert_eq!(told[600], "synced");
}

#[test]
fn p_03_p_04_a_resync_reaches_those_who_are_due() {
    let mut store = IndexedObjects::new();
    store.add(entry("a", "u", 1)).unwrap();
    let second = std::time::Duration::from_secs(1);
    let mut fanout = Fanout::new(second);
    let due = fanout.add(Time::ZERO, None, buffer(0));
    let not = fanout.add(Time::ZERO, Some(2 * second), buffer(0));
    fanout.start();
    assert!(fanout.check_resync(Time::ZERO + second));
    fanout.notify(Time::ZERO + second, Outcome::Resync(store.snapshot()));
    assert_eq!(words(&mut fanout.remove(due).unwrap()), ["~a@1>1"]);
    assert!(words(&mut fanout.remove(not).unwrap()).is_empty());
}

#[test]
fn p_01_p_07_the_state_that_a_handler_is_given_is_shared_and_not_folded() {
    let mut store = IndexedObjects::new();
    for name in ["a", "b", "c"] {
        store.add(entry(name, "u", 1)).unwrap();
    }
    let mut buffer = buffer(1);
    buffer.initial(Time::ZERO, store.snapshot());
    buffer.synced(Time::ZERO);
    assert_eq!(
        buffer.take().map(|batch| batch.len()),
        Some(3),
        "the whole state"
    );
    put(&mut buffer, [updated("a", 1, 2), updated("a", 2, 3)]);
    assert_eq!(words(&mut buffer), ["synced", "~a@1>3"]);
}

#[test]
fn a_finished_walk_does_not_hold_on_to_the_state() {
    let mut store = IndexedObjects::new();
    store.add(entry("a", "u", 1)).unwrap();
    let object = Arc::downgrade(&store.view().get(&"a".parse().unwrap()).unwrap().object);
    let mut buffer = buffer(0);
    buffer.initial(Time::ZERO, store.snapshot());
    let mut batch = buffer.take().unwrap();
    while batch.next().is_some() {}
    store.delete(&ObjectKey::cluster("a"), None).unwrap();
    assert!(object.upgrade().is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(u8, u8),
    Delete(u8, bool),
    Replace(Vec<(u8, u8)>),
    Resync,
    /// The handler of this number takes and handles one batch.
    Take(usize),
    /// Somebody comes.
    Join(Option<usize>, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..6u8;
    let uid = 0..2u8;
    prop_oneof![
        6 => (name.clone(), uid.clone()).prop_map(|(name, uid)| Step::Upsert(name, uid)),
        3 => (name.clone(), any::<bool>()).prop_map(|(name, seen)| Step::Delete(name, seen)),
        1 => prop::collection::vec((name, uid), 0..8).prop_map(Step::Replace),
        1 => Just(Step::Resync),
        6 => (0..4usize).prop_map(Step::Take),
        1 => (prop::option::of(0..6usize), any::<bool>()).prop_map(|(limit, splits)| Step::Join(limit, splits)),
    ]
}

/// What a handler believes, by what it was told.
#[derive(Default)]
struct Believer {
    objects: Model,
    synced: bool,
}

impl Believer {
    fn hear(&mut self, notification: &Notification<u64>) -> Result<(), TestCaseError> {
        match notification {
            Notification::Added {
                entry,
                is_in_initial_list,
            } => {
                prop_assert!(
                    !(self.synced && *is_in_initial_list),
                    "initial after synced"
                );
                let before = self.objects.insert(entry.key().to_string(), *entry.object);
                prop_assert_eq!(before, None, "told twice as new");
            }
            Notification::Updated { old, new } => {
                let before = self.objects.insert(new.key().to_string(), *new.object);
                // A deletion that was folded in had a last state that was never told.
                prop_assert!(
                    before.is_some_and(|before| before <= *old.object),
                    "told a change of what it did not know"
                );
            }
            Notification::Deleted { last, .. } => {
                prop_assert!(
                    self.objects.remove(last.key().as_str()).is_some(),
                    "told twice gone"
                );
            }
            Notification::Synced => {
                prop_assert!(!self.synced, "synced twice");
                self.synced = true;
            }
        }
        Ok(())
    }
}

struct Member {
    id: HandlerId,
    believer: Believer,
    limit: Option<usize>,
}

struct World {
    queue: OrderedFifo<u64>,
    store: IndexedObjects<u64>,
    fanout: Fanout<HandlerBuffer<u64>>,
    members: Vec<Member>,
    synced: bool,
    version: u64,
}

impl World {
    fn new() -> Self {
        Self {
            queue: OrderedFifo::atomic().batch_size(4),
            store: IndexedObjects::new(),
            fanout: Fanout::new(std::time::Duration::from_secs(1)),
            members: Vec::new(),
            synced: false,
            version: 0,
        }
    }

    fn join(&mut self, limit: Option<usize>, splits: bool) {
        let buffering = match limit {
            Some(limit) => Buffering::Coalescing { limit },
            None => Buffering::Unbounded,
        };
        let recreation = if splits {
            Recreation::AsDeleteAndAdd
        } else {
            Recreation::AsUpdate
        };
        let buffer = HandlerBuffer::new(buffering, recreation);
        let state = self.store.snapshot();
        let id = self
            .fanout
            .add_late(Time::ZERO, None, buffer, state, self.synced);
        self.members.push(Member {
            id,
            believer: Believer::default(),
            limit,
        });
    }

    fn work(&mut self) {
        while let Some(popped) = self.queue.pop_batch() {
            let only_bookmark = matches!(popped.work, Work::Bookmark(_));
            let outcome = apply(&mut self.store, popped, self.fanout.is_anyone_due());
            if only_bookmark {
                assert!(matches!(&outcome, Outcome::Changes(changes) if changes.is_empty()));
            }
            self.fanout.notify(Time::ZERO, outcome);
            self.queue.processed();
            if self.queue.is_synced() && !self.synced {
                self.synced = true;
                self.fanout.notify_synced(Time::ZERO);
            }
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        self.version += 1;
        let version = self.version;
        let name = |number: u8| format!("n{number}");
        let key = |number: u8| ObjectKey::cluster(&name(number));
        match step {
            Step::Upsert(number, uid) => {
                self.queue
                    .update(entry(&name(number), &uid.to_string(), version))
                    .unwrap();
            }
            Step::Delete(number, seen) => {
                let last = seen.then(|| entry(&name(number), "0", version));
                self.queue.delete(&key(number), last).unwrap();
            }
            Step::Replace(items) => {
                let mut staging = self.queue.begin_replace_on(&self.store.snapshot());
                for (number, uid) in items {
                    staging.stage(entry(&name(number), &uid.to_string(), version));
                }
                self.queue.commit(staging, &version.into()).unwrap();
            }
            Step::Resync => {
                self.fanout
                    .check_resync(Time::ZERO + std::time::Duration::from_secs(version));
                self.queue.resync().unwrap();
            }
            Step::Take(number) => return self.take(number),
            Step::Join(limit, splits) => self.join(limit, splits),
        }
        Ok(())
    }

    fn take(&mut self, number: usize) -> Result<(), TestCaseError> {
        let Some(member) = self.members.get_mut(number) else {
            return Ok(());
        };
        let mut batch = None;
        self.fanout
            .with_sink(member.id, |buffer| batch = buffer.take());
        let Some(mut batch) = batch else {
            return Ok(());
        };
        while let Some(told) = batch.next() {
            member.believer.hear(&told.to_notification())?;
        }
        Ok(())
    }

    fn check_bounds(&mut self) -> Result<(), TestCaseError> {
        for member in &self.members {
            let Some(limit) = member.limit else { continue };
            let mut waiting = 0;
            self.fanout
                .with_sink(member.id, |buffer| waiting = buffer.len());
            // Six names; one mark that all is told; and what lies in a single batch.
            prop_assert!(waiting <= limit.max(6) + 6 + 1, "{} of {}", waiting, limit);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Every handler's own replay of what it is told gives the store, however slow or late it is, and
    /// whether or not what waits for it is folded together.
    #[test]
    fn p_02_i_27_the_replay_of_every_handler_is_the_store(
        steps in prop::collection::vec((step(), any::<bool>()), 0..80)
    ) {
        let mut world = World::new();
        world.join(None, false);
        world.join(Some(0), false);
        world.join(Some(3), true);
        for (step, works) in steps {
            world.step(step)?;
            if works {
                world.work();
            }
            world.check_bounds()?;
        }
        world.work();
        let store: Model = world
            .store
            .view()
            .iter()
            .map(|entry| (entry.key().to_string(), *entry.object))
            .collect();
        for number in 0..world.members.len() {
            for _ in 0..500 {
                world.take(number)?;
            }
            prop_assert_eq!(&world.members[number].believer.objects, &store);
            prop_assert_eq!(world.members[number].believer.synced, world.synced);
        }
    }
}

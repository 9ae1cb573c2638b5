//! The overlay against a whole world: a server, a mirror that lags, notifications that lag behind the
//! mirror, and a program that tells of its own writes whenever it gets to it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::overlay::{Overlay, OverlayConfig};
use super::*;
use crate::informer::Notification;
use crate::time::Time;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody writes the object; the program itself, if `own`.
    Write { own: bool, label: u8 },
    /// Somebody deletes it; the event tells the version of the deletion, or only that of the last
    /// state.
    Delete { tells_version: bool },
    /// The mirror takes an event in.
    Mirror,
    /// The handlers of the mirror are told of one.
    Notify,
    /// The program tells the overlay of one of its writes.
    Tell(prop::sample::Index),
    /// The program reads.
    Read,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (any::<bool>(), 0..3u8).prop_map(|(own, label)| Step::Write { own, label }),
        1 => any::<bool>().prop_map(|tells_version| Step::Delete { tells_version }),
        3 => Just(Step::Mirror),
        3 => Just(Step::Notify),
        2 => any::<prop::sample::Index>().prop_map(Step::Tell),
        3 => Just(Step::Read),
    ];
    prop::collection::vec(step, 0..60)
}

/// A change at the server: the new state, or the last one, whose version the event tells.
#[derive(Clone)]
enum Change {
    Set(Entry<Labels>),
    Gone(Entry<Labels>),
}

struct World {
    overlay: Overlay<Labels>,
    includes_creates: bool,
    log: Vec<Change>,
    version: u64,
    lives: u64,
    /// How many changes the mirror holds, and of how many of them its handlers know.
    mirrored: usize,
    notified: usize,
    mirror: IndexedObjects<Labels>,
    /// Own writes that the overlay was not told of yet; and the newest that it was told of.
    untold: Vec<Entry<Labels>>,
    told: u64,
    own: BTreeSet<u64>,
}

fn version(entry: &Entry<Labels>) -> u64 {
    entry.header.resource_version.as_decimal().unwrap()
}

impl World {
    fn new(includes_creates: bool) -> Self {
        Self {
            overlay: Overlay::new(OverlayConfig::new().includes_creates(includes_creates)),
            includes_creates,
            log: Vec::new(),
            version: 0,
            lives: 0,
            mirrored: 0,
            notified: 0,
            mirror: store(),
            untold: Vec::new(),
            told: 0,
            own: BTreeSet::new(),
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Write { own, label } => self.write(own, label),
            Step::Delete { tells_version } => {
                if let Some(Change::Set(last)) = self.log.last().cloned() {
                    self.version += 1;
                    let mut last = last;
                    if tells_version {
                        last.header.resource_version = self.version.into();
                    }
                    self.log.push(Change::Gone(last));
                }
            }
            Step::Mirror => self.mirror_one(),
            Step::Notify => self.notify_one(),
            Step::Tell(index) => {
                if !self.untold.is_empty() {
                    let at = index.index(self.untold.len());
                    let entry = self.untold.swap_remove(at);
                    self.told = self.told.max(version(&entry));
                    self.overlay.written(Time::ZERO, entry);
                }
            }
            Step::Read => self.read(),
        }
    }

    fn write(&mut self, own: bool, label: u8) {
        self.version += 1;
        if !matches!(self.log.last(), Some(Change::Set(_))) {
            self.lives += 1;
        }
        let mut entry = entry("a", self.version, &format!("{label}"));
        entry.header.uid = (&*format!("life {}", self.lives)).into();
        if own {
            self.own.insert(self.version);
            self.untold.push(entry.clone());
        }
        self.log.push(Change::Set(entry));
    }

    fn mirror_one(&mut self) {
        if let Some(change) = self.log.get(self.mirrored).cloned() {
            self.mirrored += 1;
            match change {
                Change::Set(entry) => self.mirror.add(entry).unwrap(),
                Change::Gone(last) => self.mirror.delete(last.key(), None).unwrap(),
            }
        }
    }

    fn notify_one(&mut self) {
        if self.notified == self.mirrored {
            return;
        }
        let notification = match self.log[self.notified].clone() {
            Change::Set(entry) => Notification::Added {
                entry,
                is_in_initial_list: false,
            },
            Change::Gone(last) => Notification::Deleted {
                last,
                tombstone: false,
            },
        };
        self.notified += 1;
        self.overlay.observe(Time::ZERO, &notification);
    }

    /// What is read is never older than what the mirror holds, nor than what the program told; and
    /// what is not read is not there, or will soon not be.
    fn read(&mut self) {
        let mirrored = self.mirror.view().get(&"a".parse().unwrap()).cloned();
        let read = self
            .overlay
            .newest(Time::ZERO, &key("a"), mirrored.as_ref());
        match (&read, &mirrored) {
            (Some(read), Some(mirrored)) => {
                assert!(version(read) >= version(mirrored));
                assert!(version(read) >= self.told);
            }
            (Some(_), None) => assert!(self.includes_creates),
            (None, Some(mirrored)) => assert!(
                self.log.iter().any(|change| matches!(change,
                    Change::Gone(last) if version(last) >= version(mirrored))),
                "{mirrored:?} is hidden, and nobody has deleted it"
            ),
            (None, None) => {}
        }
        let is_mirrored = read.as_ref().map(version) == mirrored.as_ref().map(version);
        if let Some(read) = read.filter(|_| !is_mirrored) {
            assert!(self.own.contains(&version(&read)), "{read:?} is nobody's");
        }
        for label in ["0", "1", "2"] {
            let found = self
                .overlay
                .by_index(Time::ZERO, self.mirror.view(), "label", label);
            let found = found.unwrap().into_iter().map(|entry| version(&entry));
            let read = self
                .overlay
                .newest(Time::ZERO, &key("a"), mirrored.as_ref());
            let filed = read.filter(|entry| entry.object.0 == [label]);
            assert!(found.eq(filed.iter().map(version)), "{label}");
        }
    }

    /// Everybody has got to everything.
    fn settle(&mut self) {
        while self.mirrored < self.log.len() || self.notified < self.mirrored {
            self.mirror_one();
            self.notify_one();
        }
        for entry in std::mem::take(&mut self.untold) {
            self.overlay.written(Time::ZERO, entry);
        }
        let mirrored = self.mirror.view().get(&"a".parse().unwrap());
        let read = self.overlay.newest(Time::ZERO, &key("a"), mirrored);
        assert_eq!(read.as_ref().map(version), mirrored.map(version));
    }
}

proptest! {
    #[test]
    fn s_41_s_43_s_44_s_45_the_overlay_is_never_behind_the_mirror_and_ends_where_it_ends(
        includes_creates: bool,
        steps in steps(),
    ) {
        let mut world = World::new(includes_creates);
        for step in steps {
            world.run(step);
        }
        world.read();
        world.settle();
    }
}

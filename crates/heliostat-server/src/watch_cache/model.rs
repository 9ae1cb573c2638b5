//! A model of a source, a cache and its clients, driven by a seed: a source with a history that deletes,
//! creates again, goes away and comes back, or goes back in time; a cache with a short log; clients that
//! stall, leave and resume with every kind of selection.
//!
//! What is checked: whatever a client was sent and wherever it resumed, it has the source's state of the
//! version that it has reached; events come in the order of versions and none comes twice; who watches by
//! labels is sent a deletion only of what it has; a list is the source's state of its version. For each
//! promise there is a mutant that breaks it, and the model must notice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::object::{Header, ObjectKey};
use heliostat_core::raw::{Encoding, RawObject};
use heliostat_core::time::Time;

use super::state::{Arrival, CacheState, Replaced};
use crate::collection::event_type::EventType;
use crate::collection::kind::Kind;
use crate::collection::log::{Cursor, LogLimits, Read};
use crate::collection::object::StoredObject;
use crate::collection::options::{ListPlan, WatchPlan};
use crate::collection::query::Query;
use crate::collection::reading::Place;
use crate::collection::representations::RepresentationCache;
use crate::collection::seen::seen;
use crate::collection::source::SourceKind;

/// xorshift64: enough to choose among a few things.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// An object of the source.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Thing {
    uid: u64,
    version: u64,
    app: u64,
}

type State = BTreeMap<String, Thing>;

/// What happened at the source.
#[derive(Clone, Debug)]
enum Happening {
    Wrote(String, Thing),
    /// The last state, under the version of the deletion.
    Deleted(String, Thing),
    /// Something elsewhere.
    Moved(u64),
}

impl Happening {
    fn version(&self) -> u64 {
        match self {
            Self::Wrote(_, thing) | Self::Deleted(_, thing) => thing.version,
            Self::Moved(version) => *version,
        }
    }
}

/// The source with its whole history.
#[derive(Clone, Debug)]
struct Source {
    objects: State,
    version: u64,
    uids: u64,
    states: BTreeMap<u64, State>,
    happenings: Vec<Happening>,
}

impl Source {
    fn new() -> Self {
        Self {
            objects: State::new(),
            version: 1,
            uids: 0,
            states: BTreeMap::from([(1, State::new())]),
            happenings: Vec::new(),
        }
    }

    fn step(&mut self, random: &mut Random) {
        self.version += 1;
        let key = format!("ns-{}/o-{}", random.below(2), random.below(4));
        let happening = match self.objects.get(&key).cloned() {
            _ if random.one_in(6) => Happening::Moved(self.version),
            Some(thing) if random.one_in(3) => {
                self.objects.remove(&key);
                let version = self.version;
                Happening::Deleted(key, Thing { version, ..thing })
            }
            known => {
                self.uids += 1;
                let thing = Thing {
                    uid: known.map_or(self.uids, |known| known.uid),
                    version: self.version,
                    app: random.below(3),
                };
                self.objects.insert(key.clone(), thing.clone());
                Happening::Wrote(key, thing)
            }
        };
        self.happenings.push(happening);
        self.states.insert(self.version, self.objects.clone());
    }
}

fn arrival(key: &str, thing: &Thing) -> Arrival {
    let (namespace, name) = key.split_once('/').unwrap();
    let (version, uid, app) = (thing.version, thing.uid, thing.app);
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}","uid":"{uid}","resourceVersion":"{version}","labels":{{"app":"{app}"}}}},"spec":{{"nodeName":"n-{app}"}}}}"#
    );
    Arrival {
        header: Header {
            key: ObjectKey::namespaced(namespace, name),
            resource_version: version.into(),
            uid: uid.to_string().as_str().into(),
        },
        content: Arc::new(RawObject::new(Encoding::Json, None, text.as_bytes().into())),
    }
}

/// What is wrong with what clients get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mutant {
    None,
    LosesAnEvent,
    RepeatsAnEvent,
    SwapsEvents,
    TellsDeletionsAsChanges,
    ForgetsTombstones,
    IgnoresExpiry,
    ForgetsSelectors,
    SkipsARelist,
    KeepsWatchesAfterARewind,
}

/// Everything together.
struct World {
    source: Source,
    cache: CacheState,
    /// How much of the source's history the mirror has.
    mirrored: usize,
    /// Lists after a gap: the versions before and of each. What was in between is known as one step.
    gaps: Vec<(u64, u64)>,
    clients: Vec<Client>,
    mutant: Mutant,
    random: Random,
}

fn kind() -> Kind {
    Kind::known("", "v1", "Pod", "pods")
}

fn app_of(object: &StoredObject) -> u64 {
    object.label("app").unwrap().parse().unwrap()
}

impl World {
    fn new(seed: u64, mutant: Mutant) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let representations = Arc::new(RepresentationCache::new(0));
        let source = SourceKind::new(Arc::new(kind()), representations);
        let limits = LogLimits {
            events_max: usize::try_from(3 + random.below(30)).unwrap(),
            bytes: usize::MAX,
            bytes_max: usize::MAX,
            age: Duration::ZERO,
            tombstone_bytes: Some(usize::try_from(random.below(4_000)).unwrap()),
        };
        let mut world = Self {
            source: Source::new(),
            cache: CacheState::new(Arc::new(source), limits),
            mirrored: 0,
            gaps: Vec::new(),
            clients: Vec::new(),
            mutant,
            random,
        };
        for _ in 0..5 {
            world.source.step(&mut world.random);
        }
        world.relist();
        for (namespace, query) in SELECTIONS {
            world.clients.push(Client::new(namespace, query));
        }
        world
    }

    fn relist(&mut self) -> Replaced {
        let listed = self.source.objects.iter();
        let listed: Vec<Arrival> = listed.map(|(key, thing)| arrival(key, thing)).collect();
        self.mirrored = self.source.happenings.len();
        let version = self.source.version;
        self.gaps.push((self.cache.version(), version));
        self.cache
            .replace(&listed, &BTreeSet::new(), version, Time::ZERO)
            .unwrap()
    }

    /// Lets the mirror see a few of the things that happened.
    fn mirror(&mut self) {
        let count = usize::try_from(self.random.below(6)).unwrap();
        let waiting: Vec<Happening> = self.source.happenings[self.mirrored..].to_vec();
        for happening in waiting.into_iter().take(count) {
            self.mirrored += 1;
            match happening {
                Happening::Wrote(key, thing) => {
                    self.cache
                        .write(&arrival(&key, &thing), Time::ZERO)
                        .unwrap();
                }
                Happening::Deleted(key, last) => {
                    let last = arrival(&key, &last);
                    self.cache.delete(&key, Some(&last), Time::ZERO);
                }
                Happening::Moved(version) => self.cache.advance(version),
            }
        }
    }

    /// The source goes back to an older state, and on from there in another way.
    fn rewind(&mut self) {
        let versions: Vec<u64> = self.source.states.keys().copied().collect();
        let back = usize::try_from(self.random.below(versions.len() as u64)).unwrap();
        let version = versions[back];
        self.source.objects = self.source.states[&version].clone();
        self.source.version = version;
        self.source.uids += 1_000;
        self.gaps.retain(|(_, after)| *after <= version);
        self.source.states.split_off(&(version + 1));
        self.source.happenings.retain(|it| it.version() <= version);
        let seen = self.cache.version() > version;
        for _ in 0..self.random.below(4) {
            self.source.step(&mut self.random);
        }
        let replaced = self.relist();
        if !seen {
            return;
        }
        // Versions of the abandoned history may be used again: a client cannot know by them.
        if replaced != Replaced::Rewound || self.mutant != Mutant::KeepsWatchesAfterARewind {
            for client in &mut self.clients {
                client.forget();
            }
        }
    }

    fn step(&mut self) -> Result<(), String> {
        match self.random.below(20) {
            0..=6 => self.source.step(&mut self.random),
            7..=11 => self.mirror(),
            12 if self.random.one_in(4) => {
                if self.mutant != Mutant::SkipsARelist {
                    self.relist();
                } else {
                    self.mirrored = self.source.happenings.len();
                    self.cache.advance(self.source.version);
                }
            }
            13 if self.random.one_in(12) => self.rewind(),
            _ => {
                let at = usize::try_from(self.random.below(self.clients.len() as u64)).unwrap();
                let mut client = std::mem::take(&mut self.clients[at]);
                let done = client.step(self);
                self.clients[at] = client;
                done?;
            }
        }
        Ok(())
    }

    /// Everything arrives, and every client catches up.
    fn settle(&mut self) -> Result<(), String> {
        while self.mirrored < self.source.happenings.len() {
            self.mirror();
        }
        self.cache.advance(self.source.version);
        for at in 0..self.clients.len() {
            let mut client = std::mem::take(&mut self.clients[at]);
            client.catch_up(self)?;
            self.clients[at] = client;
        }
        Ok(())
    }
}

/// Namespaces and parameters that clients select by.
const SELECTIONS: [(Option<&str>, &str); 8] = [
    (None, ""),
    (Some("ns-0"), ""),
    (Some("ns-1"), "fieldSelector=metadata.name%3Do-1"),
    (None, "labelSelector=app%3D1"),
    (Some("ns-0"), "labelSelector=app!%3D2"),
    (None, "fieldSelector=spec.nodeName%3Dn-1"),
    (Some("ns-1"), "fieldSelector=spec.nodeName%3Dn-2"),
    (None, ""),
];

/// A client that keeps what it is sent.
#[derive(Debug, Default)]
struct Client {
    namespace: Option<&'static str>,
    query: &'static str,
    /// By key the version and the label; `None` before the first list.
    known: Option<BTreeMap<String, (u64, u64)>>,
    version: u64,
    /// It was sent a difference up to this version, which is one step.
    whole_from: u64,
    told: BTreeSet<(String, u64, &'static str)>,
    /// It has a state from the source, in which deletions may have other versions.
    is_from_elsewhere: bool,
    watch: Option<Watch>,
}

/// An open watch.
#[derive(Debug)]
struct Watch {
    epoch: u64,
    cursor: Cursor,
    position: u64,
    waiting: VecDeque<(EventType, Arc<StoredObject>)>,
}

impl Client {
    fn new(namespace: Option<&'static str>, query: &'static str) -> Self {
        Self {
            namespace,
            query,
            ..Self::default()
        }
    }

    fn forget(&mut self) {
        *self = Self::new(self.namespace, self.query);
    }

    fn query(&self, version: u64, watch: &str) -> Query {
        Query::parse(&format!("{watch}resourceVersion={version}&{}", self.query))
    }

    fn selects(&self, key: &str, app: u64) -> bool {
        let (namespace, name) = key.split_once('/').unwrap();
        self.namespace.is_none_or(|it| it == namespace)
            && match self.query {
                "" => true,
                "labelSelector=app%3D1" => app == 1,
                "labelSelector=app!%3D2" => app != 2,
                "fieldSelector=spec.nodeName%3Dn-1" => app == 1,
                "fieldSelector=spec.nodeName%3Dn-2" => app == 2,
                _ => name == "o-1",
            }
    }

    fn step(&mut self, world: &mut World) -> Result<(), String> {
        if self.known.is_none() {
            return self.list(world);
        }
        if world.random.one_in(8) {
            // Leaves, and comes back with what it has.
            self.watch = None;
            return Ok(());
        }
        if self.watch.is_none() {
            if world.random.one_in(6) {
                self.read_source(world);
            }
            return self.open(world);
        }
        let count = world.random.below(5);
        self.read(world, count)
    }

    fn list(&mut self, world: &World) -> Result<(), String> {
        let query = self.query(0, "");
        let plan = ListPlan::parse(&kind(), self.namespace, &query).unwrap();
        let page = world.cache.list(&plan).unwrap();
        self.version = page.version;
        let items = page.items.iter();
        let items = items.map(|it| (it.key().to_string(), (it.version(), app_of(it))));
        self.known = Some(items.collect());
        self.told.clear();
        self.is_from_elsewhere = false;
        self.check(world, "the list")
    }

    /// Reads the state of a version at the source, to go on from it here.
    fn read_source(&mut self, world: &mut World) {
        let known = world.source.states.range(..=world.cache.version());
        let known: Vec<(&u64, &State)> = known.collect();
        let back = usize::try_from(world.random.below(12)).unwrap();
        let (version, state) = known[known.len().saturating_sub(back + 1)];
        let selected = state.iter().filter(|(key, it)| self.selects(key, it.app));
        let selected = selected.map(|(key, it)| (key.clone(), (it.version, it.app)));
        self.known = Some(selected.collect());
        self.version = *version;
        self.whole_from = 0;
        self.told.clear();
        self.is_from_elsewhere = true;
    }

    fn open(&mut self, world: &World) -> Result<(), String> {
        let query = self.query(self.version, "watch=1&");
        let plan = WatchPlan::parse(&kind(), self.namespace, &query).unwrap();
        match world.cache.open_watch(&plan) {
            Ok(opening) => {
                if !opening.initial.is_empty() {
                    self.whole_from = self.whole_from.max(opening.position);
                }
                let forgets = world.mutant == Mutant::ForgetsTombstones;
                let initial = opening.initial.into_iter();
                let initial = initial.filter(|(it, _)| !forgets || *it != EventType::Deleted);
                self.watch = Some(Watch {
                    epoch: opening.epoch,
                    cursor: opening.cursor,
                    position: opening.position,
                    waiting: initial.collect(),
                });
            }
            Err(status) if status.code() == 410 && world.mutant == Mutant::IgnoresExpiry => {
                self.version = world.cache.version();
            }
            Err(status) if status.code() == 410 => self.forget(),
            Err(status) => return Err(format!("{status:?}")),
        }
        Ok(())
    }

    /// Reads up to `count` events.
    fn read(&mut self, world: &mut World, count: u64) -> Result<(), String> {
        for _ in 0..count {
            let Some(watch) = &mut self.watch else {
                return Ok(());
            };
            if let Some((event_type, object)) = watch.waiting.pop_front() {
                self.take(event_type, &object)?;
                continue;
            }
            // What the watch had read has all been sent.
            self.version = self.version.max(watch.position);
            self.check(world, "the watch")?;
            if !self.fill(world) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads on in the log; false if there is nothing more.
    fn fill(&mut self, world: &mut World) -> bool {
        let Some(watch) = &mut self.watch else {
            return false;
        };
        let query = Query::parse(&format!("watch=1&{}", self.query));
        let selection = WatchPlan::parse(&kind(), self.namespace, &query)
            .unwrap()
            .selection;
        let epoch = match world.mutant {
            Mutant::KeepsWatchesAfterARewind => world.cache.collection().epoch(),
            _ => watch.epoch,
        };
        let place = Place {
            epoch,
            scope: selection.scope().clone(),
            cursor: watch.cursor,
        };
        let Read::Events {
            events,
            next,
            up_to,
            ..
        } = world.cache.read(&place, 3)
        else {
            self.watch = None;
            return false;
        };
        watch.cursor = next;
        watch.position = up_to;
        for event in &events {
            let found = match world.mutant {
                Mutant::ForgetsSelectors => Some((event.event_type(), Arc::clone(event.object()))),
                _ => seen(event, &selection),
            };
            watch.waiting.extend(found);
        }
        let waiting = &mut watch.waiting;
        match world.mutant {
            Mutant::LosesAnEvent if world.random.one_in(3) => drop(waiting.pop_front()),
            Mutant::RepeatsAnEvent => waiting.extend(waiting.back().cloned()),
            Mutant::SwapsEvents if waiting.len() > 1 => waiting.swap(0, 1),
            Mutant::TellsDeletionsAsChanges => {
                for (event_type, _) in waiting {
                    if *event_type == EventType::Deleted {
                        *event_type = EventType::Modified;
                    }
                }
            }
            _ => {}
        }
        !events.is_empty()
    }

    fn take(&mut self, event_type: EventType, object: &StoredObject) -> Result<(), String> {
        let (key, version) = (object.key().to_string(), object.version());
        let what = format!("{} {key} {version}", event_type.as_str());
        if version < self.version {
            return Err(format!("{what} comes after version {}", self.version));
        }
        self.version = version;
        if !self
            .told
            .insert((key.clone(), version, event_type.as_str()))
        {
            return Err(format!("{what} comes twice"));
        }
        let known = self.known.get_or_insert_default();
        let fits = known.contains_key(&key) == (event_type != EventType::Added);
        let is_by_key = self.query.is_empty() || self.query.contains("metadata.name");
        if !fits && !is_by_key && !self.is_from_elsewhere {
            return Err(format!("{what} does not fit what was sent before"));
        }
        match event_type {
            EventType::Deleted => drop(known.remove(&key)),
            _ => drop(known.insert(key, (version, app_of(object)))),
        }
        Ok(())
    }

    /// What the client has is what the source had at that version.
    fn check(&self, world: &World, what: &str) -> Result<(), String> {
        let in_gap = |(before, after): &(u64, u64)| *before < self.version && self.version < *after;
        let Some(state) = world.source.states.get(&self.version) else {
            return Ok(());
        };
        if self.version < self.whole_from || world.gaps.iter().any(in_gap) {
            return Ok(());
        }
        let selected = state.iter().filter(|(key, it)| self.selects(key, it.app));
        let expected: BTreeMap<String, (u64, u64)> = selected
            .map(|(key, it)| (key.clone(), (it.version, it.app)))
            .collect();
        let known = self.known.clone().unwrap_or_default();
        if known == expected {
            return Ok(());
        }
        Err(format!(
            "{what} of {:?} {:?} at {}: {known:?} instead of {expected:?}",
            self.namespace, self.query, self.version
        ))
    }

    fn catch_up(&mut self, world: &mut World) -> Result<(), String> {
        for _ in 0..1_000 {
            if self.known.is_none() {
                self.list(world)?;
            }
            if self.watch.is_none() {
                self.open(world)?;
            }
            self.read(world, 100)?;
            let caught_up = self.watch.is_some() && self.version >= world.cache.version();
            if caught_up {
                return self.check(world, "the end");
            }
        }
        Err("a client never catches up".to_owned())
    }
}

fn run(seed: u64, mutant: Mutant) -> Result<(), String> {
    let mut world = World::new(seed, mutant);
    for _ in 0..400 {
        world.step()?;
    }
    world.settle()
}

/// As many as take a moment; `HELIOSTAT_MODEL_SEEDS` sets another number.
fn seeds() -> u64 {
    let set = std::env::var("HELIOSTAT_MODEL_SEEDS").ok();
    set.and_then(|it| it.parse().ok()).unwrap_or(150)
}

#[test]
fn every_client_has_the_state_of_the_version_that_it_reached() {
    for seed in 0..seeds() {
        if let Err(error) = run(seed, Mutant::None) {
            panic!("seed {seed}: {error}");
        }
    }
}

#[test]
fn every_mutant_is_noticed() {
    for mutant in [
        Mutant::LosesAnEvent,
        Mutant::RepeatsAnEvent,
        Mutant::SwapsEvents,
        Mutant::TellsDeletionsAsChanges,
        Mutant::ForgetsTombstones,
        Mutant::IgnoresExpiry,
        Mutant::ForgetsSelectors,
        Mutant::SkipsARelist,
        Mutant::KeepsWatchesAfterARewind,
    ] {
        let noticed = (0..300).find(|seed| run(*seed, mutant).is_err());
        assert!(noticed.is_some(), "{mutant:?} is not noticed");
    }
}

//! Packed objects beside plain ones, from one collection: the shared store answers alike, and informers
//! tell the same.
#![cfg(feature = "memory")]

use std::sync::Arc;
use std::time::Duration;

use heliostat::object::{Encoding, ReadRaw};
use heliostat::source::PackedSource;
use heliostat::source::memory::MemorySource;
use heliostat::store::Op;
use heliostat::{
    Entry, HandlerOptions, Header, IndexFunc, Indexer, IndexerWriter, ListerWatcher, Notification,
    ObjectKey, Packed, Packing, RawObject, SharedInformer, Snapshot, Store, Subscription,
};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["a", "n/a", "n/b", "n-x/a", "m/c"];
const WORDS: [&str; 4] = ["web", "db", "", "cache"];

/// What is in an object.
#[derive(Clone, Debug)]
struct Body {
    word: &'static str,
    images: Vec<&'static str>,
    padding: usize,
    is_broken: bool,
}

impl Body {
    fn raw(&self) -> RawObject {
        let Self { word, images, .. } = self;
        let images: Vec<_> = images
            .iter()
            .map(|image| format!(r#"{{"image":"{image}"}}"#))
            .collect();
        let mut text = format!(
            r#"{{"metadata":{{"labels":{{"app":"{word}"}},"ownerReferences":[{{"uid":"of-{word}"}}]}},"spec":{{"nodeName":"{word}","containers":[{}],"x":"{}"}}}}"#,
            images.join(","),
            "pad ".repeat(self.padding),
        );
        if self.is_broken {
            text.truncate(text.len() / 2);
        }
        RawObject::new(Encoding::Json, None, text.into_bytes().into())
    }
}

fn body() -> impl Strategy<Value = Body> {
    let parts = (
        prop::sample::select(&WORDS[..]),
        prop::collection::vec(prop::sample::select(&WORDS[..]), 0..3),
        0..100usize,
        prop::bool::weighted(0.1),
    );
    parts.prop_map(|(word, images, padding, is_broken)| Body {
        word,
        images,
        padding,
        is_broken,
    })
}

fn key() -> impl Strategy<Value = ObjectKey> {
    prop::sample::select(&NAMES[..]).prop_map(|name| name.parse().unwrap())
}

fn indexes<T: ReadRaw>() -> [(&'static str, IndexFunc<T>); 3] {
    let images = "spec.containers[*].image".parse().unwrap();
    [
        ("app", IndexFunc::by_label("app")),
        ("owner", IndexFunc::by_owner()),
        ("image", IndexFunc::by_field(images)),
    ]
}

/// A packing that has a dictionary, with the objects that it was trained on.
fn trained(budget: usize) -> (Packing<RawObject>, Vec<Entry<Packed<RawObject>>>) {
    let packing = Packing::raw().memory_budget(budget);
    let samples = (0..64).map(|number| {
        let body = Body {
            word: WORDS[number % WORDS.len()],
            images: vec!["registry.example.com/app"; number % 3],
            padding: 20 + number,
            is_broken: false,
        };
        packing.pack(entry(&"sample".parse().unwrap(), 1, &body))
    });
    let samples = samples.collect();
    assert_eq!(packing.stats().dictionaries_trained, 1);
    (packing, samples)
}

fn entry(key: &ObjectKey, version: u64, body: &Body) -> Entry<RawObject> {
    let header = Header {
        key: key.clone(),
        resource_version: version.into(),
        uid: "u".into(),
    };
    Entry::new(header, body.raw())
}

/// An object as a text, with all of its bytes.
fn told<T: ReadRaw>(entry: &Entry<T>) -> String {
    let text =
        |view: heliostat::object::RawView<'_>| String::from_utf8_lossy(view.bytes()).into_owned();
    let bytes = entry.object.read_raw(text).unwrap();
    format!("{}@{} {bytes}", entry.key(), entry.header.resource_version)
}

fn all<T: ReadRaw>(entries: &[Entry<T>]) -> Vec<String> {
    entries.iter().map(told).collect()
}

mod store {
    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Add(ObjectKey, u64, Body),
        Update(ObjectKey, u64, Body),
        Delete(ObjectKey),
        Replace(Vec<(ObjectKey, u64, Body)>, u64),
        Transact(Vec<(ObjectKey, Option<Body>)>),
        Bookmark(u64),
        AddIndex,
        Read,
        Snapshot,
    }

    fn step() -> impl Strategy<Value = Step> {
        // Few versions: the same state must come again often.
        let object = || (key(), 1..4u64, body());
        prop_oneof![
            4 => object().prop_map(|(key, version, body)| Step::Add(key, version, body)),
            4 => object().prop_map(|(key, version, body)| Step::Update(key, version, body)),
            2 => key().prop_map(Step::Delete),
            2 => (prop::collection::vec(object(), 0..5), 1..100u64)
                .prop_map(|(objects, version)| Step::Replace(objects, version)),
            2 => prop::collection::vec((key(), prop::option::of(body())), 0..4)
                .prop_map(Step::Transact),
            1 => (1..100u64).prop_map(Step::Bookmark),
            1 => Just(Step::AddIndex),
            2 => Just(Step::Read),
            1 => Just(Step::Snapshot),
        ]
    }

    /// Does a step, and gives what it gave.
    fn take<T: ReadRaw + Send + Sync + 'static>(
        store: &mut IndexerWriter<T>,
        step: &Step,
        form: impl Fn(Entry<RawObject>) -> Entry<T>,
    ) -> Vec<Option<String>> {
        let shown = |entry: Option<Entry<T>>| entry.as_ref().map(told);
        match step {
            Step::Add(key, version, body) => {
                vec![shown(store.upsert(form(entry(key, *version, body))))]
            }
            Step::Update(key, version, body) => {
                vec![shown(store.upsert(form(entry(key, *version, body))))]
            }
            Step::Delete(key) => vec![shown(store.remove(key))],
            Step::Replace(objects, version) => {
                let objects = objects.iter();
                let entries = objects.map(|(key, version, body)| form(entry(key, *version, body)));
                store.replace(entries, &(*version).into());
                Vec::new()
            }
            Step::Transact(ops) => {
                let ops = ops.iter().map(|(key, body)| match body {
                    Some(body) => Op::Upsert(form(entry(key, 9, body))),
                    None => Op::Remove(key.clone()),
                });
                store.transact(ops).into_iter().map(shown).collect()
            }
            Step::Bookmark(version) => {
                store.bookmark(&(*version).into());
                Vec::new()
            }
            Step::AddIndex => {
                let by_node = IndexFunc::by_field("spec.nodeName".parse().unwrap());
                vec![
                    store
                        .indexer()
                        .add_index("node", by_node)
                        .err()
                        .map(|error| error.to_string()),
                ]
            }
            Step::Read | Step::Snapshot => Vec::new(),
        }
    }

    /// The answers to every question.
    fn answers<T: ReadRaw + Send + Sync + 'static>(store: &Indexer<T>) -> String {
        let mut indexed = Vec::new();
        for name in ["app", "owner", "image", "node"] {
            for value in store.index_values(name) {
                let found = store.by_index(name, &value).map(|found| all(&found)).ok();
                let both = store.by_indexes(&[(name, &value), ("app", "web")]);
                let both = both.map(|found| all(&found)).ok();
                indexed.push((name, store.index_keys(name, &value).ok(), found, both));
            }
            let failures = store.index_failures(name).map(|failures| failures.count);
            indexed.push((name, None, Some(vec![format!("{:?}", failures.ok())]), None));
        }
        let list = store.list();
        let sharing = list.iter().map(|entry| store.sharing("image", entry));
        let sharing: Vec<_> = sharing
            .map(|found| found.map(|found| all(&found)).ok())
            .collect();
        let single: Vec<_> = NAMES
            .iter()
            .map(|name| store.get(&name.parse().unwrap()).as_ref().map(told))
            .collect();
        let spaces = ["", "n", "n-x", "none"].map(|space| all(&store.in_namespace(space)));
        let state = (store.len(), store.resource_version(), store.is_synced());
        let keys = store.keys();
        format!(
            "{:?} {single:?} {spaces:?} {keys:?} {indexed:?} {sharing:?} {state:?}",
            all(&list)
        )
    }

    fn content<T: ReadRaw>(snapshot: &Snapshot<T>) -> String {
        let objects: Vec<_> = snapshot.iter().map(told).collect();
        let values: Vec<_> = snapshot.index_values("image").collect();
        format!("{objects:?} {values:?} {}", snapshot.resource_version())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shared_store_of_packed_objects_answers_as_one_of_plain_ones(
            steps in prop::collection::vec(step(), 1..30),
            budget in prop::sample::select(&[0usize, 1_500, 1 << 20][..]),
        ) {
            let (packing, samples) = trained(budget);
            let mut plain_writer = IndexerWriter::<RawObject>::new();
            let mut packed_writer = IndexerWriter::<Packed<RawObject>>::new();
            let (plain, packed) = (plain_writer.indexer(), packed_writer.indexer());
            plain.add_indexes(indexes()).unwrap();
            packed.add_indexes(indexes()).unwrap();
            let mut kept = Vec::new();
            for step in &steps {
                let gave = take(&mut plain_writer, step, |entry| entry);
                prop_assert_eq!(gave, take(&mut packed_writer, step, |entry| packing.pack(entry)));
                prop_assert_eq!(answers(&plain), answers(&packed));
                match step {
                    Step::Read => {
                        for entry in packed.list() {
                            let expected = plain.get(entry.key()).map(|entry| entry.object);
                            prop_assert_eq!(Some(entry.object.get().unwrap()), expected);
                        }
                    }
                    Step::Snapshot => {
                        let (plain, packed) = (plain.snapshot(), packed.snapshot());
                        kept.push((content(&plain), packed));
                    }
                    _ => {}
                }
            }
            for (before, packed) in &kept {
                prop_assert_eq!(before, &content(packed));
            }
            drop((kept, packed, packed_writer));
            prop_assert_eq!(packing.stats().objects, samples.len());
        }
    }
}

mod informers {
    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Apply(ObjectKey, Body),
        Delete(ObjectKey),
        Bookmark,
        /// The watch ends, and goes on where it was.
        CloseWatches,
        /// Everything is listed again.
        Relist,
        /// Changes that only a list tells of, several of one object too.
        Silently(Vec<(ObjectKey, Option<Body>)>),
        /// The object cannot be decoded from now on.
        Reject(ObjectKey),
        Accept(ObjectKey),
        /// Somebody joins who keeps up, or one who does not and for whom things are folded.
        Subscribe(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        let changes = prop::collection::vec((key(), prop::option::of(body())), 1..5);
        prop_oneof![
            8 => (key(), body()).prop_map(|(key, body)| Step::Apply(key, body)),
            3 => key().prop_map(Step::Delete),
            1 => Just(Step::Bookmark),
            1 => Just(Step::CloseWatches),
            1 => Just(Step::Relist),
            3 => changes.prop_map(Step::Silently),
            1 => key().prop_map(Step::Reject),
            1 => key().prop_map(Step::Accept),
            1 => any::<bool>().prop_map(Step::Subscribe),
        ]
    }

    fn take(source: &MemorySource<RawObject>, step: &Step) {
        let change = |key: &ObjectKey, body: Option<&Body>| match body {
            Some(body) => drop(source.apply(key.clone(), body.raw())),
            // It need not be there.
            None => drop(source.delete(key)),
        };
        match step {
            Step::Apply(key, body) => change(key, Some(body)),
            Step::Delete(key) => change(key, None),
            Step::Bookmark => source.bookmark(),
            Step::CloseWatches => source.close_watches(),
            Step::Relist => {
                source.expire();
                source.close_watches();
            }
            Step::Silently(changes) => {
                changes
                    .iter()
                    .for_each(|(key, body)| change(key, body.as_ref()));
                // Before anybody had a chance to read them.
                source.restart();
            }
            Step::Reject(key) => source.reject(key.clone()),
            Step::Accept(key) => source.accept(key),
            Step::Subscribe(_) => {}
        }
    }

    /// An informer with those who listen to it.
    struct Told<T: Send + Sync + 'static> {
        informer: SharedInformer<T>,
        prompt: Vec<Subscription<T>>,
        slow: Vec<Subscription<T>>,
    }

    impl<T: ReadRaw + Send + Sync + 'static> Told<T> {
        fn new(source: impl ListerWatcher<Object = T>) -> Self {
            let mut builder = SharedInformer::builder(source).seed(7);
            for (name, by) in indexes() {
                builder = builder.index(name, by).unwrap();
            }
            let informer = builder.build();
            let prompt = vec![informer.subscribe().unwrap()];
            informer.start();
            Self {
                informer,
                prompt,
                slow: Vec::new(),
            }
        }

        fn subscribe(&mut self, is_slow: bool) {
            if is_slow {
                let options = HandlerOptions::new().coalescing(1);
                self.slow
                    .push(self.informer.subscribe_with(&options).unwrap());
            } else {
                self.prompt.push(self.informer.subscribe().unwrap());
            }
        }

        /// What those who keep up were told, and what the store holds.
        fn heard(&mut self) -> Vec<String> {
            let mut words = Vec::new();
            for subscription in &mut self.prompt {
                words.extend(drain(subscription));
            }
            let indexer = self.informer.indexer();
            words.extend(all(&indexer.list()));
            words.push(format!("at {}", indexer.resource_version()));
            words
        }

        fn heard_late(&mut self) -> Vec<Vec<String>> {
            self.slow.iter_mut().map(drain).collect()
        }
    }

    fn drain<T: ReadRaw + Send + Sync>(subscription: &mut Subscription<T>) -> Vec<String> {
        std::iter::from_fn(|| subscription.try_recv())
            .filter_map(|notification| word(&notification))
            .collect()
    }

    /// An update that changes nothing has no word: after an expiry, a list replaces every object that is
    /// not the stored one in memory, and the source shares its objects with the plain mirror only.
    fn word<T: ReadRaw>(notification: &Notification<T>) -> Option<String> {
        Some(match notification {
            Notification::Added {
                entry,
                is_in_initial_list,
            } => format!("+ {} {is_in_initial_list}", told(entry)),
            Notification::Updated { old, new } if told(old) == told(new) => return None,
            Notification::Updated { old, new } => format!("~ {} -> {}", told(old), told(new)),
            Notification::Deleted { last, tombstone } => format!("- {} {tombstone}", told(last)),
            Notification::Synced => "synced".to_owned(),
        })
    }

    /// The clock is paused: by then all has happened that can, delays after failures among it.
    async fn settle() {
        tokio::time::sleep(Duration::from_secs(120)).await;
    }

    async fn compare(steps: &[Step], budget: usize) -> Result<(), TestCaseError> {
        let (packing, samples) = trained(budget);
        let source = MemorySource::<RawObject>::new();
        for (number, name) in NAMES.iter().enumerate().skip(1) {
            let body = Body {
                word: WORDS[number % WORDS.len()],
                images: vec!["web"; number],
                padding: 10,
                is_broken: false,
            };
            source.apply(name.parse().unwrap(), body.raw());
        }
        let mut plain = Told::new(source.clone());
        let mut packed = Told::new(PackedSource::new(source.clone(), &packing));
        settle().await;
        let first = plain.heard();
        prop_assert!(first.contains(&"synced".to_owned()), "{:?}", first);
        prop_assert_eq!(first, packed.heard());
        for step in steps {
            take(&source, step);
            if let Step::Subscribe(is_slow) = step {
                plain.subscribe(*is_slow);
                packed.subscribe(*is_slow);
            }
            settle().await;
            prop_assert_eq!(plain.heard(), packed.heard(), "{:?}", step);
        }
        prop_assert_eq!(plain.heard_late(), packed.heard_late());
        plain.informer.shutdown().await;
        packed.informer.shutdown().await;
        drop(packed);
        settle().await;
        prop_assert_eq!(packing.stats().objects, samples.len());
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn informers_tell_of_packed_objects_as_of_plain_ones(
            steps in prop::collection::vec(step(), 1..25),
            budget in prop::sample::select(&[0usize, 1_500, 1 << 20][..]),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(compare(&steps, budget))?;
        }
    }
}

/// What many hold is one object: it is decoded once for all of them.
#[tokio::test(start_paused = true)]
async fn what_a_handler_reads_is_decoded_once_for_all() {
    let source = MemorySource::<RawObject>::new();
    let body = Body {
        word: "web",
        images: Vec::new(),
        padding: 3,
        is_broken: false,
    };
    source.apply("n/a".parse().unwrap(), body.raw());
    let packing = Packing::<RawObject>::raw();
    let informer = SharedInformer::new(PackedSource::new(source, &packing));
    let mut subscriptions = [informer.subscribe().unwrap(), informer.subscribe().unwrap()];
    informer.start();
    informer.wait_synced(Duration::MAX).await.unwrap();
    let mut read = Vec::new();
    for subscription in &mut subscriptions {
        let Some(Notification::Added { entry, .. }) = subscription.recv().await else {
            panic!("the object was there");
        };
        read.push(entry.object.get().unwrap());
    }
    let held = informer.indexer().get(&"n/a".parse().unwrap()).unwrap();
    read.push(held.object.get().unwrap());
    assert!(read.iter().all(|object| Arc::ptr_eq(object, &read[0])));
    assert_eq!(packing.stats().decoded_objects, 1);
}

/// JSON as serde has it.
type Value = serde_json::Value;

#[test]
fn one_object_is_read_decoded_within_the_budget_and_beyond_it() {
    for (budget, is_kept) in [(usize::MAX, true), (0, false)] {
        let packing = Packing::<Value>::new().memory_budget(budget);
        let writer = IndexerWriter::new();
        let store = writer.indexer();
        let body = Body {
            word: "web",
            images: Vec::new(),
            padding: 1,
            is_broken: false,
        };
        let broken = Body {
            is_broken: true,
            ..body.clone()
        };
        for (name, body) in [("a", &body), ("broken", &broken)] {
            writer.upsert(packing.pack(entry(&name.parse().unwrap(), 1, body)));
        }
        let get = |name: &str| store.get_decoded(&name.parse().unwrap());
        let first = get("a").unwrap().unwrap();
        assert_eq!(first["spec"]["nodeName"], "web");
        let again = get("a").unwrap().unwrap();
        assert_eq!(Arc::ptr_eq(&first, &again), is_kept);
        assert!(get("nobody").unwrap().is_none());
        assert!(get("broken").is_err(), "it is there, and cannot be read");
        let packed = store.get_object(&"a".parse().unwrap()).unwrap();
        assert_eq!(packed.kept().is_some(), is_kept);
    }
}

//! A plain store and a packed one, fed the same sequence of events, answer every question alike.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use heliostat_core::object::{Entry, Header, ObjectKey};
use heliostat_core::packed::{Packed, Packing};
use heliostat_core::raw::{Encoding, RawObject, RawView, ReadRaw};
use heliostat_core::store::index::{IndexFunc, NAMESPACE_INDEX};
use heliostat_core::store::indexer::IndexedObjects;
use heliostat_core::store::snapshot::Snapshot;
use heliostat_core::store::{Staging, Store};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Object {
    namespace: &'static str,
    name: &'static str,
    /// Few versions: the same state must come again often.
    version: u64,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Json(String),
    Protobuf(Vec<u8>),
    /// No decoder would let this through; a store must not mind.
    Broken(Vec<u8>),
}

impl Object {
    fn entry(&self) -> Entry<RawObject> {
        let header = Header {
            key: ObjectKey::namespaced(self.namespace, self.name),
            resource_version: self.version.into(),
            uid: "u".into(),
        };
        let (encoding, bytes) = match &self.body {
            Body::Json(text) => (Encoding::Json, text.as_bytes()),
            Body::Protobuf(bytes) | Body::Broken(bytes) => (Encoding::Protobuf, &**bytes),
        };
        Entry::new(header, RawObject::new(encoding, None, bytes.into()))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Object),
    Update(Object),
    Delete(Object),
    Begin,
    Stage(Object),
    Unstage(Object),
    Keep(Object),
    Commit(u64),
    Abort,
    Bookmark(u64),
    AddIndex,
    /// Reads an object as a program would, so that it is decoded and perhaps kept.
    Read(Object),
    Snapshot,
}

const NAMESPACES: [&str; 4] = ["", "n", "n-x", "m"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const APPS: [&str; 4] = ["web", "db", "", "cache"];

fn body() -> impl Strategy<Value = Body> {
    let texts = (
        prop::sample::select(&APPS[..]),
        prop::collection::vec(prop::sample::select(&APPS[..]), 0..3),
        0..200usize,
    );
    let json = texts.prop_map(|(app, images, padding)| {
        let images: Vec<_> = images
            .iter()
            .map(|image| format!(r#"{{"image":"{image}"}}"#))
            .collect();
        Body::Json(format!(
            r#"{{"metadata":{{"labels":{{"app":"{app}"}},"ownerReferences":[{{"uid":"of-{app}"}}]}},"spec":{{"nodeName":"{app}","containers":[{}],"x":"{}"}}}}"#,
            images.join(","),
            "pad ".repeat(padding),
        ))
    });
    // An object message whose metadata (1) has a map entry of labels (11).
    let protobuf = prop::sample::select(&APPS[..]).prop_map(|app| {
        let field = |number: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).expect("short");
            [&[number << 3 | 2, length], content].concat()
        };
        let label = [field(1, b"app"), field(2, app.as_bytes())].concat();
        Body::Protobuf(field(1, &field(11, &label)))
    });
    let broken = prop::collection::vec(any::<u8>(), 0..40).prop_map(Body::Broken);
    prop_oneof![6 => json, 3 => protobuf, 1 => broken]
}

fn object() -> impl Strategy<Value = Object> {
    let parts = (
        prop::sample::select(&NAMESPACES[..]),
        prop::sample::select(&NAMES[..]),
        1..4u64,
        body(),
    );
    parts.prop_map(|(namespace, name, version, body)| Object {
        namespace,
        name,
        version,
        body,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => object().prop_map(Step::Add),
        6 => object().prop_map(Step::Update),
        3 => object().prop_map(Step::Delete),
        3 => Just(Step::Begin),
        8 => object().prop_map(Step::Stage),
        2 => object().prop_map(Step::Unstage),
        2 => object().prop_map(Step::Keep),
        3 => (1..100u64).prop_map(Step::Commit),
        1 => Just(Step::Abort),
        1 => (1..100u64).prop_map(Step::Bookmark),
        1 => Just(Step::AddIndex),
        6 => object().prop_map(Step::Read),
        1 => Just(Step::Snapshot),
    ]
}

fn path(text: &str) -> heliostat_core::raw::FieldPath {
    text.parse().expect("a path")
}

/// The indexes that both stores have from the start.
fn indexes<T: ReadRaw>() -> [(&'static str, IndexFunc<T>); 4] {
    [
        (NAMESPACE_INDEX, IndexFunc::by_namespace()),
        ("app", IndexFunc::by_label("app")),
        ("owner", IndexFunc::by_owner()),
        (
            "image",
            IndexFunc::by_field(path("spec.containers[*].image")),
        ),
    ]
}

fn take<T: ReadRaw + Send + Sync>(
    store: &mut IndexedObjects<T>,
    staging: &mut Option<Staging<T>>,
    step: &Step,
    form: impl Fn(Entry<RawObject>) -> Entry<T>,
) {
    match step {
        Step::Add(object) => store.add(form(object.entry())).expect("taken"),
        Step::Update(object) => store.update(form(object.entry())).expect("taken"),
        Step::Delete(object) => {
            let last = object.entry();
            let key = last.key().clone();
            store.delete(&key, Some(form(last))).expect("taken");
        }
        Step::Begin => *staging = Some(store.begin_replace()),
        Step::Stage(object) => {
            let entry = form(object.entry());
            staging.iter_mut().for_each(|it| it.stage(entry.clone()));
        }
        Step::Unstage(object) => {
            staging
                .iter_mut()
                .for_each(|it| it.unstage(object.entry().key()));
        }
        Step::Keep(object) => staging
            .iter_mut()
            .for_each(|it| it.keep(object.entry().key())),
        Step::Commit(version) => {
            if let Some(staging) = staging.take() {
                store.commit(staging, &(*version).into()).expect("taken");
            }
        }
        Step::Abort => *staging = None,
        Step::Bookmark(version) => store.bookmark(&(*version).into()),
        // The second time the name is taken, and nothing changes.
        Step::AddIndex => {
            let by_node = IndexFunc::by_field(path("spec.nodeName"));
            drop(store.add_indexes([("node", by_node)]));
        }
        Step::Read(_) | Step::Snapshot => {}
    }
}

/// An object with a hash of its bytes: they are compared some thousand times.
type Seen = (Header, Encoding, u64);

fn seen<T: ReadRaw>(entry: &Entry<T>) -> Seen {
    let read = |view: RawView<'_>| {
        let mut hasher = DefaultHasher::new();
        view.bytes().hash(&mut hasher);
        (view.encoding(), hasher.finish())
    };
    let (encoding, hash) = entry.object.read_raw(read).expect("its bytes");
    (entry.header.clone(), encoding, hash)
}

fn all<'a, T: ReadRaw + 'a>(entries: impl IntoIterator<Item = &'a Entry<T>>) -> Vec<Seen> {
    entries.into_iter().map(seen).collect()
}

/// The answers to every question that a store answers, as a text.
fn answers<T: ReadRaw>(snapshot: &Snapshot<T>) -> String {
    let (mut indexed, mut failed) = (Vec::new(), Vec::new());
    for name in [NAMESPACE_INDEX, "app", "owner", "image", "node"] {
        let values: Vec<Arc<str>> = snapshot.index_values(name).cloned().collect();
        for value in &values {
            let found = snapshot.by_index(name, value).map(all).ok();
            let keys = snapshot.index_keys(name, value);
            let keys: Option<Vec<_>> = keys.map(|keys| keys.cloned().collect()).ok();
            let both = snapshot.by_indexes(&[(name, value), ("app", "web")]);
            indexed.push((value.clone(), found, keys, both.map(all).ok()));
        }
        let failures = snapshot.index_failures(name);
        failed.push(failures.map(|failures| failures.count).ok());
    }
    let sharing: Vec<_> = snapshot
        .iter()
        .map(|entry| snapshot.sharing("app", entry).map(all).ok())
        .collect();
    let spaces = NAMESPACES.map(|namespace| all(snapshot.in_namespace(namespace)));
    let keys: Vec<_> = snapshot.keys().cloned().collect();
    let single: Vec<_> = keys.iter().map(|key| snapshot.get(key).map(seen)).collect();
    let state = (snapshot.resource_version().clone(), snapshot.is_synced());
    let by_key = (all(snapshot.iter()), single, spaces, keys);
    format!("{by_key:?} {indexed:?} {failed:?} {sharing:?} {state:?}")
}

fn compare(steps: &[Step], packing: &Packing<RawObject>) -> Result<(), TestCaseError> {
    let mut plain = IndexedObjects::<RawObject>::new();
    let mut packed = IndexedObjects::<Packed<RawObject>>::new();
    plain.add_indexes(indexes()).expect("new names");
    packed.add_indexes(indexes()).expect("new names");
    let (mut plain_staging, mut packed_staging) = (None, None);
    let mut kept = Vec::new();
    for step in steps {
        take(&mut plain, &mut plain_staging, step, |entry| entry);
        take(&mut packed, &mut packed_staging, step, |entry| {
            packing.pack(entry)
        });
        match step {
            Step::Read(object) => {
                let key = object.entry().key().clone();
                let there = packed.view().get(&key).map(|entry| entry.object.get());
                let there = there.transpose().expect("raw objects always decode");
                let expected = plain.view().get(&key).map(|entry| &entry.object);
                prop_assert_eq!(there.as_ref(), expected);
            }
            Step::Snapshot => kept.push((plain.snapshot(), packed.snapshot())),
            _ => {}
        }
        prop_assert_eq!(answers(plain.view()), answers(packed.view()));
        let stats = packing.stats();
        prop_assert!(stats.decoded_bytes <= stats.memory_budget);
    }
    // What was taken on the way has not moved.
    for (plain, packed) in &kept {
        prop_assert_eq!(answers(plain), answers(packed));
    }
    drop((kept, packed, packed_staging));
    let stats = packing.stats();
    prop_assert_eq!(
        (stats.objects, stats.packed_bytes, stats.decoded_objects),
        (0, 0, 0)
    );
    Ok(())
}

proptest! {
    #[test]
    fn s_06_x_02_a_packed_store_answers_as_a_plain_one(
        steps in prop::collection::vec(step(), 1..40),
        budget in prop::sample::select(&[0usize, 3_000, 1 << 20][..]),
    ) {
        compare(&steps, &Packing::raw().memory_budget(budget))?;
    }
}

//! The storage, shared: one lock, a signal for each kind, and the in-process way to read and write.
//!
//! The lock is held for one operation and never across an await. Whoever waits for changes
//! subscribes to the signal of a kind first and reads afterwards, so no change is missed.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::api_server::patch::Patch;
use crate::api_server::rules::DeleteOptions;
use crate::api_server::storage::{Backup, Storage};
use crate::api_server::write::{Address, Part, Stamp, Writer};
use crate::collection::kind::{Kind, Object};
use crate::collection::log::Read;
use crate::collection::object::StoredObject;
use crate::collection::options::{Freshness, ListPlan, WatchPlan};
use crate::collection::reading::{Opening, Page, Place};
use crate::collection::registry::Registry;
use crate::collection::scope::Scope;
use crate::collection::status::Status;
use crate::served::{Check, Served, Wait};
use crate::signals::Signals;

/// Where the server's time comes from.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The storage of a server, to read and write without HTTP.
///
/// Clones are handles to the same storage. Writes are seen by every watch at once, and follow the
/// rules of the API except that they may set the status together with the rest. Resources are
/// named `pods` or `deployments.apps`; keys are `namespace/name`, or the name alone for
/// cluster-scoped kinds.
///
/// ```
/// # fn main() -> Result<(), heliostat_server::Status> {
/// use heliostat_server::ApiServer;
/// use serde_json::json;
///
/// let server = ApiServer::builder().build();
/// let storage = server.storage();
/// storage.create("configmaps", json!({"metadata": {"name": "a", "namespace": "ns"}}))?;
/// storage.merge_patch("configmaps", "ns/a", json!({"data": {"k": "v"}}))?;
/// let versions = storage.versions("configmaps")?;
/// assert_eq!(versions["ns/a"], storage.revision().to_string());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StorageHandle {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<Inner>,
    /// The newest revision, for those who wait until one is reached.
    revision: watch::Sender<u64>,
    clock: Clock,
}

struct Inner {
    storage: Storage,
    /// One for each kind that anyone has subscribed to; the value only counts.
    signals: BTreeMap<String, Signals>,
    entropy: Entropy,
}

impl fmt::Debug for StorageHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageHandle")
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

impl StorageHandle {
    pub(crate) fn new(storage: Storage, clock: Clock, seed: Option<u64>) -> Self {
        let revision = watch::Sender::new(storage.revision());
        let entropy = Entropy::new(seed);
        let inner = Inner {
            storage,
            signals: BTreeMap::new(),
            entropy,
        };
        Self {
            shared: Arc::new(Shared {
                inner: Mutex::new(inner),
                revision,
                clock,
            }),
        }
    }

    /// Creates an object.
    ///
    /// # Errors
    /// The `Status` that a client would get.
    pub fn create(&self, resource: &str, object: Value) -> Result<Written, Status> {
        let object = as_object(object)?;
        self.write_named(resource, |storage, kind, writer| {
            storage.create(kind, None, object, writer).map(Written::new)
        })
    }

    /// Replaces an object. A `resourceVersion` in it must be the current
    /// one; without it the write is unconditional for built-in kinds.
    ///
    /// # Errors
    /// The `Status` that a client would get.
    pub fn update(&self, resource: &str, object: Value) -> Result<Written, Status> {
        let object = as_object(object)?;
        let metadata = |field: &str| {
            let value = object
                .get("metadata")
                .and_then(|metadata| metadata.get(field));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (namespace, name) = (metadata("namespace"), metadata("name"));
        self.write_named(resource, |storage, kind, writer| {
            let namespace = kind.is_namespaced().then_some(namespace.as_str());
            let address = Address {
                namespace,
                name: &name,
                part: Part::Main,
            };
            storage
                .update(kind, address, object, writer)
                .map(Written::new)
        })
    }

    /// Applies a JSON merge patch.
    ///
    /// # Errors
    /// The `Status` that a client would get.
    pub fn merge_patch(&self, resource: &str, key: &str, patch: Value) -> Result<Written, Status> {
        let patch = Patch::Merge(patch);
        self.write_named(resource, |storage, kind, writer| {
            let address = address(kind, key);
            storage
                .patch(kind, address, &patch, Ok, writer)
                .map(Written::new)
        })
    }

    /// Deletes an object. With finalizers it is only marked, as for any client.
    ///
    /// # Errors
    /// The `Status` that a client would get.
    pub fn delete(&self, resource: &str, key: &str) -> Result<(), Status> {
        self.write_named(resource, |storage, kind, writer| {
            storage
                .delete(kind, address(kind, key), &DeleteOptions::default(), writer)
                .map(drop)
        })
    }

    /// Puts objects in as they are, with the uids, times and status they have; absent uids and
    /// times are filled in. Each gets a new `resourceVersion`. Returns how many there were.
    ///
    /// # Errors
    /// 400 or 422 for the first object without a usable name or namespace; those before it are in.
    pub fn load(
        &self,
        resource: &str,
        objects: impl IntoIterator<Item = Value>,
    ) -> Result<usize, Status> {
        let mut count = 0;
        for object in objects {
            let object = as_object(object)?;
            self.write_named(resource, |storage, kind, writer| {
                storage.load(kind, object, writer).map(drop)
            })?;
            count += 1;
        }
        Ok(count)
    }

    /// One object, if it is there.
    ///
    /// # Errors
    /// 404 if no such resource is served.
    pub fn get(&self, resource: &str, key: &str) -> Result<Option<Value>, Status> {
        let kind = self.kind(resource)?;
        Ok(self
            .lock()
            .storage
            .get(&kind, key)
            .map(|stored| value_of(stored)))
    }

    /// Every object of a kind, in key order.
    ///
    /// # Errors
    /// 404 if no such resource is served.
    pub fn list(&self, resource: &str) -> Result<Vec<Value>, Status> {
        let kind = self.kind(resource)?;
        let objects = self.lock().storage.objects(&kind);
        Ok(objects.values().map(|stored| value_of(stored)).collect())
    }

    /// The exact current state of a kind as key and `resourceVersion`, to compare a mirror with.
    ///
    /// # Errors
    /// 404 if no such resource is served.
    pub fn versions(&self, resource: &str) -> Result<BTreeMap<String, String>, Status> {
        let kind = self.kind(resource)?;
        let objects = self.lock().storage.objects(&kind);
        Ok(objects
            .iter()
            .map(|(key, stored)| (key.to_string(), stored.version().to_string()))
            .collect())
    }

    /// How many events of a kind are in the window.
    ///
    /// # Errors
    /// 404 if no such resource is served.
    pub fn history_len(&self, resource: &str) -> Result<usize, Status> {
        let kind = self.kind(resource)?;
        Ok(self.lock().storage.history_len(&kind))
    }

    /// Serves a kind from now on.
    pub fn register(&self, kind: Kind) {
        self.lock().storage.register(kind);
    }

    /// The version of the newest change, of whatever kind.
    pub fn revision(&self) -> u64 {
        self.lock().storage.revision()
    }

    /// Moves the revision on without a change to any object, as writes elsewhere do.
    pub fn skip_revisions(&self, count: u64) {
        self.change_all(|storage| storage.skip_revisions(count));
    }

    /// A copy of all objects, to go back to with [`Faults::rewind`](crate::Faults::rewind).
    /// Shares structure with the storage, so it costs next to nothing.
    pub fn backup(&self) -> Backup {
        self.lock().storage.backup()
    }

    /// Runs a change that may concern every kind and wakes everyone.
    pub(crate) fn change_all(&self, change: impl FnOnce(&mut Storage)) {
        let mut inner = self.lock();
        change(&mut inner.storage);
        self.shared.revision.send_replace(inner.storage.revision());
        inner.signals.values_mut().for_each(Signals::fire_all);
    }

    /// Runs a write with a fresh stamp and wakes those who watch the kind.
    pub(crate) fn write<T>(
        &self,
        kind: &Kind,
        dry_run: bool,
        internal: bool,
        write: impl FnOnce(&mut Storage, &Writer) -> T,
    ) -> T {
        let now = (self.shared.clock)();
        let mut inner = self.lock();
        let stamp = Stamp {
            now,
            entropy: inner.entropy.next(),
        };
        let before = inner.storage.revision();
        let end = inner.storage.end_of_events(kind);
        let result = write(
            &mut inner.storage,
            &Writer {
                stamp,
                dry_run,
                internal,
            },
        );
        let after = inner.storage.revision();
        if after != before {
            self.shared.revision.send_replace(after);
            // A definition's end concerns the watches of the kind it defined.
            let wakes_all = kind.plural() == "customresourcedefinitions";
            if wakes_all {
                inner.signals.values_mut().for_each(Signals::fire_all);
            } else if inner.signals.contains_key(kind.qualified()) {
                let events = inner.storage.events_from(kind, end);
                let signals = inner.signals.get_mut(kind.qualified());
                signals.into_iter().for_each(|it| it.fire(&events));
            }
        }
        result
    }

    fn write_named<T>(
        &self,
        resource: &str,
        write: impl FnOnce(&mut Storage, &Kind, &Writer) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let kind = self.kind(resource)?;
        self.write(&kind, false, true, |storage, writer| {
            write(storage, &kind, writer)
        })
    }

    fn kind(&self, resource: &str) -> Result<Arc<Kind>, Status> {
        let inner = self.lock();
        inner
            .storage
            .registry()
            .named(resource)
            .cloned()
            .ok_or_else(Status::no_such_resource)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No operation leaves the storage half changed, so a panic elsewhere does not spoil it.
        self.shared
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served for StorageHandle {
    fn registry(&self) -> Arc<Registry> {
        Arc::clone(self.lock().storage.registry())
    }

    fn version(&self, _: &Kind) -> u64 {
        self.revision()
    }

    fn check_loaded(&self, _: &Kind) -> Result<(), Status> {
        Ok(())
    }

    fn wait_fresh(&self, _: &Kind, freshness: Freshness, patience: Duration) -> Option<Wait> {
        // Nothing is newer than what the storage has.
        let required = freshness.required();
        let mut revision = self.shared.revision.subscribe();
        if required <= *revision.borrow_and_update() {
            return None;
        }
        let wait = async move {
            let reached = revision.wait_for(|current| *current >= required);
            let in_time = matches!(timeout(patience, reached).await, Ok(Ok(_)));
            match in_time {
                true => Ok(()),
                false => Err(Status::too_large_version(required, *revision.borrow())),
            }
        };
        Some(wait.boxed())
    }

    fn get(&self, kind: &Kind, key: &str) -> Option<Arc<StoredObject>> {
        self.lock().storage.get(kind, key).cloned()
    }

    fn list(&self, kind: &Kind, plan: &ListPlan) -> Result<Page, Status> {
        self.lock().storage.list(kind, plan)
    }

    fn open_watch(&self, kind: &Kind, plan: &WatchPlan) -> Result<Opening, Status> {
        self.lock().storage.open_watch(kind, plan)
    }

    fn read(&self, kind: &Arc<Kind>, place: &Place, max: usize) -> Read {
        self.lock().storage.read(kind, place, max)
    }

    fn subscribe(&self, kind: &Kind, scope: &Scope) -> watch::Receiver<u64> {
        let mut inner = self.lock();
        let signals = inner.signals.entry(kind.qualified().to_owned());
        signals.or_default().subscribe(scope)
    }

    fn checks(&self) -> Vec<Check> {
        // Both hold whenever a request can be answered at all.
        let checks = ["ping", "storage"].into_iter();
        let check = |name: &str| Check {
            name: name.to_owned(),
            failure: None,
        };
        checks.map(check).collect()
    }

    fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    fn random_below(&self, bound: u64) -> u64 {
        let number = self.lock().entropy.next_half();
        number.checked_rem(bound).unwrap_or(0)
    }
}

/// What a write came to: the object as stored, decoded only if asked for.
#[derive(Clone, Debug)]
pub struct Written {
    stored: Arc<StoredObject>,
}

impl Written {
    fn new(stored: Arc<StoredObject>) -> Self {
        Self { stored }
    }

    /// The object's key, `namespace/name` or the name alone.
    pub fn key(&self) -> &str {
        self.stored.key()
    }

    /// The object's uid.
    pub fn uid(&self) -> &str {
        self.stored.uid()
    }

    /// The object's `resourceVersion`; unchanged if the write changed nothing.
    pub fn resource_version(&self) -> String {
        self.stored.version().to_string()
    }

    /// The object.
    pub fn to_value(&self) -> Value {
        value_of(&self.stored)
    }
}

fn address<'a>(kind: &Kind, key: &'a str) -> Address<'a> {
    let (namespace, name) = match key.split_once('/') {
        Some((namespace, name)) if kind.is_namespaced() => (Some(namespace), name),
        _ => (None, key),
    };
    Address {
        namespace,
        name,
        part: Part::Main,
    }
}

fn as_object(value: Value) -> Result<Object, Status> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Status::bad_request("the object is not a JSON object")),
    }
}

fn value_of(stored: &StoredObject) -> Value {
    Value::Object(stored.decode())
}

/// SplitMix64: fast, seedable, and good enough for uids, suffixes and spread.
#[derive(Debug)]
struct Entropy {
    state: u64,
}

impl Entropy {
    /// With a seed, the same numbers on every run; without one, others on every run.
    fn new(seed: Option<u64>) -> Self {
        Self {
            state: seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()),
        }
    }

    fn next(&mut self) -> u128 {
        u128::from(self.next_half()) << 64 | u128::from(self.next_half())
    }

    fn next_half(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

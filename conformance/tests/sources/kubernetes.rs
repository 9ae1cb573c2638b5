//! Collections behind an API server for the suite: written in the server's process, read over HTTP.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use heliostat::object::ReadRaw;
use heliostat::source::kube::{Cluster, Connection, KubeSource};
use heliostat::{Header, ObjectKey, Uid};
use heliostat_conformance::{Ability, Harness, HarnessError, Scope};
use heliostat_server::{ApiServer, Kind, RunningServer, Status};
use kube_core::Resource;
use serde_json::{Value, json};

/// Where the objects of every check live.
const NAMESPACE: &str = "conformance";

/// Where somebody else's objects live, of the same resource on the same server.
const ELSEWHERE: &str = "elsewhere";

/// Where an object's value stands: in its metadata, which every form of an object has.
const VALUE: &str = "value";

/// How often the server sends bookmarks, so that a check does not wait long for one.
const BOOKMARK_PERIOD: Duration = Duration::from_millis(20);

/// How long the server waits for a version it has not reached, before it refuses it.
const TOO_LARGE_WAIT: Duration = Duration::from_millis(20);

/// How long an answer over loopback may take on a busy machine. Only a broken promise costs this.
const PATIENCE: Duration = Duration::from_secs(20);

/// One resource; a new server for each check.
pub(crate) struct KubeHarness<F, K> {
    /// The resource, as the server names it: `configmaps`, `widgets.example.com`.
    pub(crate) resource: &'static str,
    /// The `apiVersion` of its objects.
    pub(crate) api_version: &'static str,
    /// The `kind` of its objects.
    pub(crate) kind: &'static str,
    /// The kind to register, if the server does not have it.
    pub(crate) custom: Option<Kind>,
    /// Whether the server knows watch-lists.
    pub(crate) watch_list: bool,
    /// The source under test, of a namespace.
    pub(crate) source: F,
    /// How the value of an object is read.
    pub(crate) value: ReadValue<K>,
    /// Whether there is anything in an object that the source decodes, beside its metadata.
    pub(crate) decodes: bool,
}

/// Reads an object's value, if it can be read.
pub(crate) type ReadValue<K> = fn(&K) -> Option<u64>;

/// The value of an object whose metadata is decoded.
pub(crate) fn in_metadata<K: Resource>(object: &K) -> Option<u64> {
    let annotations = object.meta().annotations.as_ref()?;
    annotations.get(VALUE)?.parse().ok()
}

/// The value of an object that is there as bytes.
pub(crate) fn in_bytes<K: ReadRaw>(object: &K) -> Option<u64> {
    let read = object.read_raw(|view| view.metadata().annotation(VALUE)?.parse().ok());
    read.ok().flatten()
}

/// The objects of one namespace of one server.
pub(crate) struct KubeScope<K> {
    server: RunningServer,
    resource: &'static str,
    /// The objects' `apiVersion` and `kind`, as a beginning of each.
    template: Value,
    source: KubeSource<K>,
    read: ReadValue<K>,
    decodes: bool,
    spoiled: Mutex<BTreeSet<String>>,
}

impl<F, K> Harness for KubeHarness<F, K>
where
    F: Fn(Cluster, &str) -> KubeSource<K> + Sync,
    K: Send + Sync + 'static,
{
    type Scope = KubeScope<K>;

    async fn open(&self, _name: &str) -> Result<KubeScope<K>, HarnessError> {
        let mut builder = ApiServer::builder()
            .bookmark_period(BOOKMARK_PERIOD)
            .too_large_wait(TOO_LARGE_WAIT)
            .watch_list(self.watch_list);
        if let Some(kind) = &self.custom {
            builder = builder.with_kind(kind.clone());
        }
        let server = builder.build().serve_local().await;
        let server = server.map_err(HarnessError::new)?;
        let cluster = Connection::new().server(server.url()).connect().await;
        let cluster = cluster.map_err(HarnessError::new)?;
        Ok(KubeScope {
            source: (self.source)(cluster, NAMESPACE),
            read: self.value,
            decodes: self.decodes,
            server,
            resource: self.resource,
            template: json!({ "apiVersion": self.api_version, "kind": self.kind }),
            spoiled: Mutex::default(),
        })
    }
}

impl<K> KubeScope<K> {
    /// An object of this value, decodable or not.
    fn content(&self, name: &str, value: u64) -> Value {
        let mut content = self.template.clone();
        content["metadata"] = json!({ "annotations": { VALUE: value.to_string() } });
        if self.spoiled.lock().unwrap().contains(name) {
            // Every form of an object has them, they are a list, and the server looks past them.
            content["metadata"]["managedFields"] = json!("spoiled");
        }
        content
    }

    fn put(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        let mut object = self.content(name, value);
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!(NAMESPACE);
        if let Some(present) = self.get(name)? {
            object["metadata"]["uid"] = present["metadata"]["uid"].clone();
        }
        // The writes of others, under the same name, must not show.
        let mut other = self.template.clone();
        other["metadata"] = json!({ "name": name, "namespace": ELSEWHERE });
        let storage = self.server.storage();
        let loaded = storage.load(self.resource, [other.clone(), object, other]);
        loaded.map_err(|status| refused(&status))?;
        let stored = self.get(name)?;
        stored
            .map(|stored| header(&stored))
            .ok_or_else(|| HarnessError::new("a stored object is not there"))
    }

    fn get(&self, name: &str) -> Result<Option<Value>, HarnessError> {
        let key = format!("{NAMESPACE}/{name}");
        let storage = self.server.storage();
        storage
            .get(self.resource, &key)
            .map_err(|status| refused(&status))
    }
}

impl<K: Send + Sync + 'static> Scope for KubeScope<K> {
    type Source = KubeSource<K>;

    fn source(&self) -> &KubeSource<K> {
        &self.source
    }

    fn value(&self, object: &K) -> Option<u64> {
        (self.read)(object)
    }

    async fn create(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        self.put(name, value)
    }

    async fn update(&self, name: &str, value: u64) -> Result<Header, HarnessError> {
        self.put(name, value)
    }

    async fn delete(&self, name: &str) -> Result<(), HarnessError> {
        let key = format!("{NAMESPACE}/{name}");
        let storage = self.server.storage();
        storage
            .delete(self.resource, &key)
            .map_err(|status| refused(&status))
    }

    async fn give_up(&self) {
        tokio::time::sleep(PATIENCE).await;
    }

    async fn expire_history(&self) -> Result<Ability, HarnessError> {
        self.server.faults().expire_history(None);
        Ok(Ability::Done)
    }

    /// The server sends them all the time.
    async fn send_bookmark(&self) -> Result<Ability, HarnessError> {
        Ok(Ability::Done)
    }

    async fn spoil(&self, name: &str) -> Result<Ability, HarnessError> {
        if !self.decodes {
            return Ok(Ability::Lacking);
        }
        self.spoiled.lock().unwrap().insert(name.to_owned());
        self.put(name, 0)?;
        Ok(Ability::Done)
    }

    async fn wait_for_no_watches(&self) -> Result<Ability, HarnessError> {
        self.server.wait_for_no_watches(self.resource).await;
        Ok(Ability::Done)
    }
}

fn header(object: &Value) -> Header {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    Header {
        key: ObjectKey::namespaced(text("namespace"), text("name")),
        resource_version: text("resourceVersion").into(),
        uid: Uid::from(text("uid")),
    }
}

fn refused(status: &Status) -> HarnessError {
    HarnessError::new(format!("{status:?}"))
}

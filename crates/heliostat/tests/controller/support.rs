//! What the tests share: sources of ConfigMaps, and a controller whose calls are recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heliostat::controller::ErrorPolicy;
use heliostat::informer::InformerStopped;
use heliostat::queue::PerKeyExponential;
use heliostat::source::memory::MemorySource;
use heliostat::{Action, Controller, ObjectKey};
use k8s_openapi::api::core::v1::ConfigMap;
use kube_core::ResourceExt as _;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) type Source = MemorySource<ConfigMap>;

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::namespaced("shop", name)
}

/// A ConfigMap in the namespace `shop`, with more metadata.
pub(crate) fn map(name: &str, more: &Value) -> ConfigMap {
    let mut metadata = json!({"name": name, "namespace": "shop"});
    for (field, value) in more.as_object().unwrap() {
        metadata[field] = value.clone();
    }
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

pub(crate) fn put(source: &Source, name: &str, more: &Value) {
    source.apply(key(name), map(name, more));
}

pub(crate) fn touch(source: &Source, name: &str) {
    put(source, name, &json!({}));
}

pub(crate) fn source(names: &[&str]) -> Source {
    let source = Source::new();
    for name in names {
        touch(&source, name);
    }
    source
}

/// A controller whose failed objects wait 1 s, 2 s, 4 s and so on.
pub(crate) fn controller(source: &Source) -> Controller<ConfigMap> {
    let limiter = PerKeyExponential::new(seconds(1), seconds(1000));
    Controller::new(source.clone()).rate_limiter(limiter)
}

/// The calls of a reconciler: the object, and the time since the start.
#[derive(Clone)]
pub(crate) struct Calls {
    started: Instant,
    calls: Arc<Mutex<Vec<(String, Duration)>>>,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            calls: Arc::default(),
            counts: Arc::default(),
        }
    }

    /// Records a call; returns its number among those of the object, from 1.
    pub(crate) fn record(&self, map: &ConfigMap) -> usize {
        let name = map.name_any();
        let call = (name.clone(), self.started.elapsed());
        self.calls.lock().unwrap().push(call);
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(name).or_default();
        *count += 1;
        *count
    }

    /// The objects since the last look, in the order of their calls.
    pub(crate) fn names(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.into_iter().map(|(name, _)| name).collect()
    }

    /// The seconds of the calls since the last look.
    pub(crate) fn seconds(&self) -> Vec<u64> {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.into_iter().map(|(_, at)| at.as_secs()).collect()
    }
}

/// A controller that runs.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<Result<(), InformerStopped>>,
}

impl Running {
    /// Asks it to end.
    pub(crate) fn signal(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn end(mut self) {
        self.signal();
        self.task.await.unwrap().unwrap();
    }
}

/// Starts a controller; `reconcile` gets an object and the number of its call, from 1.
pub(crate) fn start<P, R>(
    controller: Controller<ConfigMap, P>,
    calls: &Calls,
    reconcile: impl Fn(Arc<ConfigMap>, usize) -> R + Send + Sync + 'static,
) -> Running
where
    P: ErrorPolicy<ConfigMap, String>,
    R: Future<Output = Result<Action, String>> + Send + 'static,
{
    let (stop, stopped) = oneshot::channel();
    let controller = controller.shutdown_on(async {
        let _ = stopped.await;
    });
    let reconcile = move |map: Arc<ConfigMap>, calls: Calls| {
        let number = calls.record(&map);
        reconcile(map, number)
    };
    let task = tokio::spawn(controller.run(reconcile, calls.clone()));
    Running {
        stop: Some(stop),
        task,
    }
}

/// Starts a controller whose calls succeed at once.
pub(crate) fn start_done<P: ErrorPolicy<ConfigMap, String>>(
    controller: Controller<ConfigMap, P>,
    calls: &Calls,
) -> Running {
    start(controller, calls, |_, _| async { Ok(Action::Done) })
}

/// Everything that needs no delay has happened after this.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

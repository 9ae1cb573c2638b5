//! Owned and watched objects, triggers, shared informers.

use std::time::Duration;

use futures_util::Stream;
use heliostat::queue::Priority;
use heliostat::source::memory::MemorySource;
use heliostat::{Controller, Entry, ObjectKey, SharedInformer, WorkQueue};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube_core::ResourceExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::support::*;

fn owned_by(kind: &str, api_version: &str, name: &str) -> Value {
    let owner = json!({"kind": kind, "apiVersion": api_version, "name": name, "uid": "u"});
    json!({"ownerReferences": [owner]})
}

fn stream<T>(receiver: mpsc::UnboundedReceiver<T>) -> impl Stream<Item = T> {
    futures_util::stream::unfold(receiver, async |mut receiver| {
        let item = receiver.recv().await?;
        Some((item, receiver))
    })
}

#[tokio::test(start_paused = true)]
async fn owners_are_reconciled_for_what_they_own() {
    let (source, owned) = (source(&["a", "b"]), Source::new());
    let calls = Calls::new();
    let running = start_done(controller(&source).owns(owned.clone()), &calls);
    settle().await;
    assert_eq!(calls.names(), ["a", "b"]);
    let reconciled = async |name: &str, more: Value| {
        put(&owned, name, &more);
        settle().await;
        calls.names()
    };
    assert_eq!(
        reconciled("x", owned_by("ConfigMap", "v1", "a")).await,
        ["a"]
    );
    assert_eq!(
        reconciled("x", owned_by("ConfigMap", "v1", "b")).await,
        ["a", "b"],
        "the owner before and the owner now"
    );
    for (kind, api_version) in [("Secret", "v1"), ("ConfigMap", "other.io/v1")] {
        let more = owned_by(kind, api_version, "a");
        assert_eq!(reconciled("y", more).await, [""; 0], "another kind");
    }
    assert_eq!(
        reconciled("z", owned_by("ConfigMap", "v1", "gone")).await,
        [""; 0]
    );
    owned.delete(&key("x")).unwrap();
    settle().await;
    assert_eq!(calls.names(), ["b"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn watched_objects_are_mapped_to_keys() {
    let (source, watched) = (
        source(&["a", "b"]),
        MemorySource::<Vec<&'static str>>::new(),
    );
    let controller = controller(&source)
        .watches(watched.clone(), |entry: &Entry<Vec<&'static str>>| {
            entry.iter().map(|name| key(name)).collect::<Vec<_>>()
        });
    let calls = Calls::new();
    let running = start_done(controller, &calls);
    settle().await;
    calls.names();
    watched.apply(ObjectKey::cluster("w"), vec!["b", "a"]);
    settle().await;
    assert_eq!(calls.names(), ["b", "a"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn streams_trigger_one_object_or_all() {
    let source = source(&["a", "b"]);
    let (one, keys) = mpsc::unbounded_channel();
    let (all, signals) = mpsc::unbounded_channel();
    let controller = controller(&source)
        .reconcile_on(stream(keys))
        .reconcile_all_on(stream(signals));
    let calls = Calls::new();
    let running = start_done(controller, &calls);
    settle().await;
    calls.names();
    one.send(key("b")).unwrap();
    one.send(key("unknown")).unwrap();
    settle().await;
    assert_eq!(calls.names(), ["b"]);
    drop(one);
    all.send("any signal").unwrap();
    settle().await;
    assert_eq!(calls.names(), ["a", "b"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_shared_informer_outlives_the_controller() {
    let source = source(&["a"]);
    let informer = SharedInformer::new(source.clone());
    let calls = Calls::new();
    let running = start_done(Controller::new(&informer), &calls);
    settle().await;
    assert_eq!(calls.names(), ["a"]);
    running.end().await;
    touch(&source, "b");
    settle().await;
    assert_eq!(informer.indexer().len(), 2);
    assert!(!informer.is_stopped());
    // The next controller begins with what is there.
    let running = start_done(Controller::new(informer.clone()), &calls);
    settle().await;
    assert_eq!(calls.names(), ["a", "b"]);
    running.end().await;
    informer.shutdown().await;
    let stopped =
        Controller::new(informer).run(async |_, ()| Ok::<_, String>(heliostat::Action::Done), ());
    assert!(stopped.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_queue_follows_informers_and_owners() {
    let maps = source(&["a", "b"]);
    let secrets = MemorySource::<Secret>::new();
    let queue = WorkQueue::new();
    let (maps, secrets_informer) = (
        SharedInformer::new(maps),
        SharedInformer::new(secrets.clone()),
    );
    let own = queue.follow(&maps).unwrap();
    let owners = queue
        .follow_owners::<ConfigMap, _>(&secrets_informer)
        .unwrap();
    let namespaces = queue
        .follow_owners::<Namespace, _>(&secrets_informer)
        .unwrap();
    maps.start();
    secrets_informer.start();
    own.wait_synced(Duration::MAX).await.unwrap();
    owners.wait_synced(Duration::MAX).await.unwrap();
    let taken = async || {
        settle().await;
        let mut keys = Vec::new();
        while !queue.is_empty() {
            let work = queue.take().await.unwrap();
            keys.push((work.key().to_string(), work.priority()));
        }
        keys
    };
    let low = |key: &str| (key.to_owned(), Priority::LOW);
    assert_eq!(taken().await, [low("shop/a"), low("shop/b")]);
    for (kind, owner) in [("ConfigMap", "shop/a"), ("Namespace", "a")] {
        let metadata = map("s", &owned_by(kind, "v1", "a")).metadata;
        let secret = Secret {
            metadata,
            ..Secret::default()
        };
        secrets.apply(key("s"), secret);
        let keys: Vec<_> = taken().await.into_iter().map(|(key, _)| key).collect();
        assert!(keys.contains(&owner.to_owned()), "{keys:?}");
    }
    drop((own, owners, namespaces));
    secrets.delete(&key("s")).unwrap();
    assert_eq!(taken().await, []);
}

/// An entry has the methods of its object.
#[test]
fn kubes_extension_works_on_an_entry() {
    let source = source(&[]);
    let entry = source.apply(key("a"), map("a", &json!({"labels": {"x": "1"}})));
    assert_eq!(entry.name_any(), "a");
    assert_eq!(entry.namespace().as_deref(), Some("shop"));
    assert_eq!(entry.labels()["x"], "1");
}

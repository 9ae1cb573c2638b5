//! `kube-runtime`'s own controllers, streams and stores on top of our informers.
#![cfg(all(feature = "kube-runtime", feature = "memory"))]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt};
use heliostat::kube_runtime::{Shared, StoreReader, object_key, object_ref, watcher_events};
use heliostat::source::kube::{Cluster, Connection, Scope};
use heliostat::source::memory::MemorySource;
use heliostat::{SharedInformer, SharedInformerFactory};
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube_client::Api;
use kube_client::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube_core::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta, Resource, Selector};
use kube_runtime::controller::{Action, Controller, Error};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::{WatchStreamExt, applier, predicates};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Nothing here takes this long; it bounds a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// What holds a pod until the controller has cleaned up after it.
const FINALIZER: &str = "example.com/cleanup";

fn pod(name: &str, app: &str) -> Pod {
    let labels = BTreeMap::from([("app".to_owned(), app.to_owned())]);
    Pod {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("one".to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        ..Pod::default()
    }
}

fn put(source: &MemorySource<Pod>, name: &str, app: &str) {
    let key = format!("one/{name}").parse().unwrap();
    source.apply(key, pod(name, app));
}

fn name<K: Resource>(object: &K) -> String {
    object.meta().name.clone().unwrap()
}

/// The names in a store of `kube_runtime`'s.
fn names<K: Resource<DynamicType = ()> + Clone>(store: &Store<K>) -> Vec<String> {
    let mut names: Vec<_> = store.state().iter().map(|object| name(&**object)).collect();
    names.sort_unstable();
    names
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it should have come by now")
}

async fn next<T, E: std::fmt::Debug>(stream: &mut (impl Stream<Item = Result<T, E>> + Unpin)) -> T {
    soon(stream.next()).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn their_store_and_streams_follow_an_informer_through_changes_and_gaps() {
    let source = MemorySource::<Pod>::new();
    put(&source, "a", "web");
    put(&source, "b", "web");
    let informer = SharedInformer::new(source.clone());
    let (store, writer) = reflector::store::<Shared<Pod>>();
    let events = watcher_events(informer.subscribe().unwrap());
    let mut touched = Box::pin(events.reflect(writer).touched_objects());
    informer.start();

    assert_eq!(name(&next(&mut touched).await), "a");
    assert!(
        store.is_empty(),
        "their store is filled in one step, after the last of the first"
    );
    assert_eq!(name(&next(&mut touched).await), "b");
    put(&source, "c", "cart");
    assert_eq!(name(&next(&mut touched).await), "c");
    soon(store.wait_until_ready()).await.unwrap();
    assert_eq!(names(&store), ["a", "b", "c"]);
    let ours = informer.indexer().get(&"one/a".parse().unwrap()).unwrap();
    let theirs = store.get(&ObjectRef::new("a").within("one")).unwrap();
    assert!(
        Arc::ptr_eq(&ours.object, theirs.as_arc()),
        "the object is shared, not copied"
    );

    // What vanishes unseen is told all the same.
    source.close_watches();
    source.replace_all([("one/b".parse().unwrap(), pod("b", "cart"))]);
    source.expire();
    let mut told = vec![name(&next(&mut touched).await)];
    told.push(name(&next(&mut touched).await));
    told.push(name(&next(&mut touched).await));
    assert_eq!(told, ["a", "c", "b"]);
    assert_eq!(names(&store), ["b"]);

    informer.shutdown().await;
    assert!(
        soon(touched.next()).await.is_none(),
        "the stream ends with the informer"
    );
}

#[tokio::test(start_paused = true)]
async fn copies_are_for_those_who_cannot_change_their_types() {
    let source = MemorySource::<Pod>::new();
    put(&source, "a", "web");
    let informer = SharedInformer::new(source.clone());
    let (store, writer) = reflector::store_shared::<Pod>(8);
    let mut subscriber = writer.subscribe().unwrap();
    let events = watcher_events(informer.subscribe().unwrap()).cloned();
    let mut applied = Box::pin(events.reflect_shared(writer).applied_objects());
    informer.start();
    // What `Controller::for_shared_stream` takes: the root drives, the subscriber listens.
    let first: Arc<Pod> = soon(async {
        tokio::select! {
            object = subscriber.next() => object.unwrap(),
            () = async { while applied.try_next().await.unwrap().is_some() {} } => unreachable!(),
        }
    })
    .await;
    assert_eq!(name(&*first), "a");
    assert_eq!(names(&store), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn predicates_see_shared_objects_as_what_they_are() {
    let source = MemorySource::<Pod>::new();
    put(&source, "a", "web");
    let informer = SharedInformer::new(source.clone());
    let events = watcher_events(informer.subscribe().unwrap());
    let by_label = predicates::labels::<Shared<Pod>>;
    let mut changed = Box::pin(
        events
            .applied_objects()
            .predicate_filter(by_label, Default::default()),
    );
    informer.start();
    assert_eq!(name(&next(&mut changed).await), "a");
    put(&source, "a", "web");
    put(&source, "a", "cart");
    let relabelled = next(&mut changed).await;
    assert_eq!(relabelled.metadata.labels.as_ref().unwrap()["app"], "cart");
}

#[tokio::test(start_paused = true)]
async fn our_store_answers_under_their_names() {
    let source = MemorySource::<Pod>::new();
    for (name, app) in [("a", "web"), ("b", "cart"), ("c", "web")] {
        put(&source, name, app);
    }
    let informer = SharedInformer::new(source.clone());
    let store = StoreReader::new(&informer);
    informer.start();
    drop(informer);
    soon(store.wait_until_ready()).await.unwrap();
    assert_eq!((store.len(), store.is_empty()), (3, false));

    let reference = ObjectRef::<Pod>::new("b").within("one");
    assert_eq!(object_key(&reference).as_str(), "one/b");
    assert_eq!(object_ref::<Pod>(&object_key(&reference), ()), reference);
    let found = store.get(&reference).unwrap();
    assert_eq!(name(&*found), "b");
    assert!(store.get(&ObjectRef::new("b").within("two")).is_none());
    let web: Selector = std::iter::once(("app".to_owned(), "web".to_owned())).collect();
    let selected = store.state_filter_selector(&web);
    assert_eq!(
        selected.iter().map(|pod| name(&**pod)).collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert_eq!(store.state().len(), 3);
    let cart = store
        .find(|pod| pod.metadata.labels.as_ref().unwrap()["app"] == "cart")
        .unwrap();
    assert!(Arc::ptr_eq(&cart, &found), "nothing is copied");
    store.informer().shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_of_no_namespace_is_found_with_and_without_one() {
    use k8s_openapi::api::core::v1::Node;

    let source = MemorySource::<Node>::new();
    source
        .create("n1".parse().unwrap(), Node::default())
        .unwrap();
    let informer = SharedInformer::new(source.clone());
    let store = StoreReader::new(&informer);
    informer.start();
    store.wait_until_ready().await.unwrap();
    assert!(store.get(&ObjectRef::new("n1")).is_some());
    assert!(store.get(&ObjectRef::new("n1").within("shop")).is_some());
    assert_eq!(
        object_ref::<Node>(&"n1".parse().unwrap(), ()).namespace,
        None
    );
}

#[tokio::test(start_paused = true)]
async fn changing_a_shared_object_copies_it_first() {
    let object = Arc::new(pod("a", "web"));
    let mut changed = Shared::from(Arc::clone(&object));
    changed.meta_mut().name = Some("b".to_owned());
    assert_eq!(
        (name(&*object).as_str(), name(&changed).as_str()),
        ("a", "b")
    );
    assert_eq!(
        format!("{object:?}"),
        format!("{:?}", Shared::from(Arc::clone(&object)))
    );
    let text = serde_json::to_string(&changed).unwrap();
    assert_eq!(serde_json::from_str::<Shared<Pod>>(&text).unwrap(), changed);
    assert_eq!(
        Shared::<Pod>::url_path(&(), Some("one")),
        "/api/v1/namespaces/one/pods"
    );
}

#[tokio::test(start_paused = true)]
async fn kinds_that_are_named_at_run_time_are_shared_as_well() {
    let widgets = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let source = MemorySource::<DynamicObject>::new();
    let widget = DynamicObject::new("w", &widgets).within("one");
    source.create("one/w".parse().unwrap(), widget).unwrap();
    let informer = SharedInformer::new(source.clone());
    let writer = Writer::<Shared<DynamicObject>>::new(widgets.clone());
    let store = writer.as_reader();
    let events = watcher_events(informer.subscribe().unwrap());
    let applied = events.reflect(writer).applied_objects();
    let results = Controller::for_stream_with(applied, store.clone(), widgets.clone()).run(
        |_, _| async { Ok::<_, Infallible>(Action::await_change()) },
        |_, _, _| Action::await_change(),
        Arc::new(()),
    );
    informer.start();
    let (reference, _) = next(&mut Box::pin(results)).await;
    assert_eq!(reference.to_string(), "Widget.v1.example.com/w.one");
    assert!(
        store
            .get(&object_ref(&"one/w".parse().unwrap(), widgets))
            .is_some()
    );
}

/// Without any unstable feature: their scheduler over references from our subscription.
#[tokio::test(start_paused = true)]
async fn the_applier_runs_on_references_from_a_subscription() {
    let source = MemorySource::<Pod>::new();
    put(&source, "a", "web");
    let informer = SharedInformer::new(source.clone());
    let (store, writer) = reflector::store::<Shared<Pod>>();
    let events = watcher_events(informer.subscribe().unwrap());
    let queue = events
        .reflect(writer)
        .touched_objects()
        .map_ok(|pod| ObjectRef::from(&pod));
    let reconcile = |_: Arc<Shared<Pod>>, _: Arc<()>| {
        Box::pin(async { Ok::<_, Infallible>(Action::await_change()) })
    };
    let error_policy = |_: Arc<Shared<Pod>>, _: &Infallible, _: Arc<()>| Action::await_change();
    let results = applier(
        reconcile,
        error_policy,
        Arc::new(()),
        store,
        queue,
        Default::default(),
    );
    let mut results = Box::pin(results);
    informer.start();
    assert_eq!(next(&mut results).await.0.name, "a");
    put(&source, "b", "web");
    assert_eq!(next(&mut results).await.0.name, "b");
    informer.shutdown().await;
    assert!(
        soon(results.next()).await.is_none(),
        "it ends with the informer"
    );
}

/// What the reconciler of the end-to-end test works with.
struct World {
    pods: Api<Pod>,
    config_maps: Api<ConfigMap>,
    done: mpsc::UnboundedSender<String>,
}

/// Every pod has a config map of its name; a pod that goes is let go.
async fn reconcile(pod: Arc<Shared<Pod>>, world: Arc<World>) -> Result<Action, kube_client::Error> {
    let name = name(&**pod);
    if pod.metadata.deletion_timestamp.is_some() {
        let patch = json!({"metadata": {"finalizers": null}});
        world
            .pods
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        let _ = world.done.send(format!("let {name} go"));
        return Ok(Action::await_change());
    }
    let config_map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: pod.metadata.namespace.clone(),
            owner_references: pod.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    match world
        .config_maps
        .create(&PostParams::default(), &config_map)
        .await
    {
        Ok(_) => {
            let _ = world.done.send(format!("made {name}"));
        }
        Err(kube_client::Error::Api(status)) if status.code == 409 => {}
        Err(error) => return Err(error),
    }
    Ok(Action::await_change())
}

async fn running() -> (RunningServer, Cluster) {
    let running = ApiServer::builder().build().serve_local().await.unwrap();
    let cluster = Connection::new()
        .server(running.url())
        .connect()
        .await
        .unwrap();
    (running, cluster)
}

fn held_pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "one", "finalizers": [FINALIZER]},
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
    })
}

#[tokio::test]
async fn their_controller_reconciles_over_our_informers_including_deletes() {
    let (running, cluster) = running().await;
    running.storage().create("pods", held_pod("a")).unwrap();
    let factory = SharedInformerFactory::of_cluster(&cluster);
    let pods = factory.kube::<Pod>(&Scope::all()).unwrap();
    let config_maps = factory.kube::<ConfigMap>(&Scope::all()).unwrap();

    let (done, mut reports) = mpsc::unbounded_channel();
    let world = Arc::new(World {
        pods: Api::namespaced(cluster.client().clone(), "one"),
        config_maps: Api::namespaced(cluster.client().clone(), "one"),
        done,
    });
    let (reader, writer) = reflector::store();
    let changed = watcher_events(pods.subscribe().unwrap())
        .reflect(writer)
        .applied_objects();
    let owned = watcher_events(config_maps.subscribe().unwrap()).touched_objects();
    let error_policy = |_: Arc<Shared<Pod>>, error: &kube_client::Error, _: Arc<World>| {
        panic!("nothing should fail here: {error}")
    };
    let controller = Controller::for_stream(changed, reader.clone())
        .owns_stream(owned)
        .run(reconcile, error_policy, Arc::clone(&world))
        .for_each(async |result| match result {
            // A request that was on its way when its object went.
            Ok(_) | Err(Error::ObjectNotFound(_)) => {}
            Err(error) => panic!("nothing should fail here: {error}"),
        });
    let controller = tokio::spawn(controller);
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();

    assert_eq!(soon(reports.recv()).await.unwrap(), "made a");
    running.storage().create("pods", held_pod("b")).unwrap();
    assert_eq!(soon(reports.recv()).await.unwrap(), "made b");
    // What a pod owns goes: the pod is looked at again.
    running.storage().delete("configmaps", "one/a").unwrap();
    assert_eq!(soon(reports.recv()).await.unwrap(), "made a");
    // A pod is deleted: it is held, marked, let go, and then gone everywhere.
    world
        .pods
        .delete("b", &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(soon(reports.recv()).await.unwrap(), "let b go");
    soon(async {
        let mut told = pods.subscribe().unwrap();
        while pods.indexer().get(&"one/b".parse().unwrap()).is_some() {
            told.recv().await.unwrap();
        }
    })
    .await;
    assert!(running.storage().get("pods", "one/b").unwrap().is_none());

    // The end of the informers is the end of the controller. Nothing is left behind in its store.
    factory.shutdown().await;
    soon(controller).await.unwrap();
    assert_eq!(names(&reader), ["a"]);
    running.shutdown().await;
}

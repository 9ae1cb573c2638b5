//! `docs/moving-from-kube-rs.md`: what its tables name is used here, so that it compiles.
#![cfg(all(feature = "kube-runtime", feature = "memory"))]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use heliostat::controller::{FinalizerError, FinalizerEvent, finalizer, predicates};
use heliostat::informer::InformerBuilder;
use heliostat::kube_runtime::{StoreReader, object_key, object_ref, to_event, watcher_events};
use heliostat::source::kube::{Cluster, KubeSource, Scope};
use heliostat::{
    Action, Controller, HandlerOptions, Indexer, Notification, ObjectKey, ReflectorConfig,
    ResourceVersion, SharedInformer,
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube_client::{Api, Client};
use kube_runtime::events::{Recorder, Reporter};
use kube_runtime::{WatchStreamExt, reflector};

/// The table "Names", row by row.
async fn names(client: Client, cluster: &Cluster) -> Result<(), Box<dyn Error>> {
    let _api = Api::<Pod>::all(cluster.client().clone());
    let source = KubeSource::<Pod>::new(&client);
    let _metadata = KubeSource::<Pod>::new(cluster).metadata();
    let source = source.labels("app=cart").fields("spec.nodeName=n1");
    let _scope = Scope::all().labels("app=cart").fields("spec.nodeName=n1");
    let config = ReflectorConfig::default()
        .page_size(500)
        .watch_timeout_range(Duration::from_secs(300), Duration::from_secs(600));
    let builder: InformerBuilder<_> = SharedInformer::builder(source).config(config);
    let informer = builder
        .transform(|mut pod: Pod| {
            pod.metadata.managed_fields = None;
            Ok::<_, std::convert::Infallible>(pod)
        })
        .build();
    informer.start();
    informer.wait_synced(Duration::from_secs(30)).await?;
    let indexer: &Indexer<Pod> = informer.indexer();
    let key: ObjectKey = "namespace/name".parse()?;
    let reference = object_ref::<Pod>(&key, ());
    assert_eq!(object_key(&reference), key);
    let _pod = indexer.get(&key);
    let _all = (indexer.list(), indexer.snapshot());
    let version = ResourceVersion::from("7");
    indexer.wait_for(&version).await?;
    let reader = StoreReader::new(&informer);
    let _pod = reader.get(&reference);
    let options = HandlerOptions::new().coalescing(1_000);
    let mut notifications = informer.subscribe_with(&options)?;
    let notification: Option<Notification<Pod>> = notifications.recv().await;
    let _event = notification.map(|notification| to_event(&notification));
    let _applied = watcher_events(informer.subscribe()?).applied_objects();
    let _touched = watcher_events(informer.subscribe()?).touched_objects();
    Ok(())
}

/// The rows of "Names" that keep kube-runtime's controller.
fn streams(pods: &SharedInformer<Pod>) -> Result<(), Box<dyn Error>> {
    use heliostat::kube_runtime::Shared;
    use kube_runtime::Controller;
    use kube_runtime::controller::Config;

    let (reader, writer) = reflector::store::<Shared<Pod>>();
    let events =
        || Ok::<_, heliostat::informer::InformerStopped>(watcher_events(pods.subscribe()?));
    let pods = events()?.reflect(writer).applied_objects();
    let filtered = pods.predicate_filter(
        kube_runtime::predicates::generation,
        kube_runtime::PredicateConfig::default(),
    );
    let owned = events()?.touched_objects();
    let watched = events()?.touched_objects();
    let _controller = Controller::for_stream(filtered, reader)
        .with_config(Config::default())
        .owns_stream(owned)
        .watches_stream(watched, |_| None);
    Ok(())
}

/// The context is whatever is `Clone`.
async fn reconcile(
    map: Arc<ConfigMap>,
    client: Client,
) -> Result<Action, FinalizerError<kube_client::Error>> {
    const NAME: &str = "example.com/cleanup";
    let api = Api::<ConfigMap>::namespaced(client, "shop");
    let outcome = finalizer(&api, NAME, map, async |event| match event {
        FinalizerEvent::Apply(_) => Ok(Action::After(Duration::from_secs(300))),
        FinalizerEvent::Cleanup(_) => Ok(Action::Done),
    })
    .await;
    if let Err(FinalizerError::Apply(error) | FinalizerError::Cleanup(error)) = &outcome {
        tracing::warn!(%error, "the finalizer failed");
    }
    outcome
}

/// The table "Controllers", row by row.
async fn controllers(client: Client, pods: SharedInformer<Pod>) -> Result<(), Box<dyn Error>> {
    let maps = KubeSource::<ConfigMap>::new(&client).namespace("shop");
    let on_error = |_: &ConfigMap, _: &FinalizerError<kube_client::Error>, attempt: u32| {
        Action::After(Duration::from_secs(u64::from(attempt)))
    };
    let controller = Controller::new(maps)
        .owns(pods.clone())
        .watches(pods, |pod| Some(ObjectKey::cluster(pod.key().name())))
        .reconcile_on(stream::empty::<ObjectKey>())
        .reconcile_all_on(stream::empty::<()>())
        .concurrency(4)
        .debounce(Duration::from_secs(1))
        .filter(predicates::any_of(
            predicates::generation,
            predicates::labels,
        ));
    let _stores = (controller.store(), controller.store_of::<Pod>());
    let _recorder = Recorder::new(client.clone(), Reporter::from("greeter"));
    controller
        .on_error(on_error)
        .shutdown_on(std::future::ready(()))
        .shutdown_on_signal()
        .run(reconcile, client)
        .await?;
    Ok(())
}

/// Every name in the second column of a table is used above.
#[test]
fn each_row_of_the_tables_names_what_is_there() {
    // The functions above have only to compile.
    let _ = (names, streams, controllers);
    let page = include_str!("../../../docs/moving-from-kube-rs.md");
    let code = include_str!("moving_from_kube_rs.rs");
    let code = code.split_once("/// Every name").unwrap().0;
    let mut missing = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        // A bar within code is escaped.
        let row = row.replace("\\|", "/");
        let ours = row.split('|').nth(2).unwrap();
        let spans = ours.split('`').skip(1).step_by(2);
        let words = spans.flat_map(|span| span.split_inclusive(|it: char| !is_word(it)));
        // Functions and types; the rest are arguments.
        let names =
            words.filter(|word| word.ends_with('(') || word.starts_with(char::is_uppercase));
        let names = names.map(|name| name.trim_end_matches(|it| !is_word(it)));
        let names = names.filter(|name| name.len() > 1);
        missing.extend(names.filter(|name| !code.contains(name)).map(str::to_owned));
    }
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "names that the test does not use"
    );
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

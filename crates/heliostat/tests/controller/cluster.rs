//! Finalizers and owners, against the embedded server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heliostat::controller::{FinalizerError, FinalizerEvent, finalizer};
use heliostat::source::kube::KubeSource;
use heliostat::{Action, Controller, SharedInformer, Subscription};
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube_client::api::{DeleteParams, PostParams};
use kube_client::{Api, Client, Config};
use kube_core::{Resource as _, ResourceExt as _};
use serde_json::json;
use tokio::sync::oneshot;

const FINALIZER: &str = "example.com/cleanup";

/// Nothing here takes this long; it bounds a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(60);

async fn cluster() -> (RunningServer, Client) {
    let server = ApiServer::builder().build().serve_local().await.unwrap();
    let client = Client::try_from(Config::new(server.url().parse().unwrap())).unwrap();
    (server, client)
}

/// Waits until the mirror behind a subscription is as wanted.
async fn until<T: Send + Sync + 'static>(
    informer: &SharedInformer<T>,
    events: &mut Subscription<T>,
    wanted: impl Fn(Option<&T>) -> bool,
) {
    let reached = async {
        while !wanted(
            informer
                .indexer()
                .get(&"shop/it".parse().unwrap())
                .as_deref(),
        ) {
            events.recv().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
}

#[derive(Clone)]
struct Context {
    client: Client,
    fails: Arc<AtomicBool>,
}

/// Keeps a Secret for each ConfigMap, and takes it down before the ConfigMap goes.
async fn reconcile(
    map: Arc<ConfigMap>,
    context: Context,
) -> Result<Action, FinalizerError<kube_client::Error>> {
    let namespace = map.namespace().unwrap_or_default();
    let maps = Api::<ConfigMap>::namespaced(context.client.clone(), &namespace);
    let secrets = Api::<Secret>::namespaced(context.client, &namespace);
    finalizer(&maps, FINALIZER, map, async |event| {
        match event {
            FinalizerEvent::Apply(map) => {
                let mut secret = Secret::default();
                secret.metadata.name = Some(map.name_any());
                secret.metadata.owner_references =
                    map.controller_owner_ref(&()).map(|owner| vec![owner]);
                match secrets.create(&PostParams::default(), &secret).await {
                    Err(kube_client::Error::Api(status)) if status.code == 409 => {}
                    created => drop(created?),
                }
            }
            FinalizerEvent::Cleanup(map) => {
                if context.fails.swap(false, Ordering::SeqCst) {
                    return Err(kube_client::Error::LinesCodecMaxLineLengthExceeded);
                }
                secrets
                    .delete(&map.name_any(), &DeleteParams::default())
                    .await?;
            }
        }
        Ok(Action::Done)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_with_a_finalizer_and_owned_objects() {
    let (server, client) = cluster().await;
    let other = json!({"metadata": {"name": "it", "namespace": "shop", "finalizers": ["o.io/x"]}});
    server.storage().create("configmaps", other).unwrap();
    let maps = SharedInformer::new(KubeSource::<ConfigMap>::new(&client));
    let secrets = SharedInformer::new(KubeSource::<Secret>::new(&client));
    let (mut map_events, mut secret_events) =
        (maps.subscribe().unwrap(), secrets.subscribe().unwrap());
    let (stop, stopped) = oneshot::channel();
    let controller = Controller::new(&maps)
        .owns(&secrets)
        .concurrency(4)
        .shutdown_on(async {
            let _ = stopped.await;
        });
    let context = Context {
        client,
        fails: Arc::new(AtomicBool::new(true)),
    };
    let running = tokio::spawn(controller.run(reconcile, context.clone()));

    until(&secrets, &mut secret_events, |secret| secret.is_some()).await;
    until(&maps, &mut map_events, |map| {
        map.is_some_and(|map| map.finalizers() == ["o.io/x", FINALIZER])
    })
    .await;
    let uid = |secret: Option<&Secret>| secret.and_then(|it| it.metadata.uid.clone());
    let first = uid(secrets
        .indexer()
        .get(&"shop/it".parse().unwrap())
        .as_deref());
    server.storage().delete("secrets", "shop/it").unwrap();
    until(&secrets, &mut secret_events, |secret| {
        secret.is_some() && uid(secret) != first
    })
    .await;

    server.storage().delete("configmaps", "shop/it").unwrap();
    until(&secrets, &mut secret_events, |secret| secret.is_none()).await;
    assert!(
        !context.fails.load(Ordering::SeqCst),
        "the first cleanup failed"
    );
    until(&maps, &mut map_events, |map| {
        map.is_some_and(|map| map.finalizers() == ["o.io/x"])
    })
    .await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    maps.shutdown().await;
    secrets.shutdown().await;
    server.shutdown().await;
}

/// An apply that has not been seen yet must not be undone by a patch of an old state.
#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_of_an_old_state_is_refused() {
    let (server, client) = cluster().await;
    let map = json!({"metadata": {"name": "it", "namespace": "shop"}});
    server.storage().create("configmaps", map).unwrap();
    let api = Api::<ConfigMap>::namespaced(client, "shop");
    let old = Arc::new(api.get("it").await.unwrap());
    let call = async |object: &Arc<ConfigMap>| {
        let apply = async |_| Ok::<_, std::convert::Infallible>(Action::After(PATIENCE));
        finalizer(&api, FINALIZER, Arc::clone(object), apply).await
    };
    assert_eq!(call(&old).await.unwrap(), Action::Done, "it was added");
    let again = call(&old).await.unwrap_err();
    assert!(matches!(again, FinalizerError::Add(_)), "{again}");
    let new = Arc::new(api.get("it").await.unwrap());
    assert_eq!(new.finalizers(), [FINALIZER]);
    assert_eq!(call(&new).await.unwrap(), Action::After(PATIENCE));
    server.storage().delete("configmaps", "shop/it").unwrap();
    server
        .storage()
        .create(
            "configmaps",
            json!({"metadata": {"name": "it", "namespace": "shop"}}),
        )
        .unwrap_err();
    server.shutdown().await;
}

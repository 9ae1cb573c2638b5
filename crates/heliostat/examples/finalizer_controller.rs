//! A controller with a work queue, a finalizer and owner references.
//!
//! For every ConfigMap with the label `publish` it keeps a copy of its data under the name that the
//! label says. The copy is owned by the original. Before the original goes, the copy is taken down: a
//! finalizer holds the original until that is done.
//!
//! `cargo run --example finalizer_controller` runs against a server in process. Give it a client
//! of your own, and it is that cluster.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use heliostat::core::object::{Entry, ObjectKey};
use heliostat::informer::{EventHandler, SharedInformer};
use heliostat::lister::Lister;
use heliostat::queue::{Action, WorkQueue};
use heliostat::source::kube::KubeSource;
use heliostat::store::IndexFunc;
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube_client::{Api, Client};
use kube_core::{ObjectMeta, Resource as _, ResourceExt as _};
use serde_json::json;

/// Holds an original until its copy is gone.
pub const FINALIZER: &str = "example.com/unpublish";

/// Says that a ConfigMap is to be published, and as what.
pub const PUBLISH: &str = "publish";

/// The index: the uid of an object's owner.
const BY_OWNER: &str = "owner";

/// How many objects are worked on at a time.
const WORKERS: usize = 4;

/// Whatever is wrong with a copy that nobody told us of is mended this often.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// Asks for work on an original when it, or a copy of it, changes. It decides nothing: what is to be
/// done is seen when the work is done.
struct Asker {
    queue: WorkQueue<ObjectKey>,
}

impl Asker {
    fn ask(&self, map: &Entry<ConfigMap>) {
        let owner = map.object.owner_references().first();
        self.queue.add(match (owner, map.key().namespace()) {
            (Some(owner), Some(namespace)) => ObjectKey::namespaced(namespace, &owner.name),
            _ => map.key().clone(),
        });
    }
}

impl EventHandler<ConfigMap> for Asker {
    async fn on_add(&mut self, map: &Entry<ConfigMap>, _is_in_initial_list: bool) {
        self.ask(map);
    }

    async fn on_update(&mut self, _old: &Entry<ConfigMap>, new: &Entry<ConfigMap>) {
        self.ask(new);
    }

    async fn on_delete(&mut self, last: &Entry<ConfigMap>, _tombstone: bool) {
        self.ask(last);
    }
}

/// What the workers work with.
struct Publisher {
    client: Client,
    /// The mirror, to read: the server is asked for nothing but writes.
    maps: Lister<ConfigMap>,
}

impl Publisher {
    /// Makes the world as this original wants it. Does the same again if it is called again.
    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Box<dyn Error + Send + Sync>> {
        let namespace = key.namespace().unwrap_or_default();
        let Ok(original) = self.maps.get_in(namespace, key.name()) else {
            return Ok(Action::Done);
        };
        let original = original.object;
        let Some(name) = original.labels().get(PUBLISH) else {
            return Ok(Action::Done);
        };
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
        if original.meta().deletion_timestamp.is_some() {
            self.unpublish(&api, &original).await?;
            return Ok(Action::Done);
        }
        if !original.finalizers().iter().any(|it| it == FINALIZER) {
            set_finalizers(&api, &original, &[FINALIZER]).await?;
        }
        let copies = self
            .maps
            .by_index(BY_OWNER, &original.uid().unwrap_or_default())?;
        match copies.first() {
            None => {
                let copy = copy_of(&original, name);
                api.create(&PostParams::default(), &copy).await?;
            }
            Some(copy) if copy.object.data != original.data => {
                let patch = Patch::Merge(json!({ "data": original.data }));
                let copy = copy.key().name();
                api.patch(copy, &PatchParams::default(), &patch).await?;
            }
            Some(_) => {}
        }
        Ok(Action::After(LOOK_AGAIN))
    }

    /// Takes the copies down, and then lets the original go.
    async fn unpublish(
        &self,
        api: &Api<ConfigMap>,
        original: &ConfigMap,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let uid = original.uid().unwrap_or_default();
        for copy in self.maps.by_index(BY_OWNER, &uid)? {
            let deleted = api
                .delete(copy.key().name(), &DeleteParams::default())
                .await;
            if let Err(error) = deleted
                && !matches!(&error, kube_client::Error::Api(status) if status.code == 404)
            {
                return Err(error.into());
            }
        }
        if original.finalizers().iter().any(|it| it == FINALIZER) {
            set_finalizers(api, original, &[]).await?;
        }
        Ok(())
    }
}

/// Fails, and is tried again, if the original has changed since it was mirrored.
async fn set_finalizers(
    api: &Api<ConfigMap>,
    original: &ConfigMap,
    finalizers: &[&str],
) -> Result<(), kube_client::Error> {
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": original.resource_version(),
    }});
    let name = original.name_any();
    let patched = api
        .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    patched.map(drop)
}

fn copy_of(original: &ConfigMap, name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: original.namespace(),
            owner_references: original.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: original.data.clone(),
        ..ConfigMap::default()
    }
}

/// Runs the controller until `stop` ends.
pub async fn run(client: Client, stop: impl Future<Output = ()>) -> Result<(), Box<dyn Error>> {
    let cluster = client.clone().into();
    let informer = SharedInformer::builder(KubeSource::<ConfigMap>::all(&cluster))
        .index(
            BY_OWNER,
            IndexFunc::new(|map: &Entry<ConfigMap>| {
                let owners = map.object.owner_references().iter();
                owners.map(|owner| owner.uid.clone()).collect::<Vec<_>>()
            }),
        )?
        .build();
    let queue = WorkQueue::builder().name("publish").build();
    let asker = informer.add_handler(Asker {
        queue: queue.clone(),
    })?;
    informer.start();
    // Before that a copy that is there could look as if it were missing.
    asker.wait_synced().await?;

    let publisher = Arc::new(Publisher {
        client,
        maps: informer.lister("configmaps"),
    });
    let workers = tokio::spawn({
        let queue = queue.clone();
        async move {
            let reconcile = move |key: ObjectKey| {
                let publisher = Arc::clone(&publisher);
                async move { publisher.reconcile(&key).await }
            };
            queue.process(WORKERS, reconcile).await;
        }
    });
    stop.await;
    // What is being worked on is finished; then nobody asks for more.
    queue.shutdown_with_drain().await;
    workers.await?;
    informer.stop().await;
    Ok(())
}

/// A server with one original, in place of a cluster.
pub async fn stand_in() -> Result<RunningServer, Box<dyn Error>> {
    let server = ApiServer::builder().build();
    let original = json!({
        "metadata": {"name": "draft", "namespace": "shop", "labels": {PUBLISH: "news"}},
        "data": {"headline": "open on sundays"},
    });
    server.storage().create("configmaps", original)?;
    Ok(server.serve_local().await?)
}

/// A client of the server. For your own cluster: `Client::try_default()`.
pub fn client_of(server: &RunningServer) -> Result<Client, Box<dyn Error>> {
    let config = kube_client::Config::new(server.url().parse()?);
    Ok(Client::try_from(config)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = stand_in().await?;
    let client = client_of(&server)?;
    println!(
        "kubectl --server {} get configmaps -A --watch",
        server.url()
    );
    let interrupted = async {
        // Without a way to be interrupted it runs on.
        let _ = tokio::signal::ctrl_c().await;
    };
    run(client, interrupted).await?;
    server.shutdown().await;
    Ok(())
}

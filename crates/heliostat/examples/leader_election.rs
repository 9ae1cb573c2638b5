//! A controller that runs in several replicas, of which only the leader reconciles.
//!
//! The leader holds a `Lease`, as client-go's leader election does. Every write of the lease carries the
//! resourceVersion that was read, so of two candidates that write at once the server refuses one.
//!
//! `cargo run --example leader_election` runs two replicas against a server in process. Give them a
//! client of your own, and they run against that cluster.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use heliostat::source::kube::KubeSource;
use heliostat::{Action, Controller};
use heliostat_server::{ApiServer, RunningServer};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube_client::api::{Patch, PatchParams, PostParams};
use kube_client::{Api, Client};
use kube_core::{ObjectMeta, ResourceExt as _};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

/// One of the replicas that want the lease.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The leases of a namespace.
    pub leases: Api<Lease>,
    /// The name of the lease that all replicas want.
    pub lease: String,
    /// The name of this replica: that of its pod.
    pub identity: String,
    /// How long a lease is valid without a renewal. Renewals and tries are a third of this apart.
    pub duration: Duration,
}

impl Candidate {
    /// Waits until the lease is ours, and returns it.
    pub async fn acquire(&self) -> Result<Lease, kube_client::Error> {
        // The clocks of replicas differ. So the lease has expired when *we* have seen no renewal of it
        // for its duration, whatever the times in it are.
        let mut seen = (None, Instant::now());
        loop {
            let taken = match self.leases.get_opt(&self.lease).await? {
                None => self.write(Lease::default()).await,
                Some(lease) => {
                    if seen.0 != lease.resource_version() {
                        seen = (lease.resource_version(), Instant::now());
                    }
                    let holder = lease
                        .spec
                        .as_ref()
                        .and_then(|it| it.holder_identity.as_deref());
                    let is_free = holder.is_none_or(|holder| holder == self.identity);
                    if is_free || seen.1.elapsed() >= self.duration {
                        self.write(lease).await
                    } else {
                        Ok(None)
                    }
                }
            };
            if let Some(lease) = taken? {
                return Ok(lease);
            }
            sleep(self.duration / 3).await;
        }
    }

    /// Renews the lease until it is lost: another replica has it, or it could not be renewed for two
    /// thirds of its duration. The last third is for the calls that are under way.
    pub async fn keep(&self, mut lease: Lease) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < self.duration * 2 / 3 {
            sleep(self.duration / 3).await;
            match timeout(self.duration / 3, self.write(lease.clone())).await {
                Ok(Ok(Some(next))) => (lease, renewed) = (next, Instant::now()),
                Ok(Ok(None)) => return,
                // The server did not answer; it may do so the next time.
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Gives the lease up, so that no other replica has to wait until it expires.
    pub async fn release(&self) -> Result<(), kube_client::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.lease).await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.take().as_deref() == Some(&*self.identity) {
            self.replace(&lease).await?;
        }
        Ok(())
    }

    /// Writes the lease with us as its holder; none if another replica wrote it after it was read.
    async fn write(&self, mut lease: Lease) -> Result<Option<Lease>, kube_client::Error> {
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&*self.identity) {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count + 1));
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(self.duration.as_secs()).ok();
        spec.renew_time = Some(now);
        self.replace(&lease).await
    }

    /// Creates or replaces the lease, if it still is as it was read.
    async fn replace(&self, lease: &Lease) -> Result<Option<Lease>, kube_client::Error> {
        let written = if lease.metadata.resource_version.is_some() {
            let parameters = PostParams::default();
            self.leases.replace(&self.lease, &parameters, lease).await
        } else {
            let metadata = ObjectMeta {
                name: Some(self.lease.clone()),
                ..ObjectMeta::default()
            };
            let lease = Lease {
                metadata,
                ..lease.clone()
            };
            self.leases.create(&PostParams::default(), &lease).await
        };
        match written {
            Ok(lease) => Ok(Some(lease)),
            Err(kube_client::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Runs the controller while this replica is the leader, until `stop` ends or the lease is lost. A
/// replica that lost it returns; start it anew, as Kubernetes does with a pod that ends.
pub async fn run(
    client: Client,
    candidate: Candidate,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    let mut stop = Box::pin(stop);
    let lease = tokio::select! {
        lease = candidate.acquire() => lease?,
        () = &mut stop => return Ok(()),
    };
    println!("{} is the leader", candidate.identity);
    let leads = candidate.clone();
    Controller::new(KubeSource::<ConfigMap>::new(&client).labels("sign"))
        .shutdown_on(async move {
            tokio::select! {
                () = stop => {}
                () = leads.keep(lease) => {}
            }
        })
        .run(sign, (client, candidate.identity.clone()))
        .await?;
    Ok(candidate.release().await?)
}

/// Writes the name of the leader into every ConfigMap with the label `sign`.
async fn sign(
    map: Arc<ConfigMap>,
    (client, leader): (Client, String),
) -> Result<Action, kube_client::Error> {
    let signed = map.data.as_ref().and_then(|data| data.get("signed-by"));
    if signed.is_none() {
        let namespace = map.namespace().unwrap_or_default();
        let patch = Patch::Merge(json!({"data": {"signed-by": leader}}));
        Api::<ConfigMap>::namespaced(client, &namespace)
            .patch(&map.name_any(), &PatchParams::default(), &patch)
            .await?;
    }
    Ok(Action::Done)
}

/// A server with one ConfigMap to sign, in place of a cluster.
pub async fn stand_in() -> Result<RunningServer, Box<dyn Error>> {
    let server = ApiServer::builder().build();
    let letter =
        json!({"metadata": {"name": "letter", "namespace": "shop", "labels": {"sign": ""}}});
    server.storage().create("configmaps", letter)?;
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
    println!("kubectl --server {} get leases -A --watch", server.url());
    let replica = |identity: &str| {
        let candidate = Candidate {
            leases: Api::namespaced(client.clone(), "shop"),
            lease: "signer".to_owned(),
            identity: identity.to_owned(),
            duration: Duration::from_secs(15),
        };
        let interrupted = async {
            // Without a way to be interrupted it runs on.
            let _ = tokio::signal::ctrl_c().await;
        };
        run(client.clone(), candidate, interrupted)
    };
    tokio::try_join!(replica("one"), replica("two"))?;
    server.shutdown().await;
    Ok(())
}

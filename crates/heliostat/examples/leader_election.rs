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

/// Any error.
pub type Failure = Box<dyn Error + Send + Sync>;

/// One of the replicas that want the lease.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The leases of a namespace.
    pub leases: Api<Lease>,
    /// The name of the lease that all replicas want.
    pub lease: String,
    /// The name of this replica: that of its pod.
    pub identity: String,
    /// How long a lease is valid without a renewal. Renewals and tries are a sixth of this apart, and a
    /// request may take a quarter of it.
    pub duration: Duration,
}

/// The lease as this replica holds it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The lease as it was written last.
    pub lease: Lease,
    /// The instant before the request of the last renewal. Other replicas see the renewal later, so none
    /// takes the lease within its duration from here on.
    pub renewed: Instant,
}

impl Candidate {
    /// Waits until the lease is ours. Requests that fail are tried again.
    pub async fn acquire(&self) -> Held {
        // The clocks of replicas differ. So the lease has expired when *we* have seen no renewal of it
        // for its duration, whatever the times in it are.
        let mut seen = (None, Instant::now());
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(Some(held)) => return held,
                Ok(None) => {}
                Err(error) => println!("{} cannot take the lease: {error}", self.identity),
            }
            sleep(self.pause()).await;
        }
    }

    /// Takes the lease if it is free, ours or expired. `seen` is its last version and when that was read.
    async fn try_acquire(
        &self,
        seen: &mut (Option<String>, Instant),
    ) -> Result<Option<Held>, Failure> {
        let lease = self.read().await?.unwrap_or_default();
        let version = lease.resource_version();
        if seen.0 != version {
            *seen = (version, Instant::now());
        }
        let is_free = holder_of(&lease).is_none_or(|holder| holder == self.identity);
        if !is_free && seen.1.elapsed() < self.duration {
            return Ok(None);
        }
        let renewed = Instant::now();
        let written = self.write(lease).await?;
        Ok(written.map(|lease| Held { lease, renewed }))
    }

    /// Renews the lease until it is lost: another replica has it, or two thirds of its duration have
    /// passed since the last renewal. The last third is for the calls that are under way.
    pub async fn keep(&self, mut held: Held) {
        loop {
            let left = (self.duration * 2 / 3).saturating_sub(held.renewed.elapsed());
            match timeout(left, self.renew(held.lease)).await {
                Ok(Some(renewed)) => held = renewed,
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Renews the lease, with as many requests as that takes; none if another replica has it.
    async fn renew(&self, mut lease: Lease) -> Option<Held> {
        loop {
            sleep(self.pause()).await;
            let renewed = Instant::now();
            match self.write(lease.clone()).await {
                Ok(Some(lease)) => return Some(Held { lease, renewed }),
                // Another replica wrote the lease, or we did and the answer was lost.
                Ok(None) => match self.read().await {
                    Ok(Some(read)) if holder_of(&read) == Some(&*self.identity) => lease = read,
                    Ok(_) => return None,
                    Err(error) => println!("{} cannot read the lease: {error}", self.identity),
                },
                Err(error) => println!("{} cannot renew the lease: {error}", self.identity),
            }
        }
    }

    /// The time between renewals, and between tries.
    fn pause(&self) -> Duration {
        self.duration / 6
    }

    /// Waits for an answer, but not so long that no other request could follow.
    async fn answer<T>(
        &self,
        request: impl Future<Output = Result<T, kube_client::Error>>,
    ) -> Result<T, Failure> {
        Ok(timeout(self.duration / 4, request).await??)
    }

    async fn read(&self) -> Result<Option<Lease>, Failure> {
        self.answer(self.leases.get_opt(&self.lease)).await
    }

    /// Releases the lease, so that no other replica has to wait until it expires.
    pub async fn release(&self) -> Result<(), Failure> {
        let Some(mut lease) = self.read().await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.take().as_deref() == Some(&*self.identity) {
            self.answer(self.replace(&lease)).await?;
        }
        Ok(())
    }

    /// Writes the lease with us as its holder; none if another replica wrote it after it was read.
    async fn write(&self, mut lease: Lease) -> Result<Option<Lease>, Failure> {
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&*self.identity) {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count + 1));
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(self.duration.as_secs()).ok();
        spec.renew_time = Some(now);
        self.answer(self.replace(&lease)).await
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

/// The replica that holds a lease. client-go releases a lease with an empty name.
fn holder_of(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref();
    holder.filter(|holder| !holder.is_empty())
}

/// Runs the controller while this replica is the leader, until `stop` ends or the lease is lost. A
/// replica that lost it returns; start it anew, as Kubernetes does with a pod that ends.
pub async fn run(
    client: Client,
    candidate: Candidate,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let mut stop = Box::pin(stop);
    let held = tokio::select! {
        held = candidate.acquire() => held,
        () = &mut stop => return Ok(()),
    };
    println!("{} is the leader", candidate.identity);
    let leads = candidate.clone();
    Controller::new(KubeSource::<ConfigMap>::new(&client).labels("sign"))
        .shutdown_on(async move {
            tokio::select! {
                () = stop => {}
                () = leads.keep(held) => {}
            }
        })
        .run(sign, (client, candidate.identity.clone()))
        .await?;
    candidate.release().await?;
    Ok(())
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
pub async fn stand_in() -> Result<RunningServer, Failure> {
    let server = ApiServer::builder().build();
    let letter =
        json!({"metadata": {"name": "letter", "namespace": "shop", "labels": {"sign": ""}}});
    server.storage().create("configmaps", letter)?;
    Ok(server.serve_local().await?)
}

/// A client of the server. For your own cluster: `Client::try_default()`.
pub fn client_of(server: &RunningServer) -> Result<Client, Failure> {
    let config = kube_client::Config::new(server.url().parse()?);
    Ok(Client::try_from(config)?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
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

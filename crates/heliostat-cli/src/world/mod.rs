//! A believable cluster out of a seed: nodes, deployments with their replica sets, and pods. It fills
//! the embedded server of `heliostat demo` and of `heliostat apiserver --pods`, and keeps it busy.
//!
//! The same seed gives the same names, sizes and order of events; only times are of the clock.

mod names;

mod objects;

mod pod;

mod churn;

use heliostat_core::rng::Rng;
use heliostat_server::{Status, StorageHandle};
use jiff::Timestamp;

pub(crate) use churn::Churn;

use pod::{Pod, Stage};

/// How many pods share a node: the default limit of a kubelet is 110, a well filled node has about
/// half of it.
const PODS_PER_NODE: usize = 55;

/// How far back creation times go: a bit more than a month.
const OLDEST_SECONDS: u64 = 35 * 24 * 60 * 60;

/// The cluster as its controllers know it.
#[derive(Debug)]
pub(crate) struct World {
    rng: Rng,
    nodes: Vec<Node>,
    workloads: Vec<Workload>,
    pods: Vec<Pod>,
}

/// A machine.
#[derive(Debug)]
struct Node {
    name: String,
    address: String,
    /// The second and third number of the addresses of its pods.
    subnet: (usize, usize),
}

/// A deployment and its present replica set.
#[derive(Debug)]
struct Workload {
    namespace: String,
    name: String,
    /// The suffix of the replica set.
    template_hash: String,
    /// The uid of the replica set.
    owner_uid: String,
    image: String,
    replicas: usize,
    tier: &'static str,
    sidecar: bool,
    created: Timestamp,
}

impl Workload {
    fn replica_set(&self) -> String {
        format!("{}-{}", self.name, self.template_hash)
    }
}

impl World {
    /// A cluster with `pods` pods, all in the state that they would have had for long.
    pub(crate) fn generate(seed: u64, pods: usize) -> Self {
        let mut world = Self {
            rng: Rng::seeded(seed),
            nodes: Vec::new(),
            workloads: Vec::new(),
            pods: Vec::with_capacity(pods),
        };
        world.nodes = (0..pods.div_ceil(PODS_PER_NODE).max(3))
            .map(|number| world.node(number))
            .collect();
        while world.pods.len() < pods {
            let workload = world.workload(pods - world.pods.len());
            world.workloads.push(workload);
            let index = world.workloads.len() - 1;
            for _ in 0..world.workloads[index].replicas {
                let pod = world.settled_pod(index);
                world.pods.push(pod);
            }
        }
        world
    }

    /// The namespaces that every cluster has.
    pub(crate) fn load_namespaces(storage: &StorageHandle) -> Result<usize, Status> {
        storage.load("namespaces", names::SYSTEM.map(objects::namespace))
    }

    /// Puts everything into the storage. Pods come last, so that the newest version is a pod's.
    pub(crate) fn load(&self, storage: &StorageHandle) -> Result<(), Status> {
        let mut namespaces: Vec<&str> = self.workloads.iter().map(|it| &*it.namespace).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        storage.load("namespaces", namespaces.into_iter().map(objects::namespace))?;
        storage.load("nodes", self.nodes.iter().map(objects::node))?;
        let deployments = self.workloads.iter().map(objects::deployment);
        storage.load("deployments.apps", deployments)?;
        let replica_sets = self.workloads.iter().map(objects::replica_set);
        storage.load("replicasets.apps", replica_sets)?;
        let pods = self.pods.iter().map(|pod| pod.object(self));
        storage.load("pods", pods).map(drop)
    }

    /// How many namespaces have pods.
    pub(crate) fn namespaces(&self) -> usize {
        let mut names: Vec<&str> = self.workloads.iter().map(|it| &*it.namespace).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    fn node(&mut self, number: usize) -> Node {
        let zone = ["a", "b", "c"][number % 3];
        let subnet = (64 + number / 256, number % 256);
        Node {
            name: format!("worker-{zone}-{}", self.suffix(5)),
            address: format!("10.0.{}.{}", number / 250, number % 250 + 4),
            subnet,
        }
    }

    fn workload(&mut self, room: usize) -> Workload {
        let (namespace, apps) = *names::pick(&mut self.rng, names::TEAMS);
        let (app, tier) = *names::pick(&mut self.rng, apps);
        let taken = |name: &str, workloads: &[Workload]| {
            let of_that_name = |it: &&Workload| it.namespace == namespace && it.name == name;
            workloads.iter().any(|it| of_that_name(&it))
        };
        let mut name = app.to_owned();
        while taken(&name, &self.workloads) {
            name = format!("{app}-{}", names::pick(&mut self.rng, names::VARIANTS));
            if taken(&name, &self.workloads) {
                name = format!("{app}-{}", self.suffix(4));
            }
        }
        // Most deployments are small, a few are large.
        let replicas = match self.rng.below(10) {
            0 => 12 + self.rng.below(24),
            1..=3 => 4 + self.rng.below(8),
            _ => 1 + self.rng.below(3),
        };
        let version = (self.rng.below(4), self.rng.below(30), self.rng.below(10));
        let image = format!(
            "registry.example.com/{namespace}/{app}:v{}.{}.{}",
            version.0, version.1, version.2
        );
        Workload {
            namespace: namespace.to_owned(),
            name,
            template_hash: self.suffix(9),
            owner_uid: self.uid(),
            image,
            replicas: room.min(usize::try_from(replicas).unwrap_or(1)),
            tier,
            sidecar: self.rng.one_in(3),
            created: self.long_ago(),
        }
    }

    /// A pod that has been there for a while: nearly always running.
    fn settled_pod(&mut self, workload: usize) -> Pod {
        let stage = match self.rng.below(100) {
            0 => Stage::Pending,
            1..=2 => Stage::CrashLooping,
            3..=4 => Stage::Unready,
            _ => Stage::Ready,
        };
        let mut pod = self.new_pod(workload, stage);
        pod.created = self.long_ago().max(self.workloads[workload].created);
        pod.restarts = match self.rng.below(20) {
            0 => 1 + self.rng.below(40),
            1..=4 => 1 + self.rng.below(3),
            _ => 0,
        };
        pod
    }

    fn new_pod(&mut self, workload: usize, stage: Stage) -> Pod {
        let suffix = self.suffix(5);
        let node = usize::try_from(self.rng.below(self.nodes.len() as u64)).unwrap_or(0);
        let host = 2 + self.rng.below(250);
        Pod {
            workload,
            name: format!("{}-{suffix}", self.workloads[workload].replica_set()),
            uid: self.uid(),
            node,
            host,
            token: self.suffix(5),
            stage,
            restarts: 0,
            created: Timestamp::now(),
            changed: Timestamp::now(),
        }
    }

    /// A random suffix as Kubernetes makes them.
    fn suffix(&mut self, len: usize) -> String {
        (0..len)
            .map(|_| char::from(*names::pick(&mut self.rng, names::ALPHABET)))
            .collect()
    }

    /// A random uid of version 4.
    fn uid(&mut self) -> String {
        let (high, low) = (self.rng.next_u64(), self.rng.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    fn long_ago(&mut self) -> Timestamp {
        let seconds = self.rng.below(OLDEST_SECONDS);
        let ago = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
        Timestamp::now()
            .checked_sub(ago)
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use heliostat_server::ApiServer;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_cluster() {
        let names = |seed| {
            let world = World::generate(seed, 200);
            world
                .pods
                .into_iter()
                .map(|pod| (pod.name, pod.uid))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(7), names(7));
        assert_ne!(names(7), names(8));
    }

    #[test]
    fn the_server_takes_every_object_and_names_are_unique() {
        let world = World::generate(7, 300);
        let server = ApiServer::builder().build();
        world.load(server.storage()).unwrap();
        let pods = server.storage().list("pods").unwrap();
        assert_eq!(pods.len(), 300);
        let namespaces: BTreeSet<_> = pods
            .iter()
            .map(|pod| pod["metadata"]["namespace"].to_string())
            .collect();
        assert_eq!(namespaces.len(), world.namespaces());
        assert!(namespaces.len() > 3);
        let deployments = server.storage().versions("deployments.apps").unwrap();
        assert_eq!(deployments.len(), world.workloads.len());
    }
}

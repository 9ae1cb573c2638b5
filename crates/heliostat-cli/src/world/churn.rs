//! What goes on in the generated cluster: pods come, get ready, fail, and are replaced.

use heliostat_server::{Status, StorageHandle};
use jiff::Timestamp;
use serde_json::json;

use super::World;
use super::pod::{Pod, Stage};

/// How far the number of pods strays from where it began, as a fraction: one in so many.
const STRAY: usize = 50;

/// Changes the pods of a [`World`] and of the storage that it was loaded into, one write at a time.
#[derive(Debug)]
pub(crate) struct Churn {
    world: World,
    storage: StorageHandle,
    /// How many pods there were at the start; the number stays near it.
    target: usize,
    /// Pods on their way to ready, by name, oldest first.
    starting: Vec<String>,
}

/// One kind of change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    Create,
    Delete,
    Advance,
    Disturb,
    Annotate,
}

impl Churn {
    /// Takes over a world that has been loaded into `storage`.
    pub(crate) fn new(world: World, storage: StorageHandle) -> Self {
        Self {
            target: world.pods.len(),
            world,
            storage,
            starting: Vec::new(),
        }
    }

    /// Makes one change.
    ///
    /// # Errors
    /// If somebody else has changed the pods, for example deleted one: the world then forgets the
    /// pod, and the next step goes on without it.
    pub(crate) fn step(&mut self) -> Result<(), Status> {
        let change = self.choose();
        match change {
            Change::Create => self.create(),
            Change::Delete => self.delete(),
            Change::Advance => self.advance(),
            Change::Disturb => self.disturb(),
            Change::Annotate => self.annotate(),
        }
    }

    fn choose(&mut self) -> Change {
        let pods = self.world.pods.len();
        let stray = (self.target / STRAY).max(1);
        match self.world.rng.below(100) {
            0..=44 if !self.starting.is_empty() => Change::Advance,
            0..=69 if pods + stray <= self.target => Change::Create,
            0..=69 if pods >= self.target + stray => Change::Delete,
            0..=57 => Change::Create,
            58..=69 if pods > 0 => Change::Delete,
            70..=84 if pods > 0 => Change::Disturb,
            _ if pods > 0 => Change::Annotate,
            _ => Change::Create,
        }
    }

    fn create(&mut self) -> Result<(), Status> {
        let workloads = self.world.workloads.len();
        if workloads == 0 {
            return Ok(());
        }
        let workload = self.below(workloads);
        let pod = self.world.new_pod(workload, Stage::Pending);
        self.storage.create("pods", pod.object(&self.world))?;
        self.starting.push(pod.name.clone());
        self.world.pods.push(pod);
        Ok(())
    }

    fn delete(&mut self) -> Result<(), Status> {
        let index = self.below(self.world.pods.len());
        let pod = self.world.pods.swap_remove(index);
        self.starting.retain(|name| *name != pod.name);
        self.storage.delete("pods", &pod.key(&self.world))
    }

    /// A pod that is starting comes one stage further.
    fn advance(&mut self) -> Result<(), Status> {
        let name = self.starting.remove(0);
        let Some(index) = self.world.pods.iter().position(|pod| pod.name == name) else {
            return Ok(());
        };
        let next = match self.world.pods[index].stage {
            Stage::Pending => Stage::Creating,
            Stage::Creating => Stage::Unready,
            Stage::Unready if self.world.rng.one_in(30) => Stage::CrashLooping,
            Stage::Unready | Stage::Ready | Stage::CrashLooping => Stage::Ready,
        };
        if matches!(next, Stage::Creating | Stage::Unready) {
            self.starting.push(name);
        }
        self.set_stage(index, next)
    }

    /// Something happens to a pod that was running: it fails, or comes back.
    fn disturb(&mut self) -> Result<(), Status> {
        let index = self.below(self.world.pods.len());
        let next = match self.world.pods[index].stage {
            Stage::Ready if self.world.rng.one_in(4) => Stage::CrashLooping,
            Stage::Ready => Stage::Unready,
            Stage::Pending => Stage::Creating,
            Stage::Creating | Stage::Unready | Stage::CrashLooping => Stage::Ready,
        };
        if next == Stage::CrashLooping {
            self.world.pods[index].restarts += 1;
        }
        self.set_stage(index, next)
    }

    fn set_stage(&mut self, index: usize, stage: Stage) -> Result<(), Status> {
        let Some(pod) = self.world.pods.get_mut(index) else {
            return Ok(());
        };
        pod.stage = stage;
        pod.changed = Timestamp::now();
        let pod = pod.clone();
        let mut patch = json!({"status": pod.status(&self.world)});
        if stage == Stage::Creating {
            let node = &self.world.nodes[pod.node].name;
            patch["spec"] = json!({"nodeName": node});
        }
        self.patch(&pod, patch)
    }

    fn annotate(&mut self) -> Result<(), Status> {
        let index = self.below(self.world.pods.len());
        let checked = self.world.rng.below(1_000_000);
        let pod = self.world.pods[index].clone();
        let patch =
            json!({"metadata": {"annotations": {"example.com/checked": checked.to_string()}}});
        self.patch(&pod, patch)
    }

    fn patch(&mut self, pod: &Pod, patch: serde_json::Value) -> Result<(), Status> {
        let key = pod.key(&self.world);
        let patched = self.storage.merge_patch("pods", &key, patch);
        if patched.is_err() {
            self.world.pods.retain(|known| known.name != pod.name);
        }
        patched.map(drop)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.world.rng.below(bound.max(1) as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use heliostat_server::ApiServer;

    use super::*;

    fn churn(seed: u64, pods: usize) -> Churn {
        let server = ApiServer::builder().seed(seed).build();
        let world = World::generate(seed, pods);
        world.load(server.storage()).unwrap();
        Churn::new(world, server.storage().clone())
    }

    #[test]
    fn every_step_is_at_most_one_write_and_the_number_of_pods_stays_near() {
        let mut churn = churn(3, 200);
        let start = churn.storage.revision();
        for _ in 0..2_000 {
            let before = churn.storage.revision();
            churn.step().unwrap();
            assert!(churn.storage.revision() <= before + 1);
        }
        // A pod that is set to the state it has, within the same second, is no change.
        assert!(churn.storage.revision() > start + 1_800);
        let stored = churn.storage.versions("pods").unwrap();
        let known: BTreeSet<_> = churn
            .world
            .pods
            .iter()
            .map(|pod| pod.key(&churn.world))
            .collect();
        assert_eq!(stored.keys().cloned().collect::<BTreeSet<_>>(), known);
        assert!((190..=210).contains(&known.len()), "{}", known.len());
        assert!(
            churn.starting.len() < 100,
            "{} pods never start",
            churn.starting.len()
        );
    }

    #[test]
    fn a_pod_that_somebody_else_deleted_is_forgotten() {
        let mut churn = churn(4, 5);
        for key in churn.storage.versions("pods").unwrap().into_keys() {
            churn.storage.delete("pods", &key).unwrap();
        }
        let failed = (0..100).filter(|_| churn.step().is_err()).count();
        assert!((1..=5).contains(&failed), "{failed}");
    }

    #[test]
    fn a_world_without_pods_stays_empty() {
        let mut churn = churn(5, 0);
        for _ in 0..10 {
            churn.step().unwrap();
        }
        assert!(churn.storage.versions("pods").unwrap().is_empty());
    }
}

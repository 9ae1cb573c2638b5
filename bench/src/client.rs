//! One measured client process: mirror once, take the updates, print what it cost.

use std::time::Instant;

use clap::{Args, ValueEnum};
use heliostat_bench::replay_server::Encoding;
use serde::{Deserialize, Serialize};

use crate::process::Usage;
use crate::{heliostat_client, kube_rs_client};

#[derive(Args)]
pub(crate) struct Options {
    /// Whose mirror.
    #[arg(long)]
    pub(crate) who: Who,
    /// What ours asks for; the peer asks for JSON.
    #[arg(long)]
    pub(crate) encoding: Encoding,
    /// What becomes of the managed fields.
    #[arg(long)]
    pub(crate) managed_fields: ManagedFields,
    /// How the first state is asked for.
    #[arg(long)]
    pub(crate) initial: Initial,
    /// The replay server.
    #[arg(long)]
    pub(crate) server: String,
    /// How many pods it serves.
    #[arg(long)]
    pub(crate) pods: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Who {
    /// The reflector of this project.
    Heliostat,
    /// `kube_runtime::reflector` over `kube_runtime::watcher`.
    KubeRs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ManagedFields {
    /// Objects are kept as they come.
    Kept,
    /// `metadata.managedFields` is cleared before an object is kept.
    Cleared,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Initial {
    /// A list in pages, then a watch.
    List,
    /// A watch that begins with the first state.
    WatchList,
}

/// What one run cost.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Cost {
    /// From the first request to the whole collection, in seconds.
    pub(crate) sync_wall: f64,
    /// CPU seconds of the sync.
    pub(crate) sync_cpu: f64,
    /// Resident MiB after the sync.
    pub(crate) sync_resident: f64,
    /// The highest resident MiB up to then.
    pub(crate) sync_peak: f64,
    /// From the first update to the last one applied, in seconds.
    pub(crate) update_wall: f64,
    /// CPU seconds of the updates.
    pub(crate) update_cpu: f64,
    /// Resident MiB after the updates.
    pub(crate) update_resident: f64,
}

/// Measures the two stages of a run.
pub(crate) struct Meter {
    begun: Instant,
    before: Usage,
    cost: Cost,
}

impl Meter {
    pub(crate) fn begin() -> std::io::Result<Self> {
        Ok(Self {
            begun: Instant::now(),
            before: Usage::now()?,
            cost: Cost::default(),
        })
    }

    /// The collection is whole.
    pub(crate) fn synced(&mut self) -> std::io::Result<()> {
        let now = Usage::now()?;
        self.cost.sync_wall = self.begun.elapsed().as_secs_f64();
        self.cost.sync_cpu = now.cpu - self.before.cpu;
        self.cost.sync_resident = now.resident;
        self.cost.sync_peak = now.peak;
        Ok(())
    }

    /// The updates are about to come.
    pub(crate) fn updates_begin(&mut self) -> std::io::Result<()> {
        self.begun = Instant::now();
        self.before = Usage::now()?;
        Ok(())
    }

    /// The last update is applied.
    pub(crate) fn updated(mut self) -> std::io::Result<Cost> {
        let now = Usage::now()?;
        self.cost.update_wall = self.begun.elapsed().as_secs_f64();
        self.cost.update_cpu = now.cpu - self.before.cpu;
        self.cost.update_resident = now.resident;
        Ok(self.cost)
    }
}

pub(crate) async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let cost = match options.who {
        Who::Heliostat => heliostat_client::run(&options)
            .await
            .map_err(|error| error.to_string())?,
        Who::KubeRs => kube_rs_client::run(options).await?,
    };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

//! Packed mirrors: wire speed, and a tenth of the memory.
//!
//! One table of one run: a replay server in a process of its own, each client in one of its own, ours
//! beside the peer and beside a bare reader of the same bytes.

mod pictures;

pub(crate) mod pods;

mod reads;

mod server;

mod table;

use std::path::PathBuf;
use std::process::Stdio;

use clap::Args;
use heliostat_bench::replay_server::Encoding;
use heliostat_bench::stages::{Bare, Many, Stages};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::runs::{measure, measure_with, word};
pub(crate) use reads::Options as ReadsOptions;
pub(crate) use reads::run as run_reads;
use reads::{Ours, Reader, Theirs};
use server::Served;
pub(crate) use server::{Served as ServedOptions, run as serve};
use table::Table;

/// What a process of ours is to measure.
const MIRROR: &str = "mirror";
const MANY: &str = "many";
const BARE: &str = "bare";

#[derive(Args)]
pub(crate) struct Options {
    /// How many pods the collection holds.
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// How many updates follow.
    #[arg(long, default_value_t = 20_000)]
    updates: usize,
    /// How many pods the large collection holds; none leaves it out.
    #[arg(long, default_value_t = 1_000_000)]
    many: usize,
    /// Draw the comparison, and the memory over the time of one more run, into this folder.
    #[arg(long)]
    pictures: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pods: 10_000,
            updates: 20_000,
            many: 1_000_000,
            pictures: None,
        }
    }
}

/// All runs of all clients.
#[derive(Default, Serialize)]
struct Results {
    pods: usize,
    updates: usize,
    many_pods: usize,
    protobuf: Vec<Stages>,
    json: Vec<Stages>,
    kube_rs: Vec<Stages>,
    bare_protobuf: Vec<Bare>,
    bare_json: Vec<Bare>,
    many: Vec<Many>,
    bare_many: Vec<Bare>,
    reads: Vec<Ours>,
    kube_rs_reads: Vec<Theirs>,
}

/// Runs everything, prints the table, gives its rows.
pub(crate) async fn run(
    options: &Options,
    runs: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let mut results = Results {
        pods: options.pods,
        updates: options.updates,
        many_pods: options.many,
        ..Results::default()
    };
    mirrors(&mut results, options, runs).await?;
    for run in 0..runs {
        eprintln!("packed, reads: run {} of {runs}", run + 1);
        results.reads.push(read(Reader::Heliostat, options).await?);
        results
            .kube_rs_reads
            .push(read(Reader::KubeRs, options).await?);
    }
    many(&mut results, options, runs).await?;
    let table = Table::of(&results);
    table.print(&results, runs);
    if let Some(folder) = &options.pictures {
        pictures::draw(folder, &table, &timelines(options).await?)?;
    }
    Ok(serde_json::to_value(&table)?)
}

/// Every client through all stages, in turn.
async fn mirrors(
    results: &mut Results,
    options: &Options,
    runs: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(served(options.pods, options.updates)).await?;
    for run in 0..runs {
        eprintln!("packed: run {} of {runs}", run + 1);
        let bare = server.ours(BARE, Encoding::Protobuf, &[]).await?;
        results.bare_protobuf.push(bare);
        let ours = server.ours(MIRROR, Encoding::Protobuf, &[]);
        results.protobuf.push(ours.await?);
        let bare = server.ours(BARE, Encoding::Json, &[]).await?;
        results.bare_json.push(bare);
        let ours = server.ours(MIRROR, Encoding::Json, &[]);
        results.json.push(ours.await?);
        let theirs = server.peer(&[]).await?;
        results.kube_rs.push(theirs);
    }
    server.shutdown().await?;
    Ok(())
}

/// The large collection.
async fn many(
    results: &mut Results,
    options: &Options,
    runs: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    if options.many == 0 {
        return Ok(());
    }
    let server = Server::start(served(options.many, 0)).await?;
    for run in 0..runs {
        eprintln!("packed, {} pods: run {} of {runs}", options.many, run + 1);
        let bare = server.ours(BARE, Encoding::Protobuf, &[]).await?;
        results.bare_many.push(bare);
        let ours = server.ours(MANY, Encoding::Protobuf, &[]).await?;
        results.many.push(ours);
    }
    server.shutdown().await?;
    Ok(())
}

/// The memory over the time, ours and the peer's.
async fn timelines(options: &Options) -> Result<[Stages; 2], Box<dyn std::error::Error>> {
    let server = Server::start(served(options.pods, options.updates)).await?;
    let sampled = &["--sampled"];
    let ours = server.ours(MIRROR, Encoding::Protobuf, sampled);
    let ours = ours.await?;
    let theirs = server.peer(sampled).await?;
    server.shutdown().await?;
    Ok([ours, theirs])
}

/// Lists, and a watch behind them.
const fn served(pods: usize, updates: usize) -> Served {
    Served {
        pods,
        updates,
        has_watch_list: false,
    }
}

async fn read<T: DeserializeOwned>(
    who: Reader,
    options: &Options,
) -> Result<T, Box<dyn std::error::Error>> {
    measure(&[
        "packed-reads",
        &format!("--who={}", word(&who)),
        &format!("--pods={}", options.pods),
    ])
    .await
}

/// A replay server in a process of its own, and how to send clients to it.
pub(crate) struct Server {
    process: Child,
    address: String,
    pods: usize,
}

impl Server {
    pub(crate) async fn start(served: Served) -> Result<Self, Box<dyn std::error::Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", "--pods", &served.pods.to_string()])
            .args(["--updates", &served.updates.to_string()])
            .args(served.has_watch_list.then_some("--watch-list"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("the server has no output")?;
        let line = BufReader::new(output).lines().next_line().await?;
        let line = line.unwrap_or_default();
        let address = line.strip_prefix("listening on ");
        let address = address.ok_or("the server did not start")?.to_owned();
        Ok(Self {
            process,
            address,
            pods: served.pods,
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Runs a process of ours.
    async fn ours<T: DeserializeOwned>(
        &self,
        who: &str,
        encoding: Encoding,
        more: &[&str],
    ) -> Result<T, Box<dyn std::error::Error>> {
        let chosen = [
            format!("--who={who}"),
            format!("--encoding={}", word(&encoding)),
        ];
        let more = more.iter().map(ToString::to_string);
        self.client("ours", chosen.into_iter().chain(more)).await
    }

    /// Runs a process of the peer.
    async fn peer(&self, more: &[&str]) -> Result<Stages, Box<dyn std::error::Error>> {
        let more = more.iter().map(ToString::to_string);
        self.client("peer", more).await
    }

    /// The measured programs lie beside this one.
    async fn client<T: DeserializeOwned>(
        &self,
        side: &str,
        more: impl Iterator<Item = String>,
    ) -> Result<T, Box<dyn std::error::Error>> {
        let name = format!("heliostat-bench-{side}{}", std::env::consts::EXE_SUFFIX);
        let program = std::env::current_exe()?.with_file_name(name);
        let target = [
            format!("--server={}", self.address),
            format!("--pods={}", self.pods),
        ];
        let arguments: Vec<String> = target.into_iter().chain(more).collect();
        measure_with(&program, &arguments).await
    }

    pub(crate) async fn shutdown(mut self) -> std::io::Result<()> {
        self.process.kill().await
    }
}

//! Side-by-side benchmarks of mirrors: a replay server, and one process for each measured client.
//!
//! `heliostat-bench` alone runs every comparison and prints the tables; `serve` and the commands that
//! end in `client` are the processes that it starts.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "benchmarks tell what they measure"
)]

mod client;

mod compare;

mod data;

mod etcd;

mod fanout;

mod heliostat_client;

mod kinds;

mod kube_rs_client;

mod packed;

mod prepared;

mod reads;

mod replay;

mod runs;

mod stalled;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use heliostat_bench::process;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let Arguments {
        command,
        runs,
        json,
    } = arguments;
    let mut results = serde_json::Map::new();
    let mut keep = |name: &str, result| results.insert(name.to_owned(), result);
    match command {
        None => {
            keep("compare", compare::run(&Default::default(), runs).await?);
            keep("fanout", fanout::run(&Default::default(), runs).await?);
            keep("reads", reads::run(&Default::default(), runs).await?);
            keep("stalled", stalled::run(&Default::default(), runs).await?);
            keep("packed", packed::run(&Default::default(), runs).await?);
            keep("kinds", kinds::run(&Default::default(), runs)?);
            keep("etcd", etcd::run(&Default::default(), runs).await?);
        }
        Some(Command::Compare(options)) => {
            keep("compare", compare::run(&options, runs).await?);
        }
        Some(Command::Fanout(options)) => {
            keep("fanout", fanout::run(&options, runs).await?);
        }
        Some(Command::Reads(options)) => {
            keep("reads", reads::run(&options, runs).await?);
        }
        Some(Command::Stalled(options)) => {
            keep("stalled", stalled::run(&options, runs).await?);
        }
        Some(Command::Packed(options)) => {
            keep("packed", packed::run(&options, runs).await?);
        }
        Some(Command::Kinds(options)) => {
            keep("kinds", kinds::run(&options, runs)?);
        }
        Some(Command::Etcd(options)) => {
            keep("etcd", etcd::run(&options, runs).await?);
        }
        Some(Command::Serve { listen, served }) => return packed::serve(listen, served).await,
        Some(Command::Client(options)) => return client::run(options).await,
        Some(Command::EtcdClient(options)) => return etcd::run_client(options).await,
        Some(Command::FanoutClient(options)) => return fanout::run_client(options).await,
        Some(Command::ReadsClient(options)) => return reads::run_client(&options),
        Some(Command::StalledClient(options)) => return stalled::run_client(options).await,
        Some(Command::PackedReads(options)) => return packed::run_reads(&options),
        Some(Command::Grow { pods, path }) => return data::write(pods, &path),
    }
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&results)?;
        std::fs::write(path, text + "\n")?;
    }
    Ok(())
}

#[derive(Parser)]
#[command(about = "Measures Heliostat beside kube-rs on the same recorded pods")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How often each client runs.
    #[arg(long, global = true, default_value_t = 5)]
    runs: usize,
    /// Also write the medians into this file, as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Sync and updates over a socket, time and memory.
    Compare(compare::Options),
    /// Updates to 1, 10 and 100 listeners of one mirror.
    Fanout(fanout::Options),
    /// Reads of a store while a writer is at work.
    Reads(reads::Options),
    /// Memory beside a listener that never returns.
    Stalled(stalled::Options),
    /// Packed mirrors: sync, updates, relists and reads; time and memory.
    Packed(packed::Options),
    /// Typed objects and JSON from protobuf, beside serde_json.
    Kinds(kinds::Options),
    /// A mirror of a registry in a real etcd, beside a client that drops what it reads.
    Etcd(etcd::Options),
    /// Serve recorded pods, then updates of them, on loopback.
    Serve {
        /// Where to listen; the address is printed.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        #[command(flatten)]
        served: packed::ServedOptions,
    },
    /// Mirror the served pods once and print what it cost, as one line of JSON.
    Client(client::Options),
    /// One measured process of `fanout`.
    #[command(hide = true)]
    FanoutClient(fanout::ClientOptions),
    /// One measured process of `etcd`.
    #[command(hide = true)]
    EtcdClient(etcd::ClientOptions),
    /// One measured process of `reads`.
    #[command(hide = true)]
    ReadsClient(reads::ClientOptions),
    /// One measured process of `stalled`.
    #[command(hide = true)]
    StalledClient(stalled::ClientOptions),
    /// One measured process of the reads of `packed`.
    #[command(hide = true)]
    PackedReads(packed::ReadsOptions),
    /// Write the grown pods to a file, one a line, to look at them.
    Grow {
        /// How many pods.
        #[arg(long, default_value_t = 10_000)]
        pods: usize,
        /// Where to.
        path: PathBuf,
    },
}

//! Side-by-side benchmarks of mirrors: a replay server, and one process for each measured client.
//!
//! `heliostat-bench` alone runs the comparison and prints the table; the other commands are the
//! processes that it starts.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "benchmarks tell what they measure"
)]

mod client;

mod compare;

mod data;

mod heliostat_client;

mod kube_rs_client;

mod process;

mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match arguments
            .command
            .unwrap_or_else(|| Command::Compare(compare::Options::default()))
        {
            Command::Compare(options) => compare::run(options).await,
            Command::Serve {
                listen,
                pods,
                updates,
            } => serve::run(listen, pods, updates).await,
            Command::Client(options) => client::run(options).await,
            Command::Grow { pods, path } => data::write(pods, &path),
        }
    })
}

#[derive(Parser)]
#[command(about = "Measures Heliostat beside kube-rs on the same recorded pods")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run every client several times in turn and print the medians (the default).
    Compare(compare::Options),
    /// Serve recorded pods, then updates of them, on loopback.
    Serve {
        /// Where to listen; the address is printed.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// How many pods the collection holds.
        #[arg(long, default_value_t = 10_000)]
        pods: usize,
        /// How many updates follow on the watch.
        #[arg(long, default_value_t = 20_000)]
        updates: usize,
    },
    /// Mirror the served pods once and print what it cost, as one line of JSON.
    Client(client::Options),
    /// Write the grown pods to a file, one a line, to look at them.
    Grow {
        /// How many pods.
        #[arg(long, default_value_t = 10_000)]
        pods: usize,
        /// Where to.
        path: PathBuf,
    },
}

//! The comparison: every client in turn, several times, medians and ratios.

use std::process::Stdio;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::{Cost, Initial, ManagedFields, Who};
use crate::runs::{measure, median, verdict, word};

#[derive(Args)]
pub(crate) struct Options {
    /// How many pods the collection holds.
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// How many updates follow.
    #[arg(long, default_value_t = 20_000)]
    updates: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pods: 10_000,
            updates: 20_000,
        }
    }
}

/// The medians of one way to mirror, ours and the peer's.
#[derive(Serialize)]
struct Pair {
    initial: &'static str,
    managed_fields: &'static str,
    heliostat: Cost,
    kube_rs: Cost,
}

/// Runs both clients in turn, prints the tables, gives the medians.
pub(crate) async fn run(
    options: &Options,
    runs: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let (mut server, address) = start_server(options).await?;
    let mut pairs = Vec::new();
    for (initial, initial_name, fields, name) in [
        (Initial::List, "list", ManagedFields::Kept, "kept"),
        (Initial::List, "list", ManagedFields::Cleared, "cleared"),
        (
            Initial::WatchList,
            "watch-list",
            ManagedFields::Kept,
            "kept",
        ),
        (
            Initial::WatchList,
            "watch-list",
            ManagedFields::Cleared,
            "cleared",
        ),
    ] {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for run in 0..runs {
            let number = run + 1;
            eprintln!("sync by {initial_name}, managed fields {name}: run {number} of {runs}");
            let side = |who| client(options, &address, who, initial, fields);
            ours.push(side(Who::Heliostat).await?);
            theirs.push(side(Who::KubeRs).await?);
        }
        pairs.push(Pair {
            initial: initial_name,
            managed_fields: name,
            heliostat: medians(&ours),
            kube_rs: medians(&theirs),
        });
    }
    server.kill().await?;
    print_table(options, runs, &pairs);
    Ok(serde_json::to_value(pairs)?)
}

async fn start_server(options: &Options) -> Result<(Child, String), Box<dyn std::error::Error>> {
    let mut server = Command::new(std::env::current_exe()?)
        .args(["serve", "--pods", &options.pods.to_string()])
        .args(["--updates", &options.updates.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = server.stdout.take().ok_or("the server has no output")?;
    let line = BufReader::new(output)
        .lines()
        .next_line()
        .await?
        .unwrap_or_default();
    let address = line
        .strip_prefix("listening on ")
        .ok_or("the server did not start")?;
    Ok((server, address.to_owned()))
}

async fn client(
    options: &Options,
    address: &str,
    who: Who,
    initial: Initial,
    fields: ManagedFields,
) -> Result<Cost, Box<dyn std::error::Error>> {
    measure(&[
        "client",
        &format!("--server={address}"),
        &format!("--who={}", word(&who)),
        &format!("--initial={}", word(&initial)),
        &format!("--managed-fields={}", word(&fields)),
        &format!("--pods={}", options.pods),
        &format!("--updates={}", options.updates),
    ])
    .await
}

fn medians(costs: &[Cost]) -> Cost {
    let of = |field: fn(&Cost) -> f64| median(costs, field);
    Cost {
        sync_wall: of(|cost| cost.sync_wall),
        sync_cpu: of(|cost| cost.sync_cpu),
        sync_resident: of(|cost| cost.sync_resident),
        sync_peak: of(|cost| cost.sync_peak),
        update_wall: of(|cost| cost.update_wall),
        update_cpu: of(|cost| cost.update_cpu),
        update_resident: of(|cost| cost.update_resident),
    }
}

/// A row of the table: what, how to read it, and the most that ours may be of the peer's.
type Row = (&'static str, fn(&Cost) -> f64, f64);

/// Ours is nowhere slower or larger, and at least 1.3 times as fast on updates. Typed pods take what they
/// take: how much smaller ours is after the updates depends on what the peer's allocator keeps.
const ROWS: [Row; 7] = [
    ("sync, wall s", |cost| cost.sync_wall, 1.0),
    ("sync, CPU s", |cost| cost.sync_cpu, 1.0),
    ("after sync, resident MiB", |cost| cost.sync_resident, 1.0),
    ("during sync, peak MiB", |cost| cost.sync_peak, 1.0),
    ("updates, wall s", |cost| cost.update_wall, 1.0 / 1.3),
    ("updates, CPU s", |cost| cost.update_cpu, 1.0),
    (
        "after updates, resident MiB",
        |cost| cost.update_resident,
        1.0,
    ),
];

fn print_table(options: &Options, runs: usize, pairs: &[Pair]) {
    println!(
        "{} pods, {} updates, medians of {runs}; ratio = heliostat / kube-rs",
        options.pods, options.updates
    );
    for pair in pairs {
        println!(
            "\nsync by {}, managed fields {}",
            pair.initial, pair.managed_fields
        );
        println!(
            "{:<30} {:>10} {:>10} {:>7} {:>8}",
            "", "heliostat", "kube-rs", "ratio", "at most"
        );
        for (what, of, most) in ROWS {
            let (ours, theirs) = (of(&pair.heliostat), of(&pair.kube_rs));
            let ratio = ours / theirs;
            let verdict = verdict(ratio <= most);
            println!("{what:<30} {ours:>10.2} {theirs:>10.2} {ratio:>7.2} {most:>8.2}  {verdict}");
        }
    }
}

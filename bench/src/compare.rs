//! The comparison: every client in turn, several times, medians and ratios.

use clap::Args;
use heliostat_bench::replay_server::Encoding;
use serde::Serialize;
use serde_json::Value;

use crate::client::{Cost, Initial, ManagedFields, Who};
use crate::packed::{ServedOptions, Server};
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

/// Who is compared, in the order of [`Sides`].
const SIDES: [(Who, Encoding); 3] = [
    (Who::Heliostat, Encoding::Protobuf),
    (Who::Heliostat, Encoding::Json),
    (Who::KubeRs, Encoding::Json),
];

/// The medians of one way to mirror: ours over protobuf and over JSON, and the peer's over JSON.
#[derive(Serialize)]
struct Sides {
    initial: Initial,
    managed_fields: ManagedFields,
    heliostat: Cost,
    heliostat_json: Cost,
    kube_rs: Cost,
}

/// Runs all clients in turn, prints the tables, gives the medians.
pub(crate) async fn run(
    options: &Options,
    runs: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let server = Server::start(ServedOptions {
        pods: options.pods,
        updates: options.updates,
        has_watch_list: true,
    })
    .await?;
    let mut all = Vec::new();
    for initial in [Initial::List, Initial::WatchList] {
        for managed_fields in [ManagedFields::Kept, ManagedFields::Cleared] {
            let mut costs = [const { Vec::new() }; 3];
            for run in 1..=runs {
                let (initial_name, fields_name) = (word(&initial), word(&managed_fields));
                eprintln!(
                    "sync by {initial_name}, managed fields {fields_name}: run {run} of {runs}"
                );
                for (side, costs) in SIDES.into_iter().zip(&mut costs) {
                    let client = client(options, &server, side, (initial, managed_fields));
                    costs.push(client.await?);
                }
            }
            let [heliostat, heliostat_json, kube_rs] = costs.map(|costs| medians(&costs));
            all.push(Sides {
                initial,
                managed_fields,
                heliostat,
                heliostat_json,
                kube_rs,
            });
        }
    }
    server.shutdown().await?;
    print_table(options, runs, &all);
    Ok(serde_json::to_value(all)?)
}

async fn client(
    options: &Options,
    server: &Server,
    (who, encoding): (Who, Encoding),
    (initial, managed_fields): (Initial, ManagedFields),
) -> Result<Cost, Box<dyn std::error::Error>> {
    measure(&[
        "client",
        &format!("--server={}", server.address()),
        &format!("--who={}", word(&who)),
        &format!("--encoding={}", word(&encoding)),
        &format!("--initial={}", word(&initial)),
        &format!("--managed-fields={}", word(&managed_fields)),
        &format!("--pods={}", options.pods),
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

/// A row of the tables: what, how to read it, and the most that ours over protobuf may be of the peer's
/// with managed fields kept and with them cleared.
type Row = (&'static str, fn(&Cost) -> f64, [f64; 2]);

/// Typed pods take the memory that they take, on both sides alike. How much smaller ours is after the
/// updates depends on what the peer's allocator keeps.
const ROWS: [Row; 7] = [
    ("sync, wall s", |cost| cost.sync_wall, [1.0, 0.25]),
    ("sync, CPU s", |cost| cost.sync_cpu, [1.0, 0.25]),
    (
        "after sync, resident MiB",
        |cost| cost.sync_resident,
        [1.0, 1.0],
    ),
    ("during sync, peak MiB", |cost| cost.sync_peak, [1.0, 1.0]),
    (
        "updates, wall s",
        |cost| cost.update_wall,
        [1.0 / 1.3, 1.0 / 3.0],
    ),
    ("updates, CPU s", |cost| cost.update_cpu, [1.0, 1.0]),
    (
        "after updates, resident MiB",
        |cost| cost.update_resident,
        [1.0, 1.0],
    ),
];

fn print_table(options: &Options, runs: usize, all: &[Sides]) {
    println!(
        "{} pods, {} updates, medians of {runs}; ratios to kube-rs",
        options.pods, options.updates
    );
    for sides in all {
        println!(
            "\nsync by {}, managed fields {}",
            word(&sides.initial),
            word(&sides.managed_fields)
        );
        println!(
            "{:<28} {:>9} {:>9} {:>9} {:>6} {:>6} {:>7}",
            "", "protobuf", "JSON", "kube-rs", "ratio", "JSON", "at most"
        );
        for (what, of, most) in ROWS {
            let most = match sides.managed_fields {
                ManagedFields::Kept => most[0],
                ManagedFields::Cleared => most[1],
            };
            let [ours, json, theirs] =
                [&sides.heliostat, &sides.heliostat_json, &sides.kube_rs].map(of);
            let (ratio, json_ratio) = (ours / theirs, json / theirs);
            let verdict = verdict(ratio <= most);
            println!(
                "{what:<28} {ours:>9.2} {json:>9.2} {theirs:>9.2} {ratio:>6.2} {json_ratio:>6.2} \
                 {most:>7.2}  {verdict}"
            );
        }
    }
}

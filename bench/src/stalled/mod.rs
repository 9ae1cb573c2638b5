//! What a listener costs that never comes back: memory, and what becomes of a healthy one beside it.

mod heliostat;

mod kube_rs;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::prepared;
use crate::process::Usage;
use crate::replay::Script;
use crate::runs::{measure, median, verdict, word};

#[derive(Args)]
pub(crate) struct Options {
    /// How many pods are mirrored.
    #[arg(long, default_value_t = 1_000)]
    pods: usize,
    /// How many updates follow; each is made when it is taken.
    #[arg(long, default_value_t = 100_000)]
    updates: usize,
    /// How many notifications wait in ours before they are folded together.
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
    /// The peer's buffer between its stream and the subscribers.
    #[arg(long, default_value_t = 1_024)]
    buffer: usize,
}

#[derive(Args)]
pub(crate) struct ClientOptions {
    #[arg(long)]
    way: Way,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// `SharedInformer`, everything kept for the handler.
    Unbounded,
    /// `SharedInformer`, with a limit.
    Coalescing,
    /// `reflector::store_shared`.
    KubeRs,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pods: 1_000,
            updates: 100_000,
            limit: 1_000,
            buffer: 1_024,
        }
    }
}

/// What one process measured.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Cost {
    /// Resident MiB before the first update.
    before: f64,
    /// Resident MiB after the last update, or when nothing moved any more.
    after: f64,
    /// What waits for the stalled listener.
    pending: f64,
    /// How many updates the healthy listener got.
    healthy: f64,
}

/// The medians of one way.
#[derive(Debug, Serialize)]
struct Line {
    way: String,
    cost: Cost,
    growth: f64,
    /// Whether the healthy listener got every update.
    healthy_got_all: bool,
}

/// The most that may be kept for a handler with a limit, in parts of what is kept without one.
const BOUNDED: f64 = 0.1;

/// Runs all ways in turn, prints the table, gives its lines.
pub(crate) async fn run(
    options: &Options,
    runs: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let mut lines = Vec::new();
    for way in [Way::Unbounded, Way::Coalescing, Way::KubeRs] {
        let mut costs = Vec::new();
        for run in 0..runs {
            eprintln!("stalled, {}: run {} of {runs}", word(&way), run + 1);
            costs.push(client(options, way).await?);
        }
        lines.push(Line::new(word(&way), options, &costs));
    }
    println!(
        "\na listener that never returns: {} updates of {} pods, limit {}, the peer's buffer {}, \
         medians of {runs}",
        options.updates, options.pods, options.limit, options.buffer
    );
    print(&lines);
    Ok(serde_json::to_value(lines)?)
}

impl Line {
    fn new(way: String, options: &Options, costs: &[Cost]) -> Self {
        let of = |field: fn(&Cost) -> f64| median(costs, field);
        let cost = Cost {
            before: of(|cost| cost.before),
            after: of(|cost| cost.after),
            pending: of(|cost| cost.pending),
            healthy: of(|cost| cost.healthy),
        };
        Self {
            way,
            cost,
            growth: of(|cost| cost.after - cost.before),
            healthy_got_all: cost.healthy >= options.updates as f64,
        }
    }
}

fn print(lines: &[Line]) {
    println!(
        "{:<24} {:>11} {:>10} {:>11} {:>9} {:>12}  the healthy one gets all",
        "", "before MiB", "after MiB", "growth MiB", "pending", "healthy got"
    );
    for line in lines {
        let Cost {
            before,
            after,
            pending,
            healthy,
        } = line.cost;
        println!(
            "{:<24} {before:>11.1} {after:>10.1} {:>11.1} {pending:>9} {healthy:>12}  {}",
            line.way,
            line.growth,
            verdict(line.healthy_got_all)
        );
    }
    if let [unbounded, coalescing, ..] = lines {
        let ratio = coalescing.growth / unbounded.growth;
        println!(
            "growth, coalescing / unbounded: {ratio:.3}, promised <= {BOUNDED:.2}  {}",
            verdict(ratio <= BOUNDED)
        );
    }
}

async fn client(options: &Options, way: Way) -> Result<Cost, Box<dyn std::error::Error>> {
    measure(&[
        "stalled-client",
        &format!("--way={}", word(&way)),
        &format!("--pods={}", options.pods),
        &format!("--updates={}", options.updates),
        &format!("--limit={}", options.limit),
        &format!("--buffer={}", options.buffer),
    ])
    .await
}

/// One measured process.
pub(crate) async fn run_client(client: ClientOptions) -> Result<(), Box<dyn std::error::Error>> {
    let ClientOptions { way, options } = client;
    let pods = prepared::pods(options.pods)?;
    let updates = prepared::updates(pods.clone(), options.updates);
    let limit = match way {
        Way::Unbounded | Way::KubeRs => None,
        Way::Coalescing => Some(options.limit),
    };
    let cost = match way {
        Way::Unbounded | Way::Coalescing => {
            let script = Script::new(pods, updates.map(prepared::entry));
            heliostat::run(script, &options, limit).await?
        }
        Way::KubeRs => kube_rs::run(Script::new(pods, updates), &options).await?,
    };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

/// How much a listener has got, seen from outside.
#[derive(Clone, Default)]
struct Seen(Arc<AtomicUsize>);

/// How often it is looked whether anything moves.
const LOOK: Duration = Duration::from_millis(100);

/// After so many looks at which nothing moved, nothing will: an update takes microseconds.
const LOOKS: usize = 20;

impl Seen {
    fn one(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until there are `wanted`, or nothing moves any more.
    async fn reaches(&self, wanted: usize) {
        let (mut last, mut still) = (self.count(), 0);
        while last < wanted && still < LOOKS {
            tokio::time::sleep(LOOK).await;
            let count = self.count();
            still = if count == last { still + 1 } else { 0 };
            last = count;
        }
    }
}

/// Lets the updates come, and measures.
async fn measured(
    options: &Options,
    begin: &tokio::sync::Notify,
    healthy: &Seen,
    stalled: &Seen,
    pending: impl FnOnce() -> usize,
) -> Result<Cost, Box<dyn std::error::Error>> {
    healthy.reaches(options.pods).await;
    stalled.reaches(options.pods).await;
    if healthy.count() != options.pods || stalled.count() != options.pods {
        return Err("the listeners did not get the first state".into());
    }
    let before = Usage::now()?.resident;
    begin.notify_one();
    healthy.reaches(options.pods + options.updates).await;
    Ok(Cost {
        before,
        after: Usage::now()?.resident,
        pending: pending() as f64,
        healthy: (healthy.count() - options.pods) as f64,
    })
}

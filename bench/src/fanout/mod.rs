//! Fan-out: prepared updates through a whole mirror to 1, 10 and 100 listeners that count.
//!
//! Measured from the start signal until the last listener has got the last update.

mod heliostat;

mod kube_rs;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::prepared;
use crate::process::{Spent, Stopwatch};
use crate::replay::Script;
use crate::runs::{Promise, Row, measure, median, print_rows, word};

/// How many listen.
const LISTENERS: [usize; 3] = [1, 10, 100];

#[derive(Args)]
pub(crate) struct Options {
    /// How many pods are mirrored.
    #[arg(long, default_value_t = 1_000)]
    pods: usize,
    /// How many updates follow; each is a decoded pod, and all are in memory before the start.
    #[arg(long, default_value_t = 100_000)]
    updates: usize,
    /// The peer's buffer between its stream and the subscribers.
    #[arg(long, default_value_t = 1_024)]
    buffer: usize,
}

#[derive(Args)]
pub(crate) struct ClientOptions {
    #[arg(long)]
    way: Way,
    #[arg(long)]
    listeners: usize,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// `SharedInformer` with handlers.
    Handlers,
    /// `SharedInformer` with subscriptions.
    Subscriptions,
    /// `reflector::store_shared` with subscribers.
    KubeRs,
    /// Nothing but freeing the updates, which every mirror must when newer ones come.
    Free,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pods: 1_000,
            updates: 100_000,
            buffer: 1_024,
        }
    }
}

/// Runs all ways in turn, prints the table, gives the rows.
pub(crate) async fn run(
    options: &Options,
    runs: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for listeners in LISTENERS {
        let (mut handlers, mut subscriptions, mut peer) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..runs {
            eprintln!("fanout to {listeners}: run {} of {runs}", run + 1);
            handlers.push(client(options, Way::Handlers, listeners).await?);
            subscriptions.push(client(options, Way::Subscriptions, listeners).await?);
            peer.push(client(options, Way::KubeRs, listeners).await?);
        }
        let updates = options.updates as f64;
        for (name, ours) in [("handlers", &handlers), ("subscriptions", &subscriptions)] {
            let what = |what| format!("{listeners} {name}, {what}");
            let row = |name, of: fn(&Spent) -> f64, promise| {
                Row::new(what(name), median(ours, of), median(&peer, of), promise)
            };
            rows.push(row("wall s", |spent| spent.wall, Promise::Nothing));
            rows.push(row("CPU s", |spent| spent.cpu, Promise::AtMost(1.0)));
            let speed = |runs: &[Spent]| updates / median(runs, |spent| spent.wall);
            let speeds = (speed(ours), speed(&peer));
            let promise = Promise::AtLeast(promised(listeners));
            rows.push(Row::new(what("events/s"), speeds.0, speeds.1, promise));
        }
    }
    let mut free = Vec::new();
    for _ in 0..runs {
        free.push(client(options, Way::Free, 1).await?);
    }
    println!(
        "\nfan-out: {} updates of {} pods, the peer's buffer {}, medians of {runs}",
        options.updates, options.pods, options.buffer
    );
    print_rows(&rows, 2);
    let free = median(&free, |spent| spent.wall);
    println!("of that, freeing the updates' pods once, on one thread: {free:.2} s");
    Ok(json!({ "rows": rows, "freeing_s": free }))
}

/// How many times the peer's events a second there are to be: many listeners are what a shared
/// informer is for.
const fn promised(listeners: usize) -> f64 {
    if listeners >= 100 { 5.0 } else { 1.0 }
}

async fn client(
    options: &Options,
    way: Way,
    listeners: usize,
) -> Result<Spent, Box<dyn std::error::Error>> {
    measure(&[
        "fanout-client",
        &format!("--way={}", word(&way)),
        &format!("--listeners={listeners}"),
        &format!("--pods={}", options.pods),
        &format!("--updates={}", options.updates),
        &format!("--buffer={}", options.buffer),
    ])
    .await
}

/// One measured process.
pub(crate) async fn run_client(client: ClientOptions) -> Result<(), Box<dyn std::error::Error>> {
    let ClientOptions {
        way,
        listeners,
        options,
    } = client;
    let pods = prepared::pods(options.pods)?;
    let updates: Vec<_> = prepared::updates(pods.clone(), options.updates).collect();
    let goal = prepared::Goal::new(listeners, options.pods, options.updates);
    let script = Script::new(pods, updates.into_iter());
    let spent = match way {
        Way::Handlers => heliostat::handlers(script, listeners, &goal).await?,
        Way::Subscriptions => heliostat::subscriptions(script, listeners, &goal).await?,
        Way::KubeRs => kube_rs::subscribers(script, listeners, &goal, options.buffer).await?,
        Way::Free => tokio::spawn(free(script)).await??,
    };
    println!("{}", serde_json::to_string(&spent)?);
    Ok(())
}

/// On a worker of the runtime, as mirrors do.
async fn free(script: Script) -> std::io::Result<Spent> {
    let stopwatch = Stopwatch::start()?;
    script.free_updates();
    stopwatch.stop()
}

//! Fan-out: prepared updates through a whole mirror to 1, 10 and 100 listeners that count.
//!
//! Measured from the start signal until the last listener has got the last update.

mod heliostat;

mod kube_rs;

use ::heliostat::Entry;
use clap::{Args, ValueEnum};
use k8s_openapi::api::core::v1::Pod;
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
    /// Leave only the metadata of each pod.
    #[arg(long)]
    small: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// `SharedInformer` with handlers.
    Handlers,
    /// `SharedInformer` with subscriptions, of which each gives its notifications away.
    Subscriptions,
    /// `SharedInformer` with subscriptions, whose notifications are looked at where they lie.
    Borrowed,
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

/// One size of object and number of listeners.
#[derive(Clone, Copy)]
struct Case {
    listeners: usize,
    small: bool,
}

/// Runs all ways in turn, prints the table, gives the rows.
pub(crate) async fn run(
    options: &Options,
    runs: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    let whole = LISTENERS.map(|listeners| Case {
        listeners,
        small: false,
    });
    let small = LISTENERS.map(|listeners| Case {
        listeners,
        small: true,
    });
    for case in whole.into_iter().chain(small) {
        rows.extend(compare(options, runs, case).await?);
    }
    let mut freeing = Vec::new();
    for _ in 0..runs {
        let case = Case {
            listeners: 1,
            small: false,
        };
        freeing.push(client(options, Way::Free, case).await?);
    }
    println!(
        "\nfan-out: {} updates of {} pods, the peer's buffer {}, medians of {runs}",
        options.updates, options.pods, options.buffer
    );
    print_rows(&rows, 2);
    let freeing = median(&freeing, |spent| spent.cpu);
    println!("of that, freeing each update's whole pod once: {freeing:.2} s of CPU");
    Ok(json!({ "rows": rows, "freeing_cpu_s": freeing }))
}

/// The rows of one case.
async fn compare(
    options: &Options,
    runs: usize,
    case: Case,
) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let Case { listeners, small } = case;
    let size = if small { "small" } else { "whole" };
    let [mut handlers, mut subscriptions, mut borrowed, mut peer] = [const { Vec::new() }; 4];
    for run in 0..runs {
        eprintln!(
            "fanout of {size} pods to {listeners}: run {} of {runs}",
            run + 1
        );
        handlers.push(client(options, Way::Handlers, case).await?);
        subscriptions.push(client(options, Way::Subscriptions, case).await?);
        borrowed.push(client(options, Way::Borrowed, case).await?);
        peer.push(client(options, Way::KubeRs, case).await?);
    }
    let mut rows = Vec::new();
    let ways = [
        ("handlers", &handlers),
        ("subscriptions", &borrowed),
        ("owning subscriptions", &subscriptions),
    ];
    for (name, ours) in ways {
        let what = |what| format!("{size}, {listeners} {name}, {what}");
        let row = |name, of: fn(&Spent) -> f64, promise| {
            Row::new(what(name), median(ours, of), median(&peer, of), promise)
        };
        rows.push(row("wall s", |spent| spent.wall, Promise::Nothing));
        rows.push(row("CPU s", |spent| spent.cpu, Promise::AtMost(1.0)));
        let speed = |runs: &[Spent]| options.updates as f64 / median(runs, |spent| spent.wall);
        let speeds = (speed(ours), speed(&peer));
        let promise = Promise::AtLeast(promised(listeners));
        rows.push(Row::new(what("events/s"), speeds.0, speeds.1, promise));
    }
    Ok(rows)
}

/// How many times the peer's events a second there are to be: many listeners are what a shared
/// informer is for.
const fn promised(listeners: usize) -> f64 {
    if listeners >= 100 { 5.0 } else { 1.0 }
}

async fn client(
    options: &Options,
    way: Way,
    case: Case,
) -> Result<Spent, Box<dyn std::error::Error>> {
    let mut arguments = vec![
        "fanout-client".to_owned(),
        format!("--way={}", word(&way)),
        format!("--listeners={}", case.listeners),
        format!("--pods={}", options.pods),
        format!("--updates={}", options.updates),
        format!("--buffer={}", options.buffer),
    ];
    if case.small {
        arguments.push("--small".to_owned());
    }
    measure(&arguments).await
}

/// One measured process.
pub(crate) async fn run_client(client: ClientOptions) -> Result<(), Box<dyn std::error::Error>> {
    let ClientOptions {
        way,
        listeners,
        small,
        options,
    } = client;
    let mut pods = prepared::pods(options.pods)?;
    if small {
        pods.iter_mut().for_each(prepared::shrink);
    }
    let updates = prepared::updates(pods.clone(), options.updates);
    let goal = prepared::Goal::new(listeners, options.pods, options.updates);
    let spent = match way {
        Way::Handlers => heliostat::handlers(ours(pods, updates), listeners, &goal).await?,
        Way::Subscriptions => {
            heliostat::subscriptions(ours(pods, updates), listeners, &goal).await?
        }
        Way::Borrowed => heliostat::borrowed(ours(pods, updates), listeners, &goal).await?,
        Way::KubeRs => {
            let updates: Vec<_> = updates.collect();
            let script = Script::new(pods, updates.into_iter());
            kube_rs::subscribers(script, listeners, &goal, options.buffer).await?
        }
        Way::Free => tokio::spawn(free(updates.collect())).await??,
    };
    println!("{}", serde_json::to_string(&spent)?);
    Ok(())
}

/// All updates made before the start, as our decoder gives them.
fn ours(pods: Vec<Pod>, updates: impl Iterator<Item = Pod>) -> Script<Entry<Pod>> {
    let updates: Vec<_> = updates.map(prepared::entry).collect();
    Script::new(pods, updates.into_iter())
}

/// On a worker of the runtime, as mirrors do.
async fn free(updates: Vec<Pod>) -> std::io::Result<Spent> {
    let stopwatch = Stopwatch::start()?;
    drop(updates);
    stopwatch.stop()
}

//! Reads of a store of 10,000 pods while a writer replaces them as fast as it can.
//!
//! One thread writes, one reads and takes the time of every read. Each write makes a pod of its own and
//! frees the one that it replaces, on both sides. The clock's own share, some tens of
//! nanoseconds, is in every number, ours and the peer's.

mod heliostat;

mod kube_rs;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::Who;
use crate::prepared;
use crate::runs::{Promise, Row, measure, median, print_rows, word};

#[derive(Args)]
pub(crate) struct Options {
    /// How many pods are in the store.
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// How many reads of one pod by its name.
    #[arg(long, default_value_t = 200_000)]
    points: usize,
    /// How many reads of all pods of one node.
    #[arg(long, default_value_t = 2_000)]
    nodes: usize,
}

#[derive(Args)]
pub(crate) struct ClientOptions {
    #[arg(long)]
    who: Who,
    #[command(flatten)]
    options: Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pods: 10_000,
            points: 200_000,
            nodes: 2_000,
        }
    }
}

/// How long reads took, in nanoseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Latency {
    p50: f64,
    p99: f64,
}

/// What one process measured.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Reads {
    point: Latency,
    node: Latency,
    /// While the reads went on.
    writes_a_second: f64,
}

/// Runs both stores in turn, prints the table, gives the rows.
pub(crate) async fn run(
    options: &Options,
    runs: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 0..runs {
        eprintln!("reads: run {} of {runs}", run + 1);
        ours.push(client(options, Who::Heliostat).await?);
        theirs.push(client(options, Who::KubeRs).await?);
    }
    let row = |what: &str, of: fn(&Reads) -> f64, promise| {
        let (ours, theirs) = (median(&ours, of), median(&theirs, of));
        Row::new(what.to_owned(), ours, theirs, promise)
    };
    let no_slower = Promise::AtMost(1.0);
    let rows = [
        row("one pod, p50 ns", |reads| reads.point.p50, no_slower),
        row("one pod, p99 ns", |reads| reads.point.p99, no_slower),
        row("pods of a node, p50 ns", |reads| reads.node.p50, no_slower),
        row("pods of a node, p99 ns", |reads| reads.node.p99, no_slower),
        row(
            "meanwhile writes/s",
            |reads| reads.writes_a_second,
            Promise::Nothing,
        ),
    ];
    println!(
        "\nreads beside a writer: {} pods, {} reads of one, {} of a node's, medians of {runs}",
        options.pods, options.points, options.nodes
    );
    print_rows(&rows, 0);
    Ok(serde_json::to_value(rows)?)
}

async fn client(options: &Options, who: Who) -> Result<Reads, Box<dyn std::error::Error>> {
    measure(&[
        "reads-client",
        &format!("--who={}", word(&who)),
        &format!("--pods={}", options.pods),
        &format!("--points={}", options.points),
        &format!("--nodes={}", options.nodes),
    ])
    .await
}

/// One measured process.
pub(crate) fn run_client(client: &ClientOptions) -> Result<(), Box<dyn std::error::Error>> {
    let options = &client.options;
    let pods = prepared::pods(options.pods)?;
    let reads = match client.who {
        Who::Heliostat => heliostat::run(options, pods)?,
        Who::KubeRs => kube_rs::run(options, pods)?,
    };
    println!("{}", serde_json::to_string(&reads)?);
    Ok(())
}

/// Writes without end on a thread of its own while this one reads. `point` and `node` are given the
/// number of the read and say how many pods they found.
fn beside_writer(
    options: &Options,
    mut write: impl FnMut(usize) + Send,
    mut point: impl FnMut(usize) -> usize,
    mut node: impl FnMut(usize) -> usize,
) -> Result<Reads, Box<dyn std::error::Error>> {
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        // However this ends, the writer must.
        let _stop = StopAtEnd(&stop);
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                write(number);
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        while written.load(Ordering::Relaxed) == 0 {
            std::hint::spin_loop();
        }
        let (begun, before) = (Instant::now(), written.load(Ordering::Relaxed));
        let point = latency(options.points, &mut point)?;
        let node = latency(options.nodes, &mut node)?;
        let writes = written.load(Ordering::Relaxed) - before;
        Ok(Reads {
            point,
            node,
            writes_a_second: writes as f64 / begun.elapsed().as_secs_f64(),
        })
    })
}

/// Says stop when it is dropped.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn latency(count: usize, read: &mut impl FnMut(usize) -> usize) -> Result<Latency, String> {
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let begun = Instant::now();
        let found = std::hint::black_box(read(number));
        times.push(begun.elapsed().as_nanos() as f64);
        if found == 0 {
            return Err(format!("read {number} found nothing"));
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get(count * percent / 100).copied();
    let none = || "no reads".to_owned();
    Ok(Latency {
        p50: at(50).ok_or_else(none)?,
        p99: at(99).ok_or_else(none)?,
    })
}

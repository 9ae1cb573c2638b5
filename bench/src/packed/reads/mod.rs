//! Reads of packed pods: within the memory budget beside a writer, beyond it, and of all pods by a field.
//!
//! The time of every read is taken; the clock's own share is in every number, ours and the peer's.

mod heliostat;

mod kube_rs;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Args)]
pub(crate) struct Options {
    /// Whose reads.
    #[arg(long)]
    who: Reader,
    /// How many pods are in the store.
    #[arg(long)]
    pods: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Reader {
    /// An `Indexer` of packed pods.
    Heliostat,
    /// A reflector's `Store`.
    KubeRs,
}

/// How long reads of ours take at the median, in nanoseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Ours {
    pub(super) within: Beside,
    /// The same of many more, with a budget that has room for all of them.
    pub(super) large: Beside,
    /// Beyond the budget, as bytes.
    pub(super) raw: f64,
    /// Beyond the budget, as `k8s_pb` has pods.
    pub(super) typed: f64,
    /// One field of all pods.
    pub(super) scan: f64,
}

/// The peer's reads of as many pods.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Theirs {
    pub(super) within: Beside,
    pub(super) large: Beside,
}

/// Reads of one object beside a writer.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Beside {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) writes_a_second: f64,
}

/// So many pods fit into the memory budget as it is by default, decoded: by its own estimate they take
/// 41 of 64 MiB.
pub(super) const PODS_WITHIN: usize = 1_000;

/// How many reads of one object there are.
const READS: usize = 200_000;

/// How many reads of one object there are beyond the budget.
const SLOW_READS: usize = 20_000;

/// How many reads of all objects there are.
const SCANS: usize = 21;

/// Spreads consecutive reads, and consecutive writes, over the collection.
const STRIDE: usize = 7919;

/// Measures, and prints what was measured as one line of JSON.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let measured = match options.who {
        Reader::Heliostat => serde_json::to_string(&heliostat::run(options.pods)?)?,
        Reader::KubeRs => serde_json::to_string(&kube_rs::run(options.pods)?)?,
    };
    println!("{measured}");
    Ok(())
}

/// Writes without end on a thread of its own while this one reads, from when each of so many objects has
/// been written once: until then the first ones are freed. `read` is given the number of the read and says
/// whether it found something.
fn beside_writer(
    objects: usize,
    mut write: impl FnMut(usize) + Send,
    read: impl FnMut(usize) -> bool,
) -> Result<Beside, String> {
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
        while written.load(Ordering::Relaxed) <= objects as u64 {
            std::hint::spin_loop();
        }
        let (begun, before) = (Instant::now(), written.load(Ordering::Relaxed));
        let times = times(READS, read)?;
        let writes = written.load(Ordering::Relaxed) - before;
        Ok(Beside {
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
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

/// How long each of so many reads takes, in nanoseconds, shortest first.
fn times(count: usize, mut read: impl FnMut(usize) -> bool) -> Result<Vec<f64>, String> {
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let begun = Instant::now();
        let is_found = std::hint::black_box(read(number));
        times.push(begun.elapsed().as_nanos() as f64);
        if !is_found {
            return Err(format!("read {number} found nothing"));
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn percentile(times: &[f64], percent: usize) -> f64 {
    let at = times.get(times.len() * percent / 100);
    at.copied().unwrap_or(f64::NAN)
}

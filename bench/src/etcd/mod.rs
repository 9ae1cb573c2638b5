//! A mirror of what kube-apiserver stores in etcd, beside a client that reads the same and drops it.
//!
//! A real etcd holds the pods, in protobuf under `/registry/pods/`. The bare client asks for pages of 500 keys
//! at one revision, and watches from a revision; it decodes the messages of gRPC and nothing in them. Ours
//! decodes, packs and stores every pod.

mod bare;

mod client;

#[path = "../../../crates/heliostat/tests/etcd_server/mod.rs"]
mod etcd_server;

use std::time::Instant;

use bytes::{BufMut as _, BytesMut};
use clap::{Args, ValueEnum};
use heliostat_bench::replay_server::Encoding;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::packed::pods::Pods;
use crate::packed::pods::protobuf::{MAGIC, push_field};
use crate::runs::{Promise, median, verdict, word};

use etcd_server::{EtcdClient, Member, Options as ServerOptions, Put, Version};

pub(crate) use client::{ClientOptions, run_client};

/// Where the pods are.
const PREFIX: &str = "/registry/pods/";

/// Pods that are written in one transaction: it has less than the 1.5 MiB that etcd accepts.
const BATCH: usize = 50;

#[derive(Args)]
pub(crate) struct Options {
    /// How many pods there are.
    #[arg(long, default_value_t = 100_000)]
    pods: usize,
    /// How many updates follow.
    #[arg(long, default_value_t = 20_000)]
    updates: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pods: 100_000,
            updates: 20_000,
        }
    }
}

/// What a client does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Way {
    /// Ranges, dropped.
    BareRange,
    /// A mirror of packed pods, until it is synced.
    Mirror,
    /// A watch, dropped.
    BareWatch,
    /// A mirror from an old revision, until it has all updates.
    MirrorWatch,
}

/// What one process measured.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Cost {
    /// Seconds.
    wall: f64,
    /// CPU seconds.
    cpu: f64,
    /// The most resident MiB.
    peak: f64,
}

/// One measured thing, ours and the bare client's.
#[derive(Debug, Serialize)]
struct Line {
    what: &'static str,
    bare: Cost,
    mirror: Cost,
    ratio: f64,
    promise: Promise,
    holds: bool,
}

/// Runs all clients in turn, prints the table, returns its lines.
pub(crate) async fn run(
    options: &Options,
    runs: usize,
) -> Result<Value, Box<dyn std::error::Error>> {
    let server = ServerOptions {
        arguments: vec!["--quota-backend-bytes=8589934592".to_owned()],
        ..ServerOptions::default()
    };
    let member = Member::start_with(Version::Newest, &server).await;
    let member = member.ok_or("there is no etcd: run `cargo xtask test` once")?;
    let pods = Pods::recorded(Encoding::Protobuf)?;
    let client = member.client();
    eprintln!("etcd: writing {} pods", options.pods);
    let loaded = write(&client, &pods, 0..options.pods, 1).await;
    let mut costs: [Vec<Cost>; 4] = Default::default();
    for run in 0..runs {
        for (way, costs) in [Way::BareRange, Way::Mirror].into_iter().zip(&mut costs) {
            eprintln!("etcd, {}: run {} of {runs}", word(&way), run + 1);
            costs.push(measured(&member, way, loaded, options.pods).await?);
        }
    }
    eprintln!("etcd: writing {} updates", options.updates);
    let last = update(&client, &pods, options).await;
    for run in 0..runs {
        for (way, costs) in [Way::BareWatch, Way::MirrorWatch]
            .into_iter()
            .zip(&mut costs[2..])
        {
            eprintln!("etcd, {}: run {} of {runs}", word(&way), run + 1);
            costs.push(measured(&member, way, loaded, usize::try_from(last)?).await?);
        }
    }
    let [range, mirror, watch, mirror_watch] = costs.map(|costs| Cost::median(&costs));
    let lines = [
        Line::new("list, seconds", range, mirror, Promise::AtMost(1.5)),
        // 0.6 of the rate is this much more of the time.
        Line::new(
            "updates, seconds",
            watch,
            mirror_watch,
            Promise::AtMost(1.0 / 0.6),
        ),
    ];
    println!(
        "\netcd: {} pods, {} updates, medians of {runs}",
        options.pods, options.updates
    );
    for line in &lines {
        println!(
            "{:<18} bare {:>8.3}  mirror {:>8.3}  ratio {:>5.2}  cpu {:>6.2} and {:>6.2}  peak {:>6.1} MiB  {}",
            line.what,
            line.bare.wall,
            line.mirror.wall,
            line.ratio,
            line.bare.cpu,
            line.mirror.cpu,
            line.mirror.peak,
            verdict(line.holds)
        );
    }
    Ok(serde_json::to_value(lines)?)
}

async fn measured(
    member: &Member,
    way: Way,
    revision: u64,
    until: usize,
) -> Result<Cost, Box<dyn std::error::Error>> {
    let arguments = [
        "etcd-client".to_owned(),
        format!("--way={}", word(&way)),
        format!("--endpoint={}", member.url()),
        format!("--revision={revision}"),
        format!("--until={until}"),
    ];
    crate::runs::measure(&arguments).await
}

impl Cost {
    fn median(costs: &[Self]) -> Self {
        Self {
            wall: median(costs, |cost| cost.wall),
            cpu: median(costs, |cost| cost.cpu),
            peak: median(costs, |cost| cost.peak),
        }
    }
}

impl Line {
    fn new(what: &'static str, bare: Cost, mirror: Cost, promise: Promise) -> Self {
        let ratio = mirror.wall / bare.wall;
        let holds = match promise {
            Promise::AtMost(most) => ratio <= most,
            Promise::AtLeast(least) => ratio >= least,
            Promise::Nothing => true,
        };
        Self {
            what,
            bare,
            mirror,
            ratio,
            promise,
            holds,
        }
    }
}

/// Writes pods; returns the last revision.
async fn write(
    client: &EtcdClient,
    pods: &Pods,
    indexes: std::ops::Range<usize>,
    version: u64,
) -> u64 {
    let begun = Instant::now();
    let mut revision = 0;
    let indexes: Vec<usize> = indexes.collect();
    for batch in indexes.chunks(BATCH) {
        let pairs: Vec<(String, BytesMut)> = batch
            .iter()
            .map(|index| (key(*index), value(pods, *index, version)))
            .collect();
        let puts: Vec<Put<'_>> = pairs
            .iter()
            .map(|(key, value)| Put {
                key: key.as_bytes(),
                value,
                lease: None,
            })
            .collect();
        revision = client.put_all(&puts).await;
    }
    eprintln!("etcd: written in {:.1} s", begun.elapsed().as_secs_f64());
    revision
}

/// Updates pods one by one, each in a revision of its own, as kube-apiserver does; returns the last revision.
async fn update(client: &EtcdClient, pods: &Pods, options: &Options) -> u64 {
    let mut revision = 0;
    for number in 0..options.updates {
        let index = number % options.pods.max(1);
        let version = 2 + number as u64;
        revision = client.put(key(index), value(pods, index, version)).await;
    }
    revision
}

fn key(index: usize) -> String {
    format!("{PREFIX}ns-{:04}/pod-{index:07}", index / 1_000)
}

/// A pod as kube-apiserver stores it: the message in an envelope with its kind.
fn value(pods: &Pods, index: usize, version: u64) -> BytesMut {
    let mut pod = BytesMut::new();
    pods.push(&mut pod, index, version);
    let mut kind = BytesMut::new();
    push_field(&mut kind, 1, b"v1");
    push_field(&mut kind, 2, b"Pod");
    let mut value = BytesMut::with_capacity(pod.len() + 32);
    value.put_slice(MAGIC);
    push_field(&mut value, 1, &kind);
    push_field(&mut value, 2, &pod);
    value
}

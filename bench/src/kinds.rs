//! Typed objects and JSON from protobuf and protobuf from JSON, beside what `serde_json` does with the same pods.

use std::error::Error;
use std::hint::black_box;
use std::io::Read;
use std::time::Instant;

use flate2::read::GzDecoder;
use heliostat_kinds::schema::{self, Message};
use heliostat_kinds::{Envelope, Object, TextOptions, from_message};
use k8s_openapi::api::core::v1::Pod;
use prost::Message as _;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The same page of pods in both encodings.
const JSON: &[u8] = include_bytes!("../data/pods-1000.json.gz");
const PROTOBUF: &[u8] = include_bytes!("../data/pods-1000.pb.gz");

/// What is measured.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Leave out managed fields, which mirrors clear by default.
    #[arg(long)]
    without_managed_fields: bool,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// A pod in both encodings.
struct Sample {
    json: Vec<u8>,
    protobuf: Vec<u8>,
}

/// Microseconds a pod of each kind of work.
const WORK: [&str; 5] = [
    "json to Pod",
    "protobuf to Pod",
    "json to Pod to json",
    "protobuf to json",
    "json to protobuf",
];

/// Does all work in turns, so that whatever disturbs one disturbs all, and prints the medians.
pub(crate) fn run(options: &Options, runs: usize) -> Result<serde_json::Value, Box<dyn Error>> {
    let pod = schema::kind("v1", "Pod")
        .ok_or("pods are built in")?
        .message();
    let samples = samples(pod, options.without_managed_fields)?;
    let mut times = [const { Vec::new() }; WORK.len()];
    for _ in 0..runs {
        for (work, times) in times.iter_mut().enumerate() {
            let begun = Instant::now();
            for sample in &samples {
                do_work(work, pod, sample)?;
            }
            times.push(begun.elapsed().as_secs_f64() * 1e6 / samples.len() as f64);
        }
    }
    let medians = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default()
    });
    for (work, median) in WORK.iter().zip(medians) {
        println!("{work:>20}: {median:6.1} µs a pod");
    }
    let [json, protobuf, through, text, written] = medians;
    println!(
        "typed {:.2}x as fast, JSON {:.2}x as fast, protobuf {:.2}x as fast",
        json / protobuf,
        through / text,
        json / written
    );
    Ok(WORK
        .iter()
        .copied()
        .zip(medians.map(serde_json::Value::from))
        .collect())
}

fn do_work(work: usize, pod: &'static Message, sample: &Sample) -> Result<(), Box<dyn Error>> {
    match work {
        0 => drop(black_box(serde_json::from_slice::<Pod>(&sample.json)?)),
        1 => drop(black_box(from_message::<Pod>(pod, &sample.protobuf)?)),
        2 => {
            let pod = serde_json::from_slice::<Pod>(&sample.json)?;
            black_box(serde_json::to_vec(&pod)?);
        }
        3 => {
            let mut out = Vec::new();
            Object::of_message(pod, &sample.protobuf).to_json(&mut out)?;
            black_box(out);
        }
        _ => {
            let kind = schema::kind("v1", "Pod").ok_or("pods are built in")?;
            let mut out = Vec::new();
            let options = TextOptions::new().with_kind(kind);
            options.write_json(&sample.json, &mut out)?;
            black_box(out);
        }
    }
    Ok(())
}

fn samples(pod: &'static Message, is_cleared: bool) -> Result<Vec<Sample>, Box<dyn Error>> {
    let (mut json, mut protobuf) = (String::new(), Vec::new());
    GzDecoder::new(JSON).read_to_string(&mut json)?;
    GzDecoder::new(PROTOBUF).read_to_end(&mut protobuf)?;
    let list: List<'_> = serde_json::from_str(&json)?;
    let typed = k8s_pb::api::core::v1::PodList::decode(Envelope::parse(&protobuf)?.raw())?;
    let mut samples = Vec::new();
    for (json, mut item) in list.items.iter().zip(typed.items) {
        let mut json = json.get().as_bytes().to_vec();
        if is_cleared && let Some(metadata) = &mut item.metadata {
            metadata.managed_fields.clear();
        }
        let protobuf = item.encode_to_vec();
        let mut written = Vec::new();
        Object::of_message(pod, &protobuf).to_json(&mut written)?;
        if is_cleared {
            json = written;
        } else if written != json {
            return Err("a pod is not the same in both encodings".into());
        }
        samples.push(Sample { json, protobuf });
    }
    Ok(samples)
}

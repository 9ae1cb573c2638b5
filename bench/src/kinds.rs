//! Typed objects and JSON from protobuf and protobuf from JSON, beside what `serde_json` does with the same pods.

use std::any::Any;
use std::error::Error;
use std::hint::black_box;
use std::io::Read;

use flate2::read::GzDecoder;
use heliostat_kinds::schema::{self, Message};
use heliostat_kinds::{Envelope, Object, TextOptions, from_message};
use k8s_openapi::api::core::v1::Pod;
use k8s_pb::api::core::v1::{Pod as ProstPod, PodList as ProstPodList};
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

/// A pod in both encodings and as typed object.
struct Sample {
    json: Vec<u8>,
    protobuf: Vec<u8>,
    pod: Pod,
}

/// A kind of work: its name, and what it makes of a pod.
type Work = (
    &'static str,
    fn(&'static Message, &Sample) -> Result<Output, Box<dyn Error>>,
);

/// What work makes, to be dropped where the measurement says.
type Output = Box<dyn Any>;

/// All work. Copying a pod makes its allocations and nothing else, which is what no decoder saves.
const WORK: [Work; 7] = [
    ("JSON to Pod", |_, sample| {
        Ok(Box::new(serde_json::from_slice::<Pod>(&sample.json)?))
    }),
    ("protobuf to Pod", |pod, sample| {
        Ok(Box::new(from_message::<Pod>(pod, &sample.protobuf)?))
    }),
    ("clone of Pod", |_, sample| Ok(Box::new(sample.pod.clone()))),
    ("protobuf to Pod of prost", |_, sample| {
        Ok(Box::new(ProstPod::decode(&*sample.protobuf)?))
    }),
    ("JSON to Pod to JSON", |_, sample| {
        let pod = serde_json::from_slice::<Pod>(&sample.json)?;
        Ok(Box::new(serde_json::to_vec(&pod)?))
    }),
    ("protobuf to JSON", |pod, sample| {
        let mut out = Vec::new();
        Object::of_message(pod, &sample.protobuf).to_json(&mut out)?;
        Ok(Box::new(out))
    }),
    ("JSON to protobuf", |_, sample| {
        let mut out = Vec::new();
        TextOptions::new()
            .without_envelope()
            .write_json(&sample.json, &mut out)?;
        Ok(Box::new(out))
    }),
];

/// When outputs are dropped.
#[derive(Clone, Copy)]
enum Dropped {
    /// Each before the next is made, within the measured time.
    AtOnce,
    /// Outside of the measured time.
    Later,
}

/// Outputs that are held when they are dropped later.
const HELD_MAX: usize = 50;

/// Does all work in turns, so that whatever disturbs one disturbs all, and prints the medians.
pub(crate) fn run(options: &Options, runs: usize) -> Result<serde_json::Value, Box<dyn Error>> {
    let pod = schema::kind("v1", "Pod")
        .ok_or("pods are built in")?
        .message();
    let samples = samples(pod, options.without_managed_fields)?;
    let mut times = [const { [Vec::new(), Vec::new()] }; WORK.len()];
    for _ in 0..runs {
        for (work, times) in WORK.iter().zip(&mut times) {
            for (times, dropped) in times.iter_mut().zip([Dropped::AtOnce, Dropped::Later]) {
                times.push(measure(*work, pod, &samples, dropped)?);
            }
        }
    }
    let medians = times.map(|times| times.map(median));
    println!("µs of CPU a pod, and without the drop of what is made:");
    for ((name, _), [whole, made]) in WORK.iter().zip(medians) {
        println!("{name:>24}: {whole:6.1} {made:6.1}");
    }
    let [json, protobuf, clone, prost, through, text, written] = medians;
    for (name, fast, slow) in [
        ("protobuf to Pod", protobuf, json),
        ("clone of Pod", clone, json),
        ("protobuf to Pod of prost", prost, json),
        ("protobuf to JSON", text, through),
        ("JSON to protobuf", written, json),
    ] {
        let [whole, made] = [slow[0] / fast[0], slow[1] / fast[1]];
        println!("{name:>24}: {whole:5.2}x {made:5.2}x as fast as by JSON");
    }
    Ok(WORK
        .iter()
        .zip(medians)
        .map(|((name, _), medians)| {
            (
                (*name).to_owned(),
                serde_json::Value::from(medians.to_vec()),
            )
        })
        .collect())
}

/// Returns the microseconds that a pod takes.
fn measure(
    (_, work): Work,
    pod: &'static Message,
    samples: &[Sample],
    dropped: Dropped,
) -> Result<f64, Box<dyn Error>> {
    let mut time = 0.0;
    let mut held = Vec::with_capacity(HELD_MAX);
    for samples in samples.chunks(HELD_MAX) {
        let begun = cpu_time();
        for sample in samples {
            let output = black_box(work(pod, sample)?);
            match dropped {
                Dropped::AtOnce => drop(output),
                Dropped::Later => held.push(output),
            }
        }
        time += cpu_time() - begun;
        held.clear();
    }
    Ok(time / samples.len() as f64)
}

/// Returns the CPU time of this thread in microseconds.
fn cpu_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn samples(pod: &'static Message, is_cleared: bool) -> Result<Vec<Sample>, Box<dyn Error>> {
    let (mut json, mut protobuf) = (String::new(), Vec::new());
    GzDecoder::new(JSON).read_to_string(&mut json)?;
    GzDecoder::new(PROTOBUF).read_to_end(&mut protobuf)?;
    let list: List<'_> = serde_json::from_str(&json)?;
    let typed = ProstPodList::decode(Envelope::parse(&protobuf)?.raw())?;
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
        let pod = serde_json::from_slice(&json)?;
        samples.push(Sample {
            json,
            protobuf,
            pod,
        });
    }
    Ok(samples)
}

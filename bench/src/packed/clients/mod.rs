//! One measured process of `packed`: a mirror through all stages, or a bare reader of the same bytes.

mod bare;

mod heliostat;

mod kube_rs;

mod many;

mod meter;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::pods::Encoding;
pub(super) use many::Many;
pub(super) use meter::{Sample, Stage, Stages};

#[derive(Args)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(long)]
    who: Who,
    /// The encoding that objects are asked for in.
    #[arg(long, default_value = "protobuf")]
    encoding: Encoding,
    /// The replay server.
    #[arg(long)]
    server: String,
    /// How many pods it serves.
    #[arg(long)]
    pods: usize,
    /// Tell the memory all the time, too.
    #[arg(long)]
    sampled: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Who {
    /// The packed mirror of this project.
    Heliostat,
    /// The same, of a large collection, with reads by an index.
    Many,
    /// `kube_runtime::reflector` over `kube_runtime::watcher`, typed pods.
    KubeRs,
    /// hyper, and nothing else.
    Bare,
}

/// What reading the bytes of a list and dropping them takes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Bare {
    pub(super) wall: f64,
    pub(super) cpu: f64,
    pub(super) bytes: f64,
}

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures, and prints what was measured as one line of JSON.
pub(crate) async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // On a task of the runtime, where programs run their mirrors.
    let measured = tokio::spawn(async move {
        let measured = match options.who {
            Who::Heliostat => serde_json::to_string(&heliostat::run(&options).await?),
            Who::Many => serde_json::to_string(&many::run(&options).await?),
            Who::KubeRs => serde_json::to_string(&kube_rs::run(&options).await?),
            Who::Bare => serde_json::to_string(&bare::run(&options).await?),
        };
        Ok::<_, Failure>(measured?)
    });
    let measured = measured.await?.map_err(|error| error.to_string())?;
    println!("{measured}");
    Ok(())
}

/// Has the server do something; gives the version that a mirror then has when it is through.
async fn drive(client: &kube_client::Client, path: &str) -> Result<u64, Failure> {
    let request = hyper::Request::post(path).body(Vec::new())?;
    Ok(client.request_text(request).await?.parse()?)
}

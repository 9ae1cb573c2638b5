//! One measured process of ours: a mirror of packed pods, or a bare reader of the same bytes.

mod bare;

mod many;

mod mirror;

use clap::{Parser, ValueEnum};
use heliostat_bench::replay_server::{Encoding, Target};
use heliostat_bench::stages::{Failure, told};

#[derive(Parser)]
struct Options {
    /// What to measure.
    #[arg(long)]
    who: Who,
    /// The encoding that objects are asked for in.
    #[arg(long)]
    encoding: Encoding,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, ValueEnum)]
enum Who {
    /// A mirror through all stages.
    Mirror,
    /// A mirror of a large collection, with reads by an index.
    Many,
    /// hyper, and nothing else.
    Bare,
}

fn main() -> Result<(), Failure> {
    let Options {
        who,
        encoding,
        target,
    } = Options::parse();
    told(async move {
        Ok(match who {
            Who::Mirror => serde_json::to_string(&mirror::run(&target, encoding).await?)?,
            Who::Many => serde_json::to_string(&many::run(&target, encoding).await?)?,
            Who::Bare => serde_json::to_string(&bare::run(&target, encoding).await?)?,
        })
    })
}

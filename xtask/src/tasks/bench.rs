//! `bench`: the benchmarks, in release mode.

use clap::ValueEnum;

use crate::error::TaskError;
use crate::process;
use crate::workspace::Workspace;

/// Run the benchmarks in release mode
///
/// Without a part: all of them, in about an hour. The parts are `compare` (sync and updates of typed
/// objects), `fanout`, `reads`, `stalled`, `packed` (wire speed and memory of packed mirrors), `kinds` (typed objects and JSON from
/// protobuf), and `etcd` (a mirror of a registry in a real etcd).
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The allocator of the measured processes
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    allocator: Allocator,

    /// Given to the benchmark program as they are; `--help` after a part lists what it takes
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Allocator {
    /// The system's
    #[default]
    System,
    Jemalloc,
    Mimalloc,
}

impl Allocator {
    /// The feature of the benchmark program that chooses it.
    const fn feature(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Jemalloc => Some("--features=jemalloc"),
            Self::Mimalloc => Some("--features=mimalloc"),
        }
    }
}

/// Builds the benchmark program and those that it measures, and runs it.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let cargo = |verb| {
        let mut cargo = process::cargo(workspace);
        cargo.args([verb, "--release", "--package=heliostat-bench"]);
        cargo.args(arguments.allocator.feature());
        cargo
    };
    process::run(cargo("build").arg("--bins"))?;
    process::run(cargo("run").arg("--").args(&arguments.arguments))
}

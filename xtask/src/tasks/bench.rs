//! `bench`: the benchmarks, in release mode.

use clap::ValueEnum;

use crate::error::TaskError;
use crate::process;
use crate::workspace::Workspace;

/// Run the benchmarks in release mode
///
/// Without a part: all of them, in about an hour. The parts are `compare` (sync and updates of typed
/// objects), `fanout`, `reads`, `stalled`, and `packed` (wire speed and memory of packed mirrors).
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The allocator of the measured processes, in place of the program's
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
    /// What the program uses
    #[default]
    Program,
    Jemalloc,
    System,
}

impl Allocator {
    /// The feature of the benchmark program that chooses it.
    const fn feature(self) -> Option<&'static str> {
        match self {
            Self::Program => None,
            Self::Jemalloc => Some("--features=jemalloc"),
            Self::System => Some("--features=system-allocator"),
        }
    }
}

/// Runs the benchmark program.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let mut bench = process::cargo(workspace);
    bench.args(["run", "--release", "--package=heliostat-bench"]);
    bench.args(arguments.allocator.feature());
    process::run(bench.arg("--").args(&arguments.arguments))
}

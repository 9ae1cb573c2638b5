//! `bench`: the benchmarks, in release mode.

use crate::error::TaskError;
use crate::process;
use crate::workspace::Workspace;

/// Run the benchmarks in release mode
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Given to the benchmark program as they are; `--help` lists what it takes
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    arguments: Vec<String>,
}

/// Runs the benchmark program.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let mut bench = process::cargo(workspace);
    bench.args(["run", "--release", "--package=heliostat-bench", "--"]);
    process::run(bench.args(&arguments.arguments))
}

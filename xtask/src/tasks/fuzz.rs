//! `fuzz`: runs one fuzz target, and checks that all of them build.
//!
//! Without a sanitizer cargo-fuzz works on a stable toolchain as it is: the coverage that guides
//! it needs no unstable flag. The project has no unsafe code, which is what sanitizers are for.

use crate::error::TaskError;
use crate::process;
use crate::tasks::check::FUZZ_MANIFEST;
use crate::tools::cargo_fuzz;
use crate::ui;
use crate::workspace::Workspace;

/// Run a fuzz target, installing cargo-fuzz when it is missing
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The target: the name of a file in fuzz/fuzz_targets
    name: String,
    /// How long to run, in seconds; without it until a failure or Ctrl-C
    #[arg(long)]
    seconds: Option<u64>,
    /// Given to libFuzzer as they are, e.g. `-- -runs=1000` or the path of an input to replay
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// Runs one target.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let target = format!("fuzz/fuzz_targets/{}.rs", arguments.name);
    if !workspace.root().join(&target).exists() {
        return Err(TaskError::Found {
            what: format!("there is no fuzz target {target}"),
            next: "name one of the files in fuzz/fuzz_targets, without its end".to_owned(),
        });
    }
    let program = cargo_fuzz::ensure(workspace)?;
    let mut fuzz = process::command(workspace, program);
    fuzz.args(["fuzz", "run", "--sanitizer=none", &arguments.name, "--"]);
    if let Some(seconds) = arguments.seconds {
        fuzz.arg(format!("-max_total_time={seconds}"));
    }
    process::run(fuzz.args(&arguments.arguments))
}

/// Checks that every target builds; the coverage flags of cargo-fuzz make no difference to that.
pub(crate) fn check(workspace: &Workspace) -> Result<(), TaskError> {
    if !workspace.root().join(FUZZ_MANIFEST).exists() {
        ui::line("there are no fuzz targets");
        return Ok(());
    }
    cargo_fuzz::ensure_compiler(workspace)?;
    let mut check = process::cargo(workspace);
    check.args([
        "clippy",
        "--locked",
        "--all-targets",
        "--manifest-path",
        FUZZ_MANIFEST,
    ]);
    // The targets share their dependencies with the workspace, and so what is built of them.
    check.arg("--target-dir").arg(workspace.target()?);
    process::run(check.args(["--", "-D", "warnings"]))
}

//! `fuzz`: runs one fuzz target, and checks that all of them build and stand their seeds.
//!
//! Without a sanitizer cargo-fuzz works on a stable toolchain as it is: the coverage that guides
//! it needs no unstable flag. The project has no unsafe code, which is what sanitizers are
//! for, but one call that `memcheck` looks at.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

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

/// Checks that every target builds, and runs each on its seeds; the coverage flags of cargo-fuzz make no
/// difference to either.
pub(crate) fn check(workspace: &Workspace) -> Result<(), TaskError> {
    if !workspace.root().join(FUZZ_MANIFEST).exists() {
        ui::line("there are no fuzz targets");
        return Ok(());
    }
    cargo_fuzz::ensure_compiler(workspace)?;
    let target = workspace.target()?;
    let cargo = |task: &[&str]| {
        let mut cargo = process::cargo(workspace);
        cargo.args(task);
        cargo.args(["--locked", "--manifest-path", FUZZ_MANIFEST]);
        // The targets share their dependencies with the workspace, and so what is built of them.
        cargo.arg("--target-dir").arg(&target);
        cargo
    };
    let mut clippy = cargo(&["clippy", "--all-targets"]);
    process::run(clippy.args(["--", "-D", "warnings"]))?;
    for (name, seeds) in seeds(&workspace.root().join(SEEDS))? {
        let mut replay = cargo(&["run", "--quiet", "--bin", &name]);
        process::run(replay.arg("--").args(seeds))?;
    }
    Ok(())
}

/// Where the seeds of the targets are, a folder for each.
const SEEDS: &str = "fuzz/seeds";

/// The names of the targets that have seeds, and these.
fn seeds(folder: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>, TaskError> {
    let mut found = BTreeMap::new();
    for target in entries(folder)? {
        let name = target.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        found.insert(name, entries(&target)?);
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, TaskError> {
    let failed = |error| TaskError::file("read", folder)(error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

//! `fmt`, `lint` and `doc`: one cargo command each.

use crate::error::TaskError;
use crate::process;
use crate::workspace::Workspace;

/// The crate of the fuzz targets, which is outside the workspace.
pub(crate) const FUZZ_MANIFEST: &str = "fuzz/Cargo.toml";

/// Format every crate, the fuzz targets included
#[derive(Debug, clap::Args)]
pub(crate) struct FmtArguments {
    /// Change nothing; fail when a file is not formatted
    #[arg(long)]
    pub(crate) check: bool,
}

/// Formats, or checks that everything is formatted.
pub(crate) fn fmt(workspace: &Workspace, arguments: &FmtArguments) -> Result<(), TaskError> {
    let check: &[&str] = if arguments.check { &["--check"] } else { &[] };
    let formatted = (|| {
        process::run(process::cargo(workspace).args(["fmt", "--all"]).args(check))?;
        if !workspace.root().join(FUZZ_MANIFEST).exists() {
            return Ok(());
        }
        let mut fuzz = process::cargo(workspace);
        process::run(
            fuzz.args(["fmt", "--manifest-path", FUZZ_MANIFEST])
                .args(check),
        )
    })();
    match formatted {
        Err(TaskError::CommandFailed { .. }) if arguments.check => Err(TaskError::Found {
            what: "some files are not formatted".to_owned(),
            next: "run `cargo xtask fmt`".to_owned(),
        }),
        other => other,
    }
}

/// Runs clippy over everything.
pub(crate) fn lint(workspace: &Workspace) -> Result<(), TaskError> {
    let mut clippy = process::cargo(workspace);
    clippy.args(["clippy", "--workspace", "--all-targets", "--all-features"]);
    process::run(clippy.args(["--", "-D", "warnings"]))
}

/// Builds the documentation of every crate.
pub(crate) fn doc(workspace: &Workspace) -> Result<(), TaskError> {
    let mut doc = process::cargo(workspace);
    doc.args(["doc", "--workspace", "--no-deps", "--all-features"]);
    process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

//! `deny`: what the dependencies may be, by deny.toml.
//!
//! Advisories are left out: their database comes from a place that a build machine may not reach,
//! and what it says changes without a change of ours.

use crate::error::TaskError;
use crate::process;
use crate::tools::cargo_deny;
use crate::workspace::Workspace;

/// Checks bans, licences and sources.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let program = cargo_deny::ensure(workspace)?;
    let mut deny = process::command(workspace, program);
    deny.args(["--all-features", "check", "--hide-inclusion-graph"]);
    process::run(deny.args(["bans", "licenses", "sources"]))
}

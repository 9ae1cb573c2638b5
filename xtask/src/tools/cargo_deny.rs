//! cargo-deny: bans, licences and sources of all dependencies.

use std::path::PathBuf;

use crate::error::TaskError;
use crate::tools::cargo_install::CargoTool;
use crate::workspace::Workspace;

const TOOL: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    first_build: "one minute",
};

/// Finds or builds the program.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    TOOL.ensure(workspace)
}

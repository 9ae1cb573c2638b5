//! cargo-fuzz: runs fuzz targets; it brings libFuzzer as C++, so a C++ compiler comes with it.

use std::path::PathBuf;

use crate::error::TaskError;
use crate::tools::cargo_install::CargoTool;
use crate::tools::debian;
use crate::workspace::Workspace;

const TOOL: CargoTool = CargoTool {
    name: "cargo-fuzz",
    version: "0.13.2",
    first_build: "half a minute",
};

/// Finds or builds the program.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    ensure_compiler(workspace)?;
    TOOL.ensure(workspace)
}

/// Makes sure that fuzz targets can be built.
pub(crate) fn ensure_compiler(workspace: &Workspace) -> Result<(), TaskError> {
    debian::ensure(workspace, "c++", "g++")
}

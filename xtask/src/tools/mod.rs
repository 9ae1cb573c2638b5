//! The programs that tests and checks need, one file each; all of them live below `target/tools`.
//!
//! A program is looked for, then fetched from a package registry through its ordinary client, then
//! tried once. What is there stays: a second run fetches nothing. Versions are pinned, so that
//! every checkout runs the same.

pub(crate) mod cargo_deny;
pub(crate) mod cargo_fuzz;
mod cargo_install;
mod debian;
pub(crate) mod etcd;
pub(crate) mod helm;
pub(crate) mod kubectl;
mod layer;
pub(crate) mod valgrind;

use std::path::PathBuf;

use crate::error::TaskError;
use crate::workspace::Workspace;

/// A program that a suite of tests needs.
#[derive(Debug)]
pub(crate) struct TestTool {
    /// Its name.
    pub(crate) name: &'static str,
    /// The variable that tells tests where it lies.
    pub(crate) variable: &'static str,
    /// The suites that skip themselves when the variable is not set.
    pub(crate) suites: &'static [&'static str],
    /// Finds or fetches it and returns where it lies.
    pub(crate) provision: fn(&Workspace) -> Result<PathBuf, TaskError>,
}

/// Every program that a suite of tests needs. A further one is a file here and a line there.
pub(crate) const TEST_TOOLS: [TestTool; 4] =
    [kubectl::TOOL, helm::TOOL, etcd::TOOL, etcd::TOOL_3_4];

//! The folders of the workspace.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::TaskError;

/// The checkout that the tasks work on.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the workspace that this program was built from.
    ///
    /// # Errors
    ///
    /// When the folder is gone, which happens to a program that was kept after its checkout moved.
    pub(crate) fn locate() -> Result<Self, TaskError> {
        // Cargo sets the variable for `cargo run`, so a moved checkout is found too.
        let manifest = env::var("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let root = Path::new(&manifest).join("..");
        let root = root
            .canonicalize()
            .map_err(TaskError::file("find the workspace at", root))?;
        Ok(Self { root })
    }

    /// The folder of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for installed programs. It stays the same whatever `CARGO_TARGET_DIR` says, so
    /// that all builds of one checkout share it; created when absent.
    pub(crate) fn tools(&self) -> Result<PathBuf, TaskError> {
        self.folder("target/tools")
    }

    /// A folder for what tasks leave behind: logs and the like; created when absent.
    pub(crate) fn scratch(&self) -> Result<PathBuf, TaskError> {
        self.folder("target/xtask")
    }

    fn folder(&self, relative: &str) -> Result<PathBuf, TaskError> {
        let folder = self.root.join(relative);
        fs::create_dir_all(&folder).map_err(TaskError::file("create", &folder))?;
        Ok(folder)
    }
}
